"""Wire models of alerts: incidents, and what people do about them. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dashboard.wire.base import Body, Query, Timestamp, Wire, at_most

AlertState = Literal["open", "snoozed", "ended"]


class AlertsQuery(Query):
    """Which incidents."""

    state: AlertState | None = Field(None, description="Only those that stand so.")
    limit: Annotated[int, Field(ge=1, description="At most 500."), at_most(500)] = 100


class AlertView(Wire):
    """An incident: one trouble that a rule found, from when it opened to its end.

    ``reopened`` counts how often it came back soon after its end. ``sentBy`` is the run that sent its message, or
    ``caretaker``; ``problem`` is why the last try failed.
    """

    id: str
    rule: str
    kind: str
    subject: str
    state: AlertState
    summary: str
    link: str = Field(description="Below the dashboard's address: where the trouble is seen.")
    opened_at: Timestamp
    seen_at: Timestamp
    ended_at: Timestamp | None = None
    ended_by: str | None = None
    snoozed_until: Timestamp | None = None
    acknowledged_by: str | None = None
    note: str | None = None
    reopened: int
    sent_at: Timestamp | None = None
    sent_by: str | None = None
    problem: str | None = None


class AlertsView(Wire):
    """Incidents: those that are open first, then those that ended lately.

    Args:
        rules: which are looked at; none where this application has no alerts.
        targets: where messages go, by kind; a worker that sends has its own.
    """

    alerts: list[AlertView]
    open: int
    rules: list[str]
    targets: list[str]
    looked_at: Timestamp | None = None


class SnoozeBody(Body):
    """For how long."""

    minutes: int = Field(60, ge=1, le=30 * 24 * 60)
    note: str = Field("", max_length=2_000)


class ResolveBody(Body):
    """What was done about it."""

    note: str = Field("", max_length=2_000)
