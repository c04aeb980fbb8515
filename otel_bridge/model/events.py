"""The lifecycle-event vocabulary. Pure data: no clock, file, socket or database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from otel_bridge.model.steps import StepKind, StepStatus

EventType = Literal[
    "run.pending",
    "run.started",
    "run.suspended",
    "run.resumed",
    "run.completed",
    "run.failed",
    "run.cancelling",
    "run.cancelled",
    "run.dead",
    "step.started",
    "step.completed",
    "step.failed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleEvent:
    """One change of a run or of one of its steps, as the store shows it.

    ``error`` is a message for people. Times are Unix milliseconds. ``step.failed`` ends a step without success:
    ``status`` says whether it failed, was interrupted, or is a child that was cancelled or given up.
    """

    type: EventType
    run_id: str
    workflow: str
    at_ms: int
    seq: int | None = None
    name: str | None = None
    kind: StepKind | None = None
    status: StepStatus | None = None
    duration_ms: int | None = None
    queue_ms: int | None = None
    error: str | None = None
