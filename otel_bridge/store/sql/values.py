"""Payload columns, which may be long: cut where they are read. SQL only, no driver."""

from __future__ import annotations

from otel_bridge.model.values import StoredValue, text_of
from otel_bridge.store.sql.session import Reader

ERROR_BEGINNING_BYTES = 64 * 1024
"""Of each error of many, when there are more than may be read whole: type and message nearly always begin here."""
ERRORS_TOTAL_BYTES = 32 * 1024 * 1024
"""Of all errors that one read of steps reads whole."""


def size_of(reader: Reader, column: str) -> str:
    """Return the expression for a text column's size in bytes."""
    return f"octet_length({column})" if reader.dialect == "postgres" else f"length(CAST({column} AS BLOB))"


def capped(reader: Reader, column: str, cap_bytes: int | None) -> tuple[str, list[object]]:
    """Return the select list ``text, size in bytes`` of a payload column that may be long."""
    size = size_of(reader, column)
    if cap_bytes is None:
        return f"{column}, {size}", []
    return f"substr({column}, 1, ?), {size}", [cap_bytes]


def stored_value(
    text: object | None, size: int | None, serialization: str | None, cap: int | None
) -> StoredValue | None:
    """Return the value, cut to ``cap`` bytes at a whole character; None for SQL NULL.

    Args:
        text: what the column holds: on SQLite that may be a blob or a number, though it declares text.
    """
    if text is None or size is None:
        return None
    text = text_of(text)
    if cap is not None and size > cap:
        text = text.encode("utf-8", "surrogatepass")[:cap].decode("utf-8", "ignore")
    return StoredValue(text, serialization, size)
