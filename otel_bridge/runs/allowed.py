"""What may be done to a run as it is now. Pure: the run and who is alive are arguments.

The one place that says so: the wire's ``allowed``, bulk actions, the caretaker and the command line read it. Actions
decide again under their lock, and say why when they refuse.
"""

from __future__ import annotations

from otel_bridge.model.actions import Action
from otel_bridge.model.runs import Run
from otel_bridge.model.status import (
    CANCELLABLE_STATUSES,
    RETRIABLE_STATUSES,
    STATUSES,
    TERMINAL_STATUSES,
    UNDOABLE_STATUSES,
)
from otel_bridge.runs.presence import Presence


def allowed_actions(run: Run, seen: Presence) -> list[Action]:
    """Return the actions to offer for a run.

    Args:
        run: as presence shows it (see ``overlay_run``).
        seen: who is alive; decides what a lost executor held.

    Returns:
        Only what has an effect. A signal may be sent to any run that has not ended, and is offered to one that waits
        for it; a fork needs a step to fork from, which a row does not tell.

    Example:
        >>> from otel_bridge.runs.presence import presence
        >>> from otel_bridge.testing import make_run
        >>> allowed_actions(make_run(status="failed"), presence((), 0))
        ['retry', 'cancel_undo', 'fork', 'retry_with_input']
    """
    undone = run.undo_id is not None
    waiting = run.waiting if run.waiting is not None and run.waiting.seq is not None else None
    waits_for = waiting.on if waiting is not None else None
    named = waiting is not None and waiting.name is not None
    offered: dict[Action, bool] = {
        "retry": run.status in RETRIABLE_STATUSES and not undone,
        "redispatch": may_be_redispatched(run, seen),
        "move": run.blocked is not None and run.blocked.code == "version_gone" and not undone,
        "continue": waits_for == "breakpoint" and named,
        "wake": waits_for == "sleep" and named,  # the engine's own sleep has no name, and nothing wakes it
        "signal": waits_for == "signal",
        "update": waits_for == "update" and named,
        "cancel": run.status in CANCELLABLE_STATUSES,
        "cancel_undo": run.status in UNDOABLE_STATUSES and not undone and run.undoes_id is None,
        "fork": run.status != "cancelling",
        "retry_with_input": run.status in TERMINAL_STATUSES,
    }
    return [action for action, offer in offered.items() if offer]


def may_be_redispatched(run: Run, seen: Presence) -> bool:
    """Say whether a run may be taken from the executor that holds it: it is lost, or nobody knows (then by force)."""
    if not STATUSES[run.status].held or run.undo_id is not None or run.is_queued:
        return False
    return not seen.known or run.status == "blocked" or seen.is_lost(run)
