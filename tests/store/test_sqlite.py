"""What is particular to SQLite: files that are not what they should be, locks, modes, older and newer engines."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from otel_bridge.errors import ConfigurationError, NotADbosDatabaseError, StoreMissingError, StoreUnavailableError
from otel_bridge.model.runs import RunQuery
from otel_bridge.store import open_store, sqlite
from otel_bridge.store.engine_schema import ENGINE_SCHEMA
from otel_bridge.store.sql import counts, sources
from otel_bridge.store.sql.counts import Tally
from otel_bridge.store.sqlite import SqliteStateStore

RUN = "INSERT INTO workflow_status (workflow_uuid, status, name, created_at, updated_at) VALUES (?, ?, 'w', ?, 9)"


@pytest.fixture(params=["wal", "delete"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A system database without runs, in either journal mode."""
    return make_database(tmp_path / "app.sqlite", mode=request.param)


def make_database(path: Path, *, mode: str = "wal", then: str = "") -> Path:
    """Create the engine's tables, and change them as ``then`` says."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.executescript(ENGINE_SCHEMA + then)
    return path


def write(path: Path, sql: str, *params: Any, wait_s: float = 0) -> None:
    """Commit one statement as an engine would, waiting for locks as long as asked."""
    with closing(sqlite3.connect(path, timeout=wait_s)) as connection, connection:
        connection.execute(sql, params)


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStateStore]:
    """A store over ``path``."""
    opened = SqliteStateStore(path)
    yield opened
    opened.close()


# -- files that are not what they should be ------------------------------------------------------------------


def test_a_missing_file_is_an_error_and_is_not_created(tmp_path: Path) -> None:
    """The engine's client would create an empty file and succeed; we never write."""
    path = tmp_path / "missing.sqlite"
    with closing(SqliteStateStore(path)) as store:
        for read in (store.check, store.change_token, lambda: store.get_run("x")):
            with pytest.raises(StoreMissingError, match=r"missing\.sqlite"):
                read()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty: no DBOS app has been launched on it yet"), (b"hello" * 99, "is not a SQLite file")],
)
def test_a_file_that_is_not_a_database_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    """An empty file is what a mistyped path leaves behind; the message says what to do."""
    path = tmp_path / "app.sqlite"
    path.write_bytes(content)
    with closing(SqliteStateStore(path)) as store, pytest.raises(NotADbosDatabaseError, match=says) as caught:
        store.check()
    assert "app.sqlite" in str(caught.value)


def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A right beginning and nonsense behind it."""
    path = tmp_path / "app.sqlite"
    path.write_bytes(b"SQLite format 3\x00" + b"\x01" * 5000)
    with closing(SqliteStateStore(path)) as store, pytest.raises(NotADbosDatabaseError, match=r"app\.sqlite"):
        store.check()


def test_somebody_elses_database_is_not_taken_for_dboss(tmp_path: Path) -> None:
    """The missing tables are named."""
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE customers (id INTEGER)")
    with closing(SqliteStateStore(path)) as store:
        with pytest.raises(NotADbosDatabaseError, match=r"workflow_status, operation_outputs missing"):
            store.check()
        with pytest.raises(NotADbosDatabaseError):
            store.list_runs(RunQuery())


def test_a_directory_cannot_be_read(tmp_path: Path) -> None:
    """What the operating system refuses is reported in its words."""
    with closing(SqliteStateStore(tmp_path)) as store, pytest.raises(StoreUnavailableError, match="cannot be read"):
        store.check()


def test_a_locked_database_is_unavailable_and_named(
    path: Path, store: SqliteStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that never lets go is waited for, then reported; afterwards all is well again."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA locking_mode=EXCLUSIVE")
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute(RUN, ("r1", "SUCCESS", 1))
        with pytest.raises(StoreUnavailableError, match=r"app\.sqlite.*is locked"):
            store.get_run("r1")
        writer.execute("COMMIT")
    assert store.get_run("r1") is not None


# -- living beside writers -----------------------------------------------------------------------------------


def test_no_lock_outlives_a_read(path: Path, store: SqliteStateStore) -> None:
    """A writer that does not wait at all is never turned away between our reads, in either journal mode."""
    reads: list[Callable[[], object]] = [
        lambda: store.list_runs(RunQuery()),
        lambda: store.facets(RunQuery()),
        lambda: store.get_steps("r0"),
        store.change_token,
        lambda: next(store.iter_runs(), None),
    ]
    for n in range(25):
        reads[n % len(reads)]()
        write(path, RUN, f"r{n}", "PENDING", n)
    assert len(store.list_runs(RunQuery()).runs) == 25


def test_a_backfill_holds_nothing_while_its_caller_thinks(path: Path, store: SqliteStateStore) -> None:
    """The iterator can be left standing between two runs."""
    for n in range(3):
        write(path, RUN, f"r{n}", "SUCCESS", n)
    runs = store.iter_runs()
    next(runs)
    write(path, RUN, "r9", "SUCCESS", 9)
    assert len(list(runs)) == 2


def test_the_store_writes_nothing(path: Path, store: SqliteStateStore) -> None:
    """Its connections refuse to."""
    with pytest.raises(StoreUnavailableError, match="readonly"):
        store.rows("DELETE FROM workflow_status")


def test_threads_share_a_store(path: Path, store: SqliteStateStore) -> None:
    """Each statement gets a connection of its own."""
    for n in range(20):
        write(path, RUN, f"r{n}", "PENDING", n)
    counts: list[int] = []

    def read() -> None:
        counts.extend(len(store.list_runs(RunQuery()).runs) for _ in range(10))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [20] * 80


def test_the_change_token_changes_with_commits_only(path: Path, store: SqliteStateStore) -> None:
    """Reading changes nothing; a commit by anybody does."""
    before = store.change_token()
    store.list_runs(RunQuery())
    assert store.change_token() == before
    write(path, RUN, "r1", "PENDING", 1)
    assert store.change_token() != before


def test_a_read_only_copy_of_a_wal_database_is_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite cannot make its ``-shm`` file (a read-only disk), a database at rest is read as it is."""
    path = make_database(tmp_path / "app.sqlite")
    write(path, RUN, "r1", "SUCCESS", 1)
    connect, tried = SqliteStateStore._connect, []

    def refuse_first(self: SqliteStateStore, path: Path, options: str, **kind: type) -> sqlite3.Connection:
        tried.append(options)
        if options in ("mode=ro", "mode=rw"):
            raise sqlite3.OperationalError("unable to open database file")
        return connect(self, path, options, **kind)

    monkeypatch.setattr(SqliteStateStore, "_connect", refuse_first)
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK)
    with closing(SqliteStateStore(path)) as store:
        assert store.get_run("r1") is not None
        assert store.change_token() is None
        write(path, RUN, "r2", "SUCCESS", 1)
        assert store.get_run("r2") is not None
    assert set(tried) == {"mode=ro", "mode=ro&immutable=1"}


def test_a_wal_database_that_nobody_has_open_is_read_as_one_that_may_change(path: Path) -> None:
    """The last writer takes ``-wal`` and ``-shm`` with it; the next one's commits must still be seen."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    with closing(SqliteStateStore(path)) as store:
        assert store.get_run("r1") is None
        before = store.change_token()
        write(path, RUN, "r1", "SUCCESS", 1)
        assert store.change_token() != before
        assert store.get_run("r1") is not None


def test_looking_at_a_file_keeps_other_connections_locks(path: Path) -> None:
    """Opening the file beside SQLite and closing it would cancel every lock that this process holds on it."""
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=DELETE")
    writer.execute("BEGIN IMMEDIATE")
    with closing(SqliteStateStore(path)) as store:
        store.get_run("r1")
    script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    other = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert "database is locked" in other.stderr
    writer.close()


def test_a_file_that_was_replaced_is_noticed(path: Path, store: SqliteStateStore) -> None:
    """Somebody deletes the database and launches again: the old file must not be read for ever."""
    write(path, RUN, "old", "SUCCESS", 1)
    before = store.change_token()
    assert store.get_run("old") is not None
    for file in path.parent.iterdir():
        file.unlink()
    with pytest.raises(StoreMissingError):
        store.get_run("old")
    with pytest.raises(StoreMissingError):
        store.change_token()
    make_database(path)
    write(path, RUN, "new", "SUCCESS", 1)
    assert [run.id for run in store.list_runs(RunQuery()).runs] == ["new"]
    assert store.change_token() != before


def test_a_closed_store_says_so(path: Path) -> None:
    """Closing twice is fine; reading afterwards is not."""
    store = SqliteStateStore(path)
    store.check()
    store.close()
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        store.check()
    with pytest.raises(StoreUnavailableError, match="closed"):
        store.change_token()


# -- what can be opened --------------------------------------------------------------------------------------


def test_paths_urls_and_databases_open_the_same_store(path: Path) -> None:
    """The URL form is SQLAlchemy's, which is also DBOS's."""
    write(path, RUN, "r1", "SUCCESS", 1)
    database = Database(path)
    for source in (path, str(path), f"sqlite:///{path}", f"sqlite+pysqlite:///{path}", database):
        store = open_store(source)
        assert store.url == f"sqlite:///{path}"
        assert store.get_run("r1") is not None
        assert open_store(store) is store
        store.close()
    assert database.execute("SELECT count(*) FROM workflow_status").fetchone() == (1,), "the user's stays open"
    database.close()


def test_a_database_in_memory_is_read_through_its_own_connection() -> None:
    """No other connection could see it."""
    database = Database(memory=True)
    database.conn.executescript(ENGINE_SCHEMA)
    with database.conn:
        database.execute(RUN, ("r1", "SUCCESS", 1))
    with closing(SqliteStateStore(database)) as store:
        assert store.get_run("r1") is not None
        assert store.change_token() is None
        assert "in memory" in store.check().target
    database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite://host/app.sqlite"])
def test_a_url_without_a_file_is_refused(url: str) -> None:
    """The message shows the form that works."""
    with pytest.raises(ConfigurationError, match="sqlite:///relative"):
        open_store(url)


def test_a_url_of_another_kind_is_refused() -> None:
    """We read what the engine writes to."""
    with pytest.raises(ConfigurationError, match="mysql:// is not a state store"):
        open_store("mysql://localhost/app")


# -- older and newer engines ---------------------------------------------------------------------------------

OLD_ENGINE = """
DROP TABLE workflow_input; DROP TABLE workflow_output; DROP TABLE workflow_events_history;
DROP TABLE workflow_schedules; DROP TABLE queues; DROP INDEX idx_operation_outputs_retention;
DROP INDEX idx_workflow_status_completed_at; DROP INDEX idx_workflow_status_parent_workflow_id;
DROP INDEX idx_operation_outputs_completed_at_function_name_v2; DROP INDEX idx_workflow_status_in_flight_v2;
ALTER TABLE operation_outputs DROP COLUMN retention_timestamp; ALTER TABLE operation_outputs DROP COLUMN serialization;
ALTER TABLE operation_outputs DROP COLUMN application_name;
ALTER TABLE workflow_status DROP COLUMN completed_at; ALTER TABLE workflow_status DROP COLUMN application_name;
ALTER TABLE workflow_status DROP COLUMN attributes; ALTER TABLE workflow_status DROP COLUMN schedule_name;
ALTER TABLE workflow_status DROP COLUMN parent_workflow_id; ALTER TABLE workflow_status DROP COLUMN serialization;
UPDATE dbos_migrations SET version = 10;
INSERT INTO workflow_status (workflow_uuid, status, name, created_at, updated_at, inputs, output)
    VALUES ('r1', 'SUCCESS', 'w', 1000, 2000, 'in', 'out');
INSERT INTO workflow_status (workflow_uuid, status, name, created_at, updated_at) VALUES ('r2', 'PENDING', 'w', 3, 4);
INSERT INTO operation_outputs (workflow_uuid, function_id, function_name, output, started_at_epoch_ms,
    completed_at_epoch_ms) VALUES ('r1', 1, 'step', '1', 1100, 1200);
INSERT INTO operation_outputs (workflow_uuid, function_id, function_name, child_workflow_id, started_at_epoch_ms,
    completed_at_epoch_ms) VALUES ('r2', 1, 'w', 'r1', 3, 4);
"""


def test_an_older_engines_database_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Columns and tables that came later are simply unknown; payloads are in the run's row."""
    with closing(SqliteStateStore(make_database(tmp_path / "app.sqlite", then=OLD_ENGINE))) as store:
        assert "does not stamp step rows" in store.check().warnings[0]
        run = store.get_run("r1")
        assert run is not None
        assert (run.status, run.finished_at_ms, run.namespace, run.parent_id) == ("completed", 2000, None, None)
        value, output = store.get_payload("r1", "input"), store.get_payload("r1", "output")
        assert value is not None
        assert output is not None
        assert (value.text, output.text) == ("in", "out")
        assert [step.recorded_at_ms for step in store.get_steps("r1")] == [1200]
        assert [key.recorded_at_ms for key in store.steps_recorded_since(1000, limit=9)] == [1200]
        assert [s.status for s in store.get_steps("r2")] == ["completed"]
        assert [r.id for r in store.list_runs(RunQuery()).runs] == ["r1", "r2"]
        for query in (RunQuery(parent_id="r1"), RunQuery(namespace="a"), RunQuery(tags=("x",))):
            assert store.list_runs(query).runs == []
        assert sorted((f.status, f.count) for f in store.facets(RunQuery())) == [("completed", 1), ("running", 1)]
        assert (store.queues(), store.schedules(), store.children("r1"), store.forks("r1")) == ([], [], [], [])
        assert [r.id for r in store.runs_changed_since(500, limit=9)] == ["r1"]
        assert store.published_events("r1") == []


def test_a_newer_schema_is_read_with_a_warning(tmp_path: Path) -> None:
    """It says which version was found and which was tested."""
    path = make_database(tmp_path / "app.sqlite", then="UPDATE dbos_migrations SET version = 999;")
    with closing(SqliteStateStore(path)) as store:
        info = store.check()
        assert info.schema_version == 999
        assert "version 999" in info.warnings[0]
        assert "125" in info.warnings[0]
        assert store.list_runs(RunQuery()).runs == []


def test_steps_without_times_are_warned_of(tmp_path: Path) -> None:
    """A very old engine kept none."""
    then = (
        "DROP INDEX idx_operation_outputs_completed_at_function_name_v2; "
        "ALTER TABLE operation_outputs DROP COLUMN started_at_epoch_ms; "
        "ALTER TABLE operation_outputs DROP COLUMN completed_at_epoch_ms;"
        "INSERT INTO operation_outputs (workflow_uuid, function_id, function_name) VALUES ('r1', 1, 'step');"
    )
    with closing(SqliteStateStore(make_database(tmp_path / "app.sqlite", then=then))) as store:
        assert "does not record when steps start" in store.check().warnings[0]
        assert [step.name for step in store.get_steps("r1")] == ["step"]


def test_a_schema_that_changes_under_us_is_looked_at_again(path: Path, store: SqliteStateStore) -> None:
    """The engine may migrate while we watch: the next read knows the new tables."""
    write(path, RUN, "r1", "SUCCESS", 1)
    assert store.get_run("r1") is not None
    write(path, "ALTER TABLE workflow_status DROP COLUMN schedule_name")
    assert store.get_run("r1") is not None


# -- how SQLite's planner is led ---------------------------------------------------------------------------------


def plans_of(path: Path, ask: Callable[[SqliteStateStore], object]) -> list[tuple[str, str]]:
    """Return the statements that answer something, each with the plan that SQLite makes of it."""
    with closing(SqliteStateStore(path)) as store:
        statements: list[tuple[str, Any]] = []
        rows = store.rows

        def noted(sql: str, params: Any = ()) -> Any:
            statements.append((sql, params))
            return rows(sql, params)

        store.rows = noted  # type: ignore[method-assign]
        ask(store)
        return [(sql, str(rows(f"EXPLAIN QUERY PLAN {sql}", params))) for sql, params in statements]


CREATED_INDEX = "workflow_status_created_at_index"


@pytest.mark.parametrize("since_ms", [None, 1])
@pytest.mark.parametrize("workflow", [None, "none"])
def test_a_backlog_is_found_by_its_own_index_whatever_else_is_asked(
    sqlite_story: Path, workflow: str | None, since_ms: int | None
) -> None:
    """The index on creation would do too, and walk a million runs to find none: seconds, not a millisecond."""
    query = RunQuery(statuses=frozenset({"pending"}), workflow=workflow, since_ms=since_ms)
    plans = plans_of(sqlite_story, lambda store: (store.list_runs(query), store.facets(query)))
    of_backlog = [plan for sql, plan in plans if "'ENQUEUED'" in sql or "'DELAYED'" in sql]
    assert of_backlog
    assert not [plan for plan in of_backlog if CREATED_INDEX in plan]


def test_a_chunk_of_a_walk_has_one_bound_at_each_end(sqlite_story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two lower bounds SQLite takes the first for its range, which is the one far back in the past."""
    monkeypatch.setattr(sources, "FIRST_CHUNK", 2)
    monkeypatch.setattr(counts, "FIRST_CHUNK", 2)
    query = RunQuery(workflow="none", since_ms=1, until_ms=2**50)
    plans = plans_of(sqlite_story, lambda store: (store.list_runs(query), store.facets(query)))
    chunks = [sql for sql, plan in plans if CREATED_INDEX in plan and "w.name = ?" in sql]
    assert len(chunks) >= 4
    for sql in chunks:
        filters = sql.split("w.name = ?")[1]
        assert len(re.findall(r"w\.created_at >=? \?", filters)) == 1
        assert filters.count("w.created_at <") in (1, 2), "until, or the key's two terms"


def test_a_workflow_name_of_bytes_is_counted_beside_names_of_text() -> None:
    """Bytes and texts do not sort; the page counts by workflow on its first look."""
    tally = Tally()
    tally.add("completed", "charge", 1)
    tally.add("completed", b"\xff\x80", 2)  # type: ignore[arg-type]
    assert [(facet.workflow, facet.count) for facet in tally.facets()] == [("b'\\xff\\x80'", 2), ("charge", 1)]
