"""A retried run's spans belong to its new life: the ledger says which that is, and never holds a workflow up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from dbos import DBOS, SetWorkflowID
from opentelemetry.trace import get_current_span

from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.instrumentation import DBOSInstrumentor
from otel_bridge.instrumentation.current import LiveRun, Placement
from otel_bridge.instrumentation.guard import Guard
from otel_bridge.instrumentation.lookup import PATIENCE_S, PAUSE_S, PlacementLookup
from otel_bridge.ledger import MemoryLedger
from otel_bridge.ledger.base import ExportedRun, Lease
from otel_bridge.spans import ids, present_generation
from tests.waiting import until

from .conftest import Tracing, in_body, in_step

Instrument = Callable[..., DBOSInstrumentor]
Construct = Callable[..., DBOS]


def end_exported(ledger: MemoryLedger, run_id: str, *, generation: int = 0, ended: bool = True) -> None:
    """Say in the ledger what the bridge would have: this life of the run was exported."""
    lease = ledger.acquire_lease("export", "bridge", ttl_s=60)
    assert isinstance(lease, Lease)
    run = ExportedRun(run_id=run_id, generation=generation, ended=ended)
    ledger.record_export(lease, cursor=None, runs=[run])


@pytest.mark.parametrize(
    ("exported", "generation"),
    [
        (None, 0),
        (ExportedRun(run_id="r"), 0),
        (ExportedRun(run_id="r", ended=True), 1),
        (ExportedRun(run_id="r", generation=2), 2),
        (ExportedRun(run_id="r", generation=2, ended=True), 3),
    ],
)
def test_an_exported_end_means_that_the_run_lives_again(exported: ExportedRun | None, generation: int) -> None:
    """The rule that the bridge uses too: the exported generation, and one more if its end was exported."""
    assert present_generation(None, exported) == generation


def test_a_retried_run_nests_under_its_retry_span_and_its_steps_have_ids_of_their_own(
    worker: Instrument, tracing: Tracing, ledger: MemoryLedger
) -> None:
    """The first life's step failed and was exported; the second life's step has another id in the same trace."""
    worker()
    attempts: list[int] = []

    @DBOS.step()
    def flaky() -> str:
        attempts.append(1)
        with tracing.tracer.start_as_current_span(f"call {len(attempts)}"):
            if len(attempts) == 1:
                raise ValueError("first time")
            return "ok"

    @DBOS.workflow()
    def job() -> str:
        with tracing.tracer.start_as_current_span(f"body {len(attempts) + 1}"):
            return flaky()

    DBOS.launch()
    with SetWorkflowID("job-1"), pytest.raises(ValueError):
        job()
    end_exported(ledger, "job-1")
    assert DBOS.rewind_workflow("job-1", start_step=1).get_result() == "ok"

    assert tracing.parent("call 1") == in_step("job-1", 1)
    assert tracing.parent("body 1") == in_body("job-1")
    assert tracing.parent("call 2") == in_step("job-1", 1, generation=1)
    assert tracing.parent("body 2") == (ids.trace_id("job-1"), ids.retry_span_id("job-1", 1))


def test_replayed_steps_make_no_spans_and_keep_their_numbers(worker: Instrument, tracing: Tracing) -> None:
    """A step that the record answers does not execute; the step after it nests under its own number."""
    worker()
    fail = [True]

    @DBOS.step()
    def first() -> None:
        with tracing.tracer.start_as_current_span("first"):
            pass

    @DBOS.step()
    def second() -> None:
        with tracing.tracer.start_as_current_span("second"):
            if fail.pop() if fail else False:
                raise ValueError("no")

    @DBOS.workflow()
    def job() -> None:
        first()
        second()

    DBOS.launch()
    with SetWorkflowID("job-2"), pytest.raises(ValueError):
        job()
    tracing.exporter.clear()
    DBOS.rewind_workflow("job-2", start_step=2).get_result()
    assert [span.name for span in tracing.exporter.get_finished_spans()] == ["second"]
    assert tracing.parent("second") == in_step("job-2", 2)


class SlowPlaces:
    """Answers when told to; counts the reads."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.reads: list[list[str]] = []
        self.opened = threading.Event()
        self.error: Exception | None = None

    def default(self, run_id: str) -> Placement:
        return Placement(ids.trace_id(run_id))

    def find(self, run_ids: Sequence[str]) -> dict[str, Placement]:
        self.reads.append(list(run_ids))
        assert self.gate.wait(timeout=10)
        if self.error is not None:
            raise self.error
        return {run_id: Placement(ids.trace_id(run_id), 7) for run_id in run_ids}

    def open(self) -> None:
        self.opened.set()
        if self.error is not None:
            raise self.error


def asked(lookup: PlacementLookup, run_id: str) -> LiveRun:
    run = LiveRun(run_id, lookup.settle)
    lookup.prefetch(run)
    return run


def test_many_runs_are_looked_up_in_one_read_and_each_only_once() -> None:
    """While one read is on its way, the runs that start are gathered for the next."""
    places = SlowPlaces()
    lookup = PlacementLookup(places, Guard())
    runs = [asked(lookup, "run-0")]
    until(lambda: places.reads, what="the first read")
    runs += [asked(lookup, f"run-{n}") for n in range(1, 50)]
    places.gate.set()
    assert {run.settled().generation for run in runs for _ in range(3)} == {7}
    assert len(places.reads) == 2
    lookup.stop()


def test_nobody_reads_for_runs_that_ended_before_their_turn_came() -> None:
    """Short runs in which nobody traces cost no read; one that still executes is read for."""
    places = SlowPlaces()
    places.gate.set()
    lookup = PlacementLookup(places, Guard())
    lookup.carry(threading.Event())
    for number in range(20):
        asked(lookup, f"ended-{number}")
    going_on = asked(lookup, "going on")
    lookup.work_off()
    assert places.reads == [["going on"]]
    assert going_on.settled().generation == 7


def test_a_slow_ledger_holds_the_first_span_up_shortly_and_the_rest_not_at_all() -> None:
    """Without an answer spans are of generation 0; while it is slow nobody waits, though reading continues."""
    now = [100.0]
    places, guard = SlowPlaces(), Guard()
    lookup = PlacementLookup(places, guard, clock=lambda: now[0])
    run = asked(lookup, "run-1")
    began = time.monotonic()
    assert run.settled().generation == 0
    assert time.monotonic() - began < PATIENCE_S + 5
    began = time.monotonic()
    assert asked(lookup, "run-2").settled().generation == 0
    assert time.monotonic() - began < PATIENCE_S
    assert guard.count("looking up a run's generation") == 1
    unhurried = asked(lookup, "run-3")
    places.gate.set()
    until(lambda: unhurried.placement)
    assert unhurried.settled().generation == 7
    assert run.settled().generation == 7, "an answer that came late holds for the steps that follow"
    assert asked(lookup, "run-4").settled().generation == 7, "a ledger that answers again is waited for"
    lookup.stop()


def test_the_ledger_is_opened_before_the_first_run(caplog: pytest.LogCaptureFixture) -> None:
    """Importing a driver and connecting takes longer than a span waits; a database not there yet is not a fault."""
    places = SlowPlaces()
    places.error = LedgerUnavailableError("app.durable.sqlite", "not there yet")
    lookup = PlacementLookup(places, Guard())
    lookup.warm_up()
    assert places.opened.wait(10)
    places.error = None
    places.gate.set()
    assert asked(lookup, "run-1").settled().generation == 7
    assert caplog.records == []
    lookup.stop()


def test_a_worker_opens_its_ledger_as_it_launches(
    worker: Instrument, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without presence too."""
    opened = threading.Event()
    monkeypatch.setattr(ledger, "exported", lambda run_ids: opened.set() or {})
    worker(presence=False)
    DBOS.launch()
    assert opened.wait(10)


def test_a_ledger_that_fails_means_generation_0_and_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Reading fails: logged once, workflows go on."""
    now = [100.0]
    places = SlowPlaces()
    places.gate.set()
    places.error = LedgerUnavailableError("app.durable.sqlite", "disk gone")
    lookup = PlacementLookup(places, Guard(), clock=lambda: now[0])
    with caplog.at_level(logging.WARNING, "otel_bridge.instrumentation"):
        for n in range(3):
            assert asked(lookup, f"run-{n}").settled().generation == 0
            now[0] += PAUSE_S + 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "disk gone" in caplog.text
    lookup.stop()


def test_a_stopped_lookup_answers_at_once() -> None:
    """Spans made after uninstrument are generation 0."""
    lookup = PlacementLookup(SlowPlaces(), Guard())
    lookup.stop()
    assert asked(lookup, "run-1").settled().generation == 0


def test_a_run_that_was_resumed_while_its_cancelled_life_still_executes_has_two_placements(
    worker: Instrument, tracing: Tracing, ledger: MemoryLedger
) -> None:
    """Both lives execute in this process at the same time; each step's spans belong to its own life."""
    worker()
    entered, go = threading.Event(), threading.Event()
    lives: list[int] = []

    @DBOS.step()
    def step() -> None:
        lives.append(1)
        life = len(lives)
        with tracing.tracer.start_as_current_span(f"early {life}"):
            pass
        if life == 1:
            entered.set()
            assert go.wait(timeout=20)
            with tracing.tracer.start_as_current_span("late 1"):
                pass

    @DBOS.workflow()
    def job() -> None:
        step()

    DBOS.launch()
    with SetWorkflowID("job-3"):
        DBOS.start_workflow(job)
    assert entered.wait(timeout=20)
    DBOS.cancel_workflow("job-3")
    end_exported(ledger, "job-3")
    DBOS.resume_workflow("job-3").get_result()
    go.set()
    until(lambda: "late 1" in {span.name for span in tracing.exporter.get_finished_spans()})
    assert tracing.parent("early 1") == tracing.parent("late 1") == in_step("job-3", 1)
    assert tracing.parent("early 2") == in_step("job-3", 1, generation=1)


def test_a_worker_that_reports_presence_looks_up_with_the_same_thread(worker: Instrument, ledger: MemoryLedger) -> None:
    """One thread of ours a process, whatever began first; look-ups go on when presence has ended."""
    others = set(threading.enumerate())
    worker()

    @DBOS.workflow()
    def job() -> bool:
        return get_current_span().get_span_context().is_valid

    DBOS.launch()
    until(ledger.executors)
    assert job()
    ours = {thread.name for thread in set(threading.enumerate()) - others if "durable" in thread.name}
    assert ours == {"durable-presence"}


def test_work_passes_from_thread_to_thread_and_back_without_being_lost() -> None:
    """What was asked before a carrier came, while it was there, and as it left: all is answered."""
    places = SlowPlaces()
    places.gate.set()
    lookup = PlacementLookup(places, Guard())
    assert asked(lookup, "run-1").settled().generation == 7
    wake = threading.Event()
    lookup.carry(wake)
    until(lambda: "durable-generations" not in {thread.name for thread in threading.enumerate()})
    wake.clear()
    carried = asked(lookup, "run-2")
    assert not wake.is_set()
    with ThreadPoolExecutor(1) as executor:
        settled = executor.submit(carried.settled)
        assert wake.wait(timeout=10)
        lookup.work_off()
        assert settled.result().generation == 7
    left = asked(lookup, "run-3")
    lookup.carry(None)
    until(lambda: left.placement)
    assert asked(lookup, "run-4").settled().generation == 7
    lookup.stop()
    assert "durable-generations" not in {thread.name for thread in threading.enumerate()}
