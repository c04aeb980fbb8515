"""Where a run's time went, and how long its like usually take. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dashboard.wire.base import Timestamp, Wire
from otel_bridge.model.steps import StepKind


class UsualView(Wire):
    """How long the last completed ones took: of how many, their median and 95th percentile."""

    count: int
    median_ms: int
    p95_ms: int


class LongStep(Wire):
    """One of the longest steps of a run, and how long steps of its name usually take.

    ``usual_of``: those of the workflow's last completed ``runs``, or of this ``run`` itself where it is too long for
    others to be read.
    """

    seq: int
    name: str
    kind: StepKind
    duration_ms: int
    started_at: Timestamp | None = None
    usual: UsualView | None = None
    usual_of: Literal["runs", "run"] | None = None


class TimingView(Wire):
    """Where a run's time went, to now while it is open. The four parts add up to ``totalMs`` exactly.

    ``queueMs`` is the run's own wait in a queue, and time in which all it did was wait for a child in one; ``workMs``
    that in which some step was at work, ``waitingMs`` that in which it slept or waited for a message, and
    ``betweenMs`` the workflow's own code and the engine between the steps.
    """

    total_ms: int
    queue_ms: int
    work_ms: int
    waiting_ms: int
    between_ms: int
    took_ms: int = Field(description="From the start of the last attempt to the end, or to now.")
    usual: UsualView | None = Field(None, description="Of the last completed runs of the workflow; absent: too few.")
    expected_at: Timestamp | None = Field(
        None,
        description="When an open run should end, by the time of those that lasted as long; absent: unknown.",
    )
    longest: list[LongStep] = Field(description="The three longest steps, the longest first.")
    critical_path: list[int] | None = Field(
        None,
        description="The `seq`s of the chain of steps that the end waited for, at most the last 5,000; "
        "absent where no steps ran side by side: then it is all of them.",
    )
    steps_read: int | None = Field(
        None, description="Of a run too long to be looked at whole: how many steps, the first ones; absent: all."
    )
