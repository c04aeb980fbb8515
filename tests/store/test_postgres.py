"""What is particular to Postgres: servers that are away, roles that may not, sessions that are cut."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from otel_bridge.errors import (
    ConfigurationError,
    NotADbosDatabaseError,
    StoreMissingError,
    StoreUnavailableError,
)
from otel_bridge.model.runs import AttributeFilter, RunQuery
from otel_bridge.model.status import RunStatus
from otel_bridge.store import open_store, postgres
from otel_bridge.store.postgres import PostgresStateStore
from otel_bridge.store.sql import sources
from otel_bridge.store.sql.schema import Schema
from tests.store.conftest import SCHEMA

pytestmark = pytest.mark.postgres
FAILED: frozenset[RunStatus] = frozenset({"failed"})


@pytest.fixture
def store(postgres_story: str) -> Iterator[PostgresStateStore]:
    """A store of its own over the story."""
    opened = PostgresStateStore(postgres_story, schema=SCHEMA)
    yield opened
    opened.close()


def execute(url: str, *statements: str) -> None:
    """Run statements as the server's owner."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def with_user(url: str, user: str, password: str) -> str:
    """Return the URL for another role."""
    parts = psycopg.conninfo.conninfo_to_dict(url)
    return psycopg.conninfo.make_conninfo(**{**parts, "user": user, "password": password})  # type: ignore[arg-type]


# -- databases that are not what they should be --------------------------------------------------------------


def test_a_server_that_is_away_is_reported_within_seconds_without_its_password(free_port: int) -> None:
    """Nobody listens there; the message names the host, never the credentials."""
    url = f"postgresql://ann:s3cret@127.0.0.1:{free_port}/app"
    with closing(PostgresStateStore(url)) as store:
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1") as caught:
                store.list_runs(RunQuery())
            assert "s3cret" not in str(caught.value)
        assert time.monotonic() - began < 5


def test_a_missing_database_is_named(postgres_story: str) -> None:
    """The server is there, the database is not."""
    parts = psycopg.conninfo.conninfo_to_dict(postgres_story)
    url = psycopg.conninfo.make_conninfo(**{**parts, "dbname": "no_such_thing"})  # type: ignore[arg-type]
    with closing(PostgresStateStore(url)) as store, pytest.raises(StoreMissingError, match="no_such_thing"):
        store.check()


def test_a_schema_that_is_not_there_is_named(postgres_story: str) -> None:
    """The story's schema is another one: what to say when ``schema`` was forgotten."""
    with closing(PostgresStateStore(postgres_story)) as store, pytest.raises(NotADbosDatabaseError, match="schema"):
        store.check()


def test_a_schema_without_the_engines_tables_is_not_taken_for_one(postgres_url: str) -> None:
    """The missing tables are named."""
    execute(postgres_url, "CREATE SCHEMA dbos", "CREATE TABLE dbos.customers (id int)")
    with closing(PostgresStateStore(postgres_url)) as store:
        with pytest.raises(NotADbosDatabaseError, match="workflow_status"):
            store.check()


@pytest.mark.parametrize("schema", ["", 'a"b'])
def test_a_name_that_is_not_a_schema_is_refused(schema: str) -> None:
    """Nothing of it reaches a statement."""
    with pytest.raises(ConfigurationError, match="not the name"):
        PostgresStateStore("postgresql://localhost/app", schema=schema)


def test_a_malformed_url_is_refused() -> None:
    """Before anything connects."""
    with pytest.raises(ConfigurationError, match="malformed"):
        PostgresStateStore("postgresql://local host:x/app?nonsense=1")


# -- roles -------------------------------------------------------------------------------------------------------


def test_a_role_that_may_only_select_suffices(postgres_story: str) -> None:
    """USAGE on the schema, SELECT on its tables; without them the message says what to grant."""
    execute(postgres_story, "CREATE ROLE viewer LOGIN PASSWORD 'v'")
    try:
        with closing(PostgresStateStore(with_user(postgres_story, "viewer", "v"), schema=SCHEMA)) as store:
            with pytest.raises(StoreUnavailableError, match="GRANT USAGE"):
                store.check()
            execute(
                postgres_story,
                f'GRANT USAGE ON SCHEMA "{SCHEMA}" TO viewer',
                f'GRANT SELECT ON ALL TABLES IN SCHEMA "{SCHEMA}" TO viewer',
            )
            assert store.check().schema_version is not None
            assert store.get_steps("done-1") != []
            assert store.facets(RunQuery()) != []
    finally:
        execute(postgres_story, "DROP OWNED BY viewer", "DROP ROLE viewer")


def test_the_stores_sessions_cannot_write(store: PostgresStateStore) -> None:
    """Whatever the role may do, our session is read-only."""
    with pytest.raises(StoreUnavailableError, match="read-only transaction"):
        store.rows(f'DELETE FROM "{SCHEMA}".workflow_status')


# -- trouble in between ------------------------------------------------------------------------------------------


def test_sessions_that_were_cut_are_replaced_unnoticed(postgres_story: str, store: PostgresStateStore) -> None:
    """A server that was restarted kills every idle connection; the next read opens a new one."""
    assert store.get_run("done-1") is not None
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'durable-dashboard'"
    for _ in range(2):
        execute(postgres_story, cut)
        assert store.get_run("done-1") is not None


def test_a_server_that_goes_away_and_comes_back_is_survived(
    postgres_story: str, store: PostgresStateStore, free_port: int
) -> None:
    """While it is away reads fail at once; afterwards they work, without a new store."""
    assert store.get_run("done-1") is not None
    name = psycopg.conninfo.conninfo_to_dict(postgres_story)["dbname"]
    other = psycopg.conninfo.make_conninfo(
        **{**psycopg.conninfo.conninfo_to_dict(postgres_story), "dbname": "postgres"}  # type: ignore[arg-type]
    )
    execute(other, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    try:
        execute(other, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            store.get_run("done-1")
        assert time.monotonic() - began < 6
    finally:
        execute(other, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert store.get_run("done-1") is not None


def test_a_statement_that_takes_too_long_is_ended(postgres_story: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server stops it; the store says so and continues."""
    monkeypatch.setattr(postgres, "STATEMENT_TIMEOUT_MS", 100)
    with closing(PostgresStateStore(postgres_story, schema=SCHEMA)) as store:
        with pytest.raises(StoreUnavailableError, match="took too long"):
            store.rows("SELECT pg_sleep(30)")
        assert store.get_run("done-1") is not None


def test_a_schema_that_changes_under_us_is_looked_at_again(postgres_url: str) -> None:
    """The engine may migrate while we watch: the next read knows the new tables."""
    columns = "workflow_uuid text, status text, name text, created_at bigint, updated_at bigint"
    execute(
        postgres_url,
        "CREATE SCHEMA dbos",
        f"CREATE TABLE dbos.workflow_status ({columns}, schedule_name text)",
        "CREATE TABLE dbos.operation_outputs (workflow_uuid text, function_id int, function_name text)",
        "INSERT INTO dbos.workflow_status VALUES ('r1', 'SUCCESS', 'w', 1, 1)",
    )
    with closing(PostgresStateStore(postgres_url)) as store:
        assert store.get_run("r1") is not None
        execute(postgres_url, "ALTER TABLE dbos.workflow_status DROP COLUMN schedule_name")
        assert store.get_run("r1") is not None
        execute(postgres_url, "ALTER TABLE dbos.workflow_status DROP COLUMN name")
        with pytest.raises(NotADbosDatabaseError, match=r"workflow_status\.name"):
            store.get_run("r1")


# -- what can be opened ------------------------------------------------------------------------------------------------


def test_sqlalchemys_url_is_accepted(postgres_story: str) -> None:
    """It is what DBOS's own configuration holds."""
    url = postgres_story.replace("postgresql://", "postgresql+psycopg://")
    with closing(open_store(url, schema=SCHEMA)) as store:
        assert store.get_run("done-1") is not None
        assert store.url == postgres_story


def test_a_pool_of_the_users_is_used_and_left_open(postgres_story: str) -> None:
    """We close what we opened, and nothing else."""
    pool: ConnectionPool[Any] = ConnectionPool(postgres_story, min_size=1, max_size=2, open=True)
    try:
        store = PostgresStateStore(pool, schema=SCHEMA)
        assert store.get_run("done-1") is not None
        assert store.url == postgres_story
        store.close()
        with pool.connection() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        pool.close()


def test_a_closed_store_says_so(postgres_story: str) -> None:
    """Closing twice is fine; reading afterwards is not."""
    store = PostgresStateStore(postgres_story, schema=SCHEMA)
    store.check()
    store.close()
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        store.check()


# -- what only Postgres has an index for -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (RunQuery(attributes=(AttributeFilter("region", "eq", "us"),)), {"failed-1", "failed-2"}),
        (RunQuery(attributes=(AttributeFilter("amount", "eq", "9.0"),)), {"failed-1", "failed-2"}),
        (RunQuery(attributes=(AttributeFilter("amount", "eq", "9"),), statuses=FAILED), {"failed-1", "failed-2"}),
        (RunQuery(attributes=(AttributeFilter("amount", "eq", "true"),)), set()),
        (RunQuery(tags=("vip",), text="done"), {"done-1"}),
    ],
)
def test_a_rare_attribute_is_found_by_its_index_when_a_walk_finds_too_little(
    store: PostgresStateStore, query: RunQuery, expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One page holds what a walk through all runs would not have reached within its budget."""
    for bound in ("FIRST_CHUNK", "TRY_ATTRIBUTES_AFTER", "LOOKED_INTO"):
        monkeypatch.setattr(sources, bound, 1)
    page = store.list_runs(query)
    assert {run.id for run in page.runs} == expected
    assert page.next_cursor is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        ({"a": 1}, {"a": 1}),
        ({"note": "n" * 60_000}, {"note": "n" * 60_000}),
        ({"note": "n" * 65_600}, {"attributesTooLong": 65_612}),
        ({"note": "n" * 1_000_000}, {"attributesTooLong": 1_000_020}),
        ({"note": ["n", 1] * 10_000}, {"attributesTooLong": 200_024}),
        ([], []),
        ("text", "text"),
    ],
)
def test_long_attributes_are_never_written_as_text(postgres_story: str, value: object, shown: object) -> None:
    """A page of three hundred runs with a megabyte each took five seconds and was 503; by their size it is a tenth."""
    schema = Schema({"workflow_status": frozenset({"attributes"})}, dialect="postgres")
    select = schema.shown_attributes()
    with psycopg.connect(postgres_story) as connection:
        connection.execute("CREATE TEMPORARY TABLE w (attributes jsonb) ON COMMIT DROP")
        connection.execute("INSERT INTO w VALUES (%s)", [None if value is None else json.dumps(value)])
        ((text,),) = connection.execute(f"SELECT {select} FROM w".encode()).fetchall()
        connection.rollback()
    assert select.count("CAST(w.attributes AS text)") == 1
    assert (None if text is None else json.loads(text)) == shown
