"""What an undo would do, does, and did: the preview, and the compensations as steps of the run's own timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.read.every_step import every_step
from dashboard.workflow.names import COMPENSATE_PREFIX, UNDO_WORKFLOW, undo_event_seq
from otel_bridge.codec import decode
from otel_bridge.model.names import UNDO_PREFIX
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step, StepStatus
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.presence import Presence
from otel_bridge.runs.undo import plan_entries, turns
from otel_bridge.store.base import StateStore


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


def preview(store: StateStore, run: Run, seen: Presence) -> list[PreviewedUndo]:
    """Return what undoing the run now would do, in the order in which it would run.

    The steps that declare an undo published what they were given; of those, failed ones are left out, and one without a
    recorded end is a "maybe". (A declaration with ``even_if_failed`` is known to workers only, so its failed steps are
    not foreseen here.)
    """
    executing = {step.seq for _, step in seen.in_flight(run.id)}
    found: dict[int, PreviewedUndo] = {}
    for event in store.published_events(run.id, own=True):
        seq = undo_event_seq(event.key)
        if seq is None:
            continue
        step = store.get_step(run.id, seq)
        if step is not None and step.status == "failed":
            continue
        shown = decode(event.value).json
        given = shown if isinstance(shown, Mapping) else {}
        found[seq] = PreviewedUndo(
            PlannedUndo(
                seq=seq,
                step=step.name if step is not None else str(given.get("step", "step")),
                undo=str(given.get("undo", "")) or None,
                maybe=step is None or step.is_open,
            ),
            given=event.value,
            output=step.output if step is not None else None,
            executing=seq in executing,
        )
    for step in every_step(store, run.id):
        if step.child_run_id and step.name != UNDO_WORKFLOW and has_compensations(store, step.child_run_id):
            planned = PlannedUndo(seq=step.seq, step=step.name, child_run_id=step.child_run_id)
            found[step.seq] = PreviewedUndo(planned, None, None, executing=False)
    return [found[seq] for seq in sorted(found, reverse=True)]


def has_compensations(store: StateStore, run_id: str, depth: int = 0) -> bool:
    """Say whether a run, or one that it started, declared how to undo something."""
    if any(undo_event_seq(event.key) is not None for event in store.published_events(run_id, own=True, cap_bytes=64)):
        return True
    return depth < 10 and any(has_compensations(store, child.id, depth + 1) for child in store.children(run_id))


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
