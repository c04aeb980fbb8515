"""The bytes are OTLP's: whatever a span holds, ``opentelemetry-proto`` reads it back, and would write the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from examples.fake_collector import attributes
from otel_bridge.otlp import ResourceSettings, encode_request
from otel_bridge.otlp.encode import encode_span
from otel_bridge.spans import SpanData, SpanEvent, SpanKind, SpanLink
from tests.otlp.samples import full_span, sample_span

text = st.text(max_size=300)
values = st.one_of(text, st.booleans(), st.integers(), st.floats(allow_nan=False), st.lists(text).map(tuple))
attribute_maps = st.dictionaries(text, values, max_size=6)
times = st.integers(1, 2**64 - 1)
ids16, ids8 = st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8)
spans = st.builds(
    SpanData,
    trace_id=ids16,
    span_id=ids8,
    parent_id=st.none() | ids8,
    name=text,
    kind=st.sampled_from(SpanKind),
    start_ns=times,
    end_ns=times,
    attributes=attribute_maps,
    events=st.lists(st.builds(SpanEvent, text, times, attribute_maps), max_size=2).map(tuple),
    links=st.lists(st.builds(SpanLink, ids16, ids8, attribute_maps), max_size=2).map(tuple),
    error=st.none() | text,
    parent_is_remote=st.booleans(),
)


def expected(given: Any) -> dict[str, Any]:
    """Return attributes as a reader sees them: lists for tuples, text for what 64 bits cannot hold."""
    fits = range(-(2**63), 2**63)
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}
    return {
        key: str(value) if isinstance(value, int) and not isinstance(value, bool) and value not in fits else value
        for key, value in plain.items()
    }


relaxed = settings(deadline=None, max_examples=60)


@relaxed
@given(span=spans)
def test_every_field_is_read_back(span: SpanData):
    """Ids, names, times, attributes of every type, events, links, status, flags."""
    read = Span.FromString(encode_span(span))
    assert (read.trace_id, read.span_id, read.parent_span_id) == (span.trace_id, span.span_id, span.parent_id or b"")
    assert (read.name, read.kind) == (span.name, span.kind)
    assert (read.start_time_unix_nano, read.end_time_unix_nano) == (span.start_ns, span.end_ns)
    assert attributes(read) == expected(span.attributes)
    assert [(event.name, event.time_unix_nano, attributes(event)) for event in read.events] == [
        (event.name, event.time_ns, expected(event.attributes)) for event in span.events
    ]
    assert [(link.trace_id, link.span_id, attributes(link), link.flags) for link in read.links] == [
        (link.trace_id, link.span_id, expected(link.attributes), 1) for link in span.links
    ]
    assert read.status.code == (Span().status.code if span.error is None else 2)
    assert read.status.message == (span.error or "")
    assert read.flags == (0x301 if span.parent_is_remote else 0x101)


@relaxed
@given(span=spans)
def test_the_protobuf_library_would_write_the_same_bytes(span: SpanData):
    """Fields come in the order of their numbers and nothing unknown is among them."""
    encoded = encode_span(span)
    kept = Span.FromString(encoded)
    assert len(kept.SerializeToString()) <= len(encoded)
    assert Span.FromString(kept.SerializeToString()) == kept
    full = encode_span(full_span())
    assert Span.FromString(full).SerializeToString() == full


def test_true_and_one_are_told_apart():
    """They are equal keys of a cache that is not careful."""
    for value in (True, 1, 1.0, True):
        (pair,) = Span.FromString(encode_span(sample_span(attributes={"k": value}))).attributes
        kind = {bool: "bool_value", int: "int_value", float: "double_value"}[type(value)]
        assert pair.value.WhichOneof("value") == kind


def test_each_application_is_a_resource_of_its_own():
    """Two applications on one database are two services; their spans are not mixed."""
    batch = [sample_span(1, service="shop"), sample_span(2, service="bank"), sample_span(3, service="shop")]
    request = ExportTraceServiceRequest.FromString(encode_request(batch, ResourceSettings(environ={})))
    groups = {
        attributes(group.resource)["service.name"]: [span.name for span in group.scope_spans[0].spans]
        for group in request.resource_spans
    }
    assert groups == {"shop": ["step 1", "step 3"], "bank": ["step 2"]}
    assert request.resource_spans[0].scope_spans[0].scope.name == "otel_bridge"


def test_the_same_spans_are_the_same_bytes():
    """What is sent twice is sent identically."""
    batch = [sample_span(number) for number in range(10)]
    assert encode_request(batch, ResourceSettings(environ={})) == encode_request(batch, ResourceSettings(environ={}))
