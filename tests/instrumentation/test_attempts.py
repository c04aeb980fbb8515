"""What the engine does not store of a step that it retries: each attempt, and why it failed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from dbos import DBOS, SetWorkflowID
from opentelemetry.trace import StatusCode

from otel_bridge import DBOSInstrumentor
from otel_bridge.instrumentation import attempts

from .conftest import Tracing, in_step

Instrument = Callable[..., DBOSInstrumentor]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_each_attempt_of_a_retried_step_is_a_span_of_its_own(worker: Instrument, tracing: Tracing, kind: str) -> None:
    """Under the step's span: number, error and length; the one that succeeded is told where others came before it."""
    worker(tracer_provider=tracing.provider)
    tries: list[int] = []

    def work() -> int:
        tries.append(len(tries) + 1)
        if len(tries) < 3:
            raise ConnectionError(f"try {len(tries)}")
        return len(tries)

    if kind == "sync":

        @DBOS.step(retries_allowed=True, max_attempts=5, interval_seconds=0.001)
        def call() -> int:
            return work()

        @DBOS.workflow()
        def order() -> int:
            return call()

    else:

        @DBOS.step(retries_allowed=True, max_attempts=5, interval_seconds=0.001)
        async def call_async() -> int:
            return work()

        @DBOS.workflow()
        async def order_async() -> int:
            return await call_async()

    DBOS.launch()
    with SetWorkflowID("r"):
        handle = DBOS.start_workflow(order) if kind == "sync" else DBOS.start_workflow(order_async)
        assert handle.get_result() == 3
    spans = [span for span in tracing.exporter.get_finished_spans() if span.name.startswith("attempt")]
    assert [span.name for span in spans] == ["attempt 1", "attempt 2", "attempt 3"]
    for number, span in enumerate(spans, 1):
        assert tracing.parent(span.name) == in_step("r", 1)
        assert span.attributes is not None
        assert span.attributes["durable.step.attempt"] == number
        assert span.attributes["durable.step.attempts.most"] == 5
        assert span.attributes["durable.run.id"] == "r"
        failed = number < 3
        assert span.status.status_code == (StatusCode.ERROR if failed else StatusCode.UNSET)
        assert span.status.description == (f"try {number}" if failed else None)
        assert span.attributes.get("error.type") == ("ConnectionError" if failed else None)
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time


def test_a_step_that_succeeds_at_once_has_no_span_of_an_attempt(worker: Instrument, tracing: Tracing) -> None:
    """Its own span says all there is to say, whether it may be retried or not."""
    worker(tracer_provider=tracing.provider)

    @DBOS.step(retries_allowed=True)
    def retried() -> int:
        return 1

    @DBOS.step()
    def plain() -> int:
        return 1

    @DBOS.workflow()
    def order() -> int:
        return retried() + plain()

    DBOS.launch()
    assert DBOS.start_workflow(order).get_result() == 2
    assert tracing.exporter.get_finished_spans() == ()


def test_a_fault_of_ours_reaches_no_step(worker: Instrument, tracing: Tracing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry never breaks a workflow."""
    worker(tracer_provider=tracing.provider)

    def broken(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(attempts, "begin", broken)
    monkeypatch.setattr(attempts, "end", broken)
    tries: list[int] = []

    @DBOS.step(retries_allowed=True, interval_seconds=0.001)
    def flaky() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("once")
        return len(tries)

    @DBOS.workflow()
    def order() -> int:
        return flaky()

    DBOS.launch()
    assert DBOS.start_workflow(order).get_result() == 2
