"""Spans to OTLP protobuf, without the SDK in between. Pure: the same spans always give the same bytes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from otel_bridge import semconv
from otel_bridge.spans.model import AttributeValue, SpanData, SpanKind

DEFAULT_SERVICE_NAME = "dbos"
_KINDS = {kind: Span.SpanKind.Value(f"SPAN_KIND_{kind.name}") for kind in SpanKind}
_ERROR = Status.STATUS_CODE_ERROR
_SAMPLED = 0x01
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_LOCAL_FLAGS = _SAMPLED | _HAS_IS_REMOTE
_REMOTE_FLAGS = _LOCAL_FLAGS | _IS_REMOTE


class ResourceSettings:
    """Attributes of the resource that spans are sent under.

    ``service.name`` is the one configured, else the application that a run belongs to. ``host.name`` is one constant:
    Jaeger shifts a parent and a child that come from different hosts to correct their clocks.

    Args:
        service_name: overrides ``OTEL_SERVICE_NAME`` and ``service.name`` in ``OTEL_RESOURCE_ATTRIBUTES``.
        environ: where the ``OTEL_*`` variables are read from; default the process's environment.
    """

    def __init__(self, service_name: str | None = None, *, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        given = parse_pairs(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""))
        self.service_name = service_name or environ.get("OTEL_SERVICE_NAME") or given.pop(semconv.SERVICE_NAME, None)
        given.pop(semconv.SERVICE_NAME, None)
        self.attributes: dict[str, str] = {
            semconv.HOST_NAME: socket.gethostname(),
            "telemetry.sdk.name": semconv.SCOPE_NAME,
            "telemetry.sdk.language": "python",
            **given,
        }

    def of(self, service: str | None) -> dict[str, str]:
        """Return the resource attributes for an application's spans."""
        return {semconv.SERVICE_NAME: self.service_name or service or DEFAULT_SERVICE_NAME, **self.attributes}

    def key(self, service: str | None) -> str:
        """Return what tells resources apart."""
        return self.service_name or service or DEFAULT_SERVICE_NAME


def parse_pairs(text: str) -> dict[str, str]:
    """Parse ``key=value,key=value`` with percent-encoded values; malformed pairs are left out.

    Source: https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable
    """
    pairs = (pair.partition("=") for pair in text.split(","))
    return {key.strip(): unquote(value.strip()) for key, found, value in pairs if found and key.strip()}


def encode_request(spans: Sequence[SpanData], resource: ResourceSettings) -> bytes:
    """Return the bytes of an ``ExportTraceServiceRequest``; spans keep their order within an application."""
    groups: dict[str, list[SpanData]] = {}
    for span in spans:
        groups.setdefault(resource.key(span.service), []).append(span)
    request = ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=_key_values(resource.of(service))),
                scope_spans=[
                    ScopeSpans(
                        scope=InstrumentationScope(name=semconv.SCOPE_NAME),
                        spans=[encode_span(span) for span in group],
                    )
                ],
            )
            for service, group in groups.items()
        ]
    )
    encoded: bytes = request.SerializeToString()
    return encoded


def encode_span(span: SpanData) -> Span:
    """Return one span as a protobuf message."""
    message = Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        name=clean(span.name),
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=_key_values(span.attributes),
        flags=_REMOTE_FLAGS if span.parent_is_remote else _LOCAL_FLAGS,
    )
    if span.parent_id is not None:
        message.parent_span_id = span.parent_id
    for event in span.events:
        message.events.add(name=event.name, time_unix_nano=event.time_ns, attributes=_key_values(event.attributes))
    for link in span.links:
        message.links.add(
            trace_id=link.trace_id, span_id=link.span_id, attributes=_key_values(link.attributes), flags=_SAMPLED
        )
    if span.error is not None:
        message.status.code = _ERROR
        message.status.message = clean(span.error)
    return message


def clean(text: str) -> str:
    """Replace lone surrogates, which protobuf strings cannot hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _key_values(attributes: Mapping[str, AttributeValue]) -> Iterable[KeyValue]:
    return [KeyValue(key=key, value=_any_value(value)) for key, value in attributes.items()]


def _any_value(value: AttributeValue) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=clean(value))
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return AnyValue(int_value=value)
        return AnyValue(string_value=str(value))
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=clean(item)) for item in value]))
