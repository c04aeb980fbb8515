"""Wire models of the inbox: what waits for a person, and how it is answered. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dashboard.wire.base import Body, Json, Query, Timestamp, Wire
from dashboard.wire.filters import Text
from dashboard.wire.runs import RunRow
from otel_bridge.model.runs import WaitingOn

MOST_ENTRIES = 200


class InboxQuery(Query):
    """Whose, and how many."""

    assignee: Text | None = Field(None, description="Assigned to this one; empty: to nobody.")
    limit: int = Field(100, ge=0, le=MOST_ENTRIES, description="0: only the count.")


class InboxEntry(Wire):
    """A wait that a person is to answer: at a breakpoint, or a signal or update that says what it asks.

    ``schema`` is the JSON schema of the answer, where the workflow declared one: of the payload at a breakpoint.
    """

    run: RunRow
    seq: int
    on: Literal["breakpoint", "signal", "update"]
    name: str
    ask: str | None = None
    schema_: dict[str, Json] | None = Field(None, alias="schema")
    since: Timestamp
    until: Timestamp | None = None
    assignee: str | None = None
    assigned_by: str | None = None


class OpenWaitView(Wire):
    """A wait that a run is in, also one that no person is asked about. ``schema``: of what it takes, where declared."""

    seq: int
    on: WaitingOn
    name: str
    ask: str | None = None
    schema_: dict[str, Json] | None = Field(None, alias="schema")


class InboxView(Wire):
    """What waits for a person, oldest first. Not ``exact``: there is more than was looked at."""

    count: int
    exact: bool
    entries: list[InboxEntry]


class LinkBody(Body):
    """How long a link to a question may be opened."""

    expires_in_s: int = Field(7 * 86_400, ge=60, le=90 * 86_400, description="At most 90 days.")


class QuestionLink(Wire):
    """A signed address of one question, for chat and mail. It allows nothing: who opens it signs in and is asked."""

    url: str
    token: str
    expires_at: Timestamp


class ContinueBody(Body):
    """What is handed to the workflow with the release; ``seq`` names the breakpoint that is meant."""

    comment: str = Field("", max_length=2_000)
    payload: Json = None
    seq: int | None = Field(None, ge=0, le=2**31 - 1)


class WakeBody(Body):
    """What is handed to the workflow that is woken; ``seq`` names the sleep that is meant."""

    comment: str = Field("", max_length=2_000)
    seq: int | None = Field(None, ge=0, le=2**31 - 1)


class AssignBody(Body):
    """Who is to answer; nobody: left out."""

    assignee: str | None = Field(None, min_length=1, max_length=200)
