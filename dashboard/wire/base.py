"""Bases of every answer, body and query string, and the wire's timestamps. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache, partial
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema
from pydantic.alias_generators import to_camel

Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""ISO 8601 UTC with milliseconds, ``2026-01-31T12:00:00.000Z``; made by ``iso``."""
Json = Any
"""A payload: any JSON value."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def iso(ms: int | None) -> str | None:
    """Return Unix milliseconds as the wire's timestamp; None stays None. Out of range is clamped to year 9999."""
    if ms is None:
        return None
    try:
        return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"
    except OverflowError:
        return "9999-12-31T23:59:59.999Z" if ms > 0 else "0001-01-01T00:00:00.000Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """Return a second as ISO 8601. Kept, for the times of a page lie close together."""
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").zfill(19)


EARLIEST_MS, LATEST_MS = -62_135_596_800_000, 253_402_300_799_999
"""Years 1 to 9999."""
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*"
    r"(?:[Zz]|([+\- ])(\d\d):?(\d\d))?)?",
    re.ASCII,
)


def parse_time(text: str) -> int:
    """Return a query's time in Unix milliseconds: ISO 8601 (UTC when it names no zone) or Unix milliseconds.

    A space before the zone's offset is a plus sign that nobody escaped: that is how a query string spells a space.

    Raises:
        ValueError: it is neither, or not of the years 1 to 9999.

    Example:
        >>> parse_time("1970-01-01T01:00:00.5+01:00"), parse_time("500")
        (500, 500)
    """
    if text.isascii() and text.isdigit():
        ms = int(text) if len(text) < 20 else LATEST_MS + 1
    else:
        ms = _parse_iso(text.strip())
    if not EARLIEST_MS <= ms <= LATEST_MS:
        raise ValueError("is out of range: times are of the years 1 to 9999, as ISO 8601 or Unix milliseconds")
    return ms


def _parse_iso(text: str) -> int:
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError("is neither ISO 8601 nor Unix milliseconds")
    *date_and_time, fraction, sign, offset_hours, offset_minutes = found.groups()
    year, month, day, hour, minute, second = (int(part or 0) for part in date_and_time)
    offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
    if offset >= timedelta(days=1):
        raise ValueError("is not a time: its offset is a day or more")
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError as error:
        raise ValueError(f"is not a time: {error}") from error
    since_epoch = moment - _EPOCH + (offset if sign == "-" else -offset)
    return since_epoch // timedelta(milliseconds=1) + int(f"{fraction or '':0<3}"[:3])


def at_most(most: int) -> AfterValidator:
    """Return a validator that lowers a number to ``most``, for limits: who asks for more gets as many as there may be.

    Example:
        ``limit: Annotated[int, Field(ge=1), at_most(500)] = 50``
    """
    return AfterValidator(partial(min, most))


class Wire(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, serialize_by_alias=True)


class Body(BaseModel):
    """Base of every request body: unknown members are refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Query(BaseModel):
    """Base of every query string: unknown parameters are refused. List fields take repeats."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class NoQuery(Query):
    """A route that takes no query parameter."""


class ProblemDocument(Wire):
    """RFC 9457. ``detail`` says what was wrong and what to do."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
