"""Runs that the engine itself made live again, noted in the audit log. Reads and writes the ledger.

An application, or the ``dbos`` command, may resume or rewind a run without this product. The engine's row then says
neither when that was nor that the run had ended before; the bridge has seen it end, and knows.
"""

from __future__ import annotations

from collections.abc import Iterable

from otel_bridge.ledger.base import GONE, AuditEntry, ExportedRun, Ledger
from otel_bridge.model.runs import Run
from otel_bridge.runs.attempts import ENDED_AS, ENDED_AT, ENGINE_ACTOR, REQUEUES, RESUME, UNSEEN
from otel_bridge.runs.overlay import CLOCKS_MS


def note_resumes(ledger: Ledger, planned: Iterable[tuple[Run, ExportedRun | None, ExportedRun]]) -> None:
    """Write each resume by the engine into the audit log, once, however often the same export is tried.

    Args:
        planned: runs without a kept life, each with what was exported of it and what will have been.

    Raises:
        LedgerUnavailableError: nothing can be written now.
    """
    revived = {
        run.id: (run, before)
        for run, before, now in planned
        if before is not None and now.generation > before.generation and now.status != GONE
    }
    if not revived:
        return
    noted = ledger.audit_of_runs(list(revived), REQUEUES)
    begun = ledger.requeue_begun_at(list(revived))
    for run_id, (run, before) in revived.items():
        acts = [*(entry.at_ms for entry in noted.get(run_id, ())), begun.get(run_id, 0)]
        if (
            max(acts) < _last_seen_ms(before) - CLOCKS_MS
        ):  # a move cancels a run for a moment: that is an action of ours
            ledger.add_audit(_entry(run, before))


def _last_seen_ms(exported: ExportedRun) -> int:
    ends = [end_ms for end_ms, generation in exported.steps.values() if generation == exported.generation]
    return exported.ended_at_ms if exported.ended and exported.ended_at_ms is not None else max(ends, default=0)


def _entry(run: Run, before: ExportedRun) -> AuditEntry:
    """While the run is queued its row was last changed by the resume; later it is only known to have been before."""
    seen = run.is_queued
    ended = {ENDED_AS: before.status, ENDED_AT: before.ended_at_ms} if before.ended else {}
    return AuditEntry(
        at_ms=run.updated_at_ms if seen or run.started_at_ms is None else run.started_at_ms,
        actor=ENGINE_ACTOR,
        action=RESUME,
        run_id=run.id,
        outcome="done",
        detail="The application or the engine's own tools resumed or rewound the run.",
        params={**ended, **({} if seen else {UNSEEN: True})},
    )
