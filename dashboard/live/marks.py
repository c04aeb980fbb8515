"""Tells the ledger which runs somebody watches, so that workers keep what those runs' steps log."""

from __future__ import annotations

import logging
from collections.abc import Collection

from dashboard.read.services import Services
from otel_bridge.errors import BridgeError

log = logging.getLogger(__name__)

MARK_S, MARKED_S = 10.0, 30.0
"""How often a watched run is marked, and for how long a mark holds."""
MOST_MARKED = 200


class WatchMarks:
    """The marks of one watcher. Where the ledger may not be written, there are none; nothing else suffers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._marked: frozenset[str] = frozenset()
        self._next_s = 0.0

    def mark(self, run_ids: Collection[str], now_s: float) -> None:
        """Mark these runs, if there are new ones among them or it is time again. Never raises what a database raises.

        Args:
            now_s: by a monotonic clock.
        """
        wanted = frozenset(list(run_ids)[-MOST_MARKED:])
        if not wanted or (wanted <= self._marked and now_s < self._next_s):
            return
        self._marked, self._next_s = wanted, now_s + MARK_S
        try:
            self._services.ledger.watch_runs(sorted(wanted), for_ms=int(MARKED_S * 1000))
        except BridgeError as error:
            log.debug("Could not record in the ledger that runs are watched: %s", error)
