"""Metrics: OpenTelemetry's names and units, and exemplars that lead to the trace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider, TraceBasedExemplarFilter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_bridge import OTelBridge
from otel_bridge.bridge.metrics import meter_provider_from_env
from otel_bridge.errors import StoreUnavailableError
from otel_bridge.model.fleet import QueueInfo
from otel_bridge.spans import ids
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run, make_step
from tests.otlp.samples import ListTransport

Metrics = dict[str, Any]


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def provider(reader: InMemoryMetricReader) -> Iterator[MeterProvider]:
    made = MeterProvider([reader], exemplar_filter=TraceBasedExemplarFilter())
    yield made
    made.shutdown()


def collect(reader: InMemoryMetricReader) -> Metrics:
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def points(metrics: Metrics, name: str) -> list[Any]:
    return list(metrics[name].data.data_points)


def busy_store(clock: FakeClock) -> MemoryStateStore:
    """A failed run that had waited and crashed, a dead one, and two on a queue."""
    store, at = MemoryStateStore(clock=clock), clock()
    store.put_queue(QueueInfo(name="q", depth=0, running=0, oldest_created_at_ms=None))
    store.put_run(
        make_run(
            "r1",
            status="completed",
            queue="q",
            created_at_ms=at - 10_000,
            started_at_ms=at - 8_000,
            finished_at_ms=at - 5_000,
            recovery_attempts=1,
        )
    )
    store.put_step(make_step("r1", 1, started_at_ms=at - 7_000, finished_at_ms=at - 6_500))
    store.put_run(
        make_run("r2", status="dead", created_at_ms=at - 60_000, finished_at_ms=at - 50_000, recovery_attempts=4)
    )
    for number in range(2):
        store.put_run(make_run(f"w{number}", status="pending", queue="q", created_at_ms=at - 3_000 * (number + 1)))
    return store


def test_runs_steps_and_queues_are_measured(provider: MeterProvider, reader: InMemoryMetricReader):
    """Durations in seconds, by workflow, step and status; a run's without its wait, which is a figure of its own."""
    clock = FakeClock()
    store = busy_store(clock)
    options: dict[str, Any] = {"exporter": ListTransport(), "meter_provider": provider, "environ": {}}
    bridge = OTelBridge(store, ledger=MemoryLedger(clock=clock), start_from="beginning", **options)
    bridge.run_once()
    metrics = collect(reader)
    bridge.stop()
    runs = {point.attributes["durable.run.status"]: point for point in points(metrics, "durable.run.duration")}
    assert runs["completed"].sum == 3.0
    assert points(metrics, "durable.step.duration")[0].sum == 0.5
    assert points(metrics, "durable.queue.wait")[0].sum == 2.0
    assert points(metrics, "durable.run.dead_letters")[0].value == 1
    assert points(metrics, "durable.run.recoveries")[0].value == 3
    assert points(metrics, "durable.bridge.span.exported")[0].value == 3
    active = {point.attributes["durable.run.status"]: point.value for point in points(metrics, "durable.run.active")}
    assert active == {"pending": 2}
    depth = {point.attributes["durable.queue.name"]: point.value for point in points(metrics, "durable.queue.depth")}
    oldest = {
        point.attributes["durable.queue.name"]: point.value for point in points(metrics, "durable.queue.oldest_age")
    }
    assert (depth["q"], oldest["q"]) == (2, 6.0)
    assert points(metrics, "durable.bridge.lag")[0].value < 5
    store.close()


def test_exemplars_lead_to_the_span(provider: MeterProvider, reader: InMemoryMetricReader):
    """From a slow bucket to the very run."""
    clock = FakeClock()
    store = busy_store(clock)
    options: dict[str, Any] = {"exporter": ListTransport(), "meter_provider": provider, "environ": {}}
    bridge = OTelBridge(store, ledger=MemoryLedger(clock=clock), start_from="beginning", **options)
    bridge.run_once()
    bridge.stop()
    store.close()
    (point,) = points(collect(reader), "durable.step.duration")
    (exemplar,) = point.exemplars
    assert exemplar.trace_id.to_bytes(16, "big") == ids.trace_id("r1")
    assert exemplar.span_id.to_bytes(8, "big") == ids.step_span_id("r1", 1)


def test_names_and_units_follow_the_rules(provider: MeterProvider, reader: InMemoryMetricReader):
    """Dotted lower case, no unit in the name, UCUM units."""
    clock = FakeClock()
    store = busy_store(clock)
    options: dict[str, Any] = {"exporter": ListTransport(), "meter_provider": provider, "environ": {}}
    bridge = OTelBridge(store, ledger=MemoryLedger(clock=clock), start_from="beginning", **options)
    bridge.run_once()
    for name, metric in collect(reader).items():
        assert re.fullmatch(r"durable(\.[a-z]+(_[a-z]+)*)+", name)
        assert not re.search(r"second|_ms$|_s$|total|count", name)
        assert metric.unit == "s" or re.fullmatch(r"\{[a-z]+\}", metric.unit)
        assert metric.description
    bridge.stop()
    store.close()


def test_gauges_that_cannot_be_read_do_not_stop_the_export():
    """Counting may time out on a huge database; spans go on."""

    class NoFacets(MemoryStateStore):
        def facets(self, query: Any, *, by_workflow: bool = False) -> Any:  # type: ignore[override]
            raise StoreUnavailableError("store", "statement timeout")

    clock = FakeClock()
    store = NoFacets(clock=clock)
    store.put_run(make_run(status="completed", created_at_ms=clock()))
    options: dict[str, Any] = {"exporter": ListTransport(), "environ": {}, "start_from": "beginning"}
    bridge = OTelBridge(store, ledger=MemoryLedger(clock=clock), **options)  # type: ignore[arg-type]
    assert bridge.run_once() == 1
    bridge.stop()
    store.close()


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_METRICS_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:9/v1/metrics"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:9", "OTEL_METRICS_EXPORTER": "none"}, False),
    ],
)
def test_metrics_are_sent_when_asked_for(environ: dict[str, str], wanted: bool):
    """Most trace backends take none, and would answer with an error every minute."""
    provider = meter_provider_from_env(environ)
    assert (provider is not None) is wanted
    if provider is not None:
        provider.shutdown()
    assert meter_provider_from_env({**environ, "OTEL_SDK_DISABLED": "true"}) is None


def test_metrics_go_over_grpc_too():
    """As ``OTEL_EXPORTER_OTLP_PROTOCOL`` says."""
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    provider = meter_provider_from_env({**endpoint, "OTEL_METRICS_EXPORTER": "otlp"})
    assert provider is not None
    provider.shutdown()
