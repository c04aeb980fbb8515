"""Reading a run's mailbox, and the waits that it reads it in. SQL only, no driver: see ``session``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from otel_bridge.model.names import WAIT_EVENT_KEY
from otel_bridge.model.runs import OpenWait, Question
from otel_bridge.model.values import StoredValue, UnreadMessage, text_of
from otel_bridge.store.sql.conditions import in_list
from otel_bridge.store.sql.session import Reader, chunks
from otel_bridge.store.sql.statement import MESSAGES, OPEN_RUNS, PRIMARY_KEY, Statement
from otel_bridge.store.waiting import parse_open_wait, parse_question

UNREAD_MESSAGES = Statement(
    "unread_messages", "What was sent to a run and not received: kept over a rewind.", (MESSAGES,)
)
OPEN_WAITS = Statement(
    "open_waits", "The waits that a run announced and has not come out of: whom a message is for.", (PRIMARY_KEY,)
)
HELD_RUNS = Statement("held_runs", "The oldest runs that a worker took and that have not ended.", OPEN_RUNS)
QUESTIONS = Statement("questions", "The waits of some runs that a person is to answer.", (PRIMARY_KEY,))
MOST_WAITS = 1_000
"""Of one run, side by side."""
NULL_TOPIC = "__null__topic__"


def unread_messages(reader: Reader, run_id: str) -> list[UnreadMessage]:
    """Return messages that were sent to the run and not received yet, oldest first."""
    schema = reader.schema()
    if not schema.has("notifications", "consumed"):
        return []
    rows = reader.read(
        UNREAD_MESSAGES,
        f"SELECT n.topic, n.message_uuid, n.message, {schema.column('notifications', 'serialization', alias='n')} "
        f"FROM {schema.table('notifications')} n "
        f"WHERE n.destination_uuid = ? AND n.consumed = ? ORDER BY n.created_at_epoch_ms",
        [run_id, False],
    )
    return [
        UnreadMessage(
            run_id=run_id,
            topic=None if topic == NULL_TOPIC else topic,
            key=key.removesuffix(f"::{run_id}"),
            value=StoredValue(text, serialization, len(text.encode("utf-8", "surrogatepass"))),
        )
        for topic, key, message, serialization in rows
        for text in (text_of(message),)
    ]


def open_waits(reader: Reader, run_id: str) -> list[OpenWait]:
    """Return the waits that the run announced and whose receiving step, the one after it, has no row yet, by ``seq``.

    An engine that keeps no history of events tells of none.
    """
    schema = reader.schema()
    steps = schema.table("operation_outputs")
    if not schema.has("workflow_events_history", "function_id"):
        return []
    rows = reader.read(
        OPEN_WAITS,
        f"SELECT h.function_id + 1, h.value FROM {schema.table('workflow_events_history')} h "
        f"WHERE h.workflow_uuid = ? AND h.key = ? AND NOT EXISTS (SELECT 1 FROM {steps} o "
        "WHERE o.workflow_uuid = h.workflow_uuid AND o.function_id = h.function_id + 1) "
        f"ORDER BY h.function_id DESC LIMIT {MOST_WAITS}",
        [run_id, WAIT_EVENT_KEY],
    )
    found = (parse_open_wait(int(seq), text_of(value)) for seq, value in reversed(rows))
    return [wait for wait in found if wait is not None]


def questions(reader: Reader, *, most_runs: int, run_ids: Sequence[str] | None = None) -> tuple[list[Question], bool]:
    """Return the waits that people are to answer, oldest first, and whether that is all of them.

    The open runs by the engine's index on them, then their waits by primary key, in two reads: as one, planners may
    walk the history of all runs. It costs what is open, whatever the history.

    Args:
        most_runs: so many open runs are looked at, the oldest.
        run_ids: of these runs only.
    """
    if not reader.schema().has("workflow_events_history", "function_id"):
        return [], True
    if run_ids is None:
        sql = f"SELECT w.workflow_uuid FROM {reader.schema().table('workflow_status')} w "
        held = reader.read(HELD_RUNS, f"{sql}WHERE w.status = 'PENDING' ORDER BY w.created_at LIMIT ?", [most_runs])
        run_ids = [run_id for (run_id,) in held]
    found = [one for part in chunks(run_ids) for one in _questions_of(reader, part)]
    return sorted(found, key=lambda one: (one.since_ms, one.run_id, one.wait.seq)), len(run_ids) < most_runs


def _questions_of(reader: Reader, run_ids: Sequence[str]) -> Iterator[Question]:
    schema = reader.schema()
    steps = schema.table("operation_outputs")
    among, params = in_list("h.workflow_uuid", run_ids, reader.dialect)
    announced = schema.column("operation_outputs", "completed_at_epoch_ms", alias="a")
    rows = reader.read(
        QUESTIONS,
        f"SELECT h.workflow_uuid, h.function_id + 1, h.value, COALESCE({announced}, w.created_at) "
        f"FROM {schema.table('workflow_events_history')} h "
        f"JOIN {schema.table('workflow_status')} w ON w.workflow_uuid = h.workflow_uuid AND w.status = 'PENDING' "
        f"LEFT JOIN {steps} a ON a.workflow_uuid = h.workflow_uuid AND a.function_id = h.function_id "
        f"WHERE {among} AND h.key = ? "
        # A cheap look before the value is parsed: most waits are for programs.
        "AND (h.value LIKE ? OR h.value LIKE ?) "
        f"AND NOT EXISTS (SELECT 1 FROM {steps} o "
        "WHERE o.workflow_uuid = h.workflow_uuid AND o.function_id = h.function_id + 1)",
        [*params, WAIT_EVENT_KEY, '%"breakpoint"%', '%"ask"%'],
    )
    for run_id, seq, value, since_ms in rows:
        question = parse_question(run_id, int(seq), text_of(value), int(since_ms))
        if question is not None:
            yield question
