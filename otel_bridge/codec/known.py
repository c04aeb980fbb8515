"""The standard library's own classes, recognised in pickles. Pure; only ``datetime`` values are computed.

Everything else stays inert: a class is its name. An honest date has three arguments; a crafted one has a million, and
is named a thousand times. So lengths are looked at first, and what needs a loop over a part pays for it.
"""

from __future__ import annotations

import builtins
import datetime
import uuid
from typing import Any

from otel_bridge.codec.limits import Budget
from otel_bridge.codec.nodes import Global, Instance, Mapping, Sequence

_LISTS = {"builtins.list": "list", "builtins.tuple": "tuple", "collections.deque": "list"}
_SETS = {"builtins.set", "builtins.frozenset"}
_DICTS = {"builtins.dict", "collections.OrderedDict", "collections.defaultdict", "collections.Counter"}
_TEXTS = {"decimal.Decimal", "_decimal.Decimal", "_pydecimal.Decimal"}
_RECONSTRUCTORS = {"copyreg._reconstructor", "copyreg.__newobj__", "copyreg.__newobj_ex__"}
_MAX_DAYS = 999_999_999
_MAX_ARGS, _MAX_CHARACTERS = 64, 4096


def factory_name(instance: Instance) -> str | None:
    """Return the name of what would have been called."""
    return instance.factory.name if isinstance(instance.factory, Global) else None


def class_and_args(instance: Instance) -> tuple[str | None, list[Any]]:
    """Return the class's name and its arguments, seen through the pickle's own helpers."""
    name = factory_name(instance)
    if name in _RECONSTRUCTORS and 0 < len(instance.args) <= _MAX_ARGS and isinstance(instance.args[0], Global):
        rest = instance.args[1:]
        if name == "copyreg._reconstructor":  # (class, base, value of the base)
            rest = [value for value in rest[1:] if value is not None]
        return instance.args[0].name, rest
    return name, instance.args


def member_name(instance: Instance) -> str | None:
    """Return ``module.Class.MEMBER`` where a pickle reaches for a member by name, as for some enums and methods."""
    owner = instance.args[0] if len(instance.args) == 2 else None
    if factory_name(instance) != "builtins.getattr" or not isinstance(owner, Global):
        return None
    name = instance.args[1]
    return f"{owner.name}.{name}" if isinstance(name, str) and len(name) <= _MAX_CHARACTERS else None


def is_scalar(value: object) -> bool:
    """True for what JSON has a word for, containers aside."""
    return value is None or isinstance(value, (bool, int, float, str))


def looks_like_error(name: str | None) -> bool:
    """True for an exception's name, as far as a name can tell."""
    if name is None:
        return False
    if name.startswith("builtins."):
        found = getattr(builtins, name.removeprefix("builtins."), None)
        return isinstance(found, type) and issubclass(found, BaseException)
    return name.endswith(("Error", "Exception", "Exceeded", "Exit", "Interrupt", "Warning", "Group", "Failure"))


def is_value(instance: Instance, name: str | None, args: list[Any]) -> bool:
    """True for an object that is one plain value, as an enum's member is; an exception's argument is not."""
    if instance.kwargs is not None or instance.built or instance.items or instance.pairs or instance.open:
        return False
    return len(args) == 1 and is_scalar(args[0]) and not looks_like_error(name)


def digits(value: int) -> str:
    """Return an integer in decimal, or its size where the interpreter refuses so many digits."""
    try:
        return str(value)
    except ValueError:
        return f"an integer of {value.bit_length()} bits"


def state_of(instance: Instance, budget: Budget) -> Any:
    """Return an object's state without the wrapping of slots, or of pydantic's models."""
    state = instance.state
    if isinstance(state, Sequence) and state.kind == "tuple" and len(state.items) == 2:
        parts = [part for part in state.items if part is not None]
        if parts and all(isinstance(part, Mapping) for part in parts):
            state = _joined(parts, budget)
    if isinstance(state, Mapping) and len(state.pairs) <= _MAX_ARGS:
        members = {key: value for key, value in state.pairs if isinstance(key, str)}
        if "__dict__" in members and any(key.startswith("__pydantic_") for key in members):
            parts = [members.get(key) for key in ("__dict__", "__pydantic_extra__", "__pydantic_private__")]
            state = _joined([part for part in parts if isinstance(part, Mapping)], budget)
    return state


def _joined(parts: list[Mapping], budget: Budget) -> Mapping:
    """Return several mappings as one."""
    if len(parts) == 1:
        return parts[0]
    if not budget.show(sum(len(part.pairs) for part in parts)):
        return Mapping()
    joined = Mapping()
    for part in parts:
        if part.open_from is not None and joined.open_from is None:
            joined.open_from = len(joined.pairs) + part.open_from
        joined.pairs.extend(part.pairs)
    return joined


def as_container(instance: Instance, budget: Budget) -> Sequence | Mapping | None:
    """Return a standard container as a plain one."""
    name, args = factory_name(instance), instance.args
    if name not in _LISTS and name not in _SETS and name not in _DICTS:
        return None
    given = args[-1 if name == "collections.defaultdict" else 0] if args else None
    cost = len(instance.items) + len(instance.pairs) + _length(given)
    if not budget.show(cost):
        return Sequence("list")
    open_from = 0 if instance.open or getattr(given, "open_from", None) is not None else None
    if name in _DICTS:
        return None if instance.built else Mapping(_pairs(given) + instance.pairs, open_from)
    return Sequence("set" if name in _SETS else "list", _items(given) + instance.items, open_from)


def _length(value: object) -> int:
    return len(value.pairs) if isinstance(value, Mapping) else len(_items(value))


def _items(value: object) -> list[Any]:
    return value.items if isinstance(value, Sequence) else []


def _pairs(value: object) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return value.pairs
    found = [item.items for item in _items(value) if isinstance(item, Sequence)]
    return [(pair[0], pair[1]) for pair in found if len(pair) == 2]


def as_text(instance: Instance) -> str | None:
    """Return the text of a date, time, decimal, UUID, path and the like; None for anything else."""
    name, args = class_and_args(instance)
    if len(args) > _MAX_ARGS or instance.open:
        return None
    if name is None:
        return zone_name(instance)
    if sum(len(arg) for arg in args if isinstance(arg, (str, bytes))) > _MAX_CHARACTERS:
        return None
    if name in _TEXTS and len(args) == 1 and isinstance(args[0], str):
        return args[0]
    if name == "uuid.UUID":
        return _uuid(instance)
    if name == "fractions.Fraction" and 0 < len(args) <= 2 and all(isinstance(arg, (int, str)) for arg in args):
        return "/".join(digits(arg) if isinstance(arg, int) else arg for arg in args)
    if name.startswith("pathlib.") and all(isinstance(arg, str) for arg in args):
        return "/".join(args).replace("//", "/", 1) if args else "."
    if name == "builtins.complex" and len(args) == 2 and all(isinstance(arg, float) for arg in args):
        return str(complex(*args))
    if name in ("builtins.range", "builtins.slice") and _is_range(args):
        return f"{name.removeprefix('builtins.')}({', '.join('None' if arg is None else digits(arg) for arg in args)})"
    if name.startswith("datetime."):
        return _datetime(name, args)
    return zone_name(instance)


def _is_range(args: list[Any]) -> bool:
    return len(args) <= 3 and all(arg is None or isinstance(arg, int) for arg in args)


def _uuid(instance: Instance) -> str | None:
    pairs = instance.state.pairs[:_MAX_ARGS] if isinstance(instance.state, Mapping) else []
    number = next((value for key, value in pairs if key == "int"), None)
    if not isinstance(number, int) or not 0 <= number < 1 << 128:
        return None
    return str(uuid.UUID(int=number))


def zone_name(value: object) -> str | None:
    """Return the name of a zoneinfo or pytz zone, which is not looked up."""
    if not isinstance(value, Instance):
        return None
    name = factory_name(value)
    key = value.args[0] if value.args else None
    if not isinstance(key, str) or len(key) > _MAX_CHARACTERS:
        return "UTC" if name == "pytz._UTC" else None
    if name in ("zoneinfo.ZoneInfo._unpickle", "pytz._p", "dateutil.tz.tz.gettz"):
        return key
    factory = value.factory
    if isinstance(factory, Instance) and factory_name(factory) == "builtins.getattr":
        owner = factory.args[0] if factory.args else None
        if isinstance(owner, Global) and owner.name == "zoneinfo.ZoneInfo":
            return key
    return None


def _datetime(name: str, args: list[Any]) -> str | None:
    try:
        if name == "datetime.timedelta":
            return str(_timedelta(args))
        if name == "datetime.timezone":
            return str(_timezone(args))
        data = args[0] if args else None
        if isinstance(data, str):
            data = data.encode("latin-1")
        if not isinstance(data, bytes):
            return None
        if name == "datetime.date" and len(data) == 4:
            return datetime.date(data[0] << 8 | data[1], data[2], data[3]).isoformat()
        if name == "datetime.time" and len(data) == 6:
            return _with_zone(_time(data), args[1:])
        if name == "datetime.datetime" and len(data) == 10:
            day = datetime.date(data[0] << 8 | data[1], data[2] & 0x7F, data[3])
            return _with_zone(datetime.datetime.combine(day, _time(data[4:])), args[1:])
    except (ValueError, OverflowError, TypeError, UnicodeEncodeError, IndexError):
        return None
    return None


def _time(data: bytes) -> datetime.time:
    return datetime.time(data[0] & 0x7F, data[1], data[2], data[3] << 16 | data[4] << 8 | data[5])


def _with_zone(value: datetime.datetime | datetime.time, zone: list[Any]) -> str:
    """Return ISO 8601; a zone that is not a fixed offset follows in brackets, as in RFC 9557."""
    if not zone:
        return value.isoformat()
    first = zone[0]
    if isinstance(first, Instance) and factory_name(first) == "datetime.timezone":
        return value.replace(tzinfo=_timezone(first.args)).isoformat()
    name = zone_name(first) or (class_and_args(first)[0] if isinstance(first, Instance) else None)
    return f"{value.isoformat()}[{name or 'unknown zone'}]"


def _timedelta(args: list[Any]) -> datetime.timedelta:
    if len(args) > 3 or not all(isinstance(arg, int) and abs(arg) <= _MAX_DAYS for arg in args):
        raise ValueError("no timedelta")
    return datetime.timedelta(*args)


def _timezone(args: list[Any]) -> datetime.timezone:
    offset = args[0]
    if not isinstance(offset, Instance) or factory_name(offset) != "datetime.timedelta":
        raise ValueError("no timezone")
    return datetime.timezone(_timedelta(offset.args))
