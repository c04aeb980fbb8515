"""Ids that were computed before it was known where their run belongs, and the ended spans that wait until it is.

A ledger that is slow or away holds no workflow up: user code continues with the ids of the run's first life. Where
the run turns out to live again, those ids name spans that are never sent. So what is made meanwhile is kept back when
it ends, and gets the right ids as soon as the answer is there. What left the process before, in a header say, keeps
the guessed ones. Pure, but for the functions that are kept to be called.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_bridge.instrumentation.current import LiveRun, Placement

MAX_KEPT = 2048
"""Spans kept back in a process, as many as OpenTelemetry's batches queue; beyond, spans go as they are."""


class Guess:
    """What was computed for one run while nobody knew its placement.

    Example:
        >>> guess = Guess()
        >>> guess.span_ids[1] = lambda placement: 100 + placement.generation
        >>> from otel_bridge.instrumentation.current import Placement
        >>> guess.span_id(1, Placement(b"", 7)), guess.span_id(2, Placement(b"", 7))
        (107, 2)
    """

    __slots__ = ("span_ids", "trace_ids")

    def __init__(self) -> None:
        self.span_ids: dict[int, Callable[[Placement], int]] = {}
        self.trace_ids: dict[int, Callable[[Placement], int]] = {}
        """By the guessed id, each: how to compute it for a placement."""

    def span_id(self, guessed: int, placement: Placement) -> int:
        """Return the id for this placement; one that was no guess is right as it is."""
        compute = self.span_ids.get(guessed)
        return guessed if compute is None else compute(placement)

    def trace_id(self, guessed: int, placement: Placement) -> int:
        """Return the trace's id for this placement."""
        compute = self.trace_ids.get(guessed)
        return guessed if compute is None else compute(placement)


class KeptBack:
    """The ended spans that wait, by run: each as a function that sends it."""

    def __init__(self, *, most: int = MAX_KEPT) -> None:
        self._most = most
        self.forget()

    def forget(self) -> None:
        """In a forked child: what waits is the parent's to send."""
        self._lock = threading.Lock()
        self._waiting: dict[LiveRun, list[Callable[[], None]]] = {}
        self._count = 0

    def keep(self, run: LiveRun, send: Callable[[], None]) -> bool:
        """Keep a span until its run's placement is known; False where it should go now."""
        with self._lock:
            if run.placement is not None or self._count >= self._most:
                return False
            self._waiting.setdefault(run, []).append(send)
            self._count += 1
            return True

    def release(self, run: LiveRun) -> None:
        """Send what waits for this run, whose placement is known now."""
        with self._lock:
            sends = self._waiting.pop(run, [])
            self._count -= len(sends)
        for send in sends:
            send()

    def release_all(self) -> None:
        """Send everything as it is: somebody flushes, or the process ends."""
        for run in list(self._waiting):
            self.release(run)


kept = KeptBack()
"""Of the process, as providers are."""
