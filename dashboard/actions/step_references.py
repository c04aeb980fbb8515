"""Compares a run's recorded steps with what completed runs of another version recorded. Reads the store."""

from __future__ import annotations

from dashboard.actions.context import ActionContext
from dashboard.read.every_step import every_step
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.runs.step_check import StepCheck, check_steps

REFERENCES = 10
"""Completed runs of the other version that are compared: branches differ, so one is too few."""


def check_against(ctx: ActionContext, run: Run, version: str | None) -> StepCheck:
    """Return whether the run's recorded steps fit a version, as far as its completed runs tell."""
    if version is None or ctx.store.last_step_number(run.id) is None:
        return StepCheck(0)
    query = RunQuery(
        workflow=run.workflow,
        version=version,
        namespace=run.namespace,
        statuses=frozenset({"completed"}),
        limit=REFERENCES,
    )
    references = (every_step(ctx.store, other.id) for other in ctx.store.list_runs(query).runs)
    return check_steps(every_step(ctx.store, run.id), references)
