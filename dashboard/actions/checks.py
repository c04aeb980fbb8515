"""What refuses an action that must not, or cannot, take effect: an undone run, a queue from which nobody takes."""

from __future__ import annotations

from dashboard.actions.context import ActionContext
from dashboard.actions.destination import OUR_QUEUES
from dashboard.errors import Refused
from otel_bridge.model.fleet import QueueInfo
from otel_bridge.model.runs import Run
from otel_bridge.runs.placement import Need, place
from otel_bridge.runs.presence import Presence


def check_queue(ctx: ActionContext, queue: str, run: Run) -> None:
    """Refuse a queue chosen for a run from which it would never be taken.

    Raises:
        Refused: there is no such queue, it needs a partition key that the run does not have, or no worker polls it.
    """
    partition = run.queue_partition if run.queue == queue else None
    why = queue_problem(
        queue,
        {known.name: known for known in ctx.store.queues(backlog=False)},
        ctx.presence(),
        Need(workflow=run.workflow, namespace=run.namespace),
        partition=partition,
    )
    if why is not None:
        raise Refused(why)


def queue_problem(
    queue: str, known: dict[str, QueueInfo], seen: Presence, need: Need, *, partition: str | None = None
) -> str | None:
    """Return why a run put on a queue would wait for ever, in words; None where it would not. Pure.

    Args:
        known: queues by name, as the store has them.
        need: what the run asks, its queue apart.
    """
    info = known.get(queue)
    registered = info is not None and info.registered
    # Queues declared in code are in no table: a worker that listens to it, or runs on it, are the only signs.
    listened = any(queue in executor.queues for executor in seen.live)
    if not registered and not listened and queue not in OUR_QUEUES:
        return f"There is no queue {queue!r}. Register it first, or leave it out."
    if info is not None and info.partitioned and partition is None:
        return (
            f"Queue {queue!r} is partitioned, and a run without a partition key is never taken from it. "
            "Choose another queue, or enqueue the run from the application with a key."
        )
    if not seen.known:
        return None
    found = place(Need(workflow=need.workflow, namespace=need.namespace, queue=queue), seen.live)
    if found.shortage == "queue_unpolled":
        return f"No live worker that has workflow {need.workflow!r} polls queue {queue!r}. Choose another queue."
    return None


def refuse_undone(ctx: ActionContext, run: Run, verb: str) -> None:
    """Refuse what must not happen to a run that was undone, or is being undone.

    Raises:
        Refused: it was.
    """
    if run.undo_id is None:
        return
    if run.status == "cancelling":
        raise Refused(f"The run is being undone, so it cannot be {verb}. See {run.undo_id}.")
    undo = ctx.store.get_run(run.undo_id)
    if undo is not None and undo.status == "cancelled" and ctx.store.last_step_number(undo.id) is None:
        return  # cancelled before it did anything
    raise Refused(
        f"The run was undone by {run.undo_id}, so it cannot be {verb}. Fork it from step 1, so that what was undone is "
        "done again, or retry it with input."
    )
