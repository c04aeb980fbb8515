"""Remote steps whose children were put on a queue again by an action, long after the parent asked. Reads the ledger.

The child's row keeps its last start alone, so a step counts its wait from when the parent asked for it: hours, where
somebody retried the child in between. When that was the audit log knows, as it does of any run (``runs.attempts``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from otel_bridge.ledger.base import AuditEntry, Ledger
from otel_bridge.model.steps import Step
from otel_bridge.runs.attempts import REQUEUES, RESUME
from otel_bridge.runs.overlay import CLOCKS_MS


class ChildRequeues:
    """When the children of some remote steps were put on a queue again.

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
        if ledger is None:
            return
        children = list(dict.fromkeys(step.child_run_id for step in steps if step.child_run_id and _may_wait(step)))
        if children:
            self._entries = ledger.audit_of_runs(children, REQUEUES)
            self._begun = ledger.requeue_begun_at(children) if just_now else {}

    def over(self, steps: Sequence[Step], *, since_ms: int = 0) -> list[Step]:
        """Return the steps, each with when its child was put on its queue for the start that it shows.

        Args:
            since_ms: when the run was created; an older action was done to a run that had the child's id before.
        """
        if not self._entries and not self._begun:
            return list(steps)
        return [self._over(step, since_ms) if step.child_run_id and _may_wait(step) else step for step in steps]

    def _over(self, step: Step, since_ms: int) -> Step:
        child, started_ms = step.child_run_id or "", step.started_at_ms
        least_ms = max(since_ms - CLOCKS_MS, step.enqueued_at_ms or 0)
        most_ms = math.inf if started_ms is None else started_ms + CLOCKS_MS
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


def _may_wait(step: Step) -> bool:
    return step.enqueued_at_ms is not None or step.child_put_back
