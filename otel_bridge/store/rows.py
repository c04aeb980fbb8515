"""A row of ``workflow_status`` as a ``Run``. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from otel_bridge.model.names import DEAD_LETTER_PREFIX, UNDO_PREFIX
from otel_bridge.model.runs import Run, Waiting
from otel_bridge.model.status import ENGINE_OPEN, STATUSES, status_of
from otel_bridge.store.waiting import DEAD_LETTER_STATUS, UNDO_STATUS


def attributes_of(value: Any) -> Mapping[str, Any]:
    """Return a run's attributes from JSON text (SQLite) or what the driver decoded (Postgres)."""
    if value is None or value == "null":
        return {}
    if isinstance(value, (str, bytes)):
        try:
            value = json.loads(value, parse_constant=_not_json)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _not_json(_: str) -> float:
    """Read NaN and the infinities, which are not JSON although Python writes them, as a value that is never one."""
    return float("nan")


def run_from_row(row: Sequence[Any]) -> Run:
    """Return the run of a row in the order of ``schema.RUN_COLUMNS``, waiting and undo not yet looked at."""
    status = status_of(row[1])
    created, updated = row[3], row[4]
    waiting = None
    wake = None
    if row[1] == "ENQUEUED":
        waiting = Waiting("queue", row[10], created)
    elif row[1] == "DELAYED":
        wake = row[21]
        waiting = Waiting("delay", row[10], created, wake)
    ended = STATUSES[status].ended
    return Run(
        id=row[0],
        workflow=row[2] or "",
        status=status,
        created_at_ms=created,
        updated_at_ms=updated,
        started_at_ms=row[5],
        finished_at_ms=(row[6] if row[6] is not None else updated) if ended else None,
        workflow_version=row[7],
        class_name=row[8],
        config_name=row[9],
        queue=row[10],
        queue_partition=row[11],
        executor=row[12] or None,
        recovery_attempts=row[13] or 0,
        namespace=row[14],
        parent_id=row[15],
        forked_from=row[16],
        schedule=row[17],
        serialization=row[18],
        deduplication_id=row[19],
        priority=row[20] or 0,
        wake_at_ms=wake,
        deadline_at_ms=row[22],
        authenticated_user=row[23] or None,
        attributes=attributes_of(row[24]),
        waiting=waiting,
    )


def settle(run: Run, row: Sequence[Any], waiting: Waiting | None) -> Run:
    """Return the run with what else is known of it: what it waits for, its undo and its dead-letter handler."""
    undo, dead_letter = row[UNDO_STATUS], row[DEAD_LETTER_STATUS]
    if waiting is None and undo is None and dead_letter is None:
        return run
    status, wake = run.status, run.wake_at_ms
    if waiting is not None and status == "running":
        status = "suspended"
        if waiting.on == "sleep":
            wake = waiting.until_ms
    else:
        waiting = run.waiting
    if undo in ENGINE_OPEN and status != "completed":
        # one that was not picked up yet keeps its place in the queue until it is cancelled
        status, waiting = "cancelling", waiting if run.status == "pending" else None
    return replace(
        run,
        status=status,
        waiting=waiting,
        wake_at_ms=wake,
        undo_id=UNDO_PREFIX + run.id if undo is not None else None,
        dead_letter_id=DEAD_LETTER_PREFIX + run.id if dead_letter is not None else None,
    )
