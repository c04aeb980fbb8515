"""Reading a run's mailbox. SQL only, no driver: see ``reader``."""

from __future__ import annotations

from otel_bridge.model.values import StoredValue, UnreadMessage, text_of
from otel_bridge.store.sql.session import Reader
from otel_bridge.store.sql.statement import MESSAGES, Statement

UNREAD_MESSAGES = Statement(
    "unread_messages", "What was sent to a run and not received: kept over a rewind.", (MESSAGES,)
)
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
