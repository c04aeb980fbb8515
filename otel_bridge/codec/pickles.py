"""What each instruction of a pickle does to the machine, and ``walk``, which runs one. Pure; nothing is executed."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from otel_bridge.codec.limits import Budget, OutOfBudget
from otel_bridge.codec.machine import COST_OF_CONTAINER, Machine, Malformed, pairs_of
from otel_bridge.codec.nodes import CutBytes, Global, Inert, Instance, Mapping, Sequence
from otel_bridge.codec.reader import Base64Reader, EndOfInput, NotBase64
from otel_bridge.codec.unwind import unwind


@dataclass(frozen=True, slots=True)
class Walked:
    """What a pickle described. ``problem`` says why the end was not reached; ``value`` is what came before."""

    value: Any
    problem: str | None


def walk(text: str, budget: Budget) -> Walked | None:
    """Walk a pickle in base64; None if it is not one."""
    machine = Machine(Base64Reader(text), budget)
    try:
        return Walked(machine.run(_INSTRUCTIONS), None)
    except EndOfInput:
        problem = "The value ends in the middle."
    except NotBase64:
        problem = "The value is not base64 throughout."
    except Malformed as error:
        problem = f"Malformed pickle: {error}."
    except OutOfBudget:
        problem = "The value is larger than what is shown."
    if not machine.began:
        return None
    return Walked(unwind(machine.stack, machine.marks), problem)


_Instruction = Callable[[Machine], None]
_INSTRUCTIONS: dict[int, _Instruction] = {}
_MAX_DIGITS = 4000
_MAX_NAME = 512
_OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg", "exceptions": "builtins"}

_U1, _U2, _U4, _U8 = (struct.Struct(f"<{letter}") for letter in "BHIQ")
_I4, _F8 = struct.Struct("<i"), struct.Struct(">d")


def _on(code: bytes) -> Callable[[_Instruction], _Instruction]:
    def register(instruction: _Instruction) -> _Instruction:
        _INSTRUCTIONS[code[0]] = instruction
        return instruction

    return register


def _pushes(code: bytes, value: Callable[[Machine], Any]) -> None:
    def instruction(machine: Machine) -> None:
        machine.push(value(machine))

    _INSTRUCTIONS[code[0]] = instruction


def _holds(code: bytes, value: Callable[[Machine], Any]) -> None:
    def instruction(machine: Machine) -> None:
        machine.budget.read(COST_OF_CONTAINER)
        machine.push(value(machine))

    _INSTRUCTIONS[code[0]] = instruction


def _ignores(code: bytes, size: int) -> None:
    def instruction(machine: Machine) -> None:
        machine.reader.read(size)

    _INSTRUCTIONS[code[0]] = instruction


_ignores(b"\x80", 1)  # PROTO
_ignores(b"\x95", 8)  # FRAME: its length is a hint that nobody has to believe
_ignores(b"\x98", 0)  # READONLY_BUFFER

_pushes(b"N", lambda m: None)
_pushes(b"\x88", lambda m: True)
_pushes(b"\x89", lambda m: False)
_pushes(b"J", lambda m: m.number(_I4))
_pushes(b"K", lambda m: m.number(_U1))
_pushes(b"M", lambda m: m.number(_U2))
_pushes(b"G", lambda m: m.number(_F8))
_pushes(b"\x8a", lambda m: m.integer(m.number(_U1)))
_pushes(b"\x8b", lambda m: m.integer(m.number(_U4)))
_pushes(b"\x8c", lambda m: m.text(m.number(_U1)))
_pushes(b"X", lambda m: m.text(m.number(_U4)))
_pushes(b"\x8d", lambda m: m.text(m.number(_U8)))
_pushes(b"C", lambda m: m.data(m.number(_U1)))
_pushes(b"B", lambda m: m.data(m.number(_U4)))
_pushes(b"\x8e", lambda m: m.data(m.number(_U8)))
_pushes(b"\x96", lambda m: m.data(m.number(_U8)))
_pushes(b"U", lambda m: _latin(m.data(m.number(_U1))))
_pushes(b"T", lambda m: _latin(m.data(m.number(_U4))))
_holds(b"]", lambda m: Sequence("list"))
_holds(b")", lambda m: Sequence("tuple"))
_holds(b"}", lambda m: Mapping())
_holds(b"\x8f", lambda m: Sequence("set"))
_holds(b"l", lambda m: Sequence("list", m.pop_mark()))
_holds(b"t", lambda m: Sequence("tuple", m.pop_mark()))
_holds(b"\x91", lambda m: Sequence("set", m.pop_mark()))
_holds(b"d", lambda m: Mapping(pairs_of(m.pop_mark())))
_pushes(b"2", lambda m: m.top())
_pushes(b"g", lambda m: m.memoized(m.line_number()))
_pushes(b"h", lambda m: m.memoized(m.number(_U1)))
_pushes(b"j", lambda m: m.memoized(m.number(_U4)))
_pushes(b"V", lambda m: _raw_unicode(m.line()))
_pushes(b"S", lambda m: _quoted(m.line()))
_pushes(b"F", lambda m: _float(m.line_text()))
_pushes(b"I", lambda m: _integer_line(m.line_text()))
_pushes(b"L", lambda m: _integer_line(m.line_text().removesuffix("L")))
_pushes(b"P", lambda m: Inert("$persistent", m.line_text()))
_pushes(b"Q", lambda m: Inert("$persistent", m.pop()))
_pushes(b"\x82", lambda m: Inert("$extension", m.number(_U1)))
_pushes(b"\x83", lambda m: Inert("$extension", m.number(_U2)))
_pushes(b"\x84", lambda m: Inert("$extension", m.number(_I4)))
_pushes(b"\x97", lambda m: Inert("$buffer", "kept outside the value"))
_holds(b"\x85", lambda m: Sequence("tuple", [m.pop()]))
_holds(b"\x86", lambda m: Sequence("tuple", [m.pop(), m.pop()][::-1]))
_holds(b"\x87", lambda m: Sequence("tuple", [m.pop(), m.pop(), m.pop()][::-1]))


@_on(b"(")
def _mark(machine: Machine) -> None:
    machine.mark()


@_on(b"0")
def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


@_on(b"1")
def _pop_mark(machine: Machine) -> None:
    machine.pop_mark()


@_on(b"p")
def _put(machine: Machine) -> None:
    machine.memo[machine.line_number()] = machine.top()


@_on(b"q")
def _binput(machine: Machine) -> None:
    machine.memo[machine.number(_U1)] = machine.top()


@_on(b"r")
def _long_binput(machine: Machine) -> None:
    machine.memo[machine.number(_U4)] = machine.top()


@_on(b"\x94")
def _memoize(machine: Machine) -> None:
    machine.memo[len(machine.memo)] = machine.top()


@_on(b"a")
def _append(machine: Machine) -> None:
    value = machine.pop()
    _add(machine.top(), [value])


@_on(b"e")
def _appends(machine: Machine) -> None:
    items = machine.pop_mark()
    _add(machine.top(), items)


@_on(b"\x90")
def _additems(machine: Machine) -> None:
    items = machine.pop_mark()
    _add(machine.top(), items)


def _add(target: object, items: list[Any]) -> None:
    if not isinstance(target, (Sequence, Instance)):
        raise Malformed("items for something that takes none")
    target.items.extend(items)


@_on(b"s")
def _setitem(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _set(machine.top(), [(key, value)])


@_on(b"u")
def _setitems(machine: Machine) -> None:
    pairs = pairs_of(machine.pop_mark())
    _set(machine.top(), pairs)


def _set(target: object, pairs: list[tuple[Any, Any]]) -> None:
    if not isinstance(target, (Mapping, Instance)):
        raise Malformed("keys for something that takes none")
    target.pairs.extend(pairs)


@_on(b"c")
def _global(machine: Machine) -> None:
    module, name = machine.line_text(), machine.line_text()
    machine.push(_named(module, name))


@_on(b"\x93")
def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise Malformed("a name that is not a string")
    machine.push(_named(module, name))


def _named(module: str, name: str) -> Global:
    """Name a class or function in today's spelling; protocols below 3 use Python 2's."""
    name = "range" if (module, name) == ("__builtin__", "xrange") else name
    module = _OLD_MODULES.get(module, module)
    if len(module) + len(name) > _MAX_NAME:  # no class has such a name; a remembered text, used as one, may have
        return Global(f"{module[:_MAX_NAME]}.{name[:_MAX_NAME]}…")
    return Global(f"{module}.{name}")


def _made(machine: Machine, factory: Any, args: Any, **more: Any) -> None:
    machine.budget.read(COST_OF_CONTAINER)
    machine.push(Instance(factory, args.items if isinstance(args, Sequence) else [args], **more))


@_on(b"R")
def _reduce(machine: Machine) -> None:
    args, factory = machine.pop(), machine.pop()
    data = _bytes(machine, factory, args.items if isinstance(args, Sequence) else [args])
    if data is not None:
        machine.push(data)
    else:
        _made(machine, factory, args)


def _bytes(machine: Machine, factory: object, args: list[Any]) -> bytes | CutBytes | None:
    """Return bytes that were written in a roundabout way: as text before protocol 3, as ``bytearray(...)`` before 5."""
    name = factory.name if isinstance(factory, Global) else None
    first = args[0] if args else None
    if name == "_codecs.encode" and isinstance(first, str) and len(args) == 2 and args[1] == "latin1":
        keep = machine.keep(len(first))
        data = first[:keep].encode("latin-1", "replace")
        return data if keep == len(first) else CutBytes(data, len(first))
    if name == "builtins.bytearray" and isinstance(first, (bytes, CutBytes)):
        return first
    return b"" if name in ("builtins.bytes", "builtins.bytearray") and not args else None


@_on(b"\x81")
def _newobj(machine: Machine) -> None:
    args, factory = machine.pop(), machine.pop()
    _made(machine, factory, args, new=True)


@_on(b"\x92")
def _newobj_ex(machine: Machine) -> None:
    kwargs, args, factory = machine.pop(), machine.pop(), machine.pop()
    _made(machine, factory, args, kwargs=kwargs, new=True)


@_on(b"i")
def _inst(machine: Machine) -> None:
    module, name = machine.line_text(), machine.line_text()
    _made(machine, _named(module, name), Sequence("tuple", machine.pop_mark()), new=True)


@_on(b"o")
def _obj(machine: Machine) -> None:
    items = machine.pop_mark()
    if not items:
        raise Malformed("an object without a class")
    _made(machine, items[0], Sequence("tuple", items[1:]), new=True)


@_on(b"b")
def _build(machine: Machine) -> None:
    state, target = machine.pop(), machine.top()
    if not isinstance(target, Instance):
        machine.pop()
        target = Instance(target, [])
        machine.push(target)
    target.state, target.built = state, True


def _latin(value: object) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _raw_unicode(line: bytes) -> str:
    return codecs.decode(line, "raw-unicode-escape", "replace")


def _quoted(line: bytes) -> str:
    line = line.strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in b"\"'":
        raise Malformed("a string without quotes")
    try:
        return codecs.escape_decode(line[1:-1])[0].decode("latin-1")
    except ValueError:
        raise Malformed("a string with a broken escape") from None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Malformed("a number was expected") from None


def _integer_line(text: str) -> Any:
    if text in ("00", "01"):
        return text == "01"
    if len(text) > _MAX_DIGITS:
        return Inert("$int", f"an integer of {len(text)} digits")
    try:
        return int(text)
    except ValueError:
        raise Malformed("a number was expected") from None
