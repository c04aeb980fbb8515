"""Connections to PostgreSQL that leave nothing behind on a session. Opens sockets; loads the driver.

Behind a transaction pooler (pgbouncer, Supabase, PgCat, RDS Proxy) a session is somebody else's in the next moment:
whatever is ``SET``, prepared, listened to or locked on it happens to that client too. So every read and every write is
one transaction that brings its own settings (``SET LOCAL``), nothing is prepared, and no ``options`` are sent at
startup, which pgbouncer refuses; those of the user's own URL are kept.

Source: https://www.pgbouncer.org/features.html, "SQL feature map for pooling modes".
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from otel_bridge.credentials import secrets_of
from otel_bridge.errors import ConfigurationError
from otel_bridge.forks import forget_after_fork, leave_to_parent
from otel_bridge.pool_log import PooledConnection, leave_to_user

Row: TypeAlias = tuple[Any, ...]
Connection: TypeAlias = psycopg.Connection[Any]

_MAX_IDLE_S = 60.0
_SOCKET_SETTINGS: Mapping[str, int] = {
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 2,
    "tcp_user_timeout": 6_000,
}
"""A server that vanished silently is noticed within seconds. For libpq alone: nothing is sent to the server."""
_LOCAL_SETTINGS = ("statement_timeout = {timeout_ms}", "lock_timeout = {timeout_ms}", "jit = off")
# Compiling costs more than any statement of ours saves; a plan is never cached, because nothing is prepared.


def plain_url(url: str) -> str:
    """Return the URL without SQLAlchemy's driver name, as libpq wants it.

    >>> plain_url("postgresql+psycopg://localhost/app")
    'postgresql://localhost/app'
    """
    return re.sub(r"\Apostgres(ql)?(\+\w+)?://", "postgresql://", url)


def parts_of(conninfo: str, *, what: str) -> dict[str, Any]:
    """Return what a URL or key-value string says.

    Args:
        what: whose it is, as the subject of the error.

    Raises:
        ConfigurationError: it is malformed. The driver's own words are left out: they repeat the password.
    """
    try:
        parts = dict(conninfo_to_dict(conninfo))
    except (psycopg.ProgrammingError, UnicodeError):
        parts = None
    wrong = "" if parts is None else _what_is_wrong(conninfo, parts)
    if parts is None or wrong is not None:
        raise ConfigurationError(
            f"{what} is malformed{wrong}. Write postgresql://user:password@host:port/database, and percent-encode "
            "special characters in the password."
        ) from None
    return parts


def _what_is_wrong(conninfo: str, parts: Mapping[str, object]) -> str | None:
    """Return what the driver would find only when it connects, and would then say with a piece of the password.

    It takes the text before the first slash for a host and its port, so that of ``ada:pa/ss@db`` it says that ``pa`` is
    no port; and what follows a second ``@`` for the host.
    """
    before_query = conninfo.partition("?")[0]
    if "://" in conninfo and before_query.count("@") > ("@" in before_query.partition("://")[2].partition("/")[0]):
        return ": it has an @ too many, or a slash before it"
    hosts, ports = str(parts.get("host") or "").split(","), str(parts.get("port") or "").split(",")
    # A host that begins with "/" or "@" is a socket's directory or name.
    if not all(re.fullmatch(r"[/@].*|[\w.:%-]*", host) for host in hosts):
        return ": its host holds a character that no host's name has"
    if not all(re.fullmatch(r"\d{0,5}", port, re.ASCII) and int(port or 0) < 65536 for port in ports):
        return ": its port is not a number"
    if "://" in str(parts.get("dbname") or ""):
        return ": its database's name holds an address"
    if ":" in str(parts.get("user") or ""):  # the server would repeat it as the user's name
        return ": its user's name holds a colon"
    return None


def server_of(conninfo: str) -> str:
    """Return what two URLs of one database have in common, for people too.

    >>> server_of("postgresql://ada:secret@db:5433/app?connect_timeout=3")
    'db:5433/app'
    """
    parts = parts_of(conninfo, what="The Postgres URL")
    return f"{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"


def secrets_in(conninfo: str) -> frozenset[str]:
    """Return what of a URL or key-value string nobody may see."""
    try:
        parts = conninfo_to_dict(conninfo)
    except (psycopg.ProgrammingError, UnicodeError):
        parts = {}
    parsed = {str(parts[key]) for key in ("password", "sslpassword") if parts.get(key)}
    return secrets_of(conninfo) | parsed


class Connections:
    """A few connections to one database, opened when they are needed. Safe to share between threads, and across forks.

    Args:
        source: a libpq URL or key-value string, or a pool that the user built, which is never closed here.
        name: of the pool's threads.
        application: of our sessions in ``pg_stat_activity``.
        max_connections: opened at most, when busy. With 1 there is no pool, and no thread of a pool's: callers take
            turns on one connection, kept open.
        wait_s: how long a caller waits for a connection.
        timeout_ms: how long one statement may take, and how long it may wait for a lock.
        verify: look at a connection before each use; else the caller tries a failed read once more.
    """

    def __init__(
        self,
        source: str | ConnectionPool[Any],
        *,
        name: str,
        application: str,
        max_connections: int,
        wait_s: float,
        connect_s: int,
        timeout_ms: int,
        verify: bool = False,
    ) -> None:
        self.timeout_ms = timeout_ms
        self._conninfo = source if isinstance(source, str) else ""
        self._given = None if isinstance(source, str) else source
        self._name, self._application, self._max = name, application, max_connections
        self._wait_s, self._connect_s, self._verify = wait_s, connect_s, verify
        self._lock = threading.Lock()
        self._open: ConnectionPool[Any] | _OneConnection | None = None
        forget_after_fork(self)

    def forget(self) -> None:
        """In a forked child: the pool's threads stayed behind, and the sockets are the parent's."""
        self._lock = threading.Lock()
        inherited, self._open = self._open, None
        if inherited is not None:
            leave_to_parent(inherited)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection out. Prefer ``read`` and ``writing``, which keep it clean.

        Raises:
            PoolTimeout, psycopg.Error: no connection was free in time, or none can be made.
        """
        pool = self._given if self._given is not None else self._own()
        with pool.connection() as connection:
            yield connection

    def read(self, statement: str | bytes, params: Sequence[object] | Mapping[str, object] = ()) -> list[Row]:
        """Run one statement in a read-only transaction of its own and return all of its rows.

        All of it travels as one message, so the transaction costs no round trip more than the bare statement would.

        Raises:
            PoolTimeout, psycopg.Error: as above, or what the server says to the statement.
        """
        text = statement if isinstance(statement, str) else statement.decode()
        with self.connection() as connection, _rolled_back_on_error(connection):
            opening = self._opening(connection, "READ ONLY")
            # The client puts parameters into the text, escaped by libpq: a message of several statements takes none.
            with psycopg.ClientCursor(connection, row_factory=tuple_row) as cursor:
                cursor.execute(f"{'; '.join(opening)}; {text}; COMMIT".encode(), params)
                for _ in opening:
                    cursor.nextset()
                return cursor.fetchall()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Lend a connection inside a transaction, committed at the end and rolled back by an exception.

        Raises:
            PoolTimeout, psycopg.Error: as above.
        """
        with self.connection() as connection, _rolled_back_on_error(connection):
            connection.execute("; ".join(self._opening(connection, "READ WRITE")).encode(), prepare=False)
            yield connection
            connection.commit()

    def _opening(self, connection: Connection, access: str) -> list[str]:
        # Outside autocommit, which a pool of the user's may have switched off, psycopg has begun already.
        begin = f"BEGIN {access}" if connection.autocommit else f"SET TRANSACTION {access}"
        return [begin, *(f"SET LOCAL {setting.format(timeout_ms=self.timeout_ms)}" for setting in _LOCAL_SETTINGS)]

    def reach(self) -> None:
        """Connect once outside the pool, which keeps the reason of a refusal to itself.

        Raises:
            psycopg.Error: the server's or the network's reason.
        """
        psycopg.connect(self._conninfo, **self._settings()).close()

    def replace_broken(self) -> None:
        """Drop idle connections that the server has cut."""
        pool = self._open
        if isinstance(pool, ConnectionPool):
            pool.check()

    def close(self) -> None:
        """Close what was opened here; a later use opens it again. Idempotent."""
        with self._lock:
            pool, self._open = self._open, None
        if pool is not None:
            pool.close()

    def _settings(self) -> dict[str, Any]:
        return {
            **_SOCKET_SETTINGS,
            "autocommit": True,
            "prepare_threshold": None,
            "connect_timeout": self._connect_s,
            "application_name": self._application,
        }

    def _own(self) -> ConnectionPool[Any] | _OneConnection:
        with self._lock:
            if self._open is None:
                self._open = self._make()
            return self._open

    def _make(self) -> ConnectionPool[Any] | _OneConnection:
        settings = self._settings()
        if self._max == 1:
            return _OneConnection(lambda: psycopg.connect(self._conninfo, **settings), wait_s=self._wait_s)
        leave_to_user(self._name)
        return ConnectionPool(
            self._conninfo,
            min_size=0,
            max_size=self._max,
            timeout=self._wait_s,
            reconnect_timeout=self._wait_s,
            max_idle=_MAX_IDLE_S,
            check=ConnectionPool.check_connection if self._verify else None,
            kwargs=settings,
            connection_class=PooledConnection,
            name=self._name,
            open=True,
        )


@contextmanager
def _rolled_back_on_error(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):  # a connection that was cut has nothing to roll back
            connection.rollback()
        raise


class _OneConnection:
    """What a pool of one would be, without its threads."""

    def __init__(self, connect: Callable[[], Connection], *, wait_s: float) -> None:
        self._connect, self._wait_s = connect, wait_s
        self._turn = threading.Lock()
        self._open: Connection | None = None
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend the connection out, opened again where it was lost.

        Raises:
            PoolTimeout: others kept it for too long.
            PoolClosed: it was closed for good.
        """
        if not self._turn.acquire(timeout=self._wait_s):
            raise PoolTimeout(f"no turn on the one connection within {self._wait_s:g} s")
        try:
            if self._closed:
                raise PoolClosed("the connection is closed")
            yield self._checked()
        finally:
            self._turn.release()

    def _checked(self) -> Connection:
        if self._open is not None:
            try:
                ConnectionPool.check_connection(self._open)
            except psycopg.Error:
                self._open.close()
                self._open = None
        if self._open is None:
            self._open = self._connect()
        return self._open

    def close(self) -> None:
        """Close it once its present user returns it."""
        got = self._turn.acquire(timeout=self._wait_s)
        try:
            self._closed = True
            if self._open is not None:
                self._open.close()
        finally:
            if got:
                self._turn.release()
