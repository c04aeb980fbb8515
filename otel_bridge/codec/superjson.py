"""What JavaScript's own formats mark beside their JSON: superjson's ``meta``, and the older ``dbos_type``. Pure.

Source: superjson 2.2 (``transformer``, ``pathstringifier``) and ``@dbos-inc/dbos-sdk`` (``serialization``).
"""

from __future__ import annotations

from typing import Any

from otel_bridge.codec.nodes import Global, Instance, Mapping, Sequence

_MARKER = "__dbos_serializer"
_MAX_DEPTH = 200
_MAX_ANNOTATIONS = 100_000


def is_superjson(value: Any) -> bool:
    """True for what DBOS for TypeScript writes: superjson with a marker."""
    return isinstance(value, dict) and "json" in value and (_MARKER in value or value.keys() == {"json", "meta"})


def from_superjson(value: Any) -> Any:
    """Return the value with dates, maps, sets and the like restored; a part that is not understood stays plain."""
    meta = value.get("meta")
    holder = [value.get("json")]
    if isinstance(meta, dict):
        _Annotations(holder).apply(meta.get("values"), [0], 0)
    return holder[0]


class _Annotations:
    def __init__(self, holder: list[Any]) -> None:
        self._holder = holder
        self._left = _MAX_ANNOTATIONS

    def apply(self, tree: Any, path: list[Any], depth: int) -> None:
        """Apply a tree of types: ``[type, children]``, or children only, by dotted path."""
        self._left -= 1
        if not tree or depth > _MAX_DEPTH or self._left < 0:
            return
        children = tree
        if isinstance(tree, list):
            children = tree[1] if len(tree) > 1 else None
        if isinstance(children, dict):
            for dotted, child in children.items():
                self.apply(child, [*path, *_parse_path(dotted)], depth + 1)
        if isinstance(tree, list):
            self._restore(tree[0], path)

    def _restore(self, kind: Any, path: list[Any]) -> None:
        parent: Any = self._holder
        for key in path[:-1]:
            parent = _member(parent, key)
        value = _member(parent, path[-1])
        if isinstance(parent, list) and value is not _MISSING:
            parent[int(path[-1])] = _restored(kind, value)
        elif isinstance(parent, dict) and value is not _MISSING:
            parent[path[-1]] = _restored(kind, value)


_MISSING = object()


def _member(parent: Any, key: Any) -> Any:
    if isinstance(parent, dict):
        return parent.get(key, _MISSING)
    if isinstance(parent, list) and str(key).isdecimal() and len(str(key)) < 12 and int(key) < len(parent):
        return parent[int(key)]
    return _MISSING


def _parse_path(dotted: str) -> list[str]:
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


def _restored(kind: Any, value: Any) -> Any:
    if kind == "undefined":
        return None
    if kind == "set" and isinstance(value, list):
        return Sequence("set", value)
    if kind == "map" and isinstance(value, list):
        return Mapping([(pair[0], pair[1]) for pair in value if isinstance(pair, list) and len(pair) == 2])
    if isinstance(kind, list) and len(kind) == 2:
        return _tagged(kind[0], str(kind[1]), value)
    return value  # Date, bigint, regexp, URL, number, Error: their JSON says it already


def _tagged(tag: Any, name: str, value: Any) -> Any:
    if tag == "custom" and name == "Buffer":
        return _buffer(value)
    if tag == "symbol":
        return f"Symbol({name})"
    if tag == "class":
        return Instance(Global(name), [], state=value, built=True)
    if tag == "custom":
        return Instance(Global(name), [value])
    return value  # a typed array reads as an array


def _buffer(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):
        return bytes(value)
    return value


def from_dbosify(value: Any, depth: int = 0) -> Any:
    """Return the value with the older ``{"dbos_type", "dbos_data"}`` and Node's buffers unwrapped, in place."""
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, list):
        value[:] = [from_dbosify(item, depth + 1) for item in value]
        return value
    if not isinstance(value, dict):
        return value
    if value.keys() == {"dbos_type", "dbos_data"}:
        return value["dbos_data"]
    if value.keys() == {"type", "data"} and value["type"] == "Buffer":
        return _buffer(value["data"])
    for key in value:
        value[key] = from_dbosify(value[key], depth + 1)
    return value
