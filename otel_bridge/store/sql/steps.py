"""Reading steps and payloads. SQL only, no driver: see ``session``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from otel_bridge.model.status import ENGINE_OPEN
from otel_bridge.model.steps import Step, StepKey
from otel_bridge.model.values import ERROR_CAP_BYTES, PayloadName, PublishedEvent, StoredValue, text_of
from otel_bridge.store.cells import LAST, plain, unreadable
from otel_bridge.store.sql.conditions import in_list
from otel_bridge.store.sql.keys import KEYED, keys_of
from otel_bridge.store.sql.session import Between, Reader, children_by_id, chunks, waits_of
from otel_bridge.store.sql.statement import PRIMARY_KEY, STEPS_COMPLETED, STEPS_RECORDED, Statement
from otel_bridge.store.sql.values import (
    ERROR_BEGINNING_BYTES,
    ERRORS_TOTAL_BYTES,
    capped,
    size_of,
    stored_value,
)
from otel_bridge.store.steps import RunEnd, StepRow, fold_steps, is_plain, needs_more, plain_steps
from otel_bridge.store.waiting import SLEEP

OWN_EVENTS_PREFIX = "durable."

STEPS_OF_RUNS = Statement("steps_of_runs", "All step rows of some runs, without their payloads.", (PRIMARY_KEY,))
STEP_OUTPUTS = Statement("step_outputs", "Outputs of a run's steps of some names, whole.", (PRIMARY_KEY,))
RUN_ENDS = Statement(
    "run_ends", "Whether and when runs ended: what is open in them, and what will never end.", (PRIMARY_KEY,)
)
STEP_ERROR = Statement("step_error", "The error of one step, where its row had only the beginning.", (PRIMARY_KEY,))
RUN_PAYLOAD = Statement("run_payload", "Input, output or error of one run.", (PRIMARY_KEY,))
PUBLISHED_VALUES = Statement("published_values", "What a run published by set_event.", (PRIMARY_KEY,))
RECORDED_STEPS = Statement(
    "recorded_steps", "Which steps were recorded since a time.", (STEPS_RECORDED, STEPS_COMPLETED)
)
ROWS_AT_ONCE = 10_000
"""Step rows in one answer of the database: of a longer run the next ones follow."""
_ENDED = RunEnd(0)
_REQUIRED = frozenset({1})
"""Of a step's row: its number."""


def steps_of(
    reader: Reader,
    run_ids: Sequence[str],
    *,
    errors: bool,
    most_rows: int | None = None,
    least_one: bool = True,
) -> dict[str, list[Step]]:
    """Return the folded steps of each run; a run without steps has an empty list.

    With ``most_rows``, of as many runs as have no more rows together: one at least, unless not even that is asked for.
    """
    found: dict[str, list[Step]] = {}
    for part in chunks(list(dict.fromkeys(run_ids))):
        rows = _step_rows(reader, part, errors=errors, limit=None if most_rows is None else most_rows + 1)
        whole = part
        if most_rows is not None and len(rows) > most_rows:
            last = rows[-1].run_id
            rows = [row for row in rows if row.run_id != last]
            if not rows and least_one:
                rows = _step_rows(reader, [last], errors=errors, limit=None)
            whole = list(dict.fromkeys(row.run_id for row in rows))
        found.update((run_id, []) for run_id in whole)
        found.update(folded(reader, rows))
        if len(whole) < len(part):
            break
    return found


def folded(reader: Reader, rows: Iterable[StepRow], *, between: Between | None = None) -> dict[str, list[Step]]:
    """Return the steps that rows make, by run: what else they need is read.

    Args:
        rows: by run, and of each by number; all of a run's, unless ``between`` is given.
        between: the first and the last of the numbers that are looked at, where these are not all of the run's rows.
    """
    found: dict[str, list[Step]] = {}
    rows_of: dict[str, list[StepRow]] = {}
    damaged: dict[str, set[int]] = {}
    for row in rows:
        if unreadable(row):
            damaged.setdefault(row.run_id, set()).add(row.seq)
        rows_of.setdefault(row.run_id, []).append(row)
    for run_id in damaged:
        rows_of[run_id] = [StepRow._make(plain(row, _REQUIRED)) for row in rows_of[run_id]]
    if rows_of:
        _fold_part(reader, rows_of, found, between)
    for run_id, seqs in damaged.items():
        found[run_id] = _marked(found[run_id], seqs)
    return found


def _marked(steps: list[Step], seqs: set[int]) -> list[Step]:
    """Return the steps, those marked whose rows, or rows that they absorbed, could not be read."""
    return [step._replace(unreadable=not seqs.isdisjoint((step.seq, *step.folded))) for step in steps]


def _fold_part(
    reader: Reader, rows_of: dict[str, list[StepRow]], found: dict[str, list[Step]], between: Between | None
) -> None:
    children: list[str] = []
    announcing: list[str] = []
    folding: list[str] = []
    for run_id, rows in rows_of.items():
        if is_plain(rows):
            found[run_id] = plain_steps(rows)
            continue
        folding.append(run_id)
        started, announces = needs_more(rows)
        children.extend(started)
        if announces:
            announcing.append(run_id)
    if not folding:
        return
    waits = waits_of(reader, announcing, between=between)
    child_of = children_by_id(reader, children) if children else {}
    keyed = {run_id: {row.name for row in rows_of[run_id]} & KEYED for run_id in folding}
    having = [run_id for run_id, names in keyed.items() if names]
    keys = keys_of(reader, having, frozenset().union(*keyed.values()), between=between)
    ends = ends_of(reader, folding)
    now_ms = reader.now_ms()
    for run_id in folding:
        rows = rows_of[run_id]
        found[run_id] = fold_steps(
            rows,
            end=ends.get(run_id, _ENDED),
            now_ms=now_ms,
            children=child_of,
            waits=waits.get(run_id, {}),
            keys=keys.get(run_id, {}),
        )


def step_outputs(reader: Reader, run_id: str, names: Sequence[str]) -> list[tuple[str, StoredValue]]:
    """Return the outputs of a run's recorded steps of these names, by number, whole."""
    schema = reader.schema()
    serialization = schema.column("operation_outputs", "serialization", alias="o")
    rows = reader.read(
        STEP_OUTPUTS,
        f"SELECT o.function_name, o.output, {serialization} FROM {schema.table('operation_outputs')} o "
        f"WHERE o.workflow_uuid = ? AND o.output IS NOT NULL AND o.function_name IN ({', '.join('?' for _ in names)}) "
        "ORDER BY o.function_id",
        [run_id, *names],
    )
    texts = ((name, text_of(output), serialization) for name, output, serialization in rows)
    return [(name, StoredValue(text, serialization, len(text))) for name, text, serialization in texts]


def select_rows(reader: Reader, *, errors: bool) -> str:
    """Return the beginning of a statement that selects ``StepRow`` from ``operation_outputs o``."""
    schema = reader.schema()

    def column(name: str, otherwise: str = "NULL") -> str:
        return schema.column("operation_outputs", name, alias="o", otherwise=otherwise)

    output, error = column("output"), column("error")
    beginning, size = "NULL", "NULL"
    if errors:
        beginning, size = f"substr({error}, 1, {ERROR_BEGINNING_BYTES})", size_of(reader, error)
    return (
        f"SELECT o.workflow_uuid, o.function_id, o.function_name, {column('started_at_epoch_ms')}, "
        f"{column('completed_at_epoch_ms')}, {schema.recorded_at()}, {column('child_workflow_id')}, "
        f"{output} IS NOT NULL, {error} IS NOT NULL, CASE WHEN o.function_name = '{SLEEP}' THEN {output} END, "
        f"{beginning}, {column('serialization')}, {size} FROM {schema.table('operation_outputs')} o"
    )


def _step_rows(reader: Reader, run_ids: Sequence[str], *, errors: bool, limit: int | None) -> list[StepRow]:
    among, params = in_list("o.workflow_uuid", run_ids, reader.dialect)
    sql = f"{select_rows(reader, errors=errors)} WHERE {among}"
    order = "ORDER BY o.workflow_uuid, o.function_id LIMIT ?"
    rows: list[StepRow] = []
    after: list[object] = []
    while limit is None or len(rows) < limit:
        most = ROWS_AT_ONCE if limit is None else min(ROWS_AT_ONCE, limit - len(rows))
        behind = " AND (o.workflow_uuid, o.function_id) > (?, ?)" if after else ""
        page = reader.read(STEPS_OF_RUNS, f"{sql}{behind} {order}", [*params, *after, most])
        rows += sharing(page)
        before, after = after, [rows[-1].run_id, rows[-1].seq] if rows else []
        # what is not a number is behind every number, however often it was read
        if len(page) < most or after == before:
            break
    return with_whole_errors(reader, rows) if errors else rows


def sharing(page: Sequence[Sequence[Any]]) -> Iterator[StepRow]:
    """Yield rows that share their texts: a driver makes every id and every name again, and a run may have very many."""
    known: dict[str, str] = {}

    def shared(text: str) -> str:
        return known.setdefault(text, text) if type(text) is str else text  # one that is marked stays so

    for run_id, seq, name, *rest in page:
        yield StepRow(shared(run_id), seq, shared(name), *rest)


def with_whole_errors(reader: Reader, rows: list[StepRow]) -> list[StepRow]:
    """Read on where an error is longer than the beginning that each row has, as long as the total allows.

    One statement for each, by the primary key: long errors are few, and no more than one is held twice.
    """
    left = ERRORS_TOTAL_BYTES
    for place, row in enumerate(rows):
        size = min(row.error_bytes or 0, ERROR_CAP_BYTES)
        if size <= ERROR_BEGINNING_BYTES or size > left:
            continue
        left -= size
        found = reader.read(
            STEP_ERROR,
            f"SELECT substr(o.error, 1, ?) FROM {reader.schema().table('operation_outputs')} o "
            "WHERE o.workflow_uuid = ? AND o.function_id = ?",
            [ERROR_CAP_BYTES, row.run_id, row.seq],
        )
        for (error,) in found:
            if error is not None:
                rows[place] = row._replace(error=error)
    return rows


def ends_of(reader: Reader, run_ids: Sequence[str]) -> dict[str, RunEnd]:
    """Return whether and when these runs ended."""
    schema = reader.schema()
    completed = schema.column("workflow_status", "completed_at", alias="w")
    among, params = in_list("w.workflow_uuid", run_ids, reader.dialect)
    sql = (
        f"SELECT w.workflow_uuid, w.status, {completed}, w.updated_at "
        f"FROM {schema.table('workflow_status')} w WHERE {among}"
    )
    return {
        run_id: RunEnd(None if status in ENGINE_OPEN else (updated if completed is None else completed))
        for run_id, status, completed, updated in map(plain, reader.read(RUN_ENDS, sql, params))
    }


def run_payload(reader: Reader, run_id: str, name: PayloadName, *, cap_bytes: int | None) -> StoredValue | None:
    """Return a run's stored input, output or error; from 3.x's own tables first, then from the run's row."""
    schema = reader.schema()
    table, column = ("workflow_input", "inputs") if name == "input" else ("workflow_output", name)
    serialization = schema.column("workflow_status", "serialization", alias="w")
    for where, alias in ((table, "p"), ("workflow_status", "w")):
        if not schema.has(where, column):
            continue
        select, params = capped(reader, f"{alias}.{column}", cap_bytes)
        source = f"{schema.table('workflow_status')} w"
        if alias == "p":
            source += f" JOIN {schema.table(table)} p ON p.workflow_uuid = w.workflow_uuid"
        rows = reader.read(
            RUN_PAYLOAD, f"SELECT {select}, {serialization} FROM {source} WHERE w.workflow_uuid = ?", [*params, run_id]
        )
        for text, size, format_name in rows:
            if text is not None:
                return stored_value(text, size, format_name, cap_bytes)
    return None


def published(
    reader: Reader, run_id: str, key: str | None, *, own: bool = False, cap_bytes: int | None
) -> list[PublishedEvent]:
    """Return what the run published, by key; one key, all but our own, or only our own."""
    schema = reader.schema()
    if not schema.has("workflow_events"):
        return []
    select, params = capped(reader, "e.value", cap_bytes)
    only = "e.key = ?" if key is not None else f"substr(e.key, 1, ?) {'=' if own else '<>'} ?"
    wanted: list[Any] = [key] if key is not None else [len(OWN_EVENTS_PREFIX), OWN_EVENTS_PREFIX]
    rows = reader.read(
        PUBLISHED_VALUES,
        f"SELECT e.key, {select}, {schema.column('workflow_events', 'serialization', alias='e')} "
        f"FROM {schema.table('workflow_events')} e WHERE e.workflow_uuid = ? AND {only} ORDER BY e.key",
        [*params, run_id, *wanted],
    )
    events = []
    for found_key, text, size, serialization in rows:
        value = stored_value(text, size, serialization, cap_bytes)
        if value is not None:
            events.append(PublishedEvent(run_id, found_key, value))
    return events


def recorded_since(reader: Reader, since_ms: int, *, limit: int, after: StepKey | None = None) -> list[StepKey]:
    """Return step rows recorded at or after ``since_ms``, oldest first, then by run and number, by an index range.

    Args:
        after: among the rows of the moment ``since_ms`` itself, only those behind this one.
    """
    schema = reader.schema()
    recorded = schema.recorded_at()
    if recorded == "NULL":
        return []
    finished = schema.column("operation_outputs", "completed_at_epoch_ms", alias="o")
    run_id = "o.workflow_uuid" + (' COLLATE "C"' if reader.dialect == "postgres" else "")
    behind = "" if after is None else f" AND ({recorded} > ? OR ({run_id}, o.function_id) > (?, ?))"
    rows = reader.read(
        RECORDED_STEPS,
        f"SELECT o.workflow_uuid, o.function_id, {finished}, {recorded} "
        f"FROM {schema.table('operation_outputs')} o WHERE {recorded} BETWEEN ? AND {LAST}{behind} "
        f"ORDER BY {recorded}, {run_id}, o.function_id LIMIT ?",
        [since_ms, *([] if after is None else [since_ms, after.run_id, after.seq]), limit],
    )
    return list(map(StepKey._make, rows))
