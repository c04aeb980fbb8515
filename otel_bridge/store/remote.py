"""A remote step's times and outcome: how long its child ran, whenever the parent asked for the result. Pure.

Two facts are kept apart. The step *lasts* as long as its child ran, by the child's own stamps; the parent *collected*
the result when its ``DBOS.getResult`` row says. A parent that starts three children and then asks for each result in
turn shows three lengths, not three times the longest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otel_bridge.model.names import INTERNAL_QUEUE
from otel_bridge.model.runs import ROUNDING_MS
from otel_bridge.model.status import status_of
from otel_bridge.model.steps import Step, StepStatus
from otel_bridge.store.waiting import Child

if TYPE_CHECKING:
    from otel_bridge.store.steps import StepRow

_STEP_STATUS: dict[str, StepStatus] = {"completed": "completed", "cancelled": "cancelled", "dead": "dead"}


class Times(NamedTuple):
    """When a remote step was asked for, began and ended; ``ended_ms`` is None while its child is open."""

    started_ms: int | None
    ended_ms: int | None


def remote_times(asked_ms: int | None, collected_ms: int | None, child: Child | None) -> Times:
    """Return when the child worked, as far as its row still tells.

    The row of a child that was retried after its parent had the result is that of another life: it begins after the
    result was collected, or has not ended. All that is known then is from when to when the parent looked at it; so it
    is where the child's row is gone.

    >>> child = Child("c", "SUCCESS", "work", 0, 0, started_at_ms=100, completed_at_ms=600, queue="q", executor=None)
    >>> remote_times(90, 8_000, child)
    Times(started_ms=100, ended_ms=600)
    """
    if child is None:
        return Times(asked_ms, collected_ms)
    started = _precise(child.started_at_ms, child.first_step_ms)
    ended = _precise(child.completed_at_ms, child.last_step_ms)
    if ended is None:
        ended = child.updated_at_ms
    if _lives_again(child, collected_ms):
        return Times(asked_ms, collected_ms)
    started = _latest(started, asked_ms)
    if child.is_active:
        return Times(started if child.status == "PENDING" else None, None)
    # the child's stamps are the database's clock or cut to seconds, the parent's are its own: keep them in order
    ended = max(ended, started) if started is not None else ended
    if collected_ms is not None:
        ended = min(ended, max(collected_ms, asked_ms or collected_ms))
    return Times(ended if started is None else min(started, ended), ended)


def _lives_again(child: Child, collected_ms: int | None) -> bool:
    """Say whether the child's row is that of another life than the one whose result its parent has."""
    if collected_ms is None:
        return False
    started = _precise(child.started_at_ms, child.first_step_ms)
    return child.is_active or (started is not None and started > collected_ms)


def remote_step(row: StepRow, result: StepRow | None, child: Child | None) -> Step:
    """Return the step that started a child.

    Args:
        row: the row that the start wrote.
        result: the ``DBOS.getResult`` row in which the parent collected the result.
        child: the child's run; None where its row is gone.
    """
    asked_ms = row.started_ms if row.started_ms is not None else row.finished_ms
    collected_ms = (
        None if result is None else (result.finished_ms if result.finished_ms is not None else result.recorded_ms)
    )
    queue = child.queue if child is not None and child.queue != INTERNAL_QUEUE else None
    is_timed = queue is not None and child is not None and not _lives_again(child, collected_ms)
    times = remote_times(asked_ms, collected_ms, child)
    ended_ms = times.ended_ms
    if child is None and result is None:
        ended_ms = row.finished_ms
    return Step(
        run_id=row.run_id,
        seq=row.seq,
        name=row.name,
        kind="remote",
        status=_status(result, child),
        started_at_ms=times.started_ms,
        finished_at_ms=ended_ms,
        enqueued_at_ms=_enqueued_ms(asked_ms, child) if is_timed else None,
        recorded_at_ms=row.recorded_ms if result is None else result.recorded_ms,
        collected_at_ms=collected_ms,
        asked_at_ms=asked_ms,
        child_run_id=row.child_id,
        worker_group=queue,
        executor=child.executor if child is not None else None,
        folded=(result.seq,) if result is not None else (),
        has_output=bool(result.has_output) if result is not None else False,
        has_error=bool(result.has_error) if result is not None else False,
        child_forgotten=result is not None and (child is None or _lives_again(child, collected_ms)),
        child_put_back=is_timed and child is not None and child.ran_before and (child.executions or 0) <= 1,
    )


def of_child(step: Step, child: Child) -> Step:
    """Return a remote step whose result was collected as it was while its child's row was this one, which has ended.

    >>> child = Child("c", "ERROR", "work", 0, 0, started_at_ms=100, completed_at_ms=600, queue="q", executor="e")
    >>> step = Step("r", 1, "work", "remote", "failed", has_error=True, asked_at_ms=90, collected_at_ms=8_000)
    >>> shown = of_child(step, child)
    >>> shown.duration_ms, shown.queue_ms, shown.collect_ms
    (500, 10, 7400)
    """
    queue = child.queue if child.queue != INTERNAL_QUEUE else None
    times = remote_times(step.asked_at_ms, step.collected_at_ms, child)
    status = _STEP_STATUS.get(status_of(child.status), "failed") if step.has_error else step.status
    return step._replace(
        status="failed" if step.has_error and status == "completed" else status,
        started_at_ms=times.started_ms,
        finished_at_ms=times.ended_ms,
        enqueued_at_ms=_enqueued_ms(step.asked_at_ms, child) if queue is not None else None,
        worker_group=queue,
        executor=child.executor,
        child_forgotten=False,
        child_put_back=False,
    )


def _enqueued_ms(asked_ms: int | None, child: Child | None) -> int | None:
    """Return since when the child waited on its queue: not during a delay that was asked for.

    None where it was taken up again later, which overwrote when it began, or put on its queue once more.
    """
    if child is None or child.ran_before or (child.executions or 0) > 1:
        return None
    if child.started_at_ms is None and not child.is_active and (child.delayed_until_ms or 0) > child.updated_at_ms:
        return None  # it was over within its delay: it was on no queue
    return asked_ms if child.started_at_ms is None else _latest(asked_ms, child.delayed_until_ms)


def _status(result: StepRow | None, child: Child | None) -> StepStatus:
    """What the parent got, in the child's own words where the child still is what the parent got."""
    if result is not None and not result.has_error:
        return "completed"
    if child is None or (result is not None and child.is_active):
        return "completed" if result is None else "failed"
    if child.is_active:
        return "running" if child.status == "PENDING" else "pending"
    status = _STEP_STATUS.get(status_of(child.status), "failed")
    # a child that succeeded since does not change what its parent got
    return "failed" if result is not None and status == "completed" else status


def _precise(stamp_ms: int | None, step_ms: int | None) -> int | None:
    """Return a stamp to the millisecond: where it is cut to a whole second, a step in that second tells better."""
    if stamp_ms is None or step_ms is None or stamp_ms % ROUNDING_MS:
        return stamp_ms
    return step_ms if stamp_ms <= step_ms < stamp_ms + ROUNDING_MS else stamp_ms


def _latest(*times_ms: int | None) -> int | None:
    return max((time for time in times_ms if time is not None), default=None)
