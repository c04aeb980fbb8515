"""Serialized values as the engine stored them. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ERROR_CAP_BYTES = 4 * 1024 * 1024
"""How much of an error is read, wherever one is shown. A payload is shown as far as it was read; an error is understood
first, and then its words are cut: its type may come first and its message last."""

PayloadName = Literal["input", "output", "error"]


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A serialized value as the engine stored it, maybe cut. ``codec`` turns it into JSON.

    Args:
        text: the stored text, cut to the reader's cap when ``truncated``.
        serialization: the engine's name of the format (``py_pickle``, ``portable_json``, ``js_superjson``, ...).
        size_bytes: length of the whole stored text.
    """

    text: str
    serialization: str | None
    size_bytes: int

    @property
    def truncated(self) -> bool:
        """True when ``text`` is only the beginning."""
        return len(self.text.encode("utf-8", "surrogatepass")) < self.size_bytes


def text_of(value: object) -> str:
    """Return what was stored as a text, whatever a column that declares text holds: SQLite takes anything."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace")
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """A value that a run published by ``set_event``."""

    run_id: str
    key: str
    value: StoredValue


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One value that the step ``seq`` wrote to a stream; ``value`` is None where it closed the stream."""

    stream: str
    offset: int
    seq: int | None
    value: StoredValue | None


@dataclass(frozen=True, slots=True)
class UnreadMessage:
    """A message in a run's mailbox that the run has not received yet. ``key`` is the sender's idempotency key."""

    run_id: str
    topic: str | None
    key: str
    value: StoredValue
