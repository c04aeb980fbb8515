"""Whether a message fits the JSON schema that the waiting run published. Pure: no clock, file, socket or database.

The schema is pydantic's, of the type that the workflow declared (``on_update("quantity", type=int)``), and the worker
reads the message with pydantic's lax rules: the text "3" is a number to it. So this refuses only what those rules
certainly refuse; a keyword it does not know refuses nothing, and the worker checks again on delivery.
"""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from pydantic import AnyUrl, TypeAdapter, ValidationError

Schema = Mapping[str, Any]

_DEEPEST = 50
"""Levels of nesting that are looked into: a schema may refer to itself."""

_READ_AS: Mapping[str, Any] = {
    "integer": int,
    "number": float,
    "boolean": bool,
    "string": str,
    "array": list[Any],
    "object": dict[str, Any],
    "null": None,
    "date-time": datetime,
    "date": date,
    "time": time,
    "duration": timedelta,
    "uuid": UUID,
    "uri": AnyUrl,
}
"""What pydantic reads each type, or format of text, as: it says itself whether it can."""
_TYPE_NAMES = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "string": "a string",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def misfit(schema: Schema, value: object) -> str | None:
    """Return why ``value`` does not fit ``schema``, beginning with where; None where it fits.

    Example::

        misfit({"type": "integer"}, "many")  # "'many' is not an integer."
    """
    return next(_Check(schema).misfits(schema, value, "", 0), None)


class _Check:
    """One look at one value: knows the whole schema, for what refers to its definitions."""

    def __init__(self, whole: Schema) -> None:
        self._whole = whole

    def misfits(self, schema: object, value: object, where: str, depth: int) -> Iterator[str]:
        """Yield what does not fit, the outermost first."""
        if schema is False:
            yield _say(where, f"{_shown(value)} is not expected.")
        if not isinstance(schema, Mapping) or depth > _DEEPEST:
            return
        if "$ref" in schema:
            yield from self.misfits(self._definition(str(schema["$ref"])), value, where, depth + 1)
        for part in schema.get("allOf", ()):
            yield from self.misfits(part, value, where, depth + 1)
        for keyword in ("anyOf", "oneOf"):  # of oneOf too: pydantic takes the best match where two fit
            if keyword in schema:
                yield from self._none_of(schema[keyword], value, where, depth)
        if "type" in schema and not _is_any_of(schema, value):
            yield _say(where, f"{_shown(value)} is not {_named(schema)}.")
            return
        yield from _beyond(schema, value, where)
        if isinstance(value, dict):
            yield from self._members(schema, value, where, depth)
        elif isinstance(value, list):
            yield from self._items(schema, value, where, depth)

    def _definition(self, reference: str) -> object:
        found: object = self._whole
        for part in reference.removeprefix("#/").split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        return found

    def _none_of(self, choices: list[Any], value: object, where: str, depth: int) -> Iterator[str]:
        reasons = []
        for choice in choices:
            reason = next(self.misfits(choice, value, where, depth + 1), None)
            if reason is None:
                return
            reasons.append(reason)
        yield " Nor: ".join(dict.fromkeys(reasons))

    def _members(self, schema: Schema, value: dict[str, Any], where: str, depth: int) -> Iterator[str]:
        for name in schema.get("required", ()):
            if name not in value:
                yield _say(where, f"{name!r} is missing.")
        known = schema.get("properties", {})
        for name, member in value.items():
            inner = known.get(name, schema.get("additionalProperties", True))
            yield from self.misfits(inner, member, f"{where}.{name}" if where else name, depth + 1)

    def _items(self, schema: Schema, value: list[Any], where: str, depth: int) -> Iterator[str]:
        first = schema.get("prefixItems", ())
        for number, item in enumerate(value):
            inner = first[number] if number < len(first) else schema.get("items", True)
            yield from self.misfits(inner, item, f"{where}[{number}]", depth + 1)


def _is_any_of(schema: Schema, value: object) -> bool:
    kinds = schema["type"]
    return any(_is(kind, schema, value) for kind in (kinds if isinstance(kinds, list) else [kinds]))


def _is(kind: str, schema: Schema, value: object) -> bool:
    """Say whether pydantic may read a value of JSON as of this type."""
    form = schema.get("format")
    name = form if kind == "string" and isinstance(form, str) and form in _READ_AS else kind
    if name not in _READ_AS:
        return True
    try:
        _adapter(name).validate_python(value)
    except ValidationError:
        return False
    return True


@functools.cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_READ_AS[name])


def _number(value: object) -> float | None:
    """Return a value as a number where pydantic would, else None."""
    if isinstance(value, int):  # which may be beyond what a float holds
        return value
    try:
        number: float = _adapter("number").validate_python(value)
    except ValidationError:
        return None
    return number


def _beyond(schema: Schema, value: object, where: str) -> Iterator[str]:
    """Yield what a value of the right type still lacks: bounds, lengths, choices."""
    if "enum" in schema and not _is_one_of(schema, value):
        yield _say(where, f"{_shown(value)} is not one of {', '.join(map(repr, schema['enum']))}.")
    if "const" in schema and value != schema["const"]:
        yield _say(where, f"{_shown(value)} is not {schema['const']!r}.")
    number = _number(value) if schema.get("type") in ("integer", "number") else None
    if number is not None:
        for keyword, broken, words in (
            ("minimum", operator.lt, "less than"),
            ("maximum", operator.gt, "greater than"),
            ("exclusiveMinimum", operator.le, "not greater than"),
            ("exclusiveMaximum", operator.ge, "not less than"),
        ):
            if keyword in schema and broken(number, schema[keyword]):
                yield _say(where, f"{_shown(value)} is {words} {schema[keyword]}.")
    if isinstance(value, (str, list, dict)):
        kind = {str: "Length", list: "Items", dict: "Properties"}[type(value)]
        if len(value) < schema.get(f"min{kind}", 0):
            yield _say(where, f"{_shown(value)} is too short: at least {schema[f'min{kind}']}.")
        if len(value) > schema.get(f"max{kind}", math.inf) and not schema.get(
            "uniqueItems"
        ):  # a set drops what is twice
            yield _say(where, f"{_shown(value)} is too long: at most {schema[f'max{kind}']}.")
    if isinstance(value, str) and isinstance(schema.get("pattern"), str) and not _matches(schema["pattern"], value):
        yield _say(where, f"{_shown(value)} does not match {schema['pattern']!r}.")


def _is_one_of(schema: Schema, value: object) -> bool:
    """Say whether a value is one of the choices; a choice among numbers is read from a text too."""
    numeric = schema.get("type") in ("integer", "number")
    return value in schema["enum"] or (numeric and _number(value) in schema["enum"])


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # Rust's dialect, which pydantic speaks, knows more
        return True


def _named(schema: Schema) -> str:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if kinds == ["string"] and schema.get("format") in _READ_AS:
        return f"a text of format {schema['format']!r}"
    return " or ".join(_TYPE_NAMES.get(kind, str(kind)) for kind in kinds)


def _shown(value: object) -> str:
    text = "null" if value is None else "true" if value is True else "false" if value is False else repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _say(where: str, what: str) -> str:
    return f"{where}: {what}" if where else what
