"""The sidecar file: made at first use, survives what happens to files, and says what to do when it cannot be used."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlite_utils

from otel_bridge.errors import LeaseLostError, LedgerUnavailableError
from otel_bridge.ledger import SqliteLedger, migrations, sqlite_migrations
from otel_bridge.ledger.base import AuditEntry, Cursor, ExportedRun
from otel_bridge.ledger.tables import audit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.durable.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(path, busy_timeout_s=0.5)
    yield opened
    opened.close()


def test_nothing_is_made_before_the_first_use(path: Path, ledger: SqliteLedger) -> None:
    """Importing and opening touch no file; the first use makes it, in WAL mode."""
    assert not path.exists()
    ledger.put_value("k", 1)
    assert sqlite_utils.Database(path).journal_mode == "wal"


def test_the_schema_is_kept_by_sqlite_utils_migrations(path: Path, ledger: SqliteLedger) -> None:
    """Anybody can see with sqlite-utils what was applied."""
    ledger.put_value("k", 1)
    database = sqlite_utils.Database(path)
    applied = [row["name"] for row in database["_sqlite_migrations"].rows]
    database.close()
    assert applied == list(migrations.scripts("sqlite"))


def test_a_deleted_file_is_made_again(path: Path, ledger: SqliteLedger) -> None:
    """Deleting the ledger is allowed at any time: the next use begins with an empty one."""
    ledger.put_value("k", 1)
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    assert ledger.get_value("k") is None
    assert ledger.put_value("k", 2) == 2
    assert ledger.cursor() is None


def test_a_lease_from_a_deleted_ledger_is_refused(path: Path, ledger: SqliteLedger) -> None:
    """What its holder knew is gone, so it has to start over."""
    lease = ledger.acquire_lease("export", "a", ttl_s=60)
    assert lease is not None
    path.unlink()
    with pytest.raises(LeaseLostError):
        ledger.record_export(lease, cursor=Cursor(steps_ms=1, runs_ms=1), runs=[ExportedRun(run_id="r")])


def test_a_replaced_file_is_noticed(path: Path, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Restoring a backup over the ledger in use works too, once its WAL is removed, as SQLite demands."""
    other = SqliteLedger(tmp_path / "backup.durable.sqlite")
    other.put_value("k", "from the backup")
    other.close()
    ledger.put_value("k", "new")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    os.replace(tmp_path / "backup.durable.sqlite", path)
    assert ledger.get_value("k") == "from the backup"


def test_an_emptied_file_gets_its_tables_back(path: Path, ledger: SqliteLedger) -> None:
    """Tables dropped by hand are made again instead of failing for ever."""
    ledger.put_value("k", 1)
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if not name.startswith("sqlite_"):
            connection.execute(f"DROP TABLE {name}")
    connection.commit()
    connection.close()
    assert ledger.get_value("k") is None
    assert ledger.put_value("k", 2) == 2


def test_a_file_that_is_not_a_database_is_named_with_what_to_do(path: Path, ledger: SqliteLedger) -> None:
    """And once it is moved away, the same process continues."""
    path.write_bytes(b"this is not a database, " * 100)
    with pytest.raises(LedgerUnavailableError, match="Move it away") as caught:
        ledger.get_value("k")
    assert caught.value.target == str(path)
    assert str(path) in str(caught.value)
    path.unlink()
    assert ledger.get_value("k") is None


def test_a_damaged_file_is_named_with_what_to_do(path: Path, ledger: SqliteLedger) -> None:
    """Pages overwritten with noise."""
    for number in range(200):
        ledger.put_value(f"k{number}", "x" * 500)
    ledger.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40_000)
    with pytest.raises(LedgerUnavailableError, match="Move it away"):
        [ledger.get_value(f"k{number}") for number in range(200)]


def test_a_file_locked_for_long_is_named_with_what_to_do(path: Path, ledger: SqliteLedger) -> None:
    """Waiting has an end; reading continues meanwhile, and writing as soon as the lock is gone."""
    ledger.put_value("k", 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailableError, match="Another process") as caught:
        ledger.put_value("k", 2)
    assert str(path) in str(caught.value)
    assert ledger.get_value("k") == 1
    other.execute("ROLLBACK")
    other.close()
    assert ledger.put_value("k", 2) == 2


def test_a_short_lock_is_waited_for(path: Path) -> None:
    """Another writer's transaction delays a write; it does not fail it."""
    ledger = SqliteLedger(path, busy_timeout_s=20)
    ledger.put_value("k", 1)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.2, lambda: other.execute("COMMIT"))
    timer.start()
    assert ledger.put_value("k", 2) == 2
    timer.join()
    other.close()
    ledger.close()


def test_a_missing_directory_is_named_with_what_to_do(tmp_path: Path) -> None:
    """No directory is made behind the operator's back."""
    ledger = SqliteLedger(tmp_path / "no" / "such" / "app.durable.sqlite")
    with pytest.raises(LedgerUnavailableError, match="Let this process write") as caught:
        ledger.get_value("k")
    assert str(tmp_path / "no" / "such") in str(caught.value)


@pytest.mark.skipif(not shutil.which("setpriv") and not shutil.which("su"), reason="no way to drop root here")
def test_an_unwritable_directory_is_named_with_what_to_do(tmp_path: Path) -> None:
    """As an ordinary user, in a directory of somebody else."""
    tmp_path.chmod(0o555)
    script = (
        "import os, sys\n"
        "from otel_bridge.ledger import SqliteLedger\n"
        "from otel_bridge.errors import LedgerUnavailableError\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "try: SqliteLedger(sys.argv[1]).get_value('k')\n"
        "except LedgerUnavailableError as error: print(error)\n"
    )
    readable = Path("/tmp") / f"durable-{os.getpid()}-unwritable"
    readable.mkdir(mode=0o555)
    try:
        target = readable / "app.durable.sqlite"
        done = subprocess.run(
            [sys.executable, "-c", script, str(target)], capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        readable.rmdir()
    assert "Let this process write" in done.stdout, done.stderr
    assert str(readable) in done.stdout


def test_a_newer_ledger_is_refused_clearly(path: Path, ledger: SqliteLedger) -> None:
    """A downgrade must not write to what it does not understand."""
    ledger.put_value("k", 1)
    ledger.close()
    database = sqlite_utils.Database(path)
    database["_sqlite_migrations"].insert(
        {"migration_set": "durable-ledger", "name": "0099_future", "applied_at": "2030-01-01"}
    )
    database.close()
    with pytest.raises(LedgerUnavailableError, match=r"0099_future.*Upgrade"):
        ledger.get_value("k")


def test_a_set_back_clock_does_not_lock_everybody_out(path: Path) -> None:
    """A lease that was renewed in the future would last for years; it counts as expired."""
    now = [2_000_000_000_000]
    ledger = SqliteLedger(path, clock=lambda: now[0])
    first = ledger.acquire_lease("export", "a", ttl_s=30)
    assert first is not None
    now[0] -= 365 * 86_400_000
    second = ledger.acquire_lease("export", "b", ttl_s=30)
    assert second is not None
    assert second.token > first.token
    ledger.close()


def test_threads_share_a_ledger(ledger: SqliteLedger) -> None:
    """Every count arrives."""

    def bump() -> None:
        for _ in range(50):
            ledger.bump_count("run", "what")

    threads = [threading.Thread(target=bump, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert ledger.count("run", "what") == 200


def test_the_sidecar_may_be_deleted_again_and_again_while_it_is_used(path: Path, ledger: SqliteLedger) -> None:
    """No deletion, whenever it comes, stops the process for good; every third write has one beside it."""
    stop, now = threading.Event(), threading.Event()

    def delete() -> None:
        while not stop.is_set():
            now.wait()
            now.clear()
            for file in path.parent.glob(path.name + "*"):
                file.unlink(missing_ok=True)

    deleter = threading.Thread(target=delete, daemon=True)
    deleter.start()
    failures = 0
    for number in range(100):
        if number % 3 == 0:
            now.set()
        try:
            ledger.put_value("k", number)
        except LedgerUnavailableError:
            failures += 1
    stop.set()
    now.set()
    deleter.join(10)
    assert ledger.put_value("k", "last") == "last"
    assert failures < 100


def test_an_older_ledger_is_migrated_and_keeps_what_it_holds(
    path: Path, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is missing is applied."""
    ledger.put_value("k", "kept")
    ledger.close()
    more = {**migrations.scripts("sqlite"), "9999_more": "CREATE TABLE more (x INTEGER);\n"}
    monkeypatch.setattr(sqlite_migrations, "scripts", lambda dialect: more)
    assert ledger.get_value("k") == "kept"
    database = sqlite_utils.Database(path)
    assert "more" in database.table_names()
    database.close()


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(
    path: Path, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it or nothing; the next version that mends it begins from where it was."""
    ledger.put_value("k", "kept")
    ledger.close()
    with monkeypatch.context() as broken:
        more = {**migrations.scripts("sqlite"), "9999_more": "CREATE TABLE half (x INTEGER);\nCREATE NONSENSE;\n"}
        broken.setattr(sqlite_migrations, "scripts", lambda dialect: more)
        with pytest.raises(LedgerUnavailableError, match="syntax error"):
            ledger.get_value("k")
    assert ledger.get_value("k") == "kept"
    database = sqlite_utils.Database(path)
    assert "half" not in database.table_names()
    database.close()


def test_the_audit_log_is_bounded(ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest entries stay, ids go on counting."""
    monkeypatch.setattr(audit, "AUDIT_KEEP", 10)
    monkeypatch.setattr(audit, "_TRIM_EVERY", 5)
    entry = AuditEntry(at_ms=1, actor="ann", action="retry", run_id="r", outcome="ok")
    ids = [ledger.add_audit(entry) for _ in range(30)]
    assert [kept.id for kept in ledger.audit()] == ids[:-11:-1]


def test_a_ledger_of_which_a_table_was_dropped_says_how_to_make_it_again(path: Path, ledger: SqliteLedger) -> None:
    """Trying again would not help; the command does."""
    ledger.put_value("k", 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("DROP TABLE leases")
    other.close()
    with pytest.raises(LedgerUnavailableError, match="A part of it was dropped") as caught:
        ledger.lease_holder("x")
    assert "Trying again" not in str(caught.value)
    command = str(caught.value).rpartition(": ")[2]
    subprocess.run(command, shell=True, check=True)
    assert ledger.lease_holder("x") is None


def test_a_full_disk_is_named_as_such_and_the_ledger_continues_when_there_is_room(ledger: SqliteLedger) -> None:
    """What was to be written is not half written."""
    ledger.put_value("k", 1)
    (pages,) = ledger._open().execute("PRAGMA page_count").fetchone()
    ledger._open().execute(f"PRAGMA max_page_count = {pages}")  # SQLite says the same of a disk that is full
    with pytest.raises(LedgerUnavailableError, match=r"disk is full\. Make room on its disk"):
        ledger.put_value("large", "x" * 100_000)
    assert ledger.get_value("large") is None
    assert ledger.put_value("large", "x" * 100_000) == "x" * 100_000, "the connection that failed was let go"
    assert ledger.get_value("k") == 1


def test_pages_of_what_was_forgotten_are_given_back(path: Path, ledger: SqliteLedger) -> None:
    """A month of runs does not stay on disk for ever."""
    lease = ledger.acquire_lease("otel-bridge", "me", ttl_s=60)
    assert lease is not None
    runs = [
        ExportedRun(run_id=f"r{number}", ended=True, ended_at_ms=1, steps={n: (n, 0) for n in range(60)})
        for number in range(3_000)
    ]
    ledger.record_export(lease, cursor=None, runs=runs)
    ledger.close()
    full = path.stat().st_size
    assert ledger.prune_exports(lease, ended_before_ms=2) == 3_000
    ledger.close()
    assert path.stat().st_size < full / 3
