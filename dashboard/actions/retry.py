"""Retry: makes an ended run live again under its own id, from where it failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from dbos import error as dbos_error

from dashboard.actions.checks import check_queue, refuse_undone
from dashboard.actions.context import ActionContext, Audited, Outcome
from dashboard.actions.destination import Destination, queue_to_remember
from dashboard.actions.kept import attempt_of
from dashboard.actions.locks import RunLock
from dashboard.actions.messages import resend_unread_messages
from dashboard.actions.recorded import RecordedSteps
from dashboard.actions.redispatch import put_back
from dashboard.actions.rewind import last_recorded, rewind_point
from dashboard.errors import Refused
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Failure
from otel_bridge.model.runs import Run
from otel_bridge.model.status import CANCELLABLE_STATUSES, RETRIABLE_STATUSES
from otel_bridge.model.steps import Step
from otel_bridge.model.values import ERROR_CAP_BYTES, StoredValue
from otel_bridge.runs.attempts import ENDED_AS, ENDED_AT, PUT_BACK
from otel_bridge.runs.children import ChildRequeues
from otel_bridge.runs.failing import recorded_at
from otel_bridge.spans import life_to_keep
from otel_bridge.store.base import StateStore

MAX_DEPTH = 25
AT_ONCE = 1_000
"""Children looked at together: those that completed are let go again."""


def retry(ctx: ActionContext, run_id: str, *, actor: str, queue: str | None = None) -> Outcome:
    """Retry a run.

    failed: rewound to the step that failed, failed children first. dead, cancelled: resumed. Held by a lost executor:
    put back on its queue. Pending already: nothing to do.

    Args:
        queue: where to; None keeps the run's own.

    Raises:
        NotFound: there is no such run.
        Refused: it completed, was undone, is at work, or waits on another queue than the one chosen.
        Unprocessable: nobody would ever take it from the chosen queue.
        Forbidden: the host's policy does not allow it of this run, or of a failed child that is retried first.
    """
    return _retry(ctx, run_id, queue, actor=actor)


@dataclass(frozen=True, slots=True)
class Ended:
    """An ended run with what decides how it lives again, all read under its lock."""

    run: Run
    steps: Sequence[Step]
    error: StoredValue | None


def _retry(
    ctx: ActionContext, run_id: str, queue: str | None, *, actor: str, depth: int = 0, parent: str | None = None
) -> Outcome:
    """Retry the failed children, each an action of its own in the audit log, then the run."""
    with ctx.audited(actor, "retry", run_id, queue=queue, parent=parent) as audited:
        outcome = _retry_bottom_up(ctx, run_id, queue, actor=actor, depth=depth, audited=audited)
    return replace(outcome, audited=audited.entry)


def _retry_bottom_up(
    ctx: ActionContext, run_id: str, queue: str | None, *, actor: str, depth: int, audited: Audited
) -> Outcome:
    """Look at the run as a whole, under its lock, until nothing but itself is left to retry.

    The lock is not held while the children are retried (each takes its own), so whatever was read before is stale
    afterwards: another retry or an undo may have come in between. Therefore everything is read and decided again.
    """
    tried: set[str] = set()
    notes: list[str] = []
    while True:
        with ctx.alone(run_id) as lock:
            run = ctx.run(run_id)
            ctx.permission.require("retry", run)
            refuse_undone(ctx, run, "retried")
            if run.status == "pending" or (tried and run.status not in RETRIABLE_STATUSES):
                audited.outcome = "unchanged"
                return _already(run, queue, notes)
            if run.status == "completed":
                raise Refused("The run completed. Fork it, or start it again with an input of your own.")
            if queue is not None:
                check_queue(ctx, queue, run)
            if run.status in CANCELLABLE_STATUSES:
                audited.params[PUT_BACK] = True
                return put_back(ctx, lock, run, at_ms=audited.at_ms, queue=queue)
            ended = _read(ctx.store, run)
            start = _start_of(ended)
            every = ctx.permission.store or ctx.store  # a child that the caller may not see is refused, not left out
            children = _ended_children(every, ended, start) if depth < MAX_DEPTH else []
            waiting = [child.id for child in children if child.id not in tried]
            if waiting:
                ctx.permission.require_reach("retry", partial(retried_with, run=run, depth=depth))
            if not waiting:
                audited.params |= {ENDED_AS: run.status, ENDED_AT: _ended_at_ms(run)}
                return _revive_and_enqueue(ctx, lock, ended, start, queue, notes, at_ms=audited.at_ms)
        for child in waiting:
            tried.add(child)
            notes += _retry(ctx, child, None, actor=actor, depth=depth + 1, parent=run_id).notes


def _already(run: Run, queue: str | None, notes: Sequence[str]) -> Outcome:
    """Answer for a run that is on its way already: retrying twice is once."""
    if run.status == "pending" and queue is not None and queue != run.queue:
        raise Refused(f"The run already waits on queue {run.queue!r}. Cancel it, then retry it onto {queue!r}.")
    return Outcome(run, tuple(notes))


# -- what there is ----------------------------------------------------------------------------------------------


def _read(store: StateStore, run: Run) -> Ended:
    error = store.get_payload(run.id, "error", cap_bytes=ERROR_CAP_BYTES) if run.status == "failed" else None
    return Ended(run, RecordedSteps.read(store, run.id), error)


def _start_of(ended: Ended) -> int:
    """Return the step to which the run is rewound; for a run that did not fail, the one after its last."""
    if ended.run.status != "failed":
        return last_recorded(ended.steps) + 1
    start = rewind_point(ended.steps, ended.error)
    if start < 1:
        raise Refused("The run failed in step 0, and the engine can rewind to step 1 at the earliest. Fork it instead.")
    return start


def _ended_children(store: StateStore, ended: Ended, start: int) -> list[Run]:
    """Return the ended children whose outcome the rewound parent will ask for again."""
    if ended.run.status != "failed":
        return []
    wanted = list(
        dict.fromkeys(step.child_run_id for step in ended.steps if step.child_run_id and recorded_at(step) >= start)
    )
    found: list[Run] = []
    for at in range(0, len(wanted), AT_ONCE):
        children = store.get_runs(wanted[at : at + AT_ONCE]).values()
        found += (child for child in children if child.status in RETRIABLE_STATUSES)
    return found


def retried_with(store: StateStore, run: Run, *, depth: int = 0) -> Iterator[Run]:
    """Yield the runs that a retry makes live again besides the run itself: failed children, and theirs."""
    met = {run.id}
    waiting = [(run, depth)]
    while waiting:
        parent, at = waiting.pop()
        ended = _read(store, parent)
        with suppress(Refused):  # one that cannot be rewound retries nothing: it is refused when its turn comes
            for child in _ended_children(store, ended, _start_of(ended)):
                if child.id not in met:
                    met.add(child.id)
                    yield child
                    if at + 1 < MAX_DEPTH:
                        waiting.append((child, at + 1))


# -- how it lives again -----------------------------------------------------------------------------------------


def _revive_and_enqueue(
    ctx: ActionContext,
    lock: RunLock,
    ended: Ended,
    start: int,
    queue: str | None,
    notes: Sequence[str],
    *,
    at_ms: int,
) -> Outcome:
    run = ended.run
    aim = ctx.aim(run, queue)
    # The engine's resume keeps the version. When no worker has that one any more, a rewind to after the last step
    # keeps every step too, and takes a version.
    resumes = run.status != "failed" and aim.version == run.workflow_version
    unread = [] if resumes else ctx.store.unread_messages(run.id)
    lock.fence()
    failure = _failure_of(ctx, ended)
    where = aim.at(revive(ctx, ended, failure, at_ms=at_ms))
    lock.fence()
    if resumes:
        with ctx.engine.use(fast_queue=True) as client:
            client.resume_workflow(run.id, queue_name=where.queue)
    elif (quicker := _rewind(ctx, run, start, where)) is not None:
        return Outcome(quicker, tuple(notes))
    kept = resend_unread_messages(ctx, run.id, unread)
    return Outcome(ctx.run(run.id), (*notes, *kept, *where.notes, *_timeout_note(run)), failure=failure)


def _rewind(ctx: ActionContext, run: Run, start: int, where: Destination) -> Run | None:
    """Rewind the run; return it as it is where somebody was quicker."""
    with ctx.engine.use(fast_queue=True) as client:
        try:
            client.rewind_workflow(
                run.id,
                start_step=start,
                application_version=where.version,
                queue_name=where.queue,
                queue_partition_key=where.partition,
            )
        except dbos_error.DBOSException as problem:
            after = ctx.run(run.id)
            if after.status in CANCELLABLE_STATUSES:
                return after
            raise Refused(f"The engine did not rewind the run: {problem}") from problem
    return None


def _timeout_note(run: Run) -> list[str]:
    """Say what becomes of a timeout that ended the run: the engine keeps its length and starts it again."""
    if run.deadline_at_ms is None or run.status != "cancelled" or _ended_at_ms(run) < run.deadline_at_ms - 1000:
        return []
    return [
        "The run was cancelled by its timeout. It gets the same timeout again, counted from when a worker takes it; "
        "for a longer one, fork it or start it again from the application."
    ]


def _ended_at_ms(run: Run) -> int:
    return run.finished_at_ms if run.finished_at_ms is not None else run.updated_at_ms


def _failure_of(ctx: ActionContext, ended: Ended) -> Failure | None:
    """Return why the run failed, to be recorded before the engine deletes it; made of what was read for the retry."""
    if ctx.failures is None or ended.run.status != "failed":
        return None
    return ctx.failures.failure_of(ended.run, ended.steps, ended.error)


def revive(ctx: ActionContext, ended: Ended, failure: Failure | None, *, at_ms: int) -> str | None:
    """Note in the ledger that an ended run is about to live again: its trace continues, its webhooks are good again.

    What the bridge has not exported of its present life is kept, because the engine deletes the rows, and its queue,
    because the engine forgets it. Returns the queue that it was first put on, as far as the ledger knows.

    Raises:
        Refused: the ledger cannot be written, so the retry would lose a part of the run's trace.
    """
    run = ended.run
    try:
        steps = ChildRequeues(ctx.ledger, ended.steps).over(ended.steps, since_ms=run.created_at_ms)
        return ctx.ledger.begin_life(
            run.id,
            lambda exported, lives: life_to_keep(run, steps, ended.error, exported, lives),
            queue=queue_to_remember(run),
            attempt=attempt_of(run, steps, ended.error, at_ms=at_ms),
            failure=failure,
        )
    except LedgerError as problem:
        raise Refused(f"The retry was not begun, because the ledger cannot be written: {problem}") from problem
