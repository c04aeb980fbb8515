"""The bridge: under the lease, acknowledged only when accepted, at work again after every failure."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_bridge
from otel_bridge import OTelBridge
from otel_bridge.bridge import LEASE_NAME, STATS_KEY, LeaseKeeper, exporter
from otel_bridge.errors import (
    ConfigurationError,
    LeaseLostError,
    LedgerUnavailableError,
    RejectedBatchError,
    RetryableDeliveryError,
    StoreMissingError,
    StoreUnavailableError,
)
from otel_bridge.otlp import DeliveryStoppedError
from otel_bridge.spans import SpanData, ids
from otel_bridge.tail import scanner
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run, make_step
from tests.bridge.rows import Bridges, put_ended
from tests.otlp.samples import ListTransport
from tests.waiting import until


def test_importing_the_package_loads_neither_half():
    """A worker needs the instrumentor only, a dashboard neither."""
    script = "import sys, otel_bridge; print('requests' in sys.modules, 'dbos' in sys.modules); otel_bridge.OTelBridge"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    with pytest.raises(AttributeError, match="no attribute 'Bridge'"):
        otel_bridge.Bridge  # noqa: B018


def test_everything_due_is_sent_once(store: MemoryStateStore, bridges: Bridges, transport: ListTransport):
    """A second pass, and a second bridge after the first, find nothing left to do."""
    put_ended(store)
    bridge = bridges()
    assert bridge.run_once() == 3
    assert bridge.run_once() == 0
    bridge.stop()
    assert bridges().run_once() == 0
    assert transport.names() == ["charge", "charge", "order"]


def test_from_now_means_what_is_open_and_what_comes(
    store: MemoryStateStore, bridges: Bridges, transport: ListTransport, clock: FakeClock
):
    """The past stays where it is; a run that was open at the start has its whole trace."""
    put_ended(store, "past")
    store.put_run(make_run("open", created_at_ms=clock()))
    store.put_step(make_step("open", 1, started_at_ms=clock()))
    clock.advance(s=3600)
    bridge = bridges(start_from="now")
    bridge.run_once()
    put_ended(store, "new")
    bridge.run_once()
    assert {span.run_id for span in transport.spans} == {"open", "new"}


def test_a_restart_continues_where_it_was(
    store: MemoryStateStore, bridges: Bridges, transport: ListTransport, clock: FakeClock
):
    """``start_from`` counts for a new ledger only: what happened while no bridge ran is exported."""
    first = bridges(start_from="now")
    first.run_once()
    first.stop()
    clock.advance(s=3600)
    put_ended(store)
    clock.advance(s=3600)
    assert bridges(start_from="now").run_once() == 3


@pytest.mark.parametrize(("start_from", "spans"), [("now", 0), ("beginning", 3)])
def test_without_its_ledger_the_operator_chooses(
    store: MemoryStateStore, bridges: Bridges, clock: FakeClock, start_from: str, spans: int
):
    """The ledger may be deleted: from now, or everything once more, with the same ids."""
    put_ended(store)
    bridges().run_once()
    clock.advance(s=60)
    assert bridges(ledger=MemoryLedger(clock=clock), start_from=start_from).run_once() == spans


def test_nothing_is_acknowledged_before_it_is_accepted(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, transport: ListTransport
):
    """A bridge that is stopped in an outage leaves the ledger as it was."""
    put_ended(store)
    transport.failing = [RetryableDeliveryError("down")] * 1_000
    bridge = bridges(flush_timeout_s=0.2).start()
    until(lambda: bridge.stats.retries)
    bridge.stop()
    assert ledger.exported(["run-1"]) == {}
    transport.failing = []
    assert bridges().run_once() == 3


def test_what_was_on_its_way_is_sent_again_as_it_was(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, transport: ListTransport, clock: FakeClock
):
    """Accepted but not acknowledged, and then the run was retried: its failure is neither sent again nor forgotten."""
    at = clock()
    store.put_run(make_run(status="failed", created_at_ms=at, finished_at_ms=at + 100, attributes={"tags": ["vip"]}))
    store.put_step(make_step(status="failed", started_at_ms=at))

    class Died(ListTransport):
        def send(self, spans: Any) -> Any:
            transport.send(spans)
            raise KeyboardInterrupt

    dying = bridges(exporter=Died())
    with pytest.raises(KeyboardInterrupt):
        dying.run_once()
    dying.stop()
    store.delete_steps("run-1", from_seq=1)
    store.put_run(make_run(status="completed", created_at_ms=at, finished_at_ms=at + 9_000))
    store.put_step(make_step(started_at_ms=at + 8_000))
    bridge = bridges()
    assert bridge.run_once() == 4
    assert bridge.run_once() == 0
    assert transport.names() == ["charge", "order", "charge", "order", "charge", "retry 1"]
    assert transport.spans[:2] == transport.spans[2:4]
    assert len({span.span_id for span in transport.spans}) == 4


def test_only_the_holder_of_the_lease_exports(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, transport: ListTransport
):
    """The others stand by, and take over as soon as it says goodbye."""
    first, second = bridges(), bridges()
    put_ended(store)
    assert first.run_once() == 3
    assert first.exporting
    put_ended(store, "run-2")
    assert second.run_once() == 0
    assert not second.exporting
    first.stop()
    assert second.run_once() == 3
    assert len({span.span_id for span in transport.spans}) == len(transport.spans) == 6


def test_a_bridge_that_lost_the_lease_writes_nothing(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, transport: ListTransport, clock: FakeClock
):
    """Paused between delivery and acknowledgement, while another took over: fencing refuses its write."""
    put_ended(store)
    bridge = bridges()

    class Usurped(ListTransport):
        def send(self, spans: Any) -> Any:
            clock.advance(s=3600)
            assert ledger.acquire_lease(LEASE_NAME, "other", ttl_s=60) is not None
            return super().send(spans)

    usurped = bridges(exporter=Usurped())
    with pytest.raises(LeaseLostError):
        usurped.run_once()
    assert ledger.exported(["run-1"]) == {}
    assert bridge.run_once() == 0


def test_a_lost_lease_is_not_an_end(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, transport: ListTransport, clock: FakeClock
):
    """It stands by, and exports again once the other is gone."""
    bridge = bridges(lease_ttl_s=30.0).start()
    until(lambda: bridge.exporting)
    clock.advance(s=60)
    other = ledger.acquire_lease(LEASE_NAME, "other", ttl_s=3600)
    assert other is not None
    put_ended(store)
    until(lambda: not bridge.exporting)
    ledger.release_lease(other)
    until(lambda: "order" in transport.names())


def test_a_lease_that_ran_out_is_noticed_without_asking():
    """A process that slept longer than its lease must not trust it."""
    now = 0.0
    keeper = LeaseKeeper(MemoryLedger(), name="n", owner="me", ttl_s=900, monotonic=lambda: now)
    with pytest.raises(LeaseLostError):
        keeper.check()
    keeper.acquire()
    keeper.check()
    now = 901.0
    with pytest.raises(LeaseLostError):
        keeper.check()
    keeper.release()
    keeper.release()


def test_a_lease_is_renewed_while_its_holder_works():
    """A delivery may take longer than the lease lasts."""
    ledger = MemoryLedger()
    keeper = LeaseKeeper(ledger, name="n", owner="me", ttl_s=0.3)
    assert keeper.acquire() is not None
    first = ledger.lease_holder("n")
    assert first is not None
    until(lambda: (held := ledger.lease_holder("n")) is not None and held.expires_at_ms > first.expires_at_ms + 100)
    keeper.check()
    keeper.release()
    assert ledger.lease_holder("n") is None


def test_a_ledger_that_is_gone_at_the_end_is_not_an_error(caplog: pytest.LogCaptureFixture):
    """The lease runs out by itself."""

    class Gone(MemoryLedger):
        def release_lease(self, lease: Any) -> None:
            raise LedgerUnavailableError("ledger", "gone")

    keeper = LeaseKeeper(Gone(), name="n", owner="me", ttl_s=60)
    keeper.acquire()
    with caplog.at_level(logging.INFO, "otel_bridge"):
        keeper.release()
    assert "runs out by itself" in caplog.text


def test_an_unreachable_ledger_does_not_end_the_renewal():
    """It may be back before the lease has run out."""
    failures: list[Any] = []

    class Shaky(MemoryLedger):
        def acquire_lease(self, name: str, owner: str, *, ttl_s: float) -> Any:
            if len(failures) < 2 and threading.current_thread().name.endswith("-lease"):
                failures.append(name)
                raise LedgerUnavailableError("ledger", "locked")
            return super().acquire_lease(name, owner, ttl_s=ttl_s)

    ledger = Shaky()
    keeper = LeaseKeeper(ledger, name="n", owner="me", ttl_s=0.3)
    first = keeper.acquire()
    assert first is not None
    until(lambda: (held := ledger.lease_holder("n")) is not None and held.expires_at_ms > first.expires_at_ms + 100)
    keeper.release()
    assert len(failures) == 2


def test_a_store_that_cannot_be_read_is_said_once_and_tried_again(
    store: MemoryStateStore, bridges: Bridges, transport: ListTransport, caplog: pytest.LogCaptureFixture
):
    """Nothing that happened meanwhile is missed, even what the scan had seen already."""
    caplog.set_level(logging.INFO, "otel_bridge")

    class Flaky(MemoryStateStore):
        failures = 0

        def get_steps_of(self, run_ids: Any, **options: Any) -> Any:
            if run_ids and self.failures < 4:
                self.failures += 1
                raise StoreUnavailableError("the store", "The store is locked.")
            return super().get_steps_of(run_ids, **options)

    flaky = Flaky(clock=store._clock)
    put_ended(flaky)
    bridge = bridges(store=flaky).start()
    until(lambda: "order" in transport.names())
    bridge.stop()
    flaky.close()
    assert transport.names() == ["charge", "charge", "order"]
    assert caplog.text.count("The store is locked. Trying again.") == 1
    assert caplog.text.count("at work again") == 1


def test_a_bug_is_logged_and_does_not_end_the_export(
    store: MemoryStateStore, bridges: Bridges, transport: ListTransport, caplog: pytest.LogCaptureFixture
):
    """A thread that dies silently would end it for good."""

    class Buggy(MemoryStateStore):
        bugs = 0

        def queues(self, *, backlog: bool = True) -> Any:
            self.bugs += 1
            if self.bugs == 1:
                raise ZeroDivisionError("a bug")
            return super().queues()

    buggy = Buggy(clock=store._clock)
    bridge = bridges(store=buggy).start()
    until(lambda: buggy.bugs)
    put_ended(buggy)
    until(lambda: "order" in transport.names())
    bridge.stop()
    buggy.close()
    assert "Unexpected error in the bridge" in caplog.text


def test_a_run_that_cannot_be_reported_is_skipped_and_named(
    store: MemoryStateStore,
    bridges: Bridges,
    transport: ListTransport,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    """One odd row does not stop all others."""
    from otel_bridge.bridge import exporter

    plan_run = exporter.plan_run  # type: ignore[attr-defined]

    def choke(run: Any, *rest: Any, **options: Any) -> Any:
        if run.id == "odd":
            raise ValueError("odd")
        return plan_run(run, *rest, **options)

    monkeypatch.setattr(exporter, "plan_run", choke)
    put_ended(store, "odd")
    put_ended(store, "even")
    assert bridges().run_once() == 3
    assert "Run odd cannot be turned into spans" in caplog.text


def test_a_missing_database_is_waited_for(tmp_path: Path, bridges: Bridges, caplog: pytest.LogCaptureFixture):
    """The bridge may start before the application has launched for the first time."""
    bridge = bridges(store=tmp_path / "later.sqlite", ledger=None).start()
    until(lambda: "does not exist" in caplog.text)
    bridge.stop()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreMissingError):
        bridges(store=tmp_path / "later.sqlite", ledger=None).run_once()


def test_without_a_collector_it_says_so_in_one_line_and_idles(
    store: MemoryStateStore, bridges: Bridges, caplog: pytest.LogCaptureFixture
):
    """An application without telemetry runs as before."""
    bridge = bridges(exporter=None)
    with bridge:
        assert not any(thread.name == "otel-bridge" for thread in threading.enumerate())
    assert len(caplog.records) == 1
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in caplog.text
    with pytest.raises(ConfigurationError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        bridge.run_once()


def test_a_disabled_sdk_idles_even_with_an_exporter(bridges: Bridges):
    """``OTEL_SDK_DISABLED`` is for all telemetry."""
    assert bridges(environ={"OTEL_SDK_DISABLED": "true"}).delivery() is None


@pytest.mark.parametrize("option", ["children", "parent", "start_from"])
def test_a_setting_that_does_not_exist_is_refused(option: str):
    """At once, by name."""
    with pytest.raises(ConfigurationError, match=f"{option} is 'maybe'. Set it to '"):
        OTelBridge("x.sqlite", **{option: "maybe"})  # type: ignore[arg-type]


def test_any_exporter_of_the_sdk_can_be_given(store: MemoryStateStore, bridges: Bridges):
    """It gets the same spans: ids, parents, kinds, times, links, status, resource."""
    put_ended(store, "p-1", parent_id="p", queue="q")
    failed = make_run("failed", workflow="bad", status="failed", created_at_ms=store.now_ms())
    store.put_run(failed)
    exporter = InMemorySpanExporter()
    assert bridges(exporter=exporter, service_name="shop").run_once() == 4
    spans = {span.name: span for span in exporter.get_finished_spans()}
    root = spans["order"]
    assert root.context is not None
    assert root.context.span_id.to_bytes(8, "big") == ids.root_span_id("p-1")
    assert root.parent is None
    assert root.kind.name == "CONSUMER"
    assert root.resource.attributes["service.name"] == "shop"
    assert root.links[0].context.trace_id.to_bytes(16, "big") == ids.trace_id("p")
    parent = spans["charge"].parent
    assert parent is not None
    assert parent.span_id == root.context.span_id
    assert spans["bad"].status.status_code.name == "ERROR"


def test_an_exporter_of_the_sdk_that_fails_is_tried_again(store: MemoryStateStore, bridges: Bridges):
    """It says only success or failure: failure may be an outage, so nothing is dropped."""
    outcomes: list[Any] = [SpanExportResult.FAILURE, ConnectionError("gone"), SpanExportResult.SUCCESS]

    class Failing(InMemorySpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            assert isinstance(outcome, SpanExportResult)
            return outcome

    put_ended(store)
    bridge = bridges(exporter=Failing())
    assert bridge.run_once() == 3
    assert bridge.stats.retries == 2


def test_stopping_flushes(store: MemoryStateStore, bridges: Bridges, transport: ListTransport):
    """What ended just before the stop is exported."""
    bridge = bridges(poll_interval_s=3600).start()
    until(lambda: bridge.exporting)
    put_ended(store)
    bridge.stop()
    assert "order" in transport.names()
    assert transport.closed
    bridge.stop()


def test_a_bridge_can_be_started_again(store: MemoryStateStore, bridges: Bridges, transport: ListTransport):
    """Stop is not an end either."""
    bridge = bridges()
    for run_id in ("run-1", "run-2"):
        with bridge:
            assert bridge.start() is bridge
            put_ended(store, run_id)
    assert transport.names().count("order") == 2


def test_a_deleted_run_is_closed(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, transport: ListTransport
):
    """Its steps were sent: a root follows, out of what the ledger remembers."""
    store.put_run(make_run(created_at_ms=store.now_ms()))
    store.put_step(make_step(started_at_ms=store.now_ms()))
    first = bridges()
    first.run_once()
    first.stop()
    store.delete_run("run-1")
    bridges().run_once()
    assert transport.names() == ["charge", "order"]
    assert ledger.exported(["run-1"])["run-1"].status == "deleted"


def test_a_sleep_is_sent_when_it_ends_though_no_row_changes(
    store: MemoryStateStore, bridges: Bridges, transport: ListTransport, clock: FakeClock
):
    """The engine wrote the sleep's row before it began."""
    store.put_run(make_run(created_at_ms=clock()))
    store.put_step(
        make_step(kind="sleep", status="running", name="DBOS.sleep", started_at_ms=clock(), wake_at_ms=clock() + 5_000)
    )
    bridge = bridges()
    assert bridge.run_once() == 0
    clock.advance(s=5, ms=10)
    assert bridge.run_once() == 1


def test_an_undo_brings_its_run_to_its_end(
    store: MemoryStateStore, bridges: Bridges, transport: ListTransport, clock: FakeClock
):
    """The run's own row does not change when its undo is through."""
    at = clock()
    store.put_run(make_run(status="cancelled", created_at_ms=at, finished_at_ms=at + 10))
    undo = make_run("undo:run-1", workflow="durable.undo", created_at_ms=at + 20)
    store.put_run(undo)
    bridge = bridges()
    assert bridge.run_once() == 0
    store.put_run(replace(undo, status="completed", finished_at_ms=at + 50))
    clock.advance(s=1)
    bridge.run_once()
    assert sorted(transport.names()) == ["durable.undo", "order"]
    assert len({span.trace_id for span in transport.spans}) == 1


def test_refused_spans_are_left_in_the_ledger_for_people(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, transport: ListTransport
):
    """``doctor`` shows them."""

    class Picky(ListTransport):
        def send(self, spans: Any) -> Any:
            if any(span.seq == 1 for span in spans):
                raise RejectedBatchError("no", code="400")
            return super().send(spans)

    put_ended(store)
    bridges(exporter=Picky()).run_once()
    reported = ledger.get_value(STATS_KEY)
    assert reported is not None
    assert reported["setAside"] == 1
    assert reported["rejections"][0]["run_id"] == "run-1"


def test_runs_long_ended_are_forgotten_by_the_ledger(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, clock: FakeClock
):
    """It stays small."""
    put_ended(store)
    bridges(retention_days=1).run_once()
    assert "run-1" in ledger.exported(["run-1"])
    clock.advance(s=3 * 86_400)
    put_ended(store, "run-2")
    bridges(retention_days=1).run_once()
    assert ledger.exported(["run-1", "run-2"]).keys() == {"run-2"}


def test_old_runs_that_a_scan_will_see_again_are_not_forgotten(
    store: MemoryStateStore, transport: ListTransport, bridges: Bridges, clock: FakeClock, monkeypatch: Any
):
    """Else each would be sent twice: within a long backlog, and after a restart on a store where little happens."""
    monkeypatch.setattr(scanner, "PAGE_ROWS", 2)
    monkeypatch.setattr(scanner, "SCAN_ROWS", 4)
    for number in range(5):
        put_ended(store, f"run-{number}")
        clock.advance(s=1)
    clock.advance(s=3 * 86_400)
    for _ in range(2):
        bridges(retention_days=1).run_once()
    assert len(transport.spans) == len({span.span_id for span in transport.spans}) == 5 * 3


def test_the_trace_of_a_run_can_be_looked_up(store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges):
    """Remembered when its first span is sent."""
    put_ended(store)
    bridges().run_once()
    assert ledger.run_of_trace(ids.trace_id("run-1").hex()) == "run-1"


@pytest.mark.parametrize("children", ["link", "nest"])
def test_ancestors_decide_the_trace_of_nested_children(
    store: MemoryStateStore, bridges: Bridges, transport: ListTransport, children: str
):
    """Three generations in one trace, or in three."""
    put_ended(store, "g")
    put_ended(store, "g-1", parent_id="g")
    put_ended(store, "g-1-1", parent_id="g-1")
    bridges(children=children).run_once()
    roots: list[SpanData] = [span for span in transport.spans if span.name == "order"]
    assert len({span.trace_id for span in roots}) == (1 if children == "nest" else 3)
    assert sum(span.parent_id is None for span in roots) == (1 if children == "nest" else 3)


def test_a_thousand_runs_are_sent_in_chunks(store: MemoryStateStore, bridges: Bridges, transport: ListTransport):
    """Each chunk is acknowledged by itself, so memory and what is repeated after a crash stay small."""
    for number in range(350):
        put_ended(store, f"run-{number}", steps=1)
    sizes: list[int] = []

    class Counting(ListTransport):
        def send(self, spans: Any) -> Any:
            sizes.append(len(spans))
            return super().send(spans)

    assert bridges(exporter=Counting()).run_once() == 700
    assert sizes == [500, 200]


def test_no_more_steps_are_held_at_once_than_are_bearable(
    store: MemoryStateStore, bridges: Bridges, transport: ListTransport, monkeypatch: Any
):
    """Runs of many steps go in smaller chunks, and a run larger than the bound in parts."""
    monkeypatch.setattr(exporter, "MOST_STEPS", 10)
    for number, steps in enumerate([4, 4, 4, 0, 25, 1]):
        put_ended(store, f"run-{number}", steps=steps)
    sizes: list[int] = []

    class Counting(ListTransport):
        def send(self, spans: Any) -> Any:
            sizes.append(len(spans))
            return super().send(spans)

    assert bridges(exporter=Counting()).run_once() == 38 + 6
    assert max(sizes) <= 10 + 2, "the steps of a chunk, and the roots of its runs"
    assert len(sizes) >= 5


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_long_run_that_is_interrupted_continues_behind_its_last_part(
    status: Any, store: MemoryStateStore, bridges: Bridges, monkeypatch: Any
):
    """Each part is acknowledged by itself: what a crash repeats is no more than a part, and the root comes last."""
    monkeypatch.setattr(exporter, "MOST_STEPS", 10)
    put_ended(store, "long", steps=35, status=status)
    sent: list[Any] = []

    class Stopping(ListTransport):
        def send(self, spans: Any) -> Any:
            if len(sent) == 20:
                raise DeliveryStoppedError("It is stopped after the second part.")
            sent.extend(spans)
            return super().send(spans)

    first = bridges(exporter=Stopping())
    with pytest.raises(DeliveryStoppedError):
        first.run_once()
    first.stop()
    rest = ListTransport()
    assert bridges(exporter=rest).run_once() == 16
    assert [span.seq for span in [*sent, *rest.spans]] == [*range(1, 36), None]
    root = rest.spans[-1]
    assert root.start_ns <= min(span.start_ns for span in sent)
    assert root.end_ns >= max(span.end_ns for span in [*sent, *rest.spans])


def test_a_lease_that_was_released_is_not_taken_again() -> None:
    """By a tick that was under way in another thread: nobody would give it up, and others would stand by for ever."""
    ledger = MemoryLedger()
    keeper = LeaseKeeper(ledger, name="n", owner="me", ttl_s=60)
    assert keeper.acquire() is not None
    keeper.release()
    assert (keeper.current(), keeper.acquire(), keeper.is_held) == (None, None, False)
    assert ledger.acquire_lease("n", "other", ttl_s=60) is not None
