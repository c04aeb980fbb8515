"""From the store's models to the wire's shapes. Pure: no clock, file, socket or database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from dashboard.wire.base import iso
from dashboard.wire.runs import (
    ActivityBucket,
    ActivityView,
    AttemptStep,
    AttemptView,
    BlockedView,
    DealtWithView,
    ErrorView,
    FacetView,
    RunRow,
    StepView,
    WaitingView,
)
from dashboard.wire.stream import EventView
from otel_bridge.codec import Codec
from otel_bridge.ledger.base import ExportedRun
from otel_bridge.model.events import LifecycleEvent
from otel_bridge.model.runs import ROUNDING_MS, Activity, Facet, Run, Waiting
from otel_bridge.model.status import RUN_STATUSES
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.allowed import allowed_actions
from otel_bridge.runs.attempts import Attempt
from otel_bridge.runs.presence import Presence
from otel_bridge.spans import ids

DAMAGED_STEP = "The step's row is damaged: columns of it hold what they do not declare. What can be read is shown."
HIDDEN_ATTRIBUTES = ("dbos.", "durable.")


def tags_of(attributes: Mapping[str, object]) -> list[str]:
    """Return a run's tags: the strings of its ``tags`` attribute."""
    tags = attributes.get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def search_attributes_of(attributes: Mapping[str, object]) -> dict[str, Any]:
    """Return a run's scalar attributes, less its tags and what this product and the engine keep there."""
    return {
        key: value
        for key, value in attributes.items()
        if key != "tags"
        and not key.startswith(HIDDEN_ATTRIBUTES)
        and (value is None or isinstance(value, (str, int, float, bool)))
    }


def waiting_view(waiting: Waiting | None) -> WaitingView | None:
    """Return what a run waits for, for the wire."""
    if waiting is None:
        return None
    return WaitingView(
        on=waiting.on,
        name=waiting.name,
        since=iso(waiting.since_ms) or "",
        until=iso(waiting.until_ms),
        seq=waiting.seq,
    )


def run_rounded_ms(run: Run) -> int | None:
    """Return to what a run's stamps were cut down; None where they are of a millisecond.

    SQLite with Python before 3.12 keeps whole seconds. That no stamp of a run has milliseconds is not a coincidence.
    """
    stamps = (run.created_at_ms, run.updated_at_ms, run.started_at_ms, run.finished_at_ms)
    return ROUNDING_MS if all(stamp is None or stamp % ROUNDING_MS == 0 for stamp in stamps) else None


def error_of(run: Run) -> ErrorView | None:
    """Return the error of a run that has failed, as a list shows it."""
    if run.error is None or run.status != "failed":
        return None
    error = run.error
    return ErrorView(message=error.message, type=error.type, step=error.step, fingerprint=error.fingerprint)


def run_fields(
    run: Run, *, seen: Presence, codec: Codec, namespace: str, dealt_with: DealtWithView | None = None
) -> dict[str, Any]:
    """Return the members that a run's row and a run's detail share; see ``run_row``."""
    attributes = codec.show_members(run.attributes) if run.attributes else {}
    return {
        "id": run.id,
        "workflow": run.workflow,
        "workflow_version": run.workflow_version,
        "status": run.status,
        "waiting": waiting_view(run.waiting),
        "blocked": None if run.blocked is None else BlockedView(**asdict(run.blocked)),
        "wake_at": iso(run.wake_at_ms),
        "queue": run.queue,
        "executor": run.executor,
        "recovery_attempts": run.recovery_attempts,
        "tags": tags_of(attributes),
        "search_attributes": search_attributes_of(attributes),
        "namespace": run.namespace,
        "parent_id": run.parent_id,
        "forked_from": run.forked_from,
        "schedule": run.schedule,
        "dead_letter_id": run.dead_letter_id,
        "dead_run_id": run.dead_run_id,
        "undo_id": run.undo_id,
        "undo_stuck": run.undo_stuck or None,
        "undoes_id": run.undoes_id,
        "created_at": iso(run.created_at_ms),
        "started_at": iso(run.started_at_ms),
        "updated_at": iso(run.updated_at_ms),
        "finished_at": iso(run.finished_at_ms),
        "deadline_at": iso(run.deadline_at_ms),
        "timed_out": run.timed_out or None,
        "duration_ms": run.duration_ms,
        "queue_ms": run.queue_ms,
        "rounded_ms": run_rounded_ms(run),
        "trace_id": ids.trace_id(run.id, namespace=namespace).hex(),
        "error": error_of(run),
        "dealt_with": dealt_with,
        "allowed": allowed_actions(run, seen),
        "unreadable": unreadable_sentence(run),
    }


def unreadable_sentence(run: Run) -> str | None:
    """Return what is shown of a run whose row is damaged."""
    if not run.unreadable:
        return None
    return (
        f"The run's row is damaged: {', '.join(run.unreadable)} hold what these columns do not declare. "
        "No trace is exported of it. Correct the row, or delete the run."
    )


def attempt_view(
    attempt: Attempt, *, is_last: bool, show_error: Callable[[StoredValue | None], ErrorView | None]
) -> AttemptView:
    """Return one attempt of a run for the wire; ``show_error`` reads stored errors."""
    steps = [
        AttemptStep(
            seq=step.seq,
            name=step.name,
            kind=step.kind,
            status=step.status,
            started_at=iso(step.started_at_ms),
            ended_at=iso(step.finished_at_ms),
            duration_ms=step.duration_ms,
            child_run_id=step.child_run_id,
            housekeeping=step.housekeeping,
            error=show_error(step.error),
        )
        for step in attempt.steps
    ]
    return AttemptView(
        n=attempt.n,
        enqueued_at=iso(attempt.enqueued_at_ms),
        started_at=iso(attempt.started_at_ms),
        ended_at=iso(attempt.ended_at_ms),
        outcome=attempt.outcome,
        executor=attempt.executor,
        cause=attempt.cause,
        by=attempt.by,
        error=show_error(attempt.error),
        steps=None if is_last else steps,
        steps_total=attempt.steps_total if attempt.steps_total > len(attempt.steps) else None,
    )


def run_row(
    run: Run, *, seen: Presence, codec: Codec, namespace: str = "", dealt_with: DealtWithView | None = None
) -> RunRow:
    """Return a run as listed.

    Args:
        run: as presence shows it.
        seen: who is alive: decides what may be done to it.
        codec: hides attributes.
        namespace: the trace ids' setting, not the run's application.
        dealt_with: why its failure is of no concern any more.
    """
    return RunRow(**run_fields(run, seen=seen, codec=codec, namespace=namespace, dealt_with=dealt_with))


def step_generation(seq: int, exported: ExportedRun | None) -> int:
    """Return the generation that a step ran in: what was exported tells, else it is the run's current one.

    A step that a fork copied ran in the original: its number in this run belongs to the first generation.
    """
    if exported is None:
        return 0
    return max(0, exported.steps[seq][1]) if seq in exported.steps else exported.generation


def step_view(
    step: Step,
    *,
    namespace: str = "",
    exported: ExportedRun | None = None,
    source: tuple[str, int] | None = None,
    parallel_group: int | None = None,
    error: ErrorView | None = None,
    **payloads: Any,
) -> StepView:
    """Return a step for the wire.

    Args:
        exported: what the ledger knows of the run that recorded the step.
        source: run and number under which the step was recorded, where the timeline shows it under others.
        payloads: ``input``, ``output``, ``truncated``, ``payload_formats``, where they were read.
    """
    source_id, source_seq = source or (step.run_id, step.seq)
    generation = step_generation(source_seq, exported)
    return StepView(
        run_id=step.run_id,
        seq=step.seq,
        name=step.name,
        kind=step.kind,
        status=step.status,
        step_id=f"{step.run_id}:{step.seq}",
        worker_group=step.worker_group,
        executor=step.executor,
        attempts=step.attempts,
        enqueued_at=iso(step.enqueued_at_ms),
        started_at=iso(step.started_at_ms),
        finished_at=iso(step.finished_at_ms),
        duration_ms=step.duration_ms,
        queue_ms=step.queue_ms,
        collect_ms=step.collect_ms,
        child_run_id=step.child_run_id,
        parallel_group=parallel_group,
        housekeeping=step.housekeeping,
        wake_at=iso(step.wake_at_ms),
        waits_on=step.waits_on,
        key=step.key,
        compensates=step.compensates,
        error=error,
        span_id=ids.step_span_id(source_id, source_seq, generation=generation, namespace=namespace).hex(),
        unreadable=DAMAGED_STEP if step.unreadable else None,
        **payloads,
    )


def facet_view(facet: Facet) -> FacetView:
    """Return a count for the wire."""
    return FacetView(status=facet.status, workflow=facet.workflow, count=facet.count, exact=facet.exact)


def event_view(event: LifecycleEvent, event_id: int, *, run: RunRow | None, step: StepView | None) -> EventView:
    """Return a lifecycle event for the wire."""
    return EventView(
        id=event_id,
        type=event.type,
        run_id=event.run_id,
        workflow=event.workflow,
        seq=event.seq,
        name=event.name,
        kind=event.kind,
        status=event.status,
        duration_ms=event.duration_ms,
        queue_ms=event.queue_ms,
        error=None if event.error is None else ErrorView(message=event.error),
        at=iso(event.at_ms) or "",
        run=run,
        step=step,
    )


def activity_view(found: Activity) -> ActivityView:
    """Return counts by time."""
    grid, exact_from_ms = found.grid, found.exact_from_ms
    buckets = []
    for number, counts in enumerate(found.counts):
        begin_ms, _ = grid.bounds(number)
        buckets.append(
            ActivityBucket(
                at=iso(begin_ms) or "",
                counts={status: counts[status] for status in RUN_STATUSES if counts[status] > 0},
                exact=exact_from_ms is None or begin_ms >= exact_from_ms,
            )
        )
    return ActivityView(
        since=iso(grid.since_ms) or "", until=iso(grid.until_ms) or "", bucket_ms=grid.width_ms, buckets=buckets
    )
