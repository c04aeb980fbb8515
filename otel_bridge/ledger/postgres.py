"""The ledger in a schema of its own on Postgres, beside the engine's. Touches the database; its clock counts.

The schema and its tables are made at first use by numbered migrations (``migrations/*.sql``), under an advisory lock,
so that any number of processes may start at once. Nothing in the engine's schema is created or altered.

Least privilege
===============

Whoever may ``CREATE`` in the database can let this module make the schema. Where that is not wanted, an administrator
makes the schema once and hands it over; its owner needs nothing else in the database to keep a ledger::

    CREATE ROLE durable_bridge LOGIN;
    CREATE SCHEMA durable AUTHORIZATION durable_bridge;

Others use the tables that the owner made. To look, SELECT is enough; to act, or to report presence, they write::

    GRANT USAGE ON SCHEMA durable TO durable_viewer, durable_operator, app_worker;
    ALTER DEFAULT PRIVILEGES FOR ROLE durable_bridge IN SCHEMA durable
        GRANT SELECT ON TABLES TO durable_viewer;
    ALTER DEFAULT PRIVILEGES FOR ROLE durable_bridge IN SCHEMA durable
        GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO durable_operator, app_worker;

To read the engine's schema a viewer needs no more than::

    GRANT USAGE ON SCHEMA dbos TO durable_viewer, durable_bridge;
    GRANT SELECT ON ALL TABLES IN SCHEMA dbos TO durable_viewer, durable_bridge;
    ALTER DEFAULT PRIVILEGES FOR ROLE app_worker IN SCHEMA dbos
        GRANT SELECT ON TABLES TO durable_viewer, durable_bridge;

``examples/deploy/postgres-roles.sql`` has the whole as a script, which the tests run.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import resources
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from otel_bridge.errors import ConfigurationError, LedgerUnavailableError
from otel_bridge.ledger.sql import Row, Session, SqlLedger, T

_ADVISORY_KEY = 7_236_823_125_001
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}\Z")
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_MIGRATION_FILE = re.compile(r"(\d{4})_\w+\.sql\Z")


class _OneConnection:
    """What a pool of one would be, without its threads."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Row]], *, timeout_s: float) -> None:
        self._connect, self._timeout_s = connect, timeout_s
        self._turn = threading.Lock()
        self._open: psycopg.Connection[Row] | None = None
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Row]]:
        """Lend the connection out, opened anew where it was lost.

        Raises:
            PoolTimeout: others kept it for too long.
            PoolClosed: it was closed for good.
        """
        if not self._turn.acquire(timeout=self._timeout_s):
            raise PoolTimeout(f"no turn on the ledger's connection within {self._timeout_s:g} s")
        try:
            if self._closed:
                raise PoolClosed("the ledger's connection is closed")
            yield self._checked()
        finally:
            self._turn.release()

    def _checked(self) -> psycopg.Connection[Row]:
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
        """Close it, after whoever has it now."""
        got = self._turn.acquire(timeout=self._timeout_s)
        try:
            self._closed = True
            if self._open is not None:
                self._open.close()
        finally:
            if got:
                self._turn.release()


class PostgresLedger(SqlLedger):
    """See ``otel_bridge.ledger.base.Ledger``.

    Args:
        conninfo: a libpq URL or key-value string, without a SQLAlchemy driver name.
        schema: our schema; letters, digits, ``_`` and ``$``.
        timeout_s: how long one call waits for a connection, and how long one statement may take.
        max_connections: connections this process opens at most, when it is busy; none when it is idle for long. With
            1 there is no pool, and no thread of a pool's: callers take turns on one connection, kept open.
    """

    def __init__(
        self, conninfo: str, *, schema: str = "durable", timeout_s: float = 5.0, max_connections: int = 4
    ) -> None:
        if not _NAME.match(schema):
            raise ConfigurationError(f"Ledger schema {schema!r} is no plain name. Use letters, digits and '_'.")
        self._conninfo, self._schema = conninfo, schema
        self._timeout_s, self._max_connections = timeout_s, max_connections
        self._target = _without_credentials(conninfo, schema)
        self._lock = threading.Lock()
        self._pool: ConnectionPool[psycopg.Connection[Row]] | _OneConnection | None = None
        self._pid = 0
        self._migrated = False

    def __repr__(self) -> str:
        return f"PostgresLedger({self._target!r})"

    def close(self) -> None:
        """Release connections; a later use opens them again. Idempotent."""
        with self._lock:
            pool, self._pool = self._pool, None
            owned = self._pid == os.getpid()
        if pool is not None and owned:
            pool.close()

    def _run(self, work: Callable[[Session], T], *, write: bool) -> T:
        for attempt in (1, 2):
            try:
                return self._attempt(work, write=write)
            except (pg.UndefinedTable, pg.InvalidSchemaName) as error:  # somebody dropped the schema
                self._migrated = False
                if attempt == 2:
                    raise self._unavailable(error) from error
            except (PoolTimeout, PoolClosed, psycopg.Error) as error:
                raise self._unavailable(error) from error
        raise AssertionError("unreachable")

    def _attempt(self, work: Callable[[Session], T], *, write: bool) -> T:
        with self._connections().connection() as connection:
            if not self._migrated:
                self._migrate(connection)
                self._migrated = True
            session = _PostgresSession(connection, self._schema)
            if not write:
                return work(session)
            with connection.transaction():
                return work(session)

    def _connections(self) -> ConnectionPool[psycopg.Connection[Row]] | _OneConnection:
        """Return the pool; a new one after a fork, for its threads stay behind."""
        with self._lock:
            if self._pool is None or self._pid != os.getpid():
                self._pool = self._open_connections()
                self._pid = os.getpid()
            return self._pool

    def _open_connections(self) -> ConnectionPool[psycopg.Connection[Row]] | _OneConnection:
        milliseconds = round(self._timeout_s * 1000)
        settings: dict[str, Any] = {
            "autocommit": True,
            "prepare_threshold": None,
            "connect_timeout": max(2, round(self._timeout_s)),
            "application_name": "durable-dashboard ledger",
            "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}",
        }
        if self._max_connections == 1:
            return _OneConnection(lambda: psycopg.connect(self._conninfo, **settings), timeout_s=self._timeout_s)
        return ConnectionPool(
            self._conninfo,
            min_size=0,
            max_size=self._max_connections,
            timeout=self._timeout_s,
            reconnect_timeout=self._timeout_s,
            max_idle=60.0,
            check=ConnectionPool.check_connection,
            kwargs=settings,
            name="durable-ledger",
            open=True,
        )

    # -- migrations ---------------------------------------------------------------------------------------------

    def _migrate(self, connection: psycopg.Connection[Row]) -> None:
        available = _migrations()
        if self._version(connection) == len(available):
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_KEY,))
            version = self._version(connection)
            if version > len(available):
                raise LedgerUnavailableError(
                    self._target,
                    f"The ledger {self._target!r} was written by a newer version of durable-dashboard (schema "
                    f"{version}; this version knows {len(available)}). Upgrade this process.",
                )
            if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self._schema,)).fetchone():
                self._script(connection, "CREATE SCHEMA {schema}")
            if version == 0:
                self._script(
                    connection,
                    "CREATE TABLE {schema}.migrations "
                    "(version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
                )
            for number in range(version + 1, len(available) + 1):
                self._script(connection, available[number - 1])
                self._script(connection, f"INSERT INTO {{schema}}.migrations (version) VALUES ({number})")

    def _version(self, connection: psycopg.Connection[Row]) -> int:
        # Not to_regclass(): it may answer from a cache that is older than the advisory lock.
        found = connection.execute(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relname = 'migrations'",
            (self._schema,),
        ).fetchone()
        if not found:
            return 0
        statement = f'SELECT coalesce(max(version), 0) FROM "{self._schema}".migrations'
        row = connection.execute(statement.encode()).fetchone()
        return int(row[0]) if row else 0

    def _script(self, connection: psycopg.Connection[Row], script: str) -> None:
        connection.execute(script.replace("{schema}", f'"{self._schema}"').encode())

    # -- errors -------------------------------------------------------------------------------------------------

    def _unavailable(self, error: Exception) -> LedgerUnavailableError:
        text = str(error).strip().partition("\n")[0]
        if isinstance(error, pg.InsufficientPrivilege):
            remedy = (
                f"Grant this role its rights: an owner's or writer's on schema {self._schema!r} to export and act, "
                "SELECT to look (see examples/deploy/postgres-roles.sql)."
            )
        elif isinstance(error, (PoolTimeout, PoolClosed)):
            remedy = "The server did not give a connection in time. Check that it is up and not out of connections."
        elif isinstance(error, (pg.QueryCanceled, pg.LockNotAvailable)):
            remedy = f"It took longer than {self._timeout_s:g} s. Trying again may work."
        elif isinstance(error, (pg.UndefinedTable, pg.UndefinedColumn, pg.InvalidSchemaName)):
            remedy = (
                f"Schema {self._schema!r} is not whole. Drop it to have it made anew; nothing of the engine's is in it."
            )
        else:
            remedy = "Check that the server is up and reachable; trying again may work."
        return LedgerUnavailableError(self._target, f"The ledger {self._target!r} cannot be used: {text}. {remedy}")


class _PostgresSession:
    def __init__(self, connection: psycopg.Connection[Row], schema: str) -> None:
        self._connection, self._schema = connection, schema

    def rows(self, statement: str, **params: Any) -> list[Row]:
        cursor = self._connection.execute(_render(statement, self._schema), params)
        return cursor.fetchall() if cursor.description else []

    def many(self, statement: str, params: Sequence[Mapping[str, Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_render(statement, self._schema), params)


@lru_cache(maxsize=256)
def _render(statement: str, schema: str) -> bytes:
    text = statement.format(t=f'"{schema}".', now=_NOW, ids="= ANY(:ids)", for_update="FOR UPDATE")
    return _PARAMETER.sub(r"%(\1)s", text).encode()


@lru_cache(maxsize=1)
def _migrations() -> tuple[str, ...]:
    """Return the migration scripts in order; number n is at n - 1."""
    folder = resources.files("otel_bridge.ledger").joinpath("migrations")
    scripts = sorted(entry.name for entry in folder.iterdir() if _MIGRATION_FILE.match(entry.name))
    return tuple(folder.joinpath(name).read_text("utf-8") for name in scripts)


def _without_credentials(conninfo: str, schema: str) -> str:
    try:
        parts = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError as error:
        raise ConfigurationError("The ledger's Postgres URL is malformed. Check it character by character.") from error
    host, port = parts.get("host") or "local socket", parts.get("port")
    return f"{host}{f':{port}' if port else ''}/{parts.get('dbname') or ''} schema {schema}"
