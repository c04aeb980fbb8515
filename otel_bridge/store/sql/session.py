"""How the shared reading code asks a database, and the small reads that many parts need. SQL only, no driver."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from otel_bridge.model.names import WAIT_EVENT_KEY
from otel_bridge.model.runs import Run, Waiting
from otel_bridge.model.status import ENGINE_OPEN
from otel_bridge.store.cells import plain
from otel_bridge.store.rows import (
    RunRecord,
    may_have_run_before,
    overlay_first_step,
    overlay_forgotten_start,
    run_of,
    settle,
)
from otel_bridge.store.sql.conditions import in_list, sql_list
from otel_bridge.store.sql.schema import Dialect, Schema
from otel_bridge.store.sql.statement import BY_PARENT, PRIMARY_KEY, Statement
from otel_bridge.store.waiting import (
    SET_EVENT,
    SLEEP,
    TAIL_ROWS,
    Child,
    TailRow,
    Wait,
    parse_wait,
    waiting_of,
    waits_for_child,
)

Row = tuple[Any, ...]
T = TypeVar("T")
Between = tuple[int, int]
"""The first and the last of some numbers of a run's steps."""
CHUNK = 400
"""Ids in one statement."""
_TAIL_REQUIRED = frozenset({1})


RUNS_BY_ID = Statement(
    "runs_by_id", "Runs named one by one: a run's page, its relatives, what changed.", (PRIMARY_KEY,)
)
LAST_STEPS = Statement("last_steps", "The last step rows of executing runs: what they wait for.", (PRIMARY_KEY,))
ANNOUNCED_WAITS = Statement("announced_waits", "What runs said that they are about to wait for.", (PRIMARY_KEY,))
STARTED_RUNS = Statement("started_runs", "The runs that steps started: their times and outcomes.", (PRIMARY_KEY,))
STEP_BOUNDS = Statement(
    "step_bounds", "First start and last end of steps, where a run's own are rounded or overwritten.", (PRIMARY_KEY,)
)
OPEN_CHILDREN = Statement("open_children", "The open children that a run may wait for.", (BY_PARENT,))


class Reader(Protocol):
    """What an adapter gives to the shared code."""

    dialect: Dialect

    def read(self, statement: Statement, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """Run one statement (``?`` for parameters) and return all of its rows."""

    def schema(self) -> Schema:
        """Return the schema as last probed."""

    def now_ms(self) -> int:
        """The clock that the database stamps rows with."""


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """Yield ``items`` in pieces."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def run_records(reader: Reader, statement: Statement, sql: str, params: Sequence[object]) -> list[RunRecord]:
    """Return the rows of a statement that selects ``schema.run_columns()``."""
    return list(map(RunRecord._make, reader.read(statement, sql, params)))


def records_by_id(reader: Reader, run_ids: Iterable[str]) -> list[RunRecord]:
    """Return the run rows that exist, in no particular order."""
    schema, found = reader.schema(), list[RunRecord]()
    for part in chunks(list(dict.fromkeys(run_ids))):
        among, params = in_list("w.workflow_uuid", part, reader.dialect)
        sql = f"SELECT {schema.run_columns()} FROM {schema.table('workflow_status')} w WHERE {among}"
        found.extend(run_records(reader, RUNS_BY_ID, sql, params))
    return found


def derive_runs(reader: Reader, rows: Sequence[RunRecord]) -> list[Run]:
    """Return the runs of these rows, in their order, with what they wait for looked up in few reads."""
    runs = [run_of(row) for row in rows]
    if not runs:
        return runs
    # Two seeks for each run: so the first step is read only of those whose own row leaves it open.
    unsure = [run.id for run in runs if may_have_run_before(run) or run.start_is_forgotten]
    firsts = {run_id: first_ms for run_id, first_ms, _ in _step_bounds(reader, unsure)} if unsure else {}
    runs = [_with_first_step(run, firsts[run.id]) if run.id in firsts else run for run in runs]
    # Likewise the last steps: only a run that the engine calls PENDING may hang in a wait.
    executing = [run.id for run in runs if run.status == "running"]
    waiting = _waiting(reader, executing) if executing else {}
    return [settle(run, row, waiting.get(run.id)) for run, row in zip(runs, rows, strict=True)]


def _with_first_step(run: Run, first_step_ms: int | None) -> Run:
    overlay = overlay_forgotten_start if run.start_is_forgotten else overlay_first_step
    return overlay(run, first_step_ms)


def _waiting(reader: Reader, run_ids: Sequence[str]) -> dict[str, Waiting]:
    """Return what these executing runs are parked on; one that works is absent."""
    tails = tail_rows(reader, run_ids)
    announcing = [run_id for run_id, tail in tails.items() if any(row.name == SET_EVENT for row in tail)]
    waits = waits_of(reader, announcing)
    parents = [run_id for run_id, tail in tails.items() if waits_for_child(tail)]
    active = _active_children(reader, parents)
    now_ms, found = reader.now_ms(), {}
    for run_id, tail in tails.items():
        waiting = waiting_of(tail, waits.get(run_id, {}), active.get(run_id, ()), now_ms)
        if waiting is not None:
            found[run_id] = waiting
    return found


def tail_rows(reader: Reader, run_ids: Sequence[str]) -> dict[str, list[TailRow]]:
    """Return the last few step rows of each run, by ``seq``; a run without rows is absent."""
    schema, found = reader.schema(), {}  # type: tuple[Schema, dict[str, list[TailRow]]]
    steps = schema.table("operation_outputs")

    def column(name: str) -> str:
        return schema.column("operation_outputs", name, alias="o")

    last = (
        f"JOIN {steps} o ON o.workflow_uuid = w.workflow_uuid AND o.function_id > "
        f"(SELECT max(m.function_id) - {TAIL_ROWS} FROM {steps} m WHERE m.workflow_uuid = w.workflow_uuid)"
    )
    if schema.dialect == "postgres":
        # Of a run with very many steps it expects a third behind any number, and looks through the table.
        last = (
            f"CROSS JOIN LATERAL (SELECT m.* FROM {steps} m WHERE m.workflow_uuid = w.workflow_uuid "
            f"ORDER BY m.function_id DESC LIMIT {TAIL_ROWS}) o"
        )
    wake = f"CASE WHEN o.function_name = '{SLEEP}' THEN {column('output')} END"
    for part in chunks(run_ids):
        among, params = in_list("w.workflow_uuid", part, reader.dialect)
        sql = (
            f"SELECT o.workflow_uuid, o.function_id, o.function_name, {column('started_at_epoch_ms')}, "
            f"{column('completed_at_epoch_ms')}, {column('child_workflow_id')}, {wake} "
            f"FROM {schema.table('workflow_status')} w {last} WHERE {among}"
        )
        for row in reader.read(LAST_STEPS, sql, params):
            run_id, *tail_row = plain(row, _TAIL_REQUIRED)
            found.setdefault(run_id, []).append(TailRow._make(tail_row))
    for tail in found.values():
        tail.sort(key=lambda row: row.seq)
        del tail[: bisect_right(tail, tail[-1].seq - TAIL_ROWS, key=lambda row: row.seq)]  # where numbers are left out
    return found


def waits_of(reader: Reader, run_ids: Sequence[str], *, between: Between | None = None) -> dict[str, dict[int, Wait]]:
    """Return the waits that these runs announced, by run and by the ``seq`` of the announcing row.

    Args:
        between: only those that rows of these numbers announced.
    """
    schema, found = reader.schema(), {}  # type: tuple[Schema, dict[str, dict[int, Wait]]]
    if not schema.has("workflow_events_history", "function_id"):
        return found
    for part in chunks(run_ids):
        among, params = in_list("h.workflow_uuid", part, reader.dialect)
        sql = (
            f"SELECT h.workflow_uuid, h.function_id, h.value FROM {schema.table('workflow_events_history')} h "
            f"WHERE {among} AND h.key = ?"
        )
        if between is not None:
            sql += " AND h.function_id BETWEEN ? AND ?"
        for run_id, seq, value in reader.read(ANNOUNCED_WAITS, sql, [*params, WAIT_EVENT_KEY, *(between or ())]):
            wait = parse_wait(value)
            if wait is not None:
                found.setdefault(run_id, {})[seq] = wait
    return found


_CHILD_REQUIRED = frozenset({3, 4})
_CHILD_COLUMNS = (
    "started_at_epoch_ms",
    "completed_at",
    "queue_name",
    "executor_id",
    "delay_until_epoch_ms",
    "recovery_attempts",
)


def _child_select(schema: Schema) -> str:
    optional = ", ".join(schema.column("workflow_status", name, alias="w") for name in _CHILD_COLUMNS)
    return f"SELECT w.workflow_uuid, w.status, w.name, w.created_at, w.updated_at, {optional}"


def children_by_id(reader: Reader, run_ids: Iterable[str]) -> dict[str, Child]:
    """Return what steps need to know of these runs, by id."""
    schema, found = reader.schema(), {}  # type: tuple[Schema, dict[str, Child]]
    for part in chunks(list(dict.fromkeys(run_ids))):
        among, params = in_list("w.workflow_uuid", part, reader.dialect)
        sql = f"{_child_select(schema)} FROM {schema.table('workflow_status')} w WHERE {among}"
        rows = (plain(row, _CHILD_REQUIRED) for row in reader.read(STARTED_RUNS, sql, params))
        found.update((child.id, child) for child in (Child(*row) for row in rows))
    unsure = [child.id for child in found.values() if child.has_rounded_stamps or child.may_have_run_before]
    for run_id, first_ms, last_ms in _step_bounds(reader, unsure):
        found[run_id] = replace(found[run_id], first_step_ms=first_ms, last_step_ms=last_ms)
    return found


def _step_bounds(reader: Reader, run_ids: Sequence[str]) -> Iterator[Row]:
    """Yield each run's id, when its first step began and its last one ended: two seeks in the primary key each."""
    schema = reader.schema()
    started, ended = (
        f"(SELECT {schema.column('operation_outputs', column, alias='o')} FROM {schema.table('operation_outputs')} o "
        f"WHERE o.workflow_uuid = w.workflow_uuid ORDER BY o.function_id {order} LIMIT 1)"
        for column, order in (("started_at_epoch_ms", "ASC"), ("completed_at_epoch_ms", "DESC"))
    )
    for part in chunks(run_ids):
        among, params = in_list("w.workflow_uuid", part, reader.dialect)
        sql = f"SELECT w.workflow_uuid, {started}, {ended} FROM {schema.table('workflow_status')} w WHERE {among}"
        for run_id, *bounds in reader.read(STEP_BOUNDS, sql, params):
            yield run_id, *(bound if isinstance(bound, int) else None for bound in bounds)


def _active_children(reader: Reader, parent_ids: Sequence[str]) -> dict[str, list[Child]]:
    """Return the children of these runs that have not ended, oldest first, by parent."""
    schema, found = reader.schema(), {}  # type: tuple[Schema, dict[str, list[Child]]]
    if not schema.has("workflow_status", "parent_workflow_id"):
        return found
    for part in chunks(parent_ids):
        among, params = in_list("w.parent_workflow_id", part, reader.dialect)
        sql = (
            f"{_child_select(schema)}, w.parent_workflow_id FROM {schema.table('workflow_status')} w "
            f"WHERE {among} AND w.status IN {sql_list(ENGINE_OPEN)} ORDER BY w.created_at, w.workflow_uuid"
        )
        for row in reader.read(OPEN_CHILDREN, sql, params):
            *child, parent_id = plain(row, _CHILD_REQUIRED)
            found.setdefault(parent_id, []).append(Child(*child))
    return found
