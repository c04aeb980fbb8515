"""One action at a time per run, in all processes. Uses a clock, the ledger and, while an action works, a thread."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dashboard.errors import Unavailable
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Lease, Ledger
from otel_bridge.runs.in_hand import action_lease

log = logging.getLogger(__name__)

TTL_S = 5.0
"""One whose process was killed must not keep others out for long; one that works longer renews its lease."""
RENEW_S = TTL_S / 3
WAIT_S = 10.0
_POLL_S = 0.02


class RunLock:
    """A held lock. ``fence`` goes right before each write to the engine."""

    def __init__(self, ledger: Ledger, lease: Lease, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ledger, self._lease, self._monotonic = ledger, lease, monotonic
        self._renewed_s = monotonic()
        self._stop = threading.Event()
        self._renewer: threading.Thread | None = None

    def fence(self) -> None:
        """Make sure that nobody else decides about the run: renew the lease, or refuse to continue.

        Raises:
            Unavailable: the lease lapsed and another action holds it, or the ledger cannot be asked.
        """
        if self._monotonic() - self._renewed_s < RENEW_S:
            return  # renewed so recently that it cannot have lapsed
        try:
            held = self._renew()
        except LedgerError as error:
            raise Unavailable(f"The action was stopped before it wrote: {error}") from error
        if not held:
            raise Unavailable(
                "The action took so long that another one began on this run, so it was stopped before it wrote. "
                "Look at the run and try again."
            )

    def _renew(self) -> bool:
        lease = self._ledger.acquire_lease(self._lease.name, self._lease.owner, ttl_s=TTL_S)
        if lease is None or lease.token != self._lease.token:
            return False
        self._renewed_s = self._monotonic()
        return True

    def _keep(self) -> None:
        while not self._stop.wait(RENEW_S):
            try:
                if not self._renew():
                    return  # lost: the fence says so
            except LedgerError as error:
                log.debug("The lease of an action could not be renewed: %s", error)

    def start(self) -> None:
        """Renew the lease until ``stop``."""
        self._renewer = threading.Thread(target=self._keep, name="durable-action-lease", daemon=True)
        self._renewer.start()

    def stop(self) -> None:
        """Stop renewing and give the lease up. A lease that lapsed is left to its new holder."""
        self._stop.set()
        if self._renewer is not None:
            self._renewer.join()
        try:
            self._ledger.release_lease(self._lease)
        except LedgerError as error:
            log.warning("The lease of an action could not be released and lapses by itself: %s", error)


class RunLocks:
    """Locks by run, shared by the threads of one process; of several processes the ledger's lease admits one.

    Args:
        monotonic: the clock, and ``pause`` what waits on it between two tries for the lease.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger, self._monotonic, self._pause = ledger, monotonic, pause
        self._threads: dict[str, threading.Lock] = {}

    @contextmanager
    def hold(self, run_id: str) -> Iterator[RunLock]:
        """Keep other actions of this product, in any process, from deciding about the same run meanwhile.

        Not reentrant, and two runs may share a lock: hold one at a time.

        Raises:
            Unavailable: another one has been at work for longer than ``WAIT_S``.
        """
        name = action_lease(run_id)
        thread = self._threads.setdefault(name, threading.Lock())
        deadline = self._monotonic() + WAIT_S
        busy = Unavailable("Another action is at work on this run. Try again in a moment.")
        if not thread.acquire(timeout=WAIT_S):
            raise busy
        try:
            # Named here, not when the process began: a forked process must not share its parent's leases.
            owner = uuid.uuid4().hex
            while (lease := self._ledger.acquire_lease(name, owner, ttl_s=TTL_S)) is None:
                if self._monotonic() > deadline:
                    raise busy
                self._pause(_POLL_S)
            lock = RunLock(self._ledger, lease, monotonic=self._monotonic)
            lock.start()
            try:
                yield lock
            finally:
                lock.stop()
        finally:
            thread.release()
