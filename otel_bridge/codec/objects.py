"""Live Python objects as nodes, for values that a serializer of the user's own has read. Pure.

By then the objects exist and their constructors have run: that is the user's serializer's doing. From there on nothing
of theirs runs: no method, property or ``repr``, only what instances hold.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import pathlib
import types
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from otel_bridge.codec.limits import Budget
from otel_bridge.codec.nodes import Global, Instance, Mapping, Sequence

_COST_OF_OBJECT = 4
_TEXTS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (datetime.datetime, datetime.datetime.isoformat),
    (datetime.date, datetime.date.isoformat),
    (datetime.time, datetime.time.isoformat),
    (datetime.timedelta, datetime.timedelta.__str__),
    (decimal.Decimal, decimal.Decimal.__str__),
    (uuid.UUID, uuid.UUID.__str__),
    (fractions.Fraction, fractions.Fraction.__str__),
    (pathlib.PurePath, pathlib.PurePath.__str__),
    (complex, complex.__repr__),
    (range, range.__repr__),
)
_PLAIN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__pos__),
    (float, float.__pos__),
    (str, str.__str__),
    (bytes, lambda value: bytes.join(b"", [value])),
)
"""Subclasses as what they are made of."""
_PYDANTIC_EXTRA = "__pydantic_extra__"
_ARGS: Any = vars(BaseException)["args"]
_ITERATED: tuple[Any, ...] = (list, tuple, set, frozenset, deque)
_CALLABLE = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType)


def nodes_of(value: object, budget: Budget) -> Any:
    """Return a live value as nodes; shared parts stay shared, so cycles end where they are shown.

    Raises:
        OutOfBudget
    """
    return _Converter(budget).convert(value)


class _Converter:
    """Fills containers later than it makes them, so that depth costs no stack."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._made: dict[int, Any] = {}
        self._kept: list[Any] = []  # ids are only good while their objects live
        self._todo: list[tuple[Any, Any]] = []

    def convert(self, value: object) -> Any:
        root = self._node(value)
        while self._todo:
            found, node = self._todo.pop()
            self._fill(found, node)
        return root

    def _node(self, value: object) -> Any:
        self._budget.read()
        if value is None or type(value) in (bool, int, float, str, bytes):
            return value
        made = self._made.get(id(value))
        if made is not None:
            return made
        node = self._begin(value)
        if not isinstance(node, (str, bytes, int, float)):
            self._made[id(value)] = node
            self._kept.append(value)
        return node

    def _begin(self, value: object) -> Any:
        """Return the node of a value, to be filled with its parts if it has any."""
        kind = type(value)
        if isinstance(value, _CALLABLE):
            return Global(_name_of(value))
        if isinstance(value, enum.Enum):
            return Instance(Global(_name_of(kind)), [self._node(object.__getattribute__(value, "_value_"))])
        for known, as_text in _TEXTS:
            if isinstance(value, known):
                return as_text(value)
        if isinstance(value, (bytearray, memoryview)):
            return bytes(value)
        for plain, exactly in _PLAIN:
            if isinstance(value, plain):
                return exactly(value)
        self._budget.read(_COST_OF_OBJECT)
        node: Any = Instance(Global(_name_of(kind)), [])
        if kind is dict or (isinstance(value, dict) and not _state(value)):
            node = Mapping()
        elif kind in (list, deque) or (isinstance(value, list) and not _state(value)):
            node = Sequence("list")
        elif isinstance(value, (set, frozenset)):
            node = Sequence("set")
        elif isinstance(value, tuple) and not hasattr(kind, "_fields"):
            node = Sequence("tuple")
        self._todo.append((value, node))
        return node

    def _fill(self, value: Any, node: Any) -> None:
        if isinstance(node, Mapping):
            node.pairs = [(self._node(key), self._node(member)) for key, member in dict.items(value)]
        elif isinstance(node, Sequence):
            node.items = [self._node(item) for item in _iterated(value)]
        elif isinstance(node, Instance):
            self._fill_instance(value, node)

    def _fill_instance(self, value: object, node: Instance) -> None:
        state = _state(value)
        if isinstance(value, BaseException):
            node.args = [self._node(arg) for arg in _ARGS.__get__(value)]
        elif isinstance(value, tuple):
            state = dict(zip(type(value)._fields, tuple.__iter__(value), strict=False))  # type: ignore[attr-defined]
        elif isinstance(value, dict):
            node.pairs = [(self._node(key), self._node(member)) for key, member in dict.items(value)]
        elif isinstance(value, list):
            node.items = [self._node(item) for item in list.__iter__(value)]
        if state:
            node.state, node.built = Mapping([(key, self._node(member)) for key, member in state.items()]), True


def _iterated(value: object) -> Any:
    for plain in _ITERATED:
        if isinstance(value, plain):
            return plain.__iter__(value)
    return ()


def _state(value: object) -> dict[str, Any]:
    """Return what an instance holds: its dictionary and its slots, without asking the instance."""
    held: dict[str, Any] = {}
    for kind in type(value).__mro__:
        for name, slot in vars(kind).items():
            if not isinstance(slot, types.MemberDescriptorType):
                continue
            try:
                found = slot.__get__(value, type(value))
            except AttributeError:
                continue  # a slot that was never set
            if name == _PYDANTIC_EXTRA and isinstance(found, dict):
                held.update(found)
            elif not name.startswith("__"):
                held[name] = found
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return held
    return {**held, **own} if isinstance(own, dict) else held


def _name_of(value: object) -> str:
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None) or "object"
    return f"{module}.{name}" if isinstance(module, str) else str(name)
