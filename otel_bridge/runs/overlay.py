"""A run and its steps as presence and the ledger show them. Pure: all that they show is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from otel_bridge.ledger.base import Failure, InFlightStep, KeptAttempt
from otel_bridge.model.runs import Run, RunError
from otel_bridge.model.status import ENDED_STATUSES
from otel_bridge.model.steps import Step
from otel_bridge.runs.blocked import blocked_reason
from otel_bridge.runs.presence import Presence

ENGINE_PREFIX = "DBOS."


def overlay_run(run: Run, seen: Presence) -> Run:
    """Return the run as presence shows it: ``blocked`` where nobody runs it, ``running`` where a step executes.

    A waiting backlog with live workers is ``pending``; a delayed run waits for its time, not for a worker. The store
    takes a run that started a child and wrote nothing since for one that waits for it; an executor knows better.
    """
    if not seen.known:
        return run
    if run.status == "suspended" and run.waiting is not None and run.waiting.on == "child":
        works = any(
            step.seq is not None and not step.name.startswith(ENGINE_PREFIX) for _, step in seen.in_flight(run.id)
        )
        if works:
            return replace(run, status="running", waiting=None)
    blocked = blocked_reason(run, seen)
    return run if blocked is None else replace(run, status="blocked", blocked=blocked)


def overlay_error(run: Run, failure: Failure | None) -> Run:
    """Return the run with the error that it died of last, as the ledger remembers it."""
    if failure is None:
        return run
    signature = failure.signature
    error = RunError(
        type=signature.type, message=failure.message, fingerprint=signature.fingerprint, step=signature.step
    )
    return replace(run, error=error)


def overlay_steps(run: Run, steps: Sequence[Step], seen: Presence) -> list[Step]:
    """Return the steps with those among them that no row tells of, by ``seq``: executing now, or interrupted.

    A step that a lost executor was executing leaves no row, though it may have had its effect: it stays in sight as
    ``interrupted``, until it is executed again or its run completes without it.
    """
    known = {seq for step in steps for seq in (step.seq, *step.folded)}
    unrecorded: dict[int, Step] = {}
    if run.status != "completed":
        for executor in seen.lost:
            for step in executor.in_flight:
                if step.run_id == run.id and step.seq is not None and step.seq not in known:
                    unrecorded[step.seq] = interrupted_step(step, ended_ms=executor.beat_at_ms, by=executor.executor_id)
    if not run.is_terminal:
        for executor, step in seen.in_flight(run.id):
            if step.seq is not None and step.seq not in known:
                unrecorded[step.seq] = Step(
                    run_id=run.id,
                    seq=step.seq,
                    name=step.name,
                    kind="local",
                    status="running",
                    started_at_ms=step.started_at_ms,
                    executor=executor.executor_id,
                    attempts=step.attempt,
                )
    return sorted([*steps, *unrecorded.values()], key=lambda step: step.seq) if unrecorded else list(steps)


def interrupted_steps(run: Run, steps: Sequence[Step], seen: Presence) -> list[Step]:
    """Return what of an open run is in flight now, as it will look if nothing is ever recorded of it."""
    open_steps = (step for step in overlay_steps(run, steps, seen) if step.status in ("running", "interrupted"))
    return [
        step._replace(status="interrupted", finished_at_ms=max(step.started_at_ms or 0, seen.now_ms))
        if step.status == "running"
        else step
        for step in open_steps
        if step.kind == "local"
    ]


def overlay_kept(run: Run, steps: Sequence[Step], kept: Sequence[KeptAttempt]) -> list[Step]:
    """Return the steps with those among them that were in flight when the run was last cancelled, without a row.

    Args:
        kept: oldest first. One that was kept for an earlier attempt, before the run was put on a queue again, is over.
    """
    last = kept[-1].life if kept and run.status in ("cancelled", "cancelling") else None
    if last is None or last.run.status in ENDED_STATUSES or kept[-1].at_ms < (run.requeued_at_ms or 0):
        return list(steps)
    known = {seq for step in steps for seq in (step.seq, *step.folded)}
    gone = [step for step in last.steps if step.status == "interrupted" and step.seq not in known]
    return sorted([*steps, *gone], key=lambda step: step.seq) if gone else list(steps)


def interrupted_step(step: InFlightStep, *, ended_ms: int, by: str | None) -> Step:
    """Return a step that was in flight when its run was cancelled or its worker was lost.

    Args:
        ended_ms: until when it is known to have been executing.
        by: the executor that did.
    """
    return Step(
        run_id=step.run_id,
        seq=step.seq if step.seq is not None else 0,
        name=step.name,
        kind="local",
        status="interrupted",
        started_at_ms=step.started_at_ms,
        finished_at_ms=max(step.started_at_ms, ended_ms),
        executor=by,
        attempts=step.attempt,
    )
