"""What JavaScript's own formats mark beside their JSON: superjson's ``meta``, and the older ``dbos_type``. Pure.

Source: superjson 2.2 (``transformer``, ``pathstringifier``) and ``@dbos-inc/dbos-sdk`` (``serialization``).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from otel_bridge.codec.limits import Budget, OutOfBudget
from otel_bridge.codec.nodes import Global, Instance, Mapping, Sequence

_MARKER, _MARK = "__dbos_serializer", "superjson"
_META = {"values", "referentialEqualities", "v"}
_CHARACTERS_PER_UNIT = 16
_ITEMS_PER_UNIT = 8


def is_superjson(value: object, name: str | None) -> bool:
    """True for what superjson wrote, and nothing else beside it: no other JSON may hide behind a member ``json``.

    Without the format's name, the marker that DBOS for TypeScript puts there is asked for.
    """
    if not isinstance(value, dict) or "json" not in value or not value.keys() <= {"json", "meta", _MARKER}:
        return False
    meta = value.get("meta", {})
    if not isinstance(meta, dict) or not meta.keys() <= _META:
        return False
    return name == "js_superjson" or (name is None and value.get(_MARKER) == _MARK)


def from_superjson(value: Any, budget: Budget) -> Any:
    """Return the value with dates, maps, sets and the like restored; a part that is not understood stays plain."""
    meta = value.get("meta")
    holder = [value.get("json")]
    if isinstance(meta, dict):
        with suppress(OutOfBudget):  # what was not reached by then stays as it was written
            _Annotations(budget).apply(meta.get("values"), holder)
    return holder[0]


class _Annotations:
    """A tree of types: ``[type, children]``, or children only, by dotted path."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def apply(self, tree: object, holder: list[Any]) -> None:
        """Apply the tree to ``holder[0]``, in place.

        Children come before the type of their parent, which replaces what their paths lead through.
        """
        todo: list[tuple[Any, Any, Any, str | None]] = [(tree, holder, 0, None)]
        while todo:
            tree, parent, key, dotted = todo.pop()
            self._budget.read()
            if isinstance(tree, _Type):
                value = _member(parent, key)
                if value is not _MISSING:
                    parent[key] = self._restored(tree.kind, value)
                continue
            if dotted is not None:
                place = self._find(parent, key, dotted)
                if place is None:
                    continue
                parent, key = place
            children = tree
            if isinstance(tree, list) and tree:
                todo.append((_Type(tree[0]), parent, key, None))
                children = tree[1] if len(tree) > 1 else None
            if isinstance(children, dict):
                todo.extend((child, parent, key, path) for path, child in reversed(children.items()))

    def _find(self, parent: object, key: object, dotted: str) -> tuple[Any, Any] | None:
        """Return the container and key that a path leads to, from ``parent[key]`` on."""
        self._budget.read(len(dotted) // _CHARACTERS_PER_UNIT)
        path = _parse_path(dotted)
        self._budget.read(len(path))
        for part in path:
            parent = _member(parent, key)
            key = int(part) if isinstance(parent, list) and _is_index(part) else part
            if _member(parent, key) is _MISSING:
                return None
        return parent, key

    def _restored(self, kind: object, value: object) -> Any:
        self._budget.read(len(value) // _ITEMS_PER_UNIT if isinstance(value, list) else 0)
        if kind == "undefined":
            return None
        if kind == "set" and isinstance(value, list):
            return Sequence("set", value)
        if kind == "map" and isinstance(value, list):
            return _mapping(value)
        if isinstance(kind, list) and len(kind) == 2 and isinstance(kind[1], str):
            return _tagged(kind[0], kind[1], value)
        return value  # Date, bigint, regexp, URL, number, Error: their JSON says it already


_MISSING = object()


class _Type:
    """The type of a value whose children have been restored."""

    def __init__(self, kind: object) -> None:
        self.kind = kind


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) < 12


def _member(parent: object, key: object) -> Any:
    if isinstance(parent, dict):
        return parent.get(key, _MISSING)
    if isinstance(parent, list) and isinstance(key, int) and key < len(parent):
        return parent[key]
    return _MISSING


def _parse_path(dotted: str) -> list[str]:
    if "\\" not in dotted:
        return dotted.split(".")
    parts, part, escaped = [], "", False
    for character in dotted:
        if escaped:
            part, escaped = part + character, False
        elif character == "\\":
            escaped = True
        elif character == ".":
            parts.append(part)
            part = ""
        else:
            part += character
    return [*parts, part]


def _mapping(value: list[Any]) -> Any:
    """Return a map's pairs; a list of anything else stays as it is."""
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        return value
    return Mapping([(pair[0], pair[1]) for pair in value])


def _tagged(tag: object, name: str, value: object) -> Any:
    if tag == "custom" and name == "Buffer":
        return _buffer(value)
    if tag == "symbol":
        return f"Symbol({name})"
    if tag == "class":
        return Instance(Global(name), [], state=value, built=True)
    if tag == "custom":
        return Instance(Global(name), [value])
    return value  # a typed array reads as an array


def _buffer(value: object) -> Any:
    if isinstance(value, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):
        return bytes(value)
    return value


def from_dbosify(value: object, budget: Budget) -> Any:
    """Return the value with the older ``{"dbos_type", "dbos_data"}`` and Node's buffers unwrapped, in place."""
    holder = [value]
    todo: list[tuple[Any, Any]] = [(holder, 0)]
    with suppress(OutOfBudget):  # as above
        while todo:
            parent, key = todo.pop()
            found = parent[key]
            if isinstance(found, dict) and found.keys() == {"dbos_type", "dbos_data"}:
                parent[key] = found["dbos_data"]
            elif isinstance(found, dict) and found.keys() == {"type", "data"} and found["type"] == "Buffer":
                budget.read(len(found["data"]) // _ITEMS_PER_UNIT if isinstance(found["data"], list) else 0)
                parent[key] = _buffer(found["data"])
            elif isinstance(found, (dict, list)):
                budget.read(len(found))
                todo.extend((found, place) for place in (found if isinstance(found, dict) else range(len(found))))
    return holder[0]
