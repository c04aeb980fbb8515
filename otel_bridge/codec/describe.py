"""Turns nodes and plain data into JSON for people, within a budget. Pure but for the budget's clock.

What JSON has no word for is told by members that begin with ``$``: ``$class`` with ``$state``, ``$args``, ``$value`` or
``$items``; ``$bytes`` (base64) with ``$length``; ``$set``; ``$map`` (pairs, where keys are no text); ``$ref`` (the name
of a class or function); ``$cycle``; ``$cut`` (what was left out).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from typing import Any

from otel_bridge.codec import known
from otel_bridge.codec.limits import Budget
from otel_bridge.codec.nodes import CutBytes, CutText, Global, Inert, Instance, Mapping, Sequence

_SAFE_INTEGER = 2**53 - 1
"""Beyond this a browser's numbers are no longer exact, so such integers become text."""


class Describer:
    """One description. ``budget.cut`` turns true when something is left out."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._path: set[int] = set()

    def json(self, value: Any, depth: int = 0) -> Any:
        """Return ``value`` as JSON-able data that nests at most twice ``max_depth`` deep."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int):
            return value if -_SAFE_INTEGER <= value <= _SAFE_INTEGER else str(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else _non_finite(value)
        if isinstance(value, CutText):
            return self.text(value.text, size=value.size_bytes, unit="bytes")
        if isinstance(value, (bytes, CutBytes)):
            return self._bytes(value)
        if isinstance(value, Global):
            return {"$ref": self.text(value.name)}
        if id(value) in self._path:
            return {"$cycle": "contains itself"}
        if depth >= self._budget.limits.max_depth:
            self._budget.cut = True
            return {"$cut": f"nested deeper than {depth} levels"}
        self._path.add(id(value))
        try:
            return self._container(value, depth + 1)
        finally:
            self._path.discard(id(value))

    def text(self, value: str, *, size: int | None = None, unit: str = "characters") -> str:
        """Return a string as any encoder takes it, cut where it is long."""
        limit = max(0, min(self._budget.limits.max_string, self._budget.text))
        size = len(value) if size is None else size
        if len(value) > limit or unit == "bytes":
            self._budget.cut = True
            value = f"{value[:limit]}… [cut: {size} {unit}]"
        self._budget.text -= min(len(value), limit)
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")

    def _bytes(self, value: bytes | CutBytes) -> dict[str, Any]:
        data, size = (value.data, value.size_bytes) if isinstance(value, CutBytes) else (value, len(value))
        limit = max(0, min(self._budget.limits.max_string, self._budget.text))
        if size > limit:
            self._budget.cut = True
        self._budget.text -= min(len(data), limit)
        return {"$bytes": base64.b64encode(data[:limit]).decode("ascii"), "$length": size}

    # -- containers -----------------------------------------------------------------------------------------------

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return self._mapping(value.items(), len(value), depth)
        if isinstance(value, list):
            return self._items(value, depth)
        if isinstance(value, Sequence):
            items = self._items(value.items, depth)
            return {"$set": items} if value.kind == "set" else items
        if isinstance(value, Mapping):
            return self._mapping(value.pairs, len(value.pairs), depth)
        if isinstance(value, Inert):
            self._budget.cut = self._budget.cut or value.label == "$int"
            return {value.label: self.json(value.value, depth)}
        if isinstance(value, Instance):
            return self._instance(value, depth)
        return {"$class": type(value).__name__}

    def _items(self, values: list[Any], depth: int) -> list[Any]:
        result: list[Any] = []
        for position, item in enumerate(values):
            if not self._budget.node():
                result.append({"$cut": f"{len(values) - position} more"})
                break
            result.append(self.json(item, depth))
        return result

    def _mapping(self, pairs: Iterable[tuple[Any, Any]], size: int, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        pairs = list(pairs)
        keys = [_key(key) for key, _ in pairs]
        plain = [key for key in keys if key is not None]
        if len(plain) < len(keys) or _ambiguous(pairs, plain):
            return {"$map": self._items([Sequence("tuple", list(pair)) for pair in pairs], depth)}
        for position, (key, (_, value)) in enumerate(zip(plain, pairs, strict=True)):
            if not self._budget.node():
                result["$cut"] = f"{size - position} more"
                break
            result[self.text(key)] = self.json(value, depth)
        return result

    def _instance(self, instance: Instance, depth: int) -> Any:
        simple = known.as_text(instance)
        if simple is not None:
            return self.text(simple)
        member = known.member_name(instance)
        if member is not None:
            return {"$ref": self.text(member)}
        plain = known.as_container(instance)
        if plain is not None:
            return self._container(plain, depth)
        name, args = known.class_and_args(instance)
        if name is None:
            result: dict[str, Any] = {"$call": self.json(instance.factory, depth)}
        else:
            result = {"$class": self.text(name)}
        bare = instance.kwargs is None and not (instance.built or instance.items or instance.pairs)
        if bare and len(args) == 1 and known.is_scalar(args[0]) and not known.looks_like_error(name):
            result["$value"] = self.json(args[0], depth)
        elif args:
            result["$args"] = self._items(args, depth)
        if instance.kwargs is not None:
            result["$kwargs"] = self.json(instance.kwargs, depth)
        if instance.built:
            result["$state"] = self.json(known.state_of(instance), depth)
        if instance.items:
            result["$items"] = self._items(instance.items, depth)
        if instance.pairs:
            result["$items"] = self._mapping(instance.pairs, len(instance.pairs), depth)
        return result


def _key(key: Any) -> str | None:
    """Return a key as text, or None where it has none that people would write."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, (bool, int, float)):
        return str(key)
    if isinstance(key, CutText):
        return key.text
    if isinstance(key, Instance):
        return known.as_text(key)
    return None


def _ambiguous(pairs: list[tuple[Any, Any]], keys: list[str]) -> bool:
    """True when two different keys would read the same, as ``1`` and ``"1"``."""
    if all(isinstance(key, str) for key, _ in pairs):
        return False
    return len(set(keys)) < len(keys)


def _non_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
