"""When the span of a step begins and ends. Pure: no clock, database or network."""

from __future__ import annotations

from otel_bridge.model.steps import Step
from otel_bridge.spans.lives import DueStep
from otel_bridge.spans.model import NS_PER_MS


def shown_end_ms(due: DueStep) -> int:
    """Return where the step's span ends: a remote step's where its child did, not when the parent asked for it."""
    step = due.step
    is_over = step.kind == "remote" and not due.unfinished and step.finished_at_ms is not None
    return step.finished_at_ms if is_over and step.finished_at_ms is not None else due.end_ms


def step_start_ms(step: Step, end_ms: int) -> int:
    """Return where the step's span begins: a remote step's where it was put on its queue."""
    if step.started_at_ms is None:
        return end_ms if step.enqueued_at_ms is None else step.enqueued_at_ms
    return step.started_at_ms if step.enqueued_at_ms is None else min(step.enqueued_at_ms, step.started_at_ms)


def span_times(start_ms: int, end_ms: int) -> tuple[int, int]:
    """Return start and end in nanoseconds; a clock that went backwards gives zero length, never a negative one."""
    start_ns = start_ms * NS_PER_MS
    return start_ns, end_ms * NS_PER_MS if end_ms > start_ms else start_ns


def last_end_ms(due: DueStep) -> int:
    """Return where the span of a step, and of those folded into it, ends."""
    return max(map(shown_end_ms, (due, *due.folded))) if due.folded else shown_end_ms(due)


def step_times(due: DueStep, *, created_ms: int) -> tuple[int, int]:
    """Return where the span of one step begins and ends, in nanoseconds.

    Args:
        created_ms: when the run was; a step that a fork took over does not begin before the fork did.
    """
    end_ms, asked_ms = last_end_ms(due), due.step.asked_at_ms
    start_ms = step_start_ms(due.step, end_ms)
    if asked_ms is not None and start_ms > end_ms:  # its child began when the run had ended
        start_ms = asked_ms
    return span_times(max(start_ms, created_ms) if due.copied else start_ms, end_ms)


def within_retry(due: DueStep, bounds: tuple[int, int], begun_ms: int) -> tuple[int, int]:
    """Return how much of the times of a step is of a retry that began then.

    The run may have asked for a child in an earlier life, and got its result in this one: when the child worked, be it
    retried by itself in between, says nothing about when this life began.
    """
    asked_ms, begun_ns = due.step.asked_at_ms, begun_ms * NS_PER_MS
    if asked_ms is None or asked_ms >= begun_ms:
        return bounds
    return max(bounds[0], begun_ns), max(bounds[1], begun_ns)
