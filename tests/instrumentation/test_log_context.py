"""Log records of workflows and steps say whose they are."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from dbos import DBOS, SetWorkflowID

from otel_bridge import DBOSInstrumentor, RunContext
from otel_bridge.instrumentation import engine

Instrument = Callable[..., DBOSInstrumentor]
NAMES = ("durable.run.id", "durable.step.seq", "durable.step.attempt")


class Kept(logging.Handler):
    """Keeps what records say, by message."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, tuple[object, ...]] = {}
        self.addFilter(RunContext())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.said[record.getMessage()] = tuple(record.__dict__.get(name) for name in NAMES)


def test_records_say_run_step_and_attempt(worker: Instrument) -> None:
    """In the body the run alone, in a step its number, in one that is retried its attempt; nothing elsewhere."""
    worker()
    handler, log = Kept(), logging.getLogger("test.context")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    tries: list[int] = []

    @DBOS.step()
    def plain() -> None:
        log.info("plain")

    @DBOS.step(retries_allowed=True, interval_seconds=0.001)
    def retried() -> None:
        tries.append(1)
        log.info("try %d", len(tries))
        if len(tries) == 1:
            raise ConnectionError("once")

    @DBOS.workflow()
    def order() -> None:
        log.info("body")
        plain()
        retried()

    DBOS.launch()
    try:
        with SetWorkflowID("r"):
            DBOS.start_workflow(order).get_result()
        log.info("elsewhere")
    finally:
        log.removeHandler(handler)
    assert handler.said == {
        "body": ("r", None, None),
        "plain": ("r", 1, None),
        "try 1": ("r", 2, 1),
        "try 2": ("r", 2, 2),
        "elsewhere": (None, None, None),
    }


def test_a_record_is_handled_whatever_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry never breaks a workflow."""

    def broken() -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(engine, "position", broken)
    assert RunContext().filter(logging.makeLogRecord({"msg": "x"}))
