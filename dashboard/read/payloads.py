"""Stored values as the wire shows them: decoded by ``codec`` (which executes nothing), redacted, labelled. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from dashboard.config import Redact
from dashboard.wire.runs import ErrorView, Truncated
from otel_bridge.codec import PREVIEW, Limits, decode, decode_error, decode_input
from otel_bridge.model.values import StoredValue

What = Literal["input", "output", "error", "step", "event"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A payload for people. ``problem`` says why it could not be decoded, where it could not."""

    value: Any
    format: str
    bytes: int
    truncated: bool
    problem: str | None


def show(stored: StoredValue, *, what: What, redact: Redact | None, limits: Limits = PREVIEW) -> Shown:
    """Decode a payload and pass it through the host's ``redact`` hook."""
    read = decode_input if what == "input" else decode
    decoded = read(stored, limits=limits, redact=redact)
    return Shown(decoded.json, decoded.format, stored.size_bytes, decoded.truncated, decoded.problem)


def show_error(stored: StoredValue, *, redact: Redact | None, stack: bool = True) -> ErrorView:
    """Decode an error: message, type, code and (unless told otherwise) stack, through the ``redact`` hook."""
    error = decode_error(stored)
    members: dict[str, Any] = {"message": error.message, "type": error.type, "code": error.code}
    if stack:
        members["stack"] = error.stack
    if redact is not None:
        redacted = redact({key: value for key, value in members.items() if value is not None})
        members = redacted if isinstance(redacted, dict) else {"message": str(redacted)}
    return ErrorView(
        message=str(members.get("message") or ""),
        type=_text(members.get("type")),
        code=_text(members.get("code")),
        stack=_text(members.get("stack")),
    )


def show_message(message: str, redact: Redact | None) -> str:
    """Pass an error's message alone through the ``redact`` hook."""
    if redact is None:
        return message
    redacted = redact({"message": message})
    return str(redacted.get("message") or "") if isinstance(redacted, dict) else str(redacted)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def collect(**shown: Shown | None) -> dict[str, Any]:
    """Return the wire members of several payloads: their values, what was cut, their formats and problems."""
    present = {name: item for name, item in shown.items() if item is not None}
    if not present:
        return {}
    cut = {name: item.bytes for name, item in present.items() if item.truncated}
    problems = {name: item.problem for name, item in present.items() if item.problem is not None}
    return {
        **{name: item.value for name, item in present.items()},
        "truncated": Truncated(bytes=max(cut.values()), fields=sorted(cut)) if cut else None,
        "payload_formats": {name: item.format for name, item in present.items()},
        "payload_problems": problems or None,
    }
