"""Payload columns, which may be long: cut where they are read. SQL only, no driver."""

from __future__ import annotations

from typing import Any

from otel_bridge.model.values import StoredValue
from otel_bridge.store.sql.session import Reader


def capped(reader: Reader, column: str, cap_bytes: int | None) -> tuple[str, list[Any]]:
    """Return the select list ``text, size in bytes`` of a payload column that may be long."""
    size = f"octet_length({column})" if reader.dialect == "postgres" else f"length(CAST({column} AS BLOB))"
    if cap_bytes is None:
        return f"{column}, {size}", []
    return f"substr({column}, 1, ?), {size}", [cap_bytes]


def stored_value(text: str | None, size: int | None, serialization: str | None, cap: int | None) -> StoredValue | None:
    """Return the value, cut to ``cap`` bytes at a whole character; None for SQL NULL."""
    if text is None or size is None:
        return None
    if cap is not None and size > cap:
        text = text.encode("utf-8", "surrogatepass")[:cap].decode("utf-8", "ignore")
    return StoredValue(text, serialization, size)
