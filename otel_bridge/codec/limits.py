"""How much of a value is looked at and shown. Reads the monotonic clock; nothing else."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one decoding; what lies beyond is left out and said to be.

    Args:
        max_nodes: values shown. Reading may take ``READ_PER_NODE`` units of work for each of them.
        max_depth: nesting shown.
        max_string: characters of one string, or bytes of one byte string.
        max_text: characters of all strings together.
        max_raw: characters of a value that is shown as it was stored.
        seconds: a backstop for a slow machine; the counted work ends first on others.
        exact: integers stay numbers however long they are, for callers that send the value back as it came.
    """

    max_nodes: int = 50_000
    max_depth: int = 64
    max_string: int = 64 * 1024
    max_text: int = 2 * 1024 * 1024
    max_raw: int = 64 * 1024
    seconds: float = 2.0
    exact: bool = False


PREVIEW = Limits()
"""For a page: at most a few megabytes, in at most two seconds."""

WHOLE = Limits(
    max_nodes=1_000_000,
    max_depth=200,
    max_string=64 * 1024 * 1024,
    max_text=64 * 1024 * 1024,
    max_raw=64 * 1024 * 1024,
    seconds=20.0,
)
"""For a download: generous, but bounded all the same."""

MESSAGE = Limits(max_nodes=5_000, max_depth=16, max_string=64 * 1024, max_text=512 * 1024, max_raw=8 * 1024)
"""For an error: a message, a stack and what else is read as one."""

READ_PER_NODE = 6
"""Instructions of a pickle, or tokens of a text, read for each value that may be shown."""
_FREE_NODES, _NODES_PER_CHARACTER = 50_000, 8
_FREE_TEXT, _TEXT_PER_CHARACTER = 2 * 1024 * 1024, 16
_CLOCK_EVERY = 4096


class OutOfBudget(Exception):
    """The value costs more than may be spent on it."""


class Budget:
    """What is left of the limits while one value is decoded; every loop over the value pays here first.

    Costs are counted, not measured, so the same value is cut at the same place on any machine. One unit is about a
    microsecond of work at most. A value that repeats itself (a pickle's memo makes a kilobyte mean a gigabyte) gets no
    more than its size deserves: that is why the size is asked for.

    ``cut`` turns true when something was left out, ``altered`` when what is shown, read as JSON, is another value: a
    set, a date, an object of a class, something hidden.
    """

    def __init__(self, limits: Limits, size: int) -> None:
        self.limits = limits
        self.nodes = min(limits.max_nodes, _FREE_NODES + _NODES_PER_CHARACTER * size)
        self.text = min(limits.max_text, _FREE_TEXT + _TEXT_PER_CHARACTER * size)
        self.cut = False
        self.altered = False
        self._reading = self.nodes * READ_PER_NODE
        self._showing = self.nodes * READ_PER_NODE
        self._deadline = time.monotonic() + limits.seconds
        self._look = _CLOCK_EVERY

    def read(self, cost: int = 1) -> None:
        """Pay for reading.

        Raises:
            OutOfBudget: there is not that much left, or the time is up.
        """
        self._reading -= cost
        self._look -= cost
        if self._reading < 0 or (self._look < 0 and self._is_late()):
            self._reading = -1
            self.cut = True
            raise OutOfBudget

    def show(self, cost: int) -> bool:
        """Pay for work that shows nothing by itself, such as looking through keys; False when it cannot be paid."""
        self._showing -= cost
        self._look -= cost
        if self._showing < 0 or (self._look < 0 and self._is_late()):
            self.nodes, self.cut = 0, True
            return False
        return True

    def node(self) -> bool:
        """Pay for one value shown; False when none is left."""
        self.nodes -= 1
        self._look -= 1
        if self.nodes < 0 or (self._look < 0 and self._is_late()):
            self.nodes, self.cut = 0, True
            return False
        return True

    def _is_late(self) -> bool:
        self._look = _CLOCK_EVERY
        return time.monotonic() > self._deadline
