"""A workflow's arguments in one shape, whichever language wrote them. Pure."""

from __future__ import annotations

from typing import Any

from otel_bridge.codec.nodes import Mapping, Sequence

_NAMES = (("args", "kwargs"), ("positionalArgs", "namedArgs"))


def arguments_of(value: object) -> Any:
    """Return ``{"args": ..., "kwargs": ...}`` of nodes; whatever is no such thing is the only argument."""
    if isinstance(value, list) or (isinstance(value, Sequence) and value.kind == "list"):  # TypeScript's own format
        return {"args": value, "kwargs": {}}
    members = dict(_pairs(value))
    for args, kwargs in _NAMES:
        if members and members.keys() <= {args, kwargs}:
            given, named = members.get(args), members.get(kwargs)
            return {"args": [] if given is None else _as_list(given), "kwargs": {} if named is None else named}
    return {"args": [value], "kwargs": {}}


def _pairs(value: object) -> list[tuple[str, Any]]:
    pairs = list(value.items()) if isinstance(value, dict) else value.pairs if isinstance(value, Mapping) else []
    return pairs if len(pairs) <= 2 and all(isinstance(key, str) for key, _ in pairs) else []


def _as_list(given: object) -> Any:
    """Arguments are a tuple in Python's own format, and a list is as good."""
    if isinstance(given, Sequence) and given.kind == "tuple":
        return Sequence("list", given.items, open_from=given.open_from)
    return given
