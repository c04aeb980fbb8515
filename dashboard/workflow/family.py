"""Cancels a run and what it started, some at a time. Called inside steps, in a worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dbos import DBOS, WorkflowStatus

from otel_bridge.model.status import CANCELLED_WITH_PARENT_STATUSES, STATUS_OF

AT_ONCE = 5_000
"""Ids in one statement: the engine's own cancel puts all children of a level into one, and Postgres takes 65,535."""


def cancel_family(run_id: str) -> None:
    """Cancel a run and the runs below it that have not ended; the parent first, so that it starts no more.

    A run that is cancelled already is left as it is: the engine would set its end to now.
    """
    level = _cancelled(DBOS.list_workflows(workflow_ids=[run_id], load_input=False, load_output=False))
    met = set(level)
    while level:
        below = [one for some in _parts(level) for page in _children(some) for one in _cancelled(page)]
        level = [one for one in dict.fromkeys(below) if one not in met]
        met.update(level)


def _cancelled(runs: Sequence[WorkflowStatus]) -> list[str]:
    """Cancel those of the runs that have not ended; return the ids of all of them."""
    ending = [run.workflow_id for run in runs if STATUS_OF.get(run.status) in CANCELLED_WITH_PARENT_STATUSES]
    if ending:
        DBOS.cancel_workflows(ending)
    return [run.workflow_id for run in runs]


def _children(parents: list[str]) -> Iterator[list[WorkflowStatus]]:
    offset = 0
    while page := DBOS.list_workflows(
        parent_workflow_id=parents, limit=AT_ONCE, offset=offset, load_input=False, load_output=False
    ):
        yield page
        offset += len(page)


def _parts(ids: list[str]) -> Iterator[list[str]]:
    return (ids[at : at + AT_ONCE] for at in range(0, len(ids), AT_ONCE))
