"""The steps that forks share: a fork takes over steps of its original, and what such a step did is undone once.

Whichever run's undo plans it first undoes it; the undo of every other run that has the step leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from dbos import DBOS, StepInfo

from dashboard.workflow.names import PLAN_STEP
from otel_bridge.model.names import UNDO_PREFIX

MOST_RELATIVES = 1_000


def fork_family(
    run_id: str, *, original_of: Callable[[str], str | None], forks_of: Callable[[Sequence[str]], Iterable[str]]
) -> list[str]:
    """Return the other runs that may share steps with a run: its original, that one's, and all of their forks. Pure.

    Args:
        original_of: the run that one was forked from; None where it is no fork, or is gone.
        forks_of: the runs forked from any of some.

    Example:
        >>> forked = {"b": "a", "c": "b", "d": "a"}
        >>> fork_family("b", original_of=forked.get, forks_of=lambda ids: [one for one in forked if forked[one] in ids])
        ['a', 'd', 'c']
    """
    found: dict[str, None] = {run_id: None}
    original = original_of(run_id)
    while original is not None and original not in found and len(found) < MOST_RELATIVES:
        found[original] = None
        original = original_of(original)
    level = list(found)
    while level and len(found) < MOST_RELATIVES:
        level = [fork for fork in dict.fromkeys(forks_of(level)) if fork not in found]
        found.update(dict.fromkeys(level))
    return [one for one in found if one != run_id][:MOST_RELATIVES]


def left_out(step: str, seq: int, undo_id: str) -> str:
    """Return, in words, why an undo leaves a step out."""
    return f"Step {seq} ({step}) is left out: {undo_id} undoes it, of the run that shares it with this one by a fork."


def undone_elsewhere(run_id: str, steps: Mapping[int, StepInfo]) -> dict[int, str]:
    """Return which of a run's steps the undo of another run undoes, each with that undo's id.

    Called inside steps only: what it reads is not recorded itself.
    """
    found: dict[int, str] = {}
    for relative in fork_family(run_id, original_of=_original_of, forks_of=_forks_of) if steps else ():
        undo_id = f"{UNDO_PREFIX}{relative}"
        planned = _planned(undo_id)
        theirs = DBOS.list_workflow_steps(relative, load_output=False) if planned else []
        for their in theirs:
            own = steps.get(their["function_id"])
            if their["function_id"] in planned and own is not None and _identity(own) == _identity(their):
                found.setdefault(their["function_id"], undo_id)
    return found


def _identity(step: StepInfo) -> tuple[str, int | None, int | None]:
    """A fork's copy has its original's times."""
    return step["function_name"], step["started_at_epoch_ms"], step["completed_at_epoch_ms"]


def _original_of(run_id: str) -> str | None:
    status = DBOS.get_workflow_status(run_id)
    return None if status is None else status.forked_from


def _forks_of(run_ids: Sequence[str]) -> Iterable[str]:
    forks = DBOS.list_workflows(forked_from=list(run_ids), limit=MOST_RELATIVES, load_input=False, load_output=False)
    return [fork.workflow_id for fork in forks]


def _planned(undo_id: str) -> set[int]:
    for step in DBOS.list_workflow_steps(undo_id):
        if step["function_name"] == PLAN_STEP and isinstance(step["output"], list):
            return {entry["seq"] for entry in step["output"] if "childRunId" not in entry}
    return set()
