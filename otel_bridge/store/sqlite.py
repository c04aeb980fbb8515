"""``SqliteStateStore``: reads a DBOS system database in a SQLite file, through sqlite-utils. Opens files read-only.

Works in WAL and in delete mode and blocks no writer: every statement is fetched whole at once, outside any
transaction, so a read lock lasts as long as the statement runs. A writer's lock is waited for up to five seconds.

Source: SQLite documentation, "WAL-mode read-only databases" and "PRAGMA data_version".
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from sqlite_utils import Database
from sqlite_utils.utils import sqlite3 as their_sqlite3  # type: ignore[attr-defined]  # pysqlite3, where installed

from otel_bridge.credentials import public_url
from otel_bridge.errors import ConfigurationError, NotADbosDatabaseError, StoreMissingError, StoreUnavailableError
from otel_bridge.forks import PAUSE_S, leave_to_parent, pause_at_fork
from otel_bridge.store.adapter import SqlStateStore, StaleSchemaError
from otel_bridge.store.cells import fetch
from otel_bridge.store.sql.schema import Schema
from otel_bridge.store.sql.session import Row

BUSY_TIMEOUT_S = 5.0
IDLE_CONNECTIONS = 4
_STALE_SCHEMA = ("no such table", "no such column")
_SQLITE = (sqlite3.Connection, their_sqlite3.Connection)
_NOT_A_DATABASE = ("file is not a database", "file is encrypted")


def path_of_url(url: str) -> Path:
    """Return the file that a ``sqlite:///`` URL (SQLAlchemy's form: a fourth slash begins an absolute path) names.

    Raises:
        ConfigurationError: it is no such URL, or names an in-memory database.
    """
    parts = urlsplit(url)
    path = unquote(parts.path)[1:] if parts.path.startswith("/") else ""
    if not parts.scheme.startswith("sqlite") or parts.netloc or not path or path == ":memory:":
        raise ConfigurationError(
            f"{public_url(url)!r} names no SQLite file. Use sqlite:///relative/path.sqlite or sqlite:////absolute/path.sqlite."
        )
    return Path(path)


def _file_of(database: Database) -> Path | None:
    """Return the main file of the connection that the user opened; None when it has none that we could open."""
    if not isinstance(database.conn, _SQLITE):
        return None
    for _, name, file in database.conn.execute("PRAGMA database_list").fetchall():
        if name == "main":
            return Path(file) if file else None
    return None


class _Snapshot(sqlite3.Connection):
    """A connection that takes the file for immutable: good for one read."""


class _Writable(sqlite3.Connection):
    """A connection that may, when it is closed, tidy up beside the file; see ``_let_go``."""


class SqliteStateStore(SqlStateStore):
    """Reads a system database in a SQLite file.

    Args:
        database: a path, a ``sqlite:///`` URL, or a ``sqlite_utils.Database``. Of the latter only the file is used,
            through read-only connections of our own; when it has no file (in memory, libSQL) it is read
            through its own connection, one statement at a time.
        clock: what tells the time, in Unix milliseconds; for tests.
    """

    dialect = "sqlite"

    def __init__(self, database: str | Path | Database, *, clock: Callable[[], int] | None = None) -> None:
        super().__init__()
        self._clock = clock
        self._shared: Any = None
        self._path: Path | None = None
        if isinstance(database, Database):
            self._path = _file_of(database)
            self._shared = database.conn if self._path is None else None
        elif isinstance(database, Path):
            self._path = database
        else:
            self._path = path_of_url(database) if database.startswith("sqlite") and ":" in database else Path(database)
        self.target = f"SQLite database {str(self._path)!r}" if self._path is not None else "SQLite database in memory"
        self._errors: tuple[type[Exception], ...] = (sqlite3.Error, their_sqlite3.Error)
        if self._shared is not None and not isinstance(self._shared, _SQLITE):
            self.target = "database behind the given libSQL connection"
            self._errors = (sqlite3.Error, ValueError)  # libSQL's driver raises nothing else
        self._idle: list[sqlite3.Connection] = []
        self._watcher: sqlite3.Connection | None = None
        self._make_locks()
        self._file: tuple[int, int] | None = None
        self._watched: tuple[int, int] | None = None
        self._watches = 0
        self._abandoned: list[sqlite3.Connection] = []
        self._closed = False
        pause_at_fork(self)

    def _make_locks(self) -> None:
        self._lock = threading.RLock()
        self._watch_lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._lent, self._forking = 0, False

    def pause(self) -> None:
        """Before a fork: wait for the reads under way, close the connections, and let nobody open another."""
        if not self._watch_lock.acquire(timeout=PAUSE_S):
            raise TimeoutError(f"{self.target} was busy for {PAUSE_S:g} s.")
        with self._lock:
            self._forking = True
            self._changed.wait_for(lambda: not self._lent, PAUSE_S)
            self._close_idle()

    def resume(self) -> None:
        """After a fork, in the parent."""
        with self._lock:
            self._forking = False
            self._changed.notify_all()
        self._watch_lock.release()

    def forget(self) -> None:
        """In a forked child: a connection that could not be closed in time is the parent's."""
        for inherited in (self._watcher, *self._idle, *self._abandoned):
            if inherited is not None:
                leave_to_parent(inherited)
        self._watcher, self._idle, self._abandoned = None, [], []
        self._make_locks()

    @property
    def url(self) -> str:
        """The database as a URL; an in-memory one has none that another connection could open."""
        return f"sqlite:///{self._path.absolute()}" if self._path is not None else "sqlite:///:memory:"

    def now_ms(self) -> int:
        """This machine's clock: SQLite has no other."""
        return self._clock() if self._clock is not None else time.time_ns() // 1_000_000

    # -- connections ------------------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        path = self._path
        assert path is not None
        if not path.exists():
            raise StoreMissingError(
                self.target, f"{self.target} does not exist. Launch the DBOS app once, or correct the path."
            )
        self._look_at_file(path)
        try:
            return self._connect(path, "mode=ro")
        except sqlite3.OperationalError as error:
            if "unable to open" not in str(error) and "readonly" not in str(error):
                raise
            # A WAL file that nobody has open lacks its -shm, which a read-only connection may not make.
            if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
                return self._connect(path, "mode=rw", factory=_Writable)
            # Without a -wal beside it, nobody is writing; a writer may come, so it is read so once, never kept.
            if not path.with_name(path.name + "-wal").exists():
                return self._connect(path, "mode=ro&immutable=1", factory=_Snapshot)
            raise
        except sqlite3.DatabaseError as error:
            if any(sign in str(error) for sign in _NOT_A_DATABASE):
                raise NotADbosDatabaseError(
                    self.target, f"{self.target} is not a SQLite file. Point at the app's system database."
                ) from error
            raise

    def _look_at_file(self, path: Path) -> None:
        """Say what stat can tell. The file is never opened beside SQLite: closing it would drop this process's locks.

        Source: https://www.sqlite.org/howtocorrupt.html, "Posix advisory locks canceled by a separate thread"
        """
        if not os.access(path, os.R_OK):
            raise StoreUnavailableError(
                self.target, f"{self.target} cannot be read: permission denied. Give this process's user read access."
            )
        if path.stat().st_size == 0:
            raise NotADbosDatabaseError(
                self.target,
                f"{self.target} is empty: no DBOS app has been launched on it yet. Point at the app's system database.",
            )

    def _connect(
        self, path: Path, options: str, *, factory: type[sqlite3.Connection] = sqlite3.Connection
    ) -> sqlite3.Connection:
        uri = f"file:{quote(os.fspath(path.absolute()))}?{options}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None, factory=factory
        )
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        """Lend a connection to one thread; a failed one is closed, a good one kept for the next."""
        if self._shared is not None:
            with self._lock:
                yield self._shared
            return
        with self._lock:
            self._changed.wait_for(lambda: not self._forking)
            if self._closed:
                raise StoreUnavailableError(self.target, f"{self.target} was closed by this process. Open a new store.")
            self._notice_replaced_file()
            connection = self._idle.pop() if self._idle else None
            self._lent += 1
        keep = False
        try:
            if connection is None:
                connection = self._open()
            yield connection
            keep = not isinstance(connection, _Snapshot)
        finally:
            with self._lock:
                keep = keep and not self._closed and not self._forking and len(self._idle) < IDLE_CONNECTIONS
                if connection is not None:
                    self._idle.append(connection) if keep else connection.close()
                self._lent -= 1
                self._changed.notify_all()

    def _identity(self) -> tuple[int, int] | None:
        try:
            stat = os.stat(self._path) if self._path is not None else None
        except OSError:
            return None
        return (stat.st_dev, stat.st_ino) if stat is not None else None

    def _notice_replaced_file(self) -> None:
        """Let connections go when the file was deleted or replaced: they would read the old one for ever."""
        identity = self._identity()
        if identity != self._file:
            idle, self._idle = self._idle, []
            for connection in idle:
                self._let_go(connection)
            self._file = identity
            self.forget_schema()

    def _let_go(self, connection: sqlite3.Connection) -> None:
        """Close a connection to a file that is gone; a writable one is kept: closing deletes ``-wal`` by its name,
        which may by now be the new file's.
        """
        if isinstance(connection, _Writable):
            self._abandoned.append(connection)
        else:
            connection.close()

    def _unavailable(self, error: Exception) -> Exception:
        text = str(error)
        if any(sign in text for sign in _NOT_A_DATABASE):
            return NotADbosDatabaseError(self.target, f"{self.target} is not a SQLite database ({text}).")
        if "locked" in text or "busy" in text:
            advice = f"a writer held it for more than {BUSY_TIMEOUT_S:g} s. Set WAL mode, which lets readers through."
            return StoreUnavailableError(self.target, f"{self.target} is locked: {advice}")
        return StoreUnavailableError(self.target, f"{self.target} cannot be read now: {text}.")

    # -- reading ----------------------------------------------------------------------------------------------------

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return all of its rows; no read lock outlives the call."""
        try:
            with self._connection() as connection:
                return fetch(connection, sql, params)
        except self._errors as error:
            if any(sign in str(error) for sign in _STALE_SCHEMA):
                raise StaleSchemaError(self.target, f"{self.target} changed its schema: {error}.") from error
            raise self._unavailable(error) from error

    def _probe(self) -> Schema:
        try:
            with self._connection() as connection:
                return probe(connection)
        except self._errors as error:
            raise self._unavailable(error) from error

    def change_token(self) -> object | None:
        """Return a number that differs once another connection committed; costs microseconds."""
        if self._shared is not None:
            return None
        with self._watch_lock:
            try:
                identity = self._identity()
                if self._watcher is not None and identity != self._watched:
                    self._let_go(self._watcher)
                    self._watcher = None
                if self._watcher is None:
                    if self._closed:
                        raise StoreUnavailableError(self.target, f"{self.target} was closed by this process.")
                    self._watcher, self._watched = self._open(), identity
                    self._watches += 1
                ((version,),) = self._watcher.execute("PRAGMA data_version").fetchall()
            except (sqlite3.Error, OSError) as error:
                if self._watcher is not None:
                    self._watcher.close()
                    self._watcher = None
                raise self._unavailable(error) from error
            if isinstance(self._watcher, _Snapshot):
                self._watcher.close()
                self._watcher = None
                return None
            # the number means something to one connection only
            return (self._watches, version)

    def close(self) -> None:
        """Close the connections; a ``Database`` that the user built stays open."""
        with self._watch_lock, self._lock:
            self._closed = True
            self._close_idle()

    def _close_idle(self) -> None:
        idle, self._idle = [*self._idle, *([self._watcher] if self._watcher is not None else [])], []
        self._watcher = None
        for connection in idle:
            connection.close()


def probe(connection: Any) -> Schema:
    """Return the tables, columns, indexes and version that a SQLite connection sees."""
    database = Database(connection, use_counts_table=False, execute_plugins=False)
    names = connection.execute("SELECT type, name FROM sqlite_master WHERE type IN ('table', 'index')").fetchall()
    tables = {
        name: frozenset(column.name for column in database.table(name).columns)
        for kind, name in names
        if kind == "table" and not name.startswith("sqlite_")
    }
    version = None
    if "version" in tables.get("dbos_migrations", frozenset()):
        ((version,),) = connection.execute("SELECT max(version) FROM dbos_migrations").fetchall()
    return Schema(tables, frozenset(name for kind, name in names if kind == "index"), version)
