"""What a stored value describes, without being it: inert nodes for a describer to show. Pure.

Strings, bytes, integers, floats, booleans and None stand for themselves, as do lists and dictionaries of JSON.

``open_from`` marks the end of a value that was cut: from that position on, what is a key, what its value and what
belongs together was guessed from a half-written pickle. Nothing behind a hidden key is shown there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(slots=True, eq=False)
class Sequence:
    """A list, tuple, set or frozenset."""

    kind: Literal["list", "tuple", "set"]
    items: list[Any] = field(default_factory=list)
    open_from: int | None = None


@dataclass(slots=True, eq=False)
class Mapping:
    """A dictionary, as pairs in order; a later key replaces an equal earlier one."""

    pairs: list[tuple[Any, Any]] = field(default_factory=list)
    open_from: int | None = None


@dataclass(slots=True, eq=False)
class Global:
    """The name of a class or function."""

    name: str


@dataclass(slots=True, eq=False)
class Instance:
    """What calling ``factory`` with ``args`` would have made, had anybody called it.

    Args:
        factory: the class or function, if the pickle named one.
        new: True for ``cls.__new__(cls, *args)``, False for ``factory(*args)``.
        state: what ``__setstate__`` or ``__dict__`` would have received; ``built`` says whether there was one.
        items, pairs: appended and set afterwards, as on a subclass of list or dict.
        open: the value was cut before this was made; ``args`` and ``state`` are what stood there.
    """

    factory: Any
    args: list[Any]
    kwargs: Any = None
    new: bool = False
    state: Any = None
    built: bool = False
    items: list[Any] = field(default_factory=list)
    pairs: list[tuple[Any, Any]] = field(default_factory=list)
    open: bool = False


@dataclass(slots=True, eq=False)
class Inert:
    """Something that only the writer's process could resolve: a persistent id, an extension code."""

    label: str
    value: Any


@dataclass(slots=True, eq=False)
class CutText:
    """The beginning of a string of ``size_bytes`` in UTF-8."""

    text: str
    size_bytes: int


@dataclass(slots=True, eq=False)
class CutBytes:
    """The beginning of ``size_bytes`` bytes."""

    data: bytes
    size_bytes: int
