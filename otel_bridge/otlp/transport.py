"""What a transport is: one batch to a collector, once, with its answer. Declares; touches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_bridge.spans.model import SpanData


@dataclass(frozen=True, slots=True)
class Accepted:
    """The collector took the batch, less ``rejected`` spans of it (``partial_success``). Never send it again."""

    rejected: int = 0
    message: str = ""


class Transport(Protocol):
    """Sends one batch. Not shared between threads."""

    @property
    def target(self) -> str:
        """Where it sends to, without credentials."""

    def send(self, spans: Sequence[SpanData]) -> Accepted:
        """Send a batch once.

        Raises:
            RetryableDeliveryError: the same batch may be accepted later.
            RejectedBatchError: this batch never will be.
        """

    def close(self) -> None:
        """Release connections. Idempotent."""


def parse_answer(body: bytes) -> Accepted:
    """Read an ``ExportTraceServiceResponse``; what is no such message counts as plain acceptance."""
    if not body:
        return Accepted()
    try:
        answer = ExportTraceServiceResponse.FromString(body)
    except Exception:  # noqa: BLE001 - protobuf's DecodeError differs between its implementations
        return Accepted()
    partial = answer.partial_success
    return Accepted(max(0, partial.rejected_spans), partial.error_message)
