"""What changed since: index ranges only. SQL only, no driver: see ``session``.

Source: DBOS 3.4.0's indexes on ``workflow_status``; ``updated_at`` has none, so changes are found by what has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from otel_bridge.model.runs import Run
from otel_bridge.model.status import ENGINE_OPEN
from otel_bridge.store.rows import RunRecord
from otel_bridge.store.sql.conditions import Where, status_term
from otel_bridge.store.sql.session import Reader, Row, derive_runs, run_records
from otel_bridge.store.sql.sources import FEW, ORDERED_STATUSES
from otel_bridge.store.sql.statement import (
    BY_COMPLETION,
    BY_CREATION,
    BY_START,
    OPEN_RUNS,
    PRIMARY_KEY,
    STEPS_COMPLETED,
    STEPS_RECORDED,
    Statement,
)

PAGE = 500
LATE_ROWS = 20_000
MARK_COLUMNS = (
    "updated_at",
    "started_at_epoch_ms",
    "queue_name",
    "executor_id",
    "recovery_attempts",
    "delay_until_epoch_ms",
)
CHANGE_COLUMNS = ("created_at", "started_at_epoch_ms", "completed_at")

CHANGED_RUNS = Statement(
    "changed_runs",
    "Runs that were created, started or completed since a time: what the live tail and the bridge look at.",
    (BY_CREATION, BY_START, BY_COMPLETION),
)
RECENT_MARK = Statement(
    "recent_mark",
    "How many rows a scan would read, and which transactions wrote them: the same while it would find nothing.",
    (BY_CREATION, BY_START, BY_COMPLETION, STEPS_RECORDED, STEPS_COMPLETED),
)
OPEN_MARKS = Statement(
    "open_marks", "What differs in an open run's row once anything happened to it that leaves no stamp.", OPEN_RUNS
)
NEWEST_ROWS = Statement("newest_rows", "The last rows inserted, by SQLite's own number of them: the end of a tree.", ())
INSERTED_LATE = Statement(
    "inserted_late", "Which runs have rows that were inserted lately and stamped long before.", (PRIMARY_KEY,)
)
NEWEST_OPEN = Statement("newest_open", "The newest runs that have not ended.", OPEN_RUNS)
RUNS_BY_AGE = Statement(
    "runs_by_age", "All runs of a time range, oldest first: backfill and retention.", (BY_CREATION,)
)


def runs_changed_since(reader: Reader, since_ms: int, *, limit: int, after: str | None = None) -> list[Run]:
    """Return runs created, started or completed at or after ``since_ms``, oldest change first, then by id.

    A run counts by the first of these stamps that is at or after ``since_ms``, so each is read once. A range is read no
    further than what the ones before it filled: of what lies behind, nothing could be among the first ``limit``.

    Args:
        after: among the runs of the moment ``since_ms`` itself, only those behind this id.
    """
    schema = reader.schema()
    found: list[tuple[int, RunRecord]] = []
    run_id = run_id_in_order(reader)
    before, until_ms = "", None
    for column in CHANGE_COLUMNS:
        if not schema.has("workflow_status", column):
            continue
        rows = run_records(
            reader,
            CHANGED_RUNS,
            f"SELECT {schema.run_columns()} FROM {schema.table('workflow_status')} w "
            f"WHERE w.{column} IS NOT NULL AND w.{column} >= ?{before}{_bounded(column, run_id, until_ms, after)} "
            f"ORDER BY w.{column}, {run_id} LIMIT ?",
            [
                *[since_ms] * (1 + before.count("?")),
                *([] if until_ms is None else [until_ms]),
                *([] if after is None else [since_ms, after]),
                limit,
            ],
        )
        found += ((getattr(row, column), row) for row in rows)
        if len(rows) == limit:
            until_ms = getattr(rows[-1], column)
        # "+ 0" keeps planners off this column's index
        before += f" AND (w.{column} IS NULL OR w.{column} + 0 < ?)"
    found.sort(key=lambda change: (change[0], change[1].workflow_uuid))
    return derive_runs(reader, [row for _, row in found[:limit]])


def recent_mark(reader: Reader, *, runs_since_ms: int, steps_since_ms: int) -> object | None:
    """Return a mark of the rows stamped since, by which transactions wrote them; Postgres only.

    There every version of a row bears its transaction's number, so an update, which may change no stamp, counts too.
    Where nothing of the engine's is committed the four ranges hold a handful of rows, or none.

    Source: PostgreSQL documentation, "System Columns" (``xmin``).
    """
    schema = reader.schema()
    if reader.dialect != "postgres":
        return None
    ranges = [
        ("workflow_status", f"r.{column}", runs_since_ms)
        for column in CHANGE_COLUMNS
        if schema.has("workflow_status", column)
    ]
    if schema.recorded_at("r") != "NULL":
        ranges.append(("operation_outputs", schema.recorded_at("r"), steps_since_ms))
    mark = "concat_ws(' ', count(*), sum(CAST(CAST(r.xmin AS text) AS bigint)))"
    parts = [f"(SELECT {mark} FROM {schema.table(table)} r WHERE {stamp} >= ?)" for table, stamp, _ in ranges]
    return reader.read(RECENT_MARK, f"SELECT {', '.join(parts)}", [since_ms for *_, since_ms in ranges])[0]


InsertMark = tuple[int, int]
"""Numbers of the newest rows of runs and of steps."""


def inserted_late(reader: Reader, mark: InsertMark | None, *, before_ms: int) -> tuple[list[str], InsertMark | None]:
    """Return runs with rows that were inserted since ``mark`` and stamped before ``before_ms``, and the next mark.

    SQLite only, where the writer of a row stamps it, by a clock that may be behind. Numbers of rows are used again
    once the newest are deleted, so this finds what stamps do not tell, and is not all that tells.
    """
    if reader.dialect != "sqlite":
        return [], None
    schema = reader.schema()
    tables = (
        (schema.table("workflow_status"), "r.created_at"),
        (schema.table("operation_outputs"), schema.recorded_at("r")),
    )
    newest = ", ".join(f"(SELECT max(rowid) FROM {table})" for table, _ in tables)
    ((runs, steps),) = reader.read(NEWEST_ROWS, f"SELECT {newest}")
    now = (runs or 0, steps or 0)
    if mark is None:
        return [], now
    reached = tuple(min(last, first + LATE_ROWS) for first, last in zip(mark, now, strict=True))
    found: dict[str, None] = {}
    for (table, stamp), first, last in zip(tables, mark, reached, strict=True):
        sql = f"SELECT r.workflow_uuid FROM {table} r WHERE r.rowid > ? AND r.rowid <= ? AND {stamp} < ?"
        if last > first:
            found.update(
                dict.fromkeys(run_id for (run_id,) in reader.read(INSERTED_LATE, sql, [first, last, before_ms]))
            )
    return list(found), (reached[0], reached[1])


def _bounded(column: str, run_id: str, until_ms: int | None, after: str | None) -> str:
    until = "" if until_ms is None else f" AND w.{column} <= ?"
    return until + ("" if after is None else f" AND (w.{column} > ? OR {run_id} > ?)")


def run_id_in_order(reader: Reader) -> str:
    """Return the expression for a run's id that sorts as Python does, whatever the database's own collation."""
    return "w.workflow_uuid" + (' COLLATE "C"' if reader.dialect == "postgres" else "")


class Opened(NamedTuple):
    """The beginning of an open run's row, however it continues."""

    run_id: str
    status: str
    workflow: str | None
    created_ms: int


def open_marks(reader: Reader, *, limit: int) -> dict[str, object]:
    """Return a mark of each run that has not ended, newest first: it differs once the run's own row does."""
    schema = reader.schema()
    columns = ", ".join(schema.column("workflow_status", name, alias="w") for name in MARK_COLUMNS)
    select = f"w.workflow_uuid, w.status, w.name, w.created_at, {columns}, {schema.shown_attributes()}"
    return {run_id: mark for run_id, *mark in _newest_open(reader, OPEN_MARKS, select, limit)}


def open_runs(reader: Reader, *, limit: int) -> list[Run]:
    """Return runs that have not ended, newest first."""
    rows = _newest_open(reader, NEWEST_OPEN, reader.schema().run_columns(), limit)
    return derive_runs(reader, list(map(RunRecord._make, rows)))


def _newest_open(reader: Reader, statement: Statement, columns: str, limit: int) -> list[Row]:
    """Return rows of open runs, newest first, read at one moment; ``columns`` begin as ``Opened`` does."""
    select = f"SELECT {columns} FROM {reader.schema().table('workflow_status')} w WHERE"
    newest = "ORDER BY w.created_at DESC LIMIT ?"
    parts, params = [], []
    for status in ENGINE_OPEN:
        ordered = status in ORDERED_STATUSES
        parts.append(f"SELECT * FROM ({select} {status_term(status)} {newest if ordered else 'LIMIT ?'}) AS m")
        params.append(limit if ordered else FEW + 1)
    rows = reader.read(statement, " UNION ALL ".join(parts), params)
    found = Counter(_opened(row).status for row in rows)
    for status in ENGINE_OPEN:
        if status not in ORDERED_STATUSES and found[status] > FEW:
            # few are sorted here; of very many the newest come soon when runs are walked by creation
            rows = [row for row in rows if _opened(row).status != status]
            rows += reader.read(statement, f"{select} {status_term(status)} {newest}", [limit])
    rows.sort(key=lambda row: (_opened(row).created_ms, _opened(row).run_id), reverse=True)
    return rows[:limit]


def _opened(row: Row) -> Opened:
    return Opened._make(row[:4])


def iter_runs(
    reader: Reader, *, since_ms: int | None, until_ms: int | None, after: tuple[int, str] | None = None
) -> Iterator[Run]:
    """Yield every run of a time range, oldest first, a page at a time."""
    run_id = run_id_in_order(reader)
    while True:
        where = Where()
        if until_ms is not None:
            where.add("w.created_at < ?", until_ms)
        if after is not None:
            where.add(f"w.created_at >= ? AND (w.created_at > ? OR {run_id} > ?)", after[0], after[0], after[1])
        elif since_ms is not None:
            where.add("w.created_at >= ?", since_ms)
        schema = reader.schema()
        params: list[object] = [*where.params, PAGE]
        rows = run_records(
            reader,
            RUNS_BY_AGE,
            f"SELECT {schema.run_columns()} FROM {schema.table('workflow_status')} w WHERE {where.sql()} "
            f"ORDER BY w.created_at, {run_id} LIMIT ?",
            params,
        )
        yield from derive_runs(reader, rows)
        if len(rows) < PAGE:
            return
        after = (rows[-1].created_at, rows[-1].workflow_uuid)
