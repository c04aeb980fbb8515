"""The pickle machine: runs a pickle's instructions on inert nodes. Pure, and it executes nothing.

No module is imported, no class looked up, nothing called, whatever the pickle says: the instructions that would do so
(``GLOBAL``, ``REDUCE``, ``NEWOBJ``, ``BUILD``, ...) only note what would have been called. ``pickle`` is not imported.

Source: the instruction set as described in CPython's ``Lib/pickletools.py``, protocols 0 to 5.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from collections.abc import Mapping as Mapping_
from typing import Any

from otel_bridge.codec.limits import Budget
from otel_bridge.codec.nodes import CutBytes, CutText, Inert, Instance, Mapping, Sequence
from otel_bridge.codec.reader import Base64Reader

_MAX_INTEGER_BYTES = 1024
_INSTRUCTIONS_PER_NODE = 4
_MIN_KEPT = 64
_STOP = ord(".")
_PROTO = 0x80


class Malformed(Exception):
    """The bytes are no pickle, or a broken one."""


class OutOfBudget(Exception):
    """The value is larger than what may be looked at."""


class Machine:
    def __init__(self, reader: Base64Reader, budget: Budget) -> None:
        self.reader, self.budget = reader, budget
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.began = False
        self.kept = 4 * budget.limits.max_text
        self.limit = budget.limits.max_nodes * _INSTRUCTIONS_PER_NODE

    def run(self, instructions: Mapping_[int, Callable[[Machine], None]]) -> Any:
        """Run to the end and return the value.

        Raises:
            EndOfInput, NotBase64, Malformed, OutOfBudget: ``unwind`` has what was built by then.
        """
        for count in range(self.limit):
            if count % 4096 == 4095 and self.budget.out_of_time:
                break
            code = self.reader.byte()
            self.began = self.began or code == _PROTO
            if code == _STOP:
                return self.pop()
            instruction = instructions.get(code)
            if instruction is None:
                raise Malformed(f"unknown instruction 0x{code:02x}")
            instruction(self)
        raise OutOfBudget

    # -- the stack ----------------------------------------------------------------------------------------------

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack:
            raise Malformed("the stack is empty")
        return self.stack.pop()

    def top(self) -> Any:
        if not self.stack:
            raise Malformed("the stack is empty")
        return self.stack[-1]

    def pop_mark(self) -> list[Any]:
        if not self.marks:
            raise Malformed("no mark is set")
        items, self.stack = self.stack, self.marks.pop()
        return items

    def unwind(self) -> Any:
        """Return what was built so far: everything that was still open is closed where it stood."""
        while self.marks:
            items = _fold(self.stack)
            self.stack = self.marks.pop()
            parent = self.stack[-1] if self.stack else None
            if not _extend(parent, items):
                self.stack.append(Sequence("tuple", items))
        items = _fold(self.stack)
        return items[0] if len(items) == 1 else Sequence("tuple", items)

    # -- reading ------------------------------------------------------------------------------------------------

    def number(self, form: struct.Struct) -> Any:
        return form.unpack(self.reader.read(form.size))[0]

    def text(self, size: int) -> Any:
        """Return ``size`` bytes of UTF-8, cut where that is long."""
        keep = self._keep(min(self.budget.limits.max_string * 4, size))
        data = self.reader.take(size, keep=keep)
        if keep == size == len(data):
            return data.decode("utf-8", "surrogatepass") if _is_utf8(data) else data.decode("utf-8", "replace")
        return CutText(data.decode("utf-8", "ignore"), size)

    def data(self, size: int) -> Any:
        keep = self._keep(min(self.budget.limits.max_string, size))
        data = self.reader.take(size, keep=keep)
        return data if keep == size == len(data) else CutBytes(data, size)

    def _keep(self, size: int) -> int:
        """Return how much of ``size`` bytes to keep, so that many long strings stay bounded together."""
        size = min(size, max(self.kept, _MIN_KEPT))
        self.kept -= size
        return size

    def integer(self, size: int) -> Any:
        if size > _MAX_INTEGER_BYTES:
            self.reader.take(size, keep=0)
            return Inert("$int", f"an integer of {size} bytes")
        return int.from_bytes(self.reader.read(size), "little", signed=True)

    def memoized(self, key: int) -> Any:
        try:
            return self.memo[key]
        except KeyError:
            raise Malformed(f"nothing was memoized as {key}") from None

    def line_text(self) -> str:
        return self.reader.line().decode("utf-8", "replace")

    def line_number(self) -> int:
        try:
            return int(self.reader.line()[:20])
        except ValueError:
            raise Malformed("a number was expected") from None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def pairs_of(items: list[Any]) -> list[tuple[Any, Any]]:
    if len(items) % 2:
        raise Malformed("a key without a value")
    return list(zip(items[::2], items[1::2], strict=True))


def _extend(parent: Any, items: list[Any]) -> bool:
    """Close an unfinished container: give it what stood above its mark."""
    if isinstance(parent, Mapping) or (isinstance(parent, Instance) and parent.pairs):
        parent.pairs.extend(_open_pairs(items))
        return True
    if isinstance(parent, Sequence) and parent.kind != "tuple":
        parent.items.extend(items)
        return True
    return False


def _open_pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    """Pair keys with values where the last value was still being made, of several parts perhaps."""
    pairs: list[tuple[Any, Any]] = []
    for at in range(0, len(items) - 1, 2):
        if pairs and not isinstance(items[at], (str, int, float, bytes, Instance)):
            key, value = pairs[-1]
            pairs[-1] = (key, Sequence("tuple", [value, *items[at:]]))
            return pairs
        pairs.append((items[at], items[at + 1]))
    if pairs and len(items) % 2 and isinstance(items[-1], (Mapping, Sequence)):
        key, value = pairs[-1]
        pairs[-1] = (key, Sequence("tuple", [value, items[-1]]))
    return pairs


def _fold(stack: list[Any]) -> list[Any]:
    """Join what was about to be joined at the end of a cut pickle: a key to its dict, a state to its object."""
    items = list(stack)
    if len(items) > 1 and isinstance(items[-2], Instance) and not items[-2].built:
        last = items[-1]
        if isinstance(last, (Mapping, Sequence)):
            items[-2].state, items[-2].built = last, True
            del items[-1]
    for at, item in enumerate(items[:-1]):
        if isinstance(item, Mapping) and not item.pairs and isinstance(items[at + 1], str):
            rest = items[at + 2 :]
            if rest:
                item.pairs.append((items[at + 1], rest[0] if len(rest) == 1 else Sequence("tuple", rest)))
            del items[at + 1 :]
            break
    return items
