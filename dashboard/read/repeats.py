"""Sequences that repeat: loops, seen from the names of the steps that they made. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

MOST_PERIOD = 8
"""A loop's turn has at most so many steps."""
LEAST_TURNS = 4
LEAST_ITEMS = 12


class Repeat(NamedTuple):
    """``turns`` times the same ``period`` items, from index ``begin`` on."""

    begin: int
    period: int
    turns: int

    @property
    def end(self) -> int:
        """Index after its last item."""
        return self.begin + self.period * self.turns


def repeats(
    items: Sequence[Hashable], *, most_period: int = MOST_PERIOD, least_items: int = LEAST_ITEMS
) -> list[Repeat]:
    """Return the sequences that repeat, from left to right, none within another: each as long as it can be.

    O(n · ``most_period``).

    Example:
        >>> repeats("xababababababy")
        [Repeat(begin=1, period=2, turns=6)]
    """
    differs = [0] * most_period
    found: list[Repeat] = []
    at = 0
    while at < len(items):
        best = Repeat(at, 1, 1)
        for period in range(1, most_period + 1):
            if differs[period - 1] <= at:
                differs[period - 1] = _differs_from(items, at, period)
            repeat = Repeat(at, period, (differs[period - 1] - at) // period + 1)
            if (repeat.end, -period) > (best.end, -best.period):
                best = repeat
        if best.turns >= LEAST_TURNS and best.end - at >= least_items:
            found.append(best)
            at = best.end
        else:
            at += 1
    return found


def _differs_from(items: Sequence[Hashable], at: int, period: int) -> int:
    """Return the first index from ``at`` on whose item is not the same as the one a period later."""
    last = len(items) - period
    while at < last and items[at] == items[at + period]:
        at += 1
    return at
