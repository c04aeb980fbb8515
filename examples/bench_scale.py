"""Scale of the control plane on Postgres: what its pages ask for, beside DBOS's own client, in one run.

    python -m examples.bench_scale --sizes 100000,1000000 --dir /data/bench --plans docs/plans-postgres.txt

For each size a database as ``bench_fill`` makes it, and a ledger with the failures of its failed runs. Everything is
asked in turns, ``--rounds`` times, so that a busy moment of the machine hits all alike; printed are the medians, the
best, and the ratio of medians to ``DBOSClient``'s newest page and to the size before: what does not grow is near 1.
``--plans`` writes down how Postgres answered each statement, with rows and buffers, at the largest size.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from dbos import DBOSClient

from examples.bench_fill import WORKFLOWS, fill_postgres, postgres_server, run_id, status_of
from examples.bench_store import dashboard, get, measures
from otel_bridge.ledger import open_ledger
from otel_bridge.ledger.base import ErrorSignature, Failure, Ledger
from otel_bridge.model.runs import Grid, RunQuery
from otel_bridge.store import open_store
from otel_bridge.store.adapter import SqlStateStore
from otel_bridge.store.sql.statement import Statement

CLIENT = "DBOSClient: newest 50"
CLIENT_DETAIL = "DBOSClient: one run and its steps"
FORMS = 2
"""So many forms of a statement are written down."""
ERRORS = 200
"""Kinds of failures."""
DAY_MS = 86_400_000
Ask = Callable[[], Any]


class Goal(NamedTuple):
    """What is aimed at, in milliseconds or as a multiple of ``than``."""

    at_most: float
    than: str | None = None


GOALS: Mapping[str, Goal] = {
    "newest page": Goal(5),
    "newest page, times the client's": Goal(1.5, CLIENT),
    "run detail": Goal(2),
    "run detail, times the client's": Goal(1, CLIENT_DETAIL),
    "id prefix": Goal(10),
    "facets": Goal(20),
    "errors of 7 days": Goal(100),
    "activity of 30 days": Goal(50),
}


def asks(store: SqlStateStore, ledger: Ledger, client: DBOSClient, port: int, total: int) -> Iterator[tuple[str, Ask]]:
    """Yield what is measured, by name."""
    one, now_ms = run_id(total // 2), store.now_ms()
    request = http.client.HTTPConnection("127.0.0.1", port)
    grid = Grid.of(now_ms - 30 * DAY_MS, now_ms, 60)

    def facets() -> None:
        answers: dict[Any, Any] = store._facets.kept._answers
        for key in [key for key in answers if isinstance(key[0], RunQuery)]:
            del answers[key]
        store.facets(RunQuery())

    yield CLIENT, lambda: client.list_workflows(limit=50, sort_desc=True, load_input=False, load_output=False)
    yield "newest page", lambda: store.list_runs(RunQuery(limit=50))
    yield CLIENT_DETAIL, lambda: (client.list_workflows(workflow_ids=[one]), client.list_workflow_steps(one))
    yield "run detail", lambda: (store.get_run(one), store.get_steps(one))
    yield "id prefix", lambda: store.list_runs(RunQuery(text=one[:12]))
    yield "facets", facets
    yield "errors of 7 days", lambda: ledger.error_groups(since_ms=now_ms - 7 * DAY_MS, until_ms=now_ms, limit=100)
    yield "activity of 30 days", lambda: store.activity(RunQuery(), grid)
    yield "newest page over HTTP", lambda: get(request, "/durable/api/runs?limit=50")
    yield "run detail over HTTP", lambda: get(request, f"/durable/api/runs/{one}")
    yield "errors of 7 days over HTTP", lambda: get(request, "/durable/api/errors")


def fill_failures(ledger: Ledger, total: int, now_ms: int) -> None:
    """Record the failures of the failed runs, as a bridge that was there would have."""
    if ledger.failures_of([run_id(3)]):
        return
    batch: list[Failure] = []
    for n in range(total):
        if status_of(n, total) not in ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"):
            continue
        kind = n // 30 % ERRORS
        created = now_ms - (total - n) * 100
        text = f"kind {kind}"
        signature = ErrorSignature(fingerprint=f"{kind:016x}", type="ValueError", step="charge", template=text)
        batch.append(
            Failure(
                run_id=run_id(n),
                ended_at_ms=created + 900,
                created_at_ms=created,
                signature=signature,
                workflow=WORKFLOWS[n % 20],
                message=text,
                version=f"v{n * 4 // total}",
            )
        )
        if len(batch) == 1_000:
            ledger.record_failures(batch)
            batch = []
    ledger.record_failures(batch)


def measure(url: str, total: int, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds that each ask took, round by round, in turns; the first round does not count."""
    client, ledger = DBOSClient(system_database_url=url), open_ledger(url)
    store = open_store(url)
    assert isinstance(store, SqlStateStore)
    fill_failures(ledger, total, store.now_ms())
    taken: dict[str, list[float]] = {}
    try:
        with dashboard(url) as (port, _):
            named = list(asks(store, ledger, client, port, total))
            for number in range(rounds + 1):
                for name, ask in named:
                    began = time.perf_counter()
                    ask()
                    if number:
                        taken.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    finally:
        store.close()
        ledger.close()
        client.destroy()
    return taken


# -- plans -----------------------------------------------------------------------------------------------------------


def plans(url: str, total: int) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each statement over the engine's tables that everything measured runs: name, purpose and plan."""
    store = open_store(url)
    assert isinstance(store, SqlStateStore)
    noted: dict[tuple[str, str], tuple[Statement, str, Sequence[Any]]] = {}
    read = type(store).read

    def note(statement: Statement, sql: str, params: Sequence[Any] = ()) -> Any:
        noted.setdefault((statement.name, re.sub(r"\s+", " ", sql)), (statement, sql, params))
        return read(store, statement, sql, params)

    store.read = note  # type: ignore[method-assign]
    grid = Grid.of(store.now_ms() - 30 * DAY_MS, store.now_ms(), 60)
    for _, ask in [*measures(store, total), ("activity", lambda: store.activity(RunQuery(), grid))]:
        ask()
    store.close()
    told = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) "
    with psycopg.connect(url, autocommit=True) as connection:
        for (name, _), (statement, sql, params) in sorted(noted.items(), key=lambda item: item[0]):
            text = sql.replace("%", "%%").replace("?", "%s")
            rows = connection.execute((told + text).encode(), list(params)).fetchall()
            yield name, statement.purpose, [str(row[0]) for row in rows]


def write_plans(path: Path, url: str, total: int) -> int:
    """Write the plans down; return how many statements there are."""
    seen: dict[str, list[list[str]]] = {}
    purposes: dict[str, str] = {}
    for name, purpose, plan in plans(url, total):
        purposes[name] = purpose
        seen.setdefault(name, []).append(plan)
    lines = [
        f"How Postgres answers each statement over the engine's tables, at {total:,} runs and {total * 5:,} steps.",
        "Written by: python -m examples.bench_scale --plans. Where a statement has several forms, those that it took.",
    ]
    for name, found in seen.items():
        lines += ["", f"== {name}: {purposes[name]}"]
        for plan in found[:FORMS]:
            kept = (line for n, line in enumerate(plan) if n < 2 or "Buffers:" not in line)
            lines += ["", *(f"  {line[:200]}" for line in kept if not line.startswith("Planning"))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return sum(map(len, seen.values()))


# -- the whole -------------------------------------------------------------------------------------------------------


def report(found: Mapping[int, Mapping[str, list[float]]]) -> None:
    """Print everything by size, and which goals are met."""
    sizes = list(found)
    print(
        f"\n{'':30}" + "".join(f"{f'{size:,} runs: median':>26} {'best':>8} {'x client':>9}" for size in sizes), end=""
    )
    print(f" {'x size before':>14}" if len(sizes) > 1 else "")
    medians = {size: {name: statistics.median(took) for name, took in found[size].items()} for size in sizes}
    for name in medians[sizes[-1]]:
        row = f"{name:30}"
        for size in sizes:
            median = medians[size][name]
            row += f"{median:26.2f} {min(found[size][name]):8.2f} {median / medians[size][CLIENT]:8.1f}x"
        if len(sizes) > 1:
            row += f" {medians[sizes[-1]][name] / medians[sizes[-2]][name]:13.1f}x"
        print(row)
    print("\ngoals at the largest size")
    for name, goal in GOALS.items():
        base = name.partition(",")[0]
        median = medians[sizes[-1]][base]
        value = median if goal.than is None else median / medians[sizes[-1]][goal.than]
        print(f"  {name:34} {value:8.2f} of {goal.at_most:g}: {'met' if value <= goal.at_most else 'NOT MET'}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100000,1000000", help="numbers of runs, comma separated")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--dir", type=Path, help="where databases are kept and found again; else a temporary folder")
    parser.add_argument("--postgres-url", help="a server on which databases may be created")
    parser.add_argument("--plans", type=Path, metavar="FILE", help="write the plans of the largest size here")
    options = parser.parse_args()
    found: dict[int, dict[str, list[float]]] = {}
    with contextlib.ExitStack() as stack:
        folder = options.dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-scale-")))
        folder.mkdir(parents=True, exist_ok=True)
        server = stack.enter_context(postgres_server(options.postgres_url, folder))
        for size in sorted(map(int, options.sizes.split(","))):
            url = fill_postgres(server, size)
            print(
                f"{size:,} runs, {size * 5:,} steps; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
                flush=True,
            )
            found[size] = measure(url, size, options.rounds)
        if options.plans:
            print(f"{write_plans(options.plans, url, size)} plans in {options.plans}")
    report(found)


if __name__ == "__main__":
    main()
