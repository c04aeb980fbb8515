"""Spans to send in tests of delivery."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from otel_bridge.otlp import Accepted
from otel_bridge.spans import SpanData, SpanEvent, SpanKind, SpanLink


def sample_span(number: int = 0, **fields: Any) -> SpanData:
    """Return a span whose ids follow from ``number``."""
    digest = hashlib.sha256(str(number).encode()).digest()
    fields.setdefault("name", f"step {number}")
    fields.setdefault("attributes", {"durable.run.id": f"run-{number}"})
    return SpanData(
        trace_id=digest[:16],
        span_id=digest[16:24],
        parent_id=None,
        kind=SpanKind.INTERNAL,
        start_ns=1_700_000_000_000_000_000 + number,
        end_ns=1_700_000_000_000_000_500 + number,
        run_id=f"run-{number}",
        **fields,
    )


def full_span() -> SpanData:
    """Return a span with everything in it."""
    return SpanData(
        trace_id=b"t" * 16,
        span_id=b"s" * 8,
        parent_id=b"p" * 8,
        name="charge ☕",
        kind=SpanKind.PRODUCER,
        start_ns=10**18,
        end_ns=10**18 + 7,
        attributes={"s": "text", "b": True, "i": -5, "f": 1.5, "l": ("a", "b"), "big": 2**70},
        events=(SpanEvent("exception", 10**18 + 5, {"exception.type": "E"}),),
        links=(SpanLink(b"T" * 16, b"S" * 8, {"durable.link": "child"}),),
        error="it \ud800 broke",
        run_id="run-1",
        seq=1,
        service="shop",
        parent_is_remote=True,
    )


class ListTransport:
    """A transport into a list; raises what ``failing`` holds, one error per try."""

    target = "list"

    def __init__(self) -> None:
        self.spans: list[SpanData] = []
        self.failing: list[Exception] = []
        self.closed = False

    def send(self, spans: Sequence[SpanData]) -> Accepted:
        if self.failing:
            raise self.failing.pop(0)
        self.spans += spans
        return Accepted()

    def close(self) -> None:
        self.closed = True

    def names(self) -> list[str]:
        return [span.name for span in self.spans]
