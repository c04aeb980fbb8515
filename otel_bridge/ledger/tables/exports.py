"""What was exported: the cursor, and for each run its lives, its steps and whether its end was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from otel_bridge.ledger.encoding import load_life, pack_steps, unpack_steps
from otel_bridge.ledger.records import Cursor, ExportedRun, Lease, PastLife
from otel_bridge.ledger.tables.core import Row, Session, Tables
from otel_bridge.ledger.tables.leases import require

CURSOR = "SELECT name, steps_ms, runs_ms FROM {t}cursors WHERE name = 'export'"
# By exported_ended. What is not a number is greater than every number to SQLite.
LAST_END = "SELECT max(ended_at_ms) FROM {t}exported_runs WHERE ended = 1 AND ended_at_ms <= {now}"
PUT_CURSOR = """
    INSERT INTO {t}cursors (name, steps_ms, runs_ms) VALUES ('export', :steps_ms, :runs_ms)
    ON CONFLICT (name) DO UPDATE SET steps_ms = excluded.steps_ms, runs_ms = excluded.runs_ms
"""
_COLUMNS = """run_id, generation, ended, steps, first_queue, first_started_at_ms, created_at_ms,
    ended_at_ms, status, workflow, failed_seq, failed_generation, anchored, started_at_ms"""
EXPORTED = f"SELECT {_COLUMNS} FROM {{t}}exported_runs WHERE run_id {{ids}}"
FORGET_EXPORTED = "DELETE FROM {t}exported_runs WHERE run_id = :run_id"
# The first queue and start stay. A generation that was raised since the exporter read the row wins over what it writes.
PUT_EXPORTED = f"""
    INSERT INTO {{t}}exported_runs AS r ({_COLUMNS})
    VALUES (:run_id, :generation, :ended, :steps, :first_queue, :first_started_at_ms, :created_at_ms,
        :ended_at_ms, :status, :workflow, :failed_seq, :failed_generation, :anchored, :started_at_ms)
    ON CONFLICT (run_id) DO UPDATE SET
        ended = CASE WHEN r.generation > excluded.generation THEN r.ended ELSE excluded.ended END,
        generation = CASE WHEN r.generation > excluded.generation THEN r.generation ELSE excluded.generation END,
        steps = excluded.steps,
        first_queue = coalesce(r.first_queue, excluded.first_queue),
        first_started_at_ms = coalesce(r.first_started_at_ms, excluded.first_started_at_ms),
        created_at_ms = coalesce(excluded.created_at_ms, r.created_at_ms),
        ended_at_ms = coalesce(excluded.ended_at_ms, r.ended_at_ms),
        status = coalesce(excluded.status, r.status),
        workflow = coalesce(excluded.workflow, r.workflow),
        failed_seq = coalesce(excluded.failed_seq, r.failed_seq),
        failed_generation = coalesce(excluded.failed_generation, r.failed_generation),
        anchored = coalesce(excluded.anchored, r.anchored),
        started_at_ms = excluded.started_at_ms
"""
OPEN_EXPORTS = f"""
    SELECT {_COLUMNS} FROM {{t}}exported_runs WHERE ended = 0
    ORDER BY coalesce(created_at_ms, 0), run_id LIMIT :limit
"""
PRUNE_EXPORTED = """
    DELETE FROM {t}exported_runs WHERE run_id IN (
        SELECT run_id FROM {t}exported_runs WHERE ended = 1 AND ended_at_ms < :before_ms LIMIT :limit)
    RETURNING 1
"""
# Facts of runs whose export continues are kept, however old.
PRUNE_FACTS = tuple(
    f"""
    DELETE FROM {{t}}{table} WHERE seen_at_ms < :before_ms
        AND NOT EXISTS (SELECT 1 FROM {{t}}exported_runs e WHERE e.run_id = {table}.run_id)
    """
    for table in ("traces", "queues", "counters", "past_lives", "attempts", "interrupted", "step_attempts")
)
BUMP_GENERATION = """
    UPDATE {t}exported_runs SET generation = generation + 1, ended = 0
    WHERE run_id = :run_id AND ended = 1
"""
KEEP_LIFE = """
    INSERT INTO {t}past_lives (run_id, generation, data, seen_at_ms) VALUES (:run_id, :generation, :data, {now})
    ON CONFLICT (run_id, generation) DO NOTHING
"""
PAST_LIVES = "SELECT run_id, generation, data FROM {t}past_lives WHERE run_id {ids} ORDER BY generation"
FORGET_LIVES = "DELETE FROM {t}past_lives WHERE run_id = :run_id AND generation <= :generation"

_PRUNE_BATCH = 2_000


class Exports(Tables):
    """The bridge's progress."""

    def cursor(self) -> Cursor | None:
        """Return the export cursor; None when nothing was exported yet, or the ledger is new."""
        rows = self._read(CURSOR)
        for cursor in self._decoded("cursors", rows, _cursor):
            return cursor
        if not rows:
            return None
        ((reached_ms,),) = self._read(LAST_END)  # the row is damaged: what was exported says how far it was
        return None if reached_ms is None else Cursor(steps_ms=reached_ms, runs_ms=reached_ms)

    def exported(self, run_ids: Sequence[str]) -> dict[str, ExportedRun]:
        """Return what was exported for these runs; a run never seen is absent."""
        rows = self._read_by_id(EXPORTED, run_ids)
        return {run.run_id: run for run in self._decoded("exported_runs", rows, exported_run)}

    def record_export(self, lease: Lease, *, cursor: Cursor | None, runs: Sequence[ExportedRun]) -> None:
        """Write progress in one transaction.

        Raises:
            LeaseLostError: ``lease`` is not the current one. Nothing was written.
        """
        rows = [_params(run) for run in sorted(runs, key=lambda run: run.run_id)]
        damaged = self._damaged_keys("exported_runs")

        def work(session: Session) -> None:
            require(session, lease)
            # what could not be read shall not win over what replaces it
            session.many(FORGET_EXPORTED, [{"run_id": row["run_id"]} for row in rows if row["run_id"] in damaged])
            session.many(PUT_EXPORTED, rows)
            if cursor is not None:
                session.rows(PUT_CURSOR, steps_ms=cursor.steps_ms, runs_ms=cursor.runs_ms)

        self._run(work, write=True)

    def open_exports(self, *, limit: int) -> list[ExportedRun]:
        """Return runs of which something was exported but not the end, oldest first."""
        return list(self._decoded("exported_runs", self._read(OPEN_EXPORTS, limit=limit), exported_run))

    def prune_exports(self, lease: Lease, *, ended_before_ms: int) -> int:
        """Forget runs that ended before, in small transactions, and facts as old about other runs; return how many."""
        pruned = 0
        while True:

            def work(session: Session) -> int:
                require(session, lease)
                return len(session.rows(PRUNE_EXPORTED, before_ms=ended_before_ms, limit=_PRUNE_BATCH))

            batch = self._run(work, write=True)
            pruned += batch
            if batch < _PRUNE_BATCH:
                break
        for statement in PRUNE_FACTS:
            self._write(statement, before_ms=ended_before_ms)
        self.give_back()
        return pruned

    def past_lives(self, run_ids: Sequence[str]) -> dict[str, list[PastLife]]:
        """Return the kept lives of these runs, oldest first; a run without any is absent."""
        found: dict[str, list[PastLife]] = {}
        rows = self._read_by_id(PAST_LIVES, run_ids)
        for life in self._decoded("past_lives", rows, past_life):
            found.setdefault(life.run.id, []).append(life)
        return found

    def forget_lives(self, through: Mapping[str, int]) -> None:
        """Forget kept lives that were exported: run id -> the last generation."""
        rows = [{"run_id": run_id, "generation": generation} for run_id, generation in sorted(through.items())]
        self._write_many(FORGET_LIVES, rows)


def _cursor(row: Row) -> Cursor:
    _name, steps_ms, runs_ms = row
    return Cursor(steps_ms=steps_ms, runs_ms=runs_ms)


def past_life(row: Row) -> PastLife:
    """Return what a row of ``PAST_LIVES`` holds."""
    _run_id, _generation, data = row
    return load_life(bytes(data))


def _params(run: ExportedRun) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "generation": run.generation,
        "ended": int(run.ended),
        "steps": pack_steps(run.steps),
        "first_queue": run.first_queue,
        "first_started_at_ms": run.first_started_at_ms,
        "created_at_ms": run.created_at_ms,
        "ended_at_ms": run.ended_at_ms,
        "status": run.status,
        "workflow": run.workflow,
        "failed_seq": run.failed_step[0] if run.failed_step else None,
        "failed_generation": run.failed_step[1] if run.failed_step else None,
        "anchored": run.anchored,
        "started_at_ms": run.started_at_ms,
    }


def exported_run(row: Row) -> ExportedRun:
    """Return what a row says; ``_COLUMNS`` are its columns."""
    run_id, generation, ended, steps, first_queue, first_started, created, ended_at, status, *rest = row
    workflow, failed_seq, failed_generation, anchored, started_at_ms = rest
    if ended not in (0, 1):
        raise ValueError(f"ended is {ended!r}")
    return ExportedRun(
        run_id=run_id,
        generation=generation,
        ended=bool(ended),
        steps=unpack_steps(bytes(steps)),
        first_queue=first_queue,
        first_started_at_ms=first_started,
        created_at_ms=created,
        ended_at_ms=ended_at,
        status=status,
        workflow=workflow,
        failed_step=None if failed_seq is None else (int(failed_seq), int(failed_generation)),
        anchored=anchored,
        started_at_ms=started_at_ms,
    )
