"""The inbox: what waits for a person, over all open runs. Reads the store and, for who is to answer, the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from dashboard.read.services import Services
from dashboard.wire.base import iso
from dashboard.wire.inbox import InboxEntry, InboxQuery, InboxView
from dashboard.wire.runs import RunRow
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Assignment
from otel_bridge.model.runs import Question


def inbox(services: Services, query: InboxQuery) -> InboxView:
    """Return what waits for a person, oldest first, of the runs that the actor may see.

    Raises:
        StoreError: the store cannot be read now.
    """
    found, exact = services.store.questions()
    assigned = assignments_of(services, found)
    if query.assignee is not None:
        wanted = query.assignee
        found = [one for one in found if _assignee(assigned, one) == wanted]
    page = found[: query.limit]
    return InboxView(count=len(found), exact=exact, entries=entries_of(services, page, assigned))


def entries_of(
    services: Services, questions: Sequence[Question], assigned: Mapping[tuple[str, int], Assignment]
) -> list[InboxEntry]:
    """Return waits as shown, each with its run; one whose run has ended meanwhile is left out."""
    runs = services.store.get_runs(list({one.run_id for one in questions}))
    rows = {row.id: row for row in services.rows([run for run in runs.values() if not run.is_terminal])}
    return [_entry(one, rows[one.run_id], assigned) for one in questions if one.run_id in rows]


def _entry(one: Question, row: RunRow, assigned: Mapping[tuple[str, int], Assignment]) -> InboxEntry:
    found = assigned.get((one.run_id, one.wait.seq))
    return InboxEntry(
        run=row,
        seq=one.wait.seq,
        on=cast(Literal["breakpoint", "signal", "update"], one.wait.on),
        name=one.wait.name,
        ask=one.wait.ask,
        schema=None if one.wait.schema is None else dict(one.wait.schema),
        since=iso(one.since_ms) or "",
        until=iso(one.until_ms),
        assignee=None if found is None else found.assignee,
        assigned_by=None if found is None else found.actor,
    )


def assignments_of(services: Services, questions: Sequence[Question]) -> dict[tuple[str, int], Assignment]:
    """Return who is to answer these waits, by run id and step; nobody, where the ledger cannot be read."""
    try:
        return services.ledger.assignments(sorted({one.run_id for one in questions})) if questions else {}
    except LedgerError:
        return {}


def _assignee(assigned: Mapping[tuple[str, int], Assignment], one: Question) -> str:
    found = assigned.get((one.run_id, one.wait.seq))
    return "" if found is None else found.assignee
