"""What DBOS for TypeScript writes. The samples were written by superjson 2.2.6 and ``@dbos-inc/dbos-sdk`` 5.3.0."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_bridge.codec import decode, decode_error

from .helpers import cut, stored

EPOCH = "1970-01-01T00:00:00.000Z"
EVERYTHING: dict[str, Any] = {
    "json": {
        "a": EPOCH,
        "b": None,
        "c": "10",
        "m": [["k", EPOCH], [1, [1, "2"]]],
        "s": [EPOCH],
        "r": "/a+/gi",
        "n": "NaN",
        "i": "-Infinity",
        "z": "-0",
        "u": "https://x.y/",
        "e": {"name": "TypeError", "message": "boom"},
        "buf": [104, 105],
        "u8": [1, 2],
        "dot.ted": {"x\\y": EPOCH},
    },
    "meta": {
        "values": {
            "a": ["Date"],
            "b": ["undefined"],
            "c": ["bigint"],
            "m": ["map", {"0.1": ["Date"], "1.1": ["set", {"1": ["bigint"]}]}],
            "s": ["set", {"0": ["Date"]}],
            "r": ["regexp"],
            "n": ["number"],
            "i": ["number"],
            "z": ["number"],
            "u": ["URL"],
            "e": ["Error"],
            "buf": [["custom", "Buffer"]],
            "u8": [["typed-array", "Uint8Array"]],
            "dot\\.ted.x\\\\y": ["Date"],
        },
        "referentialEqualities": {"a": ["s.0", "m.0.1"]},
    },
    "__dbos_serializer": "superjson",
}


def superjson(value: Any, values: Any = None) -> str:
    meta = {} if values is None else {"meta": {"values": values}}
    return json.dumps({"json": value, **meta, "__dbos_serializer": "superjson"})


def test_superjson_reads_as_people_write_it() -> None:
    """Dates, maps, sets, big integers, undefined, buffers and the like, at any depth and under any key."""
    decoded = decode(stored(json.dumps(EVERYTHING), "js_superjson"))
    assert decoded.json == {
        "a": EPOCH,
        "b": None,
        "c": "10",
        "m": {"k": EPOCH, "1": {"$set": [1, "2"]}},
        "s": {"$set": [EPOCH]},
        "r": "/a+/gi",
        "n": "NaN",
        "i": "-Infinity",
        "z": "-0",
        "u": "https://x.y/",
        "e": {"name": "TypeError", "message": "boom"},
        "buf": {"$bytes": "aGk=", "$length": 2},
        "u8": [1, 2],
        "dot.ted": {"x\\y": EPOCH},
    }
    assert (decoded.format, decoded.complete) == ("js_superjson", True)


@pytest.mark.parametrize(
    ("value", "values", "shown"),
    [
        (EPOCH, ["Date"], EPOCH),
        (None, ["undefined"], None),
        ([[{"k": 1}, EPOCH]], ["map", {"0.1": ["Date"]}], {"$map": [[{"k": 1}, EPOCH]]}),
        ({"z": 1}, [["class", "Foo"]], {"$class": "Foo", "$state": {"z": 1}}),
        ("1.10", [["custom", "decimal.js"]], {"$class": "decimal.js", "$value": "1.10"}),
        ("", [["symbol", "q"]], "Symbol(q)"),
        ({"a": 1}, None, {"a": 1}),
        ({"a": 1}, {"b.c.d": ["Date"], "a.0": ["set"]}, {"a": 1}),
    ],
)
def test_a_value_alone_and_annotations_that_lead_nowhere(value: Any, values: Any, shown: Any) -> None:
    """The root may be annotated too; what ``meta`` says about things that are not there is ignored."""
    assert decode(stored(superjson(value, values), "js_superjson")).json == shown


def test_superjson_without_a_label_is_recognised() -> None:
    """By its marker, which nothing but DBOS for TypeScript writes; the other members alone say nothing."""
    decoded = decode(stored(superjson([EPOCH], {"0": ["Date"]}), None))
    assert (decoded.json, decoded.format) == ([EPOCH], "js_superjson")
    lookalike = {"json": "all fine", "meta": {"values": {}}}
    assert decode(stored(json.dumps(lookalike), None)).json == lookalike


@pytest.mark.parametrize("name", ["portable_json", "java_jackson", "dbosify_json", None])
@pytest.mark.parametrize(
    "value",
    [
        {"json": "all fine", "meta": {"amount": 1_000_000}},
        {"json": "all fine", "meta": {"values": {"0": ["Date"]}}},
        {"json": "all fine", "amount": 7, "__dbos_serializer": "superjson"},
        {"json": "all fine", "__dbos_serializer": "superjson", "meta": {"values": {}, "amount": 7}},
        {"json": "all fine", "__dbos_serializer": ["amount", 7]},
    ],
)
def test_json_never_hides_itself(value: Any, name: str | None) -> None:
    """A member called ``json`` is one member of several, whatever the others are called: all of them are shown."""
    decoded = decode(stored(json.dumps(value), name))
    assert decoded.json == value
    assert decoded.complete


@pytest.mark.parametrize("more", [{"amount": 7}, {"meta": {"values": {}, "amount": 7}}, {"meta": ["amount", 7]}])
def test_a_labelled_value_that_superjson_did_not_write_is_shown_whole(more: Any) -> None:
    """The label says what wrote it; what stands beside is shown all the same."""
    value = {"json": "all fine", **more}
    assert decode(stored(json.dumps(value), "js_superjson")).json == value


def test_a_cut_superjson_value_shows_its_json() -> None:
    """What ``meta`` would have said comes last and is lost; the rest is shown, but no number that may be cut."""
    decoded = decode(cut(stored(superjson({"a": [1, 2, 3], "b": "long"}), "js_superjson"), 24))
    assert decoded.json == {"a": [1, 2, 3]}
    assert decoded.truncated
    assert decode(cut(stored("[123, 456]", "portable_json"), 8)).json == [123]


def test_the_older_format_is_unwrapped() -> None:
    """``dbos_type`` marks dates and big integers, and Node writes buffers its own way."""
    text = json.dumps(
        {
            "when": {"dbos_type": "dbos_Date", "dbos_data": EPOCH},
            "big": [{"dbos_type": "dbos_BigInt", "dbos_data": "10"}],
            "data": {"type": "Buffer", "data": [104, 105]},
        }
    )
    assert decode(stored(text, "dbosify_json")).json == {
        "when": EPOCH,
        "big": ["10"],
        "data": {"$bytes": "aGk=", "$length": 2},
    }


def test_numbers_that_a_browser_would_round_are_text() -> None:
    """In JSON as in pickles; so are those that JSON does not have."""
    decoded = decode(stored('{"id": 12345678901234567890, "x": NaN, "huge": ' + "9" * 5000 + "}", "portable_json"))
    assert decoded.json == {
        "id": "12345678901234567890",
        "x": "NaN",
        "huge": {"$int": "a number of 5000 digits"},
    }


def test_an_error_from_typescript_keeps_its_stack_and_code() -> None:
    """serialize-error's record, in superjson."""
    record = {"name": "TypeError", "message": "boom", "code": "E1", "stack": "TypeError: boom\n    at f (x.js:1)"}
    error = decode_error(stored(superjson(record), "js_superjson"))
    assert (error.message, error.type, error.code, error.stack) == ("boom", "TypeError", "E1", record["stack"])
