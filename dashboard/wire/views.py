"""Wire models of saved views: a filter of the run list under a name. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from dashboard.wire.base import Body, Json, Timestamp, Wire
from dashboard.wire.filters import MAX_TEXT_CHARS, RunFilter
from otel_bridge.model.moments import parse_moment

MOST_VIEWS = 200


def _moment(text: str) -> str:
    parse_moment(text)
    return text


def _name(text: str) -> str:
    name = text.strip()
    if not name or not name.isprintable():
        raise ValueError("must have a letter that can be printed, and none that cannot")
    return name


Moment = Annotated[str, Field(max_length=MAX_TEXT_CHARS), AfterValidator(_moment)]
"""A time, or a span before now (``24h``), which stays a moving window."""
ViewName = Annotated[str, Field(max_length=80), AfterValidator(_name)]


class ViewFilter(RunFilter):
    """The filter of ``GET runs``; its times may be spans before now, such as ``24h``."""

    since: Moment | None = Field(None, description="ISO 8601, or a span before now: 30m, 24h, 7d.")
    until: Moment | None = Field(None, description="ISO 8601, or a span before now.")


class ViewBody(Body):
    """A view to save."""

    name: ViewName
    filter: ViewFilter = Field(default_factory=lambda: ViewFilter.model_validate({}))
    is_default: bool = Field(False, description="The run list begins with it; no other does then.")


class ViewChangeBody(Body):
    """What to change of a view; what is left out stays."""

    name: ViewName | None = None
    filter: ViewFilter | None = None
    is_default: bool | None = None


class ViewView(Wire):
    """A saved view. ``filter`` holds parameters of ``GET runs``; a span before now is to be resolved before."""

    id: str
    name: str
    filter: dict[str, Json]
    is_default: bool
    actor: str
    at: Timestamp
