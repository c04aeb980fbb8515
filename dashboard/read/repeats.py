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
        """Index behind its last item."""
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
    alike = [_alike(items, period) for period in range(1, most_period + 1)]
    found: list[Repeat] = []
    at = 0
    while at < len(items):
        best = max(
            (Repeat(at, period, same[at] // period + 1) for period, same in enumerate(alike, start=1)),
            key=lambda repeat: (repeat.end, -repeat.period),
        )
        if best.turns >= LEAST_TURNS and best.end - at >= least_items:
            found.append(best)
            at = best.end
        else:
            at += 1
    return found


def _alike(items: Sequence[Hashable], period: int) -> list[int]:
    """Return for each index how many items from there on equal the one a period later."""
    same = [0] * len(items)
    for at in range(len(items) - period - 1, -1, -1):
        if items[at] == items[at + period]:
            same[at] = same[at + 1] + 1
    return same
