"""What a worker kept of the attempts at a step, on the wire. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dashboard.wire.base import Json, Timestamp, Wire


class StepLogView(Wire):
    """A record that code logged within an attempt."""

    at: Timestamp
    level: str
    logger: str
    message: str
    where: Annotated[str | None, Field(description="File and line.")] = None
    exception: Annotated[str | None, Field(description="The traceback that was logged with it.")] = None
    span_id: Annotated[str | None, Field(description="Of the span that was current; absent for the step's own.")] = None
    fields: Annotated[dict[str, Json] | None, Field(description="What was logged as `extra`.")] = None


class StepErrorView(Wire):
    """Why an attempt failed."""

    type: str
    message: str


class StepAttemptView(Wire):
    """One attempt at a step, as the worker that made it saw it."""

    n: int = Field(description="The engine's number of it within its execution of the step, from 1 on.")
    execution: int = Field(description="Which execution of the step: a recovered or retried run executes it again.")
    executor: str | None = None
    started_at: Timestamp
    ended_at: Annotated[Timestamp | None, Field(description="Absent while it is under way.")] = None
    duration_ms: int | None = None
    error: StepErrorView | None = None
    traceback: str | None = None
    logs: list[StepLogView]
    truncated: Annotated[int | None, Field(description="How many records are left out.")] = None


class AttemptLogView(Wire):
    """What is kept of the attempts at a step: where one failed, was retried, was slow, or while somebody watched."""

    attempts: list[StepAttemptView] = Field(description="Oldest first.")
    left_out: Annotated[int | None, Field(description="How many older attempts are left out.")] = None
    absent: Annotated[str | None, Field(description="Why there are none.")] = None
