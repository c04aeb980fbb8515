"""What a run of very many steps, children or bytes costs the page's server and the bridge: peak memory, answers' bytes.

    python -m examples.bench_memory
    python -m examples.bench_memory --backends postgres --many 10000 --errors 20

Fills a SQLite file, and a database on a PostgreSQL server (``--postgres-url``, or one from a pip package), with a run
of 100,000 steps, one of 100,000 children of which the last declares an undo, 150 runs that failed with 8 MB of error
each, and 300 with a megabyte of attributes. Serves the dashboard in a process of its own, asks each route once, and
prints how long each took, how large its answer was, and the most memory that the server had meanwhile; then what the
bridge took to export everything. Ends with 1 where an answer is larger than it may be. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from examples.bench_fill import migrate, postgres_server
from examples.fake_collector import FakeCollector

MOST_KB = 300
"""No answer about a run is larger."""
MOST_PAGE_KB = 1_000
"""Nor is a page of a list than this: it ends at a run with which it would be."""
WIDE_ROWS, WIDE_BYTES = 300, 1_000_000
ROUTES = (
    "", "?fold=true&children=200", "?from=50000&limit=500", "?q=nothing", "/graph", "/graph?expand=all", "/timing",
    "/compare?with=error-1", "/undo", "/events", "/steps/7", "/usage", "/report",
)  # fmt: skip
LISTS = ("runs?limit=500", "runs?limit=500&q=wide", "runs?limit=500&status=failed", "errors", "topology", "activity")
ACTIONS = ("runs/long/move?dryRun=true", "runs/long/retry", "runs/wide/cancel?children=true")
Rows = Iterable[dict[str, Any]]


def runs_to_fill(many: int, errors: int, now_ms: int) -> Rows:
    """Yield the rows of runs."""

    def run(run_id: str, status: str, **more: Any) -> dict[str, Any]:
        ended = None if status == "PENDING" else now_ms - 1_000
        stamps = {"created_at": now_ms - 9_000, "updated_at": now_ms - 1_000, "started_at_epoch_ms": now_ms - 8_000}
        row = {"workflow_uuid": run_id, "status": status, "name": "order", "executor_id": "e", "completed_at": ended}
        usual = {"application_version": "v1", "recovery_attempts": 1, "priority": 0, "serialization": "portable_json"}
        unlike = {"parent_workflow_id": None, "attributes": None, "queue_name": None}
        flags = {"was_forked_from": False, "rate_limited": False, "is_debounced": False}
        return {**row, **stamps, **usual, **unlike, **flags, **more}

    yield run("long", "ERROR")
    yield run("wide", "PENDING")
    for n in range(many):
        yield run(f"child-{n:06}", "SUCCESS", parent_workflow_id="wide", queue_name="q")
    for n in range(errors):
        yield run(f"error-{n}", "ERROR")
    for n in range(WIDE_ROWS):
        yield run(f"wide-row-{n}", "SUCCESS", attributes=json.dumps({"note": "x" * WIDE_BYTES}))


def steps_to_fill(many: int, errors: int, error: str, now_ms: int) -> Rows:
    """Yield the rows of steps."""

    def step(run_id: str, seq: int, name: str, **more: Any) -> dict[str, Any]:
        stamps = {"started_at_epoch_ms": now_ms - 8_000 + seq // 100, "completed_at_epoch_ms": now_ms - 8_000}
        row = {"workflow_uuid": run_id, "function_id": seq, "function_name": name, "serialization": "portable_json"}
        unlike = {"output": "1", "error": None, "child_workflow_id": None}
        return {**row, **stamps, **unlike, "retention_timestamp": now_ms - 8_000, **more}

    for seq in range(1, many + 1):
        failed = {"error": '{"name": "E", "message": "boom"}', "output": None} if seq == many else {}
        yield step("long", seq, f"step_{seq % 97}", **failed)
        yield step("wide", 2 * seq - 1, "pack", child_workflow_id=f"child-{seq - 1:06}")
        yield step("wide", 2 * seq, "DBOS.getResult", child_workflow_id=f"child-{seq - 1:06}")
    for n in range(errors):
        yield step(f"error-{n}", 1, "charge", error=error, output=None)


def fill(url: str, many: int, errors: int, error_bytes: int) -> None:
    """Write everything into a database of the engine's."""
    now_ms = int(time.time() * 1000)
    error = json.dumps({"name": "ValueError", "message": "x" * error_bytes})
    outputs = ({"workflow_uuid": f"error-{n}", "error": error, "retention_timestamp": now_ms} for n in range(errors))
    long = [{"workflow_uuid": "long", "error": '{"name": "E", "message": "boom"}', "retention_timestamp": now_ms}]
    event = {"workflow_uuid": f"child-{many - 1:06}", "key": "durable.undo.1", "value": "{}"}
    with _writing(url) as write:
        write("workflow_status", runs_to_fill(many, errors, now_ms))
        write("operation_outputs", steps_to_fill(many, errors, error, now_ms))
        write("workflow_output", long)
        write("workflow_output", outputs)
        write("workflow_events", [{**event, "serialization": "portable_json"}])


@contextmanager
def _writing(url: str) -> Iterator[Callable[[str, Rows], None]]:
    """Lend what writes rows, which all have the first one's columns."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:

            def insert(table: str, rows: Rows) -> None:
                for row in rows:
                    signs = ", ".join("?" * len(row))
                    file.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({signs})", list(row.values()))

            yield insert
        return
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:

        def copy(table: str, rows: Rows) -> None:
            each = iter(rows)
            first = next(each)
            statement = f"COPY dbos.{table} ({', '.join(first)}) FROM STDIN"
            with connection.cursor().copy(statement.encode()) as sink:
                sink.write_row(list(first.values()))
                for row in each:
                    sink.write_row(list(row.values()))

        yield copy
        connection.execute("VACUUM ANALYZE")


def serve(url: str) -> None:
    """Serve the dashboard until a signal ends the process; print its port."""
    from flask import Flask
    from werkzeug.serving import make_server

    from dashboard import create_blueprint

    app = Flask(__name__)
    app.register_blueprint(create_blueprint(url), url_prefix="/durable")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.port, flush=True)
    server.serve_forever()


def peak_mb(pid: int, *, again: bool = False) -> float:
    """Return the most memory that a process has had, since it began or since this was asked with ``again``."""
    peak_kb = re.findall(r"^VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    if again:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    return int(peak_kb[0]) / 1024 if peak_kb else 0.0


def ask(url: str, *, post: bool = False) -> tuple[int, int]:
    """Return the status of an answer, and how many bytes it has."""
    data = b"{}" if post else None
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"} if post else {})
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            return int(answer.status), len(answer.read())
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, len(problem.read())


def measure_server(url: str) -> list[str]:
    """Ask every route once; return those whose answers are larger than they may be."""
    server = subprocess.Popen(
        [sys.executable, "-m", "examples.bench_memory", "--serve", url], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    base = f"http://127.0.0.1:{int(server.stdout.readline())}/durable/api"
    asked = [f"runs/{run_id}{route}" for run_id in ("long", "wide", "error-1") for route in ROUTES]
    large: list[str] = []
    try:
        ask(f"{base}/runs?limit=1")
        print(f"{'server, before':44} {'':9} {'':10} {peak_mb(server.pid, again=True):6.0f} MB")
        for number, route in enumerate([*asked, *LISTS, *ACTIONS]):
            most_kb = MOST_PAGE_KB if route in LISTS else MOST_KB
            began = time.monotonic()
            status, size = ask(f"{base}/{route}", post=number >= len(asked) + len(LISTS))
            took_s, peak = time.monotonic() - began, peak_mb(server.pid, again=True)
            print(f"{route:44} {took_s:7.2f} s {size / 1000:7.1f} kB {peak:6.0f} MB  {status}", flush=True)
            large += [f"{route} than {most_kb} kB"] if size > most_kb * 1000 else []
    finally:
        server.terminate()
        server.wait()
    return large


def measure_bridge(url: str) -> None:
    """Export everything once."""
    with FakeCollector() as collector:
        environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url}
        options = ("--system-database-url", url, "--start-from", "beginning", "--once")
        began, peak = time.monotonic(), 0.0
        bridge = subprocess.Popen([sys.executable, "-m", "otel_bridge.cli", "export", *options], env=environ)
        while bridge.poll() is None:
            peak = max(peak, peak_mb(bridge.pid))
            time.sleep(0.1)
        took_s = time.monotonic() - began
        print(
            f"{f'bridge, {len(collector.seen)} spans':44} {took_s:7.2f} s {'':10} {peak:6.0f} MB  {bridge.returncode}"
        )


def main() -> None:
    """Fill, serve, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", choices=("sqlite", "postgres"), default=["sqlite", "postgres"])
    parser.add_argument("--postgres-url", help="of a server on which a database may be made and dropped")
    parser.add_argument("--many", type=int, default=100_000, help="steps of one run, and children of another")
    parser.add_argument("--errors", type=int, default=150)
    parser.add_argument("--error-mb", type=float, default=8.0)
    parser.add_argument("--no-bridge", action="store_true", help="measure the page's server alone")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    folder, large = Path(tempfile.mkdtemp(prefix="bench-memory-")), []
    try:
        for backend in given.backends:
            with _database(backend, given.postgres_url, folder) as url:
                migrate(url)
                fill(url, given.many, given.errors, int(given.error_mb * 1_000_000))
                print(
                    f"-- {backend}: {given.many:,} steps and children, {given.errors} errors of {given.error_mb:g} MB"
                )
                large += measure_server(url)
                if not given.no_bridge:
                    measure_bridge(url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if large:
        sys.exit(f"larger: {', '.join(large)}")


@contextmanager
def _database(backend: str, server_url: str | None, folder: Path) -> Iterator[str]:
    """Lend a database that is empty."""
    if backend == "sqlite":
        yield f"sqlite:///{folder / 'bench.sqlite'}"
        return
    import psycopg

    with postgres_server(server_url, folder) as server:
        name = f"bench_memory_{os.getpid()}"
        base, _, query = server.partition("?")
        url = base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
            try:
                yield url
            finally:
                admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


if __name__ == "__main__":
    main()
