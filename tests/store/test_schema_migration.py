"""Schemas that are not what we know: on their way to a newer one, newer, or the proprietary one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from otel_bridge.cli import otel_bridge
from otel_bridge.store import adapter
from otel_bridge.testing import MemoryStateStore
from tests.cli.conftest import run_durable


@pytest.mark.parametrize(("version", "seen"), [(100, True), (125, False)])
def test_tables_that_a_migration_adds_are_seen_soon(monkeypatch: pytest.MonkeyPatch, version: int, seen: bool):
    """A process that started before the engine migrated must not keep what it saw then."""
    now = [0.0]
    monkeypatch.setattr(adapter.time, "monotonic", lambda: now[0])  # type: ignore[attr-defined]
    store = MemoryStateStore()
    store.rows("ALTER TABLE queues RENAME TO not_yet")
    probe = store._probe
    monkeypatch.setattr(store, "_probe", lambda: adapter.Schema(probe().tables, version=version))  # type: ignore[attr-defined]
    assert store.queues() == []
    store.rows("ALTER TABLE not_yet RENAME TO queues")
    store.put_row("queues", name="mail", created_at=0, updated_at=0)
    now[0] += adapter.UNSETTLED_PROBE_S
    assert bool(store.queues()) is seen
    store.close()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE dbos_migrations SET version = 999", "The engine's schema is version 999"),
        ("ALTER TABLE workflow_status ADD COLUMN shard_key TEXT", "a sharded system database"),
    ],
)
def test_both_doctors_say_what_they_do_not_know(story_url: str, tmp_path: Path, statement: str, says: str) -> None:
    """A newer schema, or the proprietary sharded one: it is read all the same, with a warning that says what to do."""
    path = tmp_path / "app.sqlite"
    with (
        closing(sqlite3.connect(story_url.removeprefix("sqlite:///"))) as story,
        closing(sqlite3.connect(path)) as copy,
    ):
        story.backup(copy)
        copy.execute(statement)
        copy.commit()
    url = f"sqlite:///{path}"
    done = run_durable("doctor", "--system-database-url", url)
    assert says in done.out
    assert says in CliRunner().invoke(otel_bridge, ["doctor", "--system-database-url", url]).output
    assert json.loads(run_durable("runs", "--json", "--system-database-url", url).out)
