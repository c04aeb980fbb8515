"""A row of ``workflow_status`` as a ``Run``. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from otel_bridge.model.names import DEAD_LETTER_PREFIX, INTERNAL_QUEUE, UNDO_PREFIX
from otel_bridge.model.runs import ROUNDING_MS, Run, Waiting
from otel_bridge.model.status import ENGINE_FAILED, ENGINE_OPEN, STATUSES, status_of
from otel_bridge.store.cells import plain, unreadable, unreadable_columns
from otel_bridge.store.waiting import ran_before


class RunRecord(NamedTuple):
    """A run's row, in the order that it is selected: the engine's columns by their names, then the linked runs' status.

    ``undo`` and ``dead_letter`` are the engine's words for the status of the run's undo and of its dead-letter
    handler; None where there is none.
    """

    workflow_uuid: str
    status: str | None
    name: str | None
    created_at: int
    updated_at: int
    started_at_epoch_ms: int | None
    completed_at: int | None
    application_version: str | None
    class_name: str | None
    config_name: str | None
    queue_name: str | None
    queue_partition_key: str | None
    executor_id: str | None
    recovery_attempts: int | None
    application_name: str | None
    parent_workflow_id: str | None
    forked_from: str | None
    schedule_name: str | None
    serialization: str | None
    deduplication_id: str | None
    priority: int | None
    delay_until_epoch_ms: int | None
    workflow_deadline_epoch_ms: int | None
    authenticated_user: str | None
    attributes: str | None
    undo: str | None
    dead_letter: str | None


LINKED: Mapping[str, str] = {"undo": UNDO_PREFIX, "dead_letter": DEAD_LETTER_PREFIX}
"""Fields of a record that tell of another run, and what stands before the run's id in that one's."""
RUN_COLUMNS = tuple(name for name in RunRecord._fields if name not in LINKED)
"""The engine's columns of a record, in order."""
_REQUIRED = frozenset({RUN_COLUMNS.index("created_at"), RUN_COLUMNS.index("updated_at")})


def attributes_of(text: str | None) -> Mapping[str, object]:
    """Return a run's attributes; none where the text is not a JSON object."""
    if text is None:
        return {}
    try:
        value = json.loads(text, parse_constant=_not_json)
    except (ValueError, TypeError, RecursionError):  # SQLite keeps whatever it is given
        return {}
    return value if isinstance(value, dict) else {}


def _not_json(_: str) -> float:
    """Read NaN and the infinities, which are not JSON although Python writes them, as a value that is never one."""
    return float("nan")


def run_of(row: RunRecord) -> Run:
    """Return the run of a row; what it waits for, its undo and its handler are not looked at yet (see ``settle``)."""
    broken: tuple[str, ...] = ()
    if unreadable(row):
        broken, row = unreadable_columns(row, RUN_COLUMNS), RunRecord._make(plain(row, _REQUIRED))
    status = status_of(row.status)
    delayed = row.status == "DELAYED"
    wake = row.delay_until_epoch_ms if delayed else None
    finished = row.updated_at if row.completed_at is None else row.completed_at
    run = Run(
        id=row.workflow_uuid,
        workflow=row.name or "",
        status=status,
        created_at_ms=row.created_at,
        updated_at_ms=row.updated_at,
        started_at_ms=row.started_at_epoch_ms,
        finished_at_ms=finished if STATUSES[status].ended else None,
        workflow_version=row.application_version,
        class_name=row.class_name,
        config_name=row.config_name,
        queue=row.queue_name,
        queue_partition=row.queue_partition_key,
        executor=row.executor_id or None,
        recovery_attempts=row.recovery_attempts or 0,
        namespace=row.application_name,
        parent_id=row.parent_workflow_id,
        forked_from=row.forked_from,
        schedule=row.schedule_name,
        serialization=row.serialization,
        deduplication_id=row.deduplication_id,
        priority=row.priority or 0,
        wake_at_ms=wake,
        delayed_until_ms=row.delay_until_epoch_ms,
        deadline_at_ms=row.workflow_deadline_epoch_ms,
        authenticated_user=row.authenticated_user or None,
        attributes=attributes_of(row.attributes),
        unreadable=broken,
    )
    if status != "pending":
        return run
    since_ms = run.created_at_ms if delayed else run.enqueued_at_ms
    return replace(run, waiting=Waiting("delay" if delayed else "queue", run.queue, since_ms, wake))


def may_have_run_before(run: Run) -> bool:
    """Say whether only the run's first step tells that it was executed before the start that its row has.

    A fork begins with steps that are older than itself.
    """
    if run.queue in (None, INTERNAL_QUEUE) or run.forked_from is not None or run.recovery_attempts > 1:
        return False
    if run.status == "pending":
        return run.recovery_attempts == 0 and run.wake_at_ms is None
    return run.started_at_ms is not None and run.started_at_ms - run.created_at_ms > ROUNDING_MS


def overlay_first_step(run: Run, first_step_ms: int | None) -> Run:
    """Return the run with what the start of its first step tells: see ``Run.ran_before``."""
    if not ran_before(run.started_at_ms, first_step_ms):
        return run
    run = replace(run, ran_before=True)
    return run if run.waiting is None else replace(run, waiting=replace(run.waiting, since_ms=run.enqueued_at_ms))


def overlay_forgotten_start(run: Run, first_step_ms: int | None) -> Run:
    """Return a run whose start its row forgot with when its first step began; a fork's is older than it."""
    if first_step_ms is None or run.forked_from is not None or not run.start_is_forgotten:
        return run
    return replace(run, first_step_at_ms=first_step_ms)


def settle(run: Run, row: RunRecord, waiting: Waiting | None) -> Run:
    """Return the run with what else is known of it: what it waits for, its undo and its dead-letter handler."""
    if waiting is None and row.undo is None and row.dead_letter is None:
        return run
    status, wake = run.status, run.wake_at_ms
    if waiting is not None and status == "running":
        status = "suspended"
        if waiting.on == "sleep":
            wake = waiting.until_ms
    else:
        waiting = run.waiting
    if row.undo in ENGINE_OPEN and status != "completed":
        # one that was not picked up yet keeps its place in the queue until it is cancelled
        status, waiting = "cancelling", waiting if run.status == "pending" else None
    return replace(
        run,
        status=status,
        waiting=waiting,
        wake_at_ms=wake,
        undo_id=UNDO_PREFIX + run.id if row.undo is not None else None,
        undo_stuck=row.undo in ENGINE_FAILED,
        dead_letter_id=DEAD_LETTER_PREFIX + run.id if row.dead_letter is not None else None,
    )
