"""Rows of the engine's tables that nobody should have written: one victim among healthy runs, and what to damage it by.

SQLite takes a value of any type in any column; Postgres takes any number that fits and any text.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal

from otel_bridge.spans import ids
from otel_bridge.testing import MemoryStateStore, make_run, make_step

VICTIM = "victim"
WAIT = '{"on": "signal", "name": "paid", "until": null}'
DEEP = '{"a":' * 3_000 + "1" + "}" * 3_000
VALUES: tuple[object, ...] = (
    None, "", "soon", "2026-01-01T00:00:00", "a\x00b", "\ud7ff" * 400, DEEP, "[" * 3_000, "NaN", '{"json": 1e400}',
    "9" * 5_000, b"", b"\xff\x80", b"ok", 0, -1, -5_000, 1, 2**31, 7_258_118_400_000, 2**53 + 1, 2**62, 2**63 - 1,
    -(2**63), 1.5, -0.5, 1e300, float("inf"),
)  # fmt: skip
NOT_UTF8 = "CAST(x'66ff80' AS TEXT)"

TABLES = {
    "workflow_status": "workflow_uuid",
    "workflow_input": "workflow_uuid",
    "workflow_output": "workflow_uuid",
    "operation_outputs": "workflow_uuid",
    "workflow_events": "workflow_uuid",
    "workflow_events_history": "workflow_uuid",
    "notifications": "destination_uuid",
    "streams": "workflow_uuid",
    "workflow_schedules": None,
    "queues": None,
}
"""The tables that the store reads, and the column by which the victim's rows are found; None: all rows."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One column of the victim's rows set to a value; ``value`` is SQL when ``raw``."""

    table: str
    column: str
    value: object
    raw: bool = False

    def do(self, store: MemoryStateStore) -> bool:
        """Set it; False where the table's own constraints refuse that."""
        key = TABLES[self.table]
        where = f"WHERE {key} = '{VICTIM}'" if key is not None else ""
        value = str(self.value) if self.raw else "?"
        try:
            store.rows(f"UPDATE OR FAIL {self.table} SET {self.column} = {value} {where}",
                       [] if self.raw else [self.value])  # fmt: skip
        except sqlite3.Error:
            return False
        return True


def columns(store: MemoryStateStore) -> list[tuple[str, str]]:
    """Return every column of every table that the store reads."""
    return [(table, str(row[1])) for table in TABLES for row in store.rows(f"PRAGMA table_info({table})")]


def fill(store: MemoryStateStore) -> list[str]:
    """Put healthy runs, and among them the victim, with rows in every table; return the ids of the healthy ones."""
    at = store.now_ms() - 60_000
    healthy = ["ended", "failing", "parent", "child"]
    endings: tuple[tuple[str, Literal["completed", "failed"]], ...] = (("ended", "completed"), ("failing", "failed"))
    for run_id, status in endings:
        store.put_run(make_run(run_id, status=status, created_at_ms=at, started_at_ms=at, finished_at_ms=at + 500))
        store.put_step(make_step(run_id, 1, started_at_ms=at + 1))
        store.put_step(make_step(run_id, 2, status=status, started_at_ms=at + 9))
    store.put_run(make_run("parent", status="completed", created_at_ms=at, finished_at_ms=at + 900))
    store.put_run(make_run("child", status="completed", parent_id=VICTIM, created_at_ms=at + 5, finished_at_ms=at + 90))
    for place, (seq, name) in enumerate(((1, "work"), (2, "DBOS.getResult"))):
        store.put_row(
            "operation_outputs", workflow_uuid="parent", function_id=seq, function_name=name, child_workflow_id=VICTIM,
            started_at_epoch_ms=at + 10, completed_at_epoch_ms=at + 20 + place, retention_timestamp=at + 20, output="1",
        )  # fmt: skip
    _put_victim(store, at)
    return healthy


def _put_victim(store: MemoryStateStore, at: int) -> None:
    store.put_run(
        make_run(
            VICTIM, status="running", parent_id="parent", created_at_ms=at, started_at_ms=at + 1,
            updated_at_ms=at + 2, queue="q", workflow_version="1", executor="w1", attributes={"tags": ["a"], "n": 1},
        )
    )  # fmt: skip
    names = (
        "charge", "DBOS.setEvent", "DBOS.recv", "DBOS.sleep", "DBOS.writeStream", "work", "DBOS.getResult", "DBOS.sleep"
    )  # fmt: skip
    for seq, name in enumerate(names, start=1):
        store.put_row(
            "operation_outputs",
            workflow_uuid=VICTIM,
            function_id=seq,
            function_name=name,
            started_at_epoch_ms=at + seq,
            completed_at_epoch_ms=at + seq + 1,
            retention_timestamp=at + seq + 1,
            serialization="portable_json",
            output=str(at / 1000 + 3_600) if name == "DBOS.sleep" else '"1"',
            child_workflow_id="child" if seq in (6, 7) else None,
        )
    for table in ("workflow_input", "workflow_output"):
        store.put_row(
            table, workflow_uuid=VICTIM, **({"inputs": "[]"} if table == "workflow_input" else {"output": "1"})
        )
    for key, value in (("durable.wait", WAIT), ("progress", "1"), ("durable.undo.1", '{"undo": "f"}')):
        store.put_row("workflow_events", workflow_uuid=VICTIM, key=key, value=value)
        store.put_row("workflow_events_history", workflow_uuid=VICTIM, function_id=2, key=key, value=value)
    store.put_row("notifications", message_uuid="m", destination_uuid=VICTIM, topic="t", message="1", consumed=0)
    store.put_row("notifications", message_uuid="n", destination_uuid=VICTIM, topic="t", message="1", consumed=1,
                  consumed_by_function_id=3)  # fmt: skip
    store.put_row("streams", workflow_uuid=VICTIM, key="tokens", value="1", offset=0, function_id=5)
    store.put_row("workflow_schedules", schedule_id="s", schedule_name="s", workflow_name="order", schedule="* * * * *")
    store.put_row("queues", name="q")


def owed(run_ids: list[str], store: MemoryStateStore) -> set[tuple[bytes, bytes]]:
    """Return trace and span id of each span that these runs owe."""
    spans = {(ids.trace_id(run_id), ids.root_span_id(run_id)) for run_id in run_ids}
    for run_id in run_ids:
        spans |= {(ids.trace_id(run_id), ids.step_span_id(run_id, step.seq)) for step in store.get_steps(run_id)}
    return spans
