"""The life of runs as log records: at once, at least once, each with an id by which copies are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbos import run_dbos_database_migrations
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from dashboard.actions import cancel
from examples.fake_collector import FakeCollector, attributes
from otel_bridge import OTelBridge
from otel_bridge.ledger.base import AuditEntry
from otel_bridge.spans import ids
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run, make_step
from tests.actions.world import World
from tests.otlp.samples import ListTransport
from tests.waiting import until


def logging_bridge(store: Any, collector: FakeCollector, **options: Any) -> OTelBridge:
    """Return a bridge that sends log records to the collector."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url}
    options = {
        "start_from": "beginning",
        "environ": environ,
        "lifecycle_logs": True,
        "poll_interval_s": 0.02,
        **options,
    }
    return OTelBridge(store, **options)


def names(collector: FakeCollector, run_id: str) -> list[str]:
    """Return the events of a run, as they came, copies once."""
    records = {attributes(record)["log.record.uid"]: record for record in collector.logs}
    return [record.event_name for record in records.values() if attributes(record).get("durable.run.id") == run_id]


def of(collector: FakeCollector, name: str) -> LogRecord:
    """Return the first record of that event."""
    return next(record for record in collector.logs if record.event_name == name)


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    """A database and a worker."""
    run_dbos_database_migrations(sqlite_url)
    made = World(sqlite_url, tmp_path)
    made.worker("--present")
    yield made
    made.close()


def test_an_open_run_is_known_before_its_root_span_is_sent(world: World, collector: FakeCollector) -> None:
    """It begins and waits, and says so in its trace; then somebody cancels it, with their name, and it ends."""
    with logging_bridge(world.url, collector):
        world.start("saga", "a", run_id="s1")
        until(lambda: "durable.run.suspended" in names(collector, "s1"), what="the suspension to be told")
        assert not [span for span in collector.spans.values() if span.span_id == ids.root_span_id("s1")]
        cancel.cancel(world.ctx, "s1", actor="ann")
        until(lambda: {"durable.run.ended", "durable.action"} <= set(names(collector, "s1")), what="the end to be told")
    told = names(collector, "s1")
    assert [name for name in told if name.startswith("durable.run.")] == [
        "durable.run.created", "durable.run.started", "durable.run.suspended", "durable.run.ended",
    ]  # fmt: skip
    begun = of(collector, "durable.run.started")
    assert (begun.trace_id, begun.span_id) == (ids.trace_id("s1"), ids.root_span_id("s1"))
    assert attributes(begun)["durable.workflow.name"] == "saga"
    assert begun.severity_text == "INFO"
    action = attributes(of(collector, "durable.action"))
    assert (action["durable.action.actor"], action["durable.action.name"]) == ("ann", "cancel")
    assert attributes(of(collector, "durable.run.ended"))["durable.run.status"] == "cancelled"


def test_failures_are_errors_with_their_words_and_their_steps_span(
    store: MemoryStateStore, ledger: MemoryLedger, clock: FakeClock, collector: FakeCollector
) -> None:
    """The step's record stands under the step's span, the run's under the root."""
    at = store.now_ms()
    store.put_run(make_run("r", status="failed", created_at_ms=at, started_at_ms=at, finished_at_ms=at + 50))
    store.put_payload("r", "error", '{"name": "ValueError", "message": "declined"}')
    store.put_step(make_step("r", 1, status="failed", started_at_ms=at + 10, finished_at_ms=at + 40))
    bridge = logging_bridge(store, collector, ledger=ledger, exporter=ListTransport())
    bridge.run_once()
    bridge.stop()
    failed = of(collector, "durable.step.failed")
    assert (failed.trace_id, failed.span_id) == (ids.trace_id("r"), ids.step_span_id("r", 1))
    assert attributes(failed)["durable.step.seq"] == 1
    ended = of(collector, "durable.run.ended")
    assert ended.severity_text == "ERROR"
    assert ended.time_unix_nano == (at + 50) * 1_000_000
    assert attributes(ended)["exception.message"] == "declined"


def test_a_collector_that_is_down_delays_records_and_no_span(
    store: MemoryStateStore, ledger: MemoryLedger, clock: FakeClock, collector: FakeCollector
) -> None:
    """Spans go on; a bridge that ends meanwhile leaves the records to the next, which tells them under the same ids."""
    at = store.now_ms()
    transport = ListTransport()
    store.put_run(make_run("r", status="completed", created_at_ms=at, started_at_ms=at, finished_at_ms=at + 50))
    ledger.add_audit(AuditEntry(at_ms=at, actor="ann", action="retry", run_id="r", outcome="done"))
    collector.logs_status = 503
    first = logging_bridge(store, collector, ledger=ledger, exporter=transport)
    first.run_once()
    first.stop()
    assert [span.span_id for span in transport.spans] == [ids.root_span_id("r")]
    assert collector.logs == []
    collector.logs_status = 200
    clock.advance(s=60)
    for _ in range(2):
        second = logging_bridge(store, collector, ledger=ledger, exporter=transport)
        second.run_once()
        second.stop()
    told = Counter(names(collector, "r"))
    assert told == {
        "durable.run.created": 1, "durable.run.started": 1, "durable.run.ended": 1, "durable.action": 1
    }  # fmt: skip
    assert len(transport.spans) == 1


def test_without_the_setting_no_record_is_sent(
    store: MemoryStateStore, ledger: MemoryLedger, collector: FakeCollector
) -> None:
    """Not every backend takes logs."""
    at = store.now_ms()
    store.put_run(make_run("r", status="completed", created_at_ms=at, finished_at_ms=at + 50))
    bridge = logging_bridge(store, collector, ledger=ledger, exporter=ListTransport(), lifecycle_logs=False)
    bridge.run_once()
    bridge.stop()
    assert collector.logs == []
