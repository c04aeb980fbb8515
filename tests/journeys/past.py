"""Multiplies what the engine recorded of a few runs into a day of a busy shop. The same seed, the same day."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

SEED = 4711
RUNS = 1_600
KINDS = {"gateway": 61, "refused": 17, "key": 11, "value": 7, "memory": 4, "permission": 3}
"""How many failures of each kind: 103."""
WORKFLOW_OF = {
    "gateway": "checkout",
    "refused": "invoice",
    "key": "pricing",
    "value": "signup",
    "memory": "image_resize",
    "permission": "payout",
}
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
DEPLOY_MS, FROM_MS, TO_MS = 75 * MINUTE_MS, 60 * MINUTE_MS, 25 * MINUTE_MS
"""So long ago v2 was deployed, the incident began and ended."""
REGIONS = ("eu-west", "us-east", "ap-south")
CUSTOMER = 4711
SLOW = "checkout-slow"
"""Its charge took nine times as long as usual."""
STRANDED = "checkout-stranded"
"""In the queue for a worker of version v0, of which none is left."""
OLD_MS = 30 * 60 * MINUTE_MS

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run of the day."""

    id: str
    template: str
    at_ms: int
    version: str
    attributes: Row
    pace: float = 1.0
    slow: str | None = None
    """A step that took nine times as long."""


def day(now_ms: int, workflows: list[str]) -> Iterator[Run]:
    """Yield the runs of the day: 103 that failed, most in the incident, among 1,600."""
    rng = random.Random(SEED)
    number = 0
    for kind, count in KINDS.items():
        for n in range(count):
            number += 1
            at = (
                now_ms - rng.randint(TO_MS, FROM_MS)
                if kind == "gateway" or n % 3
                else now_ms - rng.randint(2 * MINUTE_MS, DEPLOY_MS - MINUTE_MS)
            )
            region = "eu-west" if rng.random() < 0.92 else "us-east"
            customer = CUSTOMER if kind == "gateway" and n == 0 else rng.randint(4000, 4700)
            yield Run(f"{WORKFLOW_OF[kind]}-{number}", kind, at, "v2", {"customer": customer, "region": region})
    for n in range(RUNS - number - 2):
        at = now_ms - (rng.randint(0, DEPLOY_MS) if n % 6 == 0 else rng.randint(DEPLOY_MS, DAY_MS))
        name = rng.choice(workflows)
        customer = CUSTOMER if n in (100, 900) else rng.randint(4000, 4700)
        version = "v2" if at > now_ms - DEPLOY_MS else "v1"
        attributes = {"customer": customer, "region": rng.choice(REGIONS)}
        yield Run(f"{name}-ok-{n}", name, at, version, attributes, pace=rng.lognormvariate(0, 0.25))
    yield Run(SLOW, "checkout", now_ms - 10 * MINUTE_MS, "v2", {"customer": 4100, "region": "eu-west"}, slow="charge")


def write(path: str, *, now_ms: int) -> None:
    """Write the day into the engine's tables, and take the templates out."""
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        with connection:
            tables = _tables(connection)
            templates = {
                row["workflow_uuid"].removeprefix("template-"): _rows(connection, tables, row["workflow_uuid"])
                for row in connection.execute(
                    "select workflow_uuid from workflow_status where workflow_uuid like 'template-%'"
                ).fetchall()
            }
            workflows = sorted(name for name in templates if name not in KINDS)
            for run in day(now_ms, workflows):
                _insert(connection, _copy(run, templates[run.template]))
            _insert(connection, _stranded(templates["checkout"], now_ms))
            for table in tables:
                connection.execute(f"delete from {table} where workflow_uuid like 'template-%'")
            for run_id in ("migration-1", *(f"tour-{level}" for level in range(1, 6))):
                _age(connection, run_id, OLD_MS)


def _tables(connection: sqlite3.Connection) -> list[str]:
    names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
    return [name for name in names if "workflow_uuid" in _columns(connection, name)]


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [column["name"] for column in connection.execute(f'pragma table_info("{table}")')]


def _rows(connection: sqlite3.Connection, tables: list[str], run_id: str) -> dict[str, list[Row]]:
    return {
        table: [dict(row) for row in connection.execute(f"select * from {table} where workflow_uuid = ?", (run_id,))]
        for table in tables
    }


def _copy(run: Run, template: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Return a run's rows: the template's, with times, version and attributes of its own."""
    at = run.at_ms + 20
    steps = []
    for row in sorted(template["operation_outputs"], key=lambda row: row["function_id"]):
        took = _usual_ms(row["function_name"]) * run.pace * (9 if row["function_name"] == run.slow else 1)
        if row["error"] is not None:
            took = 30_000 if run.template == "gateway" else 400
        ended = at + int(took)
        steps.append({**row, "started_at_epoch_ms": at, "completed_at_epoch_ms": ended, "retention_timestamp": ended})
        at = ended + 3
    status = {
        **template["workflow_status"][0],
        "created_at": run.at_ms,
        "started_at_epoch_ms": run.at_ms + 10,
        "updated_at": at + 5,
        "completed_at": at + 5,
        "application_version": run.version,
        "executor_id": f"shop-{1 if run.version == 'v2' else 0}",
        "attributes": json.dumps(run.attributes),
    }
    others = {
        table: [{**row, "retention_timestamp": at + 5} for row in template[table]]
        for table in ("workflow_input", "workflow_output")
    }
    rows = {"workflow_status": [status], "operation_outputs": steps, **others}
    return {table: [{**row, "workflow_uuid": run.id} for row in some] for table, some in rows.items()}


def _usual_ms(step: str) -> int:
    """A step's usual length, from its name: between 80 and 900 ms."""
    return 80 + sum(map(ord, step)) * 37 % 820


def _stranded(template: dict[str, list[Row]], now_ms: int) -> dict[str, list[Row]]:
    run = Run(STRANDED, "checkout", now_ms - 40 * 60 * MINUTE_MS, "v0", {"customer": 4200, "region": "us-east"})
    rows = _copy(run, template)
    open_ = {"status": "ENQUEUED", "queue_name": "crunchers", "executor_id": None}
    empty = dict.fromkeys(("started_at_epoch_ms", "completed_at", "output", "error"))
    rows["workflow_status"] = [{**row, **open_, **empty} for row in rows["workflow_status"]]
    return {**rows, "workflow_output": [], "operation_outputs": []}


def _insert(connection: sqlite3.Connection, rows: dict[str, list[Row]]) -> None:
    for table, some in rows.items():
        for row in some:
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" for _ in row)
            connection.execute(f"insert into {table} ({names}) values ({marks})", list(row.values()))


def _age(connection: sqlite3.Connection, run_id: str, by_ms: int) -> None:
    """Move a run into the past, to the version of then."""
    connection.execute("update workflow_status set application_version = 'v1' where workflow_uuid = ?", (run_id,))
    for table in _tables(connection):
        times = [
            name
            for name in _columns(connection, table)
            if name in ("created_at", "updated_at", "completed_at", "retention_timestamp") or name.endswith("epoch_ms")
        ]
        if times:
            moved = ", ".join(f"{name} = {name} - :by" for name in times)
            connection.execute(f"update {table} set {moved} where workflow_uuid = :id", {"by": by_ms, "id": run_id})
