"""What happened to a run between two looks at it, as lifecycle events. Pure: no clock, file, socket or database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from otel_bridge.codec import Codec
from otel_bridge.model.events import EventType, LifecycleEvent
from otel_bridge.model.runs import Run
from otel_bridge.model.status import STOPPED_STATUSES, RunStatus
from otel_bridge.model.steps import Step, StepStatus
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.overlay import is_cut_off_but_open

_ENDINGS: dict[str, EventType] = {
    "completed": "run.completed",
    "failed": "run.failed",
    "cancelling": "run.cancelling",
    "cancelled": "run.cancelled",
    "dead": "run.dead",
}
_STEP_EVENTS: dict[str, EventType] = {"running": "step.started", "completed": "step.completed"}
INTERRUPTED = "Interrupted: it may have had its effect."


def run_events(
    run: Run,
    before: Run | None,
    since_ms: int,
    *,
    ending: bool,
    error: Callable[[Run], str | None] | None = None,
    undone_at_ms: int | None = None,
    started_at_ms: int | None = None,
) -> list[LifecycleEvent]:
    """Return a run's own events: those that precede its steps', or (``ending``) those that follow them.

    Args:
        started_at_ms: when a run started whose row forgot it as it ended.
        undone_at_ms: when the run's undo ended; only then has the run that was undone come to its end.
    """

    def event(kind: EventType, at_ms: int, **more: object) -> LifecycleEvent:
        return LifecycleEvent(
            type=kind,
            run_id=run.id,
            workflow=run.workflow,
            at_ms=at_ms,
            queue_ms=run.queue_ms if kind == "run.started" else None,
            duration_ms=timed.duration_ms if ending and run.is_terminal else None,
            error=error(run) if error is not None and kind == "run.failed" else None,
            name=run.waiting.name if kind == "run.suspended" and run.waiting else None,
        )

    timed = run if started_at_ms is None else replace(run, began_at_ms=started_at_ms)
    status = _unblocked(run)
    was = _unblocked(before) if before is not None else None
    is_new = before is None and run.created_at_ms >= since_ms - 1_000
    lived = lived_meanwhile(run, before)
    revived = lived or (before is not None and before.is_terminal and not run.is_terminal)
    if not ending:
        events = []
        if is_new or (revived and status != "cancelling"):
            queued_ms = run.started_at_ms if lived and run.started_at_ms is not None else run.updated_at_ms
            events.append(event("run.pending", run.created_at_ms if is_new else queued_ms))
        taken_over = before is not None and _taken_over(run, before)
        left_queue = was == "pending" or is_new or revived or taken_over
        ran = status != "pending" and not (status in STOPPED_STATUSES and run.started_at_ms is None)
        if left_queue and ran and status != "cancelling":
            events.append(event("run.started", run.started_at_ms or run.created_at_ms))
        went_on = was == "suspended" and not run.is_terminal and not left_queue
        if before is not None and went_on and not _still_waits(run, before):
            events.append(event("run.resumed", run.updated_at_ms))
        return events
    if status == "suspended":
        if before is None or was != "suspended" or not _still_waits(run, before):
            since = run.waiting.since_ms if run.waiting else run.updated_at_ms
            return [event("run.suspended", since)] if before is not None or since >= since_ms - 1_000 else []
        return []
    if status not in _ENDINGS:
        return []
    at_ms = run.finished_at_ms or run.updated_at_ms
    if undo_missed(run, before):
        ends = [event("run.cancelling", at_ms), event(_ENDINGS[run.status], max(at_ms, undone_at_ms or 0))]
    elif run.status != was or lived:
        ends = [event(_ENDINGS[run.status], max(at_ms, undone_at_ms or 0))]
    else:
        return []
    return ends if before is not None or ends[-1].at_ms >= since_ms - 1_000 else []


def _unblocked(run: Run) -> RunStatus:
    """Return the status below ``blocked``: that nobody drives a run neither starts nor resumes it."""
    if run.status != "blocked":
        return run.status
    if run.is_queued or run.started_at_ms is None:
        return "pending"
    return "running" if run.waiting is None else "suspended"


def lived_meanwhile(run: Run, before: Run | None) -> bool:
    """True when a run that had ended was retried, executed and ended again between two looks at it.

    What is cancelled or given up has no start, so another life of it leaves no sign; an undo is not one.
    """
    if before is None or not (before.is_terminal and run.is_terminal) or run.undo_id is not None:
        return False
    return run.started_at_ms is not None and (run.status, run.started_at_ms) != (before.status, before.started_at_ms)


def _taken_over(run: Run, before: Run) -> bool:
    """True when a worker took an open run once more since: only that stamps its start."""
    if before.is_terminal or run.started_at_ms in (None, before.started_at_ms):
        return False
    return before.status == "blocked" or before.started_at_ms is not None


def undo_missed(run: Run, before: Run | None) -> bool:
    """True when an undo of the run began and ended between two looks at it: it was ``cancelling`` meanwhile."""
    return run.undo_id is not None and run.status != "cancelling" and (before is None or before.undo_id is None)


def _still_waits(run: Run, before: Run) -> bool:
    """True when the run keeps waiting for the same: then nothing has happened to it.

    A run that waits for its children one after the other only waits, whichever of them is named at the moment.
    """
    now, then = run.waiting, before.waiting
    if now is None or then is None or _unblocked(run) != _unblocked(before):
        return False
    return now.on == then.on == "child" or (now.on, now.seq, now.name) == (then.on, then.seq, then.name)


def step_events(
    run: Run,
    steps: list[Step],
    before: dict[int, StepStatus] | None,
    since_ms: int,
    *,
    codec: Codec,
    error_of: Callable[[str], StoredValue | None],
) -> list[LifecycleEvent]:
    """Return what happened to a run's steps.

    Args:
        codec: reads why they failed.
        error_of: the error of a child by its id: it failed before its run asked for its result, if that ever does.
    """
    events: list[LifecycleEvent] = []
    for step in steps:
        was = before.get(step.seq) if before is not None else None
        if step.status == was or step.status == "pending" or is_cut_off_but_open(step):
            continue
        if before is None and (step.recorded_at_ms or step.finished_at_ms or step.started_at_ms or 0) < since_ms:
            continue
        kind = _STEP_EVENTS.get(step.status, "step.failed")
        at_ms = step.started_at_ms if kind == "step.started" else step.finished_at_ms
        events.append(
            LifecycleEvent(
                type=kind,
                run_id=run.id,
                workflow=run.workflow,
                at_ms=at_ms if at_ms is not None else run.updated_at_ms,
                seq=step.seq,
                name=step.name,
                kind=step.kind,
                status=step.status,
                duration_ms=step.duration_ms if kind != "step.started" else None,
                queue_ms=step.queue_ms,
                error=_why(step, codec, error_of) if kind == "step.failed" else None,
            )
        )
    return sorted(events, key=lambda event: event.at_ms)


def _why(step: Step, codec: Codec, error_of: Callable[[str], StoredValue | None]) -> str | None:
    if step.status == "interrupted":
        return INTERRUPTED
    not_asked_for = step.child_run_id if step.error is None and not step.has_error else None
    return message_of(step.error if not_asked_for is None else error_of(not_asked_for), codec)


def message_of(value: StoredValue | None, codec: Codec) -> str | None:
    """Return a stored error's message as it may be shown."""
    return codec.decode_error(value).message if value is not None else None
