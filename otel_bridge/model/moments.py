"""Times as people type and read them. Pure, but for the clock that spans of time are counted from."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"([0-9]{1,9})([smhdw])")


def parse_moment(text: str, *, now_s: Callable[[], float] = time.time) -> int:
    """Return Unix milliseconds of ``2026-11-23T12:00``, ``2026-11-23`` (UTC unless said) or ``12h`` (ago).

    Raises:
        ValueError: it is neither; the message says what it may be.
    """
    if span := _SPAN.fullmatch(text.strip()):
        return int((now_s() - int(span[1]) * _UNITS_S[span[2]]) * 1000)
    try:
        moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip()))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a time. Write 2026-11-23T12:00, or 12h for twelve hours ago.") from None


def iso(ms: int) -> str:
    """Return a time as people and backends read it, in UTC; a stamp that is no time stays a number."""
    try:
        moment = datetime.fromtimestamp(ms / 1000, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return str(ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
