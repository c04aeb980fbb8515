"""What the live tail remembers: its newest messages, their ids, and each run as its last message showed it.

No lock, thread or I/O: the hub's lock guards it. Ids grow over restarts and processes, for they begin at the clock, in
microseconds; the clock is handed in.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from itertools import islice

from dashboard.live.subscription import Before, Message
from otel_bridge.model.runs import Run


def clock_us() -> int:
    """Return the wall clock in microseconds, from which ids are issued."""
    return time.time_ns() // 1000


class Ring:
    """The newest messages, oldest first; only so many.

    Example:
        >>> ring = Ring(2, now_us=lambda: 1_000)
        >>> ring.issue(), ring.remembers(1_000), ring.remembers(999)
        (1001, True, False)
    """

    def __init__(self, size: int, *, now_us: Callable[[], int] = clock_us) -> None:
        self._now_us = now_us
        self._size = size
        self._messages: deque[Message] = deque(maxlen=size)
        self._before: OrderedDict[str, Before] = OrderedDict()
        self.last_id = self._first_id = now_us()
        """The newest id issued."""

    def restart(self) -> None:
        """Forget everything, because nobody watched meanwhile: no id from before can be resumed."""
        self._messages.clear()
        self._before.clear()
        self._first_id = self.issue()

    def issue(self) -> int:
        """Return a new id: greater than all before, and not behind the clock."""
        self.last_id = max(self.last_id + 1, self._now_us())
        return self.last_id

    def remembers(self, event_id: int) -> bool:
        """Say whether a viewer that saw this id last can be given all that followed."""
        if event_id == self._first_id:
            return len(self._messages) < self._size  # a full ring may have dropped the first message after it
        at = bisect_right(self._messages, event_id, key=lambda message: message.id)
        return at > 0 and self._messages[at - 1].id == event_id

    def after(self, event_id: int) -> list[Message]:
        """Return what followed an id, oldest first."""
        at = bisect_right(self._messages, event_id, key=lambda message: message.id)
        return list(islice(self._messages, at, None))

    def add(self, messages: Iterable[Message]) -> None:
        """Remember messages, newest last."""
        self._messages.extend(messages)

    def before(self, run_id: str) -> Before | None:
        """Return a run as the message before showed it; None, where there was none lately."""
        return self._before.get(run_id)

    def note(self, run: Run, at_ms: int) -> None:
        """Keep a run for the message after this one; only as many runs as the ring holds messages."""
        self._before[run.id] = Before(run, at_ms)
        self._before.move_to_end(run.id)
        while len(self._before) > self._size:
            self._before.popitem(last=False)
