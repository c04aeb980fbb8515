"""Rows of the ledger that nobody should have written stop neither traces nor pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otel_bridge.ledger import SqliteLedger
from otel_bridge.ledger.pending import EXPORT_LEASE, records_key
from otel_bridge.testing import MemoryStateStore, make_run
from tests.bridge.rows import Bridges
from tests.bridge.test_bridge_cli import run
from tests.ledger.filled import fill
from tests.story import mounted


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(tmp_path / "app.durable.sqlite")
    fill(opened)
    yield opened
    opened.close()


@pytest.fixture
def admin(ledger: SqliteLedger) -> Iterator[sqlite3.Connection]:
    """Somebody else with the file open."""
    connection = sqlite3.connect(ledger.path, isolation_level=None)
    yield connection
    connection.close()


def spoil(table: str, **columns: object) -> Callable[[sqlite3.Connection], object]:
    sets = ", ".join(f"{name} = ?" for name in columns)
    return lambda admin: admin.execute(f"UPDATE {table} SET {sets}", list(columns.values()))


@pytest.mark.parametrize(
    "damage",
    [
        spoil("executors", data="{"),
        spoil("executors", data=b"\xff"),
        spoil("executors", data='{"instance_id": "\\ud800", "executor_id": "e", "started_at_ms": "x"}'),
        spoil("executors", beat_at_ms="soon"),
        spoil("cursors", steps_ms="soon"),
        spoil("cursors", runs_ms=b"\xff"),
        spoil("leases", expires_at_ms="soon", owner=b"\xff"),
        spoil("leases", token="soon", expires_at_ms=0),
        spoil("exported_runs", steps=b"\x07garbage"),
        spoil("exported_runs", generation="soon"),
        spoil("exported_runs", ended="soon"),
        spoil("settings", value="{"),
        spoil("settings", value='"no outbox"'),
        spoil("past_lives", data=b"\xff"),
        spoil("failures", message=b"\xff"),
        spoil("error_groups", template=b"\xff"),
    ],
)
def test_no_damaged_row_stops_traces_or_pages(
    damage: Callable[[sqlite3.Connection], object],
    ledger: SqliteLedger,
    admin: sqlite3.Connection,
    store: MemoryStateStore,
    bridges: Bridges,
) -> None:
    """What is there and what comes later is exported once, and every page answers."""
    holder = ledger.lease_holder(EXPORT_LEASE)
    assert holder is not None
    ledger.release_lease(holder)
    ledger.put_value(records_key(EXPORT_LEASE), None)
    damage(admin)
    store.put_run(make_run("r", status="completed", created_at_ms=1, finished_at_ms=5))
    bridge = bridges(ledger=ledger)
    bridge.run_once()
    now_ms = store.now_ms()
    store.put_run(make_run("later", status="completed", created_at_ms=now_ms, finished_at_ms=now_ms))
    assert bridge.run_once() == 1
    assert bridge.run_once() == 0
    with mounted(store, ledger=ledger, caretaker=False) as app:
        for path in ("executors", "workers", "runs", "runs/r", "runs/facets", "topology", "health", "metrics", "audit"):
            assert app.test_client().get(f"/durable/api/{path}").status_code == 200, path


def test_health_and_doctor_say_how_many_rows_and_what_to_do(
    ledger: SqliteLedger, admin: sqlite3.Connection, store: MemoryStateStore, migrated: Path
) -> None:
    """Of which table, too."""
    admin.execute("UPDATE executors SET data = '{'")
    says = "1 row cannot be read and is left out (executors: 1). The log names them; delete them"
    with mounted(store, ledger=ledger, caretaker=False) as app:
        app.test_client().get("/durable/api/executors")
        (warning,) = app.test_client().get("/durable/api/health").get_json()["warnings"]
    assert says in warning
    done = run("doctor", "--system-database-url", f"sqlite:///{migrated}", "--ledger", str(ledger.path))
    assert says in done.out
