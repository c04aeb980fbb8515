"""Delivery: batches until the collector has them, for as long as it takes. Sleeps between tries.

At least once, in order, nothing dropped. Retryable failures are retried without a deadline. A batch whose content the
collector refuses is split until the one bad span is found. That span is set aside, counted and logged, once the
collector has shown that it does take other spans: one that refuses everything is out of order, and spans wait.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from otel_bridge.errors import BridgeError, RejectedBatchError, RetryableDeliveryError
from otel_bridge.otlp.batches import MAX_BATCH_SPANS, batches
from otel_bridge.otlp.transport import Accepted, Transport
from otel_bridge.outages import SAME_OUTAGE_S
from otel_bridge.spans.model import SpanData

_logger = logging.getLogger("otel_bridge")

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
LONGEST_RETRY_AFTER_S = 300.0
REMEMBERED_REJECTIONS = 100
CONFIRMATIONS = 2
REFUSED_IN_A_ROW = 8
"""So many single spans refused, and none taken: the collector refuses everything."""
PATIENT_TRIES = 8
"""So often are a few spans tried, of which none is taken, before they are looked at one by one: about a minute."""


class DeliveryStoppedError(BridgeError):
    """Delivery was asked to stop before the collector accepted everything; nothing of it was acknowledged."""


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
        stop: the same, for what is sent besides.
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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport, self.stop = transport, stop or threading.Event()
        self._batch_spans, self._first_backoff_s, self._jitter = batch_spans, first_backoff_s, jitter
        self.stats = stats if stats is not None else DeliveryStats()
        self.alive: Callable[[], None] | None = None
        self._witness: list[SpanData] = []
        self._log = _OutageLog(transport, monotonic)

    @property
    def target(self) -> str:
        """Where spans go."""
        return self._transport.target

    def deliver(self, spans: Iterable[SpanData]) -> None:
        """Return once the collector has accepted (or refused for good) every span.

        Raises:
            DeliveryStoppedError: it was asked to stop.
        """
        for batch in batches(spans, self._batch_spans):
            self._deliver(batch)

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()

    def _deliver(self, batch: Sequence[SpanData]) -> None:
        attempt = 0
        while True:
            refused, took = self._split(batch)
            if took or self._witness or len(refused) <= 1 or (attempt >= PATIENT_TRIES and len(refused) == len(batch)):
                break
            # Every span was refused, and none was ever taken: that says something about the collector, not about them.
            _span, why = refused[0]
            self._pause(RetryableDeliveryError(str(why)), attempt)
            attempt += 1
        for span, error in refused:
            self._settle(span, error)

    def _split(self, batch: Sequence[SpanData]) -> tuple[list[tuple[SpanData, RejectedBatchError]], bool]:
        """Send a batch, in halves where it is refused.

        Returns the spans that were refused by themselves, and whether any was taken. Not all have been tried when so
        many are refused in a row that the collector seems to take none.
        """
        refused: list[tuple[SpanData, RejectedBatchError]] = []
        pending, took = [batch], False
        while pending:
            part = pending.pop()
            try:
                accepted = self._send(part)
            except RejectedBatchError as error:
                self.stats.last_error = str(error)
                if len(part) > 1:
                    middle = len(part) // 2
                    pending += [part[middle:], part[:middle]]
                    continue
                refused.append((part[0], error))
                if len(refused) >= REFUSED_IN_A_ROW and not (took or self._witness):
                    break
            else:
                self._count(part, accepted)
                took = True
        return refused, took

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
        """Return once the collector accepts what it had accepted before; an empty request, where there is nothing.

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
                if part:
                    self.stats.failing = False
                    self._log.works()
                return accepted

    def _pause(self, error: RetryableDeliveryError, attempt: int) -> None:
        """Wait before the next try, or give up when asked to stop."""
        self.stats.retries += 1
        self.stats.last_error = str(error)
        self.stats.failing = True
        self._log.fails(error)
        if self.stop.wait(backoff_s(attempt, error.retry_after_s, self._first_backoff_s, self._jitter())):
            raise DeliveryStoppedError(
                f"Stopped while {self._transport.target} was failing. The spans are sent after a restart."
            ) from error

    def _count(self, part: Sequence[SpanData], accepted: Accepted) -> None:
        rejected = min(accepted.rejected, len(part))
        self.stats.exported += len(part) - rejected
        self.stats.partial += rejected
        if not rejected:
            self._witness = [part[-1]]
        self._log.partial(rejected, len(part), accepted.message)

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


class _OutageLog:
    """Logs an outage once, and its end, however often it comes back within a minute."""

    def __init__(self, transport: Transport, monotonic: Callable[[], float]) -> None:
        self._transport, self._monotonic = transport, monotonic
        self._logged = False
        self._quiet_until = -float("inf")
        self._complaint: str | None = None

    def fails(self, error: RetryableDeliveryError) -> None:
        """A request failed."""
        if not self._logged and self._monotonic() >= self._quiet_until:
            self._logged = True
            _logger.warning("Spans wait, none is lost: %s Retrying.", error)

    def works(self) -> None:
        """A request with spans was accepted."""
        if self._logged:
            self._logged = False
            self._quiet_until = self._monotonic() + SAME_OUTAGE_S
            _logger.info("%s accepts spans again.", self._transport.target)

    def partial(self, rejected: int, sent: int, message: str) -> None:
        """A request was accepted less some of its spans, or with a warning; the same complaint is logged once."""
        complaint = message if message or rejected else None
        if complaint is not None and complaint != self._complaint:
            if rejected:
                _logger.warning("%s rejected %d of %d spans: %s", self._transport.target, rejected, sent, message)
            else:
                _logger.warning("%s accepted %d spans and warns: %s", self._transport.target, sent, message)
        self._complaint = complaint


def backoff_s(attempt: int, wish_s: float | None, first_s: float, jitter: float) -> float:
    """Return how long to wait before the next try: twice as long each time, and as long as the collector asks for.

    >>> backoff_s(0, 7.0, first_s=0.5, jitter=0.0)
    7.0

    Args:
        wish_s: what ``Retry-After`` asks for, up to five minutes of it; never less than the back-off.
        jitter: in [0, 1); spreads bridges that fail together.
    """
    longest = min(LONGEST_BACKOFF_S, first_s * 2.0 ** min(attempt, 30))
    own_s = longest * (0.5 + jitter / 2)
    return own_s if wish_s is None else max(own_s, min(wish_s, LONGEST_RETRY_AFTER_S) + first_s * jitter)
