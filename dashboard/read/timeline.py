"""A run's timeline as it is shown: in parts, folded, or the steps that hold a text; as large as an answer may be."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from dashboard.read import payloads
from dashboard.read.folds import FOLD_BOUNDS, folded
from dashboard.read.loading import Loaded, exported_of, with_errors
from dashboard.read.outline import Outline, parallel_groups
from dashboard.read.services import Services
from dashboard.wire.convert import step_view
from dashboard.wire.folds import FoldView
from dashboard.wire.runs import StepView
from dashboard.wire.sizes import ANSWER_BYTES, size_of, within
from otel_bridge.codec import Codec
from otel_bridge.codec.errors import cut
from otel_bridge.model.steps import Step

CHILDREN_SHOWN = 2_000
STEPS_SHOWN = 5_000
"""Of a timeline, at once, where they are as small as that."""
_GROUP_BYTES = 40
"""The number of a step's parallel group, which is known last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part of a run is wanted.

    Args:
        start: the ``seq`` to begin with; None begins at the first.
        limit: how many steps at most; the compensations come with the last of them.
        fold: loops and long stretches folded; ``start`` and ``limit`` then do not count.
        text: only steps whose name or error holds it, in either case.
        children: how many children at most.
    """

    start: int | None = None
    limit: int = STEPS_SHOWN
    fold: bool = False
    text: str | None = None
    children: int = CHILDREN_SHOWN


WHOLE_RUN = Part()
FOLDED_RUN = Part(fold=True, children=200)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a timeline, and the ``seq`` that the next one begins with; None: there is none."""

    steps: list[StepView]
    next_seq: int | None
    folds: list[FoldView] | None = None
    compensations_total: int | None = None
    """How many there are, where not all of them are among the steps."""


View = Callable[[Step], StepView]


def timeline(services: Services, loaded: Loaded, part: Part = WHOLE_RUN, *, most_bytes: int = ANSWER_BYTES) -> Page:
    """Return the timeline: steps by ``seq``, then the compensations from -1 down; errors without their stacks.

    Args:
        most_bytes: what the steps may take: where they take more, this is a part of those that were asked for.
    """
    run_id = loaded.run.id
    known = exported_of(services, [run_id] if loaded.run.undo_id is None else [run_id, loaded.run.undo_id])
    codec, namespace = services.settings.codec, services.settings.namespace

    def view(step: Step, source: Step | None = None) -> StepView:
        source = source or step
        error = payloads.show_error(step.error, codec=codec, stack=False) if step.error else None
        place = source.run_id, source.seq
        return step_view(step, namespace=namespace, exported=known.get(source.run_id), source=place, error=error)

    if part.fold and not part.text:
        page = _folded(services, loaded, view, most_bytes=most_bytes)
    else:
        page = _part(services, loaded, view, part, most_bytes=most_bytes)
    groups = parallel_groups(loaded.steps, {step.seq for step in page.steps})
    page = replace(page, steps=[_grouped(step, groups.get(step.seq)) for step in page.steps])
    if page.next_seq is not None or part.text or not loaded.undo:
        return page
    left = most_bytes - sum(map(size_of, page.steps)) - sum(map(size_of, page.folds or ()))
    undo = within((view(shown, source) for source, shown in loaded.undo), left, least=0 if page.steps else 1)
    if len(undo) < len(loaded.undo) and page.steps and page.folds is None:
        return replace(page, next_seq=page.steps[-1].seq + 1)  # the part behind all steps holds the compensations
    total = None if len(undo) == len(loaded.undo) else len(loaded.undo)
    return replace(page, steps=[*page.steps, *undo], compensations_total=total)


def _grouped(step: StepView, group: int | None) -> StepView:
    return step if group is None else step.model_copy(update={"parallel_group": group})


def _part(services: Services, loaded: Loaded, view: View, part: Part, *, most_bytes: int) -> Page:
    steps = _from(loaded, part.start)
    if part.text:
        steps = _with_text(services, steps, part.text.casefold())
    views: list[StepView] = []
    for step in with_errors(services.store, steps):
        if len(views) == part.limit:
            return Page(views, step.seq)
        shown = view(step)
        most_bytes -= size_of(shown) + _GROUP_BYTES
        if most_bytes < 0 and views:
            return Page(views, step.seq)
        views.append(shown)
    return Page(views, loaded.next_seq)


def _from(loaded: Loaded, start: int | None) -> Iterator[Step]:
    steps = loaded.steps
    if start is None:
        return iter(steps)
    if isinstance(steps, Outline):
        return steps.at(range(bisect_left(steps.seqs, start), len(steps)))
    return iter(steps[bisect_left(steps, start, key=lambda step: step.seq) :])


def _with_text(services: Services, steps: Iterable[Step], text: str) -> Iterator[Step]:
    """Yield the steps whose name or error holds a text; errors are read of failed steps only."""
    codec = services.settings.codec
    for step in with_errors(services.store, steps):
        if text in step.name.casefold() or _error_has(step, text, codec):
            yield step


def _error_has(step: Step, text: str, codec: Codec) -> bool:
    if step.error is None:
        return False
    error = payloads.show_error(step.error, codec=codec, stack=False)
    return text in f"{error.type or ''}: {error.message}".casefold()


def _folded(services: Services, loaded: Loaded, view: View, *, most_bytes: int) -> Page:
    """Return the timeline folded, with as much of it shown step by step as there is room for."""
    outline = Outline.of(loaded.steps)
    page = Page([], outline.next_seq, [])
    for bounds in FOLD_BOUNDS:
        found = folded(outline, bounds)
        steps = (_with_short_error(view(step), bounds.message) for step in with_errors(services.store, found.steps))
        shown = within(steps, most_bytes - sum(map(size_of, found.folds)) - _GROUP_BYTES * len(found.steps))
        if len(shown) == len(found.steps):
            return Page(shown, outline.next_seq, found.folds)
        page = Page(shown, found.steps[len(shown)].seq, found.folds)
    return page


def _with_short_error(step: StepView, most: int) -> StepView:
    error = step.error
    if error is None or len(error.message) <= most:
        return step
    return step.model_copy(update={"error": error.model_copy(update={"message": cut(error.message, most)})})
