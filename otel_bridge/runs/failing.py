"""Which step a failed run died of. Pure: steps and errors are arguments."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.codec import decode_error
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue


def failing_step(steps: Sequence[Step], error: StoredValue | None) -> Step | None:
    """Return the step whose error the run died of; None for a run that failed in its own code.

    Args:
        steps: with their stored errors.
        error: the run's.
    """
    failed = [step for step in steps if step.went_wrong]
    if not failed:
        return None
    if error is not None:
        same = [step for step in failed if step.error is not None and _same_error(step.error, error)]
        if same:
            return same[-1]
    last = max((step for step in steps if step.went_wrong or not step.housekeeping), key=recorded_at)
    return last if last.went_wrong else None


def recorded_at(step: Step) -> int:
    """Return the number of the row that holds a step's outcome: for a child, where its result was asked for."""
    return max((step.seq, *step.folded)) if step.child_run_id else step.seq


def _same_error(one: StoredValue, other: StoredValue) -> bool:
    """Say whether two stored errors are the same one; a step's and its run's may be in different formats."""
    if one.serialization == other.serialization:
        return one.text == other.text
    left, right = decode_error(one), decode_error(other)
    names = [(error.type or "").rpartition(".")[2] for error in (left, right)]
    return left.message == right.message and names[0] == names[1]
