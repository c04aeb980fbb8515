"""What the engine would replay a run from: every row of its steps, bookkeeping included. SQL only, no driver."""

from __future__ import annotations

from otel_bridge.model.steps import RecordedOperation
from otel_bridge.model.values import text_of
from otel_bridge.store.cells import LAST
from otel_bridge.store.sql.session import Reader
from otel_bridge.store.sql.statement import PRIMARY_KEY, Statement
from otel_bridge.store.sql.values import capped, stored_value

RECORDING = Statement("recording", "The rows that a replay of a run reads, with their payloads.", (PRIMARY_KEY,))


def recording(reader: Reader, run_id: str, *, limit: int, cap_bytes: int) -> list[RecordedOperation]:
    """Return the first rows of a run's steps by number, unfolded, each payload cut to ``cap_bytes``."""
    schema = reader.schema()

    def column(name: str) -> str:
        return schema.column("operation_outputs", name, alias="o")

    output, output_params = capped(reader, column("output"), cap_bytes)
    error, error_params = capped(reader, column("error"), cap_bytes)
    rows = reader.read(
        RECORDING,
        f"SELECT o.function_id, o.function_name, {output}, {error}, {column('child_workflow_id')}, "
        f"{column('serialization')} FROM {schema.table('operation_outputs')} o "
        f"WHERE o.workflow_uuid = ? AND o.function_id <= {LAST} ORDER BY o.function_id LIMIT ?",
        [*output_params, *error_params, run_id, limit],
    )
    return [
        RecordedOperation(
            int(seq),
            text_of(name),
            stored_value(output, output_size, serialization, cap_bytes),
            stored_value(error, error_size, serialization, cap_bytes),
            None if child is None else text_of(child),
        )
        for seq, name, output, output_size, error, error_size, child, serialization in rows
        if isinstance(seq, int)
    ]
