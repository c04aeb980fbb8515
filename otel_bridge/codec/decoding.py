"""Decodes stored values: which format it is, what it holds, what is hidden of it. Pure but for the budget's clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from otel_bridge.codec.describe import Describer
from otel_bridge.codec.errors import MAX_MESSAGE, DecodedError, ErrorReader, cut
from otel_bridge.codec.jsontext import parse
from otel_bridge.codec.limits import MESSAGE, PREVIEW, Budget, Limits
from otel_bridge.codec.nodes import Mapping, Sequence
from otel_bridge.codec.pickles import walk
from otel_bridge.codec.redaction import WITHHELD, KeyRedactor, Redact
from otel_bridge.codec.superjson import from_dbosify, from_superjson, is_superjson
from otel_bridge.model.values import StoredValue

ENGINE_FORMATS = frozenset(("py_pickle", "portable_json", "js_superjson", "dbosify_json"))
_ARGUMENTS = (("args", "kwargs"), ("positionalArgs", "namedArgs"))
_TOO_DEEP = (RecursionError, MemoryError)
"""What a host that is almost out of stack or memory may see. What they interrupt is shown as it was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A stored value for people.

    Args:
        json: JSON-able data; see ``describe`` for members that begin with ``$``.
        format: what it was read as: the engine's name of the format, or ``json``, ``text``.
        complete: ``json`` shows all of it.
        truncated: something was left out, by the reader's cap or by the limits.
        problem: a sentence about what went wrong, or None.
        raw: ``json`` is the stored text, for it could not be decoded.
    """

    json: Any
    format: str
    complete: bool
    truncated: bool
    problem: str | None = None
    raw: bool = False


def decode(value: StoredValue, *, limits: Limits = PREVIEW, redact: Redact | None = None) -> Decoded:
    """Return a stored value as JSON for people. Never raises.

    Args:
        redact: what hides secrets. ``redact_keys`` sees the keys as they were stored; any other callable is given the
            decoded JSON, and what it returns is shown. With ``redact_keys`` a value that could not be decoded is
            withheld.

    ::

        decode(value, redact=redact_keys(["password"])).json  # {"user": "ann", "password": "[redacted]"}
    """
    return _decode(value, limits, redact, arguments=False)


def decode_input(value: StoredValue, *, limits: Limits = PREVIEW, redact: Redact | None = None) -> Decoded:
    """Return a run's input as ``{"args": [...], "kwargs": {...}}``, whichever language wrote it. Never raises."""
    return _decode(value, limits, redact, arguments=True)


def decode_error(value: StoredValue, *, limits: Limits = MESSAGE, redact: Redact | None = None) -> DecodedError:
    """Return a stored error as message, type, code and stack. Never raises.

    Args:
        redact: as for ``decode``: it sees the error's structured arguments before they become a text, and then the
            whole as ``{"message", "type"?, "code"?, "stack"?}``. An error that could not be decoded is withheld.
    """
    text = _text_of(value.text)
    try:
        budget = Budget(limits, len(text))
        read = _read(text, value.serialization, budget)
        if read is not None:
            describer = Describer(budget, redact if isinstance(redact, KeyRedactor) else None)
            return _redacted_error(ErrorReader(describer, redact).read(read.value), redact)
    except _TOO_DEEP:
        pass
    if redact is not None:
        return DecodedError(message=WITHHELD)
    return DecodedError(message=cut(Describer(Budget(limits, 0)).text(text), MAX_MESSAGE))


@dataclass(frozen=True, slots=True)
class _Read:
    value: Any
    format: str
    problem: str | None = None


def _decode(value: StoredValue, limits: Limits, redact: Redact | None, *, arguments: bool) -> Decoded:
    text = _text_of(value.text)
    cut_by_reader = _is_cut(text, value)
    try:
        budget = Budget(limits, len(text))
        read = _read(text, value.serialization, budget)
        if read is not None:
            node = _arguments(read.value) if arguments else read.value
            keys = redact if isinstance(redact, KeyRedactor) else None
            shown = Describer(budget, keys).json(node)
            return _decoded(shown if keys or redact is None else redact(shown), read, cut_by_reader or budget.cut)
    except _TOO_DEEP:
        pass
    return _raw(text, value.serialization, limits, cut_by_reader, redact)


def _decoded(shown: Any, read: _Read, truncated: bool) -> Decoded:
    return Decoded(
        json=shown,
        format=read.format,
        complete=not truncated and read.problem is None,
        truncated=truncated,
        problem=None if truncated else read.problem,  # of a cut value it was to be expected: ``truncated`` says it
    )


def _read(text: str, name: object, budget: Budget) -> _Read | None:
    """Read by the named format first, then by what the text looks like; None when nothing fits."""
    if name == "py_pickle":
        return _read_pickle(text, budget) or _read_json(text, "json", budget)
    read = _read_json(text, name, budget)
    if read is None and name is None and text.startswith("gA"):  # base64 of a pickle's first instruction, PROTO
        return _read_pickle(text, budget)
    return read


def _read_pickle(text: str, budget: Budget) -> _Read | None:
    walked = walk(text, budget)
    return None if walked is None else _Read(walked.value, "py_pickle", walked.problem)


def _read_json(text: str, name: object, budget: Budget) -> _Read | None:
    parsed = parse(text, budget)
    if parsed is None:
        return None
    problem = "The value ends in the middle." if parsed.end == "cut" else None
    value, label = parsed.value, _label(name) or "json"
    if parsed.end == "complete" and is_superjson(value, label if name is not None else None):
        value, label = from_superjson(value, budget), "js_superjson"
    elif label == "js_superjson" and parsed.end != "complete" and isinstance(value, dict) and "json" in value:
        value = value["json"]  # what ``meta`` would have said comes last, and was not read
    elif label == "dbosify_json":
        value = from_dbosify(value, budget)
    return _Read(value, label, problem)


def _raw(text: str, name: object, limits: Limits, cut_by_reader: bool, redact: Redact | None) -> Decoded:
    label = _label(name)
    budget = Budget(replace(limits, max_string=limits.max_raw), len(text))
    shown = WITHHELD if isinstance(redact, KeyRedactor) else Describer(budget).text(text)
    return Decoded(
        json=shown if redact is None or shown is WITHHELD else redact(shown),
        format=label or "text",
        complete=False,
        truncated=cut_by_reader or budget.cut,
        problem=f"The value could not be read as {label}; it is shown as stored."
        if label in ENGINE_FORMATS
        else f"The format {label or 'of this value'!r} is not known; it is shown as stored.",
        raw=True,
    )


def _redacted_error(error: DecodedError, redact: Redact | None) -> DecodedError:
    if redact is None:
        return error
    members = {"message": error.message, "type": error.type, "code": error.code, "stack": error.stack}
    shown = redact({key: value for key, value in members.items() if value is not None})
    if not isinstance(shown, dict):
        return DecodedError(message=_text_of(shown))
    code = shown.get("code")
    return DecodedError(
        message=_text_of(shown.get("message")),
        type=_text_of(shown.get("type")) or None,
        code=code if isinstance(code, int) else _text_of(code) or None,
        stack=_text_of(shown.get("stack")) or None,
    )


def _arguments(value: Any) -> Any:
    """Return a workflow's arguments in one shape; whatever is no such thing is the only argument."""
    if isinstance(value, list) or (isinstance(value, Sequence) and value.kind == "list"):  # TypeScript's own format
        return {"args": value, "kwargs": {}}
    members = dict(_pairs(value))
    for args, kwargs in _ARGUMENTS:
        if members and members.keys() <= {args, kwargs}:
            given, named = members.get(args), members.get(kwargs)
            return {"args": [] if given is None else given, "kwargs": {} if named is None else named}
    return {"args": [value], "kwargs": {}}


def _pairs(value: Any) -> list[tuple[str, Any]]:
    pairs = list(value.items()) if isinstance(value, dict) else value.pairs if isinstance(value, Mapping) else []
    return pairs if len(pairs) <= 2 and all(isinstance(key, str) for key, _ in pairs) else []


def _text_of(value: object) -> str:
    """Return what was stored as a text, whatever a column that declares text holds (SQLite asks nobody)."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace")
    return "" if value is None else str(value)


def _label(name: object) -> str | None:
    """Return a format's name as any encoder takes it."""
    return None if name is None else _text_of(name)[:200].encode("utf-8", "backslashreplace").decode()


def _is_cut(text: str, value: StoredValue) -> bool:
    """``StoredValue.truncated`` without encoding a text that can tell by its length."""
    size = value.size_bytes if isinstance(value.size_bytes, int) else 0
    if len(text) >= size:
        return False
    return 4 * len(text) < size or len(text.encode("utf-8", "surrogatepass")) < size
