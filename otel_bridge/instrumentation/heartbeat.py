"""Presence: one row per worker process, written by a thread of its own. Uses a clock and the ledger.

Steps cost a dictionary entry. The thread looks at it a few times a second and writes only when a step has been
executing for a while, when such a step ended, and every ``interval_s`` to say "alive". What it writes of steps that
failed or were interrupted goes with it.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from otel_bridge.instrumentation.guard import Guard, untraced
from otel_bridge.instrumentation.lookup import PlacementLookup
from otel_bridge.instrumentation.sources import Source
from otel_bridge.instrumentation.step_logs import LogBuffer
from otel_bridge.instrumentation.step_reports import StepReports
from otel_bridge.ledger.base import Executor, InFlightStep, InterruptedStep, Ledger

HELD_S = 0.1
"""A step that executes for longer than this is worth reporting."""
TICK_S = 0.05
MAX_TICK_S = 0.5
MIN_GAP_S = 0.2
"""Changes are reported at most this often."""
TELL_GAP_S = 0.1
"""What steps have to tell is written at most this often, so that many of them are one transaction."""
SIGN_OFF_S = 2.0


@dataclass(slots=True, eq=False)
class Scope:
    """A step, or a run's body (``seq`` None), that this process is executing now."""

    run_id: str
    seq: int | None
    name: str
    started_s: float
    context: Any = None
    token: Any = None
    attempt: int = field(default=1)
    began_s: float | None = None
    """When the attempt under way began; None between attempts, and when all is over."""
    tries: int = 1
    """How often the engine tries it at most."""
    reported: bool = False
    """Whether what there is to tell of the last attempt was handed on."""
    log: LogBuffer | None = None

    def describe(self) -> InFlightStep:
        """Return what presence reports of it. The engine's context knows which attempt of a step is running."""
        status = getattr(self.context, "step_status", None)
        attempt = getattr(status, "current_attempt", None)
        if attempt is not None:
            self.attempt = max(self.attempt, attempt + 1)
        return InFlightStep(
            run_id=self.run_id,
            seq=self.seq,
            name=self.name,
            started_at_ms=int(self.started_s * 1000),
            attempt=self.attempt,
        )


@dataclass(frozen=True, slots=True)
class Interruption:
    """A step that was executed, and whose outcome the engine did not take."""

    scope: Scope
    ended_s: float

    def describe(self, executor: str | None) -> InterruptedStep:
        """Return what the ledger keeps of it."""
        step = self.scope.describe()
        return InterruptedStep(
            run_id=step.run_id,
            seq=step.seq if step.seq is not None else 0,
            name=step.name,
            started_at_ms=step.started_at_ms,
            ended_at_ms=max(step.started_at_ms, int(self.ended_s * 1000)),
            attempt=step.attempt,
            executor=executor,
        )


def reported(held: Iterable[Scope]) -> tuple[InFlightStep, ...]:
    """Return what is reported of held scopes, oldest first: a body only where none of its run's steps is there."""
    scopes = sorted(held, key=lambda scope: (scope.seq is None, scope.started_s))
    with_steps = {scope.run_id for scope in scopes if scope.seq is not None}
    return tuple(scope.describe() for scope in scopes if scope.seq is not None or scope.run_id not in with_steps)


class Heartbeat:
    """Writes this process's executor row until stopped, then signs off.

    Args:
        interrupted: steps whose outcome the engine did not take; they are taken from here once they are written.
        since_s: scopes that were entered before belong to an engine that was destroyed.
        lookup: its work is done by our thread while that runs: one thread and one connection a process.
        reports: the same.
    """

    def __init__(
        self,
        source: Source[Ledger],
        in_flight: dict[Scope, None],
        describe: Callable[[], Executor],
        guard: Guard,
        *,
        interrupted: deque[Interruption] | None = None,
        since_s: float = 0.0,
        lookup: PlacementLookup | None = None,
        reports: StepReports | None = None,
    ) -> None:
        self._source, self._in_flight, self._describe, self._guard = source, in_flight, describe, guard
        self._interrupted: deque[Interruption] = deque() if interrupted is None else interrupted
        self._since_s, self._lookup, self._reports = since_s, lookup, reports
        self._stopping = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._wrote = False
        self._shown: frozenset[Scope] = frozenset()
        self._interval_s = 2.0
        self._last_beat_s = self._next_beat_s = self._next_report_s = self._next_attempts_s = 0.0

    def start(self) -> None:
        """Start the thread. It ends with the process, too."""
        thread = threading.Thread(target=self._work, name="durable-presence", daemon=True)
        thread.start()
        self._thread = thread  # only now: another thread that destroys the engine joins it
        if self._lookup is not None:
            self._lookup.carry(self._wake)
        if self._reports is not None:
            self._reports.wake = self._wake.set
        atexit.register(self.stop)

    def stop(self) -> None:
        """Sign off and end the thread, within ``SIGN_OFF_S``. Idempotent."""
        atexit.unregister(self.stop)
        if self._lookup is not None and self._thread is not None:
            self._lookup.carry(None)
        self._stopping = True
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=SIGN_OFF_S)

    def forget(self) -> None:
        """In a forked child: the thread and the row are the parent's; leave both alone."""
        atexit.unregister(self.stop)
        self._thread = None

    def _work(self) -> None:
        with untraced():  # what we read and write is nobody's trace
            self._beat_until_stopped()

    def _beat_until_stopped(self) -> None:
        next_look_s = 0.0
        while not self._stopping:
            began_s = time.monotonic()
            if began_s >= next_look_s:
                self._guarded_look(began_s)
                # A process with very many suspended runs must not spend itself on looking at them.
                took_s = time.monotonic() - began_s
                next_look_s = began_s + took_s + min(max(TICK_S, 20 * took_s), MAX_TICK_S)
            self._look_up()
            self._guarded_tell(time.monotonic())
            self._wake.wait(max(0.0, next_look_s - time.monotonic()))
            self._wake.clear()
        if self._wrote:
            try:
                self._sign_off()
            except Exception as error:  # noqa: BLE001 - the row will be seen to have stopped beating
                self._guard.caught("signing off", error)

    def _look_up(self) -> None:
        try:
            if self._lookup is not None:
                self._lookup.work_off()
        except Exception as error:  # noqa: BLE001 - runs that nobody answers are generation 0
            self._guard.caught("working off look-ups", error)

    def _guarded_tell(self, now_s: float) -> None:
        """Write what steps have to tell, soon after they ended: a process may be killed at any moment."""
        reports = self._reports
        if reports is None or now_s < self._next_attempts_s:
            return
        try:
            reports.show_watched(list(self._in_flight), self._source.get, self._executor_id)
            if reports.is_due:
                reports.work_off(self._source.get, self._executor_id)
                self._next_attempts_s = now_s + TELL_GAP_S
        except Exception as error:  # noqa: BLE001 - it stays where it is, bounded, and is tried again
            self._guard.caught("reporting attempts of steps", error)
            self._next_attempts_s = now_s + self._interval_s

    def _executor_id(self) -> str:
        return self._describe().executor_id

    def _guarded_look(self, now_s: float) -> None:
        try:
            self._look(now_s)
        except Exception as error:  # noqa: BLE001 - presence is optional; the next beat tries again
            self._guard.caught("reporting presence", error)
            self._last_beat_s, self._next_beat_s = now_s, now_s + self._interval_s

    def _look(self, now_s: float) -> None:
        before_s = time.time() - HELD_S
        held = frozenset(
            scope for scope in list(self._in_flight) if self._is_ours(scope) and scope.started_s <= before_s
        )
        changed = held != self._shown and now_s - self._last_beat_s >= MIN_GAP_S
        if changed or now_s >= self._next_beat_s:
            self._beat(reported(held))
            self._shown, self._last_beat_s = held, now_s
            self._next_beat_s = now_s + self._interval_s
        if self._interrupted and now_s >= self._next_report_s:
            self._next_report_s = now_s + self._interval_s  # where it fails, the next try is not at once
            self._report_interrupted()
            self._next_report_s = now_s

    def _beat(self, steps: tuple[InFlightStep, ...]) -> None:
        row = self._describe()
        self._interval_s = row.interval_ms / 1000
        if row.runs is not None:
            # Beside what the engine drives in the background: what was called directly, in a thread of the caller's.
            bodies = [scope.run_id for scope in list(self._in_flight) if scope.seq is None and self._is_ours(scope)]
            runs = tuple(dict.fromkeys([*row.runs, *bodies]))
            row = replace(row, runs=runs, runs_total=len(runs))
        self._write(replace(row, in_flight=steps, in_flight_total=len(steps)))

    def _report_interrupted(self) -> None:
        reported = [self._interrupted.popleft() for _ in range(len(self._interrupted))]
        try:
            executor = self._executor_id()
            self._source.get().add_interrupted([one.describe(executor) for one in reported])
        except Exception:
            self._interrupted.extendleft(reversed(reported))
            raise

    def _sign_off(self) -> None:
        if self._interrupted:
            self._report_interrupted()
        while self._reports is not None and self._reports.is_due:
            self._reports.work_off(self._source.get, self._executor_id)
        held = [scope for scope in list(self._in_flight) if scope.seq is not None and self._is_ours(scope)]
        steps = reported(held)  # they die with the process, or are recorded after all
        row = replace(self._describe(), runs=(), busy={}, stopped=True)
        self._write(replace(row, in_flight=steps, in_flight_total=len(steps)))

    def _write(self, row: Executor) -> None:
        ledger = self._source.get()
        watched = ledger.heartbeat(row)
        self._wrote = True
        if self._reports is not None:
            self._reports.watched = ledger.watched_runs() if watched else frozenset()

    def _is_ours(self, scope: Scope) -> bool:
        return scope.started_s >= self._since_s
