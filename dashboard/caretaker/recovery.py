"""What workers leave behind: runs of lost executors, runs taken by a worker that lacks their workflow."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from dashboard.actions import redispatch
from dashboard.actions.context import ActionContext
from dashboard.actions.destination import Destination
from dashboard.errors import Problem
from dashboard.workflow.names import FAST_QUEUE, WORK_QUEUE
from otel_bridge.ledger.base import REVIVED
from otel_bridge.model.names import INTERNAL_QUEUE
from otel_bridge.model.runs import Run
from otel_bridge.model.status import HELD_STATUSES
from otel_bridge.runs.placement import Need, place
from otel_bridge.runs.presence import Presence

log = logging.getLogger(__name__)

TAKEN_AFTER_MS = 5_000
UNPOLLED_AFTER_MS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPolicy:
    """How runs of lost executors are recovered.

    Args:
        grace_s: how long an executor has been silent before its runs are taken from it. A process that was only paused
            is fenced by the engine: what it still reports is dropped, but its step in flight may have run twice.
        max_redispatches: per run. The engine's own counter restarts with every re-dispatch; this one does not, so
            a run that kills every worker is not handed out for ever.
    """

    grace_s: float = 30.0
    max_redispatches: int = 5


def redispatch_lost(ctx: ActionContext, run: Run, seen: Presence, policy: RecoveryPolicy) -> bool:
    """Re-dispatch a run whose executor has been lost for long enough; return whether that was done."""
    if run.status not in HELD_STATUSES or run.is_queued or not seen.is_lost(run):
        return False
    last_beat_ms = max(e.beat_at_ms for e in seen.lost if e.executor_id == run.executor)
    if seen.now_ms - last_beat_ms < policy.grace_s * 1000 or not seen.live:
        return False
    if ctx.ledger.count(run.id, "redispatch") >= policy.max_redispatches:
        return False
    need = Need(workflow=run.workflow, namespace=run.namespace, version=run.workflow_version)
    if not place(need, seen.live).takers:
        return False  # nobody has its version: it is blocked, and another version is AutoUpgrade's or a person's choice
    ctx.ledger.bump_count(run.id, "redispatch")
    return _redispatched(ctx, run, "lost executor")


def reassign_taken(ctx: ActionContext, run: Run, seen: Presence) -> bool:
    """Put back a run that a worker took although it lacks the workflow, where another worker has it."""
    since_ms = run.started_at_ms or run.updated_at_ms
    if run.status not in HELD_STATUSES or run.is_queued or seen.now_ms - since_ms < TAKEN_AFTER_MS:
        return False
    need = Need(workflow=run.workflow, namespace=run.namespace)
    if redispatch.taken_by_unable_worker(ctx, run, seen) is None or not place(need, seen.live).takers:
        return False
    return _redispatched(ctx, run, "taken by a worker that lacks the workflow")


def move_unpolled(ctx: ActionContext, run: Run, now_ms: int) -> bool:
    """Move a run from our fast queue to the engine's own, when nobody seems to poll ours; once per run."""
    if not _waits_unpolled(run, now_ms):
        return False
    with ctx.alone(run.id) as lock:
        now = ctx.store.get_run(run.id)  # again: a worker may have taken it since, and a resume would hand it out twice
        if now is None or not _waits_unpolled(now, now_ms):
            return False
        life = ctx.ledger.count(run.id, REVIVED)
        if ctx.ledger.bump_count(run.id, f"unpolled.{life}") > 1:
            return False
        with ctx.audited("caretaker", "move", run.id, queue=INTERNAL_QUEUE), ctx.engine.use() as client:
            lock.fence()
            client.resume_workflow(run.id, queue_name=INTERNAL_QUEUE)
    return True


def _waits_unpolled(run: Run, now_ms: int) -> bool:
    return run.is_queued and run.queue == FAST_QUEUE and now_ms - run.updated_at_ms >= UNPOLLED_AFTER_MS


def reassign_stranded(ctx: ActionContext, run: Run, seen: Presence) -> bool:
    """Give one of our own runs that waits for a version which no live worker has to a worker that lives.

    Any version of ours will do, and the one it was enqueued for may have gone before it took the run.
    """
    if not seen.known or not _waits_for_a_version(run):
        return False
    version, nobody = ctx.version_for(run.workflow, namespace=run.namespace, current=run.workflow_version, seen=seen)
    if version is None or nobody is not None or version == run.workflow_version:
        return False
    with ctx.alone(run.id) as lock:
        now = ctx.store.get_run(run.id)  # again, under the lock: it may have been cancelled, taken or moved since
        if now is None or not _waits_for_a_version(now) or now.workflow_version != run.workflow_version:
            return False
        if ctx.store.last_step_number(run.id) is not None:
            return False
        with ctx.audited("caretaker", "move", run.id, version=version):
            redispatch.move_to(ctx, lock, now, Destination(version, WORK_QUEUE))
    return True


def _waits_for_a_version(run: Run) -> bool:
    return run.is_queued and run.queue == WORK_QUEUE and run.workflow_version is not None


def _redispatched(ctx: ActionContext, run: Run, why: str) -> bool:
    try:
        redispatch.redispatch(ctx, run.id, actor="caretaker")
    except Problem as problem:
        log.info("Run %s (%s) was not re-dispatched: %s", run.id, why, problem.detail)
        return False
    return True
