"""The runs that runs started, the forks of one, and who declares an undo. SQL only, no driver: see ``session``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from otel_bridge.model.names import GET_RESULT, UNDO_WORKFLOW
from otel_bridge.model.runs import Run, StartedRun
from otel_bridge.store.sql.conditions import in_list
from otel_bridge.store.sql.session import Reader, chunks, derive_runs, run_records
from otel_bridge.store.sql.statement import BY_ORIGINAL, BY_PARENT, PRIMARY_KEY, Statement

RELATED_RUNS = Statement("related_runs", "The children or the forks of a run, oldest first.", (BY_PARENT, BY_ORIGINAL))
STARTED_IN_STEPS = Statement("started_in_steps", "Which runs the steps of some runs started.", (PRIMARY_KEY,))
CHILDREN_OF_RUNS = Statement("children_of_runs", "Which runs name some runs as their parent.", (BY_PARENT,))
UNDO_DECLARED = Statement("undo_declared", "Which runs published how to undo a step.", (PRIMARY_KEY,))
ROWS_AT_ONCE = 10_000
_UNDO_KEY = "durable.undo."


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


def started(reader: Reader, run_ids: Sequence[str]) -> Iterator[StartedRun]:
    """Yield what these runs started, by both records of it, a page at a time; an undo's run is not one."""
    for part in chunks(list(dict.fromkeys(run_ids))):
        yield from _in_steps(reader, part)
        yield from _by_parent(reader, part)


def _in_steps(reader: Reader, run_ids: Sequence[str]) -> Iterator[StartedRun]:
    among, params = in_list("o.workflow_uuid", run_ids, reader.dialect)
    after: list[object] = []
    while True:
        behind = " AND (o.workflow_uuid, o.function_id) > (?, ?)" if after else ""
        page = reader.read(
            STARTED_IN_STEPS,
            "SELECT o.workflow_uuid, o.function_id, o.function_name, o.child_workflow_id "
            f"FROM {reader.schema().table('operation_outputs')} o WHERE {among}{behind} "
            "AND o.child_workflow_id IS NOT NULL AND o.function_name NOT IN (?, ?) "
            "ORDER BY o.workflow_uuid, o.function_id LIMIT ?",
            [*params, *after, GET_RESULT, UNDO_WORKFLOW, ROWS_AT_ONCE],
        )
        yield from (StartedRun(run_id, child_id, seq, name) for run_id, seq, name, child_id in page)
        before, after = after, list(page[-1][:2]) if page else []
        if len(page) < ROWS_AT_ONCE or after == before:
            return


def _by_parent(reader: Reader, run_ids: Sequence[str]) -> Iterator[StartedRun]:
    schema = reader.schema()
    if not schema.has("workflow_status", "parent_workflow_id"):
        return
    among, params = in_list("w.parent_workflow_id", run_ids, reader.dialect)
    after: list[object] = []
    while True:
        behind = " AND (w.parent_workflow_id, w.workflow_uuid) > (?, ?)" if after else ""
        page = reader.read(
            CHILDREN_OF_RUNS,
            f"SELECT w.parent_workflow_id, w.workflow_uuid FROM {schema.table('workflow_status')} w "
            f"WHERE {among}{behind} AND (w.name IS NULL OR w.name <> ?) "
            "ORDER BY w.parent_workflow_id, w.workflow_uuid LIMIT ?",
            [*params, *after, UNDO_WORKFLOW, ROWS_AT_ONCE],
        )
        yield from (StartedRun(run_id, child_id) for run_id, child_id in page)
        before, after = after, list(page[-1]) if page else []
        if len(page) < ROWS_AT_ONCE or after == before:
            return


def declaring_undo(reader: Reader, run_ids: Sequence[str]) -> set[str]:
    """Return those of these runs that published, for a step of theirs, how to undo it."""
    schema, found = reader.schema(), set[str]()
    if not schema.has("workflow_events"):
        return found
    rest = f"substr(e.key, {len(_UNDO_KEY) + 1})"
    number = f"{rest} ~ '^[0-9]{{1,10}}$'"
    if reader.dialect == "sqlite":
        number = f"length({rest}) BETWEEN 1 AND 10 AND {rest} NOT GLOB '*[^0-9]*'"
    for part in chunks(list(dict.fromkeys(run_ids))):
        among, params = in_list("e.workflow_uuid", part, reader.dialect)
        sql = (
            f"SELECT DISTINCT e.workflow_uuid FROM {schema.table('workflow_events')} e "
            f"WHERE {among} AND substr(e.key, 1, {len(_UNDO_KEY)}) = ? AND {number}"
        )
        found.update(run_id for (run_id,) in reader.read(UNDO_DECLARED, sql, [*params, _UNDO_KEY]))
    return found
