"""One run and everything about it, read from the store and the ledger in a fixed number of reads."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.errors import NotFound, no_such_run
from dashboard.read import payloads
from dashboard.read.every_step import counted, every_step
from dashboard.read.folds import folded
from dashboard.read.links import trace_link
from dashboard.read.segments import parallel_groups
from dashboard.read.services import Services
from dashboard.read.undo import compensation_pairs, read_plan
from dashboard.wire.convert import attempt_view, run_fields, step_view
from dashboard.wire.folds import FoldView
from dashboard.wire.runs import AttemptView, ErrorView, Lineage, RunDetail, RunRow, RunView, StepView
from otel_bridge.codec import PREVIEW, WHOLE, Codec
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import AuditEntry, ExportedRun, InterruptedStep, KeptAttempt
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.model.status import UNSUCCESSFUL_STATUSES
from otel_bridge.model.steps import Step, StepPart
from otel_bridge.model.values import ERROR_CAP_BYTES, PayloadName, PublishedEvent, StoredValue
from otel_bridge.runs.attempts import Attempt, attempts, overlay_requeue
from otel_bridge.runs.overlay import may_be_cut_off, overlay_error, overlay_run, overlay_steps
from otel_bridge.spans import ids
from otel_bridge.store.base import StateStore

CHILDREN_SHOWN = 2_000
REACH = 500
"""So many steps before and behind one are looked at for what ran beside it."""
STEPS_SHOWN = 5_000
"""Of a timeline, at once: a run of 100,000 steps is 30 MB of JSON."""


def exported_of(services: Services, run_ids: Sequence[str]) -> dict[str, ExportedRun]:
    """Return what the ledger knows of these runs' traces; nothing, where it cannot be read."""
    try:
        return services.ledger.exported(run_ids)
    except LedgerError:
        return {}


Compensation = tuple[Step | None, Step]
"""As the undo recorded it (None before its turn), and as the undone run's timeline shows it."""


def undo_of(store: StateStore, undo_id: str, undo_steps: Sequence[Step]) -> list[Compensation]:
    """Return what an undo run compensates, in its order; nothing while it has no plan."""
    plan = read_plan(store, undo_id, undo_steps)
    return [] if plan is None else compensation_pairs(undo_steps, plan, undo_id=undo_id)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A run with its steps and its undo's, in-flight ones overlaid."""

    run: Run
    steps: list[Step]
    undo: list[Compensation]
    requeues: Sequence[AuditEntry]
    """Actions that put the run on a queue again, oldest first."""
    reported: Sequence[InterruptedStep]
    """What workers reported of its interrupted steps, in this attempt and in earlier ones."""
    is_whole: bool = True
    next_seq: int | None = None
    """The ``seq`` that the steps behind these begin with; None: there are none."""


def get_run(services: Services, run_id: str) -> Run:
    """Return the run as presence shows it.

    Raises:
        NotFound: there is no such run.
    """
    run = services.store.get_run(run_id)
    if run is None:
        raise no_such_run(run_id)
    return overlay_run(run, services.presence())


def load(services: Services, run_id: str, *, start: int | None = None, limit: int | None = None) -> Loaded:
    """Read a run, its steps and its undo's steps.

    Args:
        start: the ``seq`` to begin with; None begins at the first.
        limit: how many step rows to read at most; None: all of them, whatever ``start``.

    Raises:
        NotFound: there is no such run.
    """
    run = get_run(services, run_id)
    requeues = services.requeues([run_id]).get(run_id, [])
    run = overlay_requeue(run, requeues)
    reported = reported_interrupted(services, run_id) if requeues or may_be_cut_off(run) else []
    store, seen = services.store, services.presence()
    if limit is None:
        start, found = None, StepPart(list(every_step(store, run_id, errors=True)), is_whole=True)
    else:
        found = store.get_step_part(run_id, start=start, limit=limit, errors=True)
    steps = [
        step
        for step in overlay_steps(run, found.steps, seen, reported)
        if (start is None or step.seq >= start) and (found.next_seq is None or step.seq < found.next_seq)
    ]
    undo: list[Compensation] = []
    if run.undo_id is not None:
        undo_run, undo_steps = store.get_run(run.undo_id), store.get_steps(run.undo_id, errors=True)
        if undo_run is not None:
            undo_steps = overlay_steps(undo_run, undo_steps, seen)
        undo = undo_of(store, run.undo_id, undo_steps)
    return Loaded(run, steps, undo, requeues, reported, found.is_whole, found.next_seq)


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


def timeline(services: Services, loaded: Loaded, part: Part = WHOLE_RUN) -> Page:
    """Return the timeline: steps by ``seq``, then the compensations from -1 down; errors without their stacks."""
    codec, namespace = services.settings.codec, services.settings.namespace
    run_id = loaded.run.id
    known = exported_of(services, [run_id] if loaded.run.undo_id is None else [run_id, loaded.run.undo_id])
    groups = parallel_groups(loaded.steps)

    def view(step: Step, source: Step, group: int | None) -> StepView:
        error = payloads.show_error(step.error, codec=codec, stack=False) if step.error else None
        return step_view(
            step,
            namespace=namespace,
            exported=known.get(source.run_id),
            source=(source.run_id, source.seq),
            parallel_group=group,
            error=error,
        )

    found = folded(loaded.steps) if part.fold and not part.text else None
    steps = loaded.steps if found is None else found.steps
    if part.text:
        steps = [step for step in steps if _has_text(step, part.text.casefold(), codec)]
    begin = 0 if part.start is None or found else bisect_left(steps, part.start, key=lambda step: step.seq)
    end = len(steps) if found else begin + part.limit
    views = [view(step, step, groups.get(step.seq)) for step in steps[begin:end]]
    folds = None if found is None else found.folds
    if end < len(steps) or loaded.next_seq is not None:
        return Page(views, steps[end].seq if end < len(steps) else loaded.next_seq, folds)
    undo = [] if part.text else [view(shown, source or shown, None) for source, shown in loaded.undo]
    return Page([*views, *undo], None, folds)


def _has_text(step: Step, text: str, codec: Codec) -> bool:
    if text in step.name.casefold():
        return True
    if step.error is None:
        return False
    error = payloads.show_error(step.error, codec=codec, stack=False)
    return text in f"{error.type or ''}: {error.message}".casefold()


def run_view(services: Services, run: Run, *, codec: Codec) -> RunView:
    """Return a run with its payloads, cut to the settings' cap; ``codec`` is the viewer's."""
    settings = services.settings

    def stored(name: PayloadName) -> StoredValue | None:
        return payloads.whole_enough(
            codec, lambda cap: services.store.get_payload(run.id, name, cap_bytes=cap), settings.payload_cap_bytes
        )

    def shown(name: PayloadName) -> payloads.Shown | None:
        value = stored(name)
        return None if value is None else payloads.show(value, what=name, codec=codec)

    facts = services.failure_facts([run])
    fields = run_fields(
        overlay_error(run, facts.failures.get(run.id)),
        seen=services.presence(),
        codec=settings.codec,
        namespace=settings.namespace,
        dealt_with=facts.dealt_with(run),
    )
    fields["error"] = _error_view(services, run, fields["error"], codec=codec)
    fields["allowed"] = [action for action in fields["allowed"] if services.allows(action, run)]
    root = ids.root_span_id(run.id, namespace=settings.namespace).hex()
    link = trace_link(services.trace_template, trace_id=fields["trace_id"], span_id=root, run_id=run.id)
    return RunView(
        **fields,
        **payloads.collect(input=shown("input"), output=shown("output")),
        trace_url=link,
    )


def _error_view(services: Services, run: Run, listed: ErrorView | None, *, codec: Codec) -> ErrorView | None:
    """Return a run's error whole, with what the list says of it."""
    stored = services.store.get_payload(run.id, "error", cap_bytes=ERROR_CAP_BYTES)
    if stored is None:
        return listed
    shown = payloads.show_error(stored, codec=codec)
    return (
        shown if listed is None else shown.model_copy(update={"step": listed.step, "fingerprint": listed.fingerprint})
    )


def lineage(services: Services, run: Run) -> Lineage:
    """Return where a run came from and what became of it."""
    related = {
        "parent": run.parent_id,
        "forked_from": run.forked_from,
        "dead_run": run.dead_run_id,
        "dead_letter": run.dead_letter_id,
        "undo": run.undo_id,
        "undoes": run.undoes_id,
    }
    wanted = sorted({run_id for run_id in related.values() if run_id is not None})
    found = services.store.get_runs(wanted) if wanted else {}
    listed = {row.id: row for row in services.rows(list(found.values()))}
    rows = {name: listed[run_id] for name, run_id in related.items() if run_id in found}
    forks = services.rows(services.store.forks(run.id))
    return Lineage(forks=forks, **rows)


def _children(services: Services, run_id: str, page: Page, *, limit: int) -> tuple[list[RunRow], int]:
    """Return the rows of children, oldest first, and how many there are.

    Of a folded run with too many: those that went wrong, and those of the steps that are shown.
    """
    children = services.store.children(run_id, limit=limit + 1)
    total = len(children)
    if total > limit:
        counts = services.store.facets(RunQuery(parent_id=run_id), exact=True)
        total = max(total, sum(facet.count for facet in counts))
        children = children[:limit]
    if total > limit and page.folds is not None:
        query = RunQuery(parent_id=run_id, statuses=UNSUCCESSFUL_STATUSES, limit=limit)
        by_id = {run.id: run for run in services.runs.page(query).runs}
        shown = [step.child_run_id for step in page.steps if step.child_run_id is not None]
        by_id |= services.store.get_runs(shown[: limit - len(by_id)])
        children = sorted(by_id.values(), key=lambda run: (run.created_at_ms, run.id))
    return services.rows(children), total


def run_detail(services: Services, run_id: str, *, codec: Codec, part: Part = WHOLE_RUN) -> RunDetail:
    """Return a run, its timeline, its children and its relatives.

    Args:
        codec: the viewer's: see ``Services.codec_for``.

    Raises:
        NotFound: there is no such run.
    """
    in_part = not part.fold and not part.text
    loaded = load(services, run_id, start=part.start, limit=part.limit if in_part else None)
    page = timeline(services, loaded, part)
    children, children_total = _children(services, run_id, page, limit=part.children)
    return RunDetail(
        run=run_view(services, loaded.run, codec=codec),
        timeline=page.steps,
        next_step=page.next_seq,
        folds=page.folds,
        steps_total=len(loaded.steps) if loaded.is_whole else counted(services, loaded.run, loaded.reported),
        children=[child.id for child in children],
        children_total=children_total,
        child_runs=children,
        lineage=lineage(services, loaded.run),
        attempts=_attempt_views(history(services, loaded), codec=codec),
    )


def history(services: Services, loaded: Loaded) -> list[Attempt]:
    """Return the run's attempts, the present one last; of the earlier ones as much as the ledger kept."""
    run = loaded.run
    if not loaded.requeues:
        return attempts(run, [])
    kept, exported = kept_attempts(services, run.id), exported_of(services, [run.id]).get(run.id)
    return attempts(run, loaded.requeues, exported=exported, kept=kept, reported=loaded.reported, steps=loaded.steps)


def _attempt_views(found: Sequence[Attempt], *, codec: Codec) -> list[AttemptView]:
    def show_error(stored: StoredValue | None) -> ErrorView | None:
        return None if stored is None else payloads.show_error(stored, codec=codec, stack=False)

    return [attempt_view(attempt, is_last=attempt is found[-1], show_error=show_error) for attempt in found]


def kept_attempts(services: Services, run_id: str) -> list[KeptAttempt]:
    """Return how the run stood at earlier actions; nothing, where the ledger cannot be read."""
    try:
        return services.ledger.kept_attempts([run_id]).get(run_id, [])
    except LedgerError:
        return []


def reported_interrupted(services: Services, run_id: str) -> list[InterruptedStep]:
    """Return what workers reported of the run's interrupted steps; nothing, where the ledger cannot be read."""
    try:
        return services.ledger.interrupted([run_id]).get(run_id, [])
    except LedgerError:
        return []


def step_detail(services: Services, run_id: str, seq: int, *, codec: Codec, full: bool = False) -> StepView:
    """Return one step with its payloads, whole or cut to the settings' cap; a remote one with its child's input.

    Args:
        codec: the viewer's: see ``Services.codec_for``.

    Raises:
        NotFound: there is no such run or step.
    """
    settings = services.settings
    loaded = load(services, run_id, start=None if seq <= REACH else seq - REACH, limit=2 * REACH)
    pairs = [*((step, step) for step in loaded.steps), *((source or shown, shown) for source, shown in loaded.undo)]
    found = next((pair for pair in pairs if pair[1].seq == seq), None)
    if found is None:
        raise NotFound(f"Run {run_id[:200]!r} has no step {seq}. It may not have begun, or it was folded into another.")
    source, shown = found
    cap_bytes, limits = (None, WHOLE) if full else (settings.payload_cap_bytes, PREVIEW)
    store, child_id = services.store, source.child_run_id
    stored = store.get_step(source.run_id, source.seq, cap_bytes=cap_bytes)
    error = source.error or (stored.error if stored is not None else None)  # the first was read whole

    def read_output(cap: int | None) -> StoredValue | None:
        found = stored if cap == cap_bytes else store.get_step(source.run_id, source.seq, cap_bytes=cap)
        return found.output if found is not None else None

    def read_input(cap: int | None) -> StoredValue | None:
        return None if child_id is None else store.get_payload(child_id, "input", cap_bytes=cap)

    output = payloads.whole_enough(codec, read_output, cap_bytes)
    step_input = payloads.whole_enough(codec, read_input, cap_bytes)

    def show(value: StoredValue | None, what: payloads.What) -> payloads.Shown | None:
        if value is not None and what == "step" and source.key is not None:
            event = PublishedEvent(source.run_id, source.key, value)  # its key names it, as it does on its own route
            return payloads.show_published(event, codec=codec, limits=limits)
        return None if value is None else payloads.show(value, what=what, codec=codec, limits=limits)

    return step_view(
        shown._replace(output=None, error=None),
        namespace=settings.namespace,
        exported=exported_of(services, [source.run_id]).get(source.run_id),
        source=(source.run_id, source.seq),
        parallel_group=parallel_groups(loaded.steps).get(seq),
        error=None if error is None else payloads.show_error(error, codec=codec),
        **payloads.collect(input=show(step_input, "input"), output=show(output, "step")),
    )
