"""Stored errors as message, type and code, as Python itself would have said them."""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

import pytest
from dbos._error import DBOSMaxStepRetriesExceeded
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_bridge.codec import decode_error, redact_keys
from otel_bridge.model.values import StoredValue

from .helpers import cut, from_bytes, pickled, stored

HERE = __name__


class DeclinedError(Exception):
    def __init__(self, code: str, amount: int) -> None:
        super().__init__(code, amount)
        self.code = code


class WordyError(Exception):
    def __init__(self, order: int) -> None:
        super().__init__(order)
        self.message = f"order {order} is gone"


class StatusError(Exception):
    status_code = 0


@pytest.mark.parametrize(
    "error",
    [
        ValueError("boom"),
        ValueError(),
        ValueError("a", 1),
        KeyError("k"),
        RuntimeError(None),
        FileNotFoundError(2, "No such file", "x.txt"),
        OSError("plain"),
        ZeroDivisionError("division by zero"),
        AssertionError("é ü"),
    ],
)
def test_builtin_errors_say_what_python_says(error: Exception) -> None:
    """Message equal to ``str(error)``; where that is empty, the type stands for it."""
    decoded = decode_error(pickled(error))
    assert decoded.message == (str(error) if str(error) not in ("", "None") else type(error).__name__)
    assert decoded.type == type(error).__name__
    assert decoded.stack is None


def test_errors_of_users_have_their_module_and_code() -> None:
    """The type is what OpenTelemetry calls ``exception.type``; a code member is taken over."""
    decoded = decode_error(pickled(DeclinedError("no-funds", 5)))
    assert (decoded.type, decoded.code) == (f"{HERE}.DeclinedError", "no-funds")
    assert decoded.message == "('no-funds', 5)"
    assert decode_error(pickled(WordyError(7))).message == "order 7 is gone"
    error = StatusError("bad gateway")
    error.status_code = 502
    assert decode_error(pickled(error)).code == 502
    assert decode_error(pickled(FileNotFoundError(2, "No such file"))).code == 2


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups and notes came with Python 3.11")
def test_groups_and_notes_are_reported() -> None:
    """A group says how many it holds; notes follow the message."""
    group = ExceptionGroup("many", [ValueError("a"), ValueError("b")])  # type: ignore[name-defined]  # noqa: F821
    assert decode_error(pickled(group)).message == "many (2 sub-exceptions)"
    noted = ValueError("boom")
    noted.add_note("while charging")  # type: ignore[attr-defined]
    assert decode_error(pickled(noted)).message == "boom\nwhile charging"


def test_a_step_that_ran_out_of_retries_says_why() -> None:
    """DBOS wraps the failures; the last one is what people look for."""
    error = DBOSMaxStepRetriesExceeded("charge", 3, [ValueError("first"), ValueError("card declined")])
    decoded = decode_error(pickled(error))
    assert decoded.type == "dbos._error.DBOSMaxStepRetriesExceeded"
    assert decoded.message == ("Step charge has exceeded its maximum of 3 retries; last: ValueError: card declined")


def test_a_portable_error_keeps_name_code_and_message() -> None:
    """As any language's SDK writes it."""
    decoded = decode_error(stored('{"name":"Declined","message":"no funds","code":7,"data":{}}', "portable_json"))
    assert (decoded.type, decoded.message, decoded.code) == ("Declined", "no funds", 7)


@pytest.mark.parametrize(
    ("text", "serialization", "message"),
    [
        ("plain words", "custom", "plain words"),
        ('"just text"', "portable_json", "just text"),
        ('{"name":"Odd"}', "portable_json", "Odd"),
        ('[1,{"a":2}]', "portable_json", '[1, {"a": 2}]'),
        ("null", "portable_json", ""),
        ("%%%", "py_pickle", "%%%"),
    ],
)
def test_whatever_else_was_stored_as_an_error_is_its_message(text: str, serialization: str, message: str) -> None:
    """Nothing is lost for being unusual."""
    assert decode_error(stored(text, serialization)).message == message


def test_long_messages_are_cut() -> None:
    """A span or a page is not a place for a megabyte."""
    message = decode_error(pickled(ValueError("x" * 100_000))).message
    assert len(message) < 9_000
    assert message.endswith("characters]")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("x" * 1000), "ValueError", "xxx"),
        (DeclinedError("x" * 1000, 5), f"{HERE}.DeclinedError", "xxx"),
        (DeclinedError("no-funds", "x" * 1000), f"{HERE}.DeclinedError", "('no-funds', 'xxx"),  # type: ignore[arg-type]
        (ValueError({"why": "x" * 1000}), "ValueError", '{"why": "xxx'),
        (FileNotFoundError(2, "x" * 1000), "FileNotFoundError", "[Errno 2] xxx"),
        (
            DBOSMaxStepRetriesExceeded("charge", 3, [ValueError("x" * 1000)]),
            "dbos._error.DBOSMaxStepRetriesExceeded",
            "Step charge has exceeded its maximum of 3 retries",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_cut_error_still_tells_its_type_and_message(error: Exception, kind: str, message: str) -> None:
    """The class comes first in a pickle, then its arguments: what was read of them is the message."""
    decoded = decode_error(cut(pickled(error), 400))
    assert decoded.type == kind
    assert decoded.message.startswith(message)


# -- whatever was stored ---------------------------------------------------------------------------------------------

SURROGATE = "lone \ud800"
ODD: list[Any] = [b"\xff\xfe", b"plain", 7, 1.5, None, "", "\ud800", "x" * 100_000, memoryview(b"ab")]
DEEP = 3_000
NAMES = ["py_pickle", "portable_json", "js_superjson", "dbosify_json", "own", None]


@pytest.mark.parametrize("text", ODD, ids=lambda text: type(text).__name__)
@pytest.mark.parametrize("name", [*NAMES, b"\xff", 7])
def test_a_column_that_holds_no_text_is_an_error_in_words(text: Any, name: Any) -> None:
    """SQLite takes any value in any column: bytes, numbers and nothing are read as far as they go."""
    for redact in (None, redact_keys(["*token*"]), lambda value: value):
        error = decode_error(StoredValue(text, name, 10), redact=redact)
        json.dumps([error.message, error.type, error.code, error.stack]).encode()
        assert "\ud800" not in error.message


def deep_record(inner: str) -> str:
    return '{"name":"E","message":' + '{"k":[' * DEEP + inner + "]}" * DEEP + "}"


@pytest.mark.parametrize(
    "value",
    [
        stored(deep_record("1"), "portable_json"),
        stored('{"json":' + deep_record("1") + "}", "js_superjson"),
        stored('{"json":1,"meta":{"values":[["class",' + "[" * DEEP + "]" * DEEP + "]]}}", "js_superjson"),
        stored(json.dumps({"json": [1], "meta": {"values": {"0": [["symbol", SURROGATE]]}}}), "js_superjson"),
        stored(json.dumps({"name": SURROGATE, "message": SURROGATE, "code": SURROGATE, "stack": SURROGATE}), None),
        stored('{"name":7,"message":7,"code":[7],"stack":{"a":7}}', "portable_json"),
        from_bytes(b"\x80\x04\x8c\x08builtins\x8c\x0aValueError\x93" + b"]" * DEEP + b"a" * (DEEP - 1) + b"\x85R."),
        from_bytes(
            b"\x80\x04" + b"\x8c\x0bdbos._error\x8c\x1aDBOSMaxStepRetriesExceeded\x93\x8c\x01sK\x03](" * DEEP
            + (b"e\x87R") * DEEP + b"."
        ),
        from_bytes(b"\x80\x04\x8c\x08builtins\x8c\x07OSError\x93\x8b\xe8\x03\x00\x00" + b"\x7f" * 1000 + b"N\x86R."),
    ],
    ids=lambda value: value.text[:20],
)  # fmt: skip
@pytest.mark.parametrize("depth", [0, 700, 930])
def test_an_error_is_read_wherever_its_reader_stands(value: StoredValue, depth: int) -> None:
    """Nesting of 3,000 levels, words that are no text, numbers of many digits; from deep within a host's calls."""

    def called(left: int) -> Any:
        return decode_error(value) if left == 0 else called(left - 1)

    error = called(max(0, depth - len(inspect.stack(0))))
    json.dumps([error.message, error.type, error.code, error.stack]).encode()
    assert error.message


ANY_TEXT = st.text(max_size=60) | st.text(st.characters(categories=["Cs"]), max_size=3)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            ANY_TEXT | st.sampled_from(["name", "message", "code", "stack", "json", "meta"]), inner, max_size=5
        )
    ),
    max_leaves=20,
)


@given(
    st.binary(max_size=300) | st.integers() | st.none() | ANY_TEXT | ANY_JSON.map(json.dumps)
    | st.binary(max_size=300).map(lambda data: from_bytes(b"\x80\x04cbuiltins\nOSError\n" + data).text)
    | ANY_JSON.map(lambda value: pickled(RuntimeError(value, {1: value})).text),
    st.sampled_from(NAMES) | st.binary(max_size=4),
    st.integers(-1, 1000),
)  # fmt: skip
@settings(max_examples=400, deadline=None)
def test_reading_an_error_never_raises(text: Any, name: Any, size: int) -> None:
    """Whatever bytes, and the answer is something that any encoder takes."""
    for redact in (None, redact_keys(["*m*"])):
        error = decode_error(StoredValue(text, name, size), redact=redact)
        json.dumps([error.message, error.type, error.code, error.stack], ensure_ascii=False).encode()


@pytest.mark.parametrize("length", [9_000, 70_000, 300_000])
def test_a_long_message_says_how_long_it_was(length: int) -> None:
    """However often it was cut on the way."""
    message = decode_error(pickled(ValueError("x" * length))).message
    assert message in ("x" * 8192 + f"… [cut: {length} {unit}]" for unit in ("characters", "bytes"))
