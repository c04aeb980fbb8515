"""Stored values as the wire shows them: decoded by ``codec`` (which executes nothing), redacted, labelled. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from dashboard.wire.runs import ErrorView, Truncated
from dashboard.wire.sizes import size_of
from otel_bridge.codec import PREVIEW, Codec, Decoded, Limits
from otel_bridge.codec.errors import MAX_MESSAGE, MAX_STACK, cut
from otel_bridge.model.values import PublishedEvent, StoredValue

What = Literal["input", "output", "error", "step"]

WHOLE_CAP_BYTES = 4 * 1024 * 1024
"""A value is read up to here where its beginning alone is of no use: see ``whole_enough``."""


PREVIEW_BYTES = 50_000
"""Of one value in an answer that holds others too. The routes of single values give them whole."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A payload for people.

    Args:
        problem: why it could not be decoded, where it could not.
        plain: written as JSON it would be the same value.
    """

    value: Any
    format: str
    bytes: int
    truncated: bool
    problem: str | None
    plain: bool = False


def show(stored: StoredValue, *, what: What, codec: Codec, limits: Limits = PREVIEW) -> Shown:
    """Return a payload as it may be shown."""
    decoded = codec.decode_input(stored, limits=limits) if what == "input" else codec.decode(stored, limits=limits)
    return _shown(decoded, stored)


def preview(stored: StoredValue, *, what: What, codec: Codec, most_bytes: int = PREVIEW_BYTES) -> Shown:
    """Return a payload as it may be shown, with as much of it as has room."""
    return _fitting(lambda limits: show(stored, what=what, codec=codec, limits=limits), most_bytes)


def preview_published(event: PublishedEvent, *, codec: Codec, most_bytes: int = PREVIEW_BYTES) -> Shown:
    """Return what a run published as it may be shown, with as much of it as has room."""
    return _fitting(lambda limits: show_published(event, codec=codec, limits=limits), most_bytes)


def preview_error(stored: StoredValue, *, codec: Codec, most_bytes: int = PREVIEW_BYTES) -> ErrorView:
    """Return an error as it may be shown, with as much of its stack and its message as has room."""
    shown = show_error(stored, codec=codec)
    for most in (MAX_STACK, MAX_STACK // 2, MAX_MESSAGE, MAX_MESSAGE // 4):
        texts = {name: cut(text, most) for name, text in (("message", shown.message), ("stack", shown.stack)) if text}
        found = shown.model_copy(update=texts)
        if size_of(found) <= most_bytes:
            break
    return found


def _fitting(show: Callable[[Limits], Shown], most_bytes: int) -> Shown:
    for share in (1, 2, 4, 8, 16, 64, 256, 1024):
        limits = replace(
            PREVIEW,
            max_nodes=PREVIEW.max_nodes // share,
            max_string=PREVIEW.max_string // share,
            max_text=PREVIEW.max_text // share,
            max_raw=PREVIEW.max_raw // share,
        )
        found = show(limits)
        if size_of(found.value) <= most_bytes:
            break
    return found


def show_published(event: PublishedEvent, *, codec: Codec, limits: Limits = PREVIEW) -> Shown:
    """Return what a run published as it may be shown: its key names it, as any key does."""
    return _shown(codec.decode_published(event.key, event.value, limits=limits), event.value)


def show_error(stored: StoredValue, *, codec: Codec, stack: bool = True) -> ErrorView:
    """Return an error as it may be shown: message, type, code and (unless asked not to) stack."""
    error = codec.decode_error(stored)
    return ErrorView(
        message=error.message,
        type=error.type,
        code=None if error.code is None else str(error.code),
        stack=error.stack if stack else None,
    )


def whole_enough(
    codec: Codec, read: Callable[[int | None], StoredValue | None], cap_bytes: int | None
) -> StoredValue | None:
    """Return a value cut to a cap, or more of it where a serializer can do nothing with its beginning."""
    value = read(cap_bytes)
    if value is not None and value.size_bytes <= WHOLE_CAP_BYTES and codec.needs_all_of(value):
        return read(WHOLE_CAP_BYTES)
    return value


def _shown(decoded: Decoded, stored: StoredValue) -> Shown:
    return Shown(decoded.json, decoded.format, stored.size_bytes, decoded.truncated, decoded.problem, decoded.plain)


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
