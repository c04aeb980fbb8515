"""Ledger and store as workers use them: opened when first needed, in whatever process we are now."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from otel_bridge.errors import ConfigurationError
from otel_bridge.instrumentation.settings import InstrumentorSettings
from otel_bridge.ledger import ENGINE_SCHEMA, Ledger
from otel_bridge.store import open_store
from otel_bridge.store.base import StateStore


class Closable(Protocol):
    """What can be opened here."""

    def close(self) -> None:
        """Release connections."""


T = TypeVar("T", bound=Closable)


class Source(Generic[T]):
    """Gives out one thing, opened once. What was given from outside is used and never closed.

    Args:
        given: the thing itself, if the caller has it.
    """

    def __init__(self, given: T | None = None) -> None:
        self._given = given
        self._open: Callable[[], T] | None = None
        self._opened: T | None = None
        self._lock = threading.Lock()

    @property
    def available(self) -> bool:
        """True when there is anything to give out."""
        return self._given is not None or self._open is not None

    def opens(self, how: Callable[[], T] | None) -> None:
        """From now on open it like this, unless it was given; what was opened before is closed."""
        self.close()
        self._open = how

    def get(self) -> T:
        """Return the thing. May raise whatever opening it raises."""
        if self._given is not None:
            return self._given
        with self._lock:
            if self._opened is None:
                if self._open is None:
                    raise ConfigurationError("No system database is known yet. Pass ledger= to instrument().")
                self._opened = self._open()
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


class Sources:
    """The ledger, and the engine's database; both are found in the engine's configuration when not given."""

    def __init__(self, settings: InstrumentorSettings) -> None:
        self._settings = settings
        given = settings.ledger
        self.ledger: Source[Ledger] = Source(None if isinstance(given, str) else given)
        self.store: Source[StateStore] = Source()
        if isinstance(given, str):
            self.use_database(given, ENGINE_SCHEMA)

    def use_database(self, url: str | None, schema: str) -> None:
        """Take the engine's database; None: it has none that another connection could open."""
        known = url is not None or self._settings.ledger is not None
        self.ledger.opens((lambda: self._settings.open_ledger(url, schema)) if known else None)
        self.store.opens(None if url is None else lambda: open_store(url, schema=schema))

    def close(self) -> None:
        """Close what was opened here. Idempotent."""
        self.ledger.close()
        self.store.close()

    def forget(self) -> None:
        """For a forked child."""
        self.ledger.forget()
        self.store.forget()
