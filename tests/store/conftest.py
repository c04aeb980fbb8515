"""One story, written by a real DBOS app to SQLite and to Postgres, and read through every store."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_bridge.store.adapter import SqlStateStore
from otel_bridge.store.postgres import PostgresStateStore
from otel_bridge.store.sqlite import SqliteStateStore
from otel_bridge.testing import MemoryStateStore
from tests.databases import make_wal
from tests.programs import Program

ROOT = Path(__file__).resolve().parents[2]
STORES = ("memory", "sqlite", "postgres")
SCHEMA = "engine-7"
"""Not DBOS's default, so that the name is honoured everywhere."""


def tell_story(url: str, schema: str) -> None:
    """Run the app until every run is where the tests want it; then kill it, so that nothing moves any more."""
    program = Program("-m", "tests.store.story_app", url, schema, commanded=True)
    try:
        program.wait_for("ready", whole=True)
    finally:
        program.kill()


@pytest.fixture(scope="session")
def sqlite_story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The system database of the story in a SQLite file."""
    folder = tmp_path_factory.mktemp("story")
    path = folder / "app.sqlite"
    tell_story(make_wal(path), "dbos")
    return path


@pytest.fixture(scope="session")
def postgres_story(postgres_server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a database that holds the story in the schema ``SCHEMA``."""
    import psycopg

    name = f"story_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    base, _, query = postgres_server_url.partition("?")
    url = base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
    tell_story(url, SCHEMA)
    yield url
    with psycopg.connect(postgres_server_url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def copy_to_memory(path: Path) -> MemoryStateStore:
    """Return a memory store that holds the rows of a SQLite system database."""
    store = MemoryStateStore()
    kept = {table: columns for table, columns in store.schema().tables.items() if table != "dbos_migrations"}
    source = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        for table, columns in kept.items():
            names = sorted(columns & {row[1] for row in source.execute(f"PRAGMA table_info({table})")})
            quoted = ", ".join(f'"{name}"' for name in names)
            for row in source.execute(f"SELECT {quoted} FROM {table}").fetchall():
                store.put_row(table, **dict(zip(names, row, strict=True)))
    finally:
        source.close()
    return store


@pytest.fixture(scope="session", params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[SqlStateStore]:
    """The story, through each store in turn."""
    if request.param == "memory":
        opened: SqlStateStore = copy_to_memory(request.getfixturevalue("sqlite_story"))
    elif request.param == "sqlite":
        opened = SqliteStateStore(request.getfixturevalue("sqlite_story"))
    else:
        opened = PostgresStateStore(request.getfixturevalue("postgres_story"), schema=SCHEMA)
    yield opened
    opened.close()
