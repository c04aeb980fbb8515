"""What models used, and what that cost. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dashboard.wire.base import Query, Timestamp, Wire
from dashboard.wire.filters import Text, Time

By = Literal["workflow", "version", "day", "run"]


class UsageQuery(Query):
    """The time window, and what the sums are grouped by."""

    since: Time | None = Field(None, description="Steps that ended at or after; default seven days ago.")
    until: Time | None = Field(None, description="Steps that ended before; default now.")
    by: list[By] = Field(["workflow"], max_length=4, description="Sums for each of these.")
    workflow: Text | None = Field(None, description="Exact name of the workflow.")
    limit: int = Field(500, ge=1, le=5_000)


class ModelUsage(Wire):
    """What one model used. ``cost`` by the price table; none where that does not name the model."""

    model: str = Field(description="Empty where the results of its library do not name it.")
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None = None


class UsageSum(Wire):
    """Sums over models. ``cost`` is of those that have a price."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None = None
    models: list[ModelUsage]


class UsageRow(UsageSum):
    """Sums of one run, workflow, version or day (in UTC), or of what was asked for of these together."""

    run_id: str | None = None
    workflow: str | None = None
    version: str | None = None
    day: str | None = Field(None, description="As 2026-01-31.")


class RunUsage(UsageSum):
    """What the model calls in a run's steps used, over all its attempts."""

    run_id: str
    currency: str | None = None
    unpriced: list[str] = Field(description="Models that the price table does not name.")


class UsageView(Wire):
    """Sums, most tokens first. ``exact`` is false where there are more than were read."""

    since: Timestamp
    until: Timestamp
    currency: str | None = Field(None, description="Of every cost; none without a price table.")
    items: list[UsageRow]
    total: UsageSum
    unpriced: list[str] = Field(description="Models that the price table does not name.")
    exact: bool
