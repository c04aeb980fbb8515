"""Turns nodes and plain data into JSON for people, within a budget. Pure but for the budget's clock.

What JSON cannot express is given as members that begin with ``$``: ``$class`` with ``$state``, ``$args``, ``$value`` or
``$items``; ``$bytes`` (base64) with ``$length``; ``$set``; ``$map`` (pairs, where keys are no text); ``$ref`` (the name
of a class or function); ``$cycle``; ``$cut`` (what was left out); ``$array`` and ``$frame``: see ``arrays``.

Containers are generators that hand their members to a loop, so depth costs no stack: a host that is itself deep in
calls, as a web server is, sees the same as anybody.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Generator
from typing import Any, Final, TypeVar

from otel_bridge.codec import arrays, keys, known
from otel_bridge.codec.limits import Budget
from otel_bridge.codec.masking import mask_bytes, mask_text
from otel_bridge.codec.nodes import CutBytes, CutText, Global, Inert, Instance, Mapping, Sequence
from otel_bridge.codec.redaction import REDACTED, VALUE_MEMBERS, KeyRedactor

_SAFE_INTEGER = 2**53 - 1
"""Beyond this a browser's numbers are no longer exact, so such integers become text."""
_CHARACTERS_PER_UNIT = 64
_BITS_PER_UNIT = 128
_SHORT = 256
_COST_OF_INSTANCE = 4
_EXACT_BITS = 4000
"""Longer integers are text even where exact ones are asked for: few readers of JSON take more digits."""
_CONTAINER: Final = object()
_T = TypeVar("_T")

Members = Generator[Any, Any, Any]
"""Yields members that are containers themselves, is sent their JSON, and returns the JSON of the whole."""


class Describer:
    """One description. ``budget.cut`` turns true when something is left out."""

    def __init__(self, budget: Budget, redactor: KeyRedactor | None = None, *, mask_tokens: bool = False) -> None:
        self._budget = budget
        self._redactor = redactor if redactor is not None and redactor.patterns else None
        self._mask = mask_tokens
        self._hidden: dict[str, bool] = {}
        self._short = min(_SHORT, budget.limits.max_string)
        self._exact = budget.limits.exact

    def json(self, value: object) -> Any:
        """Return ``value`` as JSON-able data that nests at most twice ``max_depth`` deep."""
        answer = self._scalar(value)
        if answer is not _CONTAINER:
            return answer
        open_: list[Members] = [self._container(value)]
        path, on_path = [id(value)], {id(value)}
        answer = None
        while open_:
            try:
                member = open_[-1].send(answer)
            except StopIteration as done:
                open_.pop()
                on_path.discard(path.pop())
                answer = done.value
                continue
            if id(member) in on_path:
                answer = {"$cycle": "contains itself"}
            elif len(open_) >= self._budget.limits.max_depth:
                self._budget.cut = True
                answer = {"$cut": f"nested deeper than {len(open_)} levels"}
            else:
                open_.append(self._container(member))
                path.append(id(member))
                on_path.add(id(member))
                answer = None
        return answer

    def text(self, value: str, *, size: int | None = None, unit: str = "characters") -> str:
        """Return a string as any encoder takes it, cut where it is long."""
        length = len(value)
        if length <= self._short and size is None and length <= self._budget.text and value.isascii():
            self._budget.text -= length
            return self._without_secrets(value)
        limit = max(0, min(self._budget.limits.max_string, self._budget.text))
        note = ""
        if len(value) > limit or unit == "bytes":
            self._budget.cut = True
            note = f"… [cut: {len(value) if size is None else size} {unit}]"
            value = value[:limit]
        self._budget.text -= len(value)
        self._budget.show(len(value) // _CHARACTERS_PER_UNIT)
        value = self._without_secrets(value)
        return f"{value if value.isascii() else value.encode('utf-8', 'backslashreplace').decode('utf-8')}{note}"

    def _without_secrets(self, value: str) -> str:
        shown = mask_text(value) if self._mask else value
        shown = shown if self._redactor is None else self._redactor.scrub(shown)
        return shown if shown == value else self._altered(shown)

    def _altered(self, shown: _T) -> _T:
        """Note that what is shown is not the value itself."""
        self._budget.altered = True
        return shown

    # -- scalars --------------------------------------------------------------------------------------------------

    def _scalar(self, value: object) -> Any:
        """Return the JSON of what holds nothing else, or ``_CONTAINER``."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int):
            if -_SAFE_INTEGER <= value <= _SAFE_INTEGER or (self._exact and value.bit_length() <= _EXACT_BITS):
                return value
            return self._altered(self._digits(value))
        if isinstance(value, float):
            return value if math.isfinite(value) else self._altered(_non_finite(value))
        if isinstance(value, CutText):
            return self.text(value.text, size=value.size_bytes, unit="bytes")
        if isinstance(value, (bytes, CutBytes)):
            return self._altered(self._bytes(value))
        if isinstance(value, Global):
            self._budget.altered = True
            return {"$ref": self.text(value.name)}
        return _CONTAINER

    def _digits(self, value: int) -> str:
        if self._budget.text <= 0 or not self._budget.show(value.bit_length() // _BITS_PER_UNIT):
            self._budget.cut = True
            return f"… [cut: an integer of {value.bit_length()} bits]"
        return self.text(known.digits(value))

    def _bytes(self, value: bytes | CutBytes) -> dict[str, Any]:
        data, size = (value.data, value.size_bytes) if isinstance(value, CutBytes) else (value, len(value))
        limit = max(0, min(self._budget.limits.max_string, self._budget.text))
        if size > limit:
            self._budget.cut = True
        data = data[:limit]
        self._budget.text -= len(data)
        self._budget.show(len(data) // _CHARACTERS_PER_UNIT)
        if self._mask:
            data = mask_bytes(data)
        if self._redactor is not None and self._redactor.scrub(latin := data.decode("latin-1")) != latin:
            return {"$bytes": REDACTED, "$length": size}
        return {"$bytes": base64.b64encode(data).decode("ascii"), "$length": size}

    # -- containers -----------------------------------------------------------------------------------------------

    def _container(self, value: object) -> Members:
        if isinstance(value, dict):
            return self._mapping(Mapping(list(value.items()))) if self._budget.show(len(value)) else _nothing()
        if isinstance(value, list):
            return self._items(value)
        if isinstance(value, Sequence):
            return self._sequence(value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, Inert):
            return self._inert(value)
        if isinstance(value, Instance):
            return self._instance(value)
        return self._altered(_named_only(value))

    def _items(self, values: list[Any], open_from: int | None = None, *, ordered: bool = True) -> Members:
        """A list; of two items the first may be the key of the second, and so may any where the value was cut."""
        result: list[Any] = []
        after_key, pair = False, ordered and len(values) == 2
        for position, item in enumerate(values):
            if after_key:
                result.append(self._altered(REDACTED))
                break
            if not self._budget.node():
                result.append({"$cut": f"{len(values) - position} more"})
                break
            shown = self._scalar(item)
            result.append((yield item) if shown is _CONTAINER else shown)
            if self._redactor is not None and (pair or open_from is not None):
                guessed = open_from is not None and position >= open_from
                after_key = (guessed or pair) and self.hides(item)
        return result

    def _sequence(self, value: Sequence) -> Members:
        self._budget.altered = self._budget.altered or value.kind != "list"
        items = yield from self._items(value.items, value.open_from, ordered=value.kind != "set")
        return {"$set": items} if value.kind == "set" else items

    def _inert(self, value: Inert) -> Members:
        self._budget.altered = True
        self._budget.cut = self._budget.cut or value.label == "$int"
        shown = self._scalar(value.value)
        return {value.label: (yield value.value) if shown is _CONTAINER else shown}

    def _mapping(self, mapping: Mapping) -> Members:
        result: dict[str, Any] = {}
        pairs, size = mapping.pairs, len(mapping.pairs)
        if not self._budget.show(size):
            return {"$cut": f"{size} more"}
        names = [keys.as_text(key) for key, _ in pairs]
        if keys.need_pairs(pairs, names):
            return self._altered({"$map": (yield from self._map(mapping))})
        named = self._redactor is not None and keys.names_value(pairs, self._redactor)
        after_key = False
        for position, (name, (key, value)) in enumerate(zip(names, pairs, strict=True)):
            if after_key or self._budget.text <= 0 or not self._budget.node():
                result["$cut"] = f"{size - position} more"
                break
            hidden = self.hides(key) or (named and name in VALUE_MEMBERS)
            self._budget.altered = self._budget.altered or hidden or not isinstance(key, str)
            shown = REDACTED if hidden else self._scalar(value)
            label = self.text(name or "")
            if label != name and label in result:  # two long keys may begin alike
                label = f"{label} ({position})"
            result[label] = (yield value) if shown is _CONTAINER else shown
            if mapping.open_from is not None and position >= mapping.open_from:
                after_key = hidden or self.hides(value)
        return result

    def _map(self, mapping: Mapping) -> Members:
        """Pairs, where keys are no text."""
        result: list[Any] = []
        after_key = False
        for position, (key, value) in enumerate(mapping.pairs):
            if after_key or not self._budget.node():
                result.append({"$cut": f"{len(mapping.pairs) - position} more"})
                break
            hidden = self.hides(key)
            shown_key = self._scalar(key)
            shown = REDACTED if hidden else self._scalar(value)
            result.append(
                [
                    (yield key) if shown_key is _CONTAINER else shown_key,
                    (yield value) if shown is _CONTAINER else shown,
                ]
            )
            if mapping.open_from is not None and position >= mapping.open_from:
                after_key = hidden or self.hides(value)
        return result

    def hides(self, key: object) -> bool:
        if self._redactor is None:
            return False
        if not isinstance(key, str):
            return keys.is_hidden(key, self._redactor)
        hidden = self._hidden.get(key)
        if hidden is None:
            hidden = self._hidden[key] = self._redactor.hides(key)
        return hidden

    # -- objects --------------------------------------------------------------------------------------------------

    def _instance(self, instance: Instance) -> Members:
        self._budget.altered = True
        self._budget.show(_COST_OF_INSTANCE)
        simple = known.as_text(instance)
        if simple is not None:
            return self.text(simple)
        member = known.member_name(instance)
        if member is not None:
            return {"$ref": self.text(member)}
        array = arrays.shown(instance)
        if array is not None and self._budget.show(arrays.FIRST_CELLS):
            scalar = self._scalar(array)
            return (yield from self._mapping(array)) if scalar is _CONTAINER else scalar
        plain = known.as_container(instance, self._budget)
        if plain is not None:
            return (yield from self._container(plain))
        name, args = known.class_and_args(instance)
        if name is None:
            factory = self._scalar(instance.factory)
            result: dict[str, Any] = {"$call": (yield instance.factory) if factory is _CONTAINER else factory}
        else:
            result = {"$class": self.text(name)}
        if known.is_value(instance, name, args):
            result["$value"] = self._scalar(args[0])
        elif args:
            result["$args"] = yield from self._items(args, 0 if instance.open else None)
        if instance.kwargs is not None:
            kwargs = self._scalar(instance.kwargs)
            result["$kwargs"] = (yield instance.kwargs) if kwargs is _CONTAINER else kwargs
        if instance.built and instance.open and self.hides(instance):
            result["$state"] = REDACTED
        elif instance.built:
            state = known.state_of(instance, self._budget)
            shown = self._scalar(state)
            result["$state"] = (yield state) if shown is _CONTAINER else shown
        if instance.items:
            result["$items"] = yield from self._items(instance.items, 0 if instance.open else None)
        if instance.pairs:
            pairs = Mapping(instance.pairs, open_from=0 if instance.open else None)
            result["$items"] = yield from self._mapping(pairs)
        return result


def _nothing() -> Members:
    yield from ()
    return {"$cut": "more"}


def _named_only(value: object) -> Members:
    yield from ()
    return {"$class": type(value).__name__}


def _non_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
