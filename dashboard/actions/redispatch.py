"""Puts a run back that nobody drives, or moves it to another version. Its recorded steps stay.

What decides is presence: the executor that holds the run is lost, lacks the workflow, has another version, or does not
drive it. Without presence nobody knows, and somebody has to say so (``forced``).
"""

from __future__ import annotations

from dbos import DBOSClient

from dashboard.actions.checks import refuse_undone
from dashboard.actions.context import ActionContext, Outcome
from dashboard.actions.destination import Destination
from dashboard.actions.locks import RunLock
from dashboard.actions.messages import resend_unread_messages
from dashboard.actions.step_references import check_against
from dashboard.errors import Refused
from dashboard.read.every_step import interrupted_now
from otel_bridge.model.runs import Run
from otel_bridge.model.status import CANCELLABLE_STATUSES, HELD_STATUSES
from otel_bridge.runs.blocked import blocked_reason
from otel_bridge.runs.placement import Need, knows, place
from otel_bridge.runs.presence import Presence


def redispatch(ctx: ActionContext, run_id: str, *, actor: str, forced: bool = False) -> tuple[Outcome, bool]:
    """Put a run back on its queue when nobody drives it.

    Where its version is gone, the run continues under a live one, unless its recorded steps are known to differ there.

    Args:
        forced: do so although nobody reports presence, because the caller knows that the executor is gone.

    Returns:
        The outcome, and whether anything was done: a run that is pending already needs nothing.

    Raises:
        NotFound: there is no such run.
        Refused: it has ended, its executor is at work, nobody knows, or no live worker could take it.
    """
    with ctx.audited(actor, "redispatch", run_id, forced=forced or None) as audited:
        with ctx.alone(run_id) as lock:
            run = ctx.run(run_id)
            ctx.permission.require("redispatch", run)
            refuse_undone(ctx, run, "redispatched")
            if run.status == "pending" and _gone(run, ctx.presence()) is None:
                audited.outcome = "unchanged"
                return Outcome(run), False
            if run.status not in CANCELLABLE_STATUSES:
                raise Refused(f"The run is {run.status}: no executor holds it. Retry it instead.")
            return put_back(ctx, lock, run, at_ms=audited.at_ms, forced=forced), True


def _gone(run: Run, seen: Presence) -> str | None:
    """Return the version for which a pending run waits in vain, if that is so."""
    blocked = blocked_reason(run, seen)
    return run.workflow_version if blocked is not None and blocked.code == "version_gone" else None


def put_back(
    ctx: ActionContext, lock: RunLock, run: Run, *, at_ms: int, queue: str | None = None, forced: bool = False
) -> Outcome:
    """Put an open run back on a queue, where a live worker can take it. Called under the run's lock.

    Args:
        at_ms: when the action began, as the audit log says.

    Raises:
        Refused: see ``redispatch``.
    """
    seen = ctx.presence()
    if not forced:
        refuse_driven(ctx, run, seen)
    where = ctx.destination(run, queue, seen)
    if seen.known and not place(Need(workflow=run.workflow, namespace=run.namespace), seen.live).takers:
        raise Refused(
            f"No live worker has workflow {run.workflow!r}, so the run would only wait. Start one, then redispatch it."
        )
    ctx.remember_queues([run])
    in_flight = interrupted_now(ctx.store, run, seen)
    if not seen.known or where.version == run.workflow_version:
        ctx.keep_attempt(run, in_flight, at_ms=at_ms)
        lock.fence()
        with ctx.engine.use(fast_queue=True) as client:
            client.resume_workflow(run.id, queue_name=where.queue)
        return Outcome(ctx.run(run.id), where.notes)
    check = check_against(ctx, run, where.version)
    if check.divergence is not None:
        found = check.divergence
        raise Refused(
            f"No live worker has version {run.workflow_version}, and under {where.version} step {found.seq} is "
            f"{' or '.join(found.expected)}, where this run recorded {found.recorded}. Start a worker of version "
            f"{run.workflow_version}, or fork the run from an earlier step."
        )
    unknown = () if check.compared else (f"No completed run of version {where.version} was there to compare with.",)
    ctx.keep_attempt(run, in_flight, at_ms=at_ms)
    kept = move_to(ctx, lock, run, where)
    return Outcome(ctx.run(run.id), (*where.notes, *unknown, *kept))


def refuse_driven(ctx: ActionContext, run: Run, seen: Presence) -> None:
    """Refuse to take a run from an executor that drives it, or of which nobody knows.

    Raises:
        Refused: so it is.
    """
    if seen.is_lost(run) or taken_by_unable_worker(ctx, run, seen) or blocked_reason(run, seen) is not None:
        return
    if not seen.known:
        raise Refused(
            f"The run is {run.status}, and no executor reports presence, so nobody knows whether the one that "
            "holds it is alive. Cancel the run, then retry it; or redispatch it with force."
        )
    if run.is_queued:
        raise Refused("The run waits to be taken, and a live worker can take it.")
    raise Refused(f"The run is {run.status} on a live executor ({run.executor}). Cancel it first, or let it finish.")


def move_to(ctx: ActionContext, lock: RunLock, run: Run, where: Destination) -> list[str]:
    """Put an open run on a queue for another version; its recorded steps stay. Returns notes.

    Cancelled first, because only an ended run can be given another version. The rewind to after the last step deletes
    nothing but unread messages, and these are sent again.
    """
    start = (ctx.store.last_step_number(run.id) or 0) + 1
    unread = ctx.store.unread_messages(run.id)
    lock.fence()
    with ctx.engine.use(fast_queue=True) as client:
        _rebind(client, run.id, start, where)
    return resend_unread_messages(ctx, run.id, unread)


def _rebind(client: DBOSClient, run_id: str, start: int, where: Destination) -> None:
    client.cancel_workflow(run_id)
    client.rewind_workflow(
        run_id,
        start_step=start,
        application_version=where.version,
        queue_name=where.queue,
        queue_partition_key=where.partition,
    )


def taken_by_unable_worker(ctx: ActionContext, run: Run, seen: Presence) -> str | None:
    """Return the live executor that took a run it cannot run, if that is what happened.

    The engine marks such a run as executing and forgets it. The sign: no step, and the executor that holds it reports
    presence, does not know the workflow, and executes nothing of it.
    """
    holders = [executor for executor in seen.live if executor.executor_id == run.executor]
    if not holders or run.status not in HELD_STATUSES or run.is_queued or seen.in_flight(run.id):
        return None
    if any(not executor.workflows or knows(executor, run.workflow) for executor in holders):
        return None
    return holders[0].instance_id if ctx.store.last_step_number(run.id) is None else None
