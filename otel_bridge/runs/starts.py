"""When runs started whose rows no longer say so: the engine clears the start of what it cancels or gives up. Pure, but
for ``with_starts``, which reads the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import ExportedRun, Ledger
from otel_bridge.model.runs import Run
from otel_bridge.runs.attempts import REQUEUES, overlay_requeue


def overlay_start(run: Run, exported: ExportedRun | None) -> Run:
    """Return the run with when it started, as the bridge saw it; else as its first step tells.

    What began before the run was last put on a queue belongs to an earlier attempt, and tells nothing of this one.

    Args:
        run: with when it was last put on a queue laid over it.

    Example:
        >>> from otel_bridge.testing import make_run
        >>> run = make_run("r", status="cancelled", created_at_ms=0, started_at_ms=None, finished_at_ms=9_000)
        >>> overlay_start(replace(run, recovery_attempts=1), ExportedRun(run_id="r", started_at_ms=5_000)).duration_ms
        4000
    """
    if not run.start_is_forgotten:
        return run
    if exported is not None and exported.created_at_ms not in (None, run.created_at_ms):
        exported = None  # of a run that had the same id before and is gone
    seen_ms = None if exported is None else exported.started_at_ms
    step_ms = run.first_step_at_ms if (run.first_step_at_ms or 0) >= (run.requeued_at_ms or 0) else None
    queued = run.requeued_at_ms is not None or (exported is not None and exported.first_queue is not None)
    if seen_ms is not None or (queued and step_ms is not None):
        return replace(run, started_at_ms=_within(run, step_ms if seen_ms is None else seen_ms))
    if queued:
        return run
    if exported is not None:  # a bridge looks more often than a run waits without being seen on its queue
        return replace(run, began_at_ms=run.created_at_ms)
    return run if step_ms is None else replace(run, began_at_ms=_within(run, step_ms))


def _within(run: Run, at_ms: int | None) -> int:
    """Return a moment within the times of its run; steps are timed by another clock."""
    at_ms = run.created_at_ms if at_ms is None else max(run.created_at_ms, at_ms)
    return at_ms if run.finished_at_ms is None else min(at_ms, max(run.created_at_ms, run.finished_at_ms))


def starts_of(ledger: Ledger | None, runs: Sequence[Run]) -> Mapping[str, ExportedRun]:
    """Return what was exported of those runs whose rows forgot their start; nothing, where the ledger cannot tell."""
    forgotten = [run.id for run in runs if run.start_is_forgotten]
    try:
        return ledger.exported(forgotten) if forgotten and ledger is not None else {}
    except LedgerError:
        return {}


def with_starts(ledger: Ledger | None, runs: Sequence[Run]) -> list[Run]:
    """Return the runs, those whose rows forgot their start with when they were put on a queue, and started."""
    forgotten = [run.id for run in runs if run.start_is_forgotten]
    if not forgotten or ledger is None:
        return [overlay_start(run, None) for run in runs]
    exported = starts_of(ledger, runs)
    try:
        requeues = ledger.audit_of_runs(forgotten, REQUEUES)
    except LedgerError:
        requeues = {}
    return [overlay_start(overlay_requeue(run, requeues.get(run.id, ())), exported.get(run.id)) for run in runs]
