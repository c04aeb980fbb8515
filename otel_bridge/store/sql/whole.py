"""Every row of runs, as it stands: what an archive keeps. SQL only, no driver."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.store.sql.conditions import in_list
from otel_bridge.store.sql.session import Reader, chunks
from otel_bridge.store.sql.statement import MESSAGES, PRIMARY_KEY, Statement

RUN_OF = {
    "workflow_status": "workflow_uuid",
    "workflow_input": "workflow_uuid",
    "workflow_output": "workflow_uuid",
    "operation_outputs": "workflow_uuid",
    "workflow_events": "workflow_uuid",
    "workflow_events_history": "workflow_uuid",
    "streams": "workflow_uuid",
    "notifications": "destination_uuid",
}
"""The engine's tables that hold rows of runs, each with the column that says whose a row is."""
Cell = str | int | float | bytes | bool | None
TableRows = dict[str, list[dict[str, Cell]]]
"""Rows by table; each by column."""

ROWS_OF_RUNS = Statement("rows_of_runs", "All rows of ended runs, for an archive.", (PRIMARY_KEY, MESSAGES))


def rows_of_runs(reader: Reader, run_ids: Sequence[str]) -> dict[str, TableRows]:
    """Return all rows of these runs, by run and table, every column that this database has."""
    schema = reader.schema()
    found: dict[str, TableRows] = {}
    for table, whose in RUN_OF.items():
        columns = sorted(schema.tables.get(table, ()))
        if whose not in columns:
            continue
        selected = ", ".join(schema.attributes("t") if name == "attributes" else f't."{name}"' for name in columns)
        at = columns.index(whose)
        for part in chunks(run_ids):
            among, params = in_list(f"t.{whose}", part, reader.dialect)
            sql = f"SELECT {selected} FROM {schema.table(table)} t WHERE {among}"
            for row in reader.read(ROWS_OF_RUNS, sql, params):
                found.setdefault(row[at], {}).setdefault(table, []).append(dict(zip(columns, row, strict=True)))
    return found
