"""Rows of the ledger that nobody should have written: left out, counted and reported; they stop nothing.

SQLite stores any value in any column, so every column of every table is tried with values of the wrong kind.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_bridge.ledger import Ledger, SqliteLedger
from otel_bridge.ledger.base import (
    Cursor,
    Executor,
    ExportedRun,
)
from otel_bridge.ledger.pending import EXPORT_LEASE, exported_or_pending, records_key
from tests.ledger.filled import fill

WRONG = {"blob": b"\xff\x80", "text": "soon", "json": '{"a":[', "huge": 2**62, "half": 1.5, "empty": ""}


def read_everything(ledger: Ledger) -> None:
    """Every question there is."""
    ledger.look_for_damage()
    ledger.lease_holder(EXPORT_LEASE)
    ledger.exported(["r"])
    exported_or_pending(ledger, ["r"])
    ledger.past_lives(["r"])
    ledger.original_queue("r")
    ledger.count("r", "redispatch")
    ledger.run_of_trace("ab" * 16)
    ledger.get_value(records_key(EXPORT_LEASE))
    ledger.audit(run_id="r")
    ledger.audit_of_runs(["r"], ["retry"])
    ledger.token_of(b"hash")
    ledger.failures_of(["r"])
    ledger.runs_of_error("f")
    ledger.errors(["f"])
    ledger.dispositions("error", ["f"])
    ledger.views()
    ledger.incidents(since_ms=0)
    ledger.step_attempts("r", 1)
    ledger.failed_attempts("r")
    ledger.watched_runs()


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


def test_no_value_in_any_column_stops_a_reader(
    ledger: SqliteLedger, admin: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is tried, alone; afterwards everything is as it was."""
    caplog.set_level(logging.CRITICAL, "otel_bridge")
    read_everything(ledger)
    assert ledger.damaged == {}
    tables = [name for (name,) in admin.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    tried = 0
    for table in (name for name in tables if not name.startswith(("sqlite_", "_sqlite"))):
        for _, column, *_ in admin.execute(f"PRAGMA table_info({table})").fetchall():
            ((whole,),) = admin.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchall()
            for kind, wrong in WRONG.items():
                try:
                    admin.execute(f"UPDATE {table} SET {column} = ?", [wrong])
                except sqlite3.IntegrityError:  # a row id that is not a number
                    continue
                try:
                    read_everything(ledger)
                except Exception as error:
                    raise AssertionError(f"{table}.{column} as {kind}") from error
                admin.execute(f"UPDATE {table} SET {column} = ?", [whole])
                tried += 1
    assert tried > 400


def test_a_damaged_row_is_counted_and_reported_once(
    ledger: SqliteLedger, admin: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever else is there is still shown."""
    ledger.heartbeat(Executor(instance_id="j", executor_id="f", beat_at_ms=0, started_at_ms=1))
    admin.execute("UPDATE executors SET data = '{' WHERE instance_id = 'i'")
    for _ in range(3):
        assert [one.instance_id for one in ledger.executors()] == ["j"]
    assert ledger.damaged == {"executors": 1}
    assert caplog.text.count("'executors' cannot be read") == 1


def test_a_damaged_row_that_is_written_again_is_whole_again(ledger: SqliteLedger, admin: sqlite3.Connection) -> None:
    """What was exported of a run is reported again over what could not be read."""
    admin.execute("UPDATE exported_runs SET generation = 'soon', created_at_ms = x'ff'")
    assert ledger.exported(["r"]) == {}
    lease = ledger.acquire_lease(EXPORT_LEASE, "host:1:abc", ttl_s=60)
    assert lease is not None
    again = ExportedRun(run_id="r", ended=True, ended_at_ms=5, generation=1)
    ledger.record_export(lease, cursor=None, runs=[again])
    assert ledger.exported(["r"]) == {"r": again}
    assert ledger.damaged == {}


def test_whether_a_runs_end_was_exported_is_yes_or_no(ledger: SqliteLedger, admin: sqlite3.Connection) -> None:
    """Any other number is damage, and not a yes."""
    admin.execute("UPDATE exported_runs SET ended = 2")
    assert ledger.exported(["r"]) == {}
    assert ledger.damaged == {"exported_runs": 1}


def test_a_damaged_cursor_comes_back_from_what_was_exported(ledger: SqliteLedger, admin: sqlite3.Connection) -> None:
    """Nothing between then and now is lost; the years 1970 to then are not read again."""
    admin.execute("UPDATE cursors SET runs_ms = 'soon'")
    assert ledger.cursor() == Cursor(steps_ms=5, runs_ms=5)
    admin.execute("UPDATE exported_runs SET ended_at_ms = 'soon'")
    assert ledger.cursor() is None


def test_a_lease_that_never_expires_is_taken_over(ledger: SqliteLedger, admin: sqlite3.Connection) -> None:
    """A text is greater than every number to SQLite: nobody would export any more."""
    admin.execute("UPDATE leases SET expires_at_ms = 'soon'")
    assert ledger.lease_holder(EXPORT_LEASE) is None
    lease = ledger.acquire_lease(EXPORT_LEASE, "host:2:def", ttl_s=60)
    assert lease is not None
    assert lease.owner == "host:2:def"
    assert ledger.lease_holder(EXPORT_LEASE) == lease
