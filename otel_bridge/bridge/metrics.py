"""OpenTelemetry instruments fed by what the bridge exports and sees. Reads a clock only through the caller.

Names and units follow OpenTelemetry's rules: durations in seconds, counts as ``{things}``, no unit in a name.
Histograms are recorded inside the span's context, so that the SDK keeps exemplars that lead to its trace.
Source: https://opentelemetry.io/docs/specs/semconv/general/metrics/
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from otel_bridge.bridge.model_calls import calls_of
from otel_bridge.codec import mask_text
from otel_bridge.ledger.base import ModelCall
from otel_bridge.model.fleet import QueueInfo
from otel_bridge.model.runs import Facet, Run
from otel_bridge.model.status import OPEN_STATUSES
from otel_bridge.model.steps import Step
from otel_bridge.otlp import DeliveryStats, OtlpSettings, ResourceSettings, settings_from_env
from otel_bridge.otlp.declared import effective
from otel_bridge.runs.prices import PriceTable
from otel_bridge.spans import Plan, SpanData, semconv
from otel_bridge.spans.genai import RESPONSE_MODEL, TOKEN_TYPE
from otel_bridge.spans.model import NS_PER_MS

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
    from opentelemetry.sdk.metrics.export import MetricExporter

_DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400)
_SILENT_PROVIDERS = frozenset({"_ProxyMeterProvider", "NoOpMeterProvider"})
_SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)


class BridgeMetrics:
    """Instruments of one bridge.

    Args:
        provider: the process's global one by default; without an SDK nothing is recorded.
        prices: what tokens cost; without, tokens alone are counted.
    """

    def __init__(self, provider: MeterProvider | None = None, *, prices: PriceTable | None = None) -> None:
        self._prices = prices
        self._provider = provider
        meter = (provider or metrics.get_meter_provider()).get_meter(semconv.SCOPE_NAME)
        self._lock = threading.Lock()
        self._active: Sequence[Facet] = ()
        self._queues: Sequence[QueueInfo] = ()
        self._now_ms = 0
        self._lag_s: float | None = None
        self._set_aside: int | None = None
        self._counted = (0, 0, 0)

        def histogram(name: str, description: str) -> metrics.Histogram:
            return meter.create_histogram(
                name, "s", description, explicit_bucket_boundaries_advisory=list(_DURATION_BUCKETS_S)
            )

        self._run_duration = histogram(semconv.METRIC_RUN_DURATION, "From a run's start to its end.")
        self._step_duration = histogram(semconv.METRIC_STEP_DURATION, "From a step's start to its end.")
        self._queue_wait = histogram(semconv.METRIC_QUEUE_WAIT, "From a run's creation to its start, on a queue.")
        self._recoveries = meter.create_counter(
            semconv.METRIC_RECOVERIES, "{recovery}", "Times that runs were picked up again after a crash."
        )
        self._dead = meter.create_counter(semconv.METRIC_DEAD_LETTERS, "{run}", "Runs that the engine gave up.")
        self._cost_tokens = meter.create_counter(
            semconv.METRIC_COST_TOKENS, "{token}", "Tokens that model calls in steps used."
        )
        self._cost_amount = meter.create_counter(
            semconv.METRIC_COST_AMOUNT, "{currency}", "What they cost by the price table."
        )
        self._exported = meter.create_counter(semconv.METRIC_EXPORTED, "{span}", "Spans that the collector accepted.")
        self._rejected = meter.create_counter(
            semconv.METRIC_REJECTED, "{span}", "Spans that the collector refused for good."
        )
        for name, unit, description, callback in (
            (semconv.METRIC_RUN_ACTIVE, "{run}", "Runs that have not ended, by status.", self._observe_active),
            (semconv.METRIC_QUEUE_DEPTH, "{run}", "Runs that wait on a queue.", self._observe_depth),
            (semconv.METRIC_QUEUE_OLDEST_AGE, "s", "Age of the oldest run on a queue.", self._observe_oldest),
            (semconv.METRIC_LAG, "s", "How far export is behind the state store.", self._observe_lag),
            (
                semconv.METRIC_SET_ASIDE,
                "{run}",
                "Runs whose rows cannot be exported as spans.",
                self._observe_set_aside,
            ),
        ):
            meter.create_observable_gauge(name, [callback], unit, description)

    @property
    def recording(self) -> bool:
        """True when somebody listens: an SDK may be installed later, so it is asked every time."""
        provider = self._provider or metrics.get_meter_provider()
        return type(provider).__name__ not in _SILENT_PROVIDERS

    def record_plan(self, run: Run, plan: Plan) -> None:
        """Record what a plan that was delivered says."""
        if not self.recording:
            return
        by_seq = {span.seq: span for span in plan.spans if span.seq is not None}
        for due in plan.due:
            span = by_seq.get(due.step.seq)
            if span is None or due.unfinished or due.step.housekeeping:
                continue
            attributes = {
                semconv.WORKFLOW_NAME: run.workflow,
                semconv.STEP_NAME: mask_text(due.step.name),
                semconv.STEP_KIND: due.step.kind,
                semconv.STEP_STATUS: due.step.status,
            }
            self._step_duration.record(_step_s(due.step, span), attributes, context=_context(span))
        for call in calls_of(run, plan):
            self._record_call(call, _context(by_seq[call.seq]))
        if plan.ended and plan.spans:
            self._record_end(run, plan, plan.spans[-1])

    def _record_call(self, call: ModelCall, context: Context) -> None:
        of = {semconv.WORKFLOW_NAME: call.workflow, RESPONSE_MODEL: mask_text(call.model)}
        for kind, count in (("input", call.input_tokens), ("output", call.output_tokens)):
            if count:
                self._cost_tokens.add(count, {**of, TOKEN_TYPE: kind}, context=context)
        cost = self._prices.cost(call.model, call.input_tokens, call.output_tokens) if self._prices else None
        if cost is not None and self._prices is not None:
            self._cost_amount.add(cost, {**of, semconv.COST_CURRENCY: self._prices.currency}, context=context)

    def _record_end(self, run: Run, plan: Plan, root: SpanData) -> None:
        attributes = {semconv.WORKFLOW_NAME: run.workflow, semconv.RUN_STATUS: run.status}
        self._run_duration.record(_worked_s(run, plan, root), attributes, context=_context(root))
        wait_ms, queue = root.attributes.get(semconv.QUEUE_WAIT_MS), root.attributes.get(semconv.QUEUE_NAME)
        if isinstance(wait_ms, int) and isinstance(queue, str):
            waited = {semconv.WORKFLOW_NAME: run.workflow, semconv.QUEUE_NAME: mask_text(queue)}
            self._queue_wait.record(wait_ms / 1000, waited, context=_context(root))
        recoveries = root.attributes.get(semconv.RUN_RECOVERIES)
        if isinstance(recoveries, int):
            self._recoveries.add(recoveries, {semconv.WORKFLOW_NAME: run.workflow})
        if run.status == "dead":
            self._dead.add(1, {semconv.WORKFLOW_NAME: run.workflow})

    def observe_store(self, facets: Sequence[Facet], queues: Sequence[QueueInfo], now_ms: int) -> None:
        """Keep what the gauges report until the next look."""
        with self._lock:
            self._active = [facet for facet in facets if facet.status in OPEN_STATUSES]
            self._queues, self._now_ms = list(queues), now_ms

    def observe_lag(self, lag_s: float) -> None:
        """Keep how far behind the export is."""
        self._lag_s = lag_s

    def observe_set_aside(self, runs: int) -> None:
        """Keep how many runs are set aside now."""
        self._set_aside = runs

    def observe_delivery(self, stats: DeliveryStats) -> None:
        """Count what was delivered and refused since the last look."""
        counted = (stats.exported, stats.set_aside, stats.partial)
        exported, set_aside, partial = (now - was for now, was in zip(counted, self._counted, strict=True))
        self._counted = counted
        if exported:
            self._exported.add(exported)
        if set_aside:
            self._rejected.add(set_aside, {semconv.ERROR_TYPE: "refused"})
        if partial:
            self._rejected.add(partial, {semconv.ERROR_TYPE: "partial_success"})

    def _observe_active(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            counts: dict[str, int] = {}
            for facet in self._active:
                counts[facet.status] = counts.get(facet.status, 0) + facet.count
        return [Observation(count, {semconv.RUN_STATUS: status}) for status, count in counts.items()]

    def _observe_depth(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            return [Observation(queue.depth, {semconv.QUEUE_NAME: mask_text(queue.name)}) for queue in self._queues]

    def _observe_oldest(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            ages = [
                (queue.name, self._now_ms - queue.oldest_created_at_ms if queue.oldest_created_at_ms else 0)
                for queue in self._queues
            ]
        return [Observation(max(0, age) / 1000, {semconv.QUEUE_NAME: mask_text(name)}) for name, age in ages]

    def _observe_lag(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self._lag_s)] if self._lag_s is not None else []

    def _observe_set_aside(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self._set_aside)] if self._set_aside is not None else []


def _step_s(step: Step, span: SpanData) -> float:
    """Return how long a step worked: the span of a remote one begins where it was put on its queue."""
    worked_ms = step.duration_ms if step.kind == "remote" else None
    return _duration_s(span) if worked_ms is None else worked_ms / 1000


def _worked_s(run: Run, plan: Plan, root: SpanData) -> float:
    """Return how long a run worked, in its last life: its span begins where it was put on its queue."""
    if run.never_started:
        return 0.0
    started_ms = plan.record.started_at_ms if run.started_at_ms is None else run.started_at_ms
    begin_ns = root.start_ns if started_ms is None else max(root.start_ns, started_ms * NS_PER_MS)
    return max(0, root.end_ns - begin_ns) / 1e9


def _duration_s(span: SpanData) -> float:
    return (span.end_ns - span.start_ns) / 1e9


def _context(span: SpanData) -> Context:
    """Return a context in which ``span`` is current, for exemplars."""
    ids = int.from_bytes(span.trace_id, "big"), int.from_bytes(span.span_id, "big")
    return trace.set_span_in_context(trace.NonRecordingSpan(trace.SpanContext(*ids, False, _SAMPLED)))


def meter_provider_from_env(environ: Mapping[str, str]) -> SdkMeterProvider | None:
    """Return a provider that sends over OTLP, for the command; None unless metrics are asked for.

    Asked for by ``OTEL_METRICS_EXPORTER=otlp`` or ``OTEL_EXPORTER_OTLP_METRICS_ENDPOINT``, or by a reader in the file
    of ``OTEL_CONFIG_FILE``: many trace backends take no metrics and would answer with an error every minute.
    """
    declared = effective(environ)
    wanted = declared.get("OTEL_METRICS_EXPORTER", "").strip().lower()
    named = declared.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "").strip()
    settings = settings_from_env(declared, signal="METRICS")
    if settings is None or wanted == "none" or not (wanted == "otlp" or named):
        return None
    from opentelemetry.sdk.metrics import MeterProvider as Provider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    exporter = _metric_exporter(settings, says_all=declared is not environ)
    resource = Resource.create(ResourceSettings(environ=declared).of(semconv.SCOPE_NAME))
    return Provider([PeriodicExportingMetricReader(exporter)], resource=resource)


def _metric_exporter(settings: OtlpSettings, *, says_all: bool) -> MetricExporter:
    """Return the SDK's exporter, which reads the environment by itself unless the settings say all."""
    given: dict[str, Any] = {}
    if says_all:
        given = {"endpoint": settings.endpoint, "headers": dict(settings.headers), "timeout": settings.timeout_s}
    if settings.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter

        from otel_bridge.otlp.grpc import compression_of, credentials_of

        if says_all:
            given |= {"insecure": settings.insecure, "compression": compression_of(settings)}
            given["credentials"] = None if settings.insecure else credentials_of(settings)
        return GrpcExporter(**given)
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter

    if says_all:
        given |= {
            "compression": Compression.Gzip if settings.gzip else Compression.NoCompression,
            "certificate_file": settings.certificate,
            "client_key_file": settings.client_key,
            "client_certificate_file": settings.client_certificate,
        }
    return HttpExporter(**given)
