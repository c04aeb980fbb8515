"""Builds stored values that try to make the codec work long: small parts that amplify one another. Pure.

Each family draws a value from a random source; the same seed draws the same value. Nothing here is executed when read,
and nothing is written with ``pickle``: instructions are put together by hand, for no honest writer would.
"""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Callable
from typing import Any

from otel_bridge.codec import PREVIEW
from otel_bridge.model.values import StoredValue

Family = Callable[[random.Random, int], StoredValue]

FACTORIES = (
    "builtins.dict", "builtins.list", "builtins.tuple", "builtins.set", "builtins.frozenset", "builtins.complex",
    "builtins.range", "builtins.slice", "builtins.getattr", "builtins.bytearray", "builtins.bytes", "_codecs.encode",
    "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "collections.deque",
    "copyreg._reconstructor", "copyreg.__newobj__", "datetime.datetime", "datetime.date", "datetime.time",
    "datetime.timedelta", "datetime.timezone", "decimal.Decimal", "fractions.Fraction", "uuid.UUID",
    "pathlib.PosixPath", "zoneinfo.ZoneInfo._unpickle", "pytz._p", "builtins.ValueError", "builtins.OSError",
    "builtins.KeyError", "builtins.ExceptionGroup", "dbos._error.DBOSMaxStepRetriesExceeded", "app.models.Order",
    "numpy._core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype", "numpy._core.numeric._frombuffer",
    "numpy._core.multiarray.scalar", "pandas.core.frame.DataFrame", "pandas.core.series.Series",
    "pandas.core.internals.managers.BlockManager", "pandas.core.indexes.base._new_Index",
    "pandas._libs.internals._unpickle_block",
)  # fmt: skip
"""What an instance may claim to be: everything that the codec knows, and things that it does not."""


def as_pickle(data: bytes) -> StoredValue:
    """Instructions as DBOS stores them."""
    text = base64.b64encode(data).decode("ascii")
    return StoredValue(text, "py_pickle", len(text))


def as_text(text: str, name: str | None) -> StoredValue:
    """A stored text that its reader did not cut."""
    return StoredValue(text, name, len(text.encode("utf-8", "surrogatepass")))


def word(text: str) -> bytes:
    """The instruction that pushes a string."""
    data = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def name(dotted: str) -> bytes:
    """The instructions that push a class or function."""
    module, _, attribute = dotted.rpartition(".")
    return word(module) + word(attribute) + b"\x93"


def fetch(slot: int) -> bytes:
    """The instruction that pushes what was remembered in a slot."""
    return b"h" + bytes([slot % 256])


# -- pickles: a few large parts, remembered, then used many times --------------------------------------------------


def _scalar(rng: random.Random) -> bytes:
    return rng.choice(
        [b"K" + bytes([rng.randrange(256)]), b"N", b"\x88", word("k" + str(rng.randrange(1000))),
         b"\x8a\xff" + bytes([rng.randrange(1, 128)]) * 255, b"C\x04abcd", b"G" + struct.pack(">d", rng.random())]
    )  # fmt: skip


def _large(rng: random.Random, count: int) -> bytes:
    """One large part of about ``count`` members or characters."""
    kind = rng.randrange(9)
    if kind == 0:
        return word(rng.choice('aé"\\{[') * count)
    if kind == 1:
        return b"B" + struct.pack("<I", count) + bytes(count)
    opening, closing = rng.choice([(b"](", b"e"), (b"(", b"t"), (b"\x8f(", b"\x90"), (b"(", b"l")])
    if kind < 5:
        member = _scalar(rng)
        return opening + member * (count // len(member) + 1) + closing
    keys = [word(f"k{n}") if kind < 7 else b"M" + struct.pack("<H", n % 65536) for n in range(count // 7 + 1)]
    if kind == 8:  # keys that are objects: the same one again and again
        keys = [name(rng.choice(FACTORIES)) + fetch(0) + b"R\x94" + b"0"] + [fetch(2)] * (count // 4 + 1)
        return b"}\x94(" + b"".join(key + b"N" for key in keys[1:]) + b"u"
    return b"}(" + b"".join(key + _scalar(rng) for key in keys) + b"u"


def _hidden(rng: random.Random, count: int) -> bytes:
    """A large part of which nothing is shown: items that are no pairs, state beside pydantic's own, a long name."""
    made = name(rng.choice(FACTORIES))
    kind = rng.randrange(4)
    if kind == 0:
        keys = b"".join(word(f"k{n}") + b"N" for n in range(count // 8))
        return name("app.Model") + b")\x81}(" + word("__dict__") + b"}" + word("__pydantic_x") + b"N" + keys + b"ub"
    if kind == 1:
        return made + b"](" + b"N" * count + b"e\x85R"
    if kind == 2:
        return made + b"(" + word("x") * (count // 6) + b"tR"
    return name("builtins.getattr") + name("a." + "b" * count) + word("c") + b"\x86R"


def _wrapped(rng: random.Random, slots: int) -> bytes:
    """One small part made of what is remembered."""

    def pick() -> bytes:
        return fetch(rng.randrange(slots))

    kind = rng.randrange(9)
    made = name(rng.choice(FACTORIES))
    if kind == 0:
        return made + pick() + b"R"
    if kind == 1:
        return made + b"(" + pick() * rng.randrange(1, 5) + b"t" + rng.choice([b"R", b"\x81"])
    if kind == 2:
        return made + b")R" + pick() + b"b"
    if kind == 3:
        return made + b")R" + b"(" + pick() * 4 + rng.choice([b"e", b"u"])
    if kind == 4:
        return pick() + pick() + b"\x93"
    if kind == 5:
        return b"}(" + pick() + pick() + pick() + pick() + b"u"
    if kind == 6:
        return made + b"(" + pick() + b"}(" + word("message") + pick() + word("__notes__") + pick() + b"utR"
    if kind == 7:
        return b"](" + pick() * rng.randrange(1, 9) + b"e"
    return pick() + pick() + pick() + b"\x87R"


def shared_parts(rng: random.Random, size: int) -> StoredValue:
    """Large parts, wrapped a few times, and the last of them used as often as the size allows."""
    slots, program = 0, [b"\x80\x04"]
    for _ in range(rng.randrange(1, 4)):
        make = rng.choice([_large, _large, _hidden])
        program.append(make(rng, rng.choice([10, size // 16, size // 4])) + b"\x940")
        slots += 1
    for _ in range(rng.randrange(6)):
        program.append(_wrapped(rng, slots) + b"\x940")
        slots += 1
    used = sum(map(len, program))
    opening, closing = rng.choice([(b"](", b"e"), (b"(", b"t"), (b"}(", b"u"), (b"](", b"")])
    chosen = rng.choice([fetch(slots - 1), fetch(rng.randrange(slots)), _wrapped(rng, slots)])
    repeated = chosen * (2 if closing == b"u" else 1)
    times = max(1, (size - used) // len(repeated))
    return as_pickle(b"".join(program) + opening + repeated * times + closing + b".")


def instructions(rng: random.Random, size: int) -> StoredValue:
    """A short random program, repeated."""
    codes = b"()]}0125NKMJX\x8cBC\x8a\x8bhqjrgpaesudltRbiocV\x93\x81\x92\x85\x86\x87\x88\x8f\x90\x91\x94\x95\x96\x97"
    program = b"".join(
        bytes([rng.choice(codes)]) + bytes(rng.choice([0, 1, 1, 2, 4])) for _ in range(rng.randrange(2, 14))
    )
    head = b"\x80\x04" + _large(rng, rng.choice([8, size // 2])) + b"\x94"
    return as_pickle(head + program * max(1, (size - len(head)) // len(program)) + rng.choice([b"", b"."]))


def laughs(rng: random.Random, size: int) -> StoredValue:
    """Each part holds the one before several times."""
    kinds = [(b"](", b"e"), (b"(", b"t"), (b"\x8f(", b"\x90"), (name("app.C") + b"(", b"tR")]
    levels = []
    for level in range(min(200, size // 10)):
        opening, closing = rng.choice(kinds)
        levels.append(opening + fetch(level) * rng.randrange(1, 4) + closing + b"\x94")
    return as_pickle(b"\x80\x04" + _large(rng, size // 8) + b"\x94" + b"".join(levels) + b".")


# -- JSON and its relatives --------------------------------------------------------------------------------------------


def json_text(rng: random.Random, size: int) -> StoredValue:
    """Texts that JSON readers like least; sometimes cut."""
    unit = rng.choice(
        ["[", '{"a":', "1,", '"a",', "\\\\", '\\"', "\\u0041", "1e9,", "9", " ", "[],", "{},", '{"k":1},', '"\\ud800",',
         "-", "tru", '"' + "x" * 50 + '",', "1" * 4000 + ",", "0.1", '{"":{}},', '"\\q"', "NaN,"]
    )  # fmt: skip
    opening = rng.choice(["", "[", '{"a":[', '"', '["', '{"', '{"json":[', "[" * 100])
    closing = rng.choice(["", "]", "]}", '"', '"]', "0]"])
    text = opening + unit * max(1, size // len(unit)) + closing
    label = rng.choice(["portable_json", "js_superjson", "dbosify_json", None, "py_pickle"])
    value = as_text(text, label)
    return StoredValue(text[: size // 2], label, value.size_bytes) if rng.randrange(3) == 0 else value


def _annotation(rng: random.Random, path: Callable[[], str], left: int, depth: int) -> Any:
    kind = rng.choice(
        ["Date", "set", "map", "undefined", "bigint", ["custom", "Buffer"], ["class", "A"], ["symbol", "s"],
         ["custom", "x" * 100], ["typed-array", "Uint8Array"]]
    )  # fmt: skip
    if depth > 150 or left <= 1:
        return [kind]
    width = rng.choice([1, 1, 2, left])
    return [kind, {path(): _annotation(rng, path, left // width, depth + 1) for _ in range(width)}]


def superjson(rng: random.Random, size: int) -> StoredValue:
    """Annotations by the thousand, with long paths, of values that are large or deep."""
    value: Any = rng.choice(
        [
            [0] * (size // 9),
            {"a": [1] * (size // 9)},
            [[n % 256] * 20 for n in range(size // 120)],
            {"a": {"b": [["k", 1]]}},
        ]
    )
    steps = rng.choice([1, 2, 40, size // 6])

    def path() -> str:
        long = ".".join([rng.choice(["0", "00", "a", "b", "\\."])] * steps)
        return f"{long}.{'0' * rng.randrange(9)}{rng.randrange(size)}"

    shape, count = rng.randrange(3), size // 40
    if shape == 0:  # many short ones below one long one
        values: Any = [["custom", "x"], {path(): [["custom", "x"], {f"0{n}": ["set"] for n in range(count)}]}]
    elif shape == 1:  # many spellings of the same place
        kind = rng.choice([["map"], [["custom", "Buffer"]], ["set"]])
        values = {("a." if isinstance(value, dict) else "") + "0" * n: kind for n in range(min(count, 300))}
    else:
        values = _annotation(rng, path, size // (8 + 2 * steps) + 1, 0)
    text = json.dumps({"json": value, "meta": {"values": values}, "__dbos_serializer": "superjson"})
    return as_text(text, "js_superjson")


def dbosify(rng: random.Random, size: int) -> StoredValue:
    """The older format: wrappers within wrappers, buffers that are none."""
    unit = rng.choice(
        ['{"dbos_type":"dbos_Date","dbos_data":', '{"type":"Buffer","data":[', '[{"type":"Buffer","data":', '{"a":[']
    )
    closing = unit.translate({ord(opening): closing for opening, closing in zip("{[", "}]", strict=True)})
    ends = "".join(character for character in reversed(closing) if character in "}]")
    depth = rng.choice([5, 150, 400])
    inner = ",".join(["1"] * (size // 4)) + ',"x"'
    return as_text(unit * depth + (inner if unit.endswith("[") else f"[{inner}]") + ends * depth, "dbosify_json")


# -- errors ------------------------------------------------------------------------------------------------------------


def errors(rng: random.Random, size: int) -> StoredValue:
    """Retries of retries, groups of groups, notes by the thousand, and records of other languages."""
    if rng.randrange(4) == 0:
        record = {
            "name": "E" * rng.choice([1, size]),
            "message": [["x"] * 50] * rng.choice([1, size // 300]),
            "code": "7" * 300,
        }
        return as_text(json.dumps(record), rng.choice(["portable_json", "js_superjson"]))
    retries, group = name("dbos._error.DBOSMaxStepRetriesExceeded"), name(rng.choice(FACTORIES))
    note = word("n" * rng.choice([1, 40]))
    head = (
        b"\x80\x04"
        + retries
        + b"\x940"
        + group
        + b"\x940"
        + note
        + b"\x940"
        + b"("
        + fetch(2) * (size // 8)
        + b"t\x940"
    )
    error = fetch(1) + fetch(3) + b"R}" + word("__notes__") + b"](" + fetch(2) * rng.choice([3, size // 8]) + b"esb\x94"
    depth = rng.choice([1, 30, size // 24])
    cycle = b"h\x05" if rng.randrange(3) == 0 else b""
    opened = (fetch(0) + b"(" + fetch(2) + b"K\x03](") * depth
    closed = (b"e" + b"tR") * depth
    return as_pickle(head + opened + (cycle or error) + closed + b".")


FAMILIES: dict[str, Family] = {
    "pickle: shared parts": shared_parts,
    "pickle: instructions": instructions,
    "pickle: laughs": laughs,
    "json": json_text,
    "superjson": superjson,
    "dbosify": dbosify,
    "errors": errors,
}
assert PREVIEW.max_nodes > 0
