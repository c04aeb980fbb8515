"""Runs and what they wait for, from the engine's rows. Pure: no clock, file, socket or database.

``now_ms`` is always handed in. Row layouts are those of ``rows.RunRecord`` and ``TailRow``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple

from otel_bridge.model.names import GET_RESULT
from otel_bridge.model.runs import ROUNDING_MS, OpenWait, Question, Waiting, WaitingOn
from otel_bridge.model.status import ENGINE_OPEN

TAIL_ROWS = 16
"""How many of a run's last step rows decide what it waits for; list and detail look at the same."""

SLEEP, SET_EVENT = "DBOS.sleep", "DBOS.setEvent"
SIGNALS = frozenset({"DBOS.recv", "DBOS.getEvent"})
ENDS_BEFORE_TIMEOUT = SIGNALS | {GET_RESULT}
"""Rows whose timeout, if they have one, is the sleep right behind them."""
MILLISECONDS_FROM = 1e11
"""A stored time below is in seconds: 1e11 s is the year 5138, 1e11 ms is 1973."""

HOUSEKEEPING = frozenset(
    {
        SET_EVENT,
        "DBOS.now",
        "DBOS.uuid",
        "DBOS.randomUUID",
        "DBOS.writeStream",
        "DBOS.closeStream",
        "DBOS.readStream",
        "DBOS.readStreamOffset",
        "DBOS.getStatus",
        "getStatus",
        "DBOS.waitFirst",
        "DBOS.waitAll",
        "DBOS.updateWorkflowAttributes",
        "DBOS.listWorkflows",
        "DBOS.listQueuedWorkflows",
        "DBOS.listWorkflowSteps",
        "DBOS.getSchedule",
        "DBOS.listSchedules",
    }
)
"""Rows a person would not call a step. Sending, cancelling, forking and the like have effects: they stay steps."""

_PICKLED_FLOAT = re.compile(rb"\x80.(?:\x95.{8})?G(.{8})\.", re.DOTALL)
"""A pickle of one float: protocol, from protocol 4 on a frame, the float, end."""
_WAITING_ON: frozenset[str] = frozenset({"signal", "webhook", "update", "breakpoint", "sleep"})


class TailRow(NamedTuple):
    """One of the last step rows of an open run. ``wake`` is the output of a ``DBOS.sleep``."""

    seq: int
    name: str
    started_ms: int | None
    finished_ms: int | None
    child_id: str | None
    wake: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    """What ``dashboard.workflow`` published before a wait: the value of a ``durable.wait`` event."""

    on: WaitingOn
    name: str | None
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Child:
    """What a step needs to know of the run that it started."""

    id: str
    status: str
    name: str
    created_at_ms: int
    updated_at_ms: int
    started_at_ms: int | None
    completed_at_ms: int | None
    queue: str | None
    executor: str | None
    delayed_until_ms: int | None = None
    executions: int | None = None
    first_step_ms: int | None = None
    last_step_ms: int | None = None
    """When its first step began and its last one ended, where its own stamps may be cut to whole seconds."""

    @property
    def is_active(self) -> bool:
        """True until the child has ended."""
        return self.status in ENGINE_OPEN

    @property
    def ran_before(self) -> bool:
        """True when a step is older than its row's start: it was put on a queue once more."""
        return ran_before(self.started_at_ms, self.first_step_ms)

    @property
    def may_have_run_before(self) -> bool:
        """True where only its first step tells whether it was executed before the start that its row has."""
        waited_ms = 0 if self.started_at_ms is None else self.started_at_ms - self.created_at_ms
        return self.status == "ENQUEUED" or waited_ms > ROUNDING_MS

    @property
    def has_rounded_stamps(self) -> bool:
        """True when its start or end is a whole second, as all are on SQLite with Python before 3.12."""
        return any(
            stamp is not None and stamp % ROUNDING_MS == 0 for stamp in (self.started_at_ms, self.completed_at_ms)
        )


def ran_before(started_ms: int | None, first_step_ms: int | None) -> bool:
    """Say whether a run's first step is older than the start in its row, or than one that is still to come.

    A row's start may be cut to a whole second, and is the database's clock where the step's is its worker's.

    Example:
        >>> ran_before(60_000, 2_000), ran_before(60_000, 59_900), ran_before(None, 2_000), ran_before(60_000, None)
        (True, False, True, False)
    """
    return first_step_ms is not None and (started_ms is None or first_step_ms < started_ms - ROUNDING_MS)


def is_housekeeping(name: str) -> bool:
    """True for a row that the engine keeps for replay and a person would not call a step."""
    return name in HOUSEKEEPING or name.startswith(("DBOS.patch-", "durable."))


def wake_ms(text: str | None) -> int | None:
    """Return the wake time stored as a sleep's output: seconds from Python, milliseconds from TypeScript."""
    value = _number(text)
    if value is None:
        return None
    return round(value * 1000) if value < MILLISECONDS_FROM else round(value)


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = _wrapped_number(text)
    return value if abs(value) < float("inf") else None


def _wrapped_number(text: str) -> float:
    """Return a number stored as SuperJSON or as base64 of a pickled float (DBOS before 3.x); else not a number."""
    try:
        return float(json.loads(text)["json"])
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return float("nan")
    pickled = _PICKLED_FLOAT.fullmatch(raw)  # read as data, nothing is unpickled
    return float(struct.unpack(">d", pickled.group(1))[0]) if pickled is not None else float("nan")


def _is_seconds(text: str) -> bool:
    value = _number(text)
    return value is not None and value < MILLISECONDS_FROM


def is_timeout(finished_ms: int | None, wake: int | None) -> bool:
    """True for the zero-length sleep that records the timeout of a ``recv`` or ``get_event``.

    A real sleep's row says that it completes at its wake time; a timeout's that it completed at once.
    """
    return wake is not None and finished_ms is not None and finished_ms < wake - 2


def is_timeout_of_open_wait(seq: int, finished_ms: int | None, text: str | None, names: Mapping[int, str]) -> bool:
    """True for the timeout of a wait whose own row is not written yet: the number before it is missing.

    Python counts steps from 1 and stores seconds, TypeScript from 0 and milliseconds. DBOS 2.x also wrote real
    sleeps with no length; those follow some other row.
    """
    wake = wake_ms(text)
    if not is_timeout(finished_ms, wake) or seq - 1 in names or wake is None or text is None:
        return False
    first = 1 if _is_seconds(text) else 0
    return seq - 1 >= first


def parse_wait(value: str) -> Wait | None:
    """Return the announced wait, or None when the value is not one (somebody else's event, a newer format)."""
    try:
        data = json.loads(value)
    except (ValueError, TypeError, RecursionError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("on"), str) or data["on"] not in _WAITING_ON:
        return None
    name = data.get("name")
    return Wait(on=data["on"], name=name if isinstance(name, str) else None, until_ms=_time_ms(data.get("until")))


def parse_open_wait(seq: int, value: str) -> OpenWait | None:
    """Return the wait at ``seq`` from what announced it; None when that is not a wait whose topic can be known."""
    wait = parse_wait(value)
    if wait is None or wait.name is None:
        return None
    data = json.loads(value)
    topic, schema, dropped, ask = data.get("topic"), data.get("schema"), data.get("dropped"), data.get("ask")
    if not isinstance(topic, str):
        return None
    return OpenWait(
        seq=seq,
        on=wait.on,
        name=wait.name,
        topic=topic,
        schema=schema if isinstance(schema, dict) else None,
        dropped=dropped if isinstance(dropped, int) else 0,
        ask=ask if isinstance(ask, str) else None,
    )


def parse_question(run_id: str, seq: int, value: str, since_ms: int) -> Question | None:
    """Return what a person is asked by the wait at ``seq``; None where it asks nobody."""
    wait, announced = parse_open_wait(seq, value), parse_wait(value)
    if wait is None or announced is None or (wait.on != "breakpoint" and wait.ask is None):
        return None
    return Question(run_id, wait, since_ms, announced.until_ms)


def _time_ms(value: object) -> int | None:
    if isinstance(value, (int, float)):
        return wake_ms(str(value))
    try:
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def waits_for_child(rows: Sequence[TailRow]) -> bool:
    """True when a run's last word was about a child, so that an active child is what it waits for."""
    for row in reversed(rows):
        if row.child_id is not None:
            return True
        if not is_housekeeping(row.name):
            return False
    return False


def waiting_of(
    rows: Sequence[TailRow], waits: Mapping[int, Wait], active_children: Sequence[Child], now_ms: int
) -> Waiting | None:
    """Return what an executing run is parked on, or None when it works.

    Args:
        rows: its last step rows, by ``seq``.
        waits: announced waits, by the ``seq`` of the row that announced them.
        active_children: its children that have not ended, oldest first.
    """
    if not rows:
        return None
    names = {row.seq: row.name for row in rows}
    floor = rows[0].seq
    asleep: Waiting | None = None
    # The engine writes a wait's timeout as a sleep, by number behind the wait, whose own row comes when it is over. So
    # a sleep is read together with what stands before it, and the last one first: it is what holds the run now.
    for row in reversed(rows):
        if row.name != SLEEP:
            continue
        wake = wake_ms(row.wake)
        # Over: it woke, or the row of the wait that it would have ended is there.
        if wake is None or wake <= now_ms or names.get(row.seq - 1) in ENDS_BEFORE_TIMEOUT:
            continue
        since = row.started_ms if row.started_ms is not None else (row.finished_ms or now_ms)
        # Of the oldest row that was read nobody knows what stands before it, so whose timeout it is.
        seen_before = row.seq > floor or len(rows) < TAIL_ROWS
        if not is_timeout_of_open_wait(row.seq, row.finished_ms, row.wake, names):
            asleep = asleep or Waiting("sleep", None, since, wake, row.seq)
        elif seen_before:
            return _announced(waits.get(row.seq - 2), since, row.seq - 1, otherwise_ms=wake)
    last = rows[-1]
    if last.name == SET_EVENT and last.seq in waits:
        since = last.finished_ms if last.finished_ms is not None else now_ms
        return _announced(waits[last.seq], since, last.seq + 1, otherwise_ms=None)
    if asleep is not None:
        return asleep  # after waits: a wait that is open beside a sleep is the one that somebody can answer
    if active_children and waits_for_child(rows):
        child = active_children[0]
        starts = {row.child_id: row for row in rows if row.child_id is not None and row.name != GET_RESULT}
        start = starts.get(child.id)
        since = start.started_ms if start is not None and start.started_ms is not None else child.created_at_ms
        return Waiting("child", child.name, since, None, start.seq if start is not None else None)
    return None


def _announced(wait: Wait | None, since_ms: int, seq: int, *, otherwise_ms: int | None) -> Waiting:
    if wait is None:
        return Waiting("signal", None, since_ms, otherwise_ms, seq)
    return Waiting(wait.on, wait.name, since_ms, wait.until_ms, seq)
