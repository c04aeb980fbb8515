"""Remote steps whose children were put on a queue again, long after the parent asked. Reads the ledger.

The child's row keeps its last life alone. So a step would count its wait from when the parent asked for it: hours,
where somebody retried the child in between. And where the parent has the result of an earlier life, the row says
nothing of it any more. When each life began and how it ended the ledger knows, as of any run (``runs.attempts``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from otel_bridge.ledger.base import AuditEntry, ExportedRun, KeptAttempt, Ledger
from otel_bridge.model.runs import ROUNDING_MS
from otel_bridge.model.status import STATUSES
from otel_bridge.model.steps import Step
from otel_bridge.runs.attempts import ENDED_AS, ENDED_AT, REQUEUES, RESUME
from otel_bridge.runs.overlay import CLOCKS_MS
from otel_bridge.store.remote import of_child
from otel_bridge.store.waiting import Child


class ChildRequeues:
    """When the children of some remote steps were put on a queue again, and how they stood before.

    Args:
        ledger: None knows nothing.
        steps: those that will be shown; steps without a child on a queue cost nothing.
        just_now: the steps have just changed, so an action may have taken effect that is not in the audit log yet.

    Raises:
        LedgerError: it cannot be read now.

    Example:
        >>> from otel_bridge.testing import make_step
        >>> steps = [make_step("r", 1)]
        >>> ChildRequeues(None, steps).over(steps) == steps
        True
    """

    def __init__(self, ledger: Ledger | None, steps: Iterable[Step], *, just_now: bool = False) -> None:
        self._entries: Mapping[str, Sequence[AuditEntry]] = {}
        self._begun: Mapping[str, int] = {}
        self._kept: Mapping[str, Sequence[KeptAttempt]] = {}
        self._exported: Mapping[str, ExportedRun] = {}
        if ledger is None:
            return
        looked_at = [step for step in steps if step.child_run_id and (_may_wait(step) or _may_have_lived(step))]
        if not looked_at:
            return
        children = _children(looked_at)
        self._entries = ledger.audit_of_runs(children, REQUEUES)
        self._begun = ledger.requeue_begun_at(children) if just_now else {}
        lived = [one for one in looked_at if one.child_forgotten or (one.child_run_id in self._entries)]
        self._kept = ledger.kept_attempts(_children(lived)) if lived else {}
        forgotten = [one for one in lived if one.child_forgotten]
        self._exported = ledger.exported(_children(forgotten)) if forgotten else {}

    def over(self, steps: Sequence[Step], *, since_ms: int = 0) -> list[Step]:
        """Return the steps, each as its child was in the life that it shows, and put on its queue for that.

        Args:
            since_ms: when the run was created; an older action was done to a run that had the child's id before.
        """
        if not (self._entries or self._begun or self._kept or self._exported):
            return list(steps)
        return [self._over(step, since_ms) if step.child_run_id else step for step in steps]

    def _over(self, step: Step, since_ms: int) -> Step:
        earlier = self._life_collected(step, since_ms) if _may_have_lived(step) else None
        if earlier is None:
            return self._queued(step, since_ms, None) if _may_wait(step) else step
        child, until_ms = earlier
        step = of_child(step, child)
        return self._queued(step, since_ms, until_ms) if _may_wait(step) else step

    def _life_collected(self, step: Step, since_ms: int) -> tuple[Child, int] | None:
        """Return the child as it was when the run took its result, and what time ended that life.

        None where that is what its row tells, or where nobody knows.
        """
        child_id, collected_ms = step.child_run_id or "", step.collected_at_ms or 0
        lives = [
            one
            for one in self._kept.get(child_id, ())
            if one.life.run.is_terminal and one.life.run.created_at_ms >= since_ms - CLOCKS_MS
        ]
        later = [one for one in lives if one.at_ms >= collected_ms]
        if later and (step.child_forgotten or later[0].at_ms - collected_ms < ROUNDING_MS):
            return _as_kept(later[0]), later[0].at_ms
        if not step.child_forgotten:
            return None
        acts = [entry for entry in self._entries.get(child_id, ()) if entry.at_ms >= since_ms - CLOCKS_MS]
        known = self._exported.get(child_id)
        was_first = all(entry.at_ms >= collected_ms and ENDED_AT in entry.params for entry in acts)
        if known is None or not was_first or (known.created_at_ms or 0) < since_ms - CLOCKS_MS:
            return None
        return _as_exported(known, acts[0] if acts else None)

    def _queued(self, step: Step, since_ms: int, until_ms: int | None) -> Step:
        """Return the step with when its child was put on its queue for the start that it shows.

        Args:
            until_ms: when an action ended the life that it shows; None: it is the child's present one.
        """
        child, started_ms = step.child_run_id or "", step.started_at_ms
        least_ms = max(since_ms - CLOCKS_MS, step.enqueued_at_ms or 0)
        most_ms = math.inf if started_ms is None else started_ms + CLOCKS_MS
        if until_ms is not None:
            most_ms = min(most_ms, until_ms - 1)
        puts = [entry for entry in self._entries.get(child, ()) if least_ms < entry.at_ms <= most_ms]
        at_ms, by_engine = (puts[-1].at_ms, puts[-1].action == RESUME) if puts else (0, False)
        begun_ms = self._begun.get(child, 0)
        if max(at_ms, least_ms) < begun_ms <= most_ms:
            at_ms, by_engine = begun_ms, False
        if not at_ms:
            return step
        if by_engine and started_ms is not None:  # when that was nobody saw for sure: see ``Run.queue_ms``
            return step._replace(enqueued_at_ms=None)
        return step._replace(enqueued_at_ms=at_ms if started_ms is None else min(at_ms, started_ms))


def _children(steps: Iterable[Step]) -> list[str]:
    return list(dict.fromkeys(step.child_run_id for step in steps if step.child_run_id))


def _may_wait(step: Step) -> bool:
    return step.enqueued_at_ms is not None or step.child_put_back


def _may_have_lived(step: Step) -> bool:
    """Say whether the child may have lived on since its result was collected."""
    return step.asked_at_ms is not None and step.collected_at_ms is not None


def _as_kept(kept: KeptAttempt) -> Child:
    """Return the child as its row was when an action ended that life."""
    run, steps = kept.life.run, kept.life.steps
    last = steps[-1] if steps else None
    return Child(
        run.id,
        STATUSES[run.status].engine[0],
        run.workflow,
        run.created_at_ms,
        run.updated_at_ms,
        run.started_at_ms,
        run.finished_at_ms,
        run.queue,
        run.executor,
        run.delayed_until_ms,
        run.recovery_attempts,
        steps[0].begun_at_ms if steps else None,
        None if last is None else last.finished_at_ms if last.collected_at_ms is None else last.collected_at_ms,
    )


def _as_exported(known: ExportedRun, ended_by: AuditEntry | None) -> tuple[Child, int] | None:
    """Return the child's first life by what was sent of it: it was deleted, or the engine itself made it live again."""
    if ended_by is not None:
        status, ended_ms = str(ended_by.params.get(ENDED_AS)), int(ended_by.params[ENDED_AT])
        until_ms = ended_by.at_ms
    elif known.ended and known.generation == 0 and known.ended_at_ms is not None:
        status, ended_ms, until_ms = known.status or "", known.ended_at_ms, known.ended_at_ms + 1
    else:
        return None
    words = next((facts.engine for name, facts in STATUSES.items() if name == status), ())
    ends = [end_ms for end_ms, generation in known.steps.values() if generation == 0]
    if not words or known.created_at_ms is None:
        return None
    first_ms = known.first_started_at_ms
    child = Child(
        known.run_id,
        words[0],
        known.workflow or "",
        known.created_at_ms,
        ended_ms,
        first_ms,
        ended_ms,
        known.first_queue,
        None,
        last_step_ms=max(ends, default=None),
    )
    return child, until_ms
