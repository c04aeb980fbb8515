"""The caretaker: what has to be done without anybody asking. A thread of the dashboard's process, under a lease.

Of many dashboard processes one holds the lease and works; another takes over when it is gone. It hands dead runs to
their handlers, puts back runs that a worker took and cannot run, recovers runs of lost executors and moves runs to a
live version (when switched on), keeps paused queues paused, tells people what is wrong (by rules), deletes old runs (by
policy), and forgets workers that are long gone. Each duty and each run is guarded: what goes wrong with one never stops
the others.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from dashboard.actions.context import ActionContext
from dashboard.actions.destination import OUR_QUEUES
from dashboard.actions.queues import hold_pauses
from dashboard.caretaker import deadletters, recovery, retention, upgrade
from dashboard.caretaker.alerts import Alerts, AlertSettings
from dashboard.caretaker.deadletters import Handlers, OnDead
from dashboard.caretaker.guard import FailureGuard
from dashboard.caretaker.recovery import RecoveryPolicy
from dashboard.caretaker.retention import RetentionPolicy
from dashboard.caretaker.upgrade import AutoUpgrade
from dashboard.errors import Problem
from dashboard.read.listing import RunReader
from dashboard.workflow.names import DEAD_LETTER_WORKFLOW, FAST_QUEUE, WORK_QUEUE
from otel_bridge.errors import BridgeError
from otel_bridge.ledger.base import Lease, owner_name
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.model.status import HELD_STATUSES, RunStatus, shown_as
from otel_bridge.outages import Outages
from otel_bridge.runs.overlay import left_behind
from otel_bridge.tail.scanner import changed_at_ms

log = logging.getLogger(__name__)

LEASE = "caretaker"
_OVERLAP_MS = 60_000
_SCAN = 500
_CHANGED, _CHANGED_PAGES = 2_000, 10
"""Changed runs read at once, and how often in one look."""
_SOME = 100
_DEAD_AT_ONCE = 10_000
_DEAD_REMEMBERED = 20_000
_DEAD: frozenset[RunStatus] = frozenset({"dead"})
_BLOCKED: frozenset[RunStatus] = frozenset({"blocked"})
PRUNE_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CaretakerSettings:
    """What the caretaker does.

    Args:
        dead_letters: name of the dead-letter handler's workflow, or names by workflow (``*``: the others). Handlers
            that live workers declared with ``@dead_letter`` are found by themselves where executors report presence.
        on_dead: called in the dashboard's process with ``{deadRunId, workflow, input, error}``, once per death.
        recover: recover runs of lost executors; None: leave them to an operator. The trade: a worker that was only
            paused may execute the step it was in a second time.
        retention: what may be deleted. Nothing by default.
        retention_dry_run: only say, in the log, what would be deleted.
        upgrade: move runs of versions that no live worker has to one that is live; None: leave them to an operator.
        alerts: tell people about failures, queues, workers and waits; None: nobody.
        executors_kept_s: how long the presence row of a worker that is gone is kept; longer while it holds an open run.
        interval_s: between two looks for dead runs; ``patrol_interval_s``: for runs that nobody serves.
    """

    dead_letters: Handlers = None
    on_dead: OnDead | None = None
    recover: RecoveryPolicy | None = None
    upgrade: AutoUpgrade | None = None
    alerts: AlertSettings | None = None
    retention: Sequence[RetentionPolicy] = ()
    retention_dry_run: bool = False
    executors_kept_s: float = 24 * 3600.0
    interval_s: float = 2.0
    patrol_interval_s: float = 5.0
    retention_interval_s: float = 60.0
    lease_ttl_s: float = 15.0


class Caretaker:
    """Runs ``tick`` again and again while it holds the lease.

    Args:
        open_context: gives the context of the blueprint's actions; may raise while the database is not there.
        outages: those of the blueprint, so that one of the database is logged once.
    """

    def __init__(
        self,
        open_context: Callable[[], ActionContext],
        settings: CaretakerSettings | None = None,
        *,
        outages: Outages | None = None,
    ) -> None:
        self._open_context = open_context
        self.settings = settings or CaretakerSettings()
        self.guard = FailureGuard(outages)
        self._name: tuple[int, str] | None = None
        self._lock = threading.RLock()  # a signal handler may stop what it interrupts the start of
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lease: Lease | None = None
        self._since_ms: int | None = None
        self._since_id: str | None = None
        self._due_s: dict[str, float] = {}
        self._retention_after: dict[int, tuple[int, str] | None] = {}
        self._queues_seen: dict[str, str] = {}
        self._dead_seen: dict[str, object] = {}
        self._alerts = None if self.settings.alerts is None else Alerts(self.settings.alerts, self.guard)

    @property
    def _owner(self) -> str:
        """The lease's owner. Made in each process: one named before a server forks would be shared by its workers."""
        process = os.getpid()
        if self._name is None or self._name[0] != process:
            self._name, self._lease = (process, owner_name()), None
        return self._name[1]

    def start(self) -> None:
        """Start the thread, unless it runs. A stopped caretaker can be started again."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                # An event of its own: one that was stopped, and is still at work, must not go on because of this one.
                self._stop = threading.Event()
                thread = threading.Thread(target=self._loop, args=(self._stop,), name="durable-caretaker", daemon=True)
                thread.start()
                self._thread = thread

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop the thread and give the lease up. Idempotent."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stop.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _loop(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.guard.duty("taking the lease", self.tick)
            stop.wait(self.settings.interval_s)
        if self._stop is stop:  # started again meanwhile, it holds the lease under the same name
            self._release()

    def _release(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                self._open_context().ledger.release_lease(lease)
            except (BridgeError, Problem):
                log.debug("The caretaker's lease runs out by itself.")

    def tick(self) -> bool:
        """Look once, if this process holds the lease; return whether it does.

        Raises:
            BridgeError, Problem: the lease cannot be asked for now. What a duty meets is logged, not raised.
        """
        ctx = self._open_context()
        self._lease = ctx.ledger.acquire_lease(LEASE, self._owner, ttl_s=self.settings.lease_ttl_s)
        if self._lease is None:
            self._since_ms = self._since_id = None
            return False
        chosen = self.settings
        self.guard.duty("dead letters", lambda: self._dead_letters(ctx))
        if self._is_due("patrol", chosen.patrol_interval_s):
            self.guard.duty("patrol", lambda: self._patrol(ctx))
            self.guard.duty("holding pauses", lambda: hold_pauses(ctx))
        if chosen.retention and self._is_due("retention", chosen.retention_interval_s):
            self.guard.duty("retention", lambda: self._retain(ctx))
        alerts = self._alerts
        if alerts is not None and self._is_due("alerts", alerts.settings.every_s):
            self.guard.duty("alerts", lambda: alerts.look(ctx))
        if self._is_due("executors", PRUNE_EVERY_S):
            self.guard.duty("forgetting executors", lambda: self._forget_executors(ctx))
        return True

    def _is_due(self, what: str, every_s: float) -> bool:
        now_s = time.monotonic()
        if now_s < self._due_s.get(what, 0.0):
            return False
        self._due_s[what] = now_s + every_s
        return True

    # -- dead letters ---------------------------------------------------------------------------------------

    def _dead_letters(self, ctx: ActionContext) -> None:
        """Handle what died since the last look; at the first look, everything that is dead."""
        now_ms = ctx.store.now_ms()
        since_ms = now_ms - _OVERLAP_MS if self._since_ms is None else self._since_ms
        dead = {run.id: run for run in (self._all_dead(ctx) if self._since_ms is None else self._newest_dead(ctx))}
        queues: dict[str, str] = {}
        reached_ms, after = since_ms, self._since_id
        for _ in range(_CHANGED_PAGES):
            changed = ctx.store.runs_changed_since(reached_ms, limit=_CHANGED, after=after)
            queues |= self._remember_queues(ctx, changed)
            dead |= {run.id: run for run in changed if run.status == "dead"}
            if len(changed) < _CHANGED:
                reached_ms, after = now_ms - _OVERLAP_MS, None
                break
            reached_ms, after = changed_at_ms(changed[-1], reached_ms), changed[-1].id
        if dead:
            self._hand_over(ctx, list(dead.values()))
        self._queues_seen = queues
        # where more has changed than was looked at now, the next look continues there
        self._since_ms, self._since_id = reached_ms, after

    def _hand_over(self, ctx: ActionContext, dead: Sequence[Run]) -> None:
        """Hand each dead run to its handler. One that was looked at is not looked at again until something changed."""
        seen = ctx.presence()  # once, however many are dead
        names = {name for executor in seen.live for name in executor.workflows if name.startswith(DEAD_LETTER_WORKFLOW)}
        state = frozenset(names)
        fresh = [run for run in dead if self._dead_seen.get(run.id) != (run.updated_at_ms, state)]
        chosen = self.settings

        def handle(ctx: ActionContext, run: Run) -> None:
            deadletters.handle(ctx, run, chosen.dead_letters, seen, on_dead=chosen.on_dead)
            self._dead_seen[run.id] = (run.updated_at_ms, state)

        self._each(fresh, handle, ctx)
        while len(self._dead_seen) > _DEAD_REMEMBERED:
            del self._dead_seen[next(iter(self._dead_seen))]

    def _all_dead(self, ctx: ActionContext) -> list[Run]:
        return list(islice(_reader(ctx).every(RunQuery(statuses=_DEAD)), _DEAD_AT_ONCE))

    def _newest_dead(self, ctx: ActionContext) -> list[Run]:
        return _reader(ctx).page(RunQuery(statuses=_DEAD, limit=50)).runs

    # -- open runs ------------------------------------------------------------------------------------------

    def _patrol(self, ctx: ActionContext) -> None:
        """Look for open runs that nobody serves, as everybody sees them. Asks for few each time, however many are open.

        A run that presence shows as blocked is asked for as that: what it is blocked by decides, or its queue does.
        """
        seen, now_ms = ctx.presence(), ctx.store.now_ms()
        reader = RunReader(ctx.store, lambda: seen, lambda: ctx.ledger)

        def found(statuses: frozenset[RunStatus], most: int, **fields: str) -> list[Run]:
            return reader.page(RunQuery(statuses=statuses, limit=most, **fields)).runs  # type: ignore[arg-type]

        queued, executing = shown_as("pending"), shown_as("running")
        self._each(found(queued, _SOME, queue=FAST_QUEUE), recovery.move_unpolled, ctx, now_ms)
        self._each(found(queued, _SOME, queue=WORK_QUEUE), recovery.reassign_stranded, ctx, seen)
        for executor in {e.executor_id for e in seen.live if e.workflows}:
            self._each(found(executing, _SOME, executor=executor), recovery.reassign_taken, ctx, seen)
        policy = self.settings.recover
        if policy is not None:
            alive = {executor.executor_id for executor in seen.live}
            for executor in {e.executor_id for e in seen.lost} - alive:
                self._each(found(HELD_STATUSES, _SCAN, executor=executor), recovery.redispatch_lost, ctx, seen, policy)
        if self.settings.upgrade is not None and seen.known:
            for version in upgrade.gone_versions(seen):
                blocked = found(_BLOCKED, _SCAN, version=version)
                self._each(blocked, upgrade.upgrade, ctx, seen, self.settings.upgrade)

    def _remember_queues(self, ctx: ActionContext, runs: Sequence[Run]) -> dict[str, str]:
        """Keep each new run's queue: the engine forgets it when the run is cancelled or dies. Return those of all."""
        queues = {run.id: run.queue for run in runs if run.queue is not None and run.queue not in OUR_QUEUES}
        new = {run_id: queue for run_id, queue in queues.items() if run_id not in self._queues_seen}
        if new:
            ctx.ledger.remember_queues(new)
        return queues

    def _each(self, runs: Sequence[Run], action: Callable[..., object], ctx: ActionContext, *args: object) -> None:
        """Do something about each run, while the database answers."""
        self.guard.each(runs, lambda run: action(ctx, run, *args), stop=self._stop.is_set)

    # -- retention ------------------------------------------------------------------------------------------

    def _retain(self, ctx: ActionContext) -> None:
        for number, policy in enumerate(self.settings.retention):
            if self._stop.is_set():
                return
            self.guard.duty(f"retention policy {number + 1}", lambda n=number, p=policy: self._retain_by(ctx, n, p))  # type: ignore[misc]

    def _retain_by(self, ctx: ActionContext, number: int, policy: RetentionPolicy) -> None:
        if self.settings.retention_dry_run:
            seen = retention.preview(ctx, policy)
            log.info("Retention would delete %d runs of workflow %s: %s", seen.count, policy.workflow, seen.by_status)
            return
        batch = retention.run_batch(ctx, policy, after=self._retention_after.get(number))
        self._retention_after[number] = batch.after
        if batch.deleted:
            log.info("Retention deleted %d runs of workflow %s", batch.deleted, policy.workflow)

    # -- executors ------------------------------------------------------------------------------------------

    def _forget_executors(self, ctx: ActionContext) -> None:
        """Forget workers that are long gone, except those that still hold an open run: their rows say it is lost."""
        seen = ctx.presence()
        before_ms = seen.now_ms - int(self.settings.executors_kept_s * 1000)
        newest = {e.executor_id: e for e in sorted(seen.lost, key=lambda e: e.beat_at_ms) if e.beat_at_ms < before_ms}
        if not newest:
            return
        reader = RunReader(ctx.store, lambda: seen, lambda: ctx.ledger)
        held = {run.executor for run, _ in reader.open_groups(RunQuery()) if not run.is_queued}
        keep = [executor.instance_id for name, executor in newest.items() if name in held]
        gone = [executor for executor in seen.lost if executor.beat_at_ms < before_ms]
        ctx.ledger.add_interrupted([step for executor in gone for step in left_behind(executor)])
        forgotten = ctx.ledger.prune_executors(beat_before_ms=before_ms, keep=keep)
        log.info("Forgot %d workers that have not reported for a day or longer.", forgotten)


def _reader(ctx: ActionContext) -> RunReader:
    return RunReader(ctx.store, ctx.presence, lambda: ctx.ledger)
