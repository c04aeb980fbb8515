"""Settings of one blueprint and the services its routes share. Opens the store, ledger and actions on first use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otel_bridge.ledger.base import Ledger
from otel_bridge.store.base import StateStore

if TYPE_CHECKING:
    from dashboard.auth import AuthHook

Redact = Callable[[str, str, Any], Any]
"""``redact(run_id, what, value) -> value`` on every decoded payload before it is sent. ``what`` is
``input``, ``output``, ``error``, ``step``, ``event`` or ``log``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``create_blueprint`` was told. See its docstring."""

    namespace: str = ""
    name: str = "durable"
    title: str = "Durable"
    auth: AuthHook | None = None
    trace_url: str | None = None
    webhook_secret: str | None = None
    redact: Redact | None = None
    public_metrics: bool = False
    public_health: bool = False
    max_body_bytes: int = 4 * 1024 * 1024
    payload_cap_bytes: int = 64 * 1024
    heartbeat_s: float = 15.0
    stream_queue: int = 1000
    dead_letters: Any = None
    """Settings of the caretaker and the dead-letter handlers, passed through to ``dashboard.actions``."""


class Services:
    """The store, ledger and actions of one blueprint, each opened by the first request that needs it.

    A database that is not there yet is no reason not to register: the error is raised by the routes that read it,
    and the next request tries again.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        open_store: Callable[[], StateStore],
        open_ledger: Callable[[StateStore], Ledger],
        open_actions: Callable[[Services], Any],
    ) -> None:
        self.settings = settings
        self._open_store, self._open_ledger, self._open_actions = open_store, open_ledger, open_actions
        self._lock = threading.RLock()
        self._store: StateStore | None = None
        self._ledger: Ledger | None = None
        self._actions: Any = None

    @property
    def store(self) -> StateStore:
        """The state store.

        Raises:
            StoreError: it cannot be opened now.
        """
        with self._lock:
            if self._store is None:
                self._store = self._open_store()
            return self._store

    @property
    def ledger(self) -> Ledger:
        """The ledger.

        Raises:
            StoreError, LedgerError: it cannot be opened now.
        """
        with self._lock:
            if self._ledger is None:
                self._ledger = self._open_ledger(self.store)
            return self._ledger

    @property
    def actions(self) -> Any:
        """What the buttons do: ``dashboard.actions.Actions``."""
        with self._lock:
            if self._actions is None:
                self._actions = self._open_actions(self)
            return self._actions

    def close(self) -> None:
        """Close what was opened. Idempotent; a later request opens it again."""
        with self._lock:
            for service in (self._actions, self._ledger, self._store):
                close = getattr(service, "close", None)
                if close is not None:
                    close()
            self._store = self._ledger = self._actions = None
