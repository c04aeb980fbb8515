"""Cells that hold what their column does not declare. SQLite only: a column there takes a value of any type.

A driver that meets text that is not UTF-8 fails the whole statement, and code that meets a blob where it expects a
number fails at whatever row that is: one damaged row would hide all others. So every statement is read through
``fetch``, which replaces such cells by values of the declared type that remember what they are.

Source: https://www.sqlite.org/datatype3.html, "Flexible typing".
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from otel_bridge.model.values import text_of

Row = tuple[Any, ...]

_TEXTS = (
    "workflow_uuid status name application_version class_name config_name queue_name queue_partition_key executor_id "
    "application_name parent_workflow_id forked_from schedule_name serialization deduplication_id authenticated_user "
    "function_name child_workflow_id key topic message_uuid destination_uuid workflow_name schedule cron_timezone "
    "last_fired_at version_id version_name"
)
_NUMBERS = (
    "created_at updated_at started_at_epoch_ms completed_at completed_at_epoch_ms retention_timestamp "
    "recovery_attempts priority delay_until_epoch_ms workflow_deadline_epoch_ms function_id consumed_by_function_id "
    "created_at_epoch_ms offset version_timestamp concurrency worker_concurrency rate_limit_max"
)
_REALS = "rate_limit_period_sec polling_interval_sec"
_DECLARED: dict[str, type] = {
    **dict.fromkeys(_TEXTS.split(), str),
    **dict.fromkeys(_NUMBERS.split(), int),
    **dict.fromkeys(_REALS.split(), float),
}
"""What the engine's columns hold, by name. Payloads are not among them: ``values.text_of`` reads those."""
_OF_A_COLUMN = re.compile(r"(?:min|max)\((?:\w+\.)?(\w+)\)")
_NOT_UTF8 = "Could not decode to UTF-8"
RUN_ID = "workflow_uuid"
"""SQLite lets a primary key be NULL, unless it is an integer."""
LAST = 2**62 - 1
"""SQLite sorts what is not a number behind all numbers, and so does its stand-in."""
LAST_TEXT = "\U0010ffff"
"""Begins the stand-in of an id that is a blob: lists are paged by id, and SQLite sorts blobs behind all texts."""


class UnreadableText(str):
    """Stands for a cell that is not text, or no UTF-8: what can be shown of it."""

    __slots__ = ()


class UnreadableNumber(int):
    """Stands for a cell that is not a number: ``LAST``."""

    __slots__ = ()


_UNREADABLE = frozenset({UnreadableText, UnreadableNumber})


def fetch(connection: Any, sql: str, params: Sequence[object]) -> list[Row]:
    """Run one statement on a SQLite connection and return all of its rows, each cell of its column's type.

    >>> import sqlite3
    >>> fetch(sqlite3.connect(":memory:"), "SELECT x'6f6b' AS name, 1.5 AS created_at, 7 AS priority", ())
    [('ok', 1, 7)]
    """
    try:
        cursor = connection.execute(sql, tuple(params))
        rows = cursor.fetchall()
        texts: frozenset[type] = frozenset({str})
    except Exception as error:
        if _NOT_UTF8 not in str(error):
            raise
        cursor, rows = _fetch_damaged(connection, sql, params)
        texts = frozenset({str, UnreadableText})
    return _of_declared_types(rows, [column[0] for column in cursor.description or ()], texts)


def _fetch_damaged(connection: Any, sql: str, params: Sequence[object]) -> tuple[Any, list[Row]]:
    """Read once more, with a decoder of our own: it takes many times as long, so it is not the usual one."""
    usual = connection.text_factory
    connection.text_factory = _decoded
    try:
        cursor = connection.execute(sql, tuple(params))
        return cursor, cursor.fetchall()
    finally:
        connection.text_factory = usual


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return UnreadableText(text_of(data))


def _of_declared_types(rows: list[Row], names: Sequence[str], texts: frozenset[type]) -> list[Row]:
    """Return the same rows, unless a cell is of another type than its column declares.

    Args:
        texts: what texts may be: of payloads, which declare nothing, all are made plain.
    """
    damaged: list[tuple[int, type | None]] = []
    for place, (name, cells) in enumerate(zip(names, zip(*rows, strict=True), strict=False)):
        column = _OF_A_COLUMN.fullmatch(name)
        declared = _DECLARED.get(column[1] if column else name)
        types = set(map(type, cells))
        if declared is None:
            if UnreadableText in types:
                damaged.append((place, None))
        elif declared is float or not types <= _allowed(name, declared, texts):
            damaged.append((place, declared))  # a real may be infinite: few have any, so each is looked at
    if not damaged:
        return rows
    ids = {place for place, name in enumerate(names) if name == RUN_ID}
    return [_mended(row, damaged, ids) for row in rows]


def _allowed(name: str, declared: type, texts: frozenset[type]) -> frozenset[type]:
    """Return the types of a column's cells that need no mending."""
    types = texts if declared is str else frozenset({declared})
    return types if name == RUN_ID else types | {type(None)}


def _mended(row: Row, damaged: Iterable[tuple[int, type | None]], ids: Collection[int]) -> Row:
    cells = list(row)
    for place, declared in damaged:
        cell = cells[place]
        if declared is None:
            cells[place] = str(cell) if type(cell) is UnreadableText else cell
        elif isinstance(cell, declared) and declared is not float:
            continue
        elif cell is None:
            cells[place] = UnreadableText("NULL") if place in ids else None
        elif declared is str:
            behind = LAST_TEXT if place in ids and isinstance(cell, bytes) else ""
            cells[place] = UnreadableText(behind + text_of(cell))
        elif isinstance(cell, (int, float)) and math.isfinite(cell) and abs(cell) <= LAST:
            cells[place] = declared(cell)  # a fraction of a millisecond: some writer's clock is finer than the engine's
        else:
            cells[place] = UnreadableNumber(LAST)
    return tuple(cells)


def unreadable(row: Sequence[object]) -> bool:
    """True when a row has cells that ``fetch`` replaced."""
    return not _UNREADABLE.isdisjoint(map(type, row))


def unreadable_columns(row: Sequence[object], names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns whose cells ``fetch`` replaced."""
    return tuple(name for name, cell in zip(names, row, strict=False) if type(cell) in _UNREADABLE)


def plain(row: Sequence[object], required: frozenset[int] = frozenset()) -> Row:
    """Return a row without marks: no number where none can be read, unless one must be there.

    Args:
        required: places of the columns that are never NULL.
    """
    if not unreadable(row):
        return tuple(row)
    return tuple(
        (LAST if place in required else None)
        if type(cell) is UnreadableNumber
        else (str(cell) if type(cell) is UnreadableText else cell)
        for place, cell in enumerate(row)
    )
