"""Queued runs by what decides who may pick them up. SQL only, no driver: see ``session``."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from otel_bridge.model.runs import Backlog, Grid, Run, RunQuery, Waiting
from otel_bridge.model.status import STATUSES
from otel_bridge.store.sql.conditions import in_list, status_term, text_term
from otel_bridge.store.sql.session import Reader
from otel_bridge.store.sql.sources import Request, undo_targets
from otel_bridge.store.sql.statement import ATTRIBUTES, BY_PARENT, DELAYED, IN_FLIGHT, Statement

QUEUED = STATUSES["pending"].engine
BACKLOG = Statement(
    "backlog", "Queued runs in groups that the same workers may pick up.", (IN_FLIGHT, DELAYED, BY_PARENT, ATTRIBUTES)
)


class BacklogRow(NamedTuple):
    """A group of queued runs. ``old`` is 1 for runs created up to the time that was asked about, ``part`` a grid's."""

    status: str
    name: str | None
    application_version: str | None
    queue_name: str | None
    application_name: str | None
    old: int
    part: int
    created_at: int
    runs: int


def backlog(reader: Reader, query: RunQuery, *, old_ms: int, grid: Grid | None) -> list[Backlog]:
    """Return the queued runs of a query in groups; see ``StateStore.backlog``."""
    if query.nothing:
        return []
    part, part_params = "0", list[object]()
    if grid is not None:
        query = replace(query, since_ms=grid.since_ms, until_ms=grid.until_ms)
        part = "(w.created_at - CAST(? AS BIGINT)) / CAST(? AS BIGINT)"
        part_params = [grid.since_ms, grid.width_ms]
    request, schema = Request.of(reader, query), reader.schema()
    if query.text:
        request = request.narrowed(*text_term(query.text, reader.dialect))
    where = request.keyset(None, walked=False)
    undone = undo_targets(reader)
    if undone:
        among, params = in_list("w.workflow_uuid", undone, reader.dialect)
        where.add(f"NOT {among}", *params)
    columns = ", ".join(
        schema.column("workflow_status", name, alias="w")
        for name in ("application_version", "queue_name", "application_name")
    )
    parts = (
        f"SELECT w.status, w.name, {columns}, CASE WHEN w.created_at <= ? THEN 1 ELSE 0 END AS old, {part} AS part, "
        f"min(w.created_at) AS created_at, count(*) AS runs FROM {request.table} "
        f"WHERE {where.sql()} AND {status_term(status)} GROUP BY 1, 2, 3, 4, 5, 6, 7"
        for status in QUEUED
    )
    rows = reader.read(BACKLOG, " UNION ALL ".join(parts), [old_ms, *part_params, *where.params] * len(QUEUED))
    return [_group(BacklogRow._make(row)) for row in rows]


def _group(row: BacklogRow) -> Backlog:
    like = Run(
        id="",
        workflow=row.name or "",
        status="pending",
        created_at_ms=row.created_at,
        updated_at_ms=row.created_at,
        workflow_version=row.application_version,
        queue=row.queue_name,
        namespace=row.application_name,
        waiting=Waiting("delay" if row.status == "DELAYED" else "queue", row.queue_name, row.created_at),
    )
    return Backlog(like, row.runs)
