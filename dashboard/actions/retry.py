"""Retry: makes an ended run live again under its own id, from where it failed. Also re-dispatches what was lost."""

from __future__ import annotations

from collections.abc import Sequence

from dbos import DBOSClient
from dbos import error as dbos_error

from dashboard.actions.context import Desk, Outcome
from dashboard.actions.messages import keep_mail
from dashboard.errors import Refused
from otel_bridge.codec import decode_error
from otel_bridge.errors import LedgerError
from otel_bridge.model.runs import Run
from otel_bridge.model.status import CANCELLABLE_STATUSES, RETRIABLE_STATUSES
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue
from otel_bridge.spans import owed_life

MAX_DEPTH = 25


def retry(desk: Desk, run_id: str, *, actor: str, queue: str | None = None) -> Outcome:
    """Retry a run.

    failed: rewound to the step that failed, failed children first. dead, cancelled: resumed. Held by a lost executor:
    put back on its queue. Pending already: nothing to do.

    Raises:
        NotFound: there is no such run.
        Refused: it completed, was undone, or is at work.
    """
    with desk.audited(actor, "retry", run_id, queue=queue):
        desk.run(run_id)
        if queue is not None and queue not in {known.name for known in desk.store.queues() if known.registered}:
            raise Refused(f"There is no queue {queue!r}. Register it first, or leave it out to keep the run's own.")
        return _retry(desk, run_id, queue, depth=0)


def _retry(desk: Desk, run_id: str, queue: str | None, *, depth: int) -> Outcome:
    with desk.alone(run_id):
        run = desk.run(run_id)
        refuse_undone(desk, run, "retried")
        if run.status == "pending":
            return Outcome(run)
        if run.status == "completed":
            raise Refused("The run completed. Fork it, or start it again with an input of your own.")
        if run.status in CANCELLABLE_STATUSES:
            return _redispatch(desk, run, queue)
        steps = desk.store.get_steps(run_id, errors=True) if run.status == "failed" else []
    if run.status == "failed":
        return _rewind(desk, run, steps, queue, depth)
    with desk.alone(run_id):
        return _resume(desk, desk.run(run_id), queue)


def refuse_undone(desk: Desk, run: Run, verb: str) -> None:
    """Refuse what must not happen to a run that was undone, or is being undone.

    Raises:
        Refused: it was.
    """
    if run.undo_id is None:
        return
    if run.status == "cancelling":
        raise Refused(f"The run is being undone, so it cannot be {verb}. See {run.undo_id}.")
    undo = desk.store.get_run(run.undo_id)
    if undo is not None and undo.status == "cancelled" and not desk.store.get_steps(undo.id):
        return  # cancelled before it did anything
    raise Refused(f"The run was undone by {run.undo_id}, so it cannot be {verb}. Fork it, or retry with input.")


# -- failed ------------------------------------------------------------------------------------------------


def _rewind(desk: Desk, run: Run, steps: Sequence[Step], queue: str | None, depth: int) -> Outcome:
    error = desk.store.get_payload(run.id, "error", cap_bytes=None)
    start = rewind_point(steps, error)
    if start < 1:
        raise Refused("The run failed in step 0, and the engine can rewind to step 1 at the earliest. Fork it instead.")
    notes: list[str] = []
    if depth < MAX_DEPTH:
        notes += _retry_children(desk, steps, start, depth)
    with desk.alone(run.id):
        now = desk.run(run.id)
        if now.status != "failed":
            return Outcome(now)  # somebody was quicker
        version, note = desk.version_for(run.workflow, namespace=run.namespace, current=run.workflow_version)
        onto, partition = desk.queue_for(run, queue)
        desk.remember_queue(run)
        unread = desk.store.unread_messages(run.id)
        revive(desk, now)
        with desk.engine.use(fast_queue=True) as client:
            try:
                client.rewind_workflow(
                    run.id,
                    start_step=start,
                    application_version=version,
                    queue_name=onto,
                    queue_partition_key=partition,
                )
            except dbos_error.DBOSException as problem:
                after = desk.run(run.id)
                if after.status in CANCELLABLE_STATUSES:
                    return Outcome(after)
                raise Refused(f"The engine did not rewind the run: {problem}") from problem
        notes += keep_mail(desk, run.id, unread)
    return Outcome(desk.run(run.id), (*notes, *([note] if note else [])))


def _retry_children(desk: Desk, steps: Sequence[Step], start: int, depth: int) -> list[str]:
    """Retry the ended children whose outcome the rewound parent will ask for again."""
    wanted = [step.child_run_id for step in steps if step.child_run_id and max((step.seq, *step.folded)) >= start]
    notes: list[str] = []
    for child in desk.store.get_runs(list(dict.fromkeys(wanted))).values():
        if child.status in RETRIABLE_STATUSES:
            notes += _retry(desk, child.id, None, depth=depth + 1).notes
    return notes


def revive(desk: Desk, run: Run) -> None:
    """Note in the ledger that an ended run is about to live again: its trace goes on, its webhooks are good again.

    What the bridge has not told of its present life is kept, for the engine deletes the rows.
    """
    steps = desk.store.get_steps(run.id, errors=True)
    error = desk.store.get_payload(run.id, "error") if run.status == "failed" else None
    try:
        past = desk.ledger.past_lives([run.id]).get(run.id, [])
        owed = owed_life(run, steps, error, desk.ledger.exported([run.id]).get(run.id), past)
        if owed is not None:
            desk.ledger.keep_life(owed)
        else:
            desk.ledger.bump_generation(run.id)
        desk.ledger.bump_count(run.id, "revived")
    except LedgerError as problem:
        raise Refused(f"The retry was not begun, for the ledger cannot be written: {problem}") from problem


def rewind_point(steps: Sequence[Step], error: StoredValue | None) -> int:
    """Return the step number to which a failed run is rewound.

    The step whose error the run died of; of steps that failed side by side with it, the first. A run that failed in its
    own code, with no failed step to blame, is replayed to its end and goes on from there.
    """
    failed = [step for step in steps if step.went_wrong]
    last = max((number for step in steps for number in (step.seq, *step.folded)), default=0)
    guilty = _guilty(failed, steps, error)
    if guilty is None:
        return last + 1
    together = guilty
    for step in sorted(failed, key=lambda step: step.seq, reverse=True):
        if _overlap(step, together) and recorded_at(step) < recorded_at(together):
            together = step
    return recorded_at(together)


def recorded_at(step: Step) -> int:
    """Return the number of the row that holds a step's outcome: for a child, where its result was asked for."""
    return max((step.seq, *step.folded)) if step.child_run_id else step.seq


def _guilty(failed: Sequence[Step], steps: Sequence[Step], error: StoredValue | None) -> Step | None:
    if not failed:
        return None
    if error is not None:
        same = [step for step in failed if step.error is not None and _same_error(step.error, error)]
        if same:
            return same[-1]
    last = max((step for step in steps if step.went_wrong or not step.housekeeping), key=recorded_at)
    return last if last.went_wrong else None


def _same_error(one: StoredValue, other: StoredValue) -> bool:
    """Say whether two stored errors are the same one; a step's and its run's may be in different formats."""
    if one.serialization == other.serialization:
        return one.text == other.text
    left, right = decode_error(one), decode_error(other)
    names = [(error.type or "").rpartition(".")[2] for error in (left, right)]
    return left.message == right.message and names[0] == names[1]


def _overlap(one: Step, other: Step) -> bool:
    if one is other or None in (one.started_at_ms, one.finished_at_ms, other.started_at_ms, other.finished_at_ms):
        return False
    assert one.started_at_ms is not None  # told to the type checker: see the line above
    assert one.finished_at_ms is not None
    assert other.started_at_ms is not None
    assert other.finished_at_ms is not None
    return one.started_at_ms < other.finished_at_ms and other.started_at_ms < one.finished_at_ms


# -- dead, cancelled, lost ---------------------------------------------------------------------------------


def _resume(desk: Desk, run: Run, queue: str | None) -> Outcome:
    """Resume a dead or cancelled run: its steps stay, its counter of attempts starts anew."""
    if run.status not in ("dead", "cancelled"):
        return Outcome(run)
    version, note = desk.version_for(run.workflow, namespace=run.namespace, current=run.workflow_version)
    onto, partition = desk.queue_for(run, queue)
    notes = [note] if note else []
    revive(desk, run)
    with desk.engine.use(fast_queue=True) as client:
        if version == run.workflow_version:
            client.resume_workflow(run.id, queue_name=onto)
        else:
            # The engine's resume keeps the version, and no worker has that one any more. A rewind to behind the last
            # step keeps every step too, and takes a version.
            steps = desk.store.get_steps(run.id)
            last = max((number for step in steps for number in (step.seq, *step.folded)), default=0)
            unread = desk.store.unread_messages(run.id)
            client.rewind_workflow(
                run.id,
                start_step=last + 1,
                application_version=version,
                queue_name=onto,
                queue_partition_key=partition,
            )
            notes += keep_mail(desk, run.id, unread)
    return Outcome(desk.run(run.id), tuple(notes))


def redispatch(desk: Desk, run_id: str, *, actor: str, forced: bool = False) -> tuple[Outcome, bool]:
    """Put a run back on its queue when the executor that held it is lost.

    Args:
        forced: do so although nobody reports presence, because the caller knows that the executor is gone.

    Returns:
        The outcome, and whether anything was done: a run that is pending already needs nothing.

    Raises:
        NotFound: there is no such run.
        Refused: it has ended, or its executor is alive, or nobody knows.
    """
    with desk.audited(actor, "redispatch", run_id, forced=forced or None):
        with desk.alone(run_id):
            run = desk.run(run_id)
            refuse_undone(desk, run, "re-dispatched")
            if run.status == "pending":
                return Outcome(run), False
            if run.status not in CANCELLABLE_STATUSES:
                raise Refused(f"The run is {run.status}: no executor holds it. Retry it instead.")
            return _redispatch(desk, run, None, forced=forced), True


def _redispatch(desk: Desk, run: Run, queue: str | None, *, forced: bool = False) -> Outcome:
    seen = desk.presence()
    if not forced and not seen.is_lost(run) and not swallowed_by(desk, run):
        if not seen.known:
            raise Refused(
                f"The run is {run.status}, and no executor reports presence, so nobody knows whether the one that "
                "holds it is alive. Cancel the run, then retry it; or re-dispatch it with force."
            )
        raise Refused(
            f"The run is {run.status} on a live executor ({run.executor}). Cancel it first, or let it finish."
        )
    onto, partition = desk.queue_for(run, queue)
    desk.remember_queue(run)
    version, note = desk.version_for(run.workflow, namespace=run.namespace, current=run.workflow_version)
    swallowed = swallowed_by(desk, run) is not None
    if swallowed and note is not None:
        raise Refused(f"{note} It was taken by a worker that lacks it; start one that has it, then re-dispatch.")
    with desk.engine.use(fast_queue=True) as client:
        if swallowed and version != run.workflow_version:
            move_unbegun(client, run.id, version, onto, partition)
        else:
            client.resume_workflow(run.id, queue_name=onto)
    return Outcome(desk.run(run.id), (note,) if note else ())


def move_unbegun(
    client: DBOSClient, run_id: str, version: str | None, queue: str, partition: str | None = None
) -> None:
    """Put a run of which nothing ran on a queue, for another version.

    Cancelled first, for only an ended run can be given another version.
    """
    client.cancel_workflow(run_id)
    client.rewind_workflow(
        run_id, start_step=1, application_version=version, queue_name=queue, queue_partition_key=partition
    )


def swallowed_by(desk: Desk, run: Run) -> str | None:
    """Return the live executor that took a run it cannot run, if that is what happened.

    The engine marks such a run as executing and forgets it. The sign: no step, and the executor that holds it reports
    presence, does not know the workflow, and executes nothing of it.
    """
    seen = desk.presence()
    holders = [executor for executor in seen.live if executor.executor_id == run.executor]
    if not holders or run.status != "running" or seen.in_flight(run.id):
        return None
    if any(not executor.workflows or run.workflow in executor.workflows for executor in holders):
        return None
    return None if desk.store.get_steps(run.id) else holders[0].instance_id
