"""The thread in which a bridge works, from ``start`` to ``stop``. Used once, in one process; reads clocks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_bridge.bridge.exporter import Progress
from otel_bridge.bridge.session import ExportSession
from otel_bridge.errors import ConfigurationError, LeaseLostError, LedgerError, StoreError
from otel_bridge.otlp import Delivery, DeliveryStoppedError
from otel_bridge.outages import Outages

_logger = logging.getLogger("otel_bridge")

LONGEST_PAUSE_S = 5.0
STOP_S = 4.0
"""What a stop may take in all, unless it is told to flush for longer: the process ends within five seconds."""
CLOSING_S = 1.0
"""Kept of that for what follows the flush. A request under way ends at once; what hangs is left to die."""
HOPELESS_S = 1.0
"""So long is a collector waited for that fails when the stop begins: its spans are sent after a restart."""
_SLICE_S = 0.05


def ended_within(seconds: float, work: Callable[[], object]) -> bool:
    """Do what may hang; say whether it ended in time. Where it did not, it continues in a thread that may die.

    Raises:
        Exception: whatever it raised, in time.

    Example:
        >>> ended_within(5.0, lambda: None)
        True
    """
    problems: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as problem:  # noqa: BLE001 - raised again by the caller
            problems.append(problem)

    thread = threading.Thread(target=run, name="otel-bridge-close", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the interpreter is ending (``atexit``), and from Python 3.12 on it starts no thread then
        work()
        return True
    thread.join(max(0.0, seconds))
    if problems and not thread.is_alive():
        raise problems[0]
    return not thread.is_alive()


class ExportLoop:
    """Ticks a session until it is stopped; opens it when it can, and again after a failure.

    Args:
        open_session: raises where the store or the ledger cannot be used now.
        abort: ends a delivery under way; the delivery was made with it.
    """

    def __init__(
        self,
        open_session: Callable[[Delivery], ExportSession],
        delivery: Delivery,
        *,
        abort: threading.Event,
        poll_interval_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.delivery, self._monotonic = delivery, monotonic
        self._open_session, self._abort, self._poll_interval_s = open_session, abort, poll_interval_s
        self._stopping, self._wake = threading.Event(), threading.Event()
        # Whoever starts, ticks and stops may do so from several threads, and from a signal handler that interrupts one
        # of them: hence reentrant. A stop takes the first only: a tick may hang.
        self._life, self._ticking = threading.RLock(), threading.RLock()
        self._thread: threading.Thread | None = None
        self._session: ExportSession | None = None
        self._outages, self._is_logged = Outages(monotonic=monotonic), False
        self._failures = 0

    @property
    def exporting(self) -> bool:
        """True while this process holds the lease and something here works under it."""
        thread, session = self._thread, self._session
        dead = thread is not None and not thread.is_alive()
        return not dead and session is not None and session.exporting

    @property
    def is_running(self) -> bool:
        """True while the thread is there."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin to work in a daemon thread, unless it does, or was stopped meanwhile."""
        with self._life:
            if self.is_running or self._stopping.is_set():
                return
            thread = threading.Thread(target=self._run, name="otel-bridge", daemon=True)
            thread.start()
            self._thread = thread  # only now: a thread that was not started cannot be joined

    def stop(self, *, flush_timeout_s: float) -> None:
        """Export what is there, within ``flush_timeout_s``, and end; whatever hangs is left to die.

        All stages share one deadline, ``CLOSING_S`` after the flush: that of the thread, of the lease and of the
        connections, which wait for a database and a collector.
        """
        ends_at_s = self._monotonic() + flush_timeout_s + CLOSING_S
        with self._life:
            self._stopping.set()
            thread = self._thread
        self._wake.set()
        if thread is not None:
            self._flush(thread, self._monotonic() + flush_timeout_s)
            self._abort.set()
            thread.join(CLOSING_S / 2)
        self._abort.set()
        ended_within(ends_at_s - self._monotonic(), self._close_all)

    def _flush(self, thread: threading.Thread, until_s: float) -> None:
        """Wait for the thread to export what is left; for less long where the collector takes nothing anyway."""
        hopeless_at_s, hopes = self._monotonic() + HOPELESS_S, False
        while thread.is_alive() and self._monotonic() < until_s:
            hopes = hopes or not self.delivery.stats.failing
            if not hopes and self._monotonic() >= hopeless_at_s:
                return
            thread.join(_SLICE_S)

    def _close_all(self) -> None:
        self._close()
        self.delivery.close()

    def tick(self) -> tuple[Progress, bool]:
        """Export what is due now, one caller at a time; say whether more is waiting.

        Raises:
            StoreError, LedgerError, DeliveryStoppedError: as ``ExportSession.tick``.
        """
        with self._ticking:
            return self._tick()

    def _tick(self) -> tuple[Progress, bool]:
        session = self._session
        if session is None:
            if self._abort.is_set():
                raise DeliveryStoppedError("The bridge was stopped.")
            session = self._open_session(self.delivery)
            self._session = session
            if self._abort.is_set():  # it was stopped while it opened
                self._close()
                raise DeliveryStoppedError("Stopped before the first export.")
        try:
            with suppress_instrumentation():  # what traces are made of is nobody's trace
                return session.tick()
        except BaseException:
            session.forget()
            raise

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.wait(self._pause_s(self._guarded_tick()))
            while not self._abort.is_set() and self._guarded_tick():
                pass
        finally:
            if not self._stopping.is_set():  # whatever ended this thread: another bridge shall take over
                self._close()

    def _pause_s(self, more: bool | None) -> float:
        """Return how long to wait: None is a failed tick."""
        if more is None:
            self._failures += 1
            return min(LONGEST_PAUSE_S, self._poll_interval_s * 2.0 ** min(self._failures, 10))
        self._failures = 0
        return 0.0 if more else self._poll_interval_s

    def _guarded_tick(self) -> bool | None:
        """Tick; None when it failed, logged once per kind of failure, to be tried again."""
        try:
            _, more = self.tick()
        except DeliveryStoppedError as error:
            _logger.info("%s", error)
            return None
        except LeaseLostError:
            return False  # the next tick says who holds it now
        except (StoreError, LedgerError, ConfigurationError) as error:
            self._log(error, "%s Trying again.", error)
            return None
        except Exception as error:  # noqa: BLE001 - a thread that dies silently would end the export for good
            self._log(error, "Unexpected error in the bridge; trying again.", exc_info=True)
            return None
        self._outages.works()
        if self._is_logged:
            _logger.info("The bridge is at work again.")
            self._is_logged = False
        return more

    def _log(self, error: Exception, message: str, *args: object, exc_info: bool = False) -> None:
        if self._outages.is_new(error):
            self._is_logged = True
            _logger.warning(message, *args, exc_info=exc_info)

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()
