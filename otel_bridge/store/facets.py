"""Counts by status and workflow, within a time budget. SQL only, no driver: see ``reader``."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

from otel_bridge.models import RUN_STATUSES, Facet, RunQuery, RunStatus
from otel_bridge.store import listing
from otel_bridge.store.derive import STATUS_OF
from otel_bridge.store.query import Where, row_filter
from otel_bridge.store.reader import Reader, derive_runs, run_rows_by_id

BUDGET_S = 0.035
Counts = Counter[tuple[RunStatus, "str | None"]]


def facets(reader: Reader, query: RunQuery, *, by_workflow: bool) -> list[Facet]:
    """Return how many runs have each status (and workflow) over the query less its statuses and page."""
    query = replace(query, statuses=frozenset(), cursor=None, offset=0)
    counts: Counts = Counter()
    schema = reader.schema()
    where = listing.created_range(row_filter(query, schema, reader.dialect, now_ms=reader.now_ms()), query)
    name = "w.name" if by_workflow else "NULL"
    for status, workflow, count in reader.rows(
        f"SELECT w.status, {name}, count(*) FROM {schema.table('workflow_status')} w WHERE {where.sql()} "
        f"GROUP BY w.status{', w.name' if by_workflow else ''}",
        where.params,
    ):
        counts[(STATUS_OF.get(status, "running"), workflow)] += count
    return [
        Facet(status, count, workflow, True)
        for (status, workflow), count in sorted(
            counts.items(), key=lambda i: (RUN_STATUSES.index(i[0][0]), i[0][1] or "")
        )
        if count > 0
    ]


_ = (time, Where, derive_runs, run_rows_by_id)
