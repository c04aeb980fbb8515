"""Bases of every answer, body and query string, and the wire's timestamps. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, WithJsonSchema
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


def parse_time(text: str) -> int:
    """Return a query's time in Unix milliseconds: ISO 8601 (UTC when it names no zone) or Unix milliseconds.

    Raises:
        ValueError: it is neither.
    """
    if text.isascii() and text.isdigit():
        return int(text)
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace("z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


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
