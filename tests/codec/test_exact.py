"""A value that somebody edits and sends back: its numbers as they are, and whether JSON can say it at all."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from otel_bridge.codec import WHOLE, Codec, redact_keys
from otel_bridge.codec.limits import Limits

from .helpers import pickled, stored

EXACT = Limits(exact=True)


def repr_of(value: Any) -> str:
    """Name a case; an integer of that length has no decimal text by default."""
    return type(value).__name__


@pytest.mark.parametrize(
    "value", [2**53, -(2**63), 10**200, 1.0, 1e300, [], {}, "text", None, True, {"a": [1, {"b": 2.5}]}]
)
def test_a_plain_value_comes_back_as_it_was(value: Any) -> None:
    """Written as JSON and read again it is the same value, of the same types."""
    for kept in (pickled(value), stored(json.dumps(value), "portable_json")):
        shown = Codec().decode(kept, limits=EXACT)
        assert shown.plain
        again = json.loads(json.dumps(shown.json))
        assert (again, type(again)) == (value, type(value))


def test_for_readers_long_integers_are_text() -> None:
    """A browser's numbers would round them."""
    shown = Codec().decode(pickled(2**53), limits=WHOLE)
    assert shown.json == str(2**53)
    assert not shown.plain


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1, 2}, {1: "a"}, {(1, 2): "a"}, b"x", dt.date(2026, 1, 1), float("nan"), [dt.timedelta(1)], 1 << 5000],
    ids=repr_of,
)
def test_what_json_cannot_say_is_not_plain(value: Any) -> None:
    """Sent back, a tuple would be a list, a date a text, a key of another type a text."""
    assert not Codec().decode(pickled([value]), limits=EXACT).plain


def test_arguments_are_plain_although_the_engine_keeps_them_as_a_tuple() -> None:
    """They are given to the function one by one."""
    given = pickled({"args": (1, [2.0]), "kwargs": {"n": 2**60}})
    shown = Codec().decode_input(given, limits=EXACT)
    assert shown.plain
    assert shown.json == {"args": [1, [2.0]], "kwargs": {"n": 2**60}}
    assert not Codec().decode_input(pickled({"args": ((1, 2),), "kwargs": {}}), limits=EXACT).plain


@pytest.mark.parametrize("redact", [redact_keys(["secret"]), lambda value: "hidden"])
def test_what_is_hidden_is_not_plain(redact: Any) -> None:
    """Sent back, the placeholder would be the value."""
    assert not Codec(redact=redact).decode(pickled({"secret": 1}), limits=EXACT).plain


def test_what_is_cut_is_not_plain() -> None:
    """The rest would be missing."""
    assert not Codec().decode(pickled("x" * 100), limits=Limits(exact=True, max_string=10)).plain
