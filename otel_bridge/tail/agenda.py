"""Which runs to look at, and when. Pure: the caller says what time it is."""

from __future__ import annotations

import heapq

_SLACK = 1_000


class Agenda:
    """Runs to look at once a time has come, one time each.

    Args:
        most: entries kept; further ones are not taken.

    >>> agenda = Agenda()
    >>> agenda.put("run-1", 1_000)
    >>> agenda.due(999), agenda.due(1_000), agenda.due(1_000)
    (set(), {'run-1'}, set())
    """

    def __init__(self, *, most: int = 100_000) -> None:
        self._most = most
        self._at_ms: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._at_ms)

    def put(self, run_id: str, at_ms: int) -> None:
        """Look at a run at ``at_ms``, and not when it was to be looked at before."""
        known = self._at_ms.get(run_id)
        if known == at_ms or (known is None and len(self._at_ms) >= self._most):
            return
        self._at_ms[run_id] = at_ms
        heapq.heappush(self._heap, (at_ms, run_id))
        if len(self._heap) > 2 * len(self._at_ms) + _SLACK:  # entries of runs that were put elsewhere, or forgotten
            self._heap = [(at_ms, run_id) for run_id, at_ms in self._at_ms.items()]
            heapq.heapify(self._heap)

    def forget(self, run_id: str) -> None:
        """Do not look at a run."""
        self._at_ms.pop(run_id, None)

    def due(self, now_ms: int) -> set[str]:
        """Return the runs whose time has come, and forget them."""
        found: set[str] = set()
        while self._heap:
            at_ms, run_id = self._heap[0]
            if at_ms > now_ms:
                break
            heapq.heappop(self._heap)
            if self._at_ms.get(run_id) == at_ms:  # else it was put elsewhere, or forgotten, since
                del self._at_ms[run_id]
                found.add(run_id)
        return found

    def clear(self) -> None:
        """Forget all."""
        self._at_ms.clear()
        self._heap.clear()
