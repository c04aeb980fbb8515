"""Pickles read as people would write them down."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import pathlib
import pickle
import uuid
import zoneinfo
from typing import Any, NamedTuple

import pydantic
import pytest

from otel_bridge.codec import decode, decode_input

from .helpers import cut, from_bytes, pickled, stored

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
HERE = __name__


class Color(enum.Enum):
    RED = "red"


class ByName(enum.Enum):
    LOW = "low"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (ByName, "LOW")


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Order:
    id: str
    lines: list[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    a: int
    b: str


class BySlots:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a, self.b = 1, "two"


class Customer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str
    tags: list[str] = []


class Bag(dict):  # type: ignore[type-arg]
    """A subclass of a container."""


PARIS = zoneinfo.ZoneInfo("Europe/Paris")
PLAIN: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (-5, -5),
    (2**53 - 1, 2**53 - 1),
    (2**53, "9007199254740992"),
    (-(2**80), "-1208925819614629174706176"),
    (1.5, 1.5),
    (float("nan"), "NaN"),
    (float("inf"), "Infinity"),
    (float("-inf"), "-Infinity"),
    ("naïve 🙂", "naïve 🙂"),
    ("lone \ud800", "lone \\ud800"),
    (b"hi", {"$bytes": "aGk=", "$length": 2}),
    (bytearray(b"hi"), {"$bytes": "aGk=", "$length": 2}),
    ([1, [2, (3, 4)]], [1, [2, [3, 4]]]),
    ((), []),
    ({1}, {"$set": [1]}),
    (frozenset({"a"}), {"$set": ["a"]}),
    ({"a": 1, 2: "b", None: 3, 1.5: 4}, {"a": 1, "2": "b", "None": 3, "1.5": 4}),
    ({1: "a", "1": "b"}, {"$map": [[1, "a"], ["1", "b"]]}),
    ({(1, 2): 3}, {"$map": [[[1, 2], 3]]}),
    (collections.OrderedDict(a=1, b=2), {"a": 1, "b": 2}),
    (collections.defaultdict(list, {"a": [1]}), {"a": [1]}),
    (collections.Counter("aab"), {"a": 2, "b": 1}),
    (collections.deque([1, 2], 5), [1, 2]),
    (dt.datetime(2026, 1, 2, 3, 4, 5, 678), "2026-01-02T03:04:05.000678"),
    (dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc), "2026-01-02T00:00:00+00:00"),
    (dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2), "x")), "2026-01-02T00:00:00+02:00"),
    (dt.datetime(2026, 1, 2, fold=1, tzinfo=PARIS), "2026-01-02T00:00:00[Europe/Paris]"),
    (dt.date(2026, 1, 2), "2026-01-02"),
    (dt.time(3, 4), "03:04:00"),
    (dt.timedelta(days=1, seconds=2), "1 day, 0:00:02"),
    (dt.timezone.utc, "UTC"),
    (PARIS, "Europe/Paris"),
    (decimal.Decimal("1.10"), "1.10"),
    (fractions.Fraction(1, 3), "1/3"),
    (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    (3 + 4j, "(3+4j)"),
    (range(1, 3), "range(1, 3, 1)"),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("value", "shown"), PLAIN, ids=lambda value: type(value).__name__)
def test_plain_values_and_the_standard_library_read_as_people_write_them(value: Any, shown: Any, protocol: int) -> None:
    """In every protocol; what JSON has no word for is text, or told by a member with a dollar sign."""
    decoded = decode(pickled(value, protocol=protocol))
    assert decoded.json == shown
    assert (decoded.format, decoded.complete, decoded.problem, decoded.raw) == ("py_pickle", True, None, False)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Order("o1", ["x"]), {"$class": f"{HERE}.Order", "$state": {"id": "o1", "lines": ["x"]}}),
        (Slotted(1, "b"), {"$class": f"{HERE}.Slotted", "$state": [1, "b"]}),
        (BySlots(), {"$class": f"{HERE}.BySlots", "$state": {"a": 1, "b": "two"}}),
        (Color.RED, {"$class": f"{HERE}.Color", "$value": "red"}),
        (ByName.LOW, {"$ref": f"{HERE}.ByName.LOW"}),
        (Point(1, 2), {"$class": f"{HERE}.Point", "$args": [1, 2]}),
        (
            Customer(name="Ann", tags=["a"], more=1),  # type: ignore[call-arg]
            {"$class": f"{HERE}.Customer", "$state": {"name": "Ann", "tags": ["a"], "more": 1}},
        ),
        (Bag(a=1), {"$class": f"{HERE}.Bag", "$items": {"a": 1}}),
        (Order, {"$ref": f"{HERE}.Order"}),
        (ValueError("boom"), {"$class": "builtins.ValueError", "$args": ["boom"]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_classes_are_inert_names_with_their_state(value: Any, shown: Any, protocol: int) -> None:
    """Dataclasses, pydantic models, enums, named tuples, exceptions: a name and what it holds, no instance."""
    decoded = decode(pickled(value, protocol=protocol))
    assert decoded.json == shown
    assert decoded.complete


def test_attrs_classes_show_their_fields() -> None:
    """A slotted attrs class pickles its fields by name."""
    data = b"\x80\x04\x8c\x03app\x8c\x04Item\x93)\x81}(\x8c\x04name\x8c\x01x\x8c\x03qty\x4b\x02ub."
    assert decode(from_bytes(data)).json == {"$class": "app.Item", "$state": {"name": "x", "qty": 2}}


def test_a_shared_value_is_shown_wherever_it_stands_and_a_cycle_is_named() -> None:
    """References are followed, but never for ever."""
    shared = {"k": [1]}
    assert decode(pickled([shared, shared])).json == [{"k": [1]}, {"k": [1]}]
    cycle: list[Any] = [1]
    cycle.append(cycle)
    assert decode(pickled(cycle)).json == [1, {"$cycle": "contains itself"}]


def test_an_input_reads_alike_whichever_language_wrote_it() -> None:
    """Python's pickle, the portable JSON and TypeScript's list of arguments have one shape."""
    same = {"args": [1, "a"], "kwargs": {"k": 2}}
    assert decode_input(pickled({"args": (1, "a"), "kwargs": {"k": 2}})).json == same
    portable = '{"positionalArgs":[1,"a"],"namedArgs":{"k":2}}'
    assert decode_input(stored(portable, "portable_json")).json == same
    assert decode_input(stored('{"positionalArgs":[1]}', "portable_json")).json == {"args": [1], "kwargs": {}}
    js = '{"json":[1,"a"],"__dbos_serializer":"superjson"}'
    assert decode_input(stored(js, "js_superjson")).json == {"args": [1, "a"], "kwargs": {}}
    assert decode_input(stored('"x"', "portable_json")).json == {"args": ["x"], "kwargs": {}}


def test_every_beginning_of_a_pickle_shows_what_it_holds_so_far() -> None:
    """A value cut by the reader's cap is shown as far as it goes, marked as truncated, without a complaint."""
    lines = [f"line-{n}" for n in range(20)]
    whole = pickled({"args": (Order("o1", lines),), "kwargs": {"note": "n" * 50}})
    seen = 0
    for length in range(4, len(whole.text) - 1):
        decoded = decode_input(cut(whole, length))
        assert decoded.truncated
        assert not decoded.complete
        assert not decoded.raw
        assert decoded.problem is None
        now = str(decoded.json).count("line-")
        assert now >= seen
        seen = now
    assert seen == len(lines)


def test_a_long_string_is_cut_and_says_so() -> None:
    """The beginning is shown, with the length of the whole."""
    decoded = decode(pickled({"text": "x" * 200_000, "after": 1}))
    text = decoded.json["text"]
    assert text.startswith("xxx")
    assert text.endswith("[cut: 200000 characters]")
    assert len(text) < 70_000
    assert decoded.json["after"] == 1
    assert (decoded.truncated, decoded.complete) == (True, False)
