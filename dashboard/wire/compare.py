"""Two runs side by side. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dashboard.wire.base import Json, Query, Timestamp, Wire
from dashboard.wire.runs import ErrorView
from otel_bridge.model.steps import StepKind, StepStatus


class CompareQuery(Query):
    """What a run is compared with: the workflow's last success, unless another run or attempt is named."""

    other: str | None = Field(
        None, alias="with", min_length=1, max_length=500, description="Another run; absent: the last success."
    )
    attempt: int | None = Field(
        None, ge=1, description="An earlier attempt of the run `with`; without `with`, of this run itself."
    )
    step: int | None = Field(None, description="A step's `seq` in this run: `stepOutput` tells how it differs.")


class ComparedRun(Wire):
    """One side. ``attempt`` is that of an earlier attempt; ``tookMs`` counts from the start of the last."""

    id: str
    workflow: str
    workflow_version: str | None = None
    status: str
    attempt: int | None = None
    created_at: Timestamp
    took_ms: int | None = None
    queue_ms: int | None = None
    error: ErrorView | None = None


class ComparedStep(Wire):
    """A step on one side."""

    seq: int
    name: str
    kind: StepKind
    status: StepStatus
    duration_ms: int | None = None
    error: str | None = Field(None, description="The first line of its error.")


class ComparedRow(Wire):
    """Steps that stand beside one another; one alone was not made on the other side. ``differs``: in more than time."""

    run: ComparedStep | None = None
    other: ComparedStep | None = None
    differs: bool


class ValueChange(Wire):
    """One place in which two values differ, as a path: ``args[0].total``."""

    path: str
    kind: Literal["added", "removed", "changed"]
    run: Json = None
    other: Json = None


class ValueDiff(Wire):
    """How two payloads differ, as they may be shown: what is hidden is not compared.

    ``cut``: only the beginning of one was compared, or there are more changes than are listed.
    """

    same: bool
    changes: list[ValueChange]
    cut: bool


class CompareView(Wire):
    """A run beside another. ``other`` is what it should have been like; steps are aligned by their names and kinds."""

    run: ComparedRun
    other: ComparedRun
    rows: list[ComparedRow]
    first_difference: int | None = Field(None, description="Index of the first of `rows` that differs; absent: none.")
    steps_cut: bool = Field(description="True where only the first steps of each, at most 1,000, are in the answer.")
    input: ValueDiff
    output: ValueDiff
    step_output: ValueDiff | None = None
