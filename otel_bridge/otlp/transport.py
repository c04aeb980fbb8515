"""What a transport is: one batch to a collector, once, with its answer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from otel_bridge.errors import RetryableDeliveryError
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


def unreadable_answer(target: str, cause: str) -> RetryableDeliveryError:
    """Return the failure of an answer that made something fail here: a transport blames no span for it."""
    return RetryableDeliveryError(
        f"{target} gave an answer that cannot be read ({cause}). Correct the endpoint; the spans are kept."
    )
