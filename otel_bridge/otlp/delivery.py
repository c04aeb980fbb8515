"""Delivery: batches until the collector has them, for as long as it takes. Sleeps between tries.

At least once, in order, nothing dropped. Retryable failures are retried without a deadline. A batch that the
collector will never accept is split until the one bad span is found. That span is set aside, counted and logged, once
the collector has shown that it does take other requests: one that refuses everything is out of order, and spans wait.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from otel_bridge.errors import BridgeError, RejectedBatchError, RetryableDeliveryError
from otel_bridge.otlp.transport import Accepted, Transport
from otel_bridge.spans.model import SpanData

_logger = logging.getLogger("otel_bridge")

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
LONGEST_RETRY_AFTER_S = 300.0
REMEMBERED_REJECTIONS = 100
CONFIRMATIONS = 2
MAX_BATCH_SPANS = 2_500
MAX_BATCH_BYTES = 2_000_000
_SPAN_BYTES = 300


class DeliveryStoppedError(BridgeError):
    """Delivery was told to stop before the collector accepted everything; nothing of it was acknowledged."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A span that the collector will not have."""

    trace_id: str
    span_id: str
    run_id: str
    name: str
    reason: str


@dataclass(slots=True)
class DeliveryStats:
    """Counts since the start. ``set_aside`` are spans refused one by one, ``partial`` those that it took less of."""

    exported: int = 0
    set_aside: int = 0
    partial: int = 0
    retries: int = 0
    last_error: str | None = None
    failing: bool = False
    rejections: deque[Rejection] = field(default_factory=lambda: deque(maxlen=REMEMBERED_REJECTIONS))


class Delivery:
    """Delivers spans through a transport; one thread.

    Args:
        stop: set it to make a delivery give up at once.
        stats: where to count.

    Attributes:
        alive: called before every try; raises to abandon the delivery (the lease is lost).
    """

    def __init__(
        self,
        transport: Transport,
        *,
        stop: threading.Event | None = None,
        stats: DeliveryStats | None = None,
        batch_spans: int = MAX_BATCH_SPANS,
        first_backoff_s: float = FIRST_BACKOFF_S,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._transport, self._stop = transport, stop or threading.Event()
        self._batch_spans, self._first_backoff_s, self._jitter = batch_spans, first_backoff_s, jitter
        self.stats = stats if stats is not None else DeliveryStats()
        self.alive: Callable[[], None] | None = None
        self._witness: list[SpanData] = []

    @property
    def target(self) -> str:
        """Where spans go."""
        return self._transport.target

    def deliver(self, spans: Iterable[SpanData]) -> None:
        """Return once the collector has accepted (or refused for good) every span.

        Raises:
            DeliveryStoppedError: it was told to stop.
        """
        for batch in batches(spans, self._batch_spans):
            self._deliver(batch)

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()

    def _deliver(self, batch: Sequence[SpanData]) -> None:
        pending = [batch]
        while pending:
            part = pending.pop()
            try:
                accepted = self._send(part)
            except RejectedBatchError as error:
                self.stats.last_error = str(error)
                if len(part) == 1:
                    self._settle(part[0], error)
                else:
                    middle = len(part) // 2
                    pending += [part[middle:], part[:middle]]
            else:
                self._count(part, accepted)

    def _settle(self, span: SpanData, error: RejectedBatchError) -> None:
        """Set one refused span aside, but only when it is the span that is refused."""
        for _ in range(CONFIRMATIONS):
            self._await_collector()
            try:
                accepted = self._send([span])
            except RejectedBatchError as again:
                error = again
            else:
                self._count([span], accepted)
                return
        self._set_aside(span, str(error))

    def _await_collector(self) -> None:
        """Return once the collector accepts what it had accepted before; at first, an empty request.

        A span sent twice is the same span: backends keep one.
        """
        attempt = 0
        while True:
            try:
                self._send(self._witness)
            except RejectedBatchError as error:
                self._pause(RetryableDeliveryError(str(error)), attempt)
                attempt += 1
            else:
                return

    def _send(self, part: Sequence[SpanData]) -> Accepted:
        attempt = 0
        while True:
            if self.alive is not None:
                self.alive()
            try:
                accepted = self._transport.send(part)
            except RetryableDeliveryError as error:
                self._pause(error, attempt)
                attempt += 1
            else:
                self._note_recovery()
                return accepted

    def _pause(self, error: RetryableDeliveryError, attempt: int) -> None:
        """Wait before the next try, or give up when told to stop."""
        self._note_failure(error)
        if self._stop.wait(backoff_s(attempt, error.retry_after_s, self._first_backoff_s, self._jitter())):
            raise DeliveryStoppedError(
                f"Stopped while {self._transport.target} was failing. The spans are sent after a restart."
            ) from error

    def _count(self, part: Sequence[SpanData], accepted: Accepted) -> None:
        self.stats.exported += len(part) - min(accepted.rejected, len(part))
        self.stats.partial += accepted.rejected
        if part and not accepted.rejected:
            self._witness = [part[-1]]
        if accepted.rejected:
            _logger.warning(
                "%s rejected %d of %d spans: %s", self._transport.target, accepted.rejected, len(part), accepted.message
            )
        elif accepted.message:
            _logger.warning("%s accepted %d spans and warns: %s", self._transport.target, len(part), accepted.message)

    def _set_aside(self, span: SpanData, reason: str) -> None:
        self.stats.set_aside += 1
        self.stats.rejections.append(
            Rejection(span.trace_id_hex, span.span_id_hex, span.run_id, span.name[:200], reason)
        )
        _logger.error(
            "Span %s of trace %s (run %s, %r) is set aside: %s",
            span.span_id_hex,
            span.trace_id_hex,
            span.run_id,
            span.name[:200],
            reason,
        )

    def _note_failure(self, error: RetryableDeliveryError) -> None:
        self.stats.retries += 1
        self.stats.last_error = str(error)
        if not self.stats.failing:
            self.stats.failing = True
            _logger.warning("Spans wait, none is lost: %s Retrying.", error)

    def _note_recovery(self) -> None:
        if self.stats.failing:
            self.stats.failing = False
            _logger.info("%s accepts spans again.", self._transport.target)


def batches(spans: Iterable[SpanData], size: int) -> Iterator[list[SpanData]]:
    """Yield spans in batches of at most ``size``, and of a bounded weight."""
    batch: list[SpanData] = []
    weight = 0
    for span in spans:
        heavy = _weight(span)
        if batch and (len(batch) >= size or weight + heavy > MAX_BATCH_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(span)
        weight += heavy
    if batch:
        yield batch


def _weight(span: SpanData) -> int:
    weight = _SPAN_BYTES + 60 * len(span.attributes)
    for event in span.events:
        weight += sum(len(value) for value in event.attributes.values() if isinstance(value, str))
    return weight


def backoff_s(attempt: int, wish_s: float | None, first_s: float, jitter: float) -> float:
    """Return how long to wait before the next try: what the collector asked for, or twice as long each time.

    Args:
        jitter: in [0, 1); spreads bridges that fail together.
    """
    if wish_s is not None:
        return min(wish_s, LONGEST_RETRY_AFTER_S) + first_s * jitter
    longest = min(LONGEST_BACKOFF_S, first_s * 2.0 ** min(attempt, 30))
    return longest * (0.5 + jitter / 2)
