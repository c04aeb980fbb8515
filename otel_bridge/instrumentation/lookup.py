"""Which life of a run is this? One small read per execution, off the workflow's path. Reads the ledger.

A background thread reads ahead, many runs at a time, so neither a workflow thread nor an event loop waits for a
database; only the first span that user code makes may wait, and only shortly. Nobody reads for a run that ended before
its turn came: short runs in which nobody traces cost nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from otel_bridge.instrumentation.current import LiveRun, Placement
from otel_bridge.instrumentation.guard import Guard, untraced
from otel_bridge.instrumentation.guesses import Guess, kept

PATIENCE_S = 3.0
"""How long the first span of a run waits for an answer that was asked for when the run started."""
PAUSE_S = 15.0
"""How long a ledger that failed is left alone, and how long nobody waits for one that was slow and still is."""
KEPT_S = 300.0
"""How long spans whose ids were guessed are kept back for an answer; then the guess holds."""
_KIND = "looking up a run's generation"
_GATHER_S = 0.05
"""How long runs are gathered, unless somebody waits for an answer."""
_BATCH = 200
_MAX_WAITING = 10_000


class Places(Protocol):
    """Finds placements for many runs in few reads."""

    def default(self, run_id: str) -> Placement:
        """Return the placement of a run that never ended before; computes only."""

    def find(self, run_ids: Sequence[str]) -> dict[str, Placement]:
        """Return the placement of each run; one that is not there yet is left out. May raise anything."""

    def open(self) -> None:
        """Open what ``find`` reads. May raise anything."""


class PlacementLookup:
    """Settles ``LiveRun.placement`` off the workflow's path.

    By a thread of its own, which starts with the first run, or by one that is there anyway: see ``carry``.
    """

    def __init__(self, places: Places, guard: Guard, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._places, self._guard, self._clock = places, guard, clock
        self._paused_until = self._impatient_until = self._again_at = 0.0
        self._stopping = self._cold = self._has_answered = False
        self._reset()

    def _reset(self) -> None:
        self._waiting: deque[weakref.ref[LiveRun]] = deque(maxlen=_MAX_WAITING)
        self._working = threading.Lock()
        self._carrier_wake: threading.Event | None = None
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._answered = threading.Condition()
        self._guessed: weakref.WeakKeyDictionary[LiveRun, float] = weakref.WeakKeyDictionary()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def warm_up(self) -> None:
        """Open the ledger ahead of the first run: drivers are imported and connections made. Returns at once."""
        self._cold = True
        if self._carrier_wake is None:
            self._start()
            self._wake.set()

    def prefetch(self, run: LiveRun) -> None:
        """Ask for a run that starts executing. Returns at once."""
        if self._stopping or self._clock() < self._paused_until:
            return
        run.asked += 1
        run.missed = False
        self._waiting.append(weakref.ref(run))
        if self._carrier_wake is None:
            if self._thread is None:
                self._start()
            if not self._wake.is_set():
                self._wake.set()

    def settle(self, run: LiveRun) -> Placement:
        """Return the run's placement, waiting up to ``PATIENCE_S`` for it; the default while there is no answer."""
        if run.guess is None:
            self._await_answer(run)
            if run.missed:
                self.prefetch(run)
                self._await_answer(run)
        return run.placement or self._guess(run)

    def _guess(self, run: LiveRun) -> Placement:
        """Return the first life's placement, and see to it that the answer is still looked for."""
        placement = self._places.default(run.run_id)
        with self._answered:
            if run.guess is not None or run.placement is not None or self._stopping:
                return run.placement or placement
            run.guess = Guess()
            trace_id = int.from_bytes(placement.trace_id, "big")
            run.guess.trace_ids[trace_id] = lambda right: int.from_bytes(right.trace_id, "big")
            self._guessed[run] = self._clock() + KEPT_S
        if self._carrier_wake is None:
            self._start()
        (self._carrier_wake or self._wake).set()
        return placement

    def _await_answer(self, run: LiveRun) -> None:
        if not run.asked or self._stopping or self._clock() < max(self._paused_until, self._impatient_until):
            return
        if run.placement is None:
            (self._carrier_wake or self._hurry).set()
        with self._answered:
            if not self._answered.wait_for(lambda: self._is_settled(run), PATIENCE_S):
                self._impatient_until = self._clock() + PAUSE_S
                self._guard.caught(_KIND, TimeoutError(f"the ledger did not answer within {PATIENCE_S} s"))

    def _is_settled(self, run: LiveRun) -> bool:
        return bool(run.placement or run.missed or self._stopping or self._clock() < self._paused_until)

    def carry(self, wake: threading.Event | None) -> None:
        """Leave the work to a thread that calls ``work_off`` now and then, and at once when ``wake`` is set.

        Args:
            wake: None when that thread ends: we do it ourselves again.
        """
        self._carrier_wake = wake
        self._wake.set()
        self._hurry.set()
        if wake is not None:
            wake.set()
        elif self._waiting:
            self._start()

    def work_off(self) -> None:
        """Answer everything that was asked."""
        with self._working:
            if self._cold and not self._stopping:
                self._cold = False
                with contextlib.suppress(Exception):  # the engine may be about to create its database
                    self._places.open()
            while self._waiting:
                batch = [self._waiting.popleft()() for _ in range(min(_BATCH, len(self._waiting)))]
                self._answer([run for run in batch if run is not None])
            self._ask_again()

    def _ask_again(self) -> None:
        """Look up, now and then, what was guessed while the ledger failed; a guess that is old holds."""
        now = self._clock()
        if now < max(self._again_at, self._paused_until):
            return
        self._again_at = now + PAUSE_S
        with self._answered:
            guessed = list(self._guessed.items())
        for run, until in guessed:
            if self._stopping or now >= until:
                self._settle_for_good(run, self._places.default(run.run_id))
        runs = [run for run, _ in guessed if run.placement is None]
        for run in runs:
            run.asked += 1
        for start in range(0, len(runs), _BATCH):
            self._answer(runs[start : start + _BATCH])

    def _settle_for_good(self, run: LiveRun, placement: Placement) -> None:
        with self._answered:
            run.placement = run.placement or placement
            self._guessed.pop(run, None)
        kept.release(run)

    def stop(self) -> None:
        """Stop the thread; what was not answered takes the default. Idempotent."""
        self._stopping = True
        self._wake.set()
        self._hurry.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=2)
        with self._answered:
            guessed = list(self._guessed)
        for run in guessed:
            self._settle_for_good(run, self._places.default(run.run_id))

    def forget(self) -> None:
        """In a forked child: the thread and the locks are the parent's; start afresh."""
        self._reset()

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is None and self._carrier_wake is None:
                thread = threading.Thread(target=self._work, name="durable-generations", daemon=True)
                thread.start()
                self._thread = thread

    def _pause(self, error: Exception) -> None:
        self._paused_until = self._clock() + PAUSE_S
        self._guard.caught(_KIND, error)

    def _work(self) -> None:
        while True:
            self._wake.wait(PAUSE_S if self._guessed else None)
            self._wake.clear()
            self._hurry.wait(_GATHER_S)
            self._hurry.clear()
            with untraced():
                self.work_off()
            with self._start_lock:
                if self._stopping or self._carrier_wake is not None:
                    self._thread = None
                    return

    def _answer(self, batch: list[LiveRun]) -> None:
        found: dict[str, Placement] | None = None
        if batch and not self._stopping and self._clock() >= self._paused_until:
            try:
                found = self._places.find([run.run_id for run in batch])
            except Exception as error:  # noqa: BLE001 - any failure of the ledger means generation 0
                self._pause(error)
        answered: list[LiveRun] = []
        with self._answered:
            if found is not None:
                self._impatient_until = 0.0
                self._has_answered = True
            for run in batch:
                placement = None if found is None else found.get(run.run_id)
                if placement is None and found is not None and run.asked == 1:
                    # A child that its parent calls directly is entered before its row is written: ask again later.
                    run.missed = True
                elif found is not None or not self._has_answered:
                    # A ledger that never answered is none: nothing is kept back for it.
                    run.placement = run.placement or placement or self._places.default(run.run_id)
                    self._guessed.pop(run, None)
                    answered.append(run)
            self._answered.notify_all()
        for run in answered:
            kept.release(run)
