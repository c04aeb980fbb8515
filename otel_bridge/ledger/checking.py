"""Whether a record that was read from the ledger holds what it is declared to hold. Pure.

SQLite stores any value in any column, and anybody can write to a file. A text where a number belongs would be met far
from here, in a page or in a span; so it is met here, where the row can be left out.
"""

from __future__ import annotations

import types
from collections.abc import Hashable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

R = TypeVar("R")


def checked(record: R) -> R:
    """Return the record, a dataclass, if every plain field holds a value of its type.

    Fields of other types are the decoder's business.

    Raises:
        ValueError: one does not; it is named, and its value.

    Example::

        checked(Cursor(steps_ms="soon", runs_ms=1))  # ValueError: steps_ms is 'soon'
    """
    for name, kinds, choices in _plain_fields(cast(Hashable, type(record))):
        value = getattr(record, name)
        if type(value) not in kinds or (choices is not None and value not in choices):
            raise ValueError(f"{name} is {str(value)[:100]!r}")
    return record


def damage_text(damaged: Mapping[str, int]) -> str:
    """Return the sentence about rows that cannot be read.

    >>> damage_text({"executors": 2})
    '2 rows cannot be read and are left out (executors: 2). The log names them; delete them to be rid of them.'
    """
    tables = ", ".join(f"{table}: {count}" for table, count in sorted(damaged.items()))
    total = sum(damaged.values())
    said = "1 row cannot be read and is" if total == 1 else f"{total} rows cannot be read and are"
    return f"{said} left out ({tables}). The log names them; delete them to be rid of them."


@cache
def _plain_fields(record: Any) -> tuple[tuple[str, frozenset[type], frozenset[Any] | None], ...]:
    hints = get_type_hints(record)
    found = []
    for field in fields(record):
        kinds, choices = _kinds(hints[field.name])
        if kinds:
            found.append((field.name, frozenset(kinds), choices))
    return tuple(found)


def _kinds(hint: object) -> tuple[set[type], frozenset[Any] | None]:
    """Return the types that a plain annotation allows, and its choices if it is a literal; nothing for another."""
    if hint in (int, str, bool, float, type(None)):
        return {hint}, None
    if get_origin(hint) is Literal:
        return {type(value) for value in get_args(hint)}, frozenset(get_args(hint))
    if get_origin(hint) in (Union, types.UnionType):
        parts = [_kinds(part) for part in get_args(hint)]
        if all(kinds for kinds, _ in parts) and not any(choices for _, choices in parts):
            return set().union(*(kinds for kinds, _ in parts)), None
    return set(), None
