"""What becomes of the runs that a bulk retry takes first: the others follow only where none of them fails again.

Runs in a worker, within a recorded step: after a crash the check starts over. Reads the store and the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.actions.context import ActionContext
from otel_bridge.ledger.base import BulkMember
from otel_bridge.model.runs import Run
from otel_bridge.model.status import FAILED_STATUSES, TERMINAL_STATUSES
from otel_bridge.model.steps import Step
from otel_bridge.runs.failures import FailureLog

WAIT_S = 600.0
"""So long may the runs that were taken first take to end, or to get past where they failed."""
POLL_S, POLL_MOST_S = 0.25, 2.0
LOOKED_AT = 500
"""The newest of the runs taken so far are looked at: of tens of thousands, a look at each would not end."""
STEPS_READ = 50
"""Of so many open runs the steps are read, to see who got past where it failed; more have to end."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of the runs that were taken so far."""

    again: Sequence[Run] = ()
    """Failed with the error that they had died of before."""
    other: Sequence[Run] = ()
    """Failed otherwise."""
    well: Sequence[Run] = ()
    """Ended otherwise, or got past where they had failed."""
    open: Sequence[Run] = ()


def look_at(
    runs: Collection[Run],
    members: Mapping[str, BulkMember],
    errors: Mapping[str, str],
    past: Collection[str] = (),
) -> Look:
    """Sort the runs that were taken first by what became of them. Pure.

    Args:
        members: as the bulk action noted them: with the error that each had died of before.
        errors: which error each died of last.
        past: open runs that got past where they had failed.
    """
    again: list[Run] = []
    other: list[Run] = []
    well: list[Run] = []
    still: list[Run] = []
    for run in runs:
        if run.status in FAILED_STATUSES:
            before, now = members[run.id].fingerprint, errors.get(run.id)
            (again if before == now else other).append(run)
        elif run.status in TERMINAL_STATUSES or run.id in past:
            well.append(run)
        else:
            still.append(run)
    return Look(again, other, well, still)


def verdict(look: Look, *, over: bool, waited_s: float = WAIT_S) -> dict[str, Any] | None:
    """Return ``{"good", "detail"}``; None while nothing is decided. Pure.

    Args:
        over: nobody waits any longer.
    """
    if look.again:
        first, count = look.again[0].id, len(look.again)
        others = f", and {count - 1} more" if count > 1 else ""
        return bad(f"Run {first} failed again with the same error{others}.")
    if look.open:
        return (
            bad(f"{_runs(len(look.open))} had neither ended nor got past where it failed within {waited_s:g} s.")
            if over
            else None
        )
    if look.other and not look.well:
        return bad(f"Run {look.other[0].id} failed with another error, and none of those tried succeeded.")
    return {"good": True, "detail": ""}


def bad(detail: str) -> dict[str, Any]:
    """Return the verdict that stops a bulk action."""
    return {"good": False, "detail": f"{detail} The others were left as they are."}


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def await_group(
    ctx: ActionContext, bulk_id: str, ids: Sequence[str], *, wait: bool = True, timeout_s: float = WAIT_S
) -> dict[str, Any]:
    """Wait until it is known what became of runs that a bulk retry took; called in a worker.

    Args:
        ids: all that it took so far.
        wait: else only look whether one of them failed again by now.

    Returns:
        ``{"good", "detail"}``: bad where one failed with the error that it had died of before, where none went well, or
        where it is not known in time.

    Raises:
        LedgerError, StoreError: they cannot be read now; the step is tried again.
    """
    deadline, pause_s = time.monotonic() + timeout_s, POLL_S
    taken = {one.run_id: one for one in _members(ctx, bulk_id, ids[-LOOKED_AT:]) if one.outcome == "applied"}
    bulk = ctx.ledger.bulk(bulk_id)
    since_ms = 0 if bulk is None else bulk.at_ms
    while True:
        runs = list(ctx.store.get_runs(list(taken)).values())
        errors = FailureLog(ctx.store, ctx.ledger).fingerprints([run for run in runs if run.status == "failed"])
        found = look_at(runs, taken, errors, _past(ctx, runs, since_ms) if wait else ())
        if not wait:
            return verdict(Look(again=found.again), over=True) or {"good": True, "detail": ""}
        decided = verdict(found, over=time.monotonic() >= deadline, waited_s=timeout_s)
        if decided is not None:
            return decided
        driver = ctx.store.get_run(bulk_id)
        if driver is not None and driver.status == "cancelled":
            return bad("The bulk action was cancelled.")
        time.sleep(pause_s)
        pause_s = min(POLL_MOST_S, pause_s * 1.5)


def _members(ctx: ActionContext, bulk_id: str, ids: Sequence[str]) -> list[BulkMember]:
    found = ctx.ledger.bulks_of_runs(ids)
    return [one for members in found.values() for one in members if one.bulk_id == bulk_id]


def _past(ctx: ActionContext, runs: Sequence[Run], since_ms: int) -> set[str]:
    """Return the open runs that have completed the step that had failed: a run may continue for hours after it."""
    still = [run.id for run in runs if run.status not in TERMINAL_STATUSES][:STEPS_READ]
    if not still:
        return set()
    failures = ctx.ledger.failures_of(still)
    steps = ctx.store.get_steps_of(still)
    return {
        run_id
        for run_id in still
        if run_id in failures and got_past(steps.get(run_id, ()), failures[run_id][-1].signature.step, since_ms)
    }


def got_past(steps: Sequence[Step], failed: str | None, since_ms: int) -> bool:
    """Say whether the step that had failed has completed since. Pure.

    Args:
        failed: its name; None where the workflow itself had failed, which only its end can correct.
        since_ms: when the bulk action began, by the ledger's clock.
    """
    return failed is not None and any(
        step.name == failed
        and step.status == "completed"
        and step.finished_at_ms is not None
        and step.finished_at_ms >= since_ms
        for step in steps
    )
