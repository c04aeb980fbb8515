"""The ledger in this process's memory: for tests, and for a store that lives in memory. Reads a clock only."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from otel_bridge.errors import LeaseLostError
from otel_bridge.ledger.base import AuditEntry, Cursor, Executor, ExportedRun, Lease, PastLife
from otel_bridge.ledger.encoding import dump_executor, dump_json, dump_life, load_executor, load_life, trace_key
from otel_bridge.ledger.sql import AUDIT_KEEP
from otel_bridge.ledger.underway import merge_exported


class MemoryLedger:
    """See ``otel_bridge.ledger.base.Ledger``.

    Args:
        clock: Unix milliseconds; this machine's clock unless given.
    """

    def __init__(self, *, clock: Callable[[], int] | None = None) -> None:
        self._clock = clock or (lambda: time.time_ns() // 1_000_000)
        self._lock = threading.RLock()
        self._leases: dict[str, Lease] = {}
        self._cursor: Cursor | None = None
        self._exported: dict[str, ExportedRun] = {}
        self._past: dict[tuple[str, int], tuple[bytes, int]] = {}
        self._queues: dict[str, tuple[str, int]] = {}
        self._counters: dict[tuple[str, str], tuple[int, int]] = {}
        self._executors: dict[str, tuple[int, str]] = {}
        self._traces: dict[bytes, tuple[str, int]] = {}
        self._audit: list[AuditEntry] = []
        self._audit_id = 0
        self._values: dict[str, str] = {}

    def now_ms(self) -> int:
        """The clock that leases and beats are compared by."""
        return self._clock()

    # -- lease --------------------------------------------------------------------------------------------------

    def acquire_lease(self, name: str, owner: str, *, ttl_s: float) -> Lease | None:
        """Take or renew the lease; None while another owner holds it."""
        with self._lock:
            now, held = self._clock(), self._leases.get(name)
            if held is None:
                token = 1
            elif held.owner == owner:
                token = held.token
            elif held.expires_at_ms <= now:
                token = held.token + 1
            else:
                return None
            lease = Lease(name, owner, token, now + round(ttl_s * 1000))
            self._leases[name] = lease
            return lease

    def release_lease(self, lease: Lease) -> None:
        """Give the lease up; one no longer ours is left alone."""
        with self._lock:
            if self._is_current(lease):
                self._leases[lease.name] = replace(lease, owner="", expires_at_ms=0)

    def lease_holder(self, name: str) -> Lease | None:
        """Return who holds the lease now, if anybody."""
        with self._lock:
            held = self._leases.get(name)
            return held if held is not None and held.expires_at_ms > self._clock() else None

    def _is_current(self, lease: Lease) -> bool:
        held = self._leases.get(lease.name)
        return held is not None and (held.owner, held.token) == (lease.owner, lease.token)

    def _require(self, lease: Lease) -> None:
        if not self._is_current(lease):
            raise LeaseLostError(lease.name, lease.owner)

    # -- export -------------------------------------------------------------------------------------------------

    def cursor(self) -> Cursor | None:
        """Return the export cursor, if anything was exported yet."""
        return self._cursor

    def exported(self, run_ids: Sequence[str]) -> dict[str, ExportedRun]:
        """Return what was exported for these runs."""
        with self._lock:
            found = {run_id: self._exported.get(run_id) for run_id in run_ids}
            return {run_id: _copy(run) for run_id, run in found.items() if run is not None}

    def record_export(self, lease: Lease, *, cursor: Cursor | None, runs: Sequence[ExportedRun]) -> None:
        """Write progress, or raise ``LeaseLostError`` and write nothing."""
        with self._lock:
            self._require(lease)
            for run in runs:
                self._exported[run.run_id] = merge_exported(self._exported.get(run.run_id), run)
            self._cursor = self._cursor if cursor is None else cursor

    def open_exports(self, *, limit: int) -> list[ExportedRun]:
        """Return runs of which something was exported but not the end, oldest first."""
        with self._lock:
            runs = [_copy(run) for run in self._exported.values() if not run.ended]
        return sorted(runs, key=lambda run: (run.created_at_ms or 0, run.run_id))[:limit]

    def prune_exports(self, lease: Lease, *, ended_before_ms: int) -> int:
        """Forget runs that ended before, and facts as old about runs not told."""
        with self._lock:
            self._require(lease)
            old = [
                run.run_id
                for run in self._exported.values()
                if run.ended and run.ended_at_ms is not None and run.ended_at_ms < ended_before_ms
            ]
            for run_id in old:
                del self._exported[run_id]

            def kept(run_id: str, seen_at_ms: int) -> bool:
                return seen_at_ms >= ended_before_ms or run_id in self._exported

            self._traces = {key: (run, at) for key, (run, at) in self._traces.items() if kept(run, at)}
            self._queues = {run: (queue, at) for run, (queue, at) in self._queues.items() if kept(run, at)}
            self._counters = {key: (n, at) for key, (n, at) in self._counters.items() if kept(key[0], at)}
            self._past = {key: (data, at) for key, (data, at) in self._past.items() if kept(key[0], at)}
            return len(old)

    # -- generations --------------------------------------------------------------------------------------------

    def bump_generation(self, run_id: str) -> int:
        """Note that an ended run is about to live again; return its generation."""
        with self._lock:
            run = self._exported.get(run_id)
            if run is None:
                return 0
            if run.ended:
                run = self._exported[run_id] = replace(run, generation=run.generation + 1, ended=False)
            return run.generation

    def generation(self, run_id: str) -> int:
        """Return the run's current generation."""
        run = self._exported.get(run_id)
        return 0 if run is None else run.generation

    def keep_life(self, life: PastLife) -> None:
        """Keep what the engine is about to overwrite; the first answer stays."""
        with self._lock:
            self._past.setdefault((life.run.id, life.generation), (dump_life(life), self._clock()))

    def past_lives(self, run_ids: Sequence[str]) -> dict[str, list[PastLife]]:
        """Return the kept lives of these runs, oldest first."""
        found: dict[str, list[PastLife]] = {}
        with self._lock:
            for key in sorted(key for key in self._past if key[0] in set(run_ids)):
                found.setdefault(key[0], []).append(load_life(self._past[key][0]))
        return found

    def forget_lives(self, through: Mapping[str, int]) -> None:
        """Forget kept lives that were exported."""
        with self._lock:
            for run_id, generation in [key for key in self._past if key[0] in through]:
                if generation <= through[run_id]:
                    del self._past[run_id, generation]

    # -- facts about runs which the engine overwrites -------------------------------------------------------------

    def remember_queues(self, queues: Mapping[str, str]) -> None:
        """Remember runs' original queues; the first answer stays."""
        with self._lock:
            for run_id, queue in queues.items():
                self._queues.setdefault(run_id, (queue, self._clock()))

    def original_queue(self, run_id: str) -> str | None:
        """Return the queue that the run was first put on, if anybody saw it."""
        with self._lock:
            if run_id in self._queues:
                return self._queues[run_id][0]
            return self._exported[run_id].first_queue if run_id in self._exported else None

    def count(self, run_id: str, what: str) -> int:
        """Return a counter of a run."""
        return self._counters.get((run_id, what), (0, 0))[0]

    def bump_count(self, run_id: str, what: str) -> int:
        """Add one to a counter of a run; return the new value."""
        with self._lock:
            value = self.count(run_id, what) + 1
            self._counters[run_id, what] = (value, self._clock())
            return value

    # -- presence -----------------------------------------------------------------------------------------------

    def heartbeat(self, executor: Executor) -> None:
        """Upsert one executor's row, stamped with the ledger's own clock."""
        with self._lock:
            self._executors[executor.instance_id] = (self._clock(), dump_executor(executor))

    def executors(self) -> list[Executor]:
        """Return every executor row, live or not."""
        with self._lock:
            rows = [self._executors[key] for key in sorted(self._executors)]
        return [load_executor(data, beat_at_ms=beat_at_ms) for beat_at_ms, data in rows]

    def prune_executors(self, *, beat_before_ms: int, keep: Collection[str] = ()) -> int:
        """See ``Ledger.prune_executors``."""
        with self._lock:
            old = [key for key, (beat_ms, _) in self._executors.items() if beat_ms < beat_before_ms and key not in keep]
            for key in old:
                del self._executors[key]
            return len(old)

    # -- traces -------------------------------------------------------------------------------------------------

    def add_traces(self, traces: Mapping[str, str]) -> None:
        """Remember trace ids (32 hex digits -> run id)."""
        with self._lock:
            for trace_id, run_id in traces.items():
                key = trace_key(trace_id)
                if key is not None:
                    self._traces.setdefault(key, (run_id, self._clock()))

    def run_of_trace(self, trace_id: str) -> str | None:
        """Return the run of a trace id, if it was remembered."""
        key = trace_key(trace_id)
        found = None if key is None else self._traces.get(key)
        return None if found is None else found[0]

    # -- audit --------------------------------------------------------------------------------------------------

    def add_audit(self, entry: AuditEntry) -> int:
        """Append to the audit log; return the entry's id."""
        with self._lock:
            self._audit_id += 1
            params = json.loads(dump_json(dict(entry.params)))
            self._audit.append(replace(entry, id=self._audit_id, params=params))
            del self._audit[:-AUDIT_KEEP]
            return self._audit_id

    def audit(self, *, run_id: str | None = None, before_id: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """Return audit entries, newest first."""
        with self._lock:
            entries = [
                entry
                for entry in reversed(self._audit)
                if (run_id is None or entry.run_id == run_id)
                and (before_id is None or (entry.id is not None and entry.id < before_id))
            ]
        return entries[:limit]

    def audit_of_runs(self, run_ids: Sequence[str], actions: Sequence[str]) -> dict[str, list[AuditEntry]]:
        """Return what was done to these runs by these actions, oldest first; a run without any is absent."""
        found: dict[str, list[AuditEntry]] = {}
        with self._lock:
            for entry in self._audit:
                if entry.run_id in run_ids and entry.action in actions and entry.outcome == "done":
                    found.setdefault(str(entry.run_id), []).append(entry)
        return found

    # -- small shared facts ---------------------------------------------------------------------------------------

    def get_value(self, key: str) -> Any | None:
        """Return a small JSON value, or None."""
        text = self._values.get(key)
        return None if text is None else json.loads(text)

    def put_value(self, key: str, value: Any, *, only_if_absent: bool = False) -> Any:
        """Store a small JSON value; return what is stored now."""
        with self._lock:
            if not (only_if_absent and key in self._values):
                self._values[key] = dump_json(value)
            return json.loads(self._values[key])

    def put_values(self, values: Mapping[str, Any]) -> None:
        """Store small JSON values in one transaction."""
        with self._lock:
            self._values.update({key: dump_json(value) for key, value in values.items()})

    def close(self) -> None:
        """Nothing to release."""


def _copy(run: ExportedRun) -> ExportedRun:
    return replace(run, steps=dict(run.steps))
