"""Values with a secret planted under a key that a redactor hides, in every shape that Python and JSON have for keys."""

from __future__ import annotations

import base64
import collections
import dataclasses
import enum
import json
import pickle
import types
from collections.abc import Callable
from typing import Any

import pydantic
from hypothesis import strategies as st

from otel_bridge.codec import redact_keys
from otel_bridge.model.values import StoredValue

SECRET = "hunter2-Tr0ub4dor"
PATTERNS = ["*secret*", "api_?oken"]
HIDE = redact_keys(PATTERNS)
KEYS = ("secret", "Secret", "CLIENT_SECRET_ID", "api_token", "API_TOKEN")


def _traces() -> tuple[str, ...]:
    data = SECRET.encode()
    shifted = [base64.b64encode(bytes(shift) + data).decode()[4:20] for shift in range(3)]
    return (SECRET, data.hex(), SECRET[:-3], *shifted)


TRACES = _traces()
"""What of the secret would be seen if it were: as it is, in hex, most of it, and in base64 wherever it begins."""


class ByValue(enum.Enum):
    """A key whose value is the hidden word."""

    ONE = "client_secret"


class ByName(enum.Enum):
    """A key whose name is the hidden word, where the pickle holds the name (else it holds the value alone)."""

    API_TOKEN = 7

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (ByName, "API_TOKEN")


@dataclasses.dataclass
class Account:
    """Holds it in an attribute."""

    user: str
    secret: Any


class Model(pydantic.BaseModel):
    """Holds it in a field, or in one that nobody declared."""

    model_config = pydantic.ConfigDict(extra="allow")
    name: str = "x"


class Slotted:
    """Holds it in a slot."""

    __slots__ = ("api_token", "user")

    def __init__(self, value: Any) -> None:
        self.user, self.api_token = "ann", value


class Declined(Exception):
    """Holds it in an attribute of an exception."""

    def __init__(self, value: Any) -> None:
        super().__init__("declined")
        self.client_secret = value


class Box:
    """Holds anything in an attribute that nobody hides."""

    def __init__(self, data: Any) -> None:
        self.data = data


JSON_VALUES: list[Callable[[], Any]] = [
    lambda: SECRET,
    lambda: [SECRET],
    lambda: {"inner": SECRET, "n": 1},
    lambda: [1, {"a": ["x", SECRET]}],
    lambda: json.dumps({"inner": SECRET}),
]
PYTHON_VALUES: list[Callable[[], Any]] = [
    *JSON_VALUES,
    lambda: SECRET.encode(),
    lambda: (SECRET, 1),
    lambda: {SECRET},
    lambda: Box([SECRET]),
    lambda: {(1, 2): SECRET},
    lambda: ValueError(SECRET),
]
JSON_SHAPES: list[Callable[[str, Any], Any]] = [
    lambda key, value: {key: value},
    lambda key, value: {"user": "ann", key: value, "after": 1},
    lambda key, value: [[key, value], ["user", "ann"]],
    lambda key, value: {"name": key, "value": value},
    lambda key, value: {"headers": [{"key": key, "value": value}]},
    lambda key, value: json.dumps({"a": {key: value}}),
    lambda key, value: f"request failed: {json.dumps({'a': 1, key: value})} (400)",
    lambda key, value: json.dumps({"body": json.dumps({key: value})}),
]
PYTHON_SHAPES: list[Callable[[str, Any], Any]] = [
    lambda key, value: {key: value},
    lambda key, value: {"user": "ann", key: value, "after": 1},
    lambda key, value: {key.encode(): value},
    lambda key, value: {ByValue.ONE: value},
    lambda key, value: {ByName.API_TOKEN: value, 1: 2},
    lambda key, value: {("db", key): value},
    lambda key, value: {1: 2, key: value},
    lambda key, value: [(key, value)],
    lambda key, value: (key, value),
    lambda key, value: {"name": key, "value": value},
    lambda key, value: collections.OrderedDict([("a", 1), (key, value)]),
    lambda key, value: collections.defaultdict(list, {key: value}),
    lambda key, value: types.SimpleNamespace(secret=value),
    lambda key, value: Account("ann", value),
    lambda key, value: Model(secret=value),  # type: ignore[call-arg]
    lambda key, value: Slotted(value),
    lambda key, value: Declined(value),
    lambda key, value: ValueError("declined", {key: value}),
    lambda key, value: ValueError({"request": {key: value}}),
    lambda key, value: repr({"a": 1, key: str(value)}),
    lambda key, value: f"https://x.example/?user=ann&api_token={SECRET}&b=1",
]
_JSON_AROUND: list[Callable[[Any], Any]] = [
    lambda value: [value],
    lambda value: {"data": value},
    lambda value: {"data": [1, value, "x"], "z": None},
]
_PYTHON_AROUND: list[Callable[[Any], Any]] = [
    *_JSON_AROUND,
    lambda value: (1, value),
    lambda value: Box(value),
    lambda value: RuntimeError("failed", value),
    lambda value: Account("bob", None) if value is None else [Account(value, None)],
]


def _within(value: Any, around: list[Callable[[Any], Any]]) -> Any:
    for wrap in around:
        value = wrap(value)
    return value


def _planted(values: list[Any], shapes: list[Any], around: list[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda key, value, shape, outside: _within(shape(key, value()), outside),
        st.sampled_from(KEYS),
        st.sampled_from(values),
        st.sampled_from(shapes),
        st.lists(st.sampled_from(around), max_size=3),
    )


python_values = _planted(PYTHON_VALUES, PYTHON_SHAPES, _PYTHON_AROUND)
json_values = _planted(JSON_VALUES, JSON_SHAPES, _JSON_AROUND)


def pickled(value: Any, protocol: int = pickle.DEFAULT_PROTOCOL) -> StoredValue:
    """A value as DBOS for Python stores it."""
    text = base64.b64encode(pickle.dumps(value, protocol)).decode("ascii")
    return StoredValue(text, "py_pickle", len(text))


def _text(text: str, name: str | None) -> StoredValue:
    return StoredValue(text, name, len(text.encode("utf-8", "surrogatepass")))


def _superjson(value: Any) -> StoredValue:
    body = {"json": {"m": [["x", value]], "v": value}, "meta": {"values": {"m": ["map"], "v": [["class", "Order"]]}}}
    return _text(json.dumps({**body, "__dbos_serializer": "superjson"}), "js_superjson")


_JSON_NAMES = st.sampled_from(["portable_json", "java_jackson", None])
stored_values = (
    st.builds(pickled, python_values, st.integers(2, pickle.HIGHEST_PROTOCOL))
    | st.builds(
        lambda value, name: _text(json.dumps(value), name), json_values, st.sampled_from(["portable_json", None])
    )
    | st.builds(lambda value: _text(json.dumps(value), "dbosify_json"), json_values)
    | st.builds(_superjson, json_values)
)
"""As the engine keeps them: pickles, JSON, superjson."""


def cut_anywhere(value: StoredValue, share: float) -> StoredValue:
    """The beginning of a value, as a reader with a cap gets it."""
    return StoredValue(value.text[: int(len(value.text) * share)], value.serialization, value.size_bytes)


def leaks(shown: str) -> list[str]:
    """Return what of the secret can be seen."""
    return [trace for trace in TRACES if trace in shown]
