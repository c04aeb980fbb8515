"""Spans whose ids were guessed, because the ledger did not say in time which life their run is in, wait for the answer.

Otherwise they would be children of a step that is never sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from dbos import DBOS, SetWorkflowID
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import set_span_in_context

from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.instrumentation import DBOSInstrumentor, lookup
from otel_bridge.instrumentation.bodies import Body
from otel_bridge.instrumentation.current import RUN_KEY, DurableSpan, LiveRun, Placement
from otel_bridge.instrumentation.guard import Guard
from otel_bridge.instrumentation.guesses import KeptBack, kept
from otel_bridge.instrumentation.lookup import KEPT_S, PAUSE_S, PlacementLookup
from otel_bridge.instrumentation.providers import prepare
from otel_bridge.ledger import MemoryLedger
from otel_bridge.ledger.base import ExportedRun
from otel_bridge.spans import ids
from tests.waiting import until

from .conftest import Tracing, in_step
from .test_generations import end_exported

Instrument = Callable[..., DBOSInstrumentor]
ANCESTOR = b"a" * 16


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    """Leave nothing behind that another test would find."""
    yield
    kept.forget()


class Places:
    """Says "unavailable" or the second life, as told; in an ancestor's trace where ``trace_id`` says so."""

    def __init__(self, trace_id: bytes | None = None) -> None:
        self.trace_id = trace_id
        self.fails = False
        self.reads = 0

    def default(self, run_id: str) -> Placement:
        return Placement(ids.trace_id(run_id))

    def find(self, run_ids: Sequence[str]) -> dict[str, Placement]:
        self.reads += 1
        if self.fails:
            raise LedgerUnavailableError("app.durable.sqlite", "away")
        return {run_id: Placement(self.trace_id or ids.trace_id(run_id), 1) for run_id in run_ids}

    def open(self) -> None:
        return


class World:
    """A look-up whose thread is this test, whose clock stands, and whose ledger has answered once."""

    def __init__(self, places: Places) -> None:
        self.now, self.places = 100.0, places
        self.lookup = PlacementLookup(places, Guard(), clock=lambda: self.now)
        self.lookup.carry(threading.Event())
        self.run("earlier")
        self.lookup.work_off()

    def run(self, run_id: str) -> LiveRun:
        run = LiveRun(run_id, self.lookup.settle)
        self.kept_alive = run
        self.lookup.prefetch(run)
        return run

    def away(self) -> None:
        """The ledger fails from now on, and the look-up has noticed."""
        self.places.fails = True
        self.run("noticed")
        self.lookup.work_off()

    def back(self) -> None:
        """The ledger answers again, and is asked again."""
        self.places.fails = False
        self.now += PAUSE_S + 1
        self.lookup.work_off()


def step_of(run: LiveRun, seq: int) -> otel_context.Context:
    """Return the context inside a step."""
    span = DurableSpan(run, seq, namespace="", on_error=Guard().caught)
    return set_span_in_context(span, otel_context.set_value(RUN_KEY, run))


def test_a_span_under_a_guessed_step_waits_for_the_answer_and_has_its_parent(tracing: Tracing) -> None:
    """Also what is made below it; and a span that begins when the answer is there goes at once."""
    prepare(tracing.provider)
    world = World(Places())
    world.away()
    run = world.run("r")
    inside = step_of(run, 3)
    with tracing.tracer.start_as_current_span("call", context=inside), tracing.tracer.start_as_current_span("below"):
        pass
    assert tracing.exporter.get_finished_spans() == ()
    world.back()
    assert tracing.parent("call") == in_step("r", 3, generation=1)
    assert tracing.span("below").parent == tracing.span("call").context
    tracing.tracer.start_span("later", context=inside).end()
    assert tracing.parent("later") == in_step("r", 3, generation=1)


def test_a_span_that_is_open_when_the_answer_comes_has_its_parent_too(tracing: Tracing) -> None:
    """Nobody waits for it then."""
    prepare(tracing.provider)
    world = World(Places())
    world.away()
    span = tracing.tracer.start_span("call", context=step_of(world.run("r"), 3))
    world.back()
    span.end()
    assert tracing.parent("call") == in_step("r", 3, generation=1)


def test_the_trace_of_an_ancestor_is_corrected_with_all_that_is_in_it(tracing: Tracing) -> None:
    """Where children are nested, a guess is wrong about the trace as well."""
    prepare(tracing.provider)
    world = World(Places(trace_id=ANCESTOR))
    world.away()
    inside = step_of(world.run("r"), 3)
    with tracing.tracer.start_as_current_span("call", context=inside), tracing.tracer.start_as_current_span("below"):
        pass
    world.back()
    traces = {span.context.trace_id for span in tracing.exporter.get_finished_spans() if span.context is not None}
    assert traces == {int.from_bytes(ANCESTOR, "big")}
    assert tracing.span("below").parent == tracing.span("call").context


def test_ids_of_a_body_are_as_if_the_answer_had_been_there() -> None:
    """A later execution computes the same ids, whatever was guessed: of nested spans, and of one that came after."""
    world = World(Places())
    world.away()
    guessing, known = world.run("r"), LiveRun("r", lambda _: Placement(b""))
    known.placement = Placement(ids.trace_id("r"), 1)
    guessed_body, right_body = Body(guessing), Body(known)
    guessed_root = DurableSpan(guessing, None, namespace="", on_error=Guard().caught)
    first = guessed_body.span_id(0, guessed_root.get_span_context().span_id)
    below = guessed_body.span_id(0, first)
    world.back()
    second = guessed_body.span_id(0, guessed_root.get_span_context().span_id)
    assert guessing.guess is not None
    assert guessing.placement is not None

    root = int.from_bytes(ids.retry_span_id("r", 1), "big")
    right_first = right_body.span_id(0, root)
    assert guessing.guess.span_id(first, guessing.placement) == right_first
    assert guessing.guess.span_id(below, guessing.placement) == right_body.span_id(0, right_first)
    assert second == right_body.span_id(0, root)


def test_a_ledger_that_stays_away_is_not_waited_for_for_ever(tracing: Tracing) -> None:
    """The guess holds then; the ledger is asked every few seconds, not at every look."""
    prepare(tracing.provider)
    world = World(Places())
    world.away()
    tracing.tracer.start_span("call", context=step_of(world.run("r"), 3)).end()
    before = world.places.reads
    for _ in range(50):
        world.now += PAUSE_S / 10
        world.lookup.work_off()
    assert 1 <= world.places.reads - before <= 5
    world.now += KEPT_S
    world.lookup.work_off()
    assert tracing.parent("call") == in_step("r", 3)


def test_a_ledger_that_never_answered_keeps_nothing_back(tracing: Tracing) -> None:
    """A worker whose role may not read it, say: its spans are no later than without us."""
    prepare(tracing.provider)
    places = Places()
    places.fails = True
    lookup = PlacementLookup(places, Guard())
    lookup.carry(threading.Event())
    run = LiveRun("r", lookup.settle)
    lookup.prefetch(run)
    lookup.work_off()
    tracing.tracer.start_span("call", context=step_of(run, 3)).end()
    assert tracing.parent("call") == in_step("r", 3)


@pytest.mark.parametrize("how", ["force_flush", "shutdown"])
def test_what_is_kept_back_is_sent_before_the_provider_ends(how: str) -> None:
    """Although the processor that exports was there first: a flush means everything, and an end loses nothing."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    prepare(provider)
    world = World(Places())
    world.away()
    provider.get_tracer("user").start_span("call", context=step_of(world.run("r"), 3)).end()
    getattr(provider, how)()
    assert [span.name for span in exporter.get_finished_spans()] == ["call"]
    provider.shutdown()


def test_spans_beyond_the_bound_and_of_a_stopped_lookup_go_as_they_are(tracing: Tracing) -> None:
    """Memory is bounded; ``uninstrument`` leaves nothing behind."""
    run, sent = LiveRun("r", lambda _: Placement(b"")), list[int]()
    few = KeptBack(most=2)
    assert [few.keep(run, lambda n=n: sent.append(n)) for n in range(3)] == [True, True, False]  # type: ignore[misc]
    few.release(run)
    assert sent == [0, 1]
    assert few.keep(run, lambda: None), "there is room again"

    prepare(tracing.provider)
    world = World(Places())
    world.away()
    tracing.tracer.start_span("call", context=step_of(world.run("r"), 3)).end()
    world.lookup.stop()
    assert tracing.parent("call") == in_step("r", 3)


def test_a_worker_whose_ledger_answers_late_names_the_life_that_it_executes(
    worker: Instrument, tracing: Tracing, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real second life: its spans were sent under the first life's step, which was never sent again."""
    answer, ended = threading.Event(), threading.Event()
    monkeypatch.setattr(lookup, "PATIENCE_S", 0.05)
    worker(tracer_provider=tracing.provider, presence=False)

    @DBOS.step()
    def charge() -> None:
        with tracing.provider.get_tracer("agent").start_as_current_span(f"call {len(lives)}"):
            lives.append(1)
            if len(lives) == 1:
                raise ValueError("first time")

    @DBOS.workflow()
    def late_answers() -> None:
        charge()

    lives: list[int] = []
    DBOS.launch()
    with SetWorkflowID("late-1"), pytest.raises(ValueError):
        late_answers()
    end_exported(ledger, "late-1")
    exported = ledger.exported

    def slowly(run_ids: Sequence[str]) -> dict[str, ExportedRun]:
        assert answer.wait(30)
        return exported(run_ids)

    monkeypatch.setattr(ledger, "exported", slowly)
    DBOS.rewind_workflow("late-1", start_step=1).get_result()
    ended.set()
    assert [span.name for span in tracing.exporter.get_finished_spans()] == ["call 0"]
    answer.set()
    until(lambda: len(tracing.exporter.get_finished_spans()) == 2, what="the span that was kept back")
    assert tracing.parent("call 1") == in_step("late-1", 1, generation=1)
