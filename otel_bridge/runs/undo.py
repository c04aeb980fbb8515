"""What the steps of an undo undo: its plan says so, in order. Reads the store.

``dashboard.workflow`` records the plan in a step, then one step for each entry. When some are stuck and the undo is
retried, another step says so, and only those that failed have their turn again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from otel_bridge.codec import WHOLE, decode
from otel_bridge.model.names import COMPENSATE_PREFIX, PLAN_STEP, STUCK_STEP, UNDO_WORKFLOW
from otel_bridge.model.steps import Step
from otel_bridge.store.base import StateStore


def steps_to_undo(
    declared: Collection[int], children: Collection[int], *, failed: Collection[int], elsewhere: Collection[int] = ()
) -> list[int]:
    """Return the numbers of the steps that undoing a run would undo, in its order: the last one first. Pure.

    The worker that plans an undo and the page that previews one read the run each in its own way; both decide here.

    Args:
        declared: steps that declared how to undo them; some of them may have no record, so their end is unknown.
        children: steps that started a run with something to undo, which is undone in their place.
        failed: steps that failed, and so had no effect to undo, unless their declaration says otherwise.
        elsewhere: steps that the undo of another run undoes, which shares them by a fork.

    Example:
        >>> steps_to_undo({1, 2, 4}, {3}, failed={2})
        [4, 3, 1]
    """
    return sorted((set(declared) - set(failed) - set(elsewhere)) | set(children), reverse=True)


def plan_entries(store: StateStore, undo_id: str, steps: Sequence[Step]) -> list[object] | None:
    """Return what an undo planned, as it recorded it; None while it has not.

    Raises:
        StoreUnavailableError: the plan cannot be read now.
    """
    planned = next((step for step in steps if step.name == PLAN_STEP and not step.is_open), None)
    whole = store.get_step(undo_id, planned.seq, cap_bytes=None) if planned is not None else None
    plan = decode(whole.output, limits=WHOLE).json if whole is not None and whole.output is not None else None
    return plan if isinstance(plan, list) else None


def turns(steps: Sequence[Step], entries: int) -> list[tuple[Step, int | None]]:
    """Return an undo's steps by ``seq``, each with the place in the plan of the entry whose turn it was. Pure."""
    turn, failed = list(range(entries)), list[int]()
    found: list[tuple[Step, int | None]] = []
    for step in sorted(steps, key=lambda step: step.seq):
        place = None
        if step.name == STUCK_STEP:
            turn, failed = failed, []
        elif turn and (step.name.startswith(COMPENSATE_PREFIX) or (step.name == UNDO_WORKFLOW and step.child_run_id)):
            place = turn.pop(0)
            if step.status == "failed":
                failed.append(place)
        found.append((step, place))
    return found


def with_compensated(store: StateStore, undo_id: str, steps: Sequence[Step]) -> list[Step]:
    """Return an undo's steps with the number of the step that each compensates; as they are where no plan tells.

    Raises:
        StoreUnavailableError: the plan cannot be read now.
    """
    plan = plan_entries(store, undo_id, steps)
    if plan is None:
        return list(steps)
    return pair(steps, [entry.get("seq") if isinstance(entry, Mapping) else None for entry in plan])


def pair(steps: Sequence[Step], plan: Sequence[object]) -> list[Step]:
    """Give each compensation the number whose turn it is. Pure."""
    numbers = [number if isinstance(number, int) else None for number in plan]
    return [
        step if place is None or numbers[place] is None else step._replace(compensates=numbers[place])
        for step, place in turns(steps, len(plan))
    ]
