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
from otel_bridge.codec.nodes import CutBytes, CutText, Inert
from otel_bridge.codec.reader import Base64Reader

_MAX_INTEGER_BYTES = 1024
_MIN_KEPT = 64
_BYTES_PER_UNIT = 256
_COST_OF_SKIPPING = 16  # a block of base64 is decoded where the skip ends
COST_OF_CONTAINER = 1  # beside the instruction: a container takes some hundred bytes of memory
_STOP = ord(".")
_PROTO = 0x80


class Malformed(Exception):
    """The bytes are no pickle, or a broken one."""


class Machine:
    """The stack, the marks and the memo of one pickle. Each instruction pays the budget."""

    def __init__(self, reader: Base64Reader, budget: Budget) -> None:
        self.reader, self.budget = reader, budget
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.began = False
        self.kept = 4 * budget.text

    def run(self, instructions: Mapping_[int, Callable[[Machine], None]]) -> Any:
        """Run to the end and return the value.

        Raises:
            EndOfInput, NotBase64, Malformed, OutOfBudget: ``unwind`` makes a value of what was built by then.
        """
        while True:
            self.budget.read()
            code = self.reader.byte()
            self.began = self.began or code == _PROTO
            if code == _STOP:
                return self.pop()
            instruction = instructions.get(code)
            if instruction is None:
                raise Malformed(f"unknown instruction 0x{code:02x}")
            instruction(self)

    # -- the stack ----------------------------------------------------------------------------------------------

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack:
            raise Malformed("the stack is empty")
        return self.stack.pop()

    def top(self) -> Any:
        if not self.stack:
            raise Malformed("the stack is empty")
        return self.stack[-1]

    def mark(self) -> None:
        self.budget.read(COST_OF_CONTAINER)
        self.marks.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        if not self.marks:
            raise Malformed("no mark is set")
        items, self.stack = self.stack, self.marks.pop()
        return items

    # -- reading ------------------------------------------------------------------------------------------------

    def number(self, form: struct.Struct) -> Any:
        return form.unpack(self.reader.read(form.size))[0]

    def text(self, size: int) -> Any:
        """Return ``size`` bytes of UTF-8, cut where that is long."""
        data = self._take(size, self.budget.limits.max_string * 4)
        if size == len(data):
            return data.decode("utf-8", "surrogatepass") if _is_utf8(data) else data.decode("utf-8", "replace")
        return CutText(data.decode("utf-8", "ignore"), size)

    def data(self, size: int) -> Any:
        data = self._take(size, self.budget.limits.max_string)
        return data if size == len(data) else CutBytes(data, size)

    def keep(self, size: int) -> int:
        """Return how much of ``size`` bytes to keep, so that many long strings stay bounded together."""
        size = min(size, max(self.kept, _MIN_KEPT))
        self.kept -= size
        self.budget.read(size // _BYTES_PER_UNIT)
        return size

    def _take(self, size: int, limit: int) -> bytes:
        keep = self.keep(min(limit, size))
        if keep < size:
            self.budget.read(_COST_OF_SKIPPING)
        return self.reader.take(size, keep=keep)

    def integer(self, size: int) -> Any:
        if size > _MAX_INTEGER_BYTES:
            self.budget.read(_COST_OF_SKIPPING)
            self.reader.take(size, keep=0)
            return Inert("$int", f"an integer of {size} bytes")
        return int.from_bytes(self.reader.read(size), "little", signed=True)

    def memoized(self, key: int) -> Any:
        try:
            return self.memo[key]
        except KeyError:
            raise Malformed(f"nothing was memoized as {key}") from None

    def line(self) -> bytes:
        line = self.reader.line()
        self.keep(len(line))
        return line

    def line_text(self) -> str:
        return self.line().decode("utf-8", "replace")

    def line_number(self) -> int:
        try:
            return int(self.line()[:20])
        except ValueError:
            raise Malformed("a number was expected") from None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def pairs_of(items: list[Any]) -> list[tuple[Any, Any]]:
    """Pair keys with values.

    Raises:
        Malformed: a key has none.
    """
    if len(items) % 2:
        raise Malformed("a key without a value")
    return list(zip(items[::2], items[1::2], strict=True))
