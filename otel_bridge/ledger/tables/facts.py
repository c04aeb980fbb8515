"""Small facts: what the engine overwrites about runs, whose a trace is, and settings that processes share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from otel_bridge.errors import SharedLedgerError
from otel_bridge.ledger.encoding import to_json, trace_key
from otel_bridge.ledger.records import Lease
from otel_bridge.ledger.tables.core import Row, Session, Tables
from otel_bridge.ledger.tables.leases import require

REMEMBER_QUEUE = """
    INSERT INTO {t}queues (run_id, queue, seen_at_ms) VALUES (:run_id, :queue, {now})
    ON CONFLICT (run_id) DO NOTHING
"""
ORIGINAL_QUEUE = """
    SELECT queue FROM {t}queues WHERE run_id = :run_id
    UNION ALL
    SELECT first_queue FROM {t}exported_runs WHERE run_id = :run_id AND first_queue IS NOT NULL
"""
COUNT = "SELECT run_id, n FROM {t}counters WHERE run_id = :run_id AND what = :what"
BUMP_COUNT = """
    INSERT INTO {t}counters AS c (run_id, what, n, seen_at_ms) VALUES (:run_id, :what, 1, {now})
    ON CONFLICT (run_id, what) DO UPDATE SET n = c.n + 1, seen_at_ms = excluded.seen_at_ms
    RETURNING n
"""
ADD_TRACE = """
    INSERT INTO {t}traces (trace_id, run_id, seen_at_ms) VALUES (:trace_id, :run_id, {now})
    ON CONFLICT (trace_id) DO NOTHING
"""
RUN_OF_TRACE = "SELECT run_id FROM {t}traces WHERE trace_id = :trace_id"
GET_VALUE = "SELECT key, value FROM {t}settings WHERE key = :key"
PUT_VALUE = """
    INSERT INTO {t}settings (key, value) VALUES (:key, :value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value
"""
PUT_VALUE_IF_ABSENT = """
    INSERT INTO {t}settings (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING
"""


_OWNER = "owner"


class Facts(Tables):
    """Original queues, counters, traces, settings."""

    target: str

    def claim(self, *, engine_schema: str, namespace: str) -> None:
        """Note whose progress this ledger keeps, at first; do nothing when it is the same again.

        Raises:
            SharedLedgerError: it is another's.
        """
        user = _owner(engine_schema, namespace)
        owner = self.put_value(_OWNER, user, only_if_absent=True)
        if owner != user:
            raise SharedLedgerError(self.target, owner=str(owner), user=user)

    # -- about runs -------------------------------------------------------------------------------------------------

    def remember_queues(self, queues: Mapping[str, str]) -> None:
        """Remember runs' original queues (run id -> queue); the first answer stays."""
        rows = [{"run_id": run_id, "queue": queue} for run_id, queue in sorted(queues.items())]
        self._write_many(REMEMBER_QUEUE, rows)

    def original_queue(self, run_id: str) -> str | None:
        """Return the queue that the run was first put on, if anybody saw it."""
        rows = self._read(ORIGINAL_QUEUE, run_id=run_id)
        return next(self._decoded("queues", rows, _text), None)

    def count(self, run_id: str, what: str) -> int:
        """Return a counter of a run, 0 if never bumped (``redispatch``, ...)."""
        rows = self._read(COUNT, run_id=run_id, what=what)
        return next(self._decoded("counters", rows, _count), 0)

    def bump_count(self, run_id: str, what: str) -> int:
        """Add one to a counter of a run; return the new value."""
        ((bumped,),) = self._write(BUMP_COUNT, run_id=run_id, what=what)
        return int(bumped)

    # -- traces -----------------------------------------------------------------------------------------------------

    def add_traces(self, traces: Mapping[str, str]) -> None:
        """Remember trace ids (32 hex digits -> run id)."""
        rows = [{"trace_id": trace_key(trace), "run_id": traces[trace]} for trace in sorted(traces)]
        self._write_many(ADD_TRACE, [row for row in rows if row["trace_id"] is not None])

    def run_of_trace(self, trace_id: str) -> str | None:
        """Return the run of a trace id, if it was remembered."""
        key = trace_key(trace_id)
        rows = self._read(RUN_OF_TRACE, trace_id=key) if key else []
        return next(self._decoded("traces", rows, _text), None)

    # -- settings ---------------------------------------------------------------------------------------------------

    def get_value(self, key: str) -> Any | None:
        """Return a small JSON value (settings, webhook secret, retention state), or None."""
        values = self._decoded("settings", self._read(GET_VALUE, key=key), _value)
        return next(values, None)

    def put_value(self, key: str, value: object, *, only_if_absent: bool = False) -> Any:
        """Store a small JSON value; return what is stored now (the earlier one, with ``only_if_absent``)."""

        def work(session: Session) -> Any:
            if only_if_absent:
                session.rows(PUT_VALUE_IF_ABSENT, key=key, value=to_json(value))
                stored = session.rows(GET_VALUE, key=key)
                for kept in self._decoded("settings", stored, _value):
                    return kept
            session.rows(PUT_VALUE, key=key, value=to_json(value))
            return json.loads(to_json(value))

        return self._run(work, write=True)

    def put_values(self, lease: Lease, values: Mapping[str, object]) -> None:
        """Store small JSON values in one transaction, as the holder of a lease.

        Raises:
            LeaseLostError: ``lease`` is not the current one. Nothing was written.
        """
        rows = [{"key": key, "value": to_json(values[key])} for key in sorted(values)]

        def work(session: Session) -> None:
            require(session, lease)
            session.many(PUT_VALUE, rows)

        self._run(work, write=True)


def _text(row: Row) -> str:
    (text,) = row
    if not isinstance(text, str):
        raise ValueError(f"{str(text)[:100]!r} is not text")
    return text


def _count(row: Row) -> int:
    _run_id, count = row
    return int(count)


def _value(row: Row) -> Any:
    _key, value = row
    return json.loads(value)


def _owner(engine_schema: str, namespace: str) -> str:
    return f"schema {engine_schema!r}" + (f", namespace {namespace!r}" if namespace else "")
