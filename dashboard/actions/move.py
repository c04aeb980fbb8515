"""Moves a run to another version of the application: a check first, then the move. Recorded steps stay."""

from __future__ import annotations

import time
from dataclasses import dataclass

from dashboard.actions.checks import refuse_undone
from dashboard.actions.context import ActionContext, Outcome
from dashboard.actions.destination import Destination
from dashboard.actions.redispatch import move_to
from dashboard.actions.step_references import check_against
from dashboard.errors import Refused
from dashboard.read.every_step import interrupted_now
from otel_bridge.ledger.base import Executor
from otel_bridge.model.runs import Run
from otel_bridge.model.status import CANCELLABLE_STATUSES, UNSUCCESSFUL_STATUSES
from otel_bridge.runs.blocked import blocked_reason
from otel_bridge.runs.placement import Need, place
from otel_bridge.runs.presence import Presence
from otel_bridge.runs.step_check import StepCheck

CANARY_S = 60.0
SETTLED_S = 2.0
"""So long must the run that was moved first wait again before the others follow."""
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did, or would do: to which version, and what the check of the recorded steps found."""

    outcome: Outcome
    version: str
    check: StepCheck
    moved: bool


def move(
    ctx: ActionContext,
    run_id: str,
    *,
    actor: str,
    version: str | None = None,
    dry_run: bool = False,
    forced: bool = False,
) -> Moved:
    """Move a run that nobody drives to a version that a live worker has.

    Args:
        version: None takes the newest live one that has the workflow.
        dry_run: only check.
        forced: move although the recorded steps differ. The engine fails a run whose replay meets another step.

    Raises:
        NotFound: there is no such run.
        Refused: it has ended, a live worker drives it, no live worker has that version and the workflow, or the
            recorded steps differ.
    """
    with ctx.audited(actor, "move", run_id, version=version, dryRun=dry_run or None) as audited:
        with ctx.alone(run_id) as lock:
            run = ctx.run(run_id)
            ctx.permission.require("move", run)
            refuse_undone(ctx, run, "moved")
            seen = ctx.presence()
            target = target_version(run, seen, version)
            check = check_against(ctx, run, target)
            found = check.divergence
            if dry_run or target == run.workflow_version:
                audited.outcome = "unchanged"
                return Moved(Outcome(run), target, check, moved=False)
            if found is not None and not forced:
                raise Refused(
                    f"Step {found.seq} is {' or '.join(found.expected)} under version {target}, and this run recorded "
                    f"{found.recorded}. Fork it from an earlier step, start a worker of version "
                    f"{run.workflow_version}, or move it with force."
                )
            where = ctx.queue_for(run, None, seen)
            ctx.keep_attempt(run, interrupted_now(ctx.store, run, seen), at_ms=audited.at_ms)
            notes = move_to(ctx, lock, run, Destination(target, *where))
            return Moved(Outcome(ctx.run(run_id), tuple(notes)), target, check, moved=True)


def target_version(run: Run, seen: Presence, wanted: str | None) -> str:
    """Return the version to which a run can be moved. Pure.

    Raises:
        Refused: there is none, or the run must stay where it is.
    """
    if run.status not in CANCELLABLE_STATUSES:
        raise Refused(f"The run is {run.status}: only a run that has not ended can be moved. A retry picks a version.")
    if not seen.known:
        raise Refused("No executor reports presence, so nobody knows which versions are alive.")
    driver = _driver(run, seen)
    if driver is not None and driver.app_version != wanted:
        raise Refused(
            f"Worker {driver.executor_id} drives the run under version {driver.app_version}. Let it finish; or cancel "
            "the run, and retry it when that worker is gone."
        )
    found = place(Need(workflow=run.workflow, namespace=run.namespace, version=wanted), seen.live)
    if found.version is None:
        what = f"version {wanted}" if wanted is not None else f"workflow {run.workflow!r}"
        raise Refused(f"No live worker that could run it has {what}. Start one first.")
    return wanted or found.version


def _driver(run: Run, seen: Presence) -> Executor | None:
    """Return a live executor that drives the run, or may: the one that holds it, unless it is known not to."""
    for executor, _step in seen.in_flight(run.id):
        return executor
    if run.is_queued or blocked_reason(run, seen) is not None:
        return None
    return next((executor for executor in seen.live if executor.executor_id == run.executor), None)


def await_canary(ctx: ActionContext, run_id: str, *, timeout_s: float = CANARY_S) -> dict[str, object]:
    """Wait to see what becomes of a run that was moved; called in a worker.

    A run that waits looks so from when a worker took it, before its steps are replayed: it has to wait on for a while.

    Returns:
        ``{"good", "detail"}``: good when it ended well, recorded another step, or waits again under its new version.
    """
    before = ctx.store.last_step_number(run_id) or 0
    deadline = time.monotonic() + timeout_s
    waits_since: float | None = None
    while time.monotonic() < deadline:
        run = ctx.run(run_id)
        if run.status in UNSUCCESSFUL_STATUSES:
            return {"good": False, "detail": f"The first run moved, {run_id}, is {run.status}; the others were left."}
        if run.status == "completed" or (ctx.store.last_step_number(run_id) or 0) > before:
            return {"good": True, "detail": ""}
        if run.status != "suspended":
            waits_since = None
        elif waits_since is None:
            waits_since = time.monotonic()
        elif time.monotonic() - waits_since >= SETTLED_S:
            return {"good": True, "detail": ""}
        time.sleep(_POLL_S)
    return {"good": False, "detail": f"The first run moved, {run_id}, made no progress within {timeout_s:g} s."}
