"""What workers keep of attempts of steps: errors with tracebacks, and what the step logged, where there is a reason."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dbos import DBOS, SetWorkflowID

from otel_bridge import DBOSInstrumentor
from otel_bridge.codec import redact_keys
from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.instrumentation import InstrumentorSettings
from otel_bridge.instrumentation.heartbeat import Scope
from otel_bridge.instrumentation.step_reports import MAX_PENDING, MAX_PENDING_BYTES, StepReports, described
from otel_bridge.ledger import MemoryLedger
from otel_bridge.ledger.base import BODY_SEQ, StepAttempt
from tests.waiting import until

Instrument = Callable[..., DBOSInstrumentor]
log = logging.getLogger("shop.pay")


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    """As an application sets it."""
    log.setLevel(logging.INFO)
    yield
    log.setLevel(logging.NOTSET)


def kept(ledger: MemoryLedger, run_id: str, seq: int, *, attempts: int = 1) -> list[StepAttempt]:
    """Return what is kept of a step, once that much is there."""
    until(lambda: len(ledger.step_attempts(run_id, seq)) >= attempts, what=f"{attempts} attempts")
    return ledger.step_attempts(run_id, seq)


def run(workflow: Any, run_id: str) -> None:
    with SetWorkflowID(run_id):
        handle = DBOS.start_workflow(workflow)
    with contextlib.suppress(Exception):  # what it fails of is what is looked at
        handle.get_result()


def messages(attempt: StepAttempt) -> list[str]:
    return [record.message for record in attempt.logs]


def fail_deep() -> None:
    raise ConnectionError("the bank hung up")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_each_attempt_keeps_its_error_traceback_and_logs(worker: Instrument, ledger: MemoryLedger, kind: str) -> None:
    """Three attempts with an error each; what the first two logged is theirs alone."""
    worker()
    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        log.info("try %d", len(tries), extra={"order": 4711})
        if len(tries) == 1:
            fail_deep()
        raise (KeyError if len(tries) == 2 else TimeoutError)(f"try {len(tries)}")

    if kind == "sync":

        @DBOS.step(retries_allowed=True, max_attempts=3, interval_seconds=0.001)
        def charge() -> None:
            work()

        @DBOS.workflow()
        def order() -> None:
            charge()

    else:

        @DBOS.step(retries_allowed=True, max_attempts=3, interval_seconds=0.001)
        async def charge_async() -> None:
            work()

        @DBOS.workflow()
        async def order_async() -> None:
            await charge_async()

    DBOS.launch()
    run(order if kind == "sync" else order_async, "r")
    found = kept(ledger, "r", 1, attempts=3)
    assert [(one.attempt, one.error_type, one.error_message) for one in found] == [
        (1, "ConnectionError", "the bank hung up"),
        (2, "KeyError", "'try 2'"),
        (3, "TimeoutError", "try 3"),
    ]
    assert [messages(one) for one in found] == [["try 1"], ["try 2"], ["try 3"]]
    assert {one.execution_ms for one in found} == {found[0].execution_ms}
    first = found[0]
    assert first.traceback is not None
    assert "in fail_deep" in first.traceback
    assert 'raise ConnectionError("the bank hung up")' in first.traceback
    record = first.logs[0]
    assert (record.level, record.logger, record.fields) == ("INFO", "shop.pay", {"order": 4711})
    assert str(record.where).startswith("test_step_attempts.py:")
    assert first.ended_at_ms is not None
    assert first.started_at_ms <= record.at_ms <= first.ended_at_ms
    (body,) = kept(ledger, "r", BODY_SEQ)
    assert (body.seq, body.error_type) == (BODY_SEQ, "dbos._error.DBOSMaxStepRetriesExceeded")


def test_nothing_is_kept_of_a_quiet_success_and_of_a_replay(worker: Instrument, ledger: MemoryLedger) -> None:
    """A step that succeeds at once is not told of, whatever it logged; a recorded error is raised again."""
    worker()

    @DBOS.step()
    def quiet() -> None:
        log.info("done")

    @DBOS.step()
    def loud() -> None:
        fail_deep()

    @DBOS.workflow()
    def order() -> None:
        quiet()
        try:
            loud()
        except ConnectionError:
            DBOS.sleep(0.001)
            quiet()

    DBOS.launch()
    run(order, "r")
    kept(ledger, "r", 2)
    DBOS.fork_workflow("r", 4, application_version="v1").get_result()
    (forked,) = [one.workflow_id for one in DBOS.list_workflows() if one.workflow_id != "r"]
    run(order, "last")
    kept(ledger, "last", 2)
    assert [len(ledger.step_attempts("r", seq)) for seq in (1, 2, 3, 4)] == [0, 1, 0, 0]
    assert ledger.failed_attempts(forked) == []


def test_a_slow_step_and_one_that_succeeds_after_a_failure_are_told_of(
    worker: Instrument, ledger: MemoryLedger
) -> None:
    """Without an error. From how long on is a setting."""
    worker(slow_step_s=0)
    tries: list[int] = []

    @DBOS.step()
    def slow() -> None:
        log.warning("still at it")

    @DBOS.step(retries_allowed=True, interval_seconds=0.001)
    def flaky() -> None:
        tries.append(1)
        log.info("try %d", len(tries))
        if len(tries) == 1:
            fail_deep()

    @DBOS.workflow()
    def order() -> None:
        slow()
        flaky()

    DBOS.launch()
    run(order, "r")
    found = [*kept(ledger, "r", 1), *kept(ledger, "r", 2, attempts=2)]
    assert [(one.attempt, one.error_type, messages(one)) for one in found] == [
        (1, None, ["still at it"]),
        (1, "ConnectionError", ["try 1"]),
        (2, None, ["try 2"]),
    ]


def test_a_step_of_a_watched_run_is_told_of_while_it_goes_on(worker: Instrument, ledger: MemoryLedger) -> None:
    """And once more when it ends, although it succeeds quickly: one row, in the end whole."""
    worker(presence_interval_s=0.05)
    watched, seen = threading.Event(), threading.Event()

    @DBOS.step()
    def watched_step() -> None:
        log.info("begun")
        seen.wait(30)
        log.info("ended")

    @DBOS.step()
    def unwatched() -> None:
        log.info("nobody looks")

    @DBOS.workflow()
    def order() -> None:
        watched_step()

    @DBOS.workflow()
    def other() -> None:
        unwatched()

    DBOS.launch()
    ledger.watch_runs(["r"], for_ms=60_000)
    with SetWorkflowID("r"):
        handle = DBOS.start_workflow(order)
    (going,) = kept(ledger, "r", 1)
    assert (messages(going), going.ended_at_ms) == (["begun"], None)
    run(other, "o")
    seen.set()
    handle.get_result()
    watched.set()
    until(lambda: ledger.step_attempts("r", 1)[0].ended_at_ms is not None, what="the end")
    (done,) = ledger.step_attempts("r", 1)
    assert messages(done) == ["begun", "ended"]
    assert ledger.step_attempts("o", 1) == []


def test_ten_thousand_records_are_capped_and_said(worker: Instrument, ledger: MemoryLedger) -> None:
    """The first and the last are kept; a long message is cut."""
    worker(step_log_records=10, step_log_record_bytes=100)

    @DBOS.step()
    def chatty() -> None:
        for number in range(10_000):
            log.info("line %d", number)
        log.info("x" * 5_000)
        fail_deep()

    @DBOS.workflow()
    def order() -> None:
        chatty()

    DBOS.launch()
    run(order, "r")
    (found,) = kept(ledger, "r", 1)
    assert messages(found)[:5] == [f"line {number}" for number in range(5)]
    assert messages(found)[5:9] == [f"line {number}" for number in range(9_996, 10_000)]
    assert messages(found)[9] == f"{'x' * 100}… [cut: 5000 characters]"
    assert found.logs_left_out == 10_001 - 10


def test_secrets_are_hidden_before_they_are_written(worker: Instrument, ledger: MemoryLedger) -> None:
    """In messages, fields, logged tracebacks and errors, and in what stands in the ledger's file."""
    worker(redact=redact_keys(["*token*"]))

    @DBOS.step()
    def leaky() -> None:
        log.info("calling with token=s3cr3t", extra={"api_token": "s3cr3t", "order": 7})
        try:
            raise ValueError("{'token': 's3cr3t'}")
        except ValueError:
            log.exception("refused")
        raise RuntimeError("bad token=s3cr3t")

    @DBOS.workflow()
    def order() -> None:
        leaky()

    DBOS.launch()
    run(order, "r")
    (found,) = kept(ledger, "r", 1)
    assert "bad token=s3cr3t" not in repr(found)
    assert found.error_message == "bad token=[redacted]"
    assert found.logs[0].fields == {"api_token": "[redacted]", "order": 7}
    assert found.logs[0].message == "calling with token=[redacted]"
    assert found.logs[1].exception is not None
    assert found.logs[1].exception.endswith("ValueError: {'token': '[redacted]'}")


def test_an_error_that_cannot_be_pickled_still_has_its_traceback(worker: Instrument, ledger: MemoryLedger) -> None:
    """The engine cannot store it; we keep what it says."""
    worker()

    class Unpicklable(Exception):
        def __init__(self) -> None:
            super().__init__("no pickle")
            self.lock = threading.Lock()

    @DBOS.step()
    def broken() -> None:
        raise Unpicklable

    @DBOS.workflow()
    def order() -> None:
        broken()

    DBOS.launch()
    run(order, "r")
    (found,) = kept(ledger, "r", 1)
    assert found.traceback is not None
    assert "raise Unpicklable" in found.traceback
    assert "no pickle" in found.traceback


def test_a_failure_of_the_body_is_kept_with_its_traceback(worker: Instrument, ledger: MemoryLedger) -> None:
    """It is in no step."""
    worker()

    @DBOS.workflow()
    def order() -> None:
        fail_deep()

    DBOS.launch()
    run(order, "r")
    (found,) = kept(ledger, "r", BODY_SEQ)
    assert (found.name.rpartition(".")[2], found.error_type) == ("order", "ConnectionError")
    assert found.traceback is not None
    assert "in fail_deep" in found.traceback


def test_switched_off_nothing_is_kept_and_logging_is_untouched(worker: Instrument, ledger: MemoryLedger) -> None:
    """Then no method of ``logging`` is replaced either; and afterwards none is."""
    before = logging.Logger.callHandlers
    instrumentor = worker(step_logs=False)
    assert logging.Logger.callHandlers is before

    @DBOS.step()
    def loud() -> None:
        log.info("x")
        fail_deep()

    @DBOS.workflow()
    def order() -> None:
        loud()

    DBOS.launch()
    run(order, "r")
    instrumentor.uninstrument()
    assert ledger.failed_attempts("r") == []
    instrumentor.instrument(ledger=ledger)
    assert logging.Logger.callHandlers is not before
    instrumentor.uninstrument()
    assert logging.Logger.callHandlers is before


def test_a_ledger_that_is_away_costs_the_step_nothing(
    worker: Instrument, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step goes its way; what there is to tell waits, and is written when the ledger is back."""
    away = threading.Event()
    away.set()
    put = ledger.put_step_attempts

    def refuse(attempts: list[StepAttempt]) -> None:
        if away.is_set():
            raise LedgerUnavailableError("ledger", "It is away.")
        put(attempts)

    monkeypatch.setattr(ledger, "put_step_attempts", refuse)
    worker(presence_interval_s=0.05)

    @DBOS.step()
    def loud() -> None:
        log.info("before")
        fail_deep()

    @DBOS.workflow()
    def order() -> str:
        try:
            loud()
        except ConnectionError:
            return "went on"
        return "?"

    DBOS.launch()
    with SetWorkflowID("r"):
        assert DBOS.start_workflow(order).get_result() == "went on"
    away.clear()
    (found,) = kept(ledger, "r", 1)
    assert messages(found) == ["before"]


# -- without an engine ------------------------------------------------------------------------------------------


def scope(name: str = "charge", run_id: str = "r") -> Scope:
    return Scope(run_id, 1, name, 100.0)


def test_what_waits_for_a_ledger_is_bounded() -> None:
    """The oldest is forgotten."""
    reports = StepReports(InstrumentorSettings())
    for number in range(MAX_PENDING + 10):
        reports.left(scope(run_id=f"r{number}"), ValueError(str(number)))
    ledger = MemoryLedger()
    while reports.is_due:
        reports.work_off(lambda: ledger, lambda: "e")
    assert [len(ledger.step_attempts(f"r{number}", 1)) for number in (9, 10, MAX_PENDING + 9)] == [0, 1, 1]


def test_many_attempts_share_a_steps_room(ledger: MemoryLedger) -> None:
    """So that the last one, which says most, has as much of it as the first."""
    reports = StepReports(InstrumentorSettings(step_log_bytes=10_000, step_log_records=10_000))
    one = scope()
    for number in (1, 2, 3, 4):
        reports.begun(one, number, 4)
        for line in range(100):
            record = logging.LogRecord("shop", logging.INFO, "pay.py", 1, f"{number}.{line:03} {'x' * 100}", None, None)
            reports.keep(one, record)
        reports.attempted(one, number, ValueError("no"))
    reports.work_off(lambda: ledger, lambda: None)
    sizes = [sum(len(record.message) for record in found.logs) for found in ledger.step_attempts("r", 1)]
    assert len(set(sizes)) == 1
    assert 0 < sum(sizes) <= 10_000
    assert [messages(found)[-1][:5] for found in ledger.step_attempts("r", 1)] == ["1.099", "2.099", "3.099", "4.099"]


def test_a_record_that_cannot_be_formatted_is_kept_as_it_is(worker: Instrument, ledger: MemoryLedger) -> None:
    """Neither the step nor the other records suffer."""

    class Rude:
        def __str__(self) -> str:
            raise RuntimeError("no")

    reports = StepReports(InstrumentorSettings())
    one = scope()
    one.began_s = 100.0
    for args in (("x",), (Rude(),)):
        reports.keep(one, logging.LogRecord("shop", logging.INFO, "pay.py", 1, "%d items", args, None))
    reports.left(one, ValueError("x"))
    reports.work_off(lambda: ledger, lambda: None)
    (found,) = ledger.step_attempts("r", 1)
    assert [message.partition(" [")[0] for message in messages(found)] == ["%d items", "%d items"]


class UnreadableNotes(Exception):
    """An error whose notes refuse to be read."""

    @property
    def __notes__(self) -> list[str]:
        raise RuntimeError("no")


def parser_error() -> SyntaxError:
    """As a parser of its own format raises it: the offset is a text."""
    error = SyntaxError("not well formed")
    error.filename, error.lineno, error.offset, error.text = "a.xml", 3, "12", "<a></b>"  # type: ignore[assignment]
    return error


@pytest.mark.parametrize("error", [parser_error(), UnreadableNotes("x"), SystemExit(3)], ids=lambda e: type(e).__name__)
def test_an_error_that_cannot_be_described_keeps_no_other_back(ledger: MemoryLedger, error: BaseException) -> None:
    """What can be said of it is; the reports before and behind it are written with it."""
    reports = StepReports(InstrumentorSettings())
    for run_id, found in (("before", ValueError("a")), ("odd", error), ("behind", ValueError("b"))):
        reports.left(scope(run_id=run_id), found)
    reports.work_off(lambda: ledger, lambda: None)
    assert [len(ledger.step_attempts(run_id, 1)) for run_id in ("before", "odd", "behind")] == [1, 1, 1]
    assert not reports.is_due


@pytest.mark.parametrize("created", [None, float("nan"), float("inf"), "2026-01-01", -1.0, 1e300])
def test_a_record_that_bears_no_time_stands_at_its_attempts_beginning(ledger: MemoryLedger, created: object) -> None:
    """As one that another process sent on may be."""
    reports = StepReports(InstrumentorSettings())
    one = scope()
    one.began_s = 100.0
    reports.keep(one, logging.makeLogRecord({"msg": "relayed", "created": created}))
    reports.left(one, ValueError("x"))
    reports.work_off(lambda: ledger, lambda: None)
    (found,) = ledger.step_attempts("r", 1)
    assert [(record.message, record.at_ms) for record in found.logs] == [("relayed", 100_000)]


def test_a_record_without_a_name_harms_no_step(worker: Instrument, ledger: MemoryLedger) -> None:
    """One that is made by hand has none, nor a text that can be asked for; the step sees nothing of us."""
    worker()

    class Leaves:
        def __str__(self) -> str:
            raise SystemExit(3)

    quiet = logging.getLogger("shop.quiet")

    @DBOS.step()
    def relay() -> None:
        log.handle(logging.makeLogRecord({"msg": "relayed", "levelno": logging.INFO, "levelname": "INFO"}))
        quiet.info("%s", Leaves())
        raise ValueError("the step's own")

    @DBOS.workflow()
    def relays() -> None:
        relay()

    DBOS.launch()
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    quiet.setLevel(logging.INFO)
    try:
        run(relays, "nameless")
    finally:
        quiet.propagate = True
        quiet.setLevel(logging.NOTSET)
    (found,) = kept(ledger, "nameless", 1)
    assert found.error_message == "the step's own"
    assert [message.partition(" [")[0] for message in messages(found)] == ["relayed", "%s"]


def test_what_waits_is_bounded_by_what_errors_hold() -> None:
    """A long message, long notes, a cause with a long one: each counts as what it takes."""
    reports = StepReports(InstrumentorSettings())
    noted = ValueError("x")
    setattr(noted, "__notes__", ["n" * 2_000_000])  # noqa: B010 - add_note came with Python 3.11
    caused = ValueError("x")
    caused.__cause__ = ValueError("c" * 2_000_000)
    for number, error in enumerate([ValueError("m" * 2_000_000), noted, caused] * 20):
        reports.left(scope(run_id=f"r{number}"), error)
    assert 0 < reports._pending_bytes <= MAX_PENDING_BYTES
    assert len(reports._pending) < 60


def test_a_hook_that_fails_withholds_what_it_was_given() -> None:
    """Nothing is written that could not be looked through."""

    def broken(value: object) -> object:
        raise RuntimeError("ours")

    reports = StepReports(InstrumentorSettings())
    reports.left(scope(), ValueError("secret"))
    (report,) = reports._pending
    found = described(report, None, broken)
    assert "secret" not in repr(found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_inside_a_step_leaves_its_reports_to_the_parent(worker: Instrument) -> None:
    """What waits is not written twice, and logging in the child works."""
    instrumentor = worker()
    session = instrumentor.session
    assert session is not None
    assert session.reports is not None
    session.reports.left(scope(), ValueError("x"))
    child = os.fork()
    if child == 0:
        log.info("in the child")
        os._exit(int(session.reports.is_due))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert session.reports.is_due
