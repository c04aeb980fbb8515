"""Cancel, and cancel with undo. Both answer at once; the undo itself is ``dashboard.workflow.undo``, in a worker."""

from __future__ import annotations

from dbos import DBOSClient, EnqueueOptions, WorkflowSerializationFormat

from dashboard.actions.context import ActionContext, Outcome
from dashboard.actions.locks import RunLock
from dashboard.actions.messages import end_waits
from dashboard.actions.permission import Reach, cancelled_with, ids_below, undone_with
from dashboard.errors import Refused
from dashboard.workflow.names import UNDO_WORKFLOW, WORK_QUEUE
from otel_bridge.model.names import UNDO_PREFIX
from otel_bridge.model.runs import Run
from otel_bridge.model.status import (
    CANCELLABLE_STATUSES,
    CANCELLED_STATUSES,
    RETURNED_STATUSES,
)


def cancel(ctx: ActionContext, run_id: str, *, actor: str, compensate: bool = False, children: bool = False) -> Outcome:
    """Cancel a run; with ``compensate`` undo what it did.

    Args:
        children: cancel the runs that it started, and theirs, too. An undo always does.

    Raises:
        NotFound: there is no such run.
        Refused: it ended before, or it ended while it was being cancelled.
        Forbidden: the host's policy does not allow it of this run, or of one that is cancelled or undone with it.
    """
    with ctx.audited(actor, "undo" if compensate else "cancel", run_id, children=children or None):
        with ctx.alone(run_id) as lock:
            run = ctx.run(run_id)
            action = "cancel_undo" if compensate else "cancel"
            ctx.permission.require(action, run)
            if (reach := reach_of(run, compensate=compensate, children=children)) is not None:
                ctx.permission.require_reach(action, reach)
            return _undo(ctx, lock, run) if compensate else _cancel(ctx, lock, run, children)


def reach_of(run: Run, *, compensate: bool, children: bool) -> Reach | None:
    """Return what a cancel touches besides the run itself; None: nothing."""
    if compensate:
        return lambda store: undone_with(store, run)
    return (lambda store: cancelled_with(store, run)) if children else None


def _cancel(ctx: ActionContext, lock: RunLock, run: Run, children: bool) -> Outcome:
    if run.status in CANCELLED_STATUSES:
        if children:
            _cancel_now(ctx, lock, run, children=True)
        return Outcome(run)
    if run.status not in CANCELLABLE_STATUSES:
        raise Refused(f"The run is {run.status} already: there is nothing to cancel.")
    _cancel_now(ctx, lock, run, children=children)
    after = ctx.run(run.id)
    if after.status in RETURNED_STATUSES:
        raise Refused(f"The run {after.status} before it could be cancelled.")
    return Outcome(after)


def _cancel_now(ctx: ActionContext, lock: RunLock, run: Run, *, children: bool) -> None:
    """Cancel a run. The engine keeps nothing of a step in flight; the worker reports it, no matter who cancels."""
    lock.fence()
    with ctx.engine.use() as client:
        _cancel_family(ctx, client, run, children=children)
    end_waits(ctx, run)


def _cancel_family(ctx: ActionContext, client: DBOSClient, run: Run, *, children: bool) -> None:
    """Cancel a run and those that it started, some at a time; keep their queues first, for the engine forgets them.

    The engine cancels all children of a level by one statement, and one of more than 65,535 values Postgres refuses.
    The parent comes first, so that it starts no more; one that ended meanwhile the engine lets alone.
    """
    ctx.remember_queues([run])
    client.cancel_workflow(run.id)
    family, left = {run.id}, list[Run]()
    for some in ids_below(ctx.store, run.id) if children else ():
        left += ctx.store.get_runs(some).values()
        # What another one's child is may be met before that one: it was asked for by its id, on both sides.
        while own := [child for child in left if child.parent_id in family]:
            left = [child for child in left if child.parent_id not in family]
            family.update(child.id for child in own)
            ending = [child for child in own if child.status not in (*RETURNED_STATUSES, "cancelled")]
            if ending:
                ctx.remember_queues(ending)
                client.cancel_workflows([child.id for child in ending])


def _undo(ctx: ActionContext, lock: RunLock, run: Run) -> Outcome:
    if run.id.startswith(UNDO_PREFIX):
        raise Refused("This run is an undo itself. Retry it if it is stuck; an undo cannot be undone.")
    if run.status == "completed":
        raise Refused("The run completed, and only runs that did not can be undone.")
    if run.undo_id is not None:
        _refuse_if_it_went_on(ctx, run, run.undo_id)
        return Outcome(run)  # one undo per run: it is at work, or done
    version, note = ctx.version_for_ours(UNDO_WORKFLOW, run)
    lock.fence()
    with ctx.engine.use() as client:
        # First, so that a crash of this process in between loses nothing: the undo cancels the run by itself.
        enqueue_undo(ctx, client, run, version)
        if run.status in CANCELLABLE_STATUSES:
            _cancel_family(ctx, client, run, children=True)
            end_waits(ctx, run)
            after = ctx.run(run.id)
            if after.status == "completed":
                client.cancel_workflow(f"{UNDO_PREFIX}{run.id}")
                raise Refused("The run completed before it could be cancelled, so nothing is undone.")
    return Outcome(ctx.run(run.id), (note,) if note else ())


def _refuse_if_it_went_on(ctx: ActionContext, run: Run, undo_id: str) -> None:
    """Refuse a second undo of a run that went on after its undo: by the engine's own resume, say.

    Raises:
        Refused: it did.
    """
    undo = ctx.store.get_run(undo_id)
    if undo is None or undo.finished_at_ms is None:
        return
    # the engine stamps each cancel of a cancelled run anew, so when that one ended does not tell
    ended_later = run.status not in CANCELLED_STATUSES and (run.finished_at_ms or 0) > undo.finished_at_ms
    if run.status not in CANCELLABLE_STATUSES and not ended_later:
        return
    advice = "Cancel it without undo" if run.status in CANCELLABLE_STATUSES else "Undo by hand what it did since"
    if undo.status != "completed":
        advice += f", then retry {undo_id}, which has not undone all"
    raise Refused(f"The run went on after {undo_id} had ended ({undo.status}), and a run is undone once. {advice}.")


def enqueue_undo(ctx: ActionContext, client: DBOSClient, run: Run, version: str | None) -> None:
    """Enqueue ``undo:<run_id>``. A second time changes nothing: the id is taken."""
    options: EnqueueOptions = {
        "workflow_name": UNDO_WORKFLOW,
        "queue_name": WORK_QUEUE,
        "workflow_id": f"{UNDO_PREFIX}{run.id}",
        "serialization_type": WorkflowSerializationFormat.PORTABLE,
        "application_name": run.namespace,
    }
    if version is not None:
        options["app_version"] = version
    client.enqueue(
        options,
        run.id,
        {"graceS": ctx.settings.undo_grace_s, "cancel": run.status in CANCELLABLE_STATUSES, "unlessCompleted": True},
    )
