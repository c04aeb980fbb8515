"""The ledger as workers use it: opened when first needed, in whatever process we are now. Touches the database."""

from __future__ import annotations

import threading

from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.ledger.base import Ledger


class LedgerSource:
    """Gives the ledger out, opening it from a URL once. A ledger that was given is used and never closed."""

    def __init__(self, ledger: Ledger | None = None, *, url: str | None = None) -> None:
        self._given, self._url = ledger, url
        self._url_given = url is not None
        self._opened: Ledger | None = None
        self._lock = threading.Lock()

    @property
    def available(self) -> bool:
        """True when there is anything to open."""
        return self._given is not None or self._url is not None

    def use_database(self, url: str | None) -> None:
        """Take the engine's database, unless a ledger or URL was given."""
        if self._given is None and not self._url_given:
            self.close()
            self._url = url

    def get(self) -> Ledger:
        """Return the ledger.

        Raises:
            LedgerError: it cannot be opened now.
        """
        if self._given is not None:
            return self._given
        with self._lock:
            if self._opened is None:
                if self._url is None:
                    raise LedgerUnavailableError("none", "No system database is known. Pass ledger= to instrument().")
                from otel_bridge.ledger import open_ledger

                self._opened = open_ledger(self._url)
            return self._opened

    def close(self) -> None:
        """Close what was opened here. Idempotent."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def forget(self) -> None:
        """Drop a connection that belongs to the parent process, without touching it. For a forked child."""
        self._lock = threading.Lock()
        self._opened = None
