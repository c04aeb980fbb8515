"""A long timeline, folded: loops and long stretches in a few lines, with the steps that matter kept. Pure, O(n)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dashboard.read.repeats import repeats
from dashboard.read.segments import begin_ms
from dashboard.read.versions import percentile
from dashboard.wire.base import iso
from dashboard.wire.folds import FoldView
from otel_bridge.model.steps import Step

FOLDS_FROM = 40
"""A run of fewer steps is shown step by step."""
HEAD, TAIL = 150, 50
"""Steps that are no loop are shown up to so many at the beginning and at the end."""
KEPT = 20
"""Steps of a fold that failed or are under way, and are shown all the same."""
MOST_FOLDS = 60


@dataclass(frozen=True, slots=True)
class Folded:
    """The steps to show, by ``seq``, and the stretches that they are a part of."""

    steps: list[Step]
    folds: list[FoldView]


def folded(steps: Sequence[Step]) -> Folded:
    """Return a timeline without most of its loops' steps."""
    shown = [step for step in steps if not step.housekeeping]
    if len(shown) < FOLDS_FROM:
        return Folded(list(steps), [])
    folds: list[FoldView] = []
    rest: list[tuple[int, int]] = []
    at = 0
    for repeat in islice(repeats([(step.name, step.kind) for step in shown]), MOST_FOLDS):
        rest.append((at, repeat.begin))
        folds.append(_fold(shown[repeat.begin : repeat.end], repeat.period))
        at = repeat.end
    rest.append((at, len(shown)))
    singles = [index for begin, end in rest for index in range(begin, end)]
    too_many = set(singles[HEAD:-TAIL]) if len(singles) > HEAD + TAIL else set()
    for begin, end in rest:
        stretch = [shown[index] for index in range(begin, end) if index in too_many]
        if stretch:
            folds.append(_fold(stretch, None))
    folds.sort(key=lambda fold: fold.first)
    return Folded(list(_outside(steps, folds)), folds)


def _outside(steps: Sequence[Step], folds: Sequence[FoldView]) -> Iterator[Step]:
    """Yield the steps that are in no fold, and those that a fold keeps; the engine's own go with their stretch."""
    ahead = iter(folds)
    fold = next(ahead, None)
    kept = set(fold.kept) if fold is not None else set()
    for step in steps:
        while fold is not None and step.seq > fold.last:
            fold = next(ahead, None)
            kept = set(fold.kept) if fold is not None else set()
        if fold is None or step.seq < fold.first or step.seq in kept:
            yield step


def _fold(steps: Sequence[Step], period: int | None) -> FoldView:
    length = period or 1
    turns = [steps[at : at + length] for at in range(0, len(steps), length)]
    took = [(ms, at) for at, turn in enumerate(turns) if (ms := _took(turn)) is not None]
    ordered = sorted(ms for ms, _ in took)
    slowest = turns[max(took, key=lambda entry: (entry[0], -entry[1]))[1]] if took and period else None
    notable = islice(
        (step.seq for step in steps if step.went_wrong or step.is_open or step.status == "interrupted"), KEPT
    )
    begun = [step.started_at_ms for step in steps if step.started_at_ms is not None]
    return FoldView(
        first=steps[0].seq,
        last=steps[-1].seq,
        count=len(steps),
        names=[step.name for step in steps[:length]] if period else [],
        turns=len(turns),
        min_ms=ordered[0] if ordered else None,
        median_ms=percentile(ordered, 50),
        max_ms=ordered[-1] if ordered else None,
        slowest=slowest[0].seq if slowest else None,
        by_status=dict(Counter(step.status for step in steps)),
        started_at=iso(min(begun, default=None)),
        finished_at=None if any(step.is_open for step in steps) else iso(_last(steps)),
        kept=sorted({*notable, *(step.seq for step in slowest or ())}),
    )


def _took(turn: Sequence[Step]) -> int | None:
    """Return how long a turn took, from its first step's beginning to its last one's end; None while one is open."""
    if len(turn) == 1:
        return turn[0].duration_ms
    last = _last(turn)
    if last is None or any(step.is_open for step in turn):
        return None
    return max(0, int(last - min(begin_ms(step) for step in turn)))


def _last(steps: Iterable[Step]) -> int | None:
    return max((step.finished_at_ms for step in steps if step.finished_at_ms is not None), default=None)
