"""Which outages have been logged: one line for each, however often it is met. Reads a clock; keeps a few words.

A database that is away fails every tick, every request and every look of the live tail. It is one outage for as long as
it is met again within ``SAME_OUTAGE_S``, and one for whatever is kept in that database.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

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
        self._failed_at: dict[str, float] = {}
        forget_after_fork(self)

    def forget(self) -> None:
        """In a forked child: the lock may be held by a thread that is not there."""
        self._lock = threading.Lock()

    def is_new(self, error: Exception) -> bool:
        """Note a failure; say whether it begins an outage, and is to be logged."""
        cause, now_s = cause_of(error), self._monotonic()
        with self._lock:
            going_on = {one: at for one, at in self._failed_at.items() if now_s - at < SAME_OUTAGE_S}
            self._failed_at = {**going_on, cause: now_s}
        return cause not in going_on
