"""Which outages have been logged: one line for each, however often it is met. Reads a clock; keeps a few words.

A database that is away fails every tick, every request and every look of the live tail. It is one outage for as long as
it is met again within ``SAME_OUTAGE_S``, and one for whatever is kept in that database. One that comes back soon after
everything worked, and stays, is logged then: what was said last must be true a minute later.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from otel_bridge.forks import forget_after_fork

SAME_OUTAGE_S = 60.0
"""What fails, works and fails again within this is one outage: a disk that is all but full takes some writes."""


def cause_of(error: Exception) -> str:
    """Return what tells one cause from another: the server, the file, or the place in the code; not the words.

    >>> cause_of(ValueError("id 7"))
    'ValueError'
    """
    server, target = getattr(error, "server", ""), getattr(error, "target", "")
    if server:
        return str(server)
    raised = traceback.extract_tb(error.__traceback__, limit=-1)
    place = "" if target else "".join(f" {frame.filename}:{frame.lineno}" for frame in raised)
    return f"{type(error).__name__}{f' {target}' if target else place}"


@dataclass(frozen=True, slots=True)
class _Met:
    failed_at: float
    worked_at: float | None = None
    """When everything worked again for the first time since it was logged."""

    def goes_on(self, now_s: float) -> bool:
        since_s = now_s - self.failed_at if self.worked_at is None else now_s - min(self.failed_at, self.worked_at)
        return since_s < SAME_OUTAGE_S


class Outages:
    """Remembers the causes that failed lately; threads share it.

    Example:
        >>> outages = Outages(monotonic=lambda: 0.0)
        >>> outages.is_new(OSError("gone")), outages.is_new(OSError("gone"))
        (True, False)
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._met: dict[str, _Met] = {}
        forget_after_fork(self)

    def forget(self) -> None:
        """In a forked child: the lock may be held by a thread that is not there."""
        self._lock = threading.Lock()

    def is_new(self, error: Exception) -> bool:
        """Note a failure; say whether it begins an outage, and is to be logged."""
        cause, now_s = cause_of(error), self._monotonic()
        with self._lock:
            self._met = {one: met for one, met in self._met.items() if met.goes_on(now_s)}
            known = self._met.get(cause)
            self._met[cause] = _Met(now_s, None if known is None else known.worked_at)
        return known is None

    def works(self) -> None:
        """Note that everything works."""
        if not self._met:
            return
        with self._lock:
            now_s = self._monotonic()
            self._met = {
                cause: met if met.worked_at is not None else replace(met, worked_at=now_s)
                for cause, met in self._met.items()
            }
