"""An ended run begins to live again: what the engine is about to overwrite is kept, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from otel_bridge.ledger.encoding import dump_life
from otel_bridge.ledger.records import ExportedRun, Failure, KeptAttempt, PastLife
from otel_bridge.ledger.tables.attempts import KEEP_ATTEMPT
from otel_bridge.ledger.tables.core import Row, Session
from otel_bridge.ledger.tables.exports import (
    BUMP_GENERATION,
    EXPORTED,
    KEEP_LIFE,
    PAST_LIVES,
    Exports,
    exported_run,
    past_life,
)
from otel_bridge.ledger.tables.facts import BUMP_COUNT, ORIGINAL_QUEUE, REMEMBER_QUEUE, Facts
from otel_bridge.ledger.tables.failures import record

REVIVED = "revived"
"""The counter of how often a run that had ended was made to live again."""


class Lives(Exports, Facts):
    """What was exported of runs, and what is kept of them because the engine forgets it."""

    def begin_life(
        self,
        run_id: str,
        to_keep: Callable[[ExportedRun | None, Sequence[PastLife]], PastLife | None],
        *,
        queue: str | None = None,
        attempt: KeptAttempt | None = None,
        failure: Failure | None = None,
    ) -> str | None:
        """Note that an ended run is about to live again; return the queue that it was first put on, if that is known.

        Args:
            to_keep: from what was exported and the lives that are kept already, the life that ended and is to be kept;
                None where its end was exported, and the generation is raised. Called within the transaction, so that
                no exporter comes in between.
            queue: the queue that the run is on, which the engine may forget; the first answer stays.
            attempt: how the run stands, for its history; its generation becomes that of the life that ended.
            failure: why it failed, to be recorded.

        Example:
            >>> from otel_bridge.testing import MemoryLedger
            >>> ledger = MemoryLedger()
            >>> ledger.begin_life("run-1", lambda exported, lives: None, queue="reports")
            'reports'
            >>> ledger.count("run-1", REVIVED)
            1
        """

        def work(session: Session) -> str | None:
            lives = session.rows(PAST_LIVES, ids=[run_id])
            exported = session.rows(EXPORTED, ids=[run_id])
            known = next(self._decoded("exported_runs", exported, exported_run), None)
            life = to_keep(known, list(self._decoded("past_lives", lives, past_life)))
            if life is None:
                session.rows(BUMP_GENERATION, run_id=run_id)
            else:
                session.rows(KEEP_LIFE, run_id=run_id, generation=life.generation, data=dump_life(life))
            if queue is not None:
                session.rows(REMEMBER_QUEUE, run_id=run_id, queue=queue)
            if attempt is not None:
                kept = replace(attempt.life, generation=_ended_life(life, known))
                session.rows(KEEP_ATTEMPT, run_id=run_id, at_ms=attempt.at_ms, data=dump_life(kept))
            if failure is not None:
                record(session, [failure])
            session.rows(BUMP_COUNT, run_id=run_id, what=REVIVED)
            first = session.rows(ORIGINAL_QUEUE, run_id=run_id)
            return next(self._decoded("queues", first, _queue), None)

        return self._run(work, write=True)


def _ended_life(to_keep: PastLife | None, exported: ExportedRun | None) -> int:
    """Return which life of the run ended; a retry that was refused may have raised the generation already."""
    if to_keep is not None:
        return to_keep.generation
    return 0 if exported is None else max(0, exported.generation - (not exported.ended))


def _queue(row: Row) -> str:
    (queue,) = row
    return str(queue)
