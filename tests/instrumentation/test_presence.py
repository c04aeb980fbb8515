"""A worker tells the ledger that it lives and what it has been executing for a while, at no cost per step."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dbos import DBOS, SetWorkflowID
from pydantic import BaseModel

from dashboard.workflow.registration import register
from dashboard.workflow.validators import ValidatorRegistry
from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.instrumentation import DBOSInstrumentor, capabilities
from otel_bridge.instrumentation.guard import Guard
from otel_bridge.instrumentation.heartbeat import Heartbeat, Scope, reported
from otel_bridge.instrumentation.sources import Source
from otel_bridge.ledger import MemoryLedger, open_ledger
from otel_bridge.ledger.base import Executor
from tests.waiting import until

Instrument = Callable[..., DBOSInstrumentor]
Construct = Callable[..., DBOS]


class CountingLedger(MemoryLedger):
    """Counts the writes; fails when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.beats: list[Executor] = []
        self.broken = False

    def heartbeat(self, executor: Executor) -> int:
        self.beats.append(executor)
        if self.broken:
            raise LedgerUnavailableError("ledger", "gone")
        return super().heartbeat(executor)


class TypeWithoutSchema:
    """Nothing that pydantic knows."""


def row(interval_ms: int = 60_000) -> Executor:
    return Executor(instance_id="i", executor_id="e", beat_at_ms=0, started_at_ms=0, interval_ms=interval_ms)


def test_a_launched_worker_says_who_it_is_and_signs_off_when_destroyed(
    instrument: Instrument, dbos: Construct, ledger: MemoryLedger
) -> None:
    """The row names the executor, its version, queues and workflows; after DBOS.destroy it is stopped."""
    instrument(ledger=ledger)
    dbos(executor_id="exec-7")

    @DBOS.workflow(name="order")
    def order() -> None: ...

    DBOS.listen_queues(["fast"])
    register()
    DBOS.launch()
    (executor,) = until(ledger.executors, what="a beat")
    assert (executor.executor_id, executor.app_name, executor.app_version) == ("exec-7", "worker", "v1")
    assert executor.pid == os.getpid()
    assert executor.is_live(ledger.now_ms())
    assert set(executor.queues) == {"fast", "durable.work", "_dbos_internal_queue"}, "those are polled in any case"
    assert "order" in executor.workflows
    assert executor.sdk is not None
    assert executor.sdk.startswith("dbos-python/3")
    assert "sales" not in executor.queues
    DBOS.destroy()
    (executor,) = ledger.executors()
    assert executor.stopped
    assert executor.in_flight == ()


def test_a_worker_that_listens_to_every_queue_lists_none(
    instrument: Instrument, dbos: Construct, ledger: MemoryLedger
) -> None:
    """Empty means all."""
    instrument(ledger=ledger)
    dbos()
    DBOS.launch()
    assert until(ledger.executors)[0].queues == ()


def test_a_step_that_takes_a_while_is_shown_with_its_attempt_and_is_gone_when_it_ended(
    instrument: Instrument, dbos: Construct, ledger: MemoryLedger
) -> None:
    """While a step executes the row names it and not the body; afterwards neither."""
    instrument(ledger=ledger)
    dbos()
    release = threading.Event()

    @DBOS.step(retries_allowed=True, max_attempts=3, interval_seconds=0.01, name="slow")
    def slow() -> None:
        if DBOS.step_status is not None and DBOS.step_status.current_attempt == 0:
            raise ValueError("once")
        assert release.wait(timeout=20)

    @DBOS.workflow()
    def job() -> None:
        slow()

    DBOS.launch()
    with SetWorkflowID("job-1"):
        handle = DBOS.start_workflow(job)
    (step,) = until(lambda: ledger.executors() and ledger.executors()[0].in_flight, what="the step in flight")
    assert (step.run_id, step.seq, step.name, step.attempt) == ("job-1", 1, "slow", 2)
    assert abs(step.started_at_ms - time.time() * 1000) < 20_000
    release.set()
    handle.get_result()
    until(lambda: ledger.executors()[0].in_flight == (), what="an empty row")


def test_a_run_that_waits_is_shown_by_what_it_waits_in(
    instrument: Instrument, dbos: Construct, ledger: MemoryLedger
) -> None:
    """recv under the name that the store will give it; a durable sleep as the run's body."""
    instrument(ledger=ledger)
    dbos()

    @DBOS.workflow()
    def job() -> object:
        message = DBOS.recv("go", timeout_seconds=20)
        DBOS.sleep(0.5)
        return message

    DBOS.launch()
    with SetWorkflowID("job-1"):
        handle = DBOS.start_workflow(job)

    def shown(seq: int | None, name: str) -> Callable[[], bool]:
        return lambda: [(s.seq, s.name) for e in ledger.executors() for s in e.in_flight] == [(seq, name)]

    until(shown(1, "DBOS.recv"), what="the wait")
    DBOS.send("job-1", "x", "go")
    until(shown(None, job.__qualname__), what="the body")
    assert handle.get_result() == "x"


def test_short_steps_never_touch_the_ledger() -> None:
    """Steps shorter than a tenth of a second cause no write beyond the regular beat."""
    ledger, in_flight = CountingLedger(), dict[Scope, None]()
    heartbeat = Heartbeat(Source(ledger), in_flight, row, Guard())
    heartbeat.start()
    until(lambda: ledger.beats)
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        scope = Scope("run", 1, "step", time.time())
        in_flight[scope] = None
        time.sleep(0.002)
        del in_flight[scope]
    assert len(ledger.beats) == 1
    heartbeat.stop()
    assert len(ledger.beats) == 2
    assert ledger.beats[-1].stopped
    heartbeat.stop()


def test_a_ledger_that_is_gone_is_tried_again_and_never_heard_of_but_once() -> None:
    """Beats go on failing in silence, and succeed when the ledger is back."""
    ledger, guard = CountingLedger(), Guard()
    ledger.broken = True
    heartbeat = Heartbeat(Source(ledger), {}, lambda: row(interval_ms=50), guard)
    heartbeat.start()
    until(lambda: guard.count("reporting presence") >= 3)
    ledger.broken = False
    until(ledger.executors)
    heartbeat.stop()


def test_a_body_is_reported_only_while_none_of_its_steps_is() -> None:
    """Steps imply their run."""
    body, step, other = Scope("a", None, "wf", 1.0), Scope("a", 3, "s", 2.0), Scope("b", None, "wf", 3.0)
    assert [(s.run_id, s.seq) for s in reported([other, body, step])] == [("a", 3), ("b", None)]


def test_runs_are_reported_whether_they_work_or_wait_and_however_they_were_started(
    instrument: Instrument, dbos: Construct, ledger: MemoryLedger
) -> None:
    """In the background, from a queue, called directly: each is driven by this process until it ends, and no longer."""
    instrument(ledger=ledger, presence_interval_s=0.1)
    dbos()
    go = threading.Event()

    @DBOS.workflow()
    def works() -> None:
        go.wait(timeout=30)

    @DBOS.workflow()
    def waits() -> None:
        DBOS.recv("topic", timeout_seconds=600)

    DBOS.launch()
    DBOS.register_queue("orders", polling_interval_sec=0.05)
    with SetWorkflowID("background"):
        background = DBOS.start_workflow(works)
    with SetWorkflowID("waiting"):
        waiting = DBOS.start_workflow(waits)
    with SetWorkflowID("queued"):
        queued = DBOS.enqueue_workflow("orders", works)

    def call() -> None:
        with SetWorkflowID("direct"):
            works()

    direct = threading.Thread(target=call, daemon=True)
    direct.start()
    runs = {"background", "waiting", "queued", "direct"}
    executor = until(lambda: ledger.executors(), lambda found: found and set(found[0].runs or ()) == runs)[0]
    assert executor.runs_total == 4
    assert executor.busy == {"orders": 1}
    assert executor.serializer == "py_pickle"
    go.set()
    for handle in (background, queued):
        handle.get_result()
    direct.join(30)
    until(lambda: ledger.executors()[0].runs, lambda runs: runs == ("waiting",))
    assert ledger.executors()[0].busy == {}
    DBOS.send("waiting", "on", topic="topic")
    waiting.get_result()
    until(lambda: ledger.executors()[0].runs, lambda runs: runs == ())
    DBOS.destroy()
    assert ledger.executors()[0].runs == ()


def test_validators_are_reported_with_what_they_accept(
    instrument: Instrument, dbos: Construct, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Types as JSON schema; code that says nothing of its argument is known by name."""
    monkeypatch.setattr(capabilities, "_sources", [])
    registry = ValidatorRegistry()
    capabilities.report_validators(registry.describe)

    class Address(BaseModel):
        street: str

    def positive(value: int) -> bool:
        return value > 0

    registry.add("order", "address", Address)
    registry.add("*", "quantity", positive)
    registry.add("order", "note", lambda text: len(text) < 100)
    registry.add("order", "odd", TypeWithoutSchema)
    instrument(ledger=ledger)
    dbos()
    DBOS.launch()
    (executor,) = until(ledger.executors)
    found = {(one.workflow, one.name): one.schema for one in executor.validators}
    assert found.keys() == {("*", "quantity"), ("order", "address"), ("order", "note"), ("order", "odd")}
    assert found["order", "address"]["properties"]["street"]["type"] == "string"
    assert found["*", "quantity"] == {"type": "integer"}
    assert found["order", "note"] is None
    assert found["order", "odd"] is None


def test_presence_can_be_off(instrument: Instrument, dbos: Construct, ledger: MemoryLedger) -> None:
    """No thread, no row."""
    instrument(ledger=ledger, presence=False)
    dbos()
    DBOS.launch()
    assert "durable-presence" not in {thread.name for thread in threading.enumerate()}
    DBOS.destroy()
    assert ledger.executors() == []


def test_without_a_ledger_the_sidecar_of_the_engines_database_is_used(
    instrument: Instrument, dbos: Construct, sqlite_url: str, tmp_path: Path
) -> None:
    """The URL is found in the DBOS configuration at launch."""
    instrument()
    dbos()
    DBOS.launch()
    sidecar = open_ledger(sqlite_url)
    try:
        until(lambda: (tmp_path / "app.durable.sqlite").exists() and sidecar.executors(), what="a beat")
        DBOS.destroy()
        assert [executor.stopped for executor in sidecar.executors()] == [True]
    finally:
        sidecar.close()


@pytest.mark.postgres
def test_on_postgres_the_ledger_is_in_the_engines_database(
    instrument: Instrument, dbos: Construct, postgres_url: str
) -> None:
    """The same on Postgres, with the driver that DBOS likes in the URL."""
    others = set(threading.enumerate())
    instrument()
    dbos(system_database_url=postgres_url.replace("postgresql://", "postgresql+psycopg://", 1))
    DBOS.launch()
    reader = open_ledger(postgres_url)
    try:
        until(reader.executors, what="a beat")
        ours = {thread.name for thread in set(threading.enumerate()) - others if thread.name.startswith("durable-")}
        assert ours == {"durable-presence"} | {name for name in ours if name.startswith("durable-ledger")}
        DBOS.destroy()
        assert [executor.stopped for executor in reader.executors()] == [True]
    finally:
        reader.close()


def test_steps_of_an_engine_that_was_destroyed_are_not_reported_for_the_next(
    instrument: Instrument, dbos: Construct, ledger: MemoryLedger
) -> None:
    """DBOS.destroy leaves threads behind; what they still do is nobody's any more."""
    instrument(ledger=ledger)
    dbos()
    entered, go = threading.Event(), threading.Event()

    @DBOS.workflow()
    def job() -> None:
        entered.set()
        go.wait(timeout=20)

    DBOS.launch()
    DBOS.start_workflow(job)
    assert entered.wait(timeout=20)
    until(lambda: ledger.executors() and ledger.executors()[0].in_flight)
    DBOS.destroy()
    dbos(application_version="v2")
    DBOS.launch()
    try:
        until(lambda: [e for e in ledger.executors() if e.app_version == "v2"])
        assert [e.in_flight for e in ledger.executors()] == [(), ()]
    finally:
        go.set()


def test_launching_twice_changes_nothing(instrument: Instrument, dbos: Construct, ledger: MemoryLedger) -> None:
    """DBOS warns; we keep the row that we have."""
    instrument(ledger=ledger)
    dbos()
    DBOS.launch()
    until(ledger.executors)
    DBOS.launch()
    assert len(ledger.executors()) == 1


def test_a_step_whose_outcome_was_not_taken_is_reported_with_its_end(
    instrument: Instrument, dbos: Construct, ledger: MemoryLedger
) -> None:
    """Its run was cancelled while it executed: neither presence nor the engine's rows know it when it is over."""
    instrument(ledger=ledger, presence_interval_s=0.2)
    dbos(executor_id="exec-7")
    go, seen = threading.Event(), threading.Event()

    @DBOS.step()
    def charge() -> None:
        seen.set()
        go.wait(30)

    @DBOS.step()
    def ship() -> None: ...

    @DBOS.workflow()
    def order() -> None:
        charge()
        ship()

    DBOS.launch()
    with SetWorkflowID("cut-1"):
        DBOS.start_workflow(order)
    assert seen.wait(30)
    DBOS.cancel_workflow("cut-1")
    go.set()
    (reported,) = until(lambda: ledger.interrupted(["cut-1"]), what="the worker to tell")["cut-1"]
    assert (reported.seq, reported.executor, reported.name.rpartition(".")[2]) == (1, "exec-7", "charge")
    assert reported.ended_at_ms >= reported.started_at_ms


def test_a_worker_that_signs_off_leaves_what_it_was_executing(
    instrument: Instrument, dbos: Construct, ledger: MemoryLedger
) -> None:
    """The step may have had its effect, and nobody else would know of it."""
    instrument(ledger=ledger)
    dbos()
    go, seen = threading.Event(), threading.Event()

    @DBOS.step()
    def charge() -> None:
        seen.set()
        go.wait(30)

    @DBOS.workflow()
    def order() -> None:
        charge()

    DBOS.launch()
    with SetWorkflowID("left-1"):
        DBOS.start_workflow(order)
    assert seen.wait(30)
    DBOS.destroy()
    (executor,) = ledger.executors()
    go.set()
    assert executor.stopped
    assert [(step.run_id, step.seq) for step in executor.in_flight] == [("left-1", 1)]
