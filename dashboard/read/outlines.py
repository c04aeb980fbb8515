"""The outlines of long runs that have ended, kept for a while: a page that opens one asks for four answers about it.

Timeline, graph, where the time went and the stream's snapshot each look at every step, and reading ten thousand of
them takes longer than all else in an answer. What is kept is given out again only where the run's row and the number
of its steps are as they were. Thread-safe.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable

from dashboard.read.outline import Outline
from otel_bridge.model.runs import Run

FROM_STEPS = 1_000
"""Shorter ones are read as fast as it is found out whether they have changed."""
MOST_BYTES = 8 * 1024 * 1024
"""Of all outlines that are kept."""

_Row = tuple[str, int | None, int | None, int | None]


class Outlines:
    """Outlines by run, the ones asked for last; as many as fit into ``MOST_BYTES``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[_Row, Outline]] = OrderedDict()

    def of(self, run: Run, *, count: Callable[[], int], read: Callable[[], Outline]) -> Outline:
        """Return a run's outline, read now unless the one that is kept is still true.

        Args:
            run: as it is now; one that has ended, of whose steps no worker and no ledger tells more than the store.
            count: asks the database how many steps it has.
            read: reads them.
        """
        row = run.status, run.updated_at_ms, run.finished_at_ms, run.requeued_at_ms
        with self._lock:
            known = self._kept.get(run.id)
        if known is not None and known[0] == row and count() == len(known[1]):
            return known[1]
        outline = read()
        with self._lock:
            self._kept.pop(run.id, None)
            if _is_settled(outline):
                self._kept[run.id] = row, outline
                while sum(kept.size_bytes for _, kept in self._kept.values()) > MOST_BYTES:
                    self._kept.popitem(last=False)
        return outline


def _is_settled(outline: Outline) -> bool:
    """Say whether nothing but the run's own rows can change its steps: none is open, and none shows how a child is."""
    is_long = len(outline) >= FROM_STEPS and outline.next_seq is None
    return is_long and not outline.has_children and math.inf not in outline.ends
