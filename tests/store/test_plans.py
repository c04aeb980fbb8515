"""Every statement over the engine's tables is answered from the index that it names, on SQLite and on Postgres.

The stores hold twenty thousand runs and a hundred thousand steps, so that planners choose as they do on large ones.
Statements are taken as they run, with their parameters, while everything that a store can be asked is asked.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import psycopg
import pytest

from examples.bench_fill import fill_postgres, fill_sqlite, run_id
from examples.bench_store import measures
from otel_bridge.model.runs import AttributeFilter, Grid, RunQuery
from otel_bridge.store import sql as package
from otel_bridge.store.adapter import SqlStateStore
from otel_bridge.store.postgres import PostgresStateStore
from otel_bridge.store.sql import counts, runs, sources
from otel_bridge.store.sql.statement import PRIMARY_KEY, Statement
from otel_bridge.store.sql.values import ERROR_BEGINNING_BYTES
from otel_bridge.store.sqlite import SqliteStateStore

RUNS = 20_000
BIG = ("workflow_status", "operation_outputs", "workflow_events", "workflow_events_history", "notifications", "streams",
       "workflow_input", "workflow_output")  # fmt: skip
OTHERS = 6_000
AT_ONCE = 1_100
"""Runs created in one millisecond: more than the first chunk of a walk."""
BOUNDS = ((sources, "LAST_CHUNK", 1_000), (counts, "LAST_CHUNK", 1_000), (runs, "SKIPPED_AT_ONCE", 20))
"""In the proportion to these stores that the real ones are in to stores of a million runs."""
WHOLE = "workflow_status_created_at_index"
READS_ON = {"newest_runs", "chunk_edge", "nth_run", "runs_by_age", "open_marks", "newest_open"}
"""Statements that walk the index on creation from an end of it, and stop at their LIMIT."""

Noted = list[tuple[Statement, str, Sequence[Any]]]


def extra_rows(now_ms: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the benchmark's stores lack: messages, events and streams, waits, undos, and runs created at once."""
    for n in range(OTHERS):
        owner = run_id(n)
        yield "notifications", {"message_uuid": f"m{n}", "destination_uuid": owner, "topic": "t", "message": "1"}
        yield "workflow_events", {"workflow_uuid": owner, "key": "k", "value": "1"}
        yield "workflow_events_history", {"workflow_uuid": owner, "function_id": 1, "key": "k", "value": "1"}
        yield "streams", {"workflow_uuid": owner, "key": "s", "value": "1", "offset": 0, "function_id": 1}
        yield "workflow_output", {"workflow_uuid": owner, "output": "1"}
    stamps = {"created_at": now_ms - now_ms % 1000, "updated_at": now_ms, "priority": 0, "name": "order"}
    yield "workflow_status", {"workflow_uuid": "keyed", "status": "PENDING", "executor_id": "e", **stamps}
    yield "workflow_status", {
        "workflow_uuid": "kid", "status": "PENDING", "parent_workflow_id": "keyed",
        "started_at_epoch_ms": stamps["created_at"], **stamps,
    }  # fmt: skip
    yield "workflow_status", {"workflow_uuid": "undo:kid", "status": "ENQUEUED", "queue_name": "q", **stamps}
    for seq, name in enumerate(("DBOS.recv", "DBOS.writeStream", "DBOS.setEvent", "charge"), start=1):
        child = "kid" if name == "charge" else None
        yield "operation_outputs", {
            "workflow_uuid": "keyed", "function_id": seq, "function_name": name, "child_workflow_id": child,
        }  # fmt: skip
    yield "operation_outputs", {
        "workflow_uuid": "keyed", "function_id": 0, "function_name": "long", "error": "x" * (ERROR_BEGINNING_BYTES + 1),
    }  # fmt: skip
    yield "workflow_status", {"workflow_uuid": "parted", "status": "SUCCESS", **stamps}
    parted = ("start", "DBOS.setEvent", "DBOS.recv", "DBOS.sleep", *["charge"] * 5, "DBOS.getResult")
    for seq, name in enumerate(parted, start=1):
        child = "kid" if name in ("start", "DBOS.getResult") else None
        yield "operation_outputs", {
            "workflow_uuid": "parted", "function_id": seq, "function_name": name, "child_workflow_id": child,
        }  # fmt: skip
    for n in range(AT_ONCE):
        row = {**stamps, "created_at": now_ms, "workflow_uuid": f"at-once-{n}", "status": "SUCCESS"}
        yield "workflow_status", row


@pytest.fixture(scope="module")
def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStateStore]:
    """Many runs in a SQLite file."""
    path = tmp_path_factory.mktemp("plans") / "app.sqlite"
    fill_sqlite(path, RUNS)
    with closing(SqliteStateStore(path)) as store, closing(sqlite3.connect(path)) as connection:
        for table, row in extra_rows(store.now_ms()):
            names = ", ".join(f'"{name}"' for name in row)
            signs = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({signs})", list(row.values()))
        connection.commit()
        yield store


@pytest.fixture(scope="module")
def postgres_store(postgres_server_url: str) -> Iterator[SqlStateStore]:
    """Many runs on Postgres, analyzed."""
    url = fill_postgres(postgres_server_url, RUNS)
    with closing(PostgresStateStore(url)) as store:
        with psycopg.connect(url, autocommit=True) as connection, connection.pipeline():
            for table, row in extra_rows(store.now_ms()):
                names = ", ".join(f'"{name}"' for name in row)
                signs = ", ".join(["%s"] * len(row))
                connection.execute(f"INSERT INTO dbos.{table} ({names}) VALUES ({signs})".encode(), list(row.values()))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        yield store


def noted(store: SqlStateStore) -> Noted:
    """Ask a store everything that it can be asked; return the statements that answered."""
    statements: Noted = []
    read = type(store).read

    def note(statement: Statement, sql: str, params: Sequence[Any] = ()) -> Any:
        statements.append((statement, sql, params))
        return read(store, statement, sql, params)

    store.read = note  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        for module, bound, rows in BOUNDS:
            patch.setattr(module, bound, rows)
        for _, ask in measures(store, RUNS):  # type: ignore[arg-type]
            ask()
        ask_the_rest(store)
    del store.read
    return statements


def ask_the_rest(store: SqlStateStore) -> None:
    """Ask what the benchmark does not."""
    now_ms, one = store.now_ms(), run_id(RUNS // 2)
    found_by_id = store.list_runs(RunQuery(text="at-once", limit=5))
    store.list_runs(RunQuery(text="at-once", limit=5, cursor=found_by_id.next_cursor))
    store.list_runs(RunQuery(offset=900))
    store.list_runs(RunQuery(offset=60, workflow="workflow_03", statuses=frozenset({"completed"})))
    store.list_runs(RunQuery(workflow="nothing", statuses=frozenset({"pending", "completed", "dead", "suspended"})))
    for query in (
        RunQuery(),
        RunQuery(text="at-once-1"),
        RunQuery(parent_id=one),
        RunQuery(since_ms=now_ms - 600_000, until_ms=now_ms),
        RunQuery(since_ms=now_ms - 60_000, workflow="workflow_03"),
        RunQuery(attributes=(AttributeFilter("tenant", "eq", "nobody"),)),
    ):
        store.facets(query)
        store.facets(query, by_workflow=True, exact=True)
        store.backlog(query, old_ms=now_ms)
        store.activity(query, Grid.of(now_ms - 600_000, now_ms + 1, 60))
    store.get_runs(["keyed", "kid"])
    store.get_steps_of(["keyed", "kid", one], errors=True, most_rows=2)
    store.get_steps("keyed", errors=True)
    store.get_step("keyed", 2)
    store.get_step("keyed", 3)
    store.get_step_part("parted", limit=1)
    store.get_step_part("parted", start=2, limit=4)
    store.get_steps_of(["parted", one], errors=True, last_rows=2)
    store.count_steps("parted")
    store.step_outputs(one, ["step_1"])
    store.recording("keyed", limit=100)
    store.rows_of_runs([one, run_id(1)])
    store.children(one)
    store.forks(one)
    assert list(store.started_by(["keyed", "parted", one]))
    store.declaring_undo(["keyed", one])
    store.last_step_number("keyed")
    for name in ("input", "output", "error"):
        store.get_payload(one, name)
    store.published_events(run_id(1))
    store.published_event(run_id(1), "k")
    store.streams(run_id(1))
    store.stream_entries(run_id(1), "s", limit=10, cap_bytes=100)
    store.unread_messages(run_id(1))
    store.open_waits(run_id(1))
    store.questions()
    store.questions(run_ids=[run_id(1)])
    store.queues()
    store.schedules()
    store.steps_recorded_since(now_ms - 5_000, limit=100)
    store.runs_changed_since(now_ms - 5_000, limit=100)
    store.inserted_late((0, 0), before_ms=now_ms - 5_000)
    store.recent_mark(runs_since_ms=now_ms - 5_000, steps_since_ms=now_ms - 5_000)
    store.open_marks(limit=10)
    store.open_runs(limit=10)
    next(iter(store.iter_runs(since_ms=now_ms - 60_000)))


SQLITE_ONLY = {"newest_rows", "inserted_late"}
"""Postgres stamps rows itself."""
POSTGRES_ONLY = {"recent_mark"}
"""Versions of rows bear their transactions' numbers there alone."""


def declared() -> dict[str, Statement]:
    """Return every statement that the modules of ``store.sql`` name."""
    modules = [
        importlib.import_module(f"{package.__name__}.{info.name}") for info in pkgutil.iter_modules(package.__path__)
    ]
    found = {id(value): value for module in modules for value in vars(module).values() if isinstance(value, Statement)}
    return {statement.name: statement for statement in found.values()}


@pytest.fixture(scope="module")
def sqlite_noted(sqlite_store: SqlStateStore) -> Noted:
    """What answered on SQLite."""
    return noted(sqlite_store)


@pytest.fixture(scope="module")
def postgres_noted(postgres_store: SqlStateStore) -> Noted:
    """What answered on Postgres."""
    return noted(postgres_store)


def unlike(statements: Noted) -> Noted:
    """Return each text once."""
    return list({sql: (statement, sql, params) for statement, sql, params in statements}.values())


def test_each_statement_has_a_name_of_its_own_and_says_what_it_is_for() -> None:
    """Names are what a database's list of slow statements shows."""
    for name, statement in declared().items():
        assert re.fullmatch(r"[a-z_]+", name)
        assert statement.purpose.endswith(".")


def test_every_statement_is_asked_here(sqlite_noted: Noted, postgres_noted: Noted) -> None:
    """None escapes the plans below."""
    for statements, never in ((sqlite_noted, POSTGRES_ONLY), (postgres_noted, SQLITE_ONLY)):
        assert {statement.name for statement, _, _ in statements} == declared().keys() - never


def test_sqlite_answers_each_from_its_index(sqlite_store: SqlStateStore, sqlite_noted: Noted) -> None:
    """No table is scanned; an index on all runs is walked only by what stops at its LIMIT."""
    wrong = [problem for noted_ in unlike(sqlite_noted) for problem in sqlite_problems(sqlite_store, *noted_)]
    assert wrong == []


def sqlite_problems(store: SqlStateStore, statement: Statement, sql: str, params: Sequence[Any]) -> list[str]:
    """Return what is wrong with SQLite's plan."""
    plan = [row[-1] for row in store.rows(f"EXPLAIN QUERY PLAN {sql}", params)]
    aliases = {alias for table, alias in re.findall(r"(?:FROM|JOIN) (\w+) (\w)\b", sql) if table in BIG}
    subqueries = {found for line in plan for found in re.findall(r"(?:CO-ROUTINE|MATERIALIZE) (\w+)", line)}
    used: set[str] = set()
    wrong = []
    for line in plan:
        name = re.search(r"USING (?:COVERING |AUTOMATIC )?INDEX (\w+)", line)
        alias = re.match(r"(?:SCAN|SEARCH) (\w+)", line)
        if alias is None or alias[1] not in aliases - subqueries:
            continue
        if "USING INTEGER PRIMARY KEY" in line:  # the number of a row
            used.add(PRIMARY_KEY)
            continue
        if name is None:
            wrong.append(f"{line} in {sql}")
            continue
        used.add(PRIMARY_KEY if name[1].startswith("sqlite_autoindex") else name[1])
        if line.startswith("SCAN") and name[1] == WHOLE and statement.name not in READS_ON:
            wrong.append(f"{line} in {sql}")
    return wrong + unexpected(statement, used, sql)


def unexpected(statement: Statement, used: set[str], sql: str) -> list[str]:
    """Return what is wrong with the indexes that were used."""
    if not statement.indexes:
        return []
    # what is linked to a run is always looked up by its primary key
    strange = used - {*statement.indexes, PRIMARY_KEY}
    lacking = not used & set(statement.indexes)
    return [f"{statement.name} uses {sorted(used)}, not {statement.indexes}: {sql}"] if strange or lacking else []


def test_postgres_answers_each_from_its_index(postgres_store: SqlStateStore, postgres_noted: Noted) -> None:
    """No big table is read sequentially."""
    wrong = [problem for noted_ in unlike(postgres_noted) for problem in postgres_problems(postgres_store, *noted_)]
    assert wrong == []


def postgres_problems(store: SqlStateStore, statement: Statement, sql: str, params: Sequence[Any]) -> list[str]:
    """Return what is wrong with Postgres' plan."""
    ((plans,),) = store.rows(f"EXPLAIN (FORMAT JSON) {sql}", params)
    used: set[str] = set()
    wrong = []
    for node in nodes(plans[0]["Plan"]):
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG:
            wrong.append(f"Seq Scan on {node['Relation Name']} in {sql} {params}")
        if "Index Name" in node:
            used.add(PRIMARY_KEY if node["Index Name"].endswith("_pkey") else node["Index Name"])
    return wrong or unexpected(statement, used, sql)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's nodes."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)
