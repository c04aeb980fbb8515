"""A long timeline, folded: loops and long stretches in a few lines, with the steps that matter kept. Pure, O(n)."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from dashboard.read.outline import Outline
from dashboard.read.repeats import repeats
from dashboard.read.segments import begin_ms
from dashboard.read.versions import percentile
from dashboard.wire.base import iso
from dashboard.wire.folds import FoldView
from otel_bridge.codec.errors import MAX_MESSAGE
from otel_bridge.model.steps import Step, StepStatus

FOLDS_FROM = 40
"""A run of fewer steps is shown step by step."""
KEPT = 20
"""Steps of one fold that failed or are under way, and are shown all the same."""
MOST_OWN = 300
"""So many steps of the engine's own are shown outside folds; where there are more, they are folded as all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of a long timeline is shown step by step.

    Args:
        head: steps that are no loop, at the beginning.
        tail: at the end.
        loops: more are not looked for.
        kept: steps within folds that failed or are under way; at most ``KEPT`` in each, and at least one.
        message: characters of an error.
    """

    head: int = 150
    tail: int = 50
    loops: int = 60
    kept: int = 160
    message: int = MAX_MESSAGE + 100


BOUNDS = Bounds()
FOLD_BOUNDS: tuple[Bounds, ...] = (
    BOUNDS,
    replace(BOUNDS, message=500),
    Bounds(head=100, tail=40, loops=30, kept=80, message=300),
    Bounds(head=40, tail=20, loops=20, kept=40, message=200),
    Bounds(head=10, tail=5, loops=10, kept=10, message=100),
)
"""What a folded timeline holds, the most first: as much as there is room for is shown."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A stretch of a timeline, and its steps that are shown all the same."""

    view: FoldView
    begin: int
    """Its first step's place among all steps."""
    end: int
    """The place behind its last step."""
    kept: list[Step]


@dataclass(frozen=True, slots=True)
class Folded:
    """The steps to show, by ``seq``, and the stretches that they are a part of."""

    steps: list[Step]
    folds: list[FoldView]


def folded(steps: Iterable[Step], bounds: Bounds = BOUNDS) -> Folded:
    """Return a timeline without most of its loops' steps; the errors' texts are left out."""
    outline = Outline.of(steps)
    folds = folds_of(outline, bounds)
    shown: list[Step] = []
    at = 0
    for fold in folds:
        shown += [*outline.at(range(at, fold.begin)), *fold.kept]
        at = fold.end
    shown += outline.at(range(at, len(outline)))
    return Folded(shown, [fold.view for fold in folds])


def folds_of(outline: Outline, bounds: Bounds = BOUNDS) -> list[Fold]:
    """Return the loops and long stretches of a timeline, by ``seq``."""
    is_own = outline.housekeeping
    # Loops are looked for among the application's steps: the engine's own ones between them would hide that a turn is
    # like the one before. Only where what then stays outside of folds is itself too long are they counted, too.
    counted = array("q", [place for place in range(len(outline)) if not is_own[place]])
    own = len(outline) - len(counted)
    if len(counted) < FOLDS_FROM and own <= MOST_OWN:
        return []
    stretches = _stretches(outline, counted, bounds)
    hidden = sum(counted[end - 1] + 1 - counted[begin] - (end - begin) for begin, end, _ in stretches)
    if own - hidden > MOST_OWN:
        counted = array("q", range(len(outline)))
        stretches = _stretches(outline, counted, bounds)
    # The failures of all folds share one bound, so that a run of very many folds stays small to send.
    kept = max(1, min(KEPT, bounds.kept // max(1, len(stretches))))
    return [_fold(outline, counted[begin:end], period, kept=kept) for begin, end, period in stretches]


def _stretches(outline: Outline, counted: Sequence[int], bounds: Bounds) -> list[tuple[int, int, int | None]]:
    """Return where each loop (with its period) and each long stretch between loops begins and ends, in order."""
    alike = array("i", [outline.alike[place] for place in counted])
    loops = list(islice(repeats(alike), bounds.loops))
    ends = [0, *(loop.end for loop in loops)]
    singles = [(at, loop.begin) for at, loop in zip(ends, loops, strict=False)] + [(ends[-1], len(counted))]
    total = sum(end - begin for begin, end in singles)
    found: list[tuple[int, int, int | None]] = [(loop.begin, loop.end, loop.period) for loop in loops]
    before = 0
    for begin, end in singles:
        first, last = max(begin, begin + bounds.head - before), min(end, begin + total - bounds.tail - before)
        if first < last:
            found.append((first, last, None))
        before += end - begin
    return sorted(found, key=lambda stretch: stretch[0])


def _fold(outline: Outline, places: Sequence[int], period: int | None, *, kept: int) -> Fold:
    """Return one stretch, looking at each of its steps once."""
    length = period or 1
    statuses: Counter[StepStatus] = Counter()
    took: list[int] = []
    turn: list[Step] = []
    notable: list[Step] = []
    slowest: list[Step] = []
    first: list[Step] = []
    begun_ms: int | None = None
    last_ms: int | None = None
    slowest_ms, is_open = -1, False
    for step in outline.at(places):
        statuses[step.status] += 1
        if step.started_at_ms is not None and (begun_ms is None or step.started_at_ms < begun_ms):
            begun_ms = step.started_at_ms
        is_open = is_open or step.is_open
        if step.finished_at_ms is not None and (last_ms is None or step.finished_at_ms > last_ms):
            last_ms = step.finished_at_ms
        if len(notable) < kept and (step.went_wrong or step.is_open or step.status == "interrupted"):
            notable.append(step)
        turn.append(step)
        if len(turn) < length:
            continue
        first = first or turn
        ms = _took(turn)
        if ms is not None:
            took.append(ms)
            if period and ms > slowest_ms:
                slowest, slowest_ms = turn, ms
        turn = []
    took.sort()
    shown = sorted({step.seq: step for step in (*notable, *slowest)}.values(), key=lambda step: step.seq)
    view = FoldView(
        first=int(outline.seqs[places[0]]),
        last=int(outline.seqs[places[-1]]),
        count=len(places),
        names=[step.name for step in first] if period else [],
        turns=len(places) // length,
        min_ms=took[0] if took else None,
        median_ms=percentile(took, 50),
        max_ms=took[-1] if took else None,
        slowest=slowest[0].seq if slowest else None,
        by_status=dict(statuses),
        started_at=iso(begun_ms),
        finished_at=None if is_open else iso(last_ms),
        kept=[step.seq for step in shown],
    )
    return Fold(view, places[0], places[-1] + 1, shown)


def _took(turn: Sequence[Step]) -> int | None:
    """Return how long a turn took, from its first step's beginning to its last one's end; None while one is open."""
    if len(turn) == 1:
        return turn[0].duration_ms
    ended = [step.finished_at_ms for step in turn if step.finished_at_ms is not None]
    if len(ended) < len(turn):
        return None
    return max(0, int(max(ended) - min(begin_ms(step) for step in turn)))
