"""Stored values as Python source, for a test that is made from a run. Executes nothing.

What has no literal is written as a call: ``restored("app.Order", ...)`` for an object, ``named("app.colour")`` for a
class or function, ``fill_in("why")`` for what could not be read. Every text comes from ``repr``: what was stored can
end no string and begin no line.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

from otel_bridge.codec import known
from otel_bridge.codec.arguments import arguments_of
from otel_bridge.codec.decoding import Codec
from otel_bridge.codec.limits import PREVIEW, Budget, OutOfBudget
from otel_bridge.codec.nodes import Global, Instance, Mapping, Sequence
from otel_bridge.codec.reading import Read, is_cut, read
from otel_bridge.model.values import StoredValue, text_of

MOST_CHARACTERS = 100_000
"""Of one value's source; a longer one is to be filled in."""
_MOST_DEPTH = 40
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_BY_TEXT = {
    "datetime.datetime": "datetime.datetime.fromisoformat",
    "datetime.date": "datetime.date.fromisoformat",
    "datetime.time": "datetime.time.fromisoformat",
    "decimal.Decimal": "decimal.Decimal",
    "_decimal.Decimal": "decimal.Decimal",
    "uuid.UUID": "uuid.UUID",
}
_RECONSTRUCTORS = ("copyreg._reconstructor", "copyreg.__newobj__", "copyreg.__newobj_ex__")


@dataclass(frozen=True, slots=True)
class Source:
    """A value as an expression of Python.

    Args:
        gaps: what has to be filled in, in words; none: evaluated, ``text`` is the value.
    """

    text: str
    gaps: tuple[str, ...] = ()


class _Unknown(Exception):
    """This part has no source."""


class _TooLong(Exception):
    """The whole has too much."""


def source_of(value: StoredValue, codec: Codec, *, part: str | None = None) -> Source:
    """Return a value as Python source, less what the codec hides.

    Args:
        part: ``args`` or ``kwargs``, of a run's input.

    ::

        source_of(stored, codec).text  # "{'total': decimal.Decimal('9.90'), 'items': ('tea', 'milk')}"
    """
    shown = (codec.decode if part is None else codec.decode_input)(value)
    bare = replace(codec, redact=None, shows_tokens=True)
    whole = (bare.decode if part is None else bare.decode_input)(value)
    if shown.json != whole.json:
        json = shown.json if part is None or not isinstance(shown.json, dict) else shown.json.get(part)
        return Source(_literal(json), ("parts of it are hidden here",))
    text = text_of(value.text)
    budget = Budget(PREVIEW, len(text))
    try:
        found = read(text, value.serialization, budget, serializer=codec.serializer, cut=is_cut(text, value))
        if isinstance(found, Read) and found.problem is None:
            node = found.value if part is None else arguments_of(found.value)[part]
            return _Writer().write(node)
    except (OutOfBudget, RecursionError, MemoryError):
        pass
    return _gap(shown.problem or "it could not be read")


def _gap(why: str) -> Source:
    return Source(f"fill_in({why!r})", (why,))


def _literal(json: Any) -> str:
    text = repr(json)
    return text if len(text) <= MOST_CHARACTERS else f"fill_in({'it is long'!r})"


class _Writer:
    """Writes one value. Parts that have no source become gaps; the rest is written."""

    def __init__(self) -> None:
        self._gaps: list[str] = []
        self._left = MOST_CHARACTERS

    def write(self, node: object) -> Source:
        try:
            return Source(self._of(node, 0), tuple(dict.fromkeys(self._gaps)))
        except _TooLong:
            return _gap(f"its source is longer than {MOST_CHARACTERS} characters")

    def _of(self, node: object, depth: int) -> str:
        try:
            if depth > _MOST_DEPTH:
                raise _Unknown(f"nested deeper than {_MOST_DEPTH} levels")
            text = self._scalar(node)
            # Paid for before its members are: a kilobyte of shared parts can mean a gigabyte of them.
            self._pay(2 + len(text or ""))
            return self._container(node, depth + 1) if text is None else text
        except _Unknown as error:
            self._gaps.append(str(error))
            return f"fill_in({str(error)!r})"

    def _pay(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise _TooLong

    def _scalar(self, node: object) -> str | None:
        if node is None or isinstance(node, (bool, str, bytes)):
            return repr(node)
        if isinstance(node, int):
            return known.digits(node) if node.bit_length() < 10_000 else None
        if isinstance(node, float):
            return repr(node) if math.isfinite(node) else f"float({str(node)!r})"
        if isinstance(node, Global):
            return f"named({_checked(node.name)!r})"
        return None

    def _container(self, node: object, depth: int) -> str:
        if isinstance(node, (list, dict)):
            node = Sequence("list", node) if isinstance(node, list) else Mapping(list(node.items()))
        if isinstance(node, Sequence):
            return self._sequence(node, depth)
        if isinstance(node, Mapping):
            if node.open_from is not None:
                raise _Unknown("a mapping that was cut")
            pairs = (f"{self._of(key, depth)}: {self._of(value, depth)}" for key, value in node.pairs)
            return f"{{{', '.join(pairs)}}}"
        if isinstance(node, Instance):
            return self._instance(node, depth)
        raise _Unknown("a value that was cut, or that only its writer could resolve")

    def _sequence(self, node: Sequence, depth: int) -> str:
        if node.open_from is not None:
            raise _Unknown("a list that was cut")
        items = ", ".join(self._of(item, depth) for item in node.items)
        if node.kind == "list":
            return f"[{items}]"
        if node.kind == "tuple":
            return f"({items},)" if len(node.items) == 1 else f"({items})"
        return f"frozenset([{items}])"  # equal to a set, and may stand in one

    def _instance(self, node: Instance, depth: int) -> str:
        name, args = known.class_and_args(node)
        if node.open or node.kwargs is not None or name is None:
            raise _Unknown("an object that could not be read whole")
        text = known.as_text(node)
        if text is not None and name in _BY_TEXT and "[" not in text:
            return f"{_BY_TEXT[name]}({text!r})"
        member = known.member_name(node)
        if member is not None:
            return f"named({_checked(member)!r})"
        plain = known.as_container(node, Budget(PREVIEW, 0))
        if plain is not None:
            return self._container(plain, depth)
        if node.items or node.pairs:
            raise _Unknown(f"a collection of class {name}")
        parts = [repr(_checked(name)), self._sequence(Sequence("tuple", args), depth)]
        if node.built:
            parts.append(f"state={self._of(node.state, depth)}")
        if node.new or known.factory_name(node) in _RECONSTRUCTORS:
            parts.append("new=True")
        return f"restored({', '.join(parts)})"


def _checked(name: str) -> str:
    """Return a dotted name, or refuse one that no import could find."""
    if len(name) > 500 or _NAME.fullmatch(name) is None:
        raise _Unknown("an object whose class has no importable name")
    return name
