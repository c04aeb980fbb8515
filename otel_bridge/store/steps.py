"""Steps from the engine's rows, bookkeeping folded away. Pure: no clock, file, socket or database.

DBOS writes more rows than a person would call steps. Here ``DBOS.getResult`` becomes the end of the step that
started the child, the zero-length ``DBOS.sleep`` that records a timeout becomes part of the wait it belongs to, and
the ``durable.wait`` event becomes the name of the wait that follows it. A wait whose row is not there yet is drawn
from its timeout row. A number that was folded away is listed in ``Step.folded``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from otel_bridge.model.runs import WaitingOn
from otel_bridge.model.steps import Step, StepStatus
from otel_bridge.model.values import StoredValue, text_of
from otel_bridge.store.remote import remote_step
from otel_bridge.store.waiting import (
    GET_RESULT,
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
    """How the run stands: None while it can go on, else when it ended."""

    at_ms: int | None


def needs_more(rows: Sequence[StepRow]) -> tuple[list[str], bool]:
    """Return the children to look up for these rows, and whether announced waits must be looked up."""
    children = [row[6] for row in rows if row[6] is not None]
    return children, any(row[2] == SET_EVENT for row in rows)


def is_plain(rows: Sequence[StepRow]) -> bool:
    """True when there is nothing to fold: no child, and nothing of the engine's own."""
    return not any(row[6] is not None or row[2].startswith("DBOS.") for row in rows)


def plain_steps(rows: Sequence[StepRow]) -> list[Step]:
    """Return the steps of plain rows: one each."""
    return [_local(row, is_housekeeping(row[2])) for row in rows]


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
    names = {row[1]: row[2] for row in rows}
    results = _results(rows)
    steps: list[Step] = []
    for row in rows:
        name, child_id = row[2], row[6]
        if not name.startswith("DBOS."):
            if child_id is None:
                steps.append(_local(row, name == "getStatus"))
            else:
                steps.append(_remote(row, results.get(row[1]), children.get(child_id)))
        elif name == SLEEP:
            step = _sleep(row, names, waits, end, now_ms)
            if step is not None:
                steps.append(step)
        elif name in SIGNALS:
            steps.append(_signal(row, names, waits, keys.get(row[1])))
        elif name == GET_RESULT:
            if row[1] not in results:
                steps.append(_other_result(row, results))
        else:
            step = _local(row, is_housekeeping(name))
            steps.append(step._replace(key=keys[row[1]]) if row[1] in keys else step)
    return _without_announcements(steps, rows[-1], waits, end) if waits else steps


def _results(rows: Sequence[StepRow]) -> dict[int, StepRow]:
    """Pair each child's start with its first ``DBOS.getResult``, both ways: start -> result, result -> start."""
    starts: dict[str, StepRow] = {}
    pairs: dict[int, StepRow] = {}
    for row in rows:
        child_id = row[6]
        if child_id is None:
            continue
        if row[2] != GET_RESULT:
            if not row[2].startswith("DBOS."):
                starts.setdefault(child_id, row)
        else:
            start = starts.get(child_id)
            if start is not None and start[1] not in pairs:
                pairs[start[1]] = row
                pairs[row[1]] = start
    return pairs


def _outcome(row: StepRow) -> StepStatus:
    return "failed" if row[8] else "completed"


def _error(row: StepRow) -> StoredValue | None:
    if row[10] is None:
        return None
    text, size = text_of(row[10]), row[12]
    return StoredValue(text, row[11], size if size is not None else len(text.encode("utf-8", "surrogatepass")))


def _local(row: StepRow, housekeeping: bool) -> Step:
    run_id, seq, name, started, finished, recorded, _, has_output, has_error, _, error, _, _ = row
    return Step(
        run_id=run_id,
        seq=seq,
        name=name,
        kind="local",
        status="failed" if has_error else "completed",
        started_at_ms=started if started is not None else finished,
        finished_at_ms=finished if finished is not None else recorded,
        recorded_at_ms=recorded,
        housekeeping=housekeeping,
        has_output=bool(has_output),
        has_error=bool(has_error),
        error=None if error is None else _error(row),
    )


def _other_result(row: StepRow, pairs: Mapping[int, StepRow]) -> Step:
    """A result asked for again, or of a run that was started elsewhere."""
    again = any(start[6] == row[6] for start in pairs.values())
    return Step(
        run_id=row[0],
        seq=row[1],
        name=row[2],
        kind="remote",
        status=_outcome(row),
        started_at_ms=row[3] if row[3] is not None else row[4],
        finished_at_ms=row[4] if row[4] is not None else row[5],
        recorded_at_ms=row[5],
        child_run_id=row[6],
        housekeeping=again,
        has_output=bool(row[7]),
        has_error=bool(row[8]),
        error=_error(row),
    )


def _remote(row: StepRow, result: StepRow | None, child: Child | None) -> Step:
    step = remote_step(row, result, child)
    return step if result is None or result[10] is None else step._replace(error=_error(result))


def _signal(row: StepRow, names: Mapping[int, str], waits: Mapping[int, Wait], topic: str | None) -> Step:
    seq = row[1]
    wait = waits.get(seq - 1)
    folded: tuple[int, ...] = (seq - 1,) if wait is not None else ()
    if names.get(seq + 1) == SLEEP:
        folded += (seq + 1,)
    return Step(
        run_id=row[0],
        seq=seq,
        name=wait_name(wait.on, wait.name, row[2]) if wait is not None else wait_name("signal", topic, row[2]),
        kind="signal",
        status=_outcome(row),
        started_at_ms=row[3] if row[3] is not None else row[4],
        finished_at_ms=row[4] if row[4] is not None else row[5],
        recorded_at_ms=row[5],
        waits_on=wait.on if wait is not None else "signal",
        key=topic if wait is None else None,
        folded=folded,
        has_output=bool(row[7]),
        has_error=bool(row[8]),
        error=_error(row),
    )


def _sleep(row: StepRow, names: Mapping[int, str], waits: Mapping[int, Wait], end: RunEnd, now_ms: int) -> Step | None:
    """A sleep, an open wait that its timeout row tells of, or None for the timeout row of a wait that has a row."""
    seq, finished = row[1], row[4]
    before = names.get(seq - 1)
    if before in SIGNALS:
        return None
    wake = wake_ms(row[9])
    if is_timeout_of_open_wait(seq, finished, row[9], names):
        wait = waits.get(seq - 2)
        folded = ((seq - 2,) if wait is not None else ()) + (seq,)
        since = row[3] if row[3] is not None else finished
        return _open_signal(row[0], seq - 1, wait, since, wake, folded, end)
    if is_timeout(finished, wake) and before == GET_RESULT:
        return None
    until = wake if wake is not None else finished
    if end.at_ms is not None and until is not None and until > end.at_ms + 1000:
        # cut short: the run was cancelled in its sleep (run rows on SQLite are cut to whole seconds, hence the second)
        until = max(end.at_ms, row[3] or end.at_ms)
    asleep = end.at_ms is None and until is not None and until > now_ms
    return Step(
        run_id=row[0],
        seq=seq,
        name=SLEEP,
        kind="sleep",
        status="running" if asleep else "completed",
        started_at_ms=row[3] if row[3] is not None else finished,
        finished_at_ms=None if asleep else until,
        recorded_at_ms=row[5],
        wake_at_ms=wake,
    )


def _without_announcements(steps: list[Step], last: StepRow, waits: Mapping[int, Wait], end: RunEnd) -> list[Step]:
    """Leave out ``durable.wait`` events that a wait absorbed; one with nothing behind it is a wait about to begin."""
    absorbed = {seq for step in steps for seq in step.folded}
    steps = [step for step in steps if step.seq not in absorbed]
    if last[1] in waits and last[2] == SET_EVENT and end.at_ms is None:
        wait = waits[last[1]]
        opened = _open_signal(last[0], last[1] + 1, wait, last[4], wait.until_ms, (last[1],), end)
        return [*steps[:-1], opened] if opened is not None else steps
    return steps


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
