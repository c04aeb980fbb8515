"""Stored values for the codec's tests."""

from __future__ import annotations

import base64
import pickle
from typing import Any

from otel_bridge.model.values import StoredValue


def pickled(value: Any, *, protocol: int = pickle.DEFAULT_PROTOCOL) -> StoredValue:
    """A value as DBOS for Python stores it."""
    return from_bytes(pickle.dumps(value, protocol))


def from_bytes(data: bytes) -> StoredValue:
    """Pickle bytes as DBOS for Python stores them."""
    return stored(base64.b64encode(data).decode("ascii"), "py_pickle")


def stored(text: str, serialization: str | None) -> StoredValue:
    """A whole stored text."""
    return StoredValue(text, serialization, len(text.encode("utf-8", "surrogatepass")))


def cut(value: StoredValue, characters: int) -> StoredValue:
    """The beginning of a stored value, as a reader with a cap gets it."""
    return StoredValue(value.text[:characters], value.serialization, value.size_bytes)
