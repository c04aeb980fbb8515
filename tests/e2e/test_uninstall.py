"""What an uninstallation leaves behind, and that what docs/operations.md says takes it away. On real databases."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from dbos import DBOSClient, run_dbos_database_migrations

from otel_bridge.ledger import ledger_schema
from tests.databases import make_wal
from tests.programs import ROOT
from tests.story import mounted

OBJECTS = """
    SELECT n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    UNION ALL SELECT n.nspname, p.proname, 'f' FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    UNION ALL SELECT nspname, '', 'n' FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'
    UNION ALL SELECT '', rolname, 'r' FROM pg_roles
"""
"""Tables, indexes, functions, schemas and roles."""


def used(url: str) -> None:
    """Use the product: look, and act, which puts its queue into the engine's table."""
    with mounted(url) as app:
        client = app.test_client()
        assert client.get("/durable/api/health").status_code == 200
        assert client.post("/durable/api/runs", json={"workflow": "order", "format": "portable"}).status_code == 201
        assert client.get("/durable/api/audit").get_json()


def documented() -> str:
    """Return what docs/operations.md says about leaving."""
    text = (ROOT / "docs" / "operations.md").read_text()
    return text[text.index("**Uninstalling.**") :]


@pytest.mark.postgres
def test_postgres_is_as_it_was_once_the_ledgers_schema_is_dropped(postgres_url: str) -> None:
    """No table, index, function, trigger or role of ours outside of it; one row in the engine's table of queues."""
    run_dbos_database_migrations(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        before = set(admin.execute(OBJECTS).fetchall())
        used(postgres_url)
        left = set(admin.execute(OBJECTS).fetchall()) - before
        assert {row[0] for row in left} == {ledger_schema()}
        command = re.search(r"DROP SCHEMA \w+ CASCADE", documented())
        assert command is not None
        admin.execute(command[0])
        assert set(admin.execute(OBJECTS).fetchall()) == before
        queues = "SELECT name FROM dbos.queues WHERE name LIKE 'durable.%'"
        assert admin.execute(queues).fetchall() == [("durable.fast",)]
        client = DBOSClient(system_database_url=postgres_url)
        assert 'client.delete_queue("durable.fast")' in documented()
        client.delete_queue("durable.fast")
        client.destroy()
        assert admin.execute(queues).fetchall() == []


def test_beside_a_sqlite_database_only_the_ledgers_files_are_left(tmp_path: Path) -> None:
    """Which the documented pattern names, and no file of the application's."""
    url = make_wal(tmp_path / "app.sqlite")
    run_dbos_database_migrations(url)
    before = {path.name for path in tmp_path.iterdir()}
    used(url)
    pattern = re.search(r"^rm (\S+)", documented(), re.M)
    assert pattern is not None
    ours = {path.name for path in tmp_path.glob(pattern[1])}
    assert ours
    assert {path.name for path in tmp_path.iterdir()} - before - {"app.sqlite-wal", "app.sqlite-shm"} == ours
    assert not ours & before
