"""What the steps of an undo undo: its plan says so, in order. Reads the store.

``dashboard.workflow`` records the plan in a step, then one step for each entry. When some are stuck and the undo is
retried, another step says so, and only those that failed have their turn again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otel_bridge.codec import WHOLE, decode
from otel_bridge.models import Step
from otel_bridge.store.base import StateStore

PLAN_STEP, STUCK_STEP, COMPENSATE_PREFIX = "durable.plan", "durable.stuck", "compensate:"
UNDO_WORKFLOW = "durable.undo"


def with_compensated(store: StateStore, undo_id: str, steps: Sequence[Step]) -> list[Step]:
    """Return an undo's steps with the number of the step that each compensates; as they are where no plan tells.

    Raises:
        StoreUnavailableError: the plan cannot be read now.
    """
    planned = next((step for step in steps if step.name == PLAN_STEP and not step.is_open), None)
    whole = store.get_step(undo_id, planned.seq, cap_bytes=None) if planned is not None else None
    plan = decode(whole.output, limits=WHOLE).json if whole is not None and whole.output is not None else None
    if not isinstance(plan, list):
        return list(steps)
    return pair(steps, [entry.get("seq") if isinstance(entry, Mapping) else None for entry in plan])


def pair(steps: Sequence[Step], plan: Sequence[object]) -> list[Step]:
    """Give each compensation the number whose turn it is."""
    paired, turn, failed = [], list(plan), list[object]()
    for step in sorted(steps, key=lambda step: step.seq):
        if step.name == STUCK_STEP:
            turn, failed = failed, []
        elif turn and (step.name.startswith(COMPENSATE_PREFIX) or (step.name == UNDO_WORKFLOW and step.child_run_id)):
            seq = turn.pop(0)
            if step.status == "failed":
                failed.append(seq)
            if isinstance(seq, int):
                step = step._replace(compensates=seq)
        paired.append(step)
    return paired
