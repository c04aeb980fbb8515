"""The ledger in a SQLite sidecar file. Touches that file, and reads this machine's clock.

The file is created and migrated at first use, in WAL mode, and may be deleted at any time: the next use makes a new
one. Several processes and threads share it; writers queue up behind ``BEGIN IMMEDIATE``.
"""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlite_utils

from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.forks import PAUSE_S, leave_to_parent, pause_at_fork
from otel_bridge.ledger.base import Ledger
from otel_bridge.ledger.sqlite_migrations import migrate
from otel_bridge.ledger.tables.core import Row, Session, T

_STALE = re.compile(r"no such table|disk i/o error|readonly database|database schema has changed", re.IGNORECASE)
_WRITES_REFUSED = re.compile(r"unable to open|readonly|read-only|permission", re.IGNORECASE)


class SqliteLedger(Ledger):
    """See ``otel_bridge.ledger.base.Ledger``.

    Args:
        path: the sidecar file; its directory must exist.
        busy_timeout_s: how long to wait for another process's write.
        clock: Unix milliseconds; this machine's clock unless given.
    """

    def __init__(
        self, path: str | Path, *, busy_timeout_s: float = 10.0, clock: Callable[[], int] | None = None
    ) -> None:
        super().__init__()
        self.path = Path(path)
        self.target = str(path)
        self._busy_timeout_s = busy_timeout_s
        self._clock = clock or (lambda: time.time_ns() // 1_000_000)
        self._lock = threading.RLock()
        self._database: sqlite_utils.Database | None = None
        self._opened: tuple[int, int] | None = None
        pause_at_fork(self)

    def pause(self) -> None:
        """Before a fork: wait for a transaction under way, close, and let nobody begin another."""
        if self._lock.acquire(timeout=PAUSE_S):
            self.close()
        else:
            raise TimeoutError(f"{self!r} was busy for {PAUSE_S:g} s.")

    def resume(self) -> None:
        """After a fork, in the parent."""
        self._lock.release()

    def forget(self) -> None:
        """In a forked child: a connection that could not be closed in time is the parent's."""
        self._lock = threading.RLock()
        inherited, self._database = self._database, None
        if inherited is not None:
            leave_to_parent(inherited)

    def __repr__(self) -> str:
        return f"SqliteLedger({str(self.path)!r})"

    def now_ms(self) -> int:
        """This machine's clock: every process that shares the file runs here."""
        return self._clock()

    def close(self) -> None:
        """Release the connection; a later use opens it again. Idempotent."""
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._database = None

    def give_back(self) -> None:
        """Give the pages that deleted rows left behind back to the file system."""

        def vacuum(session: Session) -> None:
            # As a script: execute() would take the first of the statement's many steps, and free one page.
            self._open().executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(PASSIVE);")

        self._run(vacuum, write=False)

    def _run(self, work: Callable[[Session], T], *, write: bool) -> T:
        with self._lock:
            for attempt in (1, 2):
                try:
                    return self._transact(self._open(), work, write=write)
                except sqlite3.Error as error:
                    self._drop()
                    if attempt == 2 or not _STALE.search(str(error)):
                        raise self._unavailable(error) from error
        raise AssertionError("unreachable")

    def _drop(self) -> None:
        """Let go of a connection that failed; the next use opens another."""
        self.close()

    def _transact(self, database: sqlite_utils.Database, work: Callable[[Session], T], *, write: bool) -> T:
        session = _SqliteSession(database, self._clock)
        if not write:
            return work(session)
        database.conn.execute("BEGIN IMMEDIATE")
        try:
            result = work(session)
            database.conn.execute("COMMIT")
        except BaseException:
            database.rollback()
            raise
        return result

    def _open(self) -> sqlite_utils.Database:
        """Return the connection; a new one when the file was deleted or replaced."""
        here = self._identity()
        if self._database is not None and self._opened == here and here is not None:
            return self._database
        self.close()
        conn = sqlite3.connect(self.path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False)
        # One value that is not text must not make a whole answer unreadable.
        conn.text_factory = lambda data: data.decode("utf-8", "replace")
        try:
            database = sqlite_utils.Database(conn, execute_plugins=False)
            if conn.execute("PRAGMA page_count").fetchone() == (0,):  # only a new file can be made to give back pages
                conn.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._use_wal(conn)
            migrate(database, target=self.target)
        except BaseException:
            conn.close()
            raise
        self._database, self._opened = database, self._identity()
        return database

    def _use_wal(self, conn: sqlite3.Connection) -> None:
        """Switch to WAL. SQLite's busy timeout does not cover the switch, so two first users may have to take turns."""
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                (mode,) = conn.execute("PRAGMA journal_mode").fetchone()
                if mode != "wal":
                    conn.execute("PRAGMA journal_mode=WAL").fetchone()
                conn.execute("PRAGMA synchronous=NORMAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _identity(self) -> tuple[int, int] | None:
        try:
            stat = os.stat(self.path)
        except OSError:
            return None
        return stat.st_dev, stat.st_ino

    def _unavailable(self, error: sqlite3.Error) -> LedgerUnavailableError:
        text = str(error)
        if "locked" in text:
            remedy = (
                f"Another process has been writing for {self._busy_timeout_s:g} s. Trying again may work; "
                "if it stays so, look for a process that holds the file."
            )
        elif _WRITES_REFUSED.search(text):
            remedy = (
                f"Let this process write to the file and to its directory {str(self.path.parent)!r}, "
                "or keep the ledger elsewhere."
            )
        elif "disk is full" in text:
            remedy = "Make room on its disk, or keep the ledger elsewhere. It continues by itself; nothing is lost."
        elif "not a database" in text or "malformed" in text:
            remedy = (
                "The file is damaged or not a ledger. Move it away: a new one is made at the next use, "
                "and nothing of the engine's is lost."
            )
        elif "no such table" in text or "no such column" in text:
            remedy = (
                "A part of it was dropped. Remove it, and the next use makes a new one; nothing of the engine's is in "
                f"it: rm {shlex.quote(self.target)}*"
            )
        else:
            remedy = "Trying again may work."
        return LedgerUnavailableError(self.target, f"The ledger {self.target!r} cannot be used: {text}. {remedy}")


class _SqliteSession:
    def __init__(self, database: sqlite_utils.Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def rows(self, statement: str, **params: Any) -> list[Row]:
        ids = params.pop("ids", ())
        # Few lengths, so that few statements are compiled: filled up with the last id.
        places = 1 << (len(ids) - 1).bit_length() if ids else 0
        bound = {f"id{number}": ids[min(number, len(ids) - 1)] for number in range(places)}
        bound |= params | {"now": self._clock()}
        rows: list[Row] = self._database.execute(_render(statement, places), bound).fetchall()
        return rows

    def many(self, statement: str, params: Sequence[Mapping[str, Any]]) -> None:
        now = {"now": self._clock()}
        self._database.conn.executemany(_render(statement, 0), [{**one, **now} for one in params])


@lru_cache(maxsize=512)
def _render(statement: str, places: int) -> str:
    # A parameter for each, not json_each(): an id may hold any character, NUL included.
    among = f"IN ({', '.join(f':id{number}' for number in range(places))})"
    return statement.format(t="", now=":now", ids=among, for_update="")
