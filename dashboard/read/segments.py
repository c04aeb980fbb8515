"""Which steps ran side by side: a run's steps cut into segments, in time. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from otel_bridge.model.steps import Step


def begin_ms(step: Step) -> float:
    for moment in (step.enqueued_at_ms, step.started_at_ms, step.finished_at_ms):
        if moment is not None:
            return moment
    return math.inf


def end_ms(step: Step) -> float:
    return math.inf if step.finished_at_ms is None else max(step.finished_at_ms, begin_ms(step))


def segments(steps: Sequence[Step]) -> list[list[Step]]:
    """Cut steps into segments, in time: within one, intervals overlap (maybe through others); between, never."""
    found: list[list[Step]] = []
    reach = -math.inf
    for step in sorted(steps, key=lambda step: (begin_ms(step), step.seq)):
        if found and begin_ms(step) < reach:
            found[-1].append(step)
        else:
            found.append([step])
        reach = max(reach, end_ms(step))
    return found
