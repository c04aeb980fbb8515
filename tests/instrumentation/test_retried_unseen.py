"""Retried before any bridge exported the run's end: worker and bridge agree on which life it is, whatever the order.

A real engine, a real bridge that looks when the test says so, and spans of user code in every step of both lives.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from dbos import DBOS, SetWorkflowID
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from dashboard.actions import open_context
from dashboard.actions.retry import retry
from otel_bridge import DBOSInstrumentor, OTelBridge
from otel_bridge.instrumentation import lookup
from otel_bridge.ledger import open_ledger
from otel_bridge.model.runs import ROUNDING_MS
from otel_bridge.spans import ids
from otel_bridge.store import open_store
from otel_bridge.store.base import StateStore
from tests.waiting import until

from .conftest import Tracing

RUN = "order-1"
Instrument = Callable[..., DBOSInstrumentor]
Construct = Callable[..., DBOS]


class Collector(InMemorySpanExporter):
    """Takes spans, once its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.asked = threading.Event(), threading.Event()
        self.gate.set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        assert self.gate.wait(60)
        return super().export(spans)


@dataclass
class Story:
    """One workflow that fails in its second step until ``mended``, and a bridge that looks when told.

    Args:
        looks: where the bridge looks during the first life: "start", "first" (after that step), "failed", "end".
        cancels: the life, and where in it the run is cancelled: "first" or "charged".
    """

    url: str
    tracing: Tracing
    collector: Collector = field(default_factory=Collector)
    looks: set[str] = field(default_factory=set)
    cancels: set[tuple[int, str]] = field(default_factory=set)
    life: int = 0
    mended: bool = False
    entered: threading.Event = field(default_factory=threading.Event)
    hold: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    store: StateStore | None = None

    def __post_init__(self) -> None:
        self.hold.set()
        self.ledger = open_ledger(self.url)
        self.bridge = OTelBridge(
            self.store or self.url,
            exporter=self.collector,
            ledger=self.ledger,
            start_from="beginning",
            environ={},
        )

    def look(self, where: str) -> None:
        """Let the bridge look, if it does so here."""
        if self.life == 1 and where in self.looks:
            self.bridge.run_once()
        if (self.life, where) in self.cancels:
            outside = threading.Thread(
                target=DBOS.cancel_workflow, args=(RUN,), name="cancelling"
            )  # no step of the run
            outside.start()
            outside.join(60)

    def call(self, name: str) -> None:
        """What user code does: a span of its own."""
        with self.tracing.tracer.start_as_current_span(f"{name} {self.life}"):
            pass

    def define(self) -> Callable[[], str]:
        """Register the workflow."""

        @DBOS.step(name="reserve")
        def reserve() -> None:
            self.call("in reserve")

        @DBOS.step(name="charge")
        def charge() -> None:
            self.call("in charge")
            self.entered.set()
            assert self.hold.wait(60)
            if not self.mended:
                raise ValueError("no money")

        @DBOS.step(name="apologise")
        def apologise() -> None:
            self.call("in apologise")

        @DBOS.step(name="ship")
        def ship() -> None:
            self.call("in ship")

        @DBOS.workflow(name="order")
        def order() -> str:
            self.life += 1
            try:
                self.call("in order")
                self.look("start")
                reserve()
                self.look("first")
                charge()
                self.look("charged")
                ship()
                return "shipped"
            except ValueError:
                self.look("failed")
                apologise()
                self.look("apologised")
                raise
            finally:
                self.left.set()

        return order

    def fail(self, order: Callable[[], str]) -> None:
        """Live the first life."""
        with SetWorkflowID(RUN), pytest.raises(ValueError):
            order()
        self.look("end")
        self.mended = True

    def reported(self) -> dict[str, str | None]:
        """Return each user span's name and the path of the spans that the bridge exported above it."""
        exported: dict[int, ReadableSpan] = {}
        for span in self.collector.get_finished_spans():
            assert span.context.span_id not in exported, f"{span.name} was exported twice"
            exported[span.context.span_id] = span

        def path(span: ReadableSpan) -> str | None:
            if span.parent is None:
                return ""
            above = exported.get(span.parent.span_id)
            if above is None:
                return None
            failed = " failed" if above.status.status_code is StatusCode.ERROR else ""
            higher = path(above)
            return None if higher is None else f"{higher}/{above.name}{failed}"

        spans = self.tracing.exporter.get_finished_spans()
        assert {span.context.trace_id for span in (*spans, *exported.values())} == {
            int.from_bytes(ids.trace_id(RUN), "big")
        }
        return {span.name: path(span) for span in spans}

    def rewind(self) -> None:
        """Retry by the engine's own API, which tells nobody."""
        assert DBOS.rewind_workflow(RUN, start_step=2).get_result() == "shipped"

    def retry(self) -> None:
        """Retry as the dashboard does."""
        store, ledger = open_store(self.url), open_ledger(self.url)
        ctx = open_context(store, ledger)
        try:
            retry(ctx, RUN, actor="ada")
            assert DBOS.retrieve_workflow(RUN).get_result() == "shipped"
        finally:
            ctx.close()
            ledger.close()
            store.close()


def until_later_than_any_stamp_so_far() -> None:
    """Wait for the next second: SQLite on Python before 3.12 stamps runs in whole ones."""
    stamped_s = int(time.time())
    until(lambda: time.time() > stamped_s + ROUNDING_MS / 1000)


@pytest.fixture
def story(
    sqlite_url: str, instrument: Instrument, dbos: Construct, tracing: Tracing, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Story]]:
    """Begins a story: the engine is launched, the workflow registered and begun with ``begin()``."""
    monkeypatch.setattr(lookup, "PATIENCE_S", 30.0)
    reported: list[Story] = []

    def begin(**settings: Any) -> tuple[Story, Callable[[], str]]:
        url = settings.pop("url", sqlite_url)
        dbos(system_database_url=url)
        instrument(**settings.pop("instrumentor", {}))
        reported.append(Story(url, tracing, **settings))
        order = reported[-1].define()
        DBOS.launch()
        return reported[-1], order

    yield begin  # type: ignore[misc]
    for one in reported:
        one.collector.gate.set()
        one.hold.set()
        one.bridge.stop()
        one.ledger.close()


SEPARATE = {
    "in order 1": "/order failed",
    "in reserve 1": "/order failed/reserve",
    "in charge 1": "/order failed/charge failed",
    "in apologise 1": "/order failed/apologise",
    "in order 2": "/order failed/retry 1",
    "in charge 2": "/order failed/retry 1/charge",
    "in ship 2": "/order failed/retry 1/ship",
}
"""Both lives exported in full, each user span in the step that made it."""
LOOKS = [set(), {"first"}, {"failed"}, {"first", "apologised"}, {"end"}]


@pytest.mark.parametrize("looks", LOOKS, ids=lambda looks: "+".join(sorted(looks)) or "never")
def test_a_retry_from_the_dashboard_loses_nothing_of_the_life_before(
    looks: set[str], story: Callable[..., tuple[Story, Callable[[], str]]]
) -> None:
    """However little the bridge had seen: the dashboard keeps what the engine is about to delete."""
    run, order = story(looks=looks)
    run.fail(order)
    run.retry()
    run.bridge.run_once()
    assert run.reported() == SEPARATE
    assert run.bridge.run_once() == 0


@pytest.mark.postgres
def test_on_postgres_a_retry_from_the_dashboard_loses_nothing_either(
    postgres_url: str, story: Callable[..., tuple[Story, Callable[[], str]]]
) -> None:
    """The kept life comes back from the ledger's schema as it went in."""
    run, order = story(url=postgres_url, looks={"first"})
    run.fail(order)
    run.retry()
    run.bridge.run_once()
    assert run.reported() == SEPARATE


def test_a_retry_that_the_engine_refused_is_not_a_life(
    story: Callable[..., tuple[Story, Callable[[], str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dashboard died between its note and the rewind, twice; the third time is the first retry."""
    from dbos import DBOSClient

    run, order = story()
    run.fail(order)
    rewind = DBOSClient.rewind_workflow

    def die(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    for look in (False, True):
        monkeypatch.setattr(DBOSClient, "rewind_workflow", die)
        with pytest.raises(KeyboardInterrupt):
            run.retry()
        if look:
            run.bridge.run_once()
    monkeypatch.setattr(DBOSClient, "rewind_workflow", rewind)
    run.retry()
    run.bridge.run_once()
    assert run.reported() == SEPARATE


def test_two_retries_that_no_bridge_saw_are_reported_one_by_one(
    story: Callable[..., tuple[Story, Callable[[], str]]],
) -> None:
    """Three lives, the bridge comes afterwards: a root and two retries, each with its own steps."""
    run, order = story()
    run.fail(order)
    run.mended = False
    with pytest.raises(ValueError):
        run.retry()
    run.mended = True
    run.retry()
    run.bridge.run_once()
    failed = {
        "in order 2": "/order failed/retry 1 failed",
        "in charge 2": "/order failed/retry 1 failed/charge failed",
        "in apologise 2": "/order failed/retry 1 failed/apologise",
    }
    first = {name: path for name, path in SEPARATE.items() if name.endswith("1")}
    last = {f"in {name} 3": f"/order failed/retry 2{path}" for name, path in
            (("order", ""), ("charge", "/charge"), ("ship", "/ship"))}  # fmt: skip
    assert run.reported() == {**first, **failed, **last}


def test_a_cancelled_run_that_the_dashboard_resumes_unseen_is_reported_in_two_lives(
    story: Callable[..., tuple[Story, Callable[[], str]]],
) -> None:
    """A resume deletes no row; the ledger knows which were there."""
    # Without presence: a worker that reports the interrupted step in time gives it a span.
    run, order = story(instrumentor={"presence": False})
    run.mended = True
    run.hold.clear()
    with SetWorkflowID(RUN):
        DBOS.start_workflow(order)
    assert run.entered.wait(60)
    DBOS.cancel_workflow(RUN)
    run.hold.set()
    assert run.left.wait(60)
    run.retry()
    run.bridge.run_once()
    reported = run.reported()
    assert reported["in order 1"] == "/order"
    assert reported["in reserve 1"] == "/order/reserve"
    assert reported["in charge 1"] is None  # in flight at the cancel: the engine keeps no row of it
    assert (reported["in order 2"], reported["in ship 2"]) == ("/order/retry 1", "/order/retry 1/ship")
    assert reported["in charge 2"] == "/order/retry 1/charge"


def test_a_cancelled_run_that_the_engine_resumes_and_that_is_cancelled_again_is_reported_in_two_lives(
    story: Callable[..., tuple[Story, Callable[[], str]]],
) -> None:
    """No bridge looked in between, and both ends are a cancel: the step that began after the first one tells."""
    run, order = story(cancels={(1, "first"), (2, "charged")})
    run.mended = True
    with SetWorkflowID(RUN):
        DBOS.start_workflow(order)
    assert run.left.wait(60)
    until_later_than_any_stamp_so_far()
    run.bridge.run_once()
    run.left.clear()
    DBOS.resume_workflow(RUN)
    assert run.left.wait(60)
    run.bridge.run_once()
    reported = run.reported()
    assert (reported["in order 1"], reported["in reserve 1"]) == ("/order", "/order/reserve")
    assert (reported["in order 2"], reported["in charge 2"]) == ("/order/retry 1", "/order/retry 1/charge")
    assert "in ship 2" not in reported
    assert run.bridge.run_once() == 0


@pytest.mark.parametrize("looks", LOOKS, ids=lambda looks: "+".join(sorted(looks)) or "never")
def test_after_a_rewind_by_the_engine_every_span_of_the_new_life_hangs_where_it_belongs(
    looks: set[str], story: Callable[..., tuple[Story, Callable[[], str]]]
) -> None:
    """Nobody noted anything: what was exported and is gone says that this is another life."""
    run, order = story(looks=looks)
    run.fail(order)
    run.rewind()
    run.bridge.run_once()
    reported = run.reported()
    if "end" in looks:
        assert reported == SEPARATE
    elif looks & {"failed", "apologised"}:
        above = {name: path.replace("/order failed", "/order") for name, path in SEPARATE.items()}
        if "apologised" not in looks:
            above["in apologise 1"] = None  # type: ignore[assignment]
        assert reported == above
    else:
        assert reported == {
            **dict.fromkeys(("in order 1", "in order 2"), "/order"),
            "in reserve 1": "/order/reserve",
            **dict.fromkeys(("in charge 1", "in charge 2"), "/order/charge"),
            "in apologise 1": "/order/ship",  # the same number: one cannot be told from the other
            "in ship 2": "/order/ship",
        }


@pytest.mark.parametrize("how", ["rewind", "retry"])
def test_an_end_that_is_on_its_way_counts_as_reported(
    how: str, story: Callable[..., tuple[Story, Callable[[], str]]]
) -> None:
    """The collector is down; a person retries; the worker asks before it is up again."""
    run, order = story()
    run.fail(order)
    run.collector.gate.clear()
    looking = threading.Thread(target=run.bridge.run_once, name="looking")
    looking.start()
    assert run.collector.asked.wait(60)
    getattr(run, how)()
    run.collector.gate.set()
    looking.join(60)
    run.bridge.run_once()
    assert run.reported() == SEPARATE


@pytest.mark.parametrize("how", ["rewind", "retry"])
def test_a_run_that_was_retried_while_the_bridge_read_it_is_read_again(
    how: str, sqlite_url: str, story: Callable[..., tuple[Story, Callable[[], str]]]
) -> None:
    """The worker asked after the bridge had read the old rows, and before it noted that it would tell of them."""
    store = open_store(sqlite_url)
    run, order = story(store=store)
    run.fail(order)
    read = store.get_steps_of
    retried: list[str] = []

    def read_and_retry(run_ids: Sequence[str], **options: Any) -> Any:
        steps = read(run_ids, **options)
        if RUN in steps and not retried:
            retried.append(how)
            getattr(run, how)()
        return steps

    store.get_steps_of = read_and_retry  # type: ignore[method-assign]
    run.bridge.run_once()
    run.bridge.run_once()
    reported = run.reported()
    assert retried
    if how == "retry":
        assert reported == SEPARATE
    else:
        assert reported["in charge 2"] == "/order/charge"
        assert reported["in ship 2"] == "/order/ship"
    store.close()
