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
from examples.fake_collector import FakeCollector, attributes, event_name
from otel_bridge import OTelBridge
from otel_bridge.ledger.base import AuditEntry, Executor
from otel_bridge.model.values import StoredValue
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
    return [event_name(record) for record in records.values() if attributes(record).get("durable.run.id") == run_id]


def of(collector: FakeCollector, name: str) -> LogRecord:
    """Return the first record of that event."""
    return next(record for record in collector.logs if event_name(record) == name)


def put_failed(store: MemoryStateStore, run_id: str = "r", **fields: Any) -> int:
    """Store a run that failed in its first step; return when it began."""
    at = store.now_ms()
    fields |= {"created_at_ms": at, "started_at_ms": at, "finished_at_ms": at + 50}
    store.put_run(make_run(run_id, status="failed", **fields))
    store.put_payload(run_id, "error", '{"name": "ValueError", "message": "declined", "stack": "line 1\\nline 2"}')
    text = '{"name": "KeyError", "message": "card"}'
    error = StoredValue(text, "portable_json", len(text))
    step = make_step(run_id, 1, status="failed", started_at_ms=at + 10, finished_at_ms=at + 40)
    store.put_step(step._replace(error=error))
    return at


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
        until(lambda: "durable.run.suspended" in names(collector, "s1"), what="the suspension to be reported")
        assert not [span for span in collector.spans.values() if span.span_id == ids.root_span_id("s1")]
        cancel.cancel(world.ctx, "s1", actor="ann")
        until(
            lambda: {"durable.run.ended", "durable.action"} <= set(names(collector, "s1")),
            what="the end to be reported",
        )
    reported = names(collector, "s1")
    assert [name for name in reported if name.startswith("durable.run.")] == [
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
    reported = Counter(names(collector, "r"))
    assert reported == {
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


def test_a_run_that_is_blocked_says_so_with_its_code_and_once(
    store: MemoryStateStore, ledger: MemoryLedger, clock: FakeClock, collector: FakeCollector
) -> None:
    """Nobody of its version is left: the code, the reason in words, a warning; again only when it is another code."""
    at = store.now_ms()
    other = Executor(
        instance_id="one", executor_id="one", beat_at_ms=0, started_at_ms=at, app_version="v2", workflows=("order",),
        runs=(),
    )  # fmt: skip
    ledger.heartbeat(other)
    store.put_run(make_run("r", workflow="order", status="pending", queue="q", created_at_ms=at, workflow_version="v1"))
    bridge = logging_bridge(store, collector, ledger=ledger, exporter=ListTransport())

    def told() -> list[LogRecord]:
        clock.advance(s=2)
        ledger.heartbeat(other)
        bridge.run_once()
        return [record for record in collector.logs if event_name(record) == "durable.run.blocked"]

    until(told, what="the run to be blocked")
    told()
    (record,) = told()
    bridge.stop()
    assert attributes(record)["durable.blocked.code"] == "version_gone"
    assert attributes(record)["durable.run.status"] == "blocked"
    assert record.severity_text == "WARN"
    assert "order r is blocked: " in record.body.string_value
    assert (record.trace_id, record.span_id) == (ids.trace_id("r"), ids.root_span_id("r"))


def test_records_go_over_grpc_too(store: MemoryStateStore, ledger: MemoryLedger, collector: FakeCollector) -> None:
    """The same records; an answer of UNAVAILABLE delays them."""
    put_failed(store)
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.grpc_url, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    collector.logs_status = 503
    for status in (503, 200):
        collector.logs_status = status
        bridge = logging_bridge(store, collector, ledger=ledger, environ=environ)
        bridge.run_once()
        bridge.stop()
        assert bool(collector.logs) == (status == 200)
    assert names(collector, "r") == [
        "durable.run.created", "durable.run.started", "durable.step.failed", "durable.run.ended",
    ]  # fmt: skip
    assert len(collector.spans) == 2


@pytest.mark.parametrize(
    ("opt_in", "events", "records"), [("", 2, 0), ("logs", 0, 2), ("logs/dup", 2, 2), ("database", 2, 0)]
)
def test_exceptions_are_told_by_the_signal_that_was_chosen(
    store: MemoryStateStore, ledger: MemoryLedger, collector: FakeCollector, opt_in: str, events: int, records: int
) -> None:
    """``logs`` takes them off the spans, ``logs/dup`` tells them twice; spans keep status and ``error.type``."""
    at = put_failed(store)
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url,
        "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN": opt_in,
    }
    bridge = logging_bridge(store, collector, ledger=ledger, environ=environ, lifecycle_logs=False)
    bridge.run_once()
    bridge.stop()
    assert sum(len(span.events) for span in collector.spans.values()) == events
    assert [span.status.message for span in collector.spans.values()] == ["card", "declined"]
    assert [attributes(span)["error.type"] for span in collector.spans.values()] == ["KeyError", "ValueError"]
    assert len(collector.logs) == records
    if records:
        step, run = collector.logs
        assert (event_name(step), event_name(run)) == ("durable.step.exception", "durable.run.exception")
        assert (step.span_id, run.span_id) == (ids.step_span_id("r", 1), ids.root_span_id("r"))
        assert (step.severity_text, run.time_unix_nano) == ("ERROR", (at + 50) * 1_000_000)
        told = attributes(run)
        assert (told["exception.type"], told["exception.message"]) == ("ValueError", "declined")
        assert told["exception.stacktrace"] == "line 1\nline 2"


def test_exceptions_stay_on_spans_where_no_record_could_be_sent(
    store: MemoryStateStore, ledger: MemoryLedger, transport: ListTransport
) -> None:
    """Spans go through an exporter of the application's, and nobody said where logs go: nothing is lost."""
    put_failed(store)
    bridge = OTelBridge(
        store, ledger=ledger, exporter=transport, start_from="beginning",
        environ={"OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN": "logs"},
    )  # fmt: skip
    bridge.run_once()
    bridge.stop()
    assert [len(span.events) for span in transport.spans] == [1, 1]


def test_each_executor_has_a_resource_of_its_own_when_that_is_wanted(
    store: MemoryStateStore, ledger: MemoryLedger, collector: FakeCollector
) -> None:
    """As ``service.instance.id``, on spans and records; without the setting all share one resource."""
    for number, executor in enumerate(("blue", "green", None)):
        put_failed(store, f"r{number}", executor=executor)
    for wanted in (False, True):
        collector.clear()
        bridge = logging_bridge(store, collector, ledger=MemoryLedger(clock=store.now_ms), service_instances=wanted)
        bridge.run_once()
        bridge.stop()
        instances = Counter(resource.get("service.instance.id") for resource in collector.resources.values())
        assert instances == ({"blue": 2, "green": 2, None: 2} if wanted else {None: 6})
    assert {resource.get("service.instance.id") for resource in collector.log_resources} == {"blue", "green", None}
    assert len({resource["service.name"] for resource in collector.log_resources}) == 1
