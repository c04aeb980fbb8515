"""Page cursors of the run list: a position, as an opaque text. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from typing import NamedTuple

from otel_bridge.errors import InvalidCursorError


class Key(NamedTuple):
    """A place in the newest-first order: right behind the run with this creation time and id."""

    created_ms: int
    run_id: str
    skip_ids: bool = False
    """True when runs found by id prefix were all listed already, whatever their age."""


def encode_cursor(key: Key) -> str:
    """Return an opaque cursor for the page that follows ``key``."""
    text = json.dumps([key.created_ms, key.run_id, int(key.skip_ids)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def decode_cursor(cursor: str) -> Key:
    """Return the place a cursor stands for.

    Raises:
        InvalidCursorError: it is not one of ours.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        created, run_id, skip = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error, UnicodeError, RecursionError) as error:
        raise InvalidCursorError(cursor) from error
    plain = isinstance(created, int) and not isinstance(created, bool) and isinstance(run_id, str) and skip in (0, 1)
    if not plain or not -(2**62) < created < 2**62 or "\x00" in run_id:
        raise InvalidCursorError(cursor)
    return Key(created, run_id, bool(skip))
