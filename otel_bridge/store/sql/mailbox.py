"""Reading a run's mailbox, and the waits that it reads it in. SQL only, no driver: see ``session``."""

from __future__ import annotations

from otel_bridge.model.names import WAIT_EVENT_KEY
from otel_bridge.model.runs import OpenWait
from otel_bridge.model.values import StoredValue, UnreadMessage, text_of
from otel_bridge.store.sql.session import Reader
from otel_bridge.store.sql.statement import MESSAGES, PRIMARY_KEY, Statement
from otel_bridge.store.waiting import parse_open_wait

UNREAD_MESSAGES = Statement(
    "unread_messages", "What was sent to a run and not received: kept over a rewind.", (MESSAGES,)
)
OPEN_WAITS = Statement(
    "open_waits", "The waits that a run announced and has not come out of: whom a message is for.", (PRIMARY_KEY,)
)
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
        for topic, key, text, serialization in ((*row[:2], text_of(row[2]), row[3]) for row in rows)
    ]


def open_waits(reader: Reader, run_id: str) -> list[OpenWait]:
    """Return the waits that the run announced and whose receiving step, the one behind it, has no row yet, by ``seq``.

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
