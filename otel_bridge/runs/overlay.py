"""A run and its steps as presence and the ledger show them. Pure: all that they show is an argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from otel_bridge.ledger.base import BulkMember, Executor, Failure, InFlightStep, InterruptedStep
from otel_bridge.model.runs import BulkPart, Run, RunError
from otel_bridge.model.status import CANCELLED_STATUSES, FAILED_STATUSES, RunStatus
from otel_bridge.model.steps import Step
from otel_bridge.runs.blocked import blocked_reason
from otel_bridge.runs.presence import Presence

ENGINE_PREFIX = "DBOS."
CLOCKS_MS = 5_000
"""A worker's clock stamps its steps, the database's a run's row: so far may they be apart."""


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
    if failure is None or failure.ended_at_ms < run.created_at_ms:  # of a run that had the same id before and is gone
        return run
    signature = failure.signature
    error = RunError(
        type=signature.type, message=failure.message, fingerprint=signature.fingerprint, step=signature.step
    )
    return replace(run, error=error)


def overlay_bulks(run: Run, members: Sequence[BulkMember]) -> Run:
    """Return the run with the bulk actions that came to it, and how it stands since.

    Args:
        run: with the error that it died of last laid over it.
    """
    if not members:
        return run
    parts: set[tuple[str, BulkPart | None]] = set()
    for member in members:
        part = bulk_part(run, member)
        parts |= {(member.bulk_id, None), *([] if part is None else [(member.bulk_id, part)])}
        if member.outcome == "applied":
            parts.add((member.bulk_id, "applied"))
    return replace(run, bulk_parts=frozenset(parts))


def bulk_part(run: Run, member: BulkMember) -> BulkPart | None:
    """Return how a run stands since a bulk action came to it; None while the action is at it. Pure.

    An action takes effect before it answers: a run that is failed after a retry was applied has failed again.

    Example:
        >>> from otel_bridge.testing import make_run
        >>> member = BulkMember(bulk_id="bulk:b", run_id="r", created_at_ms=0, outcome="applied", fingerprint="f1")
        >>> bulk_part(make_run("r", status="completed"), member)
        'succeeded'
    """
    if member.outcome == "trying":
        return None
    if member.outcome != "applied":
        return "left_alone"
    if run.status in FAILED_STATUSES:
        same = run.error is not None and run.error.fingerprint == member.fingerprint
        return "same_error" if same or (run.error is None and member.fingerprint is None) else "new_error"
    ended: Mapping[RunStatus, BulkPart] = {"completed": "succeeded", "cancelled": "cancelled"}
    return ended.get(run.status, "open")


def overlay_steps(
    run: Run, steps: Sequence[Step], seen: Presence, reported: Sequence[InterruptedStep] = ()
) -> list[Step]:
    """Return the steps with those among them that no row tells of, by ``seq``: executing now, or interrupted.

    A step that was in flight when its run was cancelled or its executor lost leaves no row, though it may have had its
    effect: it stays in sight as ``interrupted``, until it is executed again or its run completes without it.

    Args:
        reported: what workers reported of the run's interrupted steps.
    """
    known = {seq for step in steps for seq in (step.seq, *step.folded)}
    unrecorded = {step.seq: step for step in interrupted(run, seen, reported) if step.seq not in known}
    for executor, step in seen.in_flight(run.id):
        if run.is_terminal or step.seq is None or step.seq in known:
            continue
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


def left_behind(executor: Executor) -> list[InterruptedStep]:
    """Return what a lost executor was executing when it was last heard of, but for the engine's own waits."""
    return [
        cut_off(step, executor.beat_at_ms, executor.executor_id)
        for step in executor.in_flight
        if step.seq is not None and not step.name.startswith(ENGINE_PREFIX)
    ]


def interrupted(
    run: Run, seen: Presence, reported: Sequence[InterruptedStep] = (), *, still: bool = True
) -> list[Step]:
    """Return the run's interrupted steps, each once; some of them may have a row, of another execution.

    Args:
        reported: what workers reported of them.
        still: with those that a live executor keeps executing although their run was cancelled: they have no end.
    """
    if run.status == "completed":
        return []
    begun_ms = run.created_at_ms - CLOCKS_MS if run.requeued_at_ms is None else run.requeued_at_ms
    found: dict[int, Step] = {}
    for executor in seen.lost:
        found |= {step.seq: interrupted_step(step) for step in left_behind(executor) if step.run_id == run.id}
    if still and run.status in CANCELLED_STATUSES:
        for executor, step in seen.in_flight(run.id):
            if step.seq is not None and not step.name.startswith(ENGINE_PREFIX):
                # How long it continues nobody knows before its worker tells.
                under_way = interrupted_step(cut_off(step, executor.beat_at_ms, executor.executor_id))
                found[step.seq] = under_way._replace(finished_at_ms=None)
    if may_be_cut_off(run):
        found |= {one.seq: interrupted_step(one) for one in reported if one.started_at_ms >= begun_ms}
    return list(found.values())


def is_cut_off_but_open(step: Step) -> bool:
    """Say whether a live executor keeps executing an interrupted step: how it ended is not reported yet."""
    return step.status == "interrupted" and step.is_open


def may_be_cut_off(run: Run) -> bool:
    """Say whether the run ended otherwise than well: only then are its interrupted steps the last word."""
    return run.is_terminal and run.status != "completed"


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


def interrupted_step(reported: InterruptedStep) -> Step:
    """Return an interrupted step as its worker reported it."""
    return Step(
        run_id=reported.run_id,
        seq=reported.seq,
        name=reported.name,
        kind="local",
        status="interrupted",
        started_at_ms=reported.started_at_ms,
        finished_at_ms=max(reported.started_at_ms, reported.ended_at_ms),
        executor=reported.executor,
        attempts=reported.attempt,
    )


def cut_off(step: InFlightStep, ended_ms: int, executor: str) -> InterruptedStep:
    """Return what is to be shown of a step in flight that no longer continues, as far as anybody knows."""
    return InterruptedStep(
        run_id=step.run_id,
        seq=step.seq if step.seq is not None else 0,
        name=step.name,
        started_at_ms=step.started_at_ms,
        ended_at_ms=ended_ms,
        attempt=step.attempt,
        executor=executor,
    )
