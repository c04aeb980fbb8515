"""JSON as requests may send it: strict, bounded in depth, and such that every database can hold it. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from pydantic import BaseModel

from dashboard.errors import BadRequest

MAX_DEPTH = 200
"""Levels of lists and objects. Deeper values are attacks on recursive readers."""
MAX_FIELD_CHARS = 10_000
"""Of a name in a body, such as a queue's. Payloads are bounded by the whole body's size alone."""


def read_json(raw: bytes, *, unique_names: bool = False) -> Any:
    """Return a body's JSON.

    Args:
        unique_names: refuse an object that has a name twice: two readers of it would see two values.

    Raises:
        BadRequest: it is not JSON as RFC 8259 has it, or no database could hold it.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadRequest("The body is not JSON: it is not UTF-8.") from error
    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique if unique_names else None)
    except RecursionError as error:
        raise BadRequest(f"The body is nested more than {MAX_DEPTH} levels deep.") from error
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {str(error)[:200]}.") from error
    check_value(value)
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:80]!r} stands twice in one object")
    return found


def check_value(value: object) -> None:
    """Refuse what is nested too deep, or holds what JSON text or a database cannot. Walks without recursion.

    Raises:
        BadRequest: it does.
    """
    level: list[Any] = [value]
    for depth in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, float) and not math.isfinite(item):
                raise BadRequest("The body holds a number that is too large for any reader.")
            elif isinstance(item, (dict, list)):
                if depth == MAX_DEPTH:
                    raise BadRequest(f"The body is nested more than {MAX_DEPTH} levels deep.")
                below += item
                below += item.values() if isinstance(item, dict) else ()
        level = below


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BadRequest("The body holds a lone surrogate, which is not a character.") from error


def check_names(body: object) -> None:
    """Refuse NUL characters in what a declared body names; payloads (fields of any JSON) may hold them.

    Raises:
        BadRequest: Postgres keeps no NUL, neither in a text nor in an attribute.
    """
    if not isinstance(body, BaseModel):
        return
    for name, field in type(body).model_fields.items():
        if field.annotation is Any:
            continue
        waiting = [getattr(body, name)]
        while waiting:
            item = waiting.pop()
            if isinstance(item, dict):
                waiting += [*item, *item.values()]
            elif isinstance(item, list):
                waiting += item
            elif isinstance(item, str) and "\0" in item:
                raise BadRequest(f"Body, at {field.alias or name}: it holds a NUL character.")
            elif isinstance(item, str) and len(item) > MAX_FIELD_CHARS:
                raise BadRequest(f"Body, at {field.alias or name}: at most {MAX_FIELD_CHARS} characters are accepted.")
