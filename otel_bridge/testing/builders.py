"""Builders: a run, a step, with what follows from the given fields filled in."""

from __future__ import annotations

from typing import Any

from otel_bridge.model.runs import Run
from otel_bridge.model.status import ENDED_STATUSES, RETURNED_STATUSES, RunStatus, shown_as
from otel_bridge.model.steps import Step, StepKind, StepStatus
from otel_bridge.testing.clock import DEFAULT_TIME_MS


def make_run(
    run_id: str = "run-1",
    *,
    workflow: str = "order",
    status: RunStatus = "running",
    created_at_ms: int = DEFAULT_TIME_MS,
    **fields: Any,
) -> Run:
    """Return a run; times that follow from its status are filled in unless given."""
    fields.setdefault("updated_at_ms", fields.get("finished_at_ms") or created_at_ms)
    if status not in shown_as("pending"):
        fields.setdefault("started_at_ms", created_at_ms)
    if status in ENDED_STATUSES:
        fields.setdefault("finished_at_ms", fields["updated_at_ms"])
    return Run(id=run_id, workflow=workflow, status=status, created_at_ms=created_at_ms, **fields)


def make_step(
    run_id: str = "run-1",
    seq: int = 1,
    *,
    name: str = "charge",
    kind: StepKind = "local",
    status: StepStatus = "completed",
    started_at_ms: int | None = DEFAULT_TIME_MS,
    **fields: Any,
) -> Step:
    """Return a step; a finished one takes 10 ms unless given otherwise."""
    if status in RETURNED_STATUSES and started_at_ms is not None:
        fields.setdefault("finished_at_ms", started_at_ms + 10)
        fields.setdefault("recorded_at_ms", fields["finished_at_ms"])
    if kind == "remote" and fields.get("folded"):
        fields.setdefault("collected_at_ms", fields.get("finished_at_ms"))
    fields.setdefault("has_error", status == "failed")
    return Step(run_id=run_id, seq=seq, name=name, kind=kind, status=status, started_at_ms=started_at_ms, **fields)
