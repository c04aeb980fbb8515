"""What an undo would do, does, and did: the preview, and the compensations as steps of the run's own timeline."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from dashboard.read.every_step import every_step
from dashboard.workflow.copies import fork_family, left_out
from dashboard.workflow.names import COMPENSATE_PREFIX, UNDO_EVENT_PREFIX, undo_event_seq
from otel_bridge.codec import decode
from otel_bridge.model.names import UNDO_PREFIX
from otel_bridge.model.runs import Run, StartedRun
from otel_bridge.model.steps import Step, StepStatus
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.presence import Presence
from otel_bridge.runs.undo import plan_entries, steps_to_undo, turns
from otel_bridge.store.base import StateStore

CHILDREN_AT_ONCE = 5_000
"""Children of which it is asked together whether they can be undone."""
MOST_LEVELS = 11
"""Of children of children."""
_KEY_ALONE = 1


@dataclass(frozen=True, slots=True)
class PlannedUndo:
    """One compensation: of which step (or child run), and whether that step's end is unknown."""

    seq: int
    step: str
    undo: str | None = None
    maybe: bool = False
    child_run_id: str | None = None


@dataclass(frozen=True, slots=True)
class PreviewedUndo:
    """A compensation before it runs, with what its function will receive."""

    planned: PlannedUndo
    given: StoredValue | None
    output: StoredValue | None
    executing: bool


@dataclass(frozen=True, slots=True)
class UndoPreview:
    """What undoing a run now would do: how many compensations, and each, read as it is asked for."""

    total: int
    compensations: Iterator[PreviewedUndo]
    left_out: tuple[str, ...] = ()
    """In words: the steps that the undo of another run undoes."""


def preview(store: StateStore, run: Run, seen: Presence) -> UndoPreview:
    """Return what undoing the run now would do, in the order in which it would run.

    The steps that declare an undo published what they were given; of those, failed ones are left out, and one without a
    recorded end is a "maybe". (A declaration with ``even_if_failed`` is known to workers only, so its failed steps are
    not foreseen here.)
    """
    own = (undo_event_seq(event.key) for event in store.published_events(run.id, own=True, cap_bytes=_KEY_ALONE))
    declared = {seq for seq in own if seq is not None}
    failed = {step.seq for step in every_step(store, run.id) if step.status == "failed"} if declared else set[int]()
    children: dict[int, StartedRun] = {}
    started = (one for one in store.started_by([run.id]) if one.seq is not None)
    while some := list(islice(started, CHILDREN_AT_ONCE)):
        able = undoable(store, [one.child_id for one in some])
        children |= {one.seq: one for one in some if one.seq is not None and one.child_id in able}
    elsewhere = undone_elsewhere(store, run, declared - failed)
    order = steps_to_undo(declared, children, failed=failed, elsewhere=elsewhere)
    executing = {step.seq for _, step in seen.in_flight(run.id)}

    def each() -> Iterator[PreviewedUndo]:
        for seq in order:
            if (child := children.get(seq)) is not None:
                planned = PlannedUndo(seq=seq, step=str(child.name), child_run_id=child.child_id)
                yield PreviewedUndo(planned, None, None, executing=False)
            elif (found := _previewed(store, run.id, seq, executing=seq in executing)) is not None:
                yield found

    notes = tuple(left_out(step.name, seq, undo_id) for seq, (step, undo_id) in elsewhere.items())
    return UndoPreview(len(order), each(), notes)


def undone_elsewhere(store: StateStore, run: Run, seqs: Collection[int]) -> dict[int, tuple[Step, str]]:
    """Return those of a run's steps that the undo of another run undoes (see ``workflow.copies``), with its id."""
    found: dict[int, tuple[Step, str]] = {}
    for relative in _fork_family(store, run) if seqs else ():
        undo_id = f"{UNDO_PREFIX}{relative}"
        planned = {entry.seq for entry in read_plan(store, undo_id, store.get_steps(undo_id)) or () if entry.undo}
        for seq in planned.intersection(seqs):
            own, their = store.get_step(run.id, seq), store.get_step(relative, seq)
            if own is not None and their is not None and _identity(own) == _identity(their):
                found.setdefault(seq, (own, undo_id))
    return dict(sorted(found.items()))


def _fork_family(store: StateStore, run: Run) -> list[str]:
    def original_of(run_id: str) -> str | None:
        found = run if run_id == run.id else store.get_run(run_id)
        return None if found is None else found.forked_from

    return fork_family(
        run.id,
        original_of=original_of,
        forks_of=lambda run_ids: (fork.id for run_id in run_ids for fork in store.forks(run_id)),
    )


def _identity(step: Step) -> tuple[str, int | None, int | None]:
    return step.name, step.started_at_ms, step.finished_at_ms


def _previewed(store: StateStore, run_id: str, seq: int, *, executing: bool) -> PreviewedUndo | None:
    """Return the compensation of one step; None where its declaration went meanwhile."""
    event, step = store.published_event(run_id, f"{UNDO_EVENT_PREFIX}{seq}"), store.get_step(run_id, seq)
    if event is None:
        return None
    shown = decode(event.value).json
    given = shown if isinstance(shown, Mapping) else {}
    planned = PlannedUndo(
        seq=seq,
        step=step.name if step is not None else str(given.get("step", "step")),
        undo=str(given.get("undo", "")) or None,
        maybe=step is None or step.is_open,
    )
    return PreviewedUndo(planned, event.value, step.output if step is not None else None, executing)


def undoable(store: StateStore, run_ids: Sequence[str]) -> set[str]:
    """Return those of the runs that declared how to undo something, or started one that did: all at once, by level."""
    found: set[str] = set()
    level: Mapping[str, Collection[str]] = {run_id: (run_id,) for run_id in run_ids}
    for _ in range(MOST_LEVELS):
        for run_id in store.declaring_undo(list(level)):
            found.update(level[run_id])
        below: dict[str, set[str]] = {}
        for one in store.started_by([run_id for run_id, tops in level.items() if not found.issuperset(tops)]):
            below.setdefault(one.child_id, set()).update(level[one.run_id])
        if not below:
            break
        level = below
    return found


def read_plan(store: StateStore, undo_id: str, undo_steps: Sequence[Step]) -> list[PlannedUndo] | None:
    """Return what an undo run planned; None while it has not."""
    entries = plan_entries(store, undo_id, undo_steps)
    if entries is None:
        return None
    return [
        PlannedUndo(
            seq=int(entry["seq"]),
            step=str(entry["step"]),
            undo=entry.get("undo"),
            maybe=bool(entry.get("maybe")),
            child_run_id=entry.get("childRunId"),
        )
        for entry in entries
        if isinstance(entry, Mapping)
    ]


def compensation_steps(
    undo_steps: Sequence[Step], plan: Sequence[PlannedUndo], *, undo_id: str | None = None
) -> list[Step]:
    """Return an undo's compensations; see ``compensation_pairs``."""
    return [shown for _, shown in compensation_pairs(undo_steps, plan, undo_id=undo_id)]


def compensation_pairs(
    undo_steps: Sequence[Step], plan: Sequence[PlannedUndo], *, undo_id: str | None = None
) -> list[tuple[Step | None, Step]]:
    """Return an undo's compensations: as the undo recorded each (None before its turn), and as the undone run's steps,
    where ``seq`` -1 is undone first. Pure.

    A compensation that was retried appears once, as it stands now, with its ``attempts``; one whose turn has not come
    is ``pending``.

    Args:
        undo_steps: the undo run's steps, by ``seq``, in-flight ones overlaid where presence knows them.
        plan: from ``read_plan``.
    """
    if not plan:
        return []
    undo_id = undo_id or (undo_steps[0].run_id if undo_steps else f"{UNDO_PREFIX}?")
    run_id = undo_id.removeprefix(UNDO_PREFIX)
    latest: dict[int, Step] = {}
    attempts: dict[int, int] = {}
    for step, number in turns(undo_steps, len(plan)):
        if number is not None:
            latest[number] = step
            attempts[number] = attempts.get(number, 0) + 1
    return [
        (latest.get(number), _as_own(latest.get(number), planned, run_id, number, attempts.get(number, 1)))
        for number, planned in enumerate(plan)
    ]


def _as_own(step: Step | None, planned: PlannedUndo, run_id: str, number: int, attempts: int) -> Step:
    name = f"{COMPENSATE_PREFIX}{planned.step}"
    if step is None:
        status: StepStatus = "pending"
        return Step(
            run_id=run_id,
            seq=-(number + 1),
            name=name,
            kind="remote" if planned.child_run_id else "local",
            status=status,
            compensates=planned.seq,
        )
    return step._replace(
        run_id=run_id,
        seq=-(number + 1),
        name=name,
        compensates=planned.seq,
        attempts=max(attempts, step.attempts),
    )


def compensations_of(store: StateStore, undo_id: str, undo_steps: Sequence[Step] | None = None) -> list[Step]:
    """Return the compensations of an undo run as ``compensation_steps`` does, reading what is needed."""
    steps = store.get_steps(undo_id, errors=True) if undo_steps is None else undo_steps
    plan = read_plan(store, undo_id, steps)
    return [] if plan is None else compensation_steps(steps, plan, undo_id=undo_id)


def plan_view(planned: PlannedUndo) -> dict[str, Any]:
    """Return a planned compensation for the wire."""
    view: dict[str, Any] = {"seq": planned.seq, "step": planned.step, "undo": planned.undo, "maybe": planned.maybe}
    if planned.child_run_id is not None:
        view["childRunId"] = planned.child_run_id
    return {key: value for key, value in view.items() if value is not None}
