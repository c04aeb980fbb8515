"""Any stored value as JSON for people, executing nothing. Pure but for a clock that bounds the time taken.

``decode`` never raises and never imports, calls or unpickles anything, whatever the value holds. What cannot be decoded
is shown as it was stored, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from otel_bridge.codec.describe import Describer
from otel_bridge.codec.errors import DecodedError, error_from
from otel_bridge.codec.jsontext import parse
from otel_bridge.codec.limits import PREVIEW, WHOLE, Budget, Limits
from otel_bridge.codec.pickles import walk
from otel_bridge.codec.redaction import KeyRedactor, redact_keys
from otel_bridge.codec.superjson import from_dbosify, from_superjson, is_superjson
from otel_bridge.model.values import StoredValue

__all__ = [
    "PREVIEW",
    "WHOLE",
    "Decoded",
    "DecodedError",
    "KeyRedactor",
    "Limits",
    "decode",
    "decode_error",
    "decode_input",
    "redact_keys",
]

Redact = Callable[[Any], Any]


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
        redact: applied to the decoded JSON. With ``redact_keys`` a value that could not be decoded is withheld.
    """
    return _redacted(_decode(value, limits), redact)


def decode_input(value: StoredValue, *, limits: Limits = PREVIEW, redact: Redact | None = None) -> Decoded:
    """Return a run's input as ``{"args": [...], "kwargs": {...}}``, whichever language wrote it. Never raises."""
    decoded = _decode(value, limits)
    if not decoded.raw:
        decoded = replace(decoded, json=_arguments(decoded.json))
    return _redacted(decoded, redact)


def decode_error(value: StoredValue, *, limits: Limits = PREVIEW) -> DecodedError:
    """Return a stored error as message, type, code and stack. Never raises."""
    budget = Budget(limits)
    read = _read(value, budget)
    if read is None:
        return DecodedError(message=Describer(budget).text(value.text))
    return error_from(read.value, Describer(budget))


@dataclass(frozen=True, slots=True)
class _Read:
    value: Any
    format: str
    problem: str | None = None


def _decode(value: StoredValue, limits: Limits) -> Decoded:
    budget = Budget(limits)
    cut_by_reader = _is_cut(value)
    try:
        read = _read(value, budget)
        shown = None if read is None else Describer(budget).json(read.value)
    except (RecursionError, MemoryError):
        read, shown = None, None
    if read is None:
        return _raw(value, Budget(limits), cut_by_reader)
    truncated = cut_by_reader or budget.cut
    problem = read.problem
    if problem is not None and truncated:
        problem = None  # it was to be expected, and ``truncated`` says it
    return Decoded(
        json=shown,
        format=read.format,
        complete=not truncated and read.problem is None,
        truncated=truncated,
        problem=problem,
    )


def _read(value: StoredValue, budget: Budget) -> _Read | None:
    """Read by the named format first, then by what the text looks like; None when nothing fits."""
    name = value.serialization
    if name == "py_pickle":
        return _read_pickle(value.text, budget) or _read_json(value.text, "json", budget)
    read = _read_json(value.text, name or "json", budget)
    if read is None and name is None:
        return _read_pickle(value.text, budget, sniffing=True)
    return read


def _read_pickle(text: str, budget: Budget, *, sniffing: bool = False) -> _Read | None:
    if sniffing and not text.startswith("gA"):  # base64 of the first instruction, PROTO
        return None
    walked = walk(text, budget)
    return None if walked is None else _Read(walked.value, "py_pickle", walked.problem)


def _read_json(text: str, name: str, budget: Budget) -> _Read | None:
    parsed = parse(text, budget)
    if parsed is None:
        return None
    problem = "The value ends in the middle." if parsed.end == "cut" else None
    value = parsed.value
    if is_superjson(value):
        name = "js_superjson" if name == "json" else name
        value = from_superjson(value)
    elif name == "js_superjson" and parsed.end != "complete" and isinstance(value, dict) and "json" in value:
        value = value["json"]
    elif name == "dbosify_json":
        value = from_dbosify(value)
    return _Read(value, name, problem)


def _raw(value: StoredValue, budget: Budget, cut_by_reader: bool) -> Decoded:
    limits = replace(budget.limits, max_string=budget.limits.max_raw)
    budget = Budget(limits)
    text = Describer(budget).text(value.text)
    name = value.serialization
    known = name in ("py_pickle", "portable_json", "js_superjson", "dbosify_json")
    return Decoded(
        json=text,
        format=name or "text",
        complete=False,
        truncated=cut_by_reader or budget.cut,
        problem=f"The value could not be read as {name}; it is shown as stored."
        if known
        else f"The format {name or 'of this value'!r} is not known; it is shown as stored.",
        raw=True,
    )


def _is_cut(value: StoredValue) -> bool:
    """``StoredValue.truncated`` without encoding a text that can tell by its length."""
    characters = len(value.text)
    return characters < value.size_bytes and (4 * characters < value.size_bytes or value.truncated)


def _redacted(decoded: Decoded, redact: Redact | None) -> Decoded:
    if redact is None:
        return decoded
    if decoded.raw and isinstance(redact, KeyRedactor):
        return replace(decoded, json="[withheld: it could not be decoded, so it could not be redacted]")
    return replace(decoded, json=redact(decoded.json))


def _arguments(value: Any) -> dict[str, Any]:
    """Return a workflow's arguments in one shape; whatever is no such thing is the only argument."""
    if isinstance(value, list):  # TypeScript's own format
        return {"args": value, "kwargs": {}}
    if isinstance(value, dict):
        for args, kwargs in (("args", "kwargs"), ("positionalArgs", "namedArgs")):
            if value.keys() <= {args, kwargs, "$cut"} and value.keys() & {args, kwargs}:
                return {"args": value.get(args) or [], "kwargs": value.get(kwargs) or {}}
    return {"args": [value], "kwargs": {}}
