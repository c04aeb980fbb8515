"""Where a failed run is rewound to. Pure: steps and errors are arguments."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.failing import failing_step, recorded_at


def rewind_point(steps: Sequence[Step], error: StoredValue | None) -> int:
    """Return the step number to which a failed run is rewound.

    The step whose error the run died of; of steps that failed side by side with it, the first. A run that failed in its
    own code, with no failed step to blame, is replayed to its end and continues from there.
    """
    failed = [step for step in steps if step.went_wrong]
    failing = failing_step(steps, error)
    if failing is None:
        return last_recorded(steps) + 1
    together = failing
    for step in sorted(failed, key=lambda step: step.seq, reverse=True):
        if _overlap(step, together) and recorded_at(step) < recorded_at(together):
            together = step
    return recorded_at(together)


def _overlap(one: Step, other: Step) -> bool:
    if one is other or None in (one.started_at_ms, one.finished_at_ms, other.started_at_ms, other.finished_at_ms):
        return False
    assert one.started_at_ms is not None  # for the type checker: see the line above
    assert one.finished_at_ms is not None
    assert other.started_at_ms is not None
    assert other.finished_at_ms is not None
    return one.started_at_ms < other.finished_at_ms and other.started_at_ms < one.finished_at_ms


def last_recorded(steps: Sequence[Step]) -> int:
    """Return the highest step number that the engine recorded, bookkeeping rows included; 0 for none."""
    return max((number for step in steps for number in (step.seq, *step.folded)), default=0)
