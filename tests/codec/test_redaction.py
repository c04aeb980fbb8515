"""Secrets are hidden by the key they stand under, wherever that is."""

from __future__ import annotations

from typing import Any

from otel_bridge.codec import decode, decode_input, redact_keys

from .helpers import pickled, stored


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
    """An empty list is no wildcard."""
    assert decode(pickled({"a": 1, "": 2}), redact=redact_keys([])).json == {"a": 1, "": 2}
