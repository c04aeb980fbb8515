"""A run with its steps, its undo's, and what the ledger knows of it, read in memory that does not grow with the run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dashboard.errors import no_such_run
from dashboard.read.every_step import outlined
from dashboard.read.outline import Outline
from dashboard.read.services import Services
from dashboard.read.undo import compensation_pairs, read_plan
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import AuditEntry, ExportedRun, InterruptedStep, KeptAttempt
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.runs.attempts import Attempt, attempts, overlay_requeue
from otel_bridge.runs.in_hand import in_hand
from otel_bridge.runs.overlay import may_be_cut_off, overlay_run, overlay_steps
from otel_bridge.runs.presence import Presence
from otel_bridge.runs.starts import overlay_start, starts_of
from otel_bridge.store.base import StateStore

JUST_NOW_MS = 5_000
"""An action is over so soon after its last write, or it was killed."""
LOOKS, LOOK_S = 50, 0.02
"""How often, and how long after one another, it is looked whether an action is over."""
ERRORS_AT_ONCE = 20
"""Steps whose errors are held at once, each of up to some megabytes."""
ATTEMPT_STEPS = 1_000
"""Of one earlier attempt."""


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
    steps: Sequence[Step]
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
    if run.status == "cancelled":
        run = _out_of_hand(services, run)
    return overlay_run(run, services.presence())


def _out_of_hand(services: Services, run: Run) -> Run:
    """Return a run that was cancelled just now as it is once the action that did it, if it was one, is over.

    A move cancels its run for a moment (see ``runs.in_hand``): who reads it just then is not told that it has ended.
    """
    if services.store.now_ms() - run.updated_at_ms > JUST_NOW_MS:
        return run
    ledger = services.ledger_or_none()
    for _ in range(LOOKS):
        if not in_hand(ledger, [run.id]):
            break
        time.sleep(LOOK_S)
    return services.store.get_run(run.id) or run


def load(services: Services, run_id: str, *, start: int | None = None, limit: int | None = None) -> Loaded:
    """Read a run, its steps (their errors' texts apart: see ``with_errors``) and its undo's steps.

    Args:
        start: the ``seq`` to begin with; None begins at the first.
        limit: how many step rows to read at most; None: all of them, whatever ``start``.

    Raises:
        NotFound: there is no such run.
    """
    run = get_run(services, run_id)
    requeues = services.requeues([run_id]).get(run_id, [])
    run = overlay_requeue(run, requeues)
    run = overlay_start(run, starts_of(services.ledger_or_none(), [run]).get(run_id))
    reported = reported_interrupted(services, run_id) if requeues or may_be_cut_off(run) else []
    store, seen = services.store, services.presence()
    steps: Sequence[Step]
    if limit is None:
        outline = _whole(services, run, seen, reported)
        steps, next_seq, is_whole = outline, outline.next_seq, outline.next_seq is None
    else:
        found = store.get_step_part(run_id, start=start, limit=limit)
        next_seq, is_whole = found.next_seq, found.is_whole
        steps = [
            step
            for step in overlay_steps(run, services.with_requeued_children(run, found.steps), seen, reported)
            if (start is None or step.seq >= start) and (next_seq is None or step.seq < next_seq)
        ]
    undo: list[Compensation] = []
    if run.undo_id is not None:
        undo_run, undo_steps = store.get_run(run.undo_id), store.get_steps(run.undo_id, errors=True)
        if undo_run is not None:
            undo_steps = overlay_steps(undo_run, undo_steps, seen)
        undo = undo_of(store, run.undo_id, undo_steps)
    return Loaded(run, steps, undo, requeues, reported, is_whole, next_seq)


def _whole(services: Services, run: Run, seen: Presence, reported: Sequence[InterruptedStep]) -> Outline:
    """Return the outline of all of a run's steps, one that was read before where nothing can have changed it."""
    store = services.store

    def read() -> Outline:
        return outlined(
            store, run, seen=seen, reported=reported, overlaid=lambda part: services.with_requeued_children(run, part)
        )

    if run.finished_at_ms is None or overlay_steps(run, [], seen, reported):
        return read()  # workers and the ledger have a say too
    return services.outlines.of(run, count=lambda: store.count_steps(run.id).total, read=read)


def with_errors(store: StateStore, steps: Iterable[Step], *, most: int | None = None) -> Iterator[Step]:
    """Yield steps of the store with their errors, read for a few at a time.

    Args:
        most: of so many of them at most.
    """
    rest = iter(steps)
    while some := list(islice(rest, ERRORS_AT_ONCE)):
        wanted = [step.error_seq for step in some if step.has_error and step.error is None][:most]
        errors = store.get_step_errors(some[0].run_id, wanted) if wanted else {}
        most = None if most is None else most - len(wanted)
        for step in some:
            found = errors.get(step.error_seq) if step.has_error and step.error is None else None
            yield step if found is None else step._replace(error=found)


def history(services: Services, loaded: Loaded) -> list[Attempt]:
    """Return the run's attempts, the present one last; of the earlier ones as much as the ledger kept."""
    run = loaded.run
    if not loaded.requeues:
        return attempts(run, [])
    kept, exported = kept_attempts(services, run.id), exported_of(services, [run.id]).get(run.id)
    again_ms = max(loaded.requeues[-1].at_ms, run.enqueued_at_ms)
    earlier = (step for step in loaded.steps if step.begun_at_ms is not None and step.begun_at_ms < again_ms)
    return attempts(
        run,
        loaded.requeues,
        exported=exported,
        kept=kept,
        reported=loaded.reported,
        steps=with_errors(services.store, earlier, most=ERRORS_AT_ONCE),
        most_steps=ATTEMPT_STEPS,
    )


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
