"""The lease of the one exporter at work, kept alive by a thread. Reads and writes the ledger."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from otel_bridge.errors import LeaseLostError, LedgerError
from otel_bridge.ledger.base import Lease, Ledger

_logger = logging.getLogger("otel_bridge")

JOIN_S = 1.0


class LeaseKeeper:
    """Holds a lease while somebody works under it; renewing does not wait for the work.

    Args:
        ttl_s: how long a bridge that died keeps others waiting.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        name: str,
        owner: str,
        ttl_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger, self._name, self._owner, self._ttl_s = ledger, name, owner, ttl_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._good_until = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._released = False

    def acquire(self) -> Lease | None:
        """Return the lease, taken or renewed; None while another holds it, and once it was released here.

        Raises:
            LedgerUnavailableError: the ledger cannot be asked.
        """
        lease = self._take()
        if lease is not None:
            self._ensure_thread()
        return lease

    def _take(self) -> Lease | None:
        asked_at = self._monotonic()
        lease = self._ledger.acquire_lease(self._name, self._owner, ttl_s=self._ttl_s)
        with self._lock:
            self._lease = lease
            self._good_until = asked_at + self._ttl_s if lease is not None else 0.0
            released = self._released
        if released:  # meanwhile, by another thread: nobody would give this one up
            self._give_up()
            return None
        return lease

    def current(self) -> Lease | None:
        """Return the lease while most of its time is left, which the thread sees to; else as ``acquire``.

        Raises:
            LedgerUnavailableError: as there.
        """
        with self._lock:
            if self._lease is not None and self._good_until - self._monotonic() > self._ttl_s / 2:
                return self._lease
        return self.acquire()

    @property
    def is_held(self) -> bool:
        """True while the lease is held, as far as is known without asking."""
        with self._lock:
            return self._lease is not None and self._monotonic() < self._good_until

    def check(self) -> None:
        """Do nothing while the lease is held.

        Raises:
            LeaseLostError: it ran out, or another took it.
        """
        if not self.is_held:
            raise LeaseLostError(self._name, self._owner)

    def release(self) -> None:
        """Stop renewing and give the lease up, for good. Idempotent."""
        with self._lock:
            self._released = True
            thread, self._thread = self._thread, None
        self._stop.set()
        if thread is not None:
            thread.join(JOIN_S)
        self._give_up()

    def _give_up(self) -> None:
        with self._lock:
            lease, self._lease = self._lease, None
        if lease is not None:
            try:
                self._ledger.release_lease(lease)
            except LedgerError as error:
                _logger.info("The lease %r runs out by itself: %s", self._name, error)

    def _ensure_thread(self) -> None:
        with self._lock:
            if self._released or (self._thread is not None and self._thread.is_alive()):
                return
            thread = threading.Thread(target=self._renew, args=(self._stop,), name=f"{self._name}-lease", daemon=True)
            thread.start()
            self._thread = thread  # only now: a thread that was not started cannot be joined

    def _renew(self, stop: threading.Event) -> None:
        while not stop.wait(self._ttl_s / 3):
            with self._lock:
                if self._lease is None:
                    continue
            try:
                self._take()
                if stop.is_set():  # a slow ledger renewed what was given up meanwhile; others would wait for its end
                    self._give_up()
            except LedgerError as error:
                _logger.debug("The lease %r could not be renewed: %s", self._name, error)
