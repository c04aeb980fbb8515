"""What changed since: index ranges only. SQL only, no driver: see ``reader``.

Source: DBOS 3.4.0's indexes on ``workflow_status``; ``updated_at`` has none, so changes are found by what has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from otel_bridge.model.runs import Run
from otel_bridge.model.status import ENGINE_OPEN
from otel_bridge.store.sql.conditions import Where, status_term
from otel_bridge.store.sql.runs import FEW, ORDERED_STATUSES
from otel_bridge.store.sql.session import Reader, Row, derive_runs

PAGE = 500
STATUS, CREATED, STARTED, COMPLETED = 1, 3, 5, 6
MARK_COLUMNS = (
    "updated_at",
    "started_at_epoch_ms",
    "queue_name",
    "executor_id",
    "recovery_attempts",
    "delay_until_epoch_ms",
    "attributes",
)
CHANGE_COLUMNS = (("created_at", CREATED), ("started_at_epoch_ms", STARTED), ("completed_at", COMPLETED))


def runs_changed_since(reader: Reader, since_ms: int, *, limit: int) -> list[Run]:
    """Return runs created, started or completed at or after ``since_ms``, oldest change first.

    A run counts by the first of these stamps that is at or after ``since_ms``, so each is read once.
    """
    schema = reader.schema()
    found: list[tuple[int, Row]] = []
    before = ""
    for column, place in CHANGE_COLUMNS:
        if not schema.has("workflow_status", column):
            continue
        rows = reader.rows(
            f"SELECT {schema.run_columns()} FROM {schema.table('workflow_status')} w "
            f"WHERE w.{column} IS NOT NULL AND w.{column} >= ?{before} ORDER BY w.{column} LIMIT ?",
            [since_ms] * (1 + before.count("?")) + [limit],
        )
        found += ((row[place], row) for row in rows)
        # "+ 0" keeps planners off this column's index
        before += f" AND (w.{column} IS NULL OR w.{column} + 0 < ?)"
    found.sort(key=lambda item: (item[0], item[1][0]))
    return derive_runs(reader, [row for _, row in found[:limit]])


def open_marks(reader: Reader, *, limit: int) -> dict[str, object]:
    """Return a mark of each run that has not ended, newest first: it differs once the run's own row does."""
    columns = (reader.schema().column("workflow_status", name, alias="w") for name in MARK_COLUMNS)
    rows = _newest_open(reader, f"w.workflow_uuid, w.status, w.name, w.created_at, {', '.join(columns)}", limit)
    return {row[0]: row[1:] for row in rows}


def open_runs(reader: Reader, *, limit: int) -> list[Run]:
    """Return runs that have not ended, newest first."""
    return derive_runs(reader, _newest_open(reader, reader.schema().run_columns(), limit))


def _newest_open(reader: Reader, columns: str, limit: int) -> list[Row]:
    """Return rows of open runs, newest first, read at one moment; ``columns`` begin as a run's row does."""
    select = f"SELECT {columns} FROM {reader.schema().table('workflow_status')} w WHERE"
    newest = "ORDER BY w.created_at DESC LIMIT ?"
    parts, params = [], []
    for status in ENGINE_OPEN:
        ordered = status in ORDERED_STATUSES
        parts.append(f"SELECT * FROM ({select} {status_term(status)} {newest if ordered else 'LIMIT ?'}) AS m")
        params.append(limit if ordered else FEW + 1)
    rows = reader.rows(" UNION ALL ".join(parts), params)
    found = Counter(row[STATUS] for row in rows)
    for status in ENGINE_OPEN:
        if status not in ORDERED_STATUSES and found[status] > FEW:
            # few are sorted here; of very many the newest come soon when runs are walked by creation
            rows = [row for row in rows if row[STATUS] != status]
            rows += reader.rows(f"{select} {status_term(status)} {newest}", [limit])
    rows.sort(key=lambda row: (row[CREATED], row[0]), reverse=True)
    return rows[:limit]


def iter_runs(
    reader: Reader, *, since_ms: int | None, until_ms: int | None, after: tuple[int, str] | None = None
) -> Iterator[Run]:
    """Yield every run of a time range, oldest first, a page at a time."""
    run_id = "w.workflow_uuid" + (' COLLATE "C"' if reader.dialect == "postgres" else "")
    while True:
        where = Where()
        if until_ms is not None:
            where.add("w.created_at < ?", until_ms)
        if after is not None:
            where.add(f"w.created_at >= ? AND (w.created_at > ? OR {run_id} > ?)", after[0], after[0], after[1])
        elif since_ms is not None:
            where.add("w.created_at >= ?", since_ms)
        schema = reader.schema()
        params: list[Any] = [*where.params, PAGE]
        rows = reader.rows(
            f"SELECT {schema.run_columns()} FROM {schema.table('workflow_status')} w WHERE {where.sql()} "
            f"ORDER BY w.created_at, {run_id} LIMIT ?",
            params,
        )
        yield from derive_runs(reader, rows)
        if len(rows) < PAGE:
            return
        after = (rows[-1][CREATED], rows[-1][0])
