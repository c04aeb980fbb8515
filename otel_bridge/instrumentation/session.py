"""One instrumented period of a process: what is current, what is in flight, and the threads that report it."""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.trace import set_span_in_context

from otel_bridge.instrumentation import attempts, bodies, engine
from otel_bridge.instrumentation.current import RUN_KEY, STEP_KEY, DurableSpan, LiveRun
from otel_bridge.instrumentation.guard import Guard
from otel_bridge.instrumentation.guesses import kept
from otel_bridge.instrumentation.heartbeat import Heartbeat, Interruption, Scope
from otel_bridge.instrumentation.lookup import PlacementLookup
from otel_bridge.instrumentation.places import RunPlaces
from otel_bridge.instrumentation.settings import InstrumentorSettings
from otel_bridge.instrumentation.sources import Sources
from otel_bridge.instrumentation.step_logs import LogCapture
from otel_bridge.instrumentation.step_reports import StepReports
from otel_bridge.ledger.base import Executor

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SCOPES = "_durable_scopes"
"""Attribute of a DBOSContext: the scopes entered on it and not yet left, each with its session."""
_sessions: weakref.WeakSet[Session] = weakref.WeakSet()
_MAX_STRAYS = 1000
MAX_INTERRUPTED = 10_000
"""Interrupted steps that wait to be reported; where no ledger takes them, the oldest are forgotten."""
_fork_hook_lock = threading.Lock()
_fork_hooked = False


class Session:
    """Enters and leaves scopes for the hooks. Methods called by them may raise; the hooks ignore it."""

    def __init__(self, settings: InstrumentorSettings, tracer_provider: object = None) -> None:
        self.settings = settings
        self._given_provider = tracer_provider
        self._provider: TracerProvider | None = None
        self.guard = Guard()
        self.sources = Sources(settings)
        self.lookup = PlacementLookup(RunPlaces(self.sources, settings), self.guard)
        self.in_flight: dict[Scope, None] = {}
        self.interrupted: deque[Interruption] = deque(maxlen=MAX_INTERRUPTED)
        self.reports = StepReports(settings) if settings.step_logs and settings.presence else None
        self._capture = (
            LogCapture(self.reports.keep, self.guard)
            if self.reports is not None and settings.step_log_records
            else None
        )
        self._strays: dict[str, LiveRun] = {}
        self._strays_lock = threading.Lock()
        self._epoch_s = 0.0
        self._heartbeat: Heartbeat | None = None
        _watch_forks(self)

    # -- scopes ---------------------------------------------------------------------------------------------

    def enter(self, context: Any, attributes: Any) -> Scope:
        """Make the span of the run or step that DBOS is starting current; return what ``leave`` needs."""
        run_id: str = context.workflow_id
        number: int = context.curr_step_function_id
        seq = number if number >= 0 else None
        around = otel_context.get_current()
        if seq is None:
            run = LiveRun(run_id, self.lookup.settle, namespace=self.settings.namespace)
            self.lookup.prefetch(run)
            around = otel_context.set_value(RUN_KEY, run, around)
            if around.get(STEP_KEY) is not None:  # a step started this run in its own thread
                around = otel_context.set_value(STEP_KEY, None, around)
        else:
            entered = around.get(RUN_KEY)
            run = entered if isinstance(entered, LiveRun) and entered.run_id == run_id else self._stray(run_id)
            if run.body is not None and run.body.unflushed:
                self._flush(run.body)
        scope = Scope(run_id, seq, engine.step_name(attributes), time.time(), context)
        if seq is not None and self._capture is not None:
            scope.began_s = scope.started_s
            around = otel_context.set_value(STEP_KEY, scope, around)
        span = DurableSpan(run, seq, namespace=self.settings.namespace, on_error=self.guard.caught)
        scope.token = otel_context.attach(set_span_in_context(span, around))
        self.in_flight[scope] = None
        return scope

    def leave(self, scope: Scope, error: BaseException | None = None) -> None:
        """Make current what was current before.

        Args:
            error: what DBOS ended the run or step with; it tells whether anything was recorded.
        """
        self.in_flight.pop(scope, None)
        if error is not None and scope.seq is not None and engine.is_unrecorded(scope.name, error):
            self.interrupted.append(Interruption(scope, time.time()))
        otel_context.detach(scope.token)
        if self.reports is not None:
            self.reports.left(scope, error)

    def attempting(self, attempt: Any) -> None:
        """Note that an attempt of the current step begins."""
        attempts.begin(attempt)
        scope = self._current()
        if self.reports is not None and scope is not None:
            self.reports.begun(scope, int(attempt.current_attempt) + 1, int(attempt.max_attempts))

    def attempted(self, attempt: Any, error: BaseException | None) -> None:
        """Tell of an attempt of the current step that is over."""
        scope = self._current()
        try:
            attempts.end(attempt, error, scope, self._given_provider)
        finally:
            if self.reports is not None and scope is not None:
                self.reports.attempted(scope, int(attempt.current_attempt) + 1, error)

    def _current(self) -> Scope | None:
        """Return the step that is executing here."""
        scopes = engine.entered(SCOPES)
        return next((found for session, found in reversed(scopes) if session is self and found is not None), None)

    def _stray(self, run_id: str) -> LiveRun:
        """Return the run of a step whose body began before we were switched on; the last ones are remembered."""
        with self._strays_lock:
            run = self._strays.get(run_id)
            if run is not None:
                return run
            run = self._strays[run_id] = LiveRun(run_id, self.lookup.settle, namespace=self.settings.namespace)
            if len(self._strays) > _MAX_STRAYS:
                del self._strays[next(iter(self._strays))]
        self.lookup.prefetch(run)
        return run

    # -- spans that bodies open -------------------------------------------------------------------------------

    def prepare_provider(self) -> None:
        """Make the spans that user code opens in bodies replay-safe, where the provider is the SDK's."""
        if not self.settings.replay_safe or self._provider is not None:
            return
        if self._given_provider is None and "opentelemetry.sdk.trace" not in sys.modules:
            return  # nobody has set an SDK provider yet; a worker that never does need not load the SDK
        from otel_bridge.instrumentation.providers import prepare

        self._provider = prepare(self._given_provider, flush=self.settings.flush_before_steps)

    def _flush(self, body: bodies.Body) -> None:
        body.unflushed = False
        if self._provider is not None:
            self._provider.force_flush()

    # -- what steps log ---------------------------------------------------------------------------------------

    def start_capture(self) -> None:
        """Keep what steps log from now on."""
        if self._capture is not None:
            self._capture.install()

    # -- the engine's life ------------------------------------------------------------------------------------

    def launching(self, instance: object) -> None:
        """The engine is about to launch; runs are recovered before it has finished."""
        self.prepare_provider()
        self.sources.use_database(*engine.system_database(instance))
        self.lookup.warm_up()

    def launched(self, instance: object) -> None:
        """The engine has launched: this process is an executor from now on."""
        if not self.settings.presence or not self.sources.ledger.available or self._heartbeat is not None:
            return
        instance_id, started_at_ms = uuid.uuid4().hex, int(time.time() * 1000)
        interval_s = self.settings.presence_interval_s

        def row() -> Executor:
            return engine.describe(
                instance, instance_id=instance_id, started_at_ms=started_at_ms, interval_s=interval_s
            )

        self._heartbeat = Heartbeat(
            self.sources.ledger,
            self.in_flight,
            row,
            self.guard,
            interrupted=self.interrupted,
            since_s=self._epoch_s,
            lookup=self.lookup,
            reports=self.reports,
        )
        self._heartbeat.start()

    def destroyed(self) -> None:
        """The engine was destroyed: sign off. Steps that outlive it are reported no more."""
        self._epoch_s = time.time()
        heartbeat, self._heartbeat = self._heartbeat, None
        if heartbeat is not None:
            heartbeat.stop()
        self.sources.close()

    def stop(self) -> None:
        """End the threads and close what was opened. Idempotent."""
        if self._capture is not None:
            self._capture.remove()
        self.destroyed()
        self.lookup.stop()
        self.sources.close()

    def forget(self) -> None:
        """In a forked child: threads, locks, connections and steps are the parent's."""
        self._strays_lock = threading.Lock()
        self.guard.forget()
        self.in_flight.clear()
        self.interrupted.clear()
        if self.reports is not None:
            self.reports.forget()
        self.sources.forget()
        self.lookup.forget()
        if self._heartbeat is not None:
            self._heartbeat.forget()
            self._heartbeat = None


def _watch_forks(session: Session) -> None:
    global _fork_hooked
    _sessions.add(session)
    with _fork_hook_lock:
        if not _fork_hooked and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
            _fork_hooked = True


def _after_fork() -> None:
    bodies.forget()
    kept.forget()
    for session in list(_sessions):
        session.forget()
