"""Any ``SpanExporter`` of the OpenTelemetry SDK as a transport. Does what that exporter does."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from otel_bridge.errors import RetryableDeliveryError
from otel_bridge.otlp.encode import ResourceSettings
from otel_bridge.otlp.transport import Accepted
from otel_bridge.spans import semconv
from otel_bridge.spans.model import SpanData

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_KINDS = {"INTERNAL": SpanKind.INTERNAL, "SERVER": SpanKind.SERVER, "CLIENT": SpanKind.CLIENT}
_KINDS |= {"PRODUCER": SpanKind.PRODUCER, "CONSUMER": SpanKind.CONSUMER}


class SdkTransport:
    """Hands batches to an SDK exporter.

    An SDK exporter says only success or failure, so a failure is always retried: it may be an outage.
    """

    def __init__(self, exporter: SpanExporter, resource: ResourceSettings) -> None:
        self._exporter, self._resource = exporter, resource
        self._scope = InstrumentationScope(semconv.SCOPE_NAME)
        self._resources: dict[tuple[str, str | None], Resource] = {}

    @property
    def target(self) -> str:
        """The exporter's class."""
        return type(self._exporter).__name__

    def send(self, spans: Sequence[SpanData]) -> Accepted:
        """Export one batch."""
        try:
            result = self._exporter.export([self._readable(span) for span in spans])
        except Exception as error:
            raise RetryableDeliveryError(f"{self.target} raised {type(error).__name__}: {error}.") from error
        if result is not SpanExportResult.SUCCESS:
            raise RetryableDeliveryError(f"{self.target} reported failure.")
        return Accepted()

    def close(self) -> None:
        """Flush. The exporter is its owner's to shut down."""
        self._exporter.force_flush()

    def _readable(self, span: SpanData) -> ReadableSpan:
        key = self._resource.key(span.service), span.instance
        resource = self._resources.get(key)
        if resource is None:
            resource = self._resources[key] = Resource(self._resource.of(span.service, span.instance))
        parent = (
            _context(span.trace_id, span.parent_id, is_remote=span.parent_is_remote)
            if span.parent_id is not None
            else None
        )
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace_id, span.span_id, is_remote=False),
            parent=parent,
            resource=resource,
            attributes=dict(span.attributes),
            events=[Event(event.name, dict(event.attributes), event.time_ns) for event in span.events],
            links=[
                Link(_context(link.trace_id, link.span_id, is_remote=True), dict(link.attributes))
                for link in span.links
            ],
            kind=_KINDS[span.kind.name],
            status=Status(StatusCode.ERROR, span.error) if span.error is not None else Status(),
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=self._scope,
        )


def _context(trace_id: bytes, span_id: bytes, *, is_remote: bool) -> SpanContext:
    return SpanContext(int.from_bytes(trace_id, "big"), int.from_bytes(span_id, "big"), is_remote, _SAMPLED)
