"""Spans in batches of a bounded number and weight. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from otel_bridge.spans.model import AttributeValue, SpanData

MAX_BATCH_SPANS = 2_500
MAX_BATCH_BYTES = 2_000_000
_SPAN_BYTES = 300
_ATTRIBUTE_BYTES = 40


def batches(spans: Iterable[SpanData], size: int) -> Iterator[list[SpanData]]:
    """Yield spans in batches of at most ``size``, and of about ``MAX_BATCH_BYTES`` unless one span has more."""
    batch: list[SpanData] = []
    weight = 0
    for span in spans:
        heavy = weight_bytes(span)
        if batch and (len(batch) >= size or weight + heavy > MAX_BATCH_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(span)
        weight += heavy
    if batch:
        yield batch


def weight_bytes(span: SpanData) -> int:
    """Return about how many bytes a span takes, encoded or in memory; long texts count in full."""
    weight = _SPAN_BYTES + len(span.name) + len(span.error or "") + _attributes_bytes(span.attributes)
    for event in span.events:
        weight += _attributes_bytes(event.attributes)
    return weight + sum(_attributes_bytes(link.attributes) for link in span.links)


def _attributes_bytes(attributes: Mapping[str, AttributeValue]) -> int:
    weight = _ATTRIBUTE_BYTES * len(attributes)
    for value in attributes.values():
        if type(value) is str:
            weight += len(value)
        elif type(value) is tuple:
            weight += sum(map(len, value))
    return weight
