"""What a reader does when the store's clock jumps. Reads a monotonic clock.

A cursor is a time of the store's clock, which NTP, an operator or a restored virtual machine may set back. Rows written
afterwards carry stamps that the cursor has passed already, so the cursor comes back too. Readers compare what
they find with what they remember, so looking at rows again costs a little time and repeats nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from otel_bridge.ledger.base import Cursor

TOLERANCE_MS = 2_000
"""A stamp so far ahead of the clock is not a jump: clocks of two machines differ, and a reading is a moment old."""
LOOK_BACK_MS = 86_400_000
"""How far to look back when nothing tells when a clock was set back."""


class ClockWatch:
    """Watches the store's clock against one that never jumps; for one reader."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._before: tuple[int, float] | None = None

    def settle(self, cursor: Cursor, *, now_ms: int) -> Cursor:
        """Return the cursor, brought back where the clock was set back since the last call."""
        now = self._monotonic()
        elapsed_ms = None
        if self._before is not None:
            passed_ms = round((now - self._before[1]) * 1000)
            if self._before[0] + passed_ms - now_ms > TOLERANCE_MS:
                elapsed_ms = passed_ms
        self._before = (now_ms, now)
        return settled(cursor, now_ms=now_ms, set_back_within_ms=elapsed_ms)


def settled(cursor: Cursor, *, now_ms: int, set_back_within_ms: int | None) -> Cursor:
    """Return a cursor from which nothing is missed.

    >>> settled(Cursor(steps_ms=9_000, runs_ms=9_000), now_ms=5_000, set_back_within_ms=400)
    Cursor(steps_ms=4600, runs_ms=4600)

    Args:
        set_back_within_ms: how long ago, at most, the clock was set back; None when it was not, as far as is known.
    """
    if set_back_within_ms is not None:
        floor_ms = now_ms - set_back_within_ms
    elif max(cursor.steps_ms, cursor.runs_ms) > now_ms + TOLERANCE_MS:
        floor_ms = now_ms - LOOK_BACK_MS
    else:
        return cursor
    return Cursor(steps_ms=min(cursor.steps_ms, floor_ms), runs_ms=min(cursor.runs_ms, floor_ms))
