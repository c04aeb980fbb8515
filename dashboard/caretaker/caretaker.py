"""The caretaker: what has to be done without anybody asking. A thread of the dashboard's process, under a lease.

Of many dashboard processes one holds the lease and works; another takes over when it is gone. It hands dead runs to
their handlers, puts back runs that a worker took and cannot run, recovers runs of lost executors (when switched on) and
deletes old runs (by policy).
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.actions.context import OUR_QUEUES, Desk
from dashboard.caretaker import deadletters, recovery, retention
from dashboard.caretaker.deadletters import Handlers
from dashboard.caretaker.recovery import RecoveryPolicy
from dashboard.caretaker.retention import RetentionPolicy
from dashboard.errors import Problem
from dashboard.workflow.names import FAST_QUEUE, WORK_QUEUE
from otel_bridge.errors import BridgeError
from otel_bridge.ledger.base import Lease
from otel_bridge.model.runs import Run, RunQuery

log = logging.getLogger(__name__)

LEASE = "caretaker"
_OVERLAP_MS = 60_000
_SCAN = 500
_CHANGED = 2_000
_SOME = 100


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
        interval_s: between two looks for dead runs; ``patrol_interval_s``: for runs that nobody serves.
    """

    dead_letters: Handlers = None
    on_dead: Callable[[Mapping[str, Any]], Any] | None = None
    recover: RecoveryPolicy | None = None
    retention: Sequence[RetentionPolicy] = ()
    retention_dry_run: bool = False
    interval_s: float = 2.0
    patrol_interval_s: float = 5.0
    retention_interval_s: float = 60.0
    lease_ttl_s: float = 15.0


class Caretaker:
    """Runs ``tick`` again and again while it holds the lease.

    Args:
        open_desk: gives the desk of the blueprint's actions; may raise while the database is not there.
    """

    def __init__(self, open_desk: Callable[[], Desk], settings: CaretakerSettings | None = None) -> None:
        self._open_desk = open_desk
        self.settings = settings or CaretakerSettings()
        self._owner = f"caretaker-{uuid.uuid4().hex}"
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lease: Lease | None = None
        self._since_ms: int | None = None
        self._patrol_due_s = self._retention_due_s = 0.0
        self._retention_after: dict[int, tuple[int, str] | None] = {}
        self._queues_seen: dict[str, str] = {}

    def start(self) -> None:
        """Start the thread, unless it runs. A stopped caretaker can be started again."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._stop.clear()
                self._thread = threading.Thread(target=self._loop, name="durable-caretaker", daemon=True)
                self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop the thread and give the lease up. Idempotent."""
        with self._lock:
            thread, self._thread = self._thread, None
        self._stop.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _loop(self) -> None:
        quiet = False
        while not self._stop.is_set():
            try:
                self.tick()
                quiet = False
            except (BridgeError, Problem) as error:
                if not quiet:  # once per outage
                    log.warning("The caretaker cannot work now and goes on trying: %s", error)
                quiet = True
            except Exception:
                log.exception("The caretaker met a bug of its own; it goes on.")
            self._stop.wait(self.settings.interval_s)
        self._release()

    def _release(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                self._open_desk().ledger.release_lease(lease)
            except (BridgeError, Problem):
                log.debug("The caretaker's lease runs out by itself.")

    def tick(self) -> bool:
        """Look once, if this process holds the lease; return whether it does."""
        desk = self._desk()
        self._lease = desk.ledger.acquire_lease(LEASE, self._owner, ttl_s=self.settings.lease_ttl_s)
        if self._lease is None:
            self._since_ms = None
            return False
        self._dead_letters(desk)
        if time.monotonic() >= self._patrol_due_s:
            self._patrol_due_s = time.monotonic() + self.settings.patrol_interval_s
            self._patrol(desk)
        if self.settings.retention and time.monotonic() >= self._retention_due_s:
            self._retention_due_s = time.monotonic() + self.settings.retention_interval_s
            self._retain(desk)
        return True

    def _desk(self) -> Desk:
        desk = self._open_desk()
        if self.settings.on_dead is None or desk.on_dead is not None:
            return desk
        return desk.with_on_dead(self.settings.on_dead)

    # -- dead letters ---------------------------------------------------------------------------------------

    def _dead_letters(self, desk: Desk) -> None:
        """Handle what died since the last look; at the first look, everything that is dead."""
        now_ms = desk.store.now_ms()
        since_ms = now_ms - _OVERLAP_MS if self._since_ms is None else self._since_ms
        changed = desk.store.runs_changed_since(since_ms, limit=_CHANGED)
        self._remember_queues(desk, changed)
        dead = self._all_dead(desk) if self._since_ms is None else self._newly_dead(desk, changed)
        self._each(dead, deadletters.handle, desk, self.settings.dead_letters)
        self._since_ms = now_ms - _OVERLAP_MS

    def _all_dead(self, desk: Desk) -> list[Run]:
        found: list[Run] = []
        cursor: str | None = None
        while len(found) < 20 * _SCAN:
            page = desk.store.list_runs(RunQuery(statuses=frozenset({"dead"}), limit=_SCAN, cursor=cursor))
            found += page.runs
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
        return found

    def _newly_dead(self, desk: Desk, changed: Sequence[Run]) -> list[Run]:
        newest = desk.store.list_runs(RunQuery(statuses=frozenset({"dead"}), limit=50)).runs
        return list({run.id: run for run in (*newest, *changed) if run.status == "dead"}.values())

    # -- open runs ------------------------------------------------------------------------------------------

    def _patrol(self, desk: Desk) -> None:
        """Look for open runs that nobody serves. Asks for few runs each time, however many are open."""
        pending = RunQuery(statuses=frozenset({"pending"}), queue=FAST_QUEUE, limit=_SOME)
        now_ms = desk.store.now_ms()
        self._each(desk.store.list_runs(pending).runs, recovery.move_unpolled, desk, now_ms)
        seen = desk.presence()
        ours = RunQuery(statuses=frozenset({"pending"}), queue=WORK_QUEUE, limit=_SOME)
        self._each(desk.store.list_runs(ours).runs, recovery.mend_stranded, desk, seen)
        for executor in {e.executor_id for e in seen.live if e.workflows}:
            running = RunQuery(statuses=frozenset({"running"}), executor=executor, limit=_SOME)
            self._each(desk.store.list_runs(running).runs, recovery.mend_swallowed, desk, seen)
        policy = self.settings.recover
        if policy is not None:
            alive = {executor.executor_id for executor in seen.live}
            for executor in {e.executor_id for e in seen.lost} - alive:
                held = RunQuery(statuses=frozenset({"running", "suspended"}), executor=executor, limit=_SCAN)
                self._each(desk.store.list_runs(held).runs, recovery.redispatch_lost, desk, seen, policy)

    def _remember_queues(self, desk: Desk, runs: Sequence[Run]) -> None:
        """Keep each new run's queue: the engine forgets it when the run is cancelled or dies."""
        queues = {run.id: run.queue for run in runs if run.queue is not None and run.queue not in OUR_QUEUES}
        new = {run_id: queue for run_id, queue in queues.items() if run_id not in self._queues_seen}
        if new:
            desk.ledger.remember_queues(new)
        self._queues_seen = queues

    def _each(self, runs: Sequence[Run], action: Callable[..., Any], desk: Desk, *args: Any) -> None:
        for run in runs:
            if self._stop.is_set():
                return
            self._one(run, action, desk, run, *args)

    # -- retention ------------------------------------------------------------------------------------------

    def _retain(self, desk: Desk) -> None:
        for number, policy in enumerate(self.settings.retention):
            if self._stop.is_set():
                return
            if self.settings.retention_dry_run:
                seen = retention.preview(desk, policy)
                log.info(
                    "Retention would delete %d runs of workflow %s: %s", seen.count, policy.workflow, seen.by_status
                )
                continue
            batch = retention.run_batch(desk, policy, after=self._retention_after.get(number))
            self._retention_after[number] = batch.after
            if batch.deleted:
                log.info("Retention deleted %d runs of workflow %s", batch.deleted, policy.workflow)

    @staticmethod
    def _one(run: Run, action: Callable[..., Any], *args: Any) -> Any:
        """Do something about one run; its failure must not keep the others waiting."""
        try:
            return action(*args)
        except Problem as problem:
            if problem.status == 503:
                raise
            log.info("The caretaker left run %s alone: %s", run.id, problem.detail)
            return None
