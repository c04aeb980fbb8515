"""A run beside another run or attempt: steps aligned, payloads compared. Aligning and comparing are pure.

Steps are aligned by the longest common subsequence of their names and kinds, so that a step that was added or left out
does not shift all that follow it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple, TypeVar

from dashboard.errors import BadRequest, NotFound
from dashboard.read.loading import Loaded, history, load, with_errors
from dashboard.read.run import run_view, step_detail
from dashboard.read.services import Services
from dashboard.read.timing import axis
from dashboard.wire.base import Json, iso
from dashboard.wire.compare import ComparedRow, ComparedRun, ComparedStep, CompareView, ValueChange, ValueDiff
from dashboard.wire.runs import RunView
from dashboard.wire.sizes import size_of, within
from otel_bridge.codec import Codec
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.model.steps import Step
from otel_bridge.runs.attempts import Attempt
from otel_bridge.store.base import StateStore

COMPARED = 1_000
"""Steps of each side: aligning takes time by their product."""
CHANGES_SHOWN = 200
CHANGES_BYTES = 20_000
"""Of the changes of one value."""
ROWS_BYTES = 180_000
BRIEF = 500
"""Characters of a value that was changed."""

T = TypeVar("T")
Pair = tuple[Step | None, Step | None]


def aligned(left: Sequence[T], right: Sequence[T]) -> list[tuple[int | None, int | None]]:
    """Return indices of equal items as pairs, by a longest common subsequence, and those alone on one side. Pure.

    Example:
        >>> aligned("abcd", "acxd")
        [(0, 0), (1, None), (2, 1), (None, 2), (3, 3)]
    """
    begin = 0
    while begin < min(len(left), len(right)) and left[begin] == right[begin]:
        begin += 1
    tail = 0
    while tail < min(len(left), len(right)) - begin and left[-1 - tail] == right[-1 - tail]:
        tail += 1
    middle = _middle(left[begin : len(left) - tail], right[begin : len(right) - tail])
    found: list[tuple[int | None, int | None]] = [(at, at) for at in range(begin)]
    found += [(None if a is None else a + begin, None if b is None else b + begin) for a, b in middle]
    return found + [(len(left) - at, len(right) - at) for at in range(tail, 0, -1)]


def _middle(left: Sequence[T], right: Sequence[T]) -> Iterator[tuple[int | None, int | None]]:
    # lengths[i][j]: of the longest common subsequence of left[i:] and right[j:]
    lengths = [array("H", [0]) * (len(right) + 1)]
    for item in reversed(left):
        below, row = lengths[-1], array("H", [0]) * (len(right) + 1)
        for j in range(len(right) - 1, -1, -1):
            row[j] = below[j + 1] + 1 if item == right[j] else max(below[j], row[j + 1])
        lengths.append(row)
    lengths.reverse()
    i = j = 0
    while i < len(left) and j < len(right):
        if left[i] == right[j]:
            yield i, j
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            yield i, None
            i += 1
        else:
            yield None, j
            j += 1
    yield from ((at, None) for at in range(i, len(left)))
    yield from ((None, at) for at in range(j, len(right)))


def value_diff(run: Json, other: Json, *, cut: bool = False) -> ValueDiff:
    """Return where two values differ. Pure.

    Example:
        >>> value_diff({"a": 1, "b": [1, 2]}, {"a": 2, "b": [1]}).changes[1].path
        'b[1]'
    """
    changes: list[ValueChange] = []
    left = CHANGES_BYTES
    for change in _changes("", run, other):
        left -= size_of(change)
        if len(changes) == CHANGES_SHOWN or (left < 0 and changes):
            return ValueDiff(same=False, changes=changes, cut=True)
        changes.append(change)
    return ValueDiff(same=not changes, changes=changes, cut=cut)


def _changes(path: str, run: Json, other: Json) -> Iterator[ValueChange]:
    if isinstance(run, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*other, *run]):
            inner = f"{path}.{key}" if path else str(key)
            yield from _within(inner, key in run, key in other, run.get(key), other.get(key))
    elif isinstance(run, list) and isinstance(other, list):
        for at in range(max(len(run), len(other))):
            is_in, was_in = at < len(run), at < len(other)
            pair = run[at] if is_in else None, other[at] if was_in else None
            yield from _within(f"{path}[{at}]", is_in, was_in, *pair)
    elif type(run) is not type(other) or run != other:
        yield _change(path, "changed", run, other)


def _within(path: str, is_in: bool, was_in: bool, run: Json, other: Json) -> Iterator[ValueChange]:
    if is_in and was_in:
        yield from _changes(path, run, other)
    else:
        yield _change(path, "added" if is_in else "removed", run, other)


def _change(path: str, kind: Literal["added", "removed", "changed"], run: Json, other: Json) -> ValueChange:
    return ValueChange(path=path, kind=kind, run=_brief(run), other=_brief(other))


def _brief(value: Json) -> Json:
    if isinstance(value, (dict, list)):
        text = repr(value)
        return value if len(text) <= BRIEF else f"{text[:BRIEF]}…"
    return f"{value[:BRIEF]}…" if isinstance(value, str) and len(value) > BRIEF else value


class Side(NamedTuple):
    """One side of a comparison: a run, or an earlier attempt of it."""

    loaded: Loaded
    attempt: Attempt | None

    def steps(self) -> list[Step]:
        """Return the steps to be compared, the engine's own apart, and one more, if there are more."""
        steps = self.loaded.steps if self.attempt is None else self.attempt.steps
        return list(islice((step for step in steps if not step.housekeeping), COMPARED + 1))


def _last_success(services: Services, run: Run) -> str:
    query = RunQuery(workflow=run.workflow, statuses=frozenset({"completed"}), limit=2)
    found = next((other.id for other in services.runs.page(query).runs if other.id != run.id), None)
    if found is None:
        raise NotFound(f"No other run of {run.workflow[:200]!r} has completed. Name a run to compare with (with=).")
    return found


def _attempt(services: Services, loaded: Loaded, n: int) -> Attempt:
    found = history(services, loaded)[:-1]
    attempt = next((attempt for attempt in found if attempt.n == n), None)
    if attempt is None:
        known = ", ".join(str(attempt.n) for attempt in found) or "none"
        raise NotFound(f"Run {loaded.run.id[:200]!r} has no earlier attempt {n}. Its earlier attempts: {known}.")
    return attempt


def compare(
    services: Services, run_id: str, *, codec: Codec, other: str | None, attempt: int | None, step: int | None
) -> CompareView:
    """Return a run beside another.

    Args:
        codec: the viewer's: see ``Services.codec_for``.
        other: its id; None: the workflow's last success, or, with ``attempt``, this run itself.
        attempt: an earlier attempt of ``other``.
        step: ``seq`` of a step of the run, whose output is compared too.

    Raises:
        NotFound: there is no such run, attempt or step, or nothing to compare with.
        BadRequest: the run is compared with itself.
    """
    loaded = load(services, run_id)
    if other is None:
        other = run_id if attempt is not None else _last_success(services, loaded.run)
    beside = loaded if other == run_id else load(services, other)
    if beside is loaded and attempt is None:
        raise BadRequest(f"Run {run_id[:200]!r} cannot be compared with itself. Name another run.", parameter="with")
    left = Side(loaded, None)
    right = Side(beside, None if attempt is None else _attempt(services, beside, attempt))
    sides = [side.steps() for side in (left, right)]
    pairs = _pairs(*(steps[:COMPARED] for steps in sides))
    rows = _rows(services.store, pairs, codec, has_attempt=attempt is not None)
    shown = within(rows, ROWS_BYTES)
    views = [run_view(services, side.loaded.run, codec=codec) for side in (left, right)]
    return CompareView(
        run=_side(left, views[0], services),
        other=_side(right, views[1], services),
        rows=shown,
        first_difference=next((at for at, row in enumerate(shown) if row.differs), None),
        steps_cut=len(shown) < len(rows) or max(map(len, sides)) > COMPARED,
        input=_payloads(views[0], views[1], "input"),
        output=_payloads(views[0], views[1], "output"),
        step_output=None if step is None else _step_outputs(services, pairs, step, right, codec=codec),
    )


def _pairs(left: Sequence[Step], right: Sequence[Step]) -> list[Pair]:
    places = aligned([(step.name, step.kind) for step in left], [(step.name, step.kind) for step in right])
    return [(None if a is None else left[a], None if b is None else right[b]) for a, b in places]


def _rows(store: StateStore, pairs: Sequence[Pair], codec: Codec, *, has_attempt: bool) -> list[ComparedRow]:
    """Return the rows; an error is read when it is turned into its line, so that few are held at once."""
    left = (step for step, _ in pairs if step is not None)
    right = (step for _, step in pairs if step is not None)
    lefts = (_step(step, codec) for step in with_errors(store, left))
    rights = (_step(step, codec) for step in (right if has_attempt else with_errors(store, right)))
    rows = []
    for run_step, other_step in pairs:
        run = None if run_step is None else next(lefts)
        other = None if other_step is None else next(rights)
        same = run is not None and other is not None and (run.status, run.error) == (other.status, other.error)
        rows.append(ComparedRow(run=run, other=other, differs=not same))
    return rows


def _step(step: Step, codec: Codec) -> ComparedStep:
    error = None if step.error is None else codec.decode_error(step.error)
    line = None
    if error is not None:
        kind = (error.type or "Error").rpartition(".")[2]
        line = f"{kind}: {error.message.partition(chr(10))[0]}"[:BRIEF]
    return ComparedStep(
        seq=step.seq, name=step.name, kind=step.kind, status=step.status, duration_ms=step.duration_ms, error=line
    )


def _side(side: Side, view: RunView, services: Services) -> ComparedRun:
    run, attempt = side.loaded.run, side.attempt
    if attempt is not None:
        begun = attempt.enqueued_at_ms if attempt.started_at_ms is None else attempt.started_at_ms
        queued = attempt.enqueued_at_ms
        return ComparedRun(
            id=run.id,
            workflow=run.workflow,
            status=attempt.outcome or "interrupted",
            attempt=attempt.n,
            created_at=iso(begun if queued is None else queued) or iso(run.created_at_ms) or "",
            took_ms=None if attempt.ended_at_ms is None or begun is None else max(0, attempt.ended_at_ms - begun),
            queue_ms=None if begun is None or queued is None else max(0, begun - queued),
        )
    times = axis(run, side.loaded.steps, services.store.now_ms())
    return ComparedRun(
        id=run.id,
        workflow=run.workflow,
        workflow_version=run.workflow_version,
        status=view.status,
        created_at=view.created_at,
        took_ms=times.end_ms - times.start_ms,
        queue_ms=None if run.was_put_back else times.start_ms - times.begin_ms,
        error=view.error,
    )


def _payloads(run: RunView, other: RunView, name: Literal["input", "output"]) -> ValueDiff:
    cut = any(view.truncated is not None and name in view.truncated.fields for view in (run, other))
    return value_diff(getattr(run, name), getattr(other, name), cut=cut)


def _step_outputs(
    services: Services, pairs: Sequence[Pair], seq: int, right: Side, *, codec: Codec
) -> ValueDiff | None:
    """Return how a step's output differs from that beside it; None if there is none, or it was not kept."""
    found = next((pair for pair in pairs if pair[0] is not None and pair[0].seq == seq), None)
    if found is None:
        raise NotFound(f"Step {seq} is not among the steps that were compared.")
    run, other = found
    if run is None or other is None or right.attempt is not None:
        return None
    views = [step_detail(services, step.run_id, step.seq, codec=codec) for step in (run, other)]
    values: list[object] = [view.output for view in views]
    return value_diff(*values, cut=any(view.truncated is not None for view in views))
