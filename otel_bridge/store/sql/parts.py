"""Parts of a long run's steps: a window, the end, one step, and how many there are. SQL only, no driver.

A run may have a hundred thousand step rows, and an answer shows some hundreds. The rows of a window make the same steps
as all rows would, with a few neighbours (a wait's row, its announcement and its timeout stand side by side) and with
the rows elsewhere that are about the same children (a child's start and its result may stand far apart).
"""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.model.names import GET_RESULT, WAIT_EVENT_KEY
from otel_bridge.model.steps import Step, StepCounts, StepPart
from otel_bridge.model.values import StoredValue
from otel_bridge.store.cells import LAST, plain
from otel_bridge.store.sql.conditions import in_list
from otel_bridge.store.sql.keys import value_at
from otel_bridge.store.sql.session import Between, Reader, chunks
from otel_bridge.store.sql.statement import PRIMARY_KEY, Statement
from otel_bridge.store.sql.steps import (
    ROWS_AT_ONCE,
    ends_of,
    folded,
    select_rows,
    sharing,
    steps_of,
    with_whole_errors,
)
from otel_bridge.store.sql.values import capped, stored_value
from otel_bridge.store.steps import StepRow, stored_error
from otel_bridge.store.waiting import (
    SET_EVENT,
    SIGNALS,
    SLEEP,
    is_timeout,
    is_timeout_of_open_wait,
    parse_wait,
    wake_ms,
)

NEIGHBOURS = 3
"""Rows before and behind a window: an announcement, its wait and the wait's timeout have three numbers in a row."""
ERRORS_AT_ONCE = 50
_IS_RESULT = f"o.function_name = '{GET_RESULT}'"
_IS_START = "substr(o.function_name, 1, 5) <> 'DBOS.'"

STEP_WINDOW = Statement("step_window", "Step rows of one run from a number on, or before it.", (PRIMARY_KEY,))
STEP_PARTNERS = Statement(
    "step_partners", "Where a run has rows elsewhere about the children of a window: one pass over its rows.",
    (PRIMARY_KEY,),
)  # fmt: skip
STEPS_BY_NUMBER = Statement("steps_by_number", "Step rows of one run, named one by one.", (PRIMARY_KEY,))
LAST_NUMBERS = Statement("last_numbers", "The number of each run's last step row: which runs are long.", (PRIMARY_KEY,))
STEP_PAYLOADS = Statement("step_payloads", "Output and error of one step.", (PRIMARY_KEY,))
STEP_COUNTS = Statement(
    "step_counts", "How many step rows a run has, and how many of the kinds that may be folded away.", (PRIMARY_KEY,)
)
PAIRED_RESULTS = Statement(
    "paired_results", "How many results of a run are folded into the starts of their children.", (PRIMARY_KEY,)
)
SLEEPS_BESIDE_WAITS = Statement(
    "sleeps_beside_waits", "Sleeps that may be timeouts: those behind a wait, and those behind a gap.", (PRIMARY_KEY,)
)
ABSORBED_WAITS = Statement("absorbed_waits", "Announcements of waits, with what stands behind each.", (PRIMARY_KEY,))


def part_of(
    reader: Reader, run_id: str, *, start: int | None = None, limit: int, whole_rows: int = 0, errors: bool = False
) -> StepPart:
    """Return the steps that ``limit`` rows make, from the number ``start`` on.

    Args:
        start: None begins at the first.
        whole_rows: from the beginning, a run with no more rows than this is returned whole.
    """
    most = limit if start is not None else max(limit, whole_rows)
    rows = _window(reader, run_id, start, limit=most + 1 + NEIGHBOURS, errors=errors)
    if start is None and len(rows) <= most:
        rows = with_whole_errors(reader, rows) if errors else rows
        return StepPart(folded(reader, rows).get(run_id, []), is_whole=True)
    del rows[limit + 1 + NEIGHBOURS :]
    next_seq = int(rows[limit].seq) if len(rows) > limit else None
    before = [] if start is None else _window(reader, run_id, start, limit=NEIGHBOURS, errors=False, back=True)
    shown = _folded_window(reader, run_id, [*before, *rows], errors=errors)
    behind = (step for step in shown if start is None or step.seq >= start)
    return StepPart([step for step in behind if next_seq is None or step.seq < next_seq], next_seq)


def last_steps_of(
    reader: Reader, run_ids: Sequence[str], *, last_rows: int, errors: bool, most_rows: int | None = None
) -> dict[str, list[Step]]:
    """Return the folded steps of each run; of one whose rows are numbered beyond ``last_rows``, those of the last ones.

    With ``most_rows``, of some of the runs: one at least.
    """
    numbers = last_numbers(reader, run_ids)
    long = [run_id for run_id in run_ids if numbers.get(run_id, 0) >= last_rows]
    if most_rows is not None:
        del long[max(1, most_rows // last_rows) :]
    found = {
        run_id: part_of(reader, run_id, start=numbers[run_id] - last_rows + 1, limit=last_rows, errors=errors).steps
        for run_id in dict.fromkeys(long)
    }
    if found and most_rows is not None:
        return found
    short = [run_id for run_id in run_ids if run_id not in found]
    return found | steps_of(reader, short, errors=errors, most_rows=most_rows)


def last_numbers(reader: Reader, run_ids: Sequence[str]) -> dict[str, int]:
    """Return the number of each run's last step row: about how many it has. A run without rows is absent."""
    schema, found = reader.schema(), dict[str, int]()
    last = (
        f"(SELECT max(o.function_id) FROM {schema.table('operation_outputs')} o "
        f"WHERE o.workflow_uuid = w.workflow_uuid AND o.function_id <= {LAST})"
    )
    for part in chunks(list(dict.fromkeys(run_ids))):
        among, params = in_list("w.workflow_uuid", part, reader.dialect)
        sql = f"SELECT w.workflow_uuid, {last} FROM {schema.table('workflow_status')} w WHERE {among}"
        found.update(
            (run_id, number) for run_id, number in reader.read(LAST_NUMBERS, sql, params) if isinstance(number, int)
        )
    return found


def step(reader: Reader, run_id: str, seq: int, *, cap_bytes: int | None) -> Step | None:
    """Return one step with its stored output and error."""
    found = next((s for s in part_of(reader, run_id, start=seq, limit=1).steps if s.seq == seq), None)
    if found is None:
        return None
    schema = reader.schema()
    output, cap_params = capped(reader, schema.column("operation_outputs", "output", alias="o"), cap_bytes)
    error, error_params = capped(reader, schema.column("operation_outputs", "error", alias="o"), cap_bytes)
    rows = reader.read(
        STEP_PAYLOADS,
        f"SELECT {output}, {error}, {schema.column('operation_outputs', 'serialization', alias='o')} "
        f"FROM {schema.table('operation_outputs')} o WHERE o.workflow_uuid = ? AND o.function_id = ?",
        [*cap_params, *error_params, run_id, found.error_seq],
    )
    if not rows or found.is_open:
        return found
    text, size, error_text, error_size, serialization = rows[0]
    output_value = stored_value(text, size, serialization, cap_bytes)
    return found._replace(
        output=output_value or value_at(reader, run_id, seq, found.name, cap_bytes=cap_bytes),
        error=stored_value(error_text, error_size, serialization, cap_bytes),
    )


def errors_of(reader: Reader, run_id: str, seqs: Sequence[int]) -> dict[int, StoredValue]:
    """Return the stored errors of rows, by number; as of all steps, whole as far as their total allows."""
    found: dict[int, StoredValue] = {}
    for part in chunks(seqs, ERRORS_AT_ONCE):
        among, params = in_list("o.function_id", part, reader.dialect)
        sql = f"{select_rows(reader, errors=True)} WHERE o.workflow_uuid = ? AND {among}"
        rows = with_whole_errors(reader, list(sharing(reader.read(STEPS_BY_NUMBER, sql, [run_id, *params]))))
        found.update((int(row.seq), error) for row in rows if (error := stored_error(row)) is not None)
    return found


def counts_of(reader: Reader, run_id: str) -> StepCounts:
    """Return how many steps a run has, counted by the database: as many as all of its rows would make."""
    schema = reader.schema()
    kinds = ", ".join(
        f"coalesce(sum(CASE WHEN {condition} THEN 1 ELSE 0 END), 0)"
        for condition in (
            f"{schema.column('operation_outputs', 'error', alias='o')} IS NOT NULL",
            f"o.function_name = '{GET_RESULT}'",
            f"o.function_name = '{SLEEP}'",
            f"o.function_name = '{SET_EVENT}'",
        )
    )
    sql = f"SELECT count(*), {kinds} FROM {schema.table('operation_outputs')} o WHERE o.workflow_uuid = ?"
    ((rows, failed, results, sleeps, events),) = reader.read(STEP_COUNTS, sql, [run_id])
    folded_away = _paired_results(reader, run_id) if results else 0
    if sleeps or events:
        end = ends_of(reader, [run_id]).get(run_id)
        ended = end is None or end.at_ms is not None
        folded_away += _timeouts(reader, run_id, ended=ended) if sleeps else 0
        folded_away += _absorbed(reader, run_id, ended=ended) if events else 0
    return StepCounts(int(rows) - folded_away, int(failed))


# -- rows -------------------------------------------------------------------------------------------------------------


def _window(
    reader: Reader, run_id: str, seq: int | None, *, limit: int, errors: bool, back: bool = False
) -> list[StepRow]:
    """Return rows from a number on (None: the first), or, with ``back``, the last ones before it; by number."""
    sql = f"{select_rows(reader, errors=errors)} WHERE o.workflow_uuid = ?"
    params: list[object] = [run_id]
    if seq is not None:
        sql += f" AND o.function_id {'<' if back else '>='} ?"
        params.append(seq)
    sql += f" ORDER BY o.function_id{' DESC' if back else ''} LIMIT ?"
    rows = list(sharing(reader.read(STEP_WINDOW, sql, [*params, limit])))
    return rows[::-1] if back else rows


def _folded_window(reader: Reader, run_id: str, rows: list[StepRow], *, errors: bool) -> list[Step]:
    if not rows:
        return []
    between = int(rows[0].seq), int(rows[-1].seq)
    known = {row.seq: row for row in [*_partners(reader, run_id, rows, between, errors=errors), *rows]}
    ordered = [known[seq] for seq in sorted(known)] if len(known) > len(rows) else rows
    ordered = with_whole_errors(reader, ordered) if errors else ordered
    return folded(reader, ordered, between=between).get(run_id, [])


def _partners(reader: Reader, run_id: str, rows: Sequence[StepRow], between: Between, *, errors: bool) -> list[StepRow]:
    """Return the first start, and the first result after it, of each child that the window has rows about."""
    if all(row.child_id is None for row in rows):
        return []
    steps = reader.schema().table("operation_outputs")
    within = (
        f"SELECT c.child_workflow_id FROM {steps} c WHERE c.workflow_uuid = ? AND c.function_id BETWEEN ? AND ? "
        "AND c.child_workflow_id IS NOT NULL"
    )
    sql = (
        f"SELECT o.child_workflow_id, min(CASE WHEN {_IS_START} THEN o.function_id END), "
        f"min(CASE WHEN {_IS_RESULT} THEN o.function_id END), max(CASE WHEN {_IS_RESULT} THEN o.function_id END) "
        f"FROM {steps} o WHERE o.workflow_uuid = ? AND o.child_workflow_id IN ({within}) GROUP BY o.child_workflow_id"
    )
    seqs: list[int] = []
    for child_id, start, first, last in reader.read(STEP_PARTNERS, sql, [run_id, run_id, *between]):
        if start is not None and first is not None and first < start < last:
            # asked for before it was started by the same id: which of its results comes next is looked up
            sql = (
                f"SELECT min(o.function_id) FROM {steps} o WHERE o.workflow_uuid = ? AND o.function_id > ? "
                f"AND o.child_workflow_id = ? AND {_IS_RESULT}"
            )
            ((first,),) = reader.read(STEP_PARTNERS, sql, [run_id, start, child_id])
        seqs += [seq for seq in (start, first) if seq is not None and not between[0] <= seq <= between[1]]
    partners: list[StepRow] = []
    for part in chunks(seqs):
        among, params = in_list("o.function_id", part, reader.dialect)
        sql = f"{select_rows(reader, errors=errors)} WHERE o.workflow_uuid = ? AND {among}"
        partners += sharing(reader.read(STEPS_BY_NUMBER, sql, [run_id, *params]))
    return partners


# -- how many rows are no steps of their own ---------------------------------------------------------------------------


def _paired_results(reader: Reader, run_id: str) -> int:
    """Count the children with a start and a result after it: one result of each is folded into the start."""
    sql = (
        f"SELECT count(*) FROM (SELECT 1 AS pair FROM {reader.schema().table('operation_outputs')} o "
        "WHERE o.workflow_uuid = ? AND o.child_workflow_id IS NOT NULL GROUP BY o.child_workflow_id "
        f"HAVING max(CASE WHEN {_IS_RESULT} THEN o.function_id END) > "
        f"min(CASE WHEN {_IS_START} THEN o.function_id END)) pairs"
    )
    ((pairs,),) = reader.read(PAIRED_RESULTS, sql, [run_id])
    return int(pairs)


def _timeouts(reader: Reader, run_id: str, *, ended: bool) -> int:
    """Count the sleeps that are timeouts of waits; that of an open wait stands for the wait, while there is one."""
    schema = reader.schema()
    steps = schema.table("operation_outputs")
    finished, output = (
        schema.column("operation_outputs", name, alias="o") for name in ("completed_at_epoch_ms", "output")
    )
    among, names = in_list("p.function_name", [*SIGNALS, GET_RESULT], reader.dialect)
    sql = (
        f"SELECT o.function_id, {finished}, {output}, p.function_name FROM {steps} o LEFT JOIN {steps} p "
        "ON p.workflow_uuid = o.workflow_uuid AND p.function_id = o.function_id - 1 WHERE o.workflow_uuid = ? "
        f"AND o.function_name = '{SLEEP}' AND (p.function_name IS NULL OR {among}) AND o.function_id > ? "
        "ORDER BY o.function_id LIMIT ?"
    )
    count, after = 0, -1
    while True:
        page = [plain(row) for row in reader.read(SLEEPS_BESIDE_WAITS, sql, [run_id, *names, after, ROWS_AT_ONCE])]
        for seq, finished_ms, text, before in page:
            if before is None:
                count += ended and is_timeout_of_open_wait(seq, finished_ms, text, {})
            else:
                count += before in SIGNALS or is_timeout(finished_ms, wake_ms(text))
        if len(page) < ROWS_AT_ONCE:
            return count
        after = seq


def _absorbed(reader: Reader, run_id: str, *, ended: bool) -> int:
    """Count the announcements that the wait behind them absorbed."""
    schema = reader.schema()
    if not schema.has("workflow_events_history", "function_id"):
        return 0
    steps = schema.table("operation_outputs")
    finished, output = (
        schema.column("operation_outputs", name, alias="b") for name in ("completed_at_epoch_ms", "output")
    )
    sql = (
        f"SELECT h.function_id, h.value, a.function_name, b.function_name, {finished}, "
        f"CASE WHEN b.function_name = '{SLEEP}' THEN {output} END "
        f"FROM {schema.table('workflow_events_history')} h "
        f"JOIN {steps} o ON o.workflow_uuid = h.workflow_uuid AND o.function_id = h.function_id "
        f"LEFT JOIN {steps} a ON a.workflow_uuid = h.workflow_uuid AND a.function_id = h.function_id + 1 "
        f"LEFT JOIN {steps} b ON b.workflow_uuid = h.workflow_uuid AND b.function_id = h.function_id + 2 "
        "WHERE h.workflow_uuid = ? AND h.key = ? AND h.function_id > ? ORDER BY h.function_id LIMIT ?"
    )
    count, after = 0, -1
    while True:
        page = [plain(row) for row in reader.read(ABSORBED_WAITS, sql, [run_id, WAIT_EVENT_KEY, after, ROWS_AT_ONCE])]
        for seq, value, behind, second, finished_ms, text in page:
            if parse_wait(value) is None:
                continue
            opened = second == SLEEP and not ended and behind is None
            count += behind in SIGNALS or (opened and is_timeout_of_open_wait(seq + 2, finished_ms, text, {}))
        if len(page) < ROWS_AT_ONCE:
            return count
        after = seq
