"""Small values that mean much work: each costs a fraction of what a preview may take, however it is asked for."""

from __future__ import annotations

import json
import random
import time

import pytest

from otel_bridge.codec import PREVIEW, WHOLE, decode, decode_error
from otel_bridge.model.values import StoredValue

from . import fuzz
from .gadgets import FAMILIES, as_pickle, as_text, fetch, name, word

CRAFTED_S = {"whole": 8.0}
"""Processor time that a crafted value of a hundred kilobytes may take in a download; else a fifth of it."""


def long_path_for_many() -> StoredValue:
    """Annotations below one path of 19,000 parts."""
    path, many = ".".join(["a"] * 19_000), {str(n): ["set"] for n in range(4_000)}
    return as_text(json.dumps({"json": {"a": 1}, "meta": {"values": {path: [["class", "A"], many]}}}), "js_superjson")


def one_buffer_many_spellings() -> StoredValue:
    """A list that is not a buffer after all, annotated under 00, 000, 0000 and so on."""
    spelt = {"0" * n: [["custom", "Buffer"]] for n in range(1, 280)}
    value = {"json": [[1] * 30_000 + ["x"]], "meta": {"values": spelt}}
    return as_text(json.dumps(value), "js_superjson")


def state_of_which_nothing_shows() -> StoredValue:
    """A model whose state is large beside pydantic's own members, a thousand times over."""
    keys = b"".join(word(f"k{n}") + b"N" for n in range(3_000))
    model = name("app.Model") + b")\x81}(" + word("__dict__") + b"}" + word("__pydantic_x") + b"N" + keys + b"ub\x94"
    return as_pickle(b"\x80\x04](" + model + fetch(0) * 15_000 + b"e.")


def pairs_that_are_none() -> StoredValue:
    """A dictionary made of a long list in which there is no pair, a thousand times over."""
    made = name("collections.OrderedDict") + b"](" + b"N" * 15_000 + b"e\x85R\x94"
    return as_pickle(b"\x80\x04](" + made + fetch(0) * 8_000 + b"e.")


def a_path_of_many_parts_as_key() -> StoredValue:
    """A file's path of a thousand parts, as every key of a dictionary."""
    path = name("pathlib.PosixPath") + b"(" + word("p") * 1_000 + b"tR\x94"
    return as_pickle(b"\x80\x04](" + path + b"}(" + (fetch(0) + b"N") * 9_000 + b"ue.")


def names_of_a_megabyte() -> StoredValue:
    """Classes whose names are a text of 40 kB, put together ten thousand times."""
    return as_pickle(b"\x80\x04](" + word("n" * 40_000) + b"\x94" + (fetch(0) * 2 + b"\x93") * 10_000 + b"e.")


def long_integers() -> StoredValue:
    """An integer of 2,466 digits, twenty thousand times."""
    return as_pickle(b"\x80\x04](" + b"\x8b\x00\x04\x00\x00" + b"\x7f" * 1024 + b"\x94" + fetch(0) * 20_000 + b"e.")


def retries_of_retries() -> StoredValue:
    """The error of a step that ran out of retries, whose last failure is itself."""
    retries = name("dbos._error.DBOSMaxStepRetriesExceeded") + b"(" + word("s") + b"K\x03]\x94"
    return as_pickle(b"\x80\x04" + retries + b"tR\x94" + b"h\x00h\x01a0.")


CRAFTED = [
    long_path_for_many, one_buffer_many_spellings, state_of_which_nothing_shows, pairs_that_are_none,
    a_path_of_many_parts_as_key, names_of_a_megabyte, long_integers, retries_of_retries,
]  # fmt: skip


@pytest.mark.parametrize("make", CRAFTED, ids=lambda make: make.__name__)
@pytest.mark.parametrize("way", fuzz.WAYS)
def test_a_crafted_value_costs_no_more_than_a_large_one(make: fuzz.Make, way: str) -> None:
    """The largest of these took 27 s of processor time for 76 kB before every loop paid for itself."""
    value = make()
    began = time.thread_time()
    shown = fuzz.WAYS[way](value)
    assert time.thread_time() - began < CRAFTED_S.get(way, 1.6)
    assert len(json.dumps(shown)) < 20_000_000


@pytest.mark.parametrize("family", FAMILIES)
def test_the_fuzzer_finds_nothing_in_a_short_search(family: str) -> None:
    """Seeds are fixed, so this says the same every time; ``python -m tests.codec.fuzz`` searches on."""
    for seed in range(10):
        for way in fuzz.WAYS:
            tried = fuzz.attempt(family, seed, 2_000, way)
            assert tried.failure is None, tried
            assert tried.seconds < CRAFTED_S.get(way, 1.6), tried


def test_the_same_value_is_cut_at_the_same_place_each_time() -> None:
    """Costs are counted and not measured, so a busy machine shows no less."""
    value = FAMILIES["pickle: laughs"](random.Random(3), 4_000)
    for limits in (PREVIEW, WHOLE):
        shown = [json.dumps(decode(value, limits=limits).json) for _ in range(2)]
        assert shown[0] == shown[1]
    assert decode(value).truncated


def test_a_value_that_repeats_itself_gets_what_its_size_deserves() -> None:
    """A kilobyte of pickle cannot ask for the millions of values that a download may hold."""
    value = FAMILIES["pickle: laughs"](random.Random(3), 1_000)
    whole = json.dumps(decode(value, limits=WHOLE).json)
    assert len(whole) < 8_000_000
    assert decode_error(value).message
