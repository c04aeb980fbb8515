"""Stored errors as message, type and code, as Python itself would have said them."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from dbos._error import DBOSMaxStepRetriesExceeded

from otel_bridge.codec import decode_error

from .helpers import cut, pickled, stored

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
def test_groups_and_notes_are_told() -> None:
    """A group says how many it holds; notes follow the message."""
    group = ExceptionGroup("many", [ValueError("a"), ValueError("b")])  # noqa: F821
    assert decode_error(pickled(group)).message == "many (2 sub-exceptions)"
    noted = ValueError("boom")
    noted.add_note("while charging")
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
    """A span or a page is no place for a megabyte."""
    message = decode_error(pickled(ValueError("x" * 100_000))).message
    assert len(message) < 9_000
    assert message.endswith("characters]")


def test_a_cut_error_still_tells_its_type() -> None:
    """The class comes first in a pickle."""
    value: Any = pickled(ValueError("x" * 1000))
    decoded = decode_error(cut(value, 400))
    assert "xxx" in decoded.message
