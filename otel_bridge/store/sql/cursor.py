"""Page cursors of the run list: how far each of its sources got, as an opaque text. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final, Literal, NamedTuple

from otel_bridge.errors import InvalidCursorError


class Key(NamedTuple):
    """A place in the newest-first order: right behind the run with this creation time and id."""

    created_ms: int
    run_id: str


DONE: Final = "done"
"""The source has no more runs."""
TogetherT = Literal["together"]
TOGETHER: Final = "together"
"""So many ids begin with the searched text that they are found on the way, among all runs."""

Place = Key | Literal["done"] | None
"""Where a source continues; None: at the newest run."""


class Cursor(NamedTuple):
    """Where the next page begins.

    Args:
        walk: in the walk through all runs, or those of a status.
        by_id: among the runs whose id begins with the searched text.
    """

    walk: Place = None
    by_id: Place | TogetherT = None


def encode_cursor(cursor: Cursor) -> str:
    """Return an opaque text for the page that begins there."""
    text = json.dumps(cursor, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def decode_cursor(text: str) -> Cursor:
    """Return the places that a cursor stands for.

    Raises:
        InvalidCursorError: it is not one of ours.
    """
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        walk, by_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        return Cursor(_place(walk), TOGETHER if by_id == TOGETHER else _place(by_id))
    except (ValueError, TypeError, AttributeError, binascii.Error, UnicodeError, RecursionError) as error:
        raise InvalidCursorError(text) from error


def _place(value: Any) -> Place:
    if value is None or value == DONE:
        return DONE if value == DONE else None
    created_ms, run_id = value
    run_id.encode()  # no database takes a lone surrogate, nor a NUL
    if type(created_ms) is not int or not -(2**62) < created_ms < 2**62 or "\0" in run_id:
        raise ValueError("not a place")
    return Key(created_ms, run_id)
