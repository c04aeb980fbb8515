"""What became of failures: noted as runs are shown, made good by themselves, or dealt with by somebody.

Reads the store and the ledger; records failures that nobody has recorded yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from dashboard.wire.base import iso
from dashboard.wire.errors import DecisionView
from dashboard.wire.runs import DealtWithView
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Disposition, Failure, Ledger
from otel_bridge.model.runs import Run
from otel_bridge.model.status import UNSUCCESSFUL_STATUSES
from otel_bridge.runs.failures import FailureLog


@dataclass(frozen=True, slots=True)
class FailureFacts:
    """What is known about some runs' failures, by run id, and decided about the runs and their errors."""

    failures: Mapping[str, Failure] = field(default_factory=dict)
    of_runs: Mapping[str, Disposition] = field(default_factory=dict)
    of_errors: Mapping[str, Disposition] = field(default_factory=dict)

    def dealt_with(self, run: Run) -> DealtWithView | None:
        """Return why a run's failure is of no concern any more; None if it still is, or if there is none."""
        failure = self.failures.get(run.id)
        if failure is not None and failure.settled in ("completed", "undone"):
            return DealtWithView(state="dealt_with", how=cast(Literal["completed", "undone"], failure.settled))
        if failure is None and run.status not in UNSUCCESSFUL_STATUSES:
            return None
        ended_ms = failure.ended_at_ms if failure is not None else run.finished_at_ms or run.updated_at_ms
        own = self.of_runs.get(run.id)
        if own is not None and own.at_ms >= ended_ms:
            return _view(own, "person")
        shared = None if failure is None else self.of_errors.get(failure.signature.fingerprint)
        return _view(shared, "error") if shared is not None and shared.at_ms >= ended_ms else None


def failure_facts_of(
    runs: Collection[Run],
    *,
    log: Callable[[], FailureLog],
    ledger: Callable[[], Ledger],
    known: Mapping[str, Failure] | None = None,
) -> FailureFacts:
    """Return what is known about these runs' failures; nothing, where the ledger cannot be used.

    Args:
        known: the last failures of some of them, which need not be read.
    """
    failures = dict(known or {})
    try:
        failures |= log().note([run for run in runs if run.id not in failures])
        concerned = [run.id for run in runs if run.id in failures or run.status in UNSUCCESSFUL_STATUSES]
        errors = sorted({failure.signature.fingerprint for failure in failures.values()})
        return (
            FailureFacts(failures, *ledger().decisions_on(concerned, errors)) if concerned else FailureFacts(failures)
        )
    except LedgerError:
        return FailureFacts()


def decision_view(decision: Disposition | None) -> DecisionView | None:
    """Return what somebody decided, for the wire."""
    if decision is None:
        return None
    return DecisionView(
        state=decision.state, by=decision.actor, at=iso(decision.at_ms) or "", note=decision.note or None
    )


def _view(decision: Disposition, how: Literal["person", "error"]) -> DealtWithView | None:
    if decision.state == "open":
        return None
    return DealtWithView(
        state=decision.state, how=how, by=decision.actor, at=iso(decision.at_ms), note=decision.note or None
    )
