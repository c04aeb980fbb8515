"""``SqlLedger``: the ledger over any SQL database that speaks ``statements``. Touches it through ``_run`` only.

Adapters say how statements are rendered and run; every method here is one transaction.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from otel_bridge.errors import LeaseLostError
from otel_bridge.ledger import statements as sql
from otel_bridge.ledger.base import AuditEntry, Cursor, Executor, ExportedRun, Lease, PastLife
from otel_bridge.ledger.encoding import (
    dump_executor,
    dump_json,
    dump_life,
    load_executor,
    load_life,
    pack_steps,
    trace_key,
    unpack_steps,
)

T = TypeVar("T")
Row = tuple[Any, ...]

AUDIT_KEEP = 100_000
"""Newest audit entries kept."""
_AUDIT_TRIM_EVERY = 1_000
_PRUNE_BATCH = 2_000
_READ_BATCH = 500
_END_OF_TIME = 2**62


class Session(Protocol):
    """A transaction under way."""

    def rows(self, statement: str, **params: Any) -> list[Row]:
        """Run one statement; return all its rows."""

    def many(self, statement: str, params: Sequence[Mapping[str, Any]]) -> None:
        """Run one statement once per parameter set."""


class SqlLedger(ABC):
    """See ``otel_bridge.ledger.base.Ledger``."""

    @abstractmethod
    def _run(self, work: Callable[[Session], T], *, write: bool) -> T:
        """Run ``work`` in one transaction, retried once where the connection turns out to be stale.

        Raises:
            LedgerUnavailableError: the database cannot be used now.
        """

    @abstractmethod
    def close(self) -> None:
        """Release connections. Idempotent."""

    def _read(self, statement: str, **params: Any) -> list[Row]:
        return self._run(lambda session: session.rows(statement, **params), write=False)

    def _write(self, statement: str, **params: Any) -> list[Row]:
        return self._run(lambda session: session.rows(statement, **params), write=True)

    def now_ms(self) -> int:
        """The clock that leases and beats are compared by."""
        return int(self._read(sql.NOW)[0][0])

    # -- lease --------------------------------------------------------------------------------------------------

    def acquire_lease(self, name: str, owner: str, *, ttl_s: float) -> Lease | None:
        """Take or renew the lease; None while another owner holds it."""
        rows = self._write(sql.ACQUIRE_LEASE, name=name, owner=owner, ttl_ms=round(ttl_s * 1000))
        return Lease(name, owner, rows[0][0], rows[0][1]) if rows else None

    def release_lease(self, lease: Lease) -> None:
        """Give the lease up; one no longer ours is left alone."""
        self._write(sql.RELEASE_LEASE, name=lease.name, owner=lease.owner, token=lease.token)

    def lease_holder(self, name: str) -> Lease | None:
        """Return who holds the lease now, if anybody."""
        rows = self._read(sql.LEASE_HOLDER, name=name)
        return Lease(name, *rows[0]) if rows else None

    @staticmethod
    def _require(session: Session, lease: Lease) -> None:
        current = session.rows(sql.LEASE_IS_CURRENT, name=lease.name, owner=lease.owner, token=lease.token)
        if not current:
            raise LeaseLostError(lease.name, lease.owner)

    # -- export -------------------------------------------------------------------------------------------------

    def cursor(self) -> Cursor | None:
        """Return the export cursor, if anything was exported yet."""
        rows = self._read(sql.CURSOR)
        return Cursor(steps_ms=rows[0][0], runs_ms=rows[0][1]) if rows else None

    def exported(self, run_ids: Sequence[str]) -> dict[str, ExportedRun]:
        """Return what was exported for these runs."""
        found: dict[str, ExportedRun] = {}
        for start in range(0, len(run_ids), _READ_BATCH):
            ids = list(run_ids[start : start + _READ_BATCH])
            found.update((row[0], _exported_run(row)) for row in self._read(sql.EXPORTED, ids=ids))
        return found

    def record_export(self, lease: Lease, *, cursor: Cursor | None, runs: Sequence[ExportedRun]) -> None:
        """Write progress in one transaction, or raise ``LeaseLostError`` and write nothing."""
        rows = [_exported_params(run) for run in sorted(runs, key=lambda run: run.run_id)]

        def work(session: Session) -> None:
            self._require(session, lease)
            session.many(sql.PUT_EXPORTED, rows)
            if cursor is not None:
                session.rows(sql.PUT_CURSOR, steps_ms=cursor.steps_ms, runs_ms=cursor.runs_ms)

        self._run(work, write=True)

    def open_exports(self, *, limit: int) -> list[ExportedRun]:
        """Return runs of which something was exported but not the end, oldest first."""
        return [_exported_run(row) for row in self._read(sql.OPEN_EXPORTS, limit=limit)]

    def prune_exports(self, lease: Lease, *, ended_before_ms: int) -> int:
        """Forget runs that ended before, in small transactions, and facts as old about runs not told."""
        pruned = 0
        while True:

            def work(session: Session) -> int:
                self._require(session, lease)
                return len(session.rows(sql.PRUNE_EXPORTED, before_ms=ended_before_ms, limit=_PRUNE_BATCH))

            batch = self._run(work, write=True)
            pruned += batch
            if batch < _PRUNE_BATCH:
                break
        for statement in sql.PRUNE_FACTS:
            self._write(statement, before_ms=ended_before_ms)
        return pruned

    # -- generations --------------------------------------------------------------------------------------------

    def bump_generation(self, run_id: str) -> int:
        """Note that an ended run is about to live again; return its generation."""

        def work(session: Session) -> int:
            rows = session.rows(sql.BUMP_GENERATION, run_id=run_id)
            rows = rows or session.rows(sql.GENERATION, run_id=run_id)
            return int(rows[0][0]) if rows else 0

        return self._run(work, write=True)

    def generation(self, run_id: str) -> int:
        """Return the run's current generation."""
        rows = self._read(sql.GENERATION, run_id=run_id)
        return int(rows[0][0]) if rows else 0

    def keep_life(self, life: PastLife) -> None:
        """Keep what the engine is about to overwrite; the first answer stays."""
        self._write(sql.KEEP_LIFE, run_id=life.run.id, generation=life.generation, data=dump_life(life))

    def past_lives(self, run_ids: Sequence[str]) -> dict[str, list[PastLife]]:
        """Return the kept lives of these runs, oldest first."""
        found: dict[str, list[PastLife]] = {}
        for start in range(0, len(run_ids), _READ_BATCH):
            ids = list(run_ids[start : start + _READ_BATCH])
            for run_id, _, data in self._read(sql.PAST_LIVES, ids=ids):
                found.setdefault(run_id, []).append(load_life(bytes(data)))
        return found

    def forget_lives(self, through: Mapping[str, int]) -> None:
        """Forget kept lives that were exported."""
        rows = [{"run_id": run_id, "generation": generation} for run_id, generation in sorted(through.items())]
        if rows:
            self._run(lambda session: session.many(sql.FORGET_LIVES, rows), write=True)

    # -- facts about runs which the engine overwrites -------------------------------------------------------------

    def remember_queues(self, queues: Mapping[str, str]) -> None:
        """Remember runs' original queues; the first answer stays."""
        rows = [{"run_id": run_id, "queue": queue} for run_id, queue in sorted(queues.items())]
        if rows:
            self._run(lambda session: session.many(sql.REMEMBER_QUEUE, rows), write=True)

    def original_queue(self, run_id: str) -> str | None:
        """Return the queue that the run was first put on, if anybody saw it."""
        rows = self._read(sql.ORIGINAL_QUEUE, run_id=run_id)
        return str(rows[0][0]) if rows else None

    def count(self, run_id: str, what: str) -> int:
        """Return a counter of a run."""
        rows = self._read(sql.COUNT, run_id=run_id, what=what)
        return int(rows[0][0]) if rows else 0

    def bump_count(self, run_id: str, what: str) -> int:
        """Add one to a counter of a run; return the new value."""
        return int(self._write(sql.BUMP_COUNT, run_id=run_id, what=what)[0][0])

    # -- presence -----------------------------------------------------------------------------------------------

    def heartbeat(self, executor: Executor) -> None:
        """Upsert one executor's row, stamped with the ledger's own clock."""
        self._write(sql.HEARTBEAT, instance_id=executor.instance_id, data=dump_executor(executor))

    def executors(self) -> list[Executor]:
        """Return every executor row, live or not."""
        return [load_executor(data, beat_at_ms=beat_at_ms) for beat_at_ms, data in self._read(sql.EXECUTORS)]

    def prune_executors(self, *, beat_before_ms: int, keep: Collection[str] = ()) -> int:
        """See ``Ledger.prune_executors``."""
        return len(self._write(sql.PRUNE_EXECUTORS, before_ms=beat_before_ms, ids=list(keep)))

    # -- traces -------------------------------------------------------------------------------------------------

    def add_traces(self, traces: Mapping[str, str]) -> None:
        """Remember trace ids (32 hex digits -> run id)."""
        rows = [{"trace_id": trace_key(trace), "run_id": traces[trace]} for trace in sorted(traces)]
        rows = [row for row in rows if row["trace_id"] is not None]
        if rows:
            self._run(lambda session: session.many(sql.ADD_TRACE, rows), write=True)

    def run_of_trace(self, trace_id: str) -> str | None:
        """Return the run of a trace id, if it was remembered."""
        key = trace_key(trace_id)
        rows = self._read(sql.RUN_OF_TRACE, trace_id=key) if key else []
        return str(rows[0][0]) if rows else None

    # -- audit --------------------------------------------------------------------------------------------------

    def add_audit(self, entry: AuditEntry) -> int:
        """Append to the audit log, of which the newest ``AUDIT_KEEP`` entries are kept; return the entry's id."""

        def work(session: Session) -> int:
            ((entry_id,),) = session.rows(
                sql.ADD_AUDIT,
                at_ms=entry.at_ms,
                actor=entry.actor,
                action=entry.action,
                run_id=entry.run_id,
                outcome=entry.outcome,
                detail=entry.detail,
                params=dump_json(dict(entry.params)),
            )
            if entry_id % _AUDIT_TRIM_EVERY == 0:
                session.rows(sql.TRIM_AUDIT, through=entry_id - AUDIT_KEEP)
            return int(entry_id)

        return self._run(work, write=True)

    def audit(self, *, run_id: str | None = None, before_id: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """Return audit entries, newest first."""
        before = _END_OF_TIME if before_id is None else before_id
        if run_id is None:
            rows = self._read(sql.AUDIT, before=before, limit=limit)
        else:
            rows = self._read(sql.AUDIT_OF_RUN, before=before, limit=limit, run_id=run_id)
        return [_audit_entry(row) for row in rows]

    def audit_of_runs(self, run_ids: Sequence[str], actions: Sequence[str]) -> dict[str, list[AuditEntry]]:
        """Return what was done to these runs by these actions, oldest first; a run without any is absent."""
        found: dict[str, list[AuditEntry]] = {}
        for start in range(0, len(run_ids), _READ_BATCH):
            for row in self._read(sql.AUDIT_OF_RUNS, ids=list(run_ids[start : start + _READ_BATCH])):
                entry = _audit_entry(row)
                if entry.run_id is not None and entry.action in actions:
                    found.setdefault(entry.run_id, []).append(entry)
        return found

    # -- small shared facts ---------------------------------------------------------------------------------------

    def get_value(self, key: str) -> Any | None:
        """Return a small JSON value, or None."""
        rows = self._read(sql.GET_VALUE, key=key)
        return json.loads(rows[0][0]) if rows else None

    def put_value(self, key: str, value: Any, *, only_if_absent: bool = False) -> Any:
        """Store a small JSON value; return what is stored now."""

        def work(session: Session) -> Any:
            statement = sql.PUT_VALUE_IF_ABSENT if only_if_absent else sql.PUT_VALUE
            session.rows(statement, key=key, value=dump_json(value))
            return json.loads(session.rows(sql.GET_VALUE, key=key)[0][0])

        return self._run(work, write=True)

    def put_values(self, values: Mapping[str, Any]) -> None:
        """Store small JSON values in one transaction."""
        rows = [{"key": key, "value": dump_json(values[key])} for key in sorted(values)]
        self._run(lambda session: session.many(sql.PUT_VALUE, rows), write=True)


def _exported_params(run: ExportedRun) -> dict[str, Any]:
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
    }


def _exported_run(row: Row) -> ExportedRun:
    run_id, generation, ended, steps, first_queue, first_started, created, ended_at, status, *rest = row
    workflow, failed_seq, failed_generation = rest
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
        failed_step=None if failed_seq is None else (failed_seq, failed_generation),
    )


def _audit_entry(row: Row) -> AuditEntry:
    entry_id, at_ms, actor, action, run_id, outcome, detail, params = row
    return AuditEntry(
        at_ms=at_ms,
        actor=actor,
        action=action,
        run_id=run_id,
        outcome=outcome,
        detail=detail,
        params=json.loads(params),
        id=entry_id,
    )
