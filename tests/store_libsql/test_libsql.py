"""The state store over a libSQL connection: what works, and what its driver does not allow.

Works with ``libsql`` 0.1.11: every read of the store, through ``sqlite_utils.Database(libsql.connect(...))``, from any
thread, on a file that DBOS writes meanwhile. Does not: sqlite-utils' own ``query``, ``rows`` and ``insert`` (the
driver's cursors cannot be iterated, named parameters are refused), and the cheap look whether anything changed.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libsql
import pytest
from sqlite_utils import Database

from otel_bridge.errors import NotADbosDatabaseError, StoreUnavailableError
from otel_bridge.ledger import MemoryLedger, SqliteLedger, open_ledger
from otel_bridge.model.runs import RunQuery
from otel_bridge.store import StateStore, open_store
from otel_bridge.store.sqlite import SqliteStateStore
from tests.databases import make_wal
from tests.store.conftest import tell_story

BIG = 10_000


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system database that a real DBOS app wrote."""
    folder = tmp_path_factory.mktemp("libsql")
    tell_story(make_wal(folder / "app.sqlite"), "dbos")
    return folder / "app.sqlite"


@pytest.fixture(scope="module")
def pair(story: Path) -> Iterator[tuple[StateStore, StateStore]]:
    """The same database through libSQL and through Python's own driver, at one moment."""

    def clock() -> int:
        return 1_900_000_000_000

    over_libsql = SqliteStateStore(Database(libsql.connect(str(story))), clock=clock)
    plain = SqliteStateStore(story, clock=clock)
    yield over_libsql, plain
    over_libsql.close()
    plain.close()


def run_ids(store: StateStore) -> list[str]:
    return [run.id for run in store.iter_runs()]


READS: dict[str, Callable[[StateStore], Any]] = {
    "schema version": lambda store: store.check().schema_version,
    "list": lambda store: store.list_runs(RunQuery(limit=5)),
    "next page": lambda store: store.list_runs(
        RunQuery(limit=3, cursor=store.list_runs(RunQuery(limit=3)).next_cursor)
    ),
    "filter": lambda store: store.list_runs(RunQuery(statuses=frozenset({"failed"}))),
    "search": lambda store: store.list_runs(RunQuery(text="o")),
    "facets": lambda store: store.facets(RunQuery(), by_workflow=True),
    "runs": lambda store: store.get_runs(run_ids(store)),
    "steps": lambda store: store.get_steps_of(run_ids(store), errors=True),
    "one step": lambda store: [
        store.get_step(run, step.seq) for run in run_ids(store) for step in store.get_steps(run)
    ],
    "payloads": lambda store: [
        store.get_payload(run, name) for run in run_ids(store) for name in ("input", "output", "error")
    ],
    "children": lambda store: [store.children(run) for run in run_ids(store)],
    "forks": lambda store: [store.forks(run) for run in run_ids(store)],
    "events": lambda store: [store.published_events(run) for run in run_ids(store)],
    "queues": lambda store: store.queues(),
    "schedules": lambda store: store.schedules(),
    "new steps": lambda store: store.steps_recorded_since(0, limit=BIG),
    "changed runs": lambda store: store.runs_changed_since(0, limit=BIG),
    "open runs": lambda store: store.open_runs(limit=BIG),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_every_read_answers_as_python_s_own_driver_does(
    pair: tuple[StateStore, StateStore], read: Callable[[StateStore], Any]
) -> None:
    """The whole ``StateStore`` protocol."""
    over_libsql, plain = pair
    answer = read(over_libsql)
    assert answer == read(plain)
    assert answer != []


def test_the_story_is_not_empty(pair: tuple[StateStore, StateStore]) -> None:
    """Equal answers about nothing would prove nothing."""
    assert len(run_ids(pair[0])) > 5


def test_threads_share_the_connection(pair: tuple[StateStore, StateStore]) -> None:
    """Readers of several threads take turns on it."""
    expected = run_ids(pair[0])
    answers: list[list[str]] = []
    threads = [threading.Thread(target=lambda: answers.append(run_ids(pair[0])), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [expected] * 4


def test_what_another_process_commits_is_seen_at_once(story: Path) -> None:
    """DBOS continues with its own driver; libSQL reads the same file and takes part in its locking."""
    store = SqliteStateStore(Database(libsql.connect(str(story))))
    run_id = run_ids(store)[0]
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('UPDATE workflow_status SET application_version = ? WHERE workflow_uuid = ?', sys.argv[2:]);"
        "c.commit(); c.close()"
    )
    for version in ("v8", "v9"):
        subprocess.run([sys.executable, "-c", script, str(story), version, run_id], check=True, timeout=60)
        run = store.get_run(run_id)
        assert run is not None
        assert run.workflow_version == version
    store.close()


def test_there_is_no_cheap_change_token(pair: tuple[StateStore, StateStore]) -> None:
    """The tail then simply looks, on its adaptive interval."""
    assert pair[0].change_token() is None


def test_open_store_takes_the_database_and_its_ledger_is_named_apart(story: Path) -> None:
    """A connection has no URL, so the ledger is in memory unless one is given."""
    store = open_store(Database(libsql.connect(str(story))))
    assert run_ids(store)
    assert isinstance(open_ledger(store.url), MemoryLedger)
    ledger = open_ledger(story)
    assert isinstance(ledger, SqliteLedger)
    assert ledger.path == story.with_name("app.durable.sqlite")
    store.close()


# -- errors ---------------------------------------------------------------------------------------------------------


def test_a_libsql_database_without_dbos_is_reported() -> None:
    """As over any other driver."""
    with pytest.raises(NotADbosDatabaseError, match="libSQL connection holds no DBOS system tables"):
        SqliteStateStore(Database(libsql.connect(":memory:"))).check()


def test_a_file_that_is_not_a_database_is_reported(tmp_path: Path) -> None:
    """libSQL's driver raises ValueError for everything; ours are the usual errors."""
    path = tmp_path / "noise.sqlite"
    path.write_bytes(b"noise" * 1000)
    store = SqliteStateStore(Database(libsql.connect(str(path)), recursive_triggers=False))
    with pytest.raises(NotADbosDatabaseError, match="not a SQLite database"):
        store.check()


def test_a_remote_server_that_is_not_there_is_reported(free_port: int) -> None:
    """The connection is made lazily, so it is the first read that says so."""
    database = Database(libsql.connect(f"http://127.0.0.1:{free_port}"), recursive_triggers=False)
    with pytest.raises(StoreUnavailableError, match="libSQL connection cannot be read now"):
        SqliteStateStore(database).check()


# -- what the driver does not allow: when one of these begins to fail, the limits above can be lifted ---------------


def test_sqlite_utils_own_methods_do_not_work_over_libsql(tmp_path: Path) -> None:
    """Cursors cannot be iterated and named parameters are refused; plain ``execute`` and introspection work."""
    database = Database(libsql.connect(str(tmp_path / "new.sqlite")))
    database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    assert database.table_names() == ["t"]
    assert [column.name for column in database.table("t").columns] == ["id"]
    assert database.execute("SELECT ?", [1]).fetchall() == [(1,)]
    with pytest.raises(TypeError, match="not iterable"):
        list(database.query("SELECT 1"))
    with pytest.raises(TypeError, match="not iterable"):
        list(database.table("t").rows)
    with pytest.raises(ValueError, match="list or tuple"):
        database.execute("SELECT :a", {"a": 1})


def test_libsql_errors_are_no_sqlite_errors() -> None:
    """Why the store has to look for ValueError."""
    with pytest.raises(ValueError, match="no such table") as caught:
        libsql.connect(":memory:").execute("SELECT * FROM nowhere")
    assert not isinstance(caught.value, sqlite3.Error)
