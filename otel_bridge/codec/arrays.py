"""Arrays of numpy and frames of pandas in pickles: dtype, shape and the first cells, from their bytes. Pure.

Neither library is imported. What does not look exactly like theirs stays what it was: an inert class and its state.
Given as ``$array`` (``dtype``, ``shape``, ``first``: cells in order) and ``$frame`` (``shape``, ``dtypes`` by column,
``first``: rows). Sources: numpy's ``ndarray.__reduce__``, pandas' ``BlockManager.__reduce__``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence as Items
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from math import prod
from typing import Any

from otel_bridge.codec.known import factory_name
from otel_bridge.codec.nodes import CutBytes, Global, Instance, Mapping, Sequence

FIRST_CELLS, FIRST_ROWS, FIRST_COLUMNS = 24, 5, 20
_MOST_AXES = 64
_MOST_BLOCKS = 256
_NUMBERS = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}
_NUMBERS |= {"f2": "e", "f4": "f", "f8": "d", "b1": "?"}
_NAMES = {"i": "int", "u": "uint", "f": "float"}
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_RESOLUTIONS = {7: "s", 8: "ms", 9: "us", 10: "ns"}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class _Type:
    code: str
    """As numpy writes it, such as ``f8``; ``O`` for objects."""
    order: str
    unit: str = ""

    @property
    def name(self) -> str:
        """Return the dtype as people write it."""
        if self.code == "O":
            return "object"
        if self.code == "b1":
            return "bool"
        if self.code[0] in "Mm":
            return ("datetime64" if self.code[0] == "M" else "timedelta64") + (f"[{self.unit}]" if self.unit else "")
        known = _NAMES.get(self.code[0])
        return f"{known}{int(self.code[1:]) * 8}" if known and self.code in _NUMBERS else self.code

    @property
    def bytes(self) -> int:
        return int(self.code[1:]) * (4 if self.code[0] == "U" else 1)


@dataclass(frozen=True, slots=True)
class _Array:
    type: _Type
    shape: list[int]
    by_column: bool
    data: bytes | list[Any]

    def cell(self, at: int) -> Any:
        """Return the cell at a place of the data; None behind its end."""
        if isinstance(self.data, list):
            return self.data[at] if at < len(self.data) else None
        size = self.type.bytes
        raw = self.data[at * size : (at + 1) * size]
        return _cell(self.type, raw) if len(raw) == size else None

    def place(self, row: int, column: int) -> int:
        """Return where a cell of two axes stands in the data."""
        return row + column * self.shape[0] if self.by_column else row * self.shape[1] + column

    @property
    def count(self) -> int:
        return prod(self.shape)


def shown(instance: Instance) -> Any:
    """Return an array, number, frame, series or timestamp for a describer; None for anything else."""
    name = factory_name(instance) or ""
    if instance.open or not name.startswith(("numpy.", "pandas.", "copyreg.")):
        return _frame(instance) if not instance.open and isinstance(instance.factory, Global) else None
    if name.endswith("multiarray.scalar"):
        return _scalar(instance.args)
    if name.endswith("_unpickle_timestamp"):
        return _timestamp(instance.args)
    found = _array(instance)
    if found is not None:
        if found.by_column and len(found.shape) == 2:
            rows, columns = found.shape
            places = [found.place(n // columns, n % columns) for n in range(min(FIRST_CELLS, rows * columns))]
        else:
            places = list(range(min(FIRST_CELLS, found.count)))
        first = Sequence("list", [found.cell(at) for at in places])
        inner = [("dtype", found.type.name), ("shape", Sequence("list", list(found.shape))), ("first", first)]
        return Mapping([("$array", Mapping(inner))])
    return _frame(instance)


# -- numpy ------------------------------------------------------------------------------------------------------------


def _parts(value: object) -> list[Any] | None:
    return value.items if isinstance(value, Sequence) and value.open_from is None else None


def _array(value: object) -> _Array | None:
    if not isinstance(value, Instance) or value.open:
        return None
    name = factory_name(value) or ""
    if name.endswith("multiarray._reconstruct"):
        state = _parts(value.state)
        return None if state is None or len(state) != 5 else _built(state[1], state[2], state[3], state[4])
    if name.endswith("numeric._frombuffer") and len(value.args) == 4:
        data, dtype, shape, order = value.args
        return _built(shape, dtype, order == "F", data)
    return None


def _built(shape: object, dtype: object, by_column: object, data: object) -> _Array | None:
    sizes, kind = _parts(shape), _type(dtype)
    if sizes is None or kind is None or len(sizes) > _MOST_AXES:
        return None
    if not all(type(size) is int and 0 <= size < 1 << 48 for size in sizes):
        return None
    cells = _data(data, kind)
    return None if cells is None else _Array(kind, sizes, by_column is True, cells)


def _data(data: object, kind: _Type) -> bytes | list[Any] | None:
    if isinstance(data, Instance) and factory_name(data) in ("builtins.bytearray", "builtins.bytes") and data.args:
        data = data.args[0]
    if isinstance(data, CutBytes):
        data = data.data
    if kind.code == "O":
        return _parts(data)
    return data if isinstance(data, bytes) else None


def _type(value: object) -> _Type | None:
    if not isinstance(value, Instance) or factory_name(value) != "numpy.dtype" or not value.args:
        return None
    code, state = value.args[0], _parts(value.state)
    if not isinstance(code, str) or not 1 <= len(code) <= 12 or state is None or len(state) < 2:
        return None
    if code in ("O", "O8"):
        return _Type("O", "|")
    if code[0] not in "iufbMmUSV" or not code[1:].isdecimal() or not 0 < int(code[1:]) <= 1 << 20:
        return None
    return _Type(code, ">" if state[1] == ">" else "<", _unit(state))


def _unit(state: Items[Any]) -> str:
    """Return the unit of a datetime64 or timedelta64."""
    parts = _parts(state[-1]) if len(state) > 8 else None
    inner = _parts(parts[-1]) if parts else None
    unit = inner[0] if inner else None
    return unit.decode("ascii", "replace") if isinstance(unit, bytes) and len(unit) <= 8 else ""


def _cell(kind: _Type, raw: bytes) -> Any:
    code = kind.code
    if code in _NUMBERS:
        return struct.unpack(kind.order + _NUMBERS[code], raw)[0]
    if code[0] == "U":
        text = raw.decode("utf-32-be" if kind.order == ">" else "utf-32-le", "replace")
        return text.rstrip("\0")
    if code[0] in "Mm" and len(raw) == 8:
        number = struct.unpack(f"{kind.order}q", raw)[0]
        return _moment(number, kind.unit) if code[0] == "M" else number
    return raw.rstrip(b"\0") if code[0] == "S" else raw


def _scalar(args: Items[Any]) -> Any:
    kind = _type(args[0]) if len(args) == 2 else None
    if kind is None or kind.code == "O" or not isinstance(args[1], bytes) or len(args[1]) != kind.bytes:
        return None
    return _cell(kind, args[1])


def _moment(number: int, unit: str) -> Any:
    per_second = _PER_SECOND.get(unit)
    if number == -(2**63):
        return "NaT"
    if unit == "D":
        number, per_second = number * 86_400, 1
    if per_second is None:
        return number
    try:
        moment = _EPOCH + timedelta(microseconds=number * 10**6 // per_second)
    except OverflowError:
        return number
    return moment.replace(tzinfo=None).isoformat()


# -- pandas -----------------------------------------------------------------------------------------------------------


def _timestamp(args: Items[Any]) -> Any:
    if len(args) < 3 or type(args[0]) is not int or args[2] is not None:
        return None
    return _moment(args[0], _RESOLUTIONS.get(args[3] if len(args) > 3 else 10, ""))


def _frame(instance: Instance) -> Mapping | None:
    name = instance.args[0].name if instance.args and isinstance(instance.args[0], Global) else factory_name(instance)
    if name not in ("pandas.DataFrame", "pandas.core.frame.DataFrame", "pandas.Series", "pandas.core.series.Series"):
        return None
    if not isinstance(instance.state, Mapping):
        return None
    members = {key: value for key, value in instance.state.pairs if isinstance(key, str)}
    manager = members.get("_mgr")
    if not isinstance(manager, Instance) or manager.open:
        return None
    if name.endswith("Series"):
        return _series(manager, members.get("_name"))
    return _table(manager)


def _series(manager: Instance, name: object) -> Mapping | None:
    state = _parts(manager.state)
    values = _parts(state[1]) if state is not None and len(state) >= 2 else None
    array = _values(values[0]) if values else None
    if array is None or len(array.shape) != 1:
        return None
    label = name if isinstance(name, str) else "value"
    rows = [[array.cell(at)] for at in range(min(FIRST_ROWS, array.count))]
    return _shaped([array.count, 1], [(label, array.type.name)], rows)


def _table(manager: Instance) -> Mapping | None:
    parts = [_parts(arg) for arg in manager.args]
    if len(parts) < 2 or parts[0] is None or parts[1] is None or len(parts[1]) != 2 or len(parts[0]) > _MOST_BLOCKS:
        return None
    axis, _rows = parts[1]
    index = _index(axis)
    if index is None:
        return None
    names, width = index
    columns: dict[int, tuple[_Array | None, int]] = {}
    height = 0
    for block in parts[0]:
        where = _placement(block.args[1]) if isinstance(block, Instance) and len(block.args) >= 2 else None
        if where is None:
            return None
        array = _values(block.args[0])
        if array is not None and len(array.shape) in (1, 2):
            height = max(height, array.shape[-1])
        else:
            array = None  # an extension array of another kind: its column is named, its cells are not read
        for line, column in enumerate(where):
            columns[column] = (array, line)
    wanted = [at for at in range(min(len(names), FIRST_COLUMNS)) if at in columns]
    kinds = [(names[at], "extension" if (array := columns[at][0]) is None else array.type.name) for at in wanted]
    rows = [[_at(*columns[at], row) for at in wanted] for row in range(min(FIRST_ROWS, height))]
    return _shaped([height, width], kinds, rows)


def _at(array: _Array | None, line: int, row: int) -> Any:
    if array is None:
        return None
    return array.cell(row) if len(array.shape) == 1 else array.cell(array.place(line, row))


def _shaped(shape: list[int], kinds: list[tuple[str, str]], rows: list[list[Any]]) -> Mapping:
    first = [Mapping([(name, cell) for (name, _), cell in zip(kinds, row, strict=True)]) for row in rows]
    inner = [("shape", Sequence("list", list(shape))), ("dtypes", Mapping(list(kinds)))]
    return Mapping([("$frame", Mapping([*inner, ("first", Sequence("list", list(first)))]))])


def _values(value: object) -> _Array | None:
    """Return the array behind a block: numpy's own, or pandas' around one."""
    found = _array(value)
    if found is not None or not isinstance(value, Instance) or value.open:
        return found
    if value.args and isinstance(value.args[0], Global) and value.args[0].name.endswith("Categorical"):
        return None  # its codes would be taken for its values
    if isinstance(value.state, Mapping):
        return next((_arrow(part) for key, part in value.state.pairs[:_MOST_AXES] if key == "_pa_array"), None)
    for part in [*(_parts(value.state) or ()), *value.args][:_MOST_AXES]:
        found = _array(part)
        if found is not None:
            return found
    return None


def _arrow(value: object) -> _Array | None:
    """Return the first texts of an Arrow array, which is what pandas keeps texts in where pyarrow is installed."""
    parts = _parts(value.args[0]) if isinstance(value, Instance) and len(value.args) == 1 else None
    kind = parts[0].args[0] if parts and isinstance(parts[0], Instance) and parts[0].args else None
    if parts is None or len(parts) < 5 or kind not in ("string", "large_string"):
        return None
    count, begin, buffers = parts[1], parts[3], _parts(parts[4])
    if (
        type(count) is not int
        or type(begin) is not int
        or count < 0
        or begin < 0
        or buffers is None
        or len(buffers) < 3
    ):
        return None
    there, offsets, texts = (_buffer(buffer) for buffer in buffers[:3])
    if offsets is None:
        return None
    size = 8 if kind == "large_string" else 4
    cells: list[Any] = []
    for at in range(begin, begin + min(count, FIRST_CELLS)):
        marks = offsets[at * size : (at + 2) * size]
        if len(marks) < 2 * size:
            break
        low, high = struct.unpack("<2q" if size == 8 else "<2i", marks)
        is_null = there is not None and not (there[at // 8] >> at % 8 & 1 if at // 8 < len(there) else 1)
        cells.append(None if is_null or not 0 <= low <= high else (texts or b"")[low:high].decode("utf-8", "replace"))
    return _Array(_Type("str", "|"), [count], by_column=False, data=cells)


def _buffer(value: object) -> bytes | None:
    data = value.args[0] if isinstance(value, Instance) and value.args else value
    data = data.data if isinstance(data, CutBytes) else data
    return data if isinstance(data, bytes) else None


def _placement(value: object) -> list[int] | None:
    """Return which columns a block holds."""
    if isinstance(value, Instance) and factory_name(value) == "builtins.slice" and len(value.args) == 3:
        start, stop, step = value.args
        if type(start) is int and type(stop) is int and step in (1, None) and 0 <= start <= stop:
            return list(range(start, min(stop, start + FIRST_COLUMNS)))
        if all(type(part) is int for part in value.args) and step > 0 and 0 <= start <= stop:
            return list(range(start, stop, step)[:FIRST_COLUMNS])
    array = _array(value)
    if array is None or array.type.code not in _NUMBERS:
        return None
    return [array.cell(at) for at in range(min(FIRST_COLUMNS, array.count))]


def _index(value: object) -> tuple[list[str], int] | None:
    """Return the names of the first columns, and how many there are."""
    if not isinstance(value, Instance) or value.open or len(value.args) < 2 or not isinstance(value.args[1], Mapping):
        return None
    members = {key: part for key, part in value.args[1].pairs[:_MOST_AXES] if isinstance(key, str)}
    array = _values(members.get("data"))
    if array is not None and len(array.shape) == 1:
        cells = [array.cell(at) for at in range(min(array.count, FIRST_COLUMNS))]
        return [
            str(name) if isinstance(name, str | int) else f"column {n}" for n, name in enumerate(cells)
        ], array.count
    start, stop, step = (members.get(name) for name in ("start", "stop", "step"))
    if type(start) is not int or type(stop) is not int or type(step) is not int or step <= 0:
        return None
    columns = range(start, stop, step)
    return [str(n) for n in columns[:FIRST_COLUMNS]], max(0, (stop - start + step - 1) // step)
