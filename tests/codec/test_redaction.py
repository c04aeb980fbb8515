"""Secrets are hidden by the key they stand under, wherever that is."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_bridge.codec import PREVIEW, WHOLE, WITHHELD, Codec, decode, decode_input, redact_keys
from otel_bridge.model.values import StoredValue
from tests import secrets

from .helpers import cut, pickled, stored


class Login(NamedTuple):
    user: str
    password: str


class Account:
    def __init__(self) -> None:
        self.user, self.api_key = "ann", "s3cret"


HIDE = redact_keys(["password", "*token*", "api_?ey"])


def test_members_are_hidden_by_key_at_any_depth() -> None:
    """In dicts, lists, the state of objects and keyword arguments; keys ignore case."""
    value = {"args": ([{"PassWord": "a", "ok": 1}], Account()), "kwargs": {"access_token_id": ["b"], "n": 2}}
    decoded = decode_input(pickled(value), redact=HIDE)
    assert decoded.json == {
        "args": [
            [{"PassWord": "[redacted]", "ok": 1}],
            {"$class": f"{__name__}.Account", "$state": {"user": "ann", "api_key": "[redacted]"}},
        ],
        "kwargs": {"access_token_id": "[redacted]", "n": 2},
    }


def test_pairs_of_a_map_are_hidden_too() -> None:
    """A dict whose keys are no text is shown as pairs."""
    assert decode(pickled({(1,): 1, "password": "a"}), redact=HIDE).json == {
        "$map": [[[1], 1], ["password", "[redacted]"]]
    }


def test_what_could_not_be_decoded_is_withheld() -> None:
    """Keys cannot be found in it, and it may hold anything."""
    decoded = decode(stored("password=a", "custom"), redact=HIDE)
    assert "password" not in str(decoded.json)
    assert decoded.raw


def test_any_callable_will_do() -> None:
    """It receives the decoded JSON, raw text included, and what it returns is shown."""

    def shout(value: Any) -> Any:
        return str(value).upper()

    assert decode(stored('"a"', "portable_json"), redact=shout).json == "A"
    assert decode(stored("raw", "custom"), redact=shout).json == "RAW"


def test_no_patterns_hide_nothing() -> None:
    """An empty list is not a wildcard."""
    assert decode(pickled({"a": 1, "": 2}), redact=redact_keys([])).json == {"a": 1, "": 2}


# -- whatever the shape ----------------------------------------------------------------------------------------------


def all_that_is_shown(value: StoredValue) -> str:
    """A value decoded in every way, as one text."""
    codec = Codec(redact=secrets.HIDE)
    whole = [codec.decode(value, limits=limits).json for limits in (PREVIEW, WHOLE)]
    error = codec.decode_error(value)
    shown = [*whole, codec.decode_input(value).json, codec.decode_published("stage", value).json]
    return json.dumps([shown, error.message, error.type, error.code, error.stack], ensure_ascii=False)


@given(secrets.stored_values)
@settings(max_examples=600, deadline=None)
def test_a_secret_under_a_hidden_key_is_shown_nowhere(value: StoredValue) -> None:
    """Whatever holds it, in whatever format, however it is asked for."""
    shown = all_that_is_shown(value)
    assert secrets.leaks(shown) == [], shown
    assert secrets.leaks(all_that_is_shown(StoredValue("x" + value.text, value.serialization, value.size_bytes))) == []


@given(secrets.stored_values, st.floats(0, 1))
@settings(max_examples=1500, deadline=None)
def test_a_cut_between_key_and_value_shows_no_secret(value: StoredValue, share: float) -> None:
    """Where a reader's cap fell, what belongs to a hidden key is guessed, and the guess is a careful one."""
    shown = all_that_is_shown(secrets.cut_anywhere(value, share))
    assert secrets.leaks(shown) == [], shown


@pytest.mark.parametrize("shape", range(len(secrets.PYTHON_SHAPES)))
def test_every_cut_of_every_shape_shows_no_secret(shape: int) -> None:
    """Each beginning of each pickle, by the three bytes that base64 keeps together."""
    made, key = secrets.PYTHON_SHAPES[shape], secrets.KEYS[2]
    for value in secrets.PYTHON_VALUES:
        whole = pickled({"args": (1, {"ok": made(key, value())}), "kwargs": {"n": 2, "data": [made(key, value())]}})
        for length in range(0, len(whole.text), 4):
            shown = all_that_is_shown(cut(whole, length))
            assert secrets.leaks(shown) == [], (length, shown)


@given(secrets.json_values)
@settings(max_examples=300, deadline=None)
def test_finished_json_is_redacted_alike(value: Any) -> None:
    """The hook may be called by others too, on JSON that was never stored."""
    assert secrets.leaks(json.dumps(secrets.HIDE(value))) == []
    assert secrets.leaks(json.dumps(Codec(redact=secrets.HIDE).show_members({"data": value}))) == []
    shown = Codec(redact=secrets.HIDE, shows_tokens=True).decode(stored(json.dumps(value), "portable_json")).json
    assert secrets.HIDE(shown) == shown, "what is redacted once stays as it is"


# -- hooks of the user's own -----------------------------------------------------------------------------------------


def test_a_hook_that_fails_hides_the_value(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing leaves because somebody's function had a bug; the log says which."""

    def broken(value: Any) -> Any:
        raise KeyError("bug")

    codec = Codec(redact=broken)
    for shown in (
        codec.decode(stored('{"a": "visible"}', "portable_json")).json,
        codec.decode_published("stage", stored('"visible"', "portable_json")).json,
        codec.decode_error(pickled(ValueError("visible", {"a": 1}))).message,
        codec.show_members({"a": "visible"}),
        codec.decode(stored("visible", "custom")).json,
    ):
        assert "visible" not in str(shown)
    assert "bug" in caplog.text


def test_a_hook_of_the_users_own_sees_keys_around_what_they_name() -> None:
    """A published value comes under its key, an attribute among the others, an error with its arguments."""
    seen: list[Any] = []

    def note(value: Any) -> Any:
        seen.append(value)
        return {"api_token": "gone"} if isinstance(value, dict) and "api_token" in value else value

    codec = Codec(redact=note)
    assert codec.decode_published("api_token", stored('"s"', "portable_json")).json == "gone"
    assert codec.show_members({"api_token": "s"}) == {"api_token": "gone"}
    assert codec.hides("api_token")
    assert not codec.hides("region")
    assert codec.decode_error(pickled(ValueError({"api_token": "s"}))).message == '{"api_token": "gone"}'
    assert codec.decode_error(stored("no format", "custom")).message == WITHHELD


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{'password': 'hun\\'ter2', 'b': 1}", "{'password': '[redacted]', 'b': 1}"),
        ('POST {"x": {"password": {"k": "}", "z": [1]}}} failed', 'POST {"x": {"password": "[redacted]"}} failed'),
        ('{"a": "{\\"password\\": \\"x y\\", \\"b\\": 1}"}', '{"a": "{\\"password\\": \\"[redacted]\\", \\"b\\": 1}"}'),
        ("Order(id=1, password='x', n=2)", "Order(id=1, password='[redacted]', n=2)"),
        ("https://x/?password=abc&b=2", "https://x/?password=[redacted]&b=2"),
        ("password = 'x y', b", "password = '[redacted]', b"),
        ('{"password": "cut in the mid', '{"password": "[redacted]'),
        ("Password=Bearer abc, b=1", "Password=[redacted], b=1"),
        ("password: expired", "password: expired"),
        ("password == 'x'", "password == 'x'"),
        ("the password is x", "the password is x"),
    ],
)
def test_data_written_out_in_a_text_is_redacted_by_its_keys(text: str, shown: str) -> None:
    """What a program writes, not what people do; and what was redacted once stays as it is."""
    hide = redact_keys(["password"])
    assert hide.scrub(text) == shown
    assert hide.scrub(shown) == shown
    assert decode(stored(json.dumps({"note": text}), "portable_json"), redact=hide).json == {"note": shown}


def test_what_stands_under_no_key_is_not_found() -> None:
    """As the reference says: positional arguments, fields of named tuples and of frozen classes with slots."""
    hide = redact_keys(["password", "args"])
    assert "s3cret" in str(decode(pickled(Login("ann", "s3cret")), redact=hide).json)
    whole = decode_input(pickled({"args": ("s3cret",), "kwargs": {}}), redact=hide)
    assert whole.json == {"args": "[redacted]", "kwargs": {}}, "hiding args hides every positional argument"


def test_every_cut_of_an_error_with_data_shows_no_secret() -> None:
    """Cut before its mapping was closed, an error's arguments hold the mapping's keys and values one by one."""
    for key in (secrets.ByValue.ONE, "client_secret"):
        whole = pickled(RuntimeError("failed", {key: secrets.PYTHON_VALUES[0]()}))
        for length in range(0, len(whole.text), 4):
            shown = all_that_is_shown(cut(whole, length))
            assert secrets.leaks(shown) == [], shown
