"""Which open runs to read again: those whose row changed, and those whose time has come. Reads the store.

Most changes are found by index ranges (see ``tail``). Some leave no stamp that has an index: a run that is resumed,
rewound or moved to another queue. Some leave no trace at all: a sleep that ends moves a run's status by the clock
alone. Deriving what hundreds of open runs wait for, every second, would cost more than everything else; so this keeps
a mark of each run's row, reads those whose mark differs, and remembers when each wait ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from otel_bridge.model.runs import Run
from otel_bridge.store.base import StateStore
from otel_bridge.tail.agenda import Agenda

EVERYTHING_EVERY_S = 30.0
IDLE_FACTOR = 2
"""While nothing moves, rows are compared so many times less often."""
OVERDUE_MS = 1_000
"""How long after its wait should have ended a run is read once more, while it still reads as waiting."""
OVERDUE_TRIES = 10


@dataclass(slots=True)
class _Wake:
    """When a run's wait ends, and how often the run was looked at since."""

    until_ms: int
    tries: int = 0


class OpenRuns:
    """The open runs of one reader; not shared between threads.

    Args:
        every_s: how often to look for rows that changed without a stamp, at most; half as often while none does.
        limit: how many open runs to look at so, the newest.
    """

    def __init__(
        self,
        store: StateStore,
        *,
        every_s: float = 1.0,
        limit: int = 500,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._every_s, self._limit, self._monotonic = store, every_s, limit, monotonic
        self._next_at = self._everything_at = monotonic()
        self._stale = True
        self._marks: dict[str, object] = {}
        self._wakes: dict[str, _Wake] = {}
        self._agenda = Agenda()

    def due(self, *, changed: bool) -> set[str]:
        """Return the runs to read again.

        Args:
            changed: whether anything was committed to the store since the last call.
        """
        self._stale |= changed
        found = self._awake()
        now = self._monotonic()
        if now < self._next_at:
            return found
        everything = now >= self._everything_at
        if self._stale or everything:
            marks = self._store.open_marks(limit=self._limit)
            found |= marks.keys() if everything else {run_id for run_id in marks if self._differs(run_id, marks)}
            found |= self._marks.keys() - marks.keys()  # they ended, or newer ones took their places
            self._marks, self._stale = marks, False
            self._next_at = now + self._every_s * (1 if found else IDLE_FACTOR)
            if everything:
                self._everything_at = now + max(EVERYTHING_EVERY_S, self._every_s)
        return found

    def _differs(self, run_id: str, marks: dict[str, object]) -> bool:
        return run_id not in self._marks or self._marks[run_id] != marks[run_id]

    def note(self, run: Run) -> None:
        """Remember when a run's wait ends."""
        until_ms = run.waiting.until_ms if run.status == "suspended" and run.waiting is not None else None
        wake = self._wakes.get(run.id)
        if until_ms is None:
            self.forget(run.id)
        elif wake is None or wake.until_ms != until_ms:
            self._wakes[run.id] = _Wake(until_ms)
            self._agenda.put(run.id, until_ms)

    def forget(self, run_id: str) -> None:
        """Do not look at a run for the sake of its time."""
        self._wakes.pop(run_id, None)
        self._agenda.forget(run_id)

    def _awake(self) -> set[str]:
        """Return runs whose wait has ended by the store's clock.

        What was announced to people may end a moment before what the engine waits for: such a run is tried again.
        """
        now_ms = self._store.now_ms() if self._agenda else 0
        found = self._agenda.due(now_ms)
        for run_id in found:
            wake = self._wakes[run_id]
            wake.tries += 1
            if wake.tries <= OVERDUE_TRIES:
                self._agenda.put(run_id, now_ms + OVERDUE_MS)
        return found
