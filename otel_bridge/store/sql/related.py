"""Related runs, queues and schedules. SQL only, no driver: see ``reader``."""

from __future__ import annotations

from otel_bridge.model.runs import Run
from otel_bridge.store.sql.session import Reader, derive_runs


def related(reader: Reader, column: str, run_id: str, *, limit: int) -> list[Run]:
    """Return the runs whose ``column`` names ``run_id``, oldest first."""
    schema = reader.schema()
    if not schema.has("workflow_status", column):
        return []
    rows = reader.rows(
        f"SELECT {schema.run_columns()} FROM {schema.table('workflow_status')} w WHERE w.{column} = ? "
        "ORDER BY w.created_at, w.workflow_uuid LIMIT ?",
        [run_id, limit],
    )
    return derive_runs(reader, rows)
