"""What the engine keeps beside a step's row: the topic of a message, the key of an event, the name of a stream.

A ``DBOS.recv`` row does not say what it received, nor a ``DBOS.setEvent`` row what it set: the engine writes that to
tables of their own, with the number of the step. Read for the runs that have such rows only.
"""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.model.names import WAIT_EVENT_KEY
from otel_bridge.model.values import StoredValue, StreamEntry
from otel_bridge.store.sql.conditions import in_list
from otel_bridge.store.sql.mailbox import NULL_TOPIC
from otel_bridge.store.sql.session import Between, Reader, chunks
from otel_bridge.store.sql.statement import MESSAGES, PRIMARY_KEY, Statement
from otel_bridge.store.sql.values import capped, stored_value
from otel_bridge.store.waiting import SET_EVENT

RECEIVE = "DBOS.recv"
STREAM_WRITES = frozenset({"DBOS.writeStream", "DBOS.closeStream"})
KEYED = STREAM_WRITES | {RECEIVE, SET_EVENT}
STREAM_CLOSED = '"__DBOS_STREAM_CLOSED__"'
"""The entry with which the engine ends a stream. Source: DBOS ``_serialization.py``."""

STEP_KEYS = Statement(
    "step_keys", "Topic, event key or stream of steps whose own rows do not say.", (MESSAGES, PRIMARY_KEY)
)
SET_VALUE = Statement("set_value", "The value that one step set or wrote.", (PRIMARY_KEY,))
STREAM_ENTRIES = Statement("stream_entries", "What a run wrote to a stream, in order.", (PRIMARY_KEY,))
STREAM_KEYS = Statement("stream_keys", "The streams of a run.", (PRIMARY_KEY,))

_SOURCES = {
    # table -> (run id, number of the step, key, the steps it is read for)
    "notifications": ("destination_uuid", "consumed_by_function_id", "topic", frozenset({RECEIVE})),
    "workflow_events_history": ("workflow_uuid", "function_id", "key", frozenset({SET_EVENT})),
    "streams": ("workflow_uuid", "function_id", "key", STREAM_WRITES),
}


def keys_of(
    reader: Reader, run_ids: Sequence[str], names: frozenset[str], *, between: Between | None = None
) -> dict[str, dict[int, str]]:
    """Return topic, event key or stream by run and step, for runs whose steps have these names.

    Args:
        between: only of steps of these numbers.
    """
    schema = reader.schema()
    found: dict[str, dict[int, str]] = {}
    for table, (run_column, seq_column, key_column, read_for) in _SOURCES.items():
        if not names & read_for or not schema.has(table, seq_column):
            continue
        for part in chunks(run_ids):
            among, params = in_list(f"k.{run_column}", part, reader.dialect)
            numbered = f"k.{seq_column} IS NOT NULL" if between is None else f"k.{seq_column} BETWEEN ? AND ?"
            rows = reader.read(
                STEP_KEYS,
                f"SELECT k.{run_column}, k.{seq_column}, k.{key_column} FROM {schema.table(table)} k "
                f"WHERE {among} AND {numbered}",
                [*params, *(between or ())],
            )
            for run_id, seq, key in rows:
                if key is not None and key not in (NULL_TOPIC, WAIT_EVENT_KEY):
                    found.setdefault(run_id, {})[seq] = key
    return found


def value_at(reader: Reader, run_id: str, seq: int, name: str, *, cap_bytes: int | None) -> StoredValue | None:
    """Return the value that a step set or wrote: the engine stores none with the step itself."""
    table = "workflow_events_history" if name == SET_EVENT else "streams" if name in STREAM_WRITES else None
    schema = reader.schema()
    if table is None or not schema.has(table, "function_id"):
        return None
    select, params = capped(reader, "k.value", cap_bytes)
    rows = reader.read(
        SET_VALUE,
        f"SELECT {select}, {schema.column(table, 'serialization', alias='k')} FROM {schema.table(table)} k "
        "WHERE k.workflow_uuid = ? AND k.function_id = ?",
        [*params, run_id, seq],
    )
    for text, size, serialization in rows:
        return None if text == STREAM_CLOSED else stored_value(text, size, serialization, cap_bytes)
    return None


def stream_entries(
    reader: Reader, run_id: str, key: str, *, after: int = -1, limit: int, cap_bytes: int | None
) -> list[StreamEntry]:
    """Return what a run wrote to a stream after an offset, in order."""
    schema = reader.schema()
    if not schema.has("streams"):
        return []
    select, params = capped(reader, "k.value", cap_bytes)
    seq = schema.column("streams", "function_id", alias="k")
    rows = reader.read(
        STREAM_ENTRIES,
        f"SELECT k.offset, {seq}, {select}, {schema.column('streams', 'serialization', alias='k')} "
        f"FROM {schema.table('streams')} k WHERE k.workflow_uuid = ? AND k.key = ? AND k.offset > ? "
        "ORDER BY k.offset LIMIT ?",
        [*params, run_id, key, after, limit],
    )
    return [
        StreamEntry(
            key, offset, step_seq, None if text == STREAM_CLOSED else stored_value(text, size, format_name, cap_bytes)
        )
        for offset, step_seq, text, size, format_name in rows
    ]


def stream_keys(reader: Reader, run_id: str) -> dict[str, tuple[int, bool]]:
    """Return each stream of a run: how many values it has, and whether it was closed."""
    schema = reader.schema()
    if not schema.has("streams"):
        return {}
    rows = reader.read(
        STREAM_KEYS,
        f"SELECT k.key, count(*), max(CASE WHEN k.value = ? THEN 1 ELSE 0 END) FROM {schema.table('streams')} k "
        "WHERE k.workflow_uuid = ? GROUP BY k.key ORDER BY k.key",
        [STREAM_CLOSED, run_id],
    )
    return {key: (count - closed, bool(closed)) for key, count, closed in rows}
