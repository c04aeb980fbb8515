"""Spans to OTLP's protobuf bytes, without the SDK or message objects in between. Pure: same spans, same bytes.

Most of a span's bytes are the same as in the span before: names, run ids, links to the dashboard. They are encoded
once and kept. A test compares every field with what ``opentelemetry-proto`` makes of the same span.
Source: opentelemetry-proto ``trace.proto`` and https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote

from otel_bridge.codec import mask_text
from otel_bridge.otlp.declared import effective
from otel_bridge.spans import semconv
from otel_bridge.spans.model import AttributeValue, SpanData

DEFAULT_SERVICE_NAME = "dbos"
_LONGEST_KEPT = 200
_HEAD = struct.Struct("<2s16s2s8s")
_TIMES = struct.Struct("<BBBQBQ")
_TIME = struct.Struct("<BQ")
_DOUBLE = struct.Struct("<Bd")
_STATUS_ERROR = b"\x18\x02"
# W3C trace flags (sampled), then whether the parent is known to be remote: has_is_remote 0x100, is_remote 0x200
_LOCAL_FLAGS = b"\x85\x01" + struct.pack("<I", 0x101)
_REMOTE_FLAGS = b"\x85\x01" + struct.pack("<I", 0x301)
_LINK_FLAGS = b"\x35" + struct.pack("<I", 0x001)


class ResourceSettings:
    """Attributes of the resource that spans are sent under.

    ``service.name`` is the one configured, else the application that a run belongs to. ``host.name`` is one constant:
    Jaeger shifts a parent and a child that come from different hosts to correct their clocks.

    Args:
        service_name: overrides ``OTEL_SERVICE_NAME`` and ``service.name`` in ``OTEL_RESOURCE_ATTRIBUTES``.
        environ: where the ``OTEL_*`` variables are read from; default the process's environment.
    """

    def __init__(self, service_name: str | None = None, *, environ: Mapping[str, str] | None = None) -> None:
        environ = effective(os.environ if environ is None else environ)
        given = parse_pairs(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""))
        self.service_name = service_name or environ.get("OTEL_SERVICE_NAME") or given.pop(semconv.SERVICE_NAME, None)
        given.pop(semconv.SERVICE_NAME, None)
        self.attributes: dict[str, str] = {
            semconv.HOST_NAME: socket.gethostname(),
            "telemetry.sdk.name": semconv.SCOPE_NAME,
            "telemetry.sdk.language": "python",
            **given,
        }

    def of(self, service: str | None, instance: str | None = None) -> dict[str, str]:
        """Return the resource attributes for what an application, or one executor of it, has done."""
        own = {} if instance is None else {semconv.SERVICE_INSTANCE_ID: instance}
        return {semconv.SERVICE_NAME: self.service_name or service or DEFAULT_SERVICE_NAME, **self.attributes, **own}

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
    by_source: dict[tuple[str | None, str | None], list[SpanData]] = {}
    for span in spans:
        by_source.setdefault((span.service, span.instance), []).append(span)
    groups: dict[tuple[str, str | None], list[SpanData]] = {}
    for (service, instance), group in by_source.items():
        groups.setdefault((resource.key(service), instance), []).extend(group)
    return b"".join(_message(1, _resource_spans(resource.of(*source), group)) for source, group in groups.items())


def _resource_spans(resource: Mapping[str, str], spans: Sequence[SpanData]) -> bytes:
    attributes = b"".join(_message(1, _key_value(key, value)) for key, value in resource.items())
    scope = _message(1, _text(1, semconv.SCOPE_NAME))
    chunks = [scope]
    for span in spans:
        encoded = encode_span(span)
        chunks += (b"\x12", _varint(len(encoded)), encoded)
    return _message(1, attributes) + _message(2, b"".join(chunks))


def encode_span(span: SpanData) -> bytes:
    """Return the bytes of one ``Span`` message; fields in the order of their numbers."""
    parts = [_HEAD.pack(b"\x0a\x10", span.trace_id, b"\x12\x08", span.span_id)]
    if span.parent_id is not None:
        parts += (b"\x22\x08", span.parent_id)
    parts.append(_text(5, span.name))
    parts.append(_TIMES.pack(0x30, span.kind, 0x39, span.start_ns, 0x41, span.end_ns))
    for key, value in span.attributes.items():
        if type(value) is str and len(value) > _LONGEST_KEPT:
            parts.append(_attribute.__wrapped__(key, value))
        else:
            parts.append(_attribute(key, value))
    for event in span.events:
        body = [_TIME.pack(0x09, event.time_ns), _text(2, event.name)]
        body += (_message(3, _key_value(key, value)) for key, value in event.attributes.items())
        parts.append(_message(11, b"".join(body)))
    for link in span.links:
        body = [_HEAD.pack(b"\x0a\x10", link.trace_id, b"\x12\x08", link.span_id)]
        body += (_message(4, _key_value(key, value)) for key, value in link.attributes.items())
        body.append(_LINK_FLAGS)
        parts.append(_message(13, b"".join(body)))
    if span.error is not None:
        parts.append(_message(15, (_text(2, span.error) if span.error else b"") + _STATUS_ERROR))
    parts.append(_REMOTE_FLAGS if span.parent_is_remote else _LOCAL_FLAGS)
    return b"".join(parts)


@lru_cache(maxsize=16_384, typed=True)
def _attribute(key: str, value: AttributeValue) -> bytes:
    """Return a span's attribute, field number and all. ``typed``: True and 1 are one key otherwise."""
    return _message(9, _key_value(key, value))


def _key_value(key: str, value: AttributeValue) -> bytes:
    return _text(1, key) + _message(2, _any_value(value))


def _any_value(value: AttributeValue) -> bytes:
    if isinstance(value, str):
        return _raw(1, clean(value).encode())
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
        return _raw(1, str(value).encode())
    if isinstance(value, float):
        return _DOUBLE.pack(0x21, value)
    return _message(5, b"".join(_message(1, _raw(1, clean(item).encode())) for item in value))


@lru_cache(maxsize=4_096)
def _text(number: int, text: str) -> bytes:
    """Return a string field."""
    return _raw(number, clean(text).encode())


def _message(number: int, body: bytes) -> bytes:
    return _raw(number, body)


def _raw(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


@lru_cache(maxsize=4_096)
def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def clean(text: str) -> str:
    """Hide webhook tokens, which people put into names too, and replace lone surrogates: protobuf holds none."""
    text = mask_text(text)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
