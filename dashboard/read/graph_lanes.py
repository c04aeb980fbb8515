"""Steps that ran side by side, as lanes and columns. Pure, O(n log n)."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from dashboard.read.segments import begin_ms, end_ms
from otel_bridge.model.steps import Step


@dataclass(slots=True)
class Lane:
    steps: list[Step] = field(default_factory=list)
    source: Step | None = None
    """The step of the same segment after which the lane forked off; None: it begins with the segment."""


def lanes_of(segment: Sequence[Step]) -> list[Lane]:
    """Put a segment's steps into as few lanes as overlap allows; a step continues the lane that ended last."""
    lanes: list[Lane] = []
    free: list[tuple[float, int]] = []
    ended: list[tuple[float, int, Step]] = []
    for step in segment:
        begin = begin_ms(step)
        at = bisect_right(free, (begin, len(lanes)))
        if at:
            number = free.pop(at - 1)[1]
        else:
            before = bisect_right(ended, begin, key=lambda entry: entry[0])
            lanes.append(Lane(source=ended[before - 1][2] if before else None))
            number = len(lanes) - 1
        lanes[number].steps.append(step)
        insort(free, (end_ms(step), number))
        insort(ended, (end_ms(step), step.seq, step), key=lambda entry: entry[:2])
    return lanes


def depths_of(segment: Sequence[Step]) -> dict[int, int]:
    """Return each step's column within its segment: one more than the deepest step that ended before it began."""
    depths: dict[int, int] = {}
    by_end = sorted(segment, key=end_ms)
    done, deepest = 0, -1
    for step in segment:
        begin = begin_ms(step)
        while done < len(by_end) and end_ms(by_end[done]) <= begin and by_end[done].seq in depths:
            deepest = max(deepest, depths[by_end[done].seq])
            done += 1
        depths[step.seq] = deepest + 1
    return depths
