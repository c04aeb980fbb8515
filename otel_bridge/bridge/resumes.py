"""Runs that live again: when they were put back, and the engine's own resumes noted. Reads and writes the ledger.

An application, or the ``dbos`` command, may resume or rewind a run without this product. The engine's row then says
neither when that was nor that the run had ended before; the bridge has seen it end, and knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from otel_bridge.ledger.base import GONE, AuditEntry, ExportedRun, KeptAttempt, Ledger
from otel_bridge.model.runs import Run
from otel_bridge.runs.attempts import (
    ENDED_AS,
    ENDED_AT,
    ENGINE_ACTOR,
    LIFE,
    REQUEUES,
    RESUME,
    UNSEEN,
    of_this_run,
    overlay_requeue,
)
from otel_bridge.runs.overlay import CLOCKS_MS


def with_requeues(ledger: Ledger, runs: Mapping[str, Run], before: Mapping[str, ExportedRun]) -> Mapping[str, Run]:
    """Return the runs; those that live again and have no start, with when they were put on a queue again.

    They wait there, or were cancelled: the engine then forgets when they were taken.

    Args:
        before: what was exported of them.

    Raises:
        LedgerUnavailableError: it cannot be read now.
    """
    lived = (known.run_id for known in before.values() if known.ended or known.generation)
    ids = [run_id for run_id in lived if run_id in runs and runs[run_id].started_at_ms is None]
    if not ids:
        return runs
    requeues, begun = ledger.audit_of_runs(ids, REQUEUES), ledger.requeue_begun_at(ids)
    found = {one: overlay_requeue(runs[one], requeues.get(one, ()), begun_ms=begun.get(one)) for one in ids}
    return {**runs, **found}


def note_resumes(ledger: Ledger, planned: Iterable[tuple[Run, ExportedRun | None, ExportedRun]]) -> None:
    """Write each resume by the engine into the audit log, once, however often the same export is tried.

    A life that an action of ours began is known by what that action kept of the life before it: each explains the one
    life that followed, however soon that one ended too.

    Args:
        planned: runs in one of their lives, each with what was exported before that life and what will have been.

    Raises:
        LedgerUnavailableError: nothing can be written now.
    """
    revived = [
        (run, before, now)
        for run, before, now in planned
        if before is not None and now.generation > before.generation and now.status != GONE
    ]
    if not revived:
        return
    ids = list(dict.fromkeys(run.id for run, _, _ in revived))
    noted, kept = ledger.audit_of_runs(ids, REQUEUES), ledger.kept_attempts(ids)
    for run, before, now in revived:
        acts, lives = of_this_run(run, noted.get(run.id, ())), kept.get(run.id, ())
        if not (_is_noted(acts, now.generation) or _by_a_retry(lives, now.generation) or _by_a_move(acts, before)):
            ledger.add_audit(_entry(run, before, now.generation, acts, lives))


def _is_noted(acts: Iterable[AuditEntry], life: int) -> bool:
    return any(entry.action == RESUME and entry.params.get(LIFE) == life for entry in acts)


def _by_a_retry(kept: Iterable[KeptAttempt], life: int) -> bool:
    return any(one.life.run.is_terminal and one.life.generation + 1 == life for one in kept)


def _by_a_move(acts: Iterable[AuditEntry], before: ExportedRun) -> bool:
    """Say whether a move had cancelled the run for a moment: what was seen as its end came while the move was done."""
    ended_ms = before.ended_at_ms if before.ended and before.status == "cancelled" else None
    moves = (entry.at_ms for entry in acts if entry.action != RESUME and ENDED_AT not in entry.params)
    return ended_ms is not None and any(abs(at_ms - ended_ms) <= CLOCKS_MS for at_ms in moves)


def _entry(
    run: Run, before: ExportedRun, life: int, acts: Sequence[AuditEntry], kept: Sequence[KeptAttempt]
) -> AuditEntry:
    """While the run is queued its row was last changed by the resume; later it is only known to have been before."""
    seen = run.is_queued
    ended = {ENDED_AS: before.status, ENDED_AT: before.ended_at_ms} if before.ended else {}
    at_ms = run.updated_at_ms if seen or run.started_at_ms is None else run.started_at_ms
    # Between what began the life before it and what ended this one; a start may be cut to a whole second.
    later = [one.at_ms for one in kept if one.life.run.is_terminal and one.life.generation >= life]
    earlier = (entry.at_ms for entry in acts if not later or entry.at_ms < later[0])
    at_ms = max(chain((at_ms, before.ended_at_ms or 0), earlier))
    return AuditEntry(
        at_ms=min([at_ms, *(act_ms - 1 for act_ms in later)]),
        actor=ENGINE_ACTOR,
        action=RESUME,
        run_id=run.id,
        outcome="done",
        detail="The application or the engine's own tools resumed or rewound the run.",
        params={LIFE: life, **ended, **({} if seen else {UNSEEN: True})},
    )
