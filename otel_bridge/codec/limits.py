"""How much of a value is looked at and shown. Reads the monotonic clock; nothing else."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one decoding; what lies beyond is left out and said to be.

    Args:
        max_nodes: values shown, and, times four, instructions of a pickle or tokens of a text looked at.
        max_depth: nesting shown.
        max_string: characters of one string, or bytes of one byte string.
        max_text: characters of all strings together.
        max_raw: characters of a value that is shown as it was stored.
        seconds: time, checked now and then.
    """

    max_nodes: int = 50_000
    max_depth: int = 64
    max_string: int = 64 * 1024
    max_text: int = 2 * 1024 * 1024
    max_raw: int = 64 * 1024
    seconds: float = 2.0


PREVIEW = Limits()
"""For a page: at most a few megabytes, in at most two seconds."""

WHOLE = Limits(
    max_nodes=2_000_000,
    max_depth=200,
    max_string=64 * 1024 * 1024,
    max_text=64 * 1024 * 1024,
    max_raw=64 * 1024 * 1024,
    seconds=20.0,
)
"""For a download: generous, but bounded all the same."""


class Budget:
    """What is left of the limits while one value is decoded. ``cut`` turns true when something was left out."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.nodes = limits.max_nodes
        self.text = limits.max_text
        self.cut = False
        self._deadline = time.monotonic() + limits.seconds

    @property
    def out_of_time(self) -> bool:
        """True when the time is used up."""
        return time.monotonic() > self._deadline

    def node(self) -> bool:
        """Take one value; False when none is left."""
        if self.nodes <= 0 or (self.nodes % 1024 == 0 and self.out_of_time):
            self.nodes = 0
            self.cut = True
            return False
        self.nodes -= 1
        return True
