"""Messages of the live streams. Pure."""

from __future__ import annotations

from typing import Literal

from dashboard.wire.base import Timestamp, Wire
from dashboard.wire.runs import ErrorView, RunDetail, RunRow, StepView
from otel_bridge.model.events import EventType
from otel_bridge.model.steps import StepKind, StepStatus


class EventView(Wire):
    """One lifecycle event. ``run`` is the run's row after it; ``step`` the step it is about, ``status`` that step's.

    ``step.failed`` is the end of a step without success: ``status`` says whether it failed, was interrupted, or is a
    child that was cancelled or given up.

    ``left`` in the list's stream: the run does not pass the stream's filter, or not any more.
    """

    id: int
    type: EventType
    run_id: str
    workflow: str
    seq: int | None = None
    name: str | None = None
    kind: StepKind | None = None
    status: StepStatus | None = None
    duration_ms: int | None = None
    queue_ms: int | None = None
    error: ErrorView | None = None
    at: Timestamp
    run: RunRow | None = None
    step: StepView | None = None
    left: bool | None = None


class RunSnapshot(Wire):
    """First message of a run's stream."""

    type: Literal["snapshot"] = "snapshot"
    id: int
    detail: RunDetail


class ListSnapshot(Wire):
    """First message of the list's stream: the newest runs of its filter."""

    type: Literal["snapshot"] = "snapshot"
    id: int
    runs: list[RunRow]


class Changed(Wire):
    """A run changed in a way that no lifecycle event names (a child was enqueued, nobody is there to run it)."""

    type: Literal["changed"] = "changed"
    id: int
    run_id: str
    run: RunRow
    left: bool | None = None


class Heartbeat(Wire):
    """Sent when nothing else was. ``problem`` says why nothing can be known now."""

    type: Literal["heartbeat"] = "heartbeat"
    id: int
    problem: str | None = None
