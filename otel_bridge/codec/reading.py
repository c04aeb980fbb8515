"""Which format a stored value is in, and what it holds, as nodes. Executes nothing but a user's own serializer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from otel_bridge.codec.jsontext import parse
from otel_bridge.codec.limits import Budget, OutOfBudget
from otel_bridge.codec.objects import nodes_of
from otel_bridge.codec.pickles import walk
from otel_bridge.codec.serializers import Serializer, reads
from otel_bridge.codec.superjson import from_dbosify, from_superjson, is_superjson
from otel_bridge.model.values import StoredValue, text_of

_PICKLE_STARTS_WITH = "gA"  # base64 of a pickle's first instruction, PROTO


@dataclass(frozen=True, slots=True)
class Read:
    """What a value holds. ``problem`` says what of it could not be read."""

    value: Any
    format: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """Why a value could not be read at all, in words."""

    problem: str


def read(text: str, name: object, budget: Budget, *, serializer: Serializer | None, cut: bool) -> Read | Unread | None:
    """Read by the named format first, then by what the text looks like; None when nothing fits.

    Args:
        cut: ``text`` is only the beginning of the value.
    """
    if serializer is not None and reads(serializer, name):
        found = _read_own(text, serializer, budget, cut=cut)
        if name is not None or isinstance(found, Read):
            return found
    if name == "py_pickle":
        return _read_pickle(text, budget) or _read_json(text, "json", budget)
    found_json = _read_json(text, name, budget)
    if found_json is None and name is None and text.startswith(_PICKLE_STARTS_WITH):
        return _read_pickle(text, budget)
    return found_json


def _read_own(text: str, serializer: Serializer, budget: Budget, *, cut: bool) -> Read | Unread:
    name = label_of(serializer.name()) or "own"
    if cut:
        return Unread(f"The serializer {name!r} needs the whole value, and this is its beginning.")
    try:
        value = serializer.deserialize(text)
    except Exception as error:  # noqa: BLE001 - it is the user's code, and whatever it raises is shown
        return Unread(f"The serializer {name!r} raised {type(error).__name__}; the value is shown as stored.")
    try:
        return Read(nodes_of(value, budget), name)
    except OutOfBudget:
        return Unread(f"The value that the serializer {name!r} made is larger than what is shown.")


def _read_pickle(text: str, budget: Budget) -> Read | None:
    walked = walk(text, budget)
    return None if walked is None else Read(walked.value, "py_pickle", walked.problem)


def _read_json(text: str, name: object, budget: Budget) -> Read | None:
    parsed = parse(text, budget)
    if parsed is None:
        return None
    problem = "The value ends in the middle." if parsed.end == "cut" else None
    value, label = parsed.value, label_of(name) or "json"
    if parsed.end == "complete" and is_superjson(value, label if name is not None else None):
        value, label = from_superjson(value, budget), "js_superjson"
    elif label == "js_superjson" and parsed.end != "complete" and isinstance(value, dict) and "json" in value:
        value = value["json"]  # what ``meta`` would have said comes last, and was not read
    elif label == "dbosify_json":
        value = from_dbosify(value, budget)
    return Read(value, label, problem)


def label_of(name: object) -> str | None:
    """Return a format's name as any encoder takes it."""
    return None if name is None else text_of(name)[:200].encode("utf-8", "backslashreplace").decode()


def is_cut(text: str, value: StoredValue) -> bool:
    """``StoredValue.truncated`` without encoding a text that can tell by its length."""
    size = value.size_bytes if isinstance(value.size_bytes, int) else 0
    if len(text) >= size:
        return False
    return 4 * len(text) < size or len(text.encode("utf-8", "surrogatepass")) < size
