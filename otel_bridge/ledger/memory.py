"""The ledger in this process's memory: for tests, and for a store that lives in memory. Reads a clock only."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable

from otel_bridge.ledger.sqlite import SqliteLedger


class MemoryLedger(SqliteLedger):
    """The same tables as everywhere, in a SQLite database without a file.

    Args:
        clock: Unix milliseconds; this machine's clock unless given.

    >>> ledger = MemoryLedger(clock=lambda: 1_000)
    >>> ledger.bump_count("run-1", "redispatch")
    1
    """

    def __init__(self, *, clock: Callable[[], int] | None = None) -> None:
        super().__init__(":memory:", clock=clock)
        self.target = "in memory"

    def __repr__(self) -> str:
        return "MemoryLedger()"

    def close(self) -> None:
        """Nothing to release: what is in memory stays for as long as the object does."""

    def forget(self) -> None:
        """A forked child has a copy of its own."""
        self._lock = threading.RLock()

    def _use_wal(self, conn: sqlite3.Connection) -> None:
        pass

    def _identity(self) -> tuple[int, int] | None:
        return (0, 0)
