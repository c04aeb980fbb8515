"""The one way in which who is alive is read from the ledger. Reads the ledger and a monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from otel_bridge.errors import LedgerError, StoreError
from otel_bridge.ledger.base import Ledger
from otel_bridge.runs.presence import Presence, presence

PRESENCE_FRESH_S = 1.0
NOBODY = presence((), 0)
"""What is read where the ledger cannot be: nobody is known, so nobody is missed."""


class PresenceReader:
    """Reads who is alive, at most once per ``max_age_s`` however many ask. Shared between threads.

    Args:
        ledger: opens it, or returns None where there is none.
        max_age_s: how old an answer may be; None: ``PRESENCE_FRESH_S``.

    Example:
        >>> from otel_bridge.testing import MemoryLedger
        >>> PresenceReader(MemoryLedger).read().known
        False
    """

    def __init__(
        self,
        ledger: Callable[[], Ledger | None],
        *,
        max_age_s: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger, self._max_age_s, self._monotonic = ledger, max_age_s, monotonic
        self._next_at_s = float("-inf")
        self._seen = NOBODY

    def read(self, *, fresh: bool = False) -> Presence:
        """Return who is alive; ``NOBODY`` where the ledger cannot be read. The same object until it is read again.

        Args:
            fresh: read it now, for those who decide by it.
        """
        now_s = self._monotonic()
        if fresh or now_s >= self._next_at_s:
            self._next_at_s = now_s + (PRESENCE_FRESH_S if self._max_age_s is None else self._max_age_s)
            self._seen = self._read()
        return self._seen

    def _read(self) -> Presence:
        try:
            ledger = self._ledger()
            return NOBODY if ledger is None else presence(*ledger.executors_now())
        except (LedgerError, StoreError):
            return NOBODY
