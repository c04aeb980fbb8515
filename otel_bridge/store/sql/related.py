"""The runs that a run started, and those forked from it. SQL only, no driver: see ``session``."""

from __future__ import annotations

from otel_bridge.model.runs import Run
from otel_bridge.store.sql.session import Reader, derive_runs, run_records
from otel_bridge.store.sql.statement import BY_ORIGINAL, BY_PARENT, Statement

RELATED_RUNS = Statement("related_runs", "The children or the forks of a run, oldest first.", (BY_PARENT, BY_ORIGINAL))


def related(reader: Reader, column: str, run_id: str, *, limit: int) -> list[Run]:
    """Return the runs whose ``column`` names ``run_id``, oldest first."""
    schema = reader.schema()
    if not schema.has("workflow_status", column):
        return []
    rows = run_records(
        reader,
        RELATED_RUNS,
        f"SELECT {schema.run_columns()} FROM {schema.table('workflow_status')} w WHERE w.{column} = ? "
        "ORDER BY w.created_at, w.workflow_uuid LIMIT ?",
        [run_id, limit],
    )
    return derive_runs(reader, rows)
