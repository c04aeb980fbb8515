"""Where a run's time went, beside how long its like usually take.

The parts are pure functions over a run and its steps; ``run_timing`` reads both, and the workflow's last completed
runs: a page of the list by its index, and the steps of a few of them, up to ``USUAL_ROWS`` rows.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge, nsmallest
from typing import Literal, NamedTuple

from dashboard.read.loading import load
from dashboard.read.outline import Outline, parallel_groups
from dashboard.read.segments import begin_ms
from dashboard.read.services import Services
from dashboard.read.versions import percentile
from dashboard.wire.base import iso
from dashboard.wire.convert import run_rounded_ms
from dashboard.wire.timing import LongStep, TimingView, UsualView
from otel_bridge.model.runs import ROUNDING_MS, Run, RunQuery
from otel_bridge.model.status import TAKEN_STATUSES
from otel_bridge.model.steps import Step

USUAL_RUNS = 100
"""Completed runs whose times are looked at."""
USUAL_STEP_RUNS = 20
USUAL_ROWS = 2_000
"""Of so many of them the steps too, and so many rows at most."""
USUAL_FROM = 3
"""Of fewer nobody can say what is usual."""
LONGEST = 3
PATH_SHOWN = 5_000
FOR_PEOPLE = frozenset({"signal", "webhook", "update", "breakpoint"})

Part = Literal["queue", "work", "waiting"]
_FIRST: tuple[Part, ...] = ("work", "queue", "waiting")
"""Of what runs side by side, time is counted to the first of these."""


class Axis(NamedTuple):
    """When a run was put on its queue, began and ended, in Unix milliseconds."""

    begin_ms: int
    start_ms: int
    end_ms: int


def axis(run: Run, steps: Iterable[Step], now_ms: int) -> Axis:
    """Return when the run's last attempt began and ended. Pure.

    Where the store cut the run's own times to whole seconds, its steps say when it began and ended.
    """
    begin = run.enqueued_at_ms
    end = now_ms if run.finished_at_ms is None else run.finished_at_ms
    first: int | None = None
    last: int | None = None
    for step in steps:
        if _is_kept(step, begin, run):
            continue
        asked_ms, ended = step.asked_at_ms, step.finished_at_ms
        moment = begin_ms(step) if asked_ms is None or asked_ms >= begin or not _again(run) else math.inf
        if moment != math.inf and (first is None or moment < first):
            first = int(moment)
        if ended is not None and (last is None or ended > last):
            last = ended
    queue = max(0, end - begin) if run.never_started else run.queue_ms or 0
    rounded = run_rounded_ms(run) is not None
    if first is not None and (first < begin or (rounded and 0 < first - queue - begin <= ROUNDING_MS)):
        begin = first if first < begin else first - queue
    if last is not None and (last > end or (rounded and run.finished_at_ms is not None and end - last <= ROUNDING_MS)):
        end = last
    end = max(begin, end)
    return Axis(begin, end if run.is_queued else min(begin + queue, end), end)


def _is_kept(step: Step, begin: int, run: Run) -> bool:
    """Say whether the last attempt took the step's result over from an earlier one, or a fork from its original."""
    return _again(run) and step.finished_at_ms is not None and step.finished_at_ms < begin


def _again(run: Run) -> bool:
    return run.requeued_at_ms is not None or run.was_put_back or run.forked_from is not None


def split(run: Run, steps: Sequence[Step], times: Axis) -> dict[str, int]:
    """Return milliseconds by part, ``between`` among them, that add up to the axis's length. Pure, O(n log n)."""
    spent = {"queue": times.start_ms - times.begin_ms, "work": 0, "waiting": 0, "between": 0}
    begins, ends = {part: array("q") for part in _FIRST}, {part: array("q") for part in _FIRST}
    for begun, ended, part in _intervals(run, steps, times):
        begun, ended = max(begun, times.start_ms), min(ended, times.end_ms)
        if begun < ended:
            begins[part].append(begun)
            ends[part].append(ended)
    changes = ((begins, 1), (ends, -1))
    marks = merge(*(_marks(moments[part], change, part) for moments, change in changes for part in _FIRST))
    at, active = times.start_ms, dict.fromkeys(_FIRST, 0)
    for moment, change, part in marks:
        spent[_current(active)] += moment - at
        at = moment
        active[part] += change
    spent["between"] += times.end_ms - at
    return spent


def _marks(moments: Iterable[int], change: int, part: Part) -> Iterator[tuple[int, int, Part]]:
    return ((moment, change, part) for moment in sorted(moments))


def _current(active: Mapping[Part, int]) -> str:
    return next((part for part in _FIRST if active[part]), "between")


def _intervals(run: Run, steps: Sequence[Step], times: Axis) -> Iterator[tuple[int, int, Part]]:
    last = times.start_ms
    under_way = False
    for step in steps:
        if step.housekeeping:
            continue
        end = times.end_ms if step.finished_at_ms is None else step.finished_at_ms
        under_way = under_way or step.finished_at_ms is None
        started = step.started_at_ms
        if step.enqueued_at_ms is not None and step.kind == "remote":
            yield step.enqueued_at_ms, end if started is None else started, "queue"
        if started is not None:
            yield started, end, "waiting" if step.kind in ("sleep", "signal") else "work"
        if step.finished_at_ms is not None and step.collected_at_ms is not None:
            yield step.finished_at_ms, step.collected_at_ms, "waiting"
        last = max(last, end, step.collected_at_ms or 0)
    if run.waiting is not None and run.finished_at_ms is None:
        yield run.waiting.since_ms, times.end_ms, "waiting"
    elif not steps or (run.status == "running" and not under_way):
        # No step says what it does: the engine records a step when it ends.
        yield last, times.end_ms, "work"


def critical_path(steps: Iterable[Step], *, most: int | None = None) -> list[int]:
    """Return the ``seq`` of each step of the chain that the end waited for, in time: each ended before the next began.

    Pure, O(n log n).

    Args:
        most: so many at most, the last ones.
    """
    outline = Outline.of(steps)
    begins, ends, own = outline.begins, outline.ends, outline.housekeeping
    # Of those that ended together the one that began first held the end up longest.
    order = sorted((at for at in range(len(outline)) if not own[at]), key=lambda at: -begins[at])
    order.sort(key=ends.__getitem__)
    ordered_ends = array("d", map(ends.__getitem__, order))
    path: list[int] = []
    at = len(order) - 1
    while at >= 0 and (most is None or len(path) < most):
        path.append(outline.seqs[order[at]])
        at = min(at, bisect_right(ordered_ends, begins[order[at]])) - 1
    return path[::-1]


def usual(took_ms: Iterable[int]) -> UsualView | None:
    """Return what is usual among these; None of fewer than ``USUAL_FROM``. Pure."""
    ordered = sorted(took_ms)
    if len(ordered) < USUAL_FROM:
        return None
    return UsualView(count=len(ordered), median_ms=percentile(ordered, 50) or 0, p95_ms=percentile(ordered, 95) or 0)


def expected_ms(took_ms: Sequence[int], elapsed_ms: int) -> int | None:
    """Return how long a run that has lasted so long should take: the median of those that lasted longer. Pure.

    Example:
        >>> expected_ms([100, 200, 900], 50), expected_ms([100, 200, 900], 300), expected_ms([100, 200, 900], 1000)
        (200, 900, None)
    """
    longer = sorted(took for took in took_ms if took > elapsed_ms)
    return percentile(longer, 50) if len(took_ms) >= USUAL_FROM else None


class History(NamedTuple):
    """How long the workflow's last completed runs took, and their steps by name and kind."""

    runs_ms: list[int]
    steps_ms: dict[tuple[str, str], list[int]]


def history(services: Services, run: Run) -> History:
    """Read how long completed runs of the run's workflow took, itself apart."""
    query = RunQuery(workflow=run.workflow, statuses=frozenset({"completed"}), limit=USUAL_RUNS)
    before = [other for other in services.runs.page(query).runs if other.id != run.id and other.requeued_at_ms is None]
    steps = services.store.get_steps_of(
        [other.id for other in before[:USUAL_STEP_RUNS]], most_rows=USUAL_ROWS, least_one=False
    )
    measured = [axis(other, steps[other.id], 0) for other in before if other.id in steps]
    runs_ms = [end - start for _, start, end in measured]
    if len(runs_ms) < USUAL_FROM or (before and run_rounded_ms(before[0]) is None):
        runs_ms = [took for other in before if (took := other.duration_ms) is not None]
    return History(runs_ms, _by_name(step for found in steps.values() for step in found))


def _by_name(steps: Iterable[Step]) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = {}
    for step in steps:
        took = step.duration_ms
        if took is not None and step.status == "completed" and not step.housekeeping:
            found.setdefault((step.name, step.kind), []).append(took)
    return found


def run_timing(services: Services, run_id: str) -> TimingView:
    """Return where a run's time went.

    Raises:
        NotFound: there is no such run.
    """
    loaded = load(services, run_id)
    now_ms = services.store.now_ms()
    return timing(loaded.run, loaded.steps, history(services, loaded.run), now_ms=now_ms)


def timing(run: Run, steps: Iterable[Step], before: History, *, now_ms: int) -> TimingView:
    """Return where a run's time went, given how its like did. Pure."""
    steps = outline = Outline.of(steps)
    times = axis(run, steps, now_ms)
    spent = split(run, steps, times)
    took = times.end_ms - times.start_ms
    expected = None
    waits_for_people = run.waiting is not None and run.waiting.on in FOR_PEOPLE
    if run.finished_at_ms is None and run.status in TAKEN_STATUSES and not waits_for_people:
        expected = expected_ms(before.runs_ms, took)
    return TimingView(
        total_ms=times.end_ms - times.begin_ms,
        queue_ms=spent["queue"],
        work_ms=spent["work"],
        waiting_ms=spent["waiting"],
        between_ms=spent["between"],
        took_ms=took,
        usual=usual(before.runs_ms),
        expected_at=None if expected is None else iso(times.start_ms + expected),
        longest=_longest(run, steps, before, times),
        critical_path=critical_path(outline, most=PATH_SHOWN) if parallel_groups(outline) else None,
        steps_read=None if outline.next_seq is None else len(outline),
    )


def _longest(run: Run, steps: Sequence[Step], before: History, times: Axis) -> list[LongStep]:
    def lasted(step: Step) -> int:
        if step.started_at_ms is None:
            return -1
        return max(0, (times.end_ms if step.finished_at_ms is None else step.finished_at_ms) - step.started_at_ms)

    shown = (step for step in steps if not step.housekeeping and not _is_kept(step, times.begin_ms, run))
    lasting = (step for step in shown if lasted(step) > 0)
    longest = nsmallest(LONGEST, lasting, key=lambda step: (-lasted(step), step.seq))
    names = {(step.name, step.kind) for step in longest}
    within = _by_name(step for step in steps if (step.name, step.kind) in names) if longest else {}
    found = []
    for step in longest:
        others = usual(before.steps_ms.get((step.name, step.kind), ()))
        own = None if others else usual(within.get((step.name, step.kind), ()))
        found.append(
            LongStep(
                seq=step.seq,
                name=step.name,
                kind=step.kind,
                duration_ms=lasted(step),
                started_at=iso(step.started_at_ms),
                usual=others or own,
                usual_of="runs" if others else "run" if own else None,
            )
        )
    return found
