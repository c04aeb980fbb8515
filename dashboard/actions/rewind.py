"""Where a failed run is rewound to. Pure: steps and errors are arguments."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.codec import decode_error
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue


def rewind_point(steps: Sequence[Step], error: StoredValue | None) -> int:
    """Return the step number to which a failed run is rewound.

    The step whose error the run died of; of steps that failed side by side with it, the first. A run that failed in its
    own code, with no failed step to blame, is replayed to its end and goes on from there.
    """
    failed = [step for step in steps if step.went_wrong]
    failing = _failing_step(failed, steps, error)
    if failing is None:
        return last_recorded(steps) + 1
    together = failing
    for step in sorted(failed, key=lambda step: step.seq, reverse=True):
        if _overlap(step, together) and recorded_at(step) < recorded_at(together):
            together = step
    return recorded_at(together)


def recorded_at(step: Step) -> int:
    """Return the number of the row that holds a step's outcome: for a child, where its result was asked for."""
    return max((step.seq, *step.folded)) if step.child_run_id else step.seq


def _failing_step(failed: Sequence[Step], steps: Sequence[Step], error: StoredValue | None) -> Step | None:
    if not failed:
        return None
    if error is not None:
        same = [step for step in failed if step.error is not None and _same_error(step.error, error)]
        if same:
            return same[-1]
    last = max((step for step in steps if step.went_wrong or not step.housekeeping), key=recorded_at)
    return last if last.went_wrong else None


def _same_error(one: StoredValue, other: StoredValue) -> bool:
    """Say whether two stored errors are the same one; a step's and its run's may be in different formats."""
    if one.serialization == other.serialization:
        return one.text == other.text
    left, right = decode_error(one), decode_error(other)
    names = [(error.type or "").rpartition(".")[2] for error in (left, right)]
    return left.message == right.message and names[0] == names[1]


def _overlap(one: Step, other: Step) -> bool:
    if one is other or None in (one.started_at_ms, one.finished_at_ms, other.started_at_ms, other.finished_at_ms):
        return False
    assert one.started_at_ms is not None  # told to the type checker: see the line above
    assert one.finished_at_ms is not None
    assert other.started_at_ms is not None
    assert other.finished_at_ms is not None
    return one.started_at_ms < other.finished_at_ms and other.started_at_ms < one.finished_at_ms


def last_recorded(steps: Sequence[Step]) -> int:
    """Return the highest step number that the engine recorded, bookkeeping rows included; 0 for none."""
    return max((number for step in steps for number in (step.seq, *step.folded)), default=0)
