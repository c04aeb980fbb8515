"""Steps from the engine's rows, bookkeeping folded away. Pure: no clock, file, socket or database.

DBOS writes more rows than a person would call steps. Here ``DBOS.getResult`` becomes the end of the step that
started the child, the zero-length ``DBOS.sleep`` that records a timeout becomes part of the wait it belongs to, and
the ``durable.wait`` event becomes the name of the wait that follows it. A wait whose row is not there yet is drawn
from its timeout row. A number that was folded away is listed in ``Step.folded``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from otel_bridge.model.names import GET_RESULT
from otel_bridge.model.runs import WaitingOn
from otel_bridge.model.steps import Step, StepStatus
from otel_bridge.model.values import StoredValue, text_of
from otel_bridge.store.remote import remote_step
from otel_bridge.store.waiting import (
    SET_EVENT,
    SIGNALS,
    SLEEP,
    Child,
    Wait,
    is_housekeeping,
    is_timeout,
    is_timeout_of_open_wait,
    wake_ms,
)


class StepRow(NamedTuple):
    """One row of ``operation_outputs``, in the order that the adapters select it."""

    run_id: str
    seq: int
    name: str
    started_ms: int | None
    finished_ms: int | None
    recorded_ms: int | None
    child_id: str | None
    has_output: bool
    has_error: bool
    wake: str | None
    error: str | None
    serialization: str | None
    error_bytes: int | None = None


class RunEnd(NamedTuple):
    """How the run stands: None while it can continue, else when it ended."""

    at_ms: int | None


def needs_more(rows: Sequence[StepRow]) -> tuple[list[str], bool]:
    """Return the children to look up for these rows, and whether announced waits must be looked up."""
    children = [row.child_id for row in rows if row.child_id is not None]
    return children, any(row.name == SET_EVENT for row in rows)


def is_plain(rows: Sequence[StepRow]) -> bool:
    """True when there is nothing to fold: no child, and nothing of the engine's own."""
    return not any(row.child_id is not None or row.name.startswith("DBOS.") for row in rows)


def plain_steps(rows: Sequence[StepRow]) -> list[Step]:
    """Return the steps of plain rows: one each."""
    return [_local(row, is_housekeeping(row.name)) for row in rows]


def fold_steps(
    rows: Sequence[StepRow],
    *,
    end: RunEnd,
    now_ms: int,
    children: Mapping[str, Child] = {},
    waits: Mapping[int, Wait] = {},
    keys: Mapping[int, str] = {},
) -> list[Step]:
    """Return one run's steps by ``seq``.

    Args:
        rows: all of the run's rows, by ``seq``.
        end: whether the run has ended; an ended run has no open steps but children that outlived it.
        children: the runs it started, by id.
        waits: announced waits, by the ``seq`` of the row that announced them.
        keys: topics received, event keys set and streams written to, by ``seq``.
    """
    if is_plain(rows):
        return plain_steps(rows)
    names = {row.seq: row.name for row in rows}
    results = _results(rows)
    steps: list[Step] = []
    for row in rows:
        name, child_id = row.name, row.child_id
        if not name.startswith("DBOS."):
            if child_id is None:
                steps.append(_local(row, name == "getStatus"))
            else:
                steps.append(_remote(row, results.get(row.seq), children.get(child_id)))
        elif name == SLEEP:
            step = _sleep(row, names, waits, end, now_ms)
            if step is not None:
                steps.append(step)
        elif name in SIGNALS:
            steps.append(_signal(row, names, waits, keys.get(row.seq)))
        elif name == GET_RESULT:
            if row.seq not in results:
                steps.append(_other_result(row, results))
        else:
            step = _local(row, is_housekeeping(name))
            steps.append(step._replace(key=keys[row.seq]) if row.seq in keys else step)
    return _without_announcements(steps, rows, waits, end) if waits else steps


def _results(rows: Sequence[StepRow]) -> dict[int, StepRow]:
    """Pair each child's start with its first ``DBOS.getResult``, both ways: start -> result, result -> start."""
    starts: dict[str, StepRow] = {}
    pairs: dict[int, StepRow] = {}
    for row in rows:
        child_id = row.child_id
        if child_id is None:
            continue
        if row.name != GET_RESULT:
            if not row.name.startswith("DBOS."):
                starts.setdefault(child_id, row)
        else:
            start = starts.get(child_id)
            if start is not None and start.seq not in pairs:
                pairs[start.seq] = row
                pairs[row.seq] = start
    return pairs


def _outcome(row: StepRow) -> StepStatus:
    return "failed" if row.has_error else "completed"


def stored_error(row: StepRow) -> StoredValue | None:
    """Return the error that a row holds, as far as it was read."""
    if row.error is None:
        return None
    text, size = text_of(row.error), row.error_bytes
    if size is None:
        size = len(text.encode("utf-8", "surrogatepass"))
    return StoredValue(text, row.serialization, size)


def _local(row: StepRow, housekeeping: bool) -> Step:
    finished_ms, has_error = row.finished_ms, bool(row.has_error)
    # nearly every step of a store is made here, and fields given by place cost half of those given by name
    return Step(
        row.run_id,
        row.seq,
        row.name,
        "local",
        "failed" if has_error else "completed",
        finished_ms if row.started_ms is None else row.started_ms,
        row.recorded_ms if finished_ms is None else finished_ms,
        recorded_at_ms=row.recorded_ms,
        housekeeping=housekeeping,
        has_output=bool(row.has_output),
        has_error=has_error,
        error=None if row.error is None else stored_error(row),
    )


def _other_result(row: StepRow, pairs: Mapping[int, StepRow]) -> Step:
    """A result asked for again, or of a run that was started elsewhere."""
    again = any(start.child_id == row.child_id for start in pairs.values())
    return Step(
        run_id=row.run_id,
        seq=row.seq,
        name=row.name,
        kind="remote",
        status=_outcome(row),
        started_at_ms=row.started_ms if row.started_ms is not None else row.finished_ms,
        finished_at_ms=row.finished_ms if row.finished_ms is not None else row.recorded_ms,
        recorded_at_ms=row.recorded_ms,
        child_run_id=row.child_id,
        housekeeping=again,
        has_output=bool(row.has_output),
        has_error=bool(row.has_error),
        error=stored_error(row),
    )


def _remote(row: StepRow, result: StepRow | None, child: Child | None) -> Step:
    step = remote_step(row, result, child)
    return step if result is None or result.error is None else step._replace(error=stored_error(result))


def _signal(row: StepRow, names: Mapping[int, str], waits: Mapping[int, Wait], topic: str | None) -> Step:
    seq = row.seq
    wait = waits.get(seq - 1)
    folded: tuple[int, ...] = (seq - 1,) if wait is not None else ()
    if names.get(seq + 1) == SLEEP:
        folded += (seq + 1,)
    return Step(
        run_id=row.run_id,
        seq=seq,
        name=wait_name(wait.on, wait.name, row.name) if wait is not None else wait_name("signal", topic, row.name),
        kind="signal",
        status=_outcome(row),
        started_at_ms=row.started_ms if row.started_ms is not None else row.finished_ms,
        finished_at_ms=row.finished_ms if row.finished_ms is not None else row.recorded_ms,
        recorded_at_ms=row.recorded_ms,
        waits_on=wait.on if wait is not None else "signal",
        key=topic if wait is None else None,
        folded=folded,
        has_output=bool(row.has_output),
        has_error=bool(row.has_error),
        error=stored_error(row),
    )


def _sleep(row: StepRow, names: Mapping[int, str], waits: Mapping[int, Wait], end: RunEnd, now_ms: int) -> Step | None:
    """A sleep, an open wait that its timeout row tells of, or None for the timeout row of a wait that has a row."""
    seq, finished = row.seq, row.finished_ms
    before = names.get(seq - 1)
    if before in SIGNALS:
        return None
    wake = wake_ms(row.wake)
    if is_timeout_of_open_wait(seq, finished, row.wake, names):
        wait = waits.get(seq - 2)
        folded = ((seq - 2,) if wait is not None else ()) + (seq,)
        since = row.started_ms if row.started_ms is not None else finished
        return _open_signal(row.run_id, seq - 1, wait, since, wake, folded, end)
    if is_timeout(finished, wake) and before == GET_RESULT:
        return None
    until = wake if wake is not None else finished
    if end.at_ms is not None and until is not None and until > end.at_ms + 1000:
        # cut short: the run was cancelled in its sleep (run rows on SQLite are cut to whole seconds, hence the second)
        until = max(end.at_ms, row.started_ms or end.at_ms)
    asleep = end.at_ms is None and until is not None and until > now_ms
    return Step(
        run_id=row.run_id,
        seq=seq,
        name=SLEEP,
        kind="sleep",
        status="running" if asleep else "completed",
        started_at_ms=row.started_ms if row.started_ms is not None else finished,
        finished_at_ms=None if asleep else until,
        recorded_at_ms=row.recorded_ms,
        wake_at_ms=wake,
    )


def _without_announcements(
    steps: list[Step], rows: Sequence[StepRow], waits: Mapping[int, Wait], end: RunEnd
) -> list[Step]:
    """Leave out ``durable.wait`` events that a wait absorbed; one with nothing after it is a wait about to begin.

    Several may be about to begin, side by side: what a wait records has the two numbers after its announcement.
    """
    absorbed = {seq for step in steps for seq in step.folded}
    recorded = {row.seq for row in rows}
    shown: list[Step] = []
    for step in steps:
        if step.seq in absorbed:
            continue
        wait = waits.get(step.seq) if step.name == SET_EVENT and end.at_ms is None else None
        if wait is not None and recorded.isdisjoint((step.seq + 1, step.seq + 2)):
            until_ms, folded = wait.until_ms, (step.seq,)
            step = _open_signal(step.run_id, step.seq + 1, wait, step.finished_at_ms, until_ms, folded, end) or step
        shown.append(step)
    return shown


def _open_signal(
    run_id: str,
    seq: int,
    wait: Wait | None,
    since_ms: int | None,
    until_ms: int | None,
    folded: tuple[int, ...],
    end: RunEnd,
) -> Step | None:
    """A wait that the run is in. A run that ended meanwhile never came out of it: the engine knows no end."""
    if end.at_ms is not None:
        return None
    return Step(
        run_id=run_id,
        seq=seq,
        name=wait_name(wait.on, wait.name, "DBOS.recv") if wait is not None else "DBOS.recv",
        kind="signal",
        status="pending",
        started_at_ms=since_ms,
        wake_at_ms=wait.until_ms if wait is not None else until_ms,
        waits_on=wait.on if wait is not None else "signal",
        folded=folded,
    )


def wait_name(on: WaitingOn, label: str | None, otherwise: str) -> str:
    """Return the name of a wait's step: its kind and its topic or label, ``breakpoint:manager approves``."""
    return otherwise if label is None else f"{on}:{label}"
