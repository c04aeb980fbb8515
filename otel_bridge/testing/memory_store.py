"""``MemoryStateStore``: a working state store without an engine, for tests. Touches no file; its clock can be a fake.

It keeps rows as the engine would write them, in a private in-memory SQLite database, and reads them with the code
that reads real ones: what a test sees here is what the real stores answer.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from otel_bridge.errors import StoreUnavailableError
from otel_bridge.model.fleet import QueueInfo, ScheduleInfo, StoreInfo
from otel_bridge.model.names import GET_RESULT, UNDO_PREFIX, WAIT_EVENT_KEY
from otel_bridge.model.runs import Run
from otel_bridge.model.status import STATUSES
from otel_bridge.model.steps import Step
from otel_bridge.model.values import PayloadName
from otel_bridge.store.adapter import SqlStateStore
from otel_bridge.store.cells import fetch
from otel_bridge.store.engine_schema import ENGINE_SCHEMA
from otel_bridge.store.sql.schema import Schema
from otel_bridge.store.sql.session import Row
from otel_bridge.store.waiting import SET_EVENT, SLEEP

_DERIVED = {"cancelling": "CANCELLED", "blocked": "ENQUEUED"}
"""What the engine's row says of a run whose status other rows, or executors, tell."""


class MemoryStateStore(SqlStateStore):
    """A state store that holds what ``put_run``, ``put_step`` and their like gave it.

    Args:
        clock: what tells the time, in Unix milliseconds; a ``FakeClock`` for instance.
    """

    dialect = "sqlite"
    target = "state store in memory"

    def __init__(self, *, clock: Callable[[], int] | None = None) -> None:
        super().__init__()
        self._clock = clock if clock is not None else lambda: time.time_ns() // 1_000_000
        self._lock = threading.RLock()
        self._version = 0
        self._closed = False
        self._connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        weakref.finalize(self, self._connection.close)  # Python 3.13 warns of one left open; a test need not close it
        self._connection.executescript(ENGINE_SCHEMA)

    @property
    def url(self) -> str:
        """No other connection can open it."""
        return "sqlite:///:memory:"

    def check(self) -> StoreInfo:
        """Answer that all is well."""
        return StoreInfo(self.target, "memory", self.schema().version)

    def now_ms(self) -> int:
        """The clock that was given."""
        return self._clock()

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return all of its rows."""
        with self._lock:
            if self._closed:
                raise StoreUnavailableError(self.target, f"The {self.target} was closed.")
            return fetch(self._connection, sql, params)

    def _probe(self) -> Schema:
        tables: dict[str, frozenset[str]] = {}
        for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
            tables[name] = frozenset(column for _, column, *_ in self.rows(f"PRAGMA table_info({name})"))
        return Schema(tables, version=125)

    def change_token(self) -> object | None:
        """Return the number of writes so far."""
        return self._version

    def close(self) -> None:
        """Forget everything. Idempotent."""
        with self._lock:
            self._closed = True
            self._connection.close()

    # -- writing, which real stores do not ----------------------------------------------------------------------------

    def put_row(self, table: str, **columns: object) -> None:
        """Insert or replace one row of the engine's ``table``."""
        names = ", ".join(columns)
        signs = ", ".join("?" * len(columns))
        self.rows(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({signs})", list(columns.values()))
        self._version += 1

    def put_run(self, run: Run) -> None:
        """Store a run, so that reading it gives an equal one.

        Writes what makes its status true as well: the sleep or wait of a ``suspended`` run, the undo of a
        ``cancelling`` one. A run suspended on a child needs that child put first, and its step.
        """
        status = _DERIVED.get(run.status) or STATUSES[run.status].engine[0]
        waiting = run.waiting
        if run.status == "pending" and waiting is not None and waiting.on == "delay":
            status = "DELAYED"
        self.put_row(
            "workflow_status",
            workflow_uuid=run.id,
            status=status,
            name=run.workflow,
            created_at=run.created_at_ms,
            updated_at=run.updated_at_ms,
            started_at_epoch_ms=run.started_at_ms,
            completed_at=run.finished_at_ms,
            application_version=run.workflow_version,
            class_name=run.class_name,
            config_name=run.config_name,
            queue_name=run.queue,
            queue_partition_key=run.queue_partition,
            executor_id=run.executor,
            recovery_attempts=run.recovery_attempts,
            application_name=run.namespace,
            parent_workflow_id=run.parent_id,
            forked_from=run.forked_from,
            schedule_name=run.schedule,
            serialization=run.serialization,
            deduplication_id=run.deduplication_id,
            priority=run.priority,
            delay_until_epoch_ms=run.wake_at_ms if status == "DELAYED" else None,
            workflow_deadline_epoch_ms=run.deadline_at_ms,
            authenticated_user=run.authenticated_user,
            attributes=json.dumps(dict(run.attributes)) if run.attributes else None,
        )
        if run.status == "suspended" and waiting is not None:
            self._put_wait(run)
        if run.status == "cancelling":
            self.put_row(
                "workflow_status",
                workflow_uuid=UNDO_PREFIX + run.id,
                status="PENDING",
                name="durable.undo",
                created_at=run.updated_at_ms,
                updated_at=run.updated_at_ms,
            )

    def _put_wait(self, run: Run) -> None:
        waiting = run.waiting
        if waiting is None or waiting.on == "child":
            return
        since = waiting.since_ms
        seq = waiting.seq if waiting.seq is not None else self._next_seq(run.id) + 1
        if waiting.on == "sleep" and waiting.name is None:
            until = waiting.until_ms if waiting.until_ms is not None else since
            self._put_sleep(run.id, seq, since, until, until)
            return
        if waiting.on != "signal" or waiting.name is not None:
            self.put_wait_event(run.id, seq - 1, waiting.on, waiting.name, until_ms=waiting.until_ms, at_ms=since)
        self._put_sleep(run.id, seq + 1, since, since, waiting.until_ms or since + 365 * 86_400_000)

    def _put_sleep(self, run_id: str, seq: int, started_ms: int, finished_ms: int, wake_ms: int) -> None:
        self._put_operation(
            run_id, seq, SLEEP, started_ms, finished_ms, output=str(wake_ms / 1000), serialization="portable_json"
        )

    def put_wait_event(
        self, run_id: str, seq: int, on: str, name: str | None, *, until_ms: int | None = None, at_ms: int = 0
    ) -> None:
        """Store the ``durable.wait`` event that announces the wait at ``seq + 1``."""
        self._put_operation(run_id, seq, SET_EVENT, at_ms, at_ms)
        topic = name if on == "signal" else f"durable.{on}:{name}#{seq + 1}"
        until = {"until": until_ms} if until_ms is not None else {}
        value = json.dumps({"on": on, "name": name, "topic": topic, "seq": seq + 1, **until})
        event = {"key": WAIT_EVENT_KEY, "value": value, "serialization": "portable_json"}
        self.put_row("workflow_events_history", workflow_uuid=run_id, function_id=seq, **event)
        self.put_row("workflow_events", workflow_uuid=run_id, **event)

    def _next_seq(self, run_id: str) -> int:
        ((last,),) = self.rows("SELECT max(function_id) FROM operation_outputs WHERE workflow_uuid = ?", [run_id])
        return int(last or 0) + 1

    def put_step(self, step: Step) -> None:
        """Store a step as the rows that the engine would write for it.

        A finished ``remote`` step writes its result at ``step.folded[0]``, or behind the run's last row; its child
        is a run of its own, put by ``put_run``. An open step other than those is not in any store.
        """
        started, finished, output, error = step.started_at_ms, step.finished_at_ms, None, None
        if step.output is not None or step.has_output:
            output = step.output.text if step.output is not None else "1"
        if step.error is not None or step.has_error or step.went_wrong:
            error = step.error.text if step.error is not None else "error"
        value = step.output or step.error
        outcome: dict[str, Any] = {
            "output": output,
            "error": error,
            "serialization": value.serialization if value is not None else None,
            "recorded_ms": step.recorded_at_ms,
        }
        if step.kind == "sleep":
            wake = step.wake_at_ms if step.wake_at_ms is not None else (finished or 0)
            self._put_sleep(step.run_id, step.seq, started or 0, wake, wake)
        elif step.kind == "remote" and step.child_run_id is not None:
            asked = step.enqueued_at_ms if step.enqueued_at_ms is not None else started
            self._put_operation(step.run_id, step.seq, step.name, asked, asked, child_id=step.child_run_id)
            if finished is not None:
                at = step.folded[0] if step.folded else self._next_seq(step.run_id)
                self._put_operation(step.run_id, at, GET_RESULT, asked, finished, child_id=step.child_run_id, **outcome)
        elif step.kind == "signal":
            if step.name not in ("DBOS.recv", "DBOS.getEvent"):
                on = step.waits_on or "signal"
                self.put_wait_event(step.run_id, step.seq - 1, on, step.name.removeprefix(f"{on}:"), at_ms=started or 0)
            name = "DBOS.getEvent" if step.name == "DBOS.getEvent" else "DBOS.recv"
            if finished is None:
                wake = step.wake_at_ms if step.wake_at_ms is not None else (started or 0) + 365 * 86_400_000
                self._put_sleep(step.run_id, step.seq + 1, started or 0, started or 0, wake)
            else:
                self._put_operation(step.run_id, step.seq, name, started, finished, **outcome)
        else:
            self._put_operation(step.run_id, step.seq, step.name, started, finished, **outcome)

    def _put_operation(
        self,
        run_id: str,
        seq: int,
        name: str,
        started_ms: int | None,
        finished_ms: int | None,
        *,
        child_id: str | None = None,
        output: str | None = None,
        error: str | None = None,
        serialization: str | None = None,
        recorded_ms: int | None = None,
    ) -> None:
        self.put_row(
            "operation_outputs",
            workflow_uuid=run_id,
            function_id=seq,
            function_name=name,
            started_at_epoch_ms=started_ms,
            completed_at_epoch_ms=finished_ms,
            child_workflow_id=child_id,
            output=output,
            error=error,
            serialization=serialization,
            retention_timestamp=recorded_ms if recorded_ms is not None else (finished_ms or 0),
        )

    def put_payload(self, run_id: str, name: PayloadName, text: str) -> None:
        """Store a run's input, output or error."""
        if name == "input":
            self.put_row("workflow_input", workflow_uuid=run_id, inputs=text, retention_timestamp=0)
        else:
            self.put_row("workflow_output", workflow_uuid=run_id, retention_timestamp=0, **{name: text})

    def put_event(self, run_id: str, key: str, value: str, *, serialization: str | None = "portable_json") -> None:
        """Store a published value."""
        self.put_row("workflow_events", workflow_uuid=run_id, key=key, value=value, serialization=serialization)

    def put_queue(self, queue: QueueInfo) -> None:
        """Register a queue; its load is counted from the runs."""
        self.put_row(
            "queues",
            name=queue.name,
            concurrency=queue.concurrency,
            worker_concurrency=queue.worker_concurrency,
            rate_limit_max=queue.rate_limit_max,
            rate_limit_period_sec=queue.rate_limit_period_s,
            polling_interval_sec=queue.polling_interval_s if queue.polling_interval_s is not None else 1.0,
            partition_queue=queue.partitioned,
        )

    def put_schedule(self, schedule: ScheduleInfo) -> None:
        """Store a schedule."""
        self.put_row(
            "workflow_schedules",
            schedule_id=schedule.name,
            schedule_name=schedule.name,
            workflow_name=schedule.workflow,
            schedule=schedule.schedule,
            status="ACTIVE" if schedule.active else "PAUSED",
            last_fired_at=schedule.last_fired_at,
            cron_timezone=schedule.timezone,
            queue_name=schedule.queue,
        )

    def delete_run(self, run_id: str) -> None:
        """Forget a run and its steps, as the engine's retention does."""
        for table in ("operation_outputs", "workflow_events", "workflow_events_history", "workflow_status"):
            self.rows(f"DELETE FROM {table} WHERE workflow_uuid = ?", [run_id])
        self._version += 1

    def delete_steps(self, run_id: str, *, from_seq: int) -> None:
        """Forget a run's steps from ``from_seq`` on, as the engine's rewind does."""
        for table in ("operation_outputs", "workflow_events_history"):
            self.rows(f"DELETE FROM {table} WHERE workflow_uuid = ? AND function_id >= ?", [run_id, from_seq])
        self._version += 1

    def set_columns(self, run_id: str, columns: Mapping[str, object]) -> None:
        """Change columns of a run's row, by the engine's names."""
        sets = ", ".join(f"{name} = ?" for name in columns)
        self.rows(f"UPDATE workflow_status SET {sets} WHERE workflow_uuid = ?", [*columns.values(), run_id])
        self._version += 1
