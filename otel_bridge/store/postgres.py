"""``PostgresStateStore``: reads a DBOS system database on PostgreSQL, through psycopg 3 and a small pool.

Every read is a read-only transaction of its own, bounded by ``statement_timeout``, which leaves nothing on the session;
a lost server is reported within seconds and found again by the pool.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import errors as pg
from psycopg_pool import ConnectionPool, PoolTimeout

from otel_bridge.credentials import without
from otel_bridge.errors import (
    ConfigurationError,
    NotADbosDatabaseError,
    StoreError,
    StoreMissingError,
    StoreUnavailableError,
)
from otel_bridge.postgres import Connections, parts_of, plain_url, secrets_in, server_of
from otel_bridge.store.adapter import SqlStateStore, StaleSchemaError
from otel_bridge.store.sql.schema import Schema
from otel_bridge.store.sql.session import Row

STATEMENT_TIMEOUT_MS = 5000
CONNECT_TIMEOUT_S = 3
POOL_TIMEOUT_S = 4.0
CLOCK_CHECK_S = 30.0


def describe(url: str, schema: str) -> str:
    """Return a name for people, without user and password."""
    info = parts_of(url, what="The Postgres URL")
    host = info.get("host") or urlsplit(url).hostname or "localhost"
    return f"Postgres database {info.get('dbname', '')!r} on {host} (schema {schema!r})"


class PostgresStateStore(SqlStateStore):
    """Reads a system database on PostgreSQL.

    Args:
        conninfo: a ``postgresql://`` URL (SQLAlchemy's driver suffix is accepted), or a psycopg pool that the user
            built; the latter is not closed by us.
        schema: where DBOS keeps its tables (``dbos_system_schema`` of its configuration).
        url: with a pool: the URL of the same database, for those who need one.
    """

    dialect = "postgres"

    def __init__(
        self,
        conninfo: str | ConnectionPool[Any],
        *,
        schema: str = "dbos",
        url: str | None = None,
        max_connections: int = 4,
    ) -> None:
        super().__init__()
        if '"' in schema or not schema:
            raise ConfigurationError(f"{schema!r} is not the name of a Postgres schema.")
        self._schema_name = schema
        self._own = isinstance(conninfo, str)
        self._closed = False
        self._offset_ms, self._checked_at = 0, -CLOCK_CHECK_S
        self._reached = False
        self._has_token = True
        if isinstance(conninfo, str):
            self._url = plain_url(conninfo)
        else:
            own_url = conninfo.conninfo
            self._url = plain_url(url if url is not None else own_url if isinstance(own_url, str) else own_url())
        self.target = describe(self._url, schema)
        self._secrets = secrets_in(self._url)
        self._connections = Connections(
            self._url if self._own else conninfo,
            name="durable-store",
            application="durable-dashboard",
            max_connections=max_connections,
            wait_s=POOL_TIMEOUT_S,
            connect_s=CONNECT_TIMEOUT_S,
            timeout_ms=STATEMENT_TIMEOUT_MS,
        )

    @property
    def engine_schema(self) -> str:
        """Where the engine keeps its tables."""
        return self._schema_name

    @property
    def url(self) -> str:
        """The database URL, credentials included."""
        return self._url

    def now_ms(self) -> int:
        """The server's clock, by its distance from ours, which is measured every half a minute."""
        if time.monotonic() - self._checked_at > CLOCK_CHECK_S:
            before = time.time_ns() // 1_000_000
            ((server,),) = self.rows("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")
            after = time.time_ns() // 1_000_000
            self._offset_ms, self._checked_at = server - (before + after) // 2, time.monotonic()
        return time.time_ns() // 1_000_000 + self._offset_ms

    def change_token(self) -> object | None:
        """Return which transactions are visible, and on which server: no row differs while that stays the same.

        A transaction that writes gets a number, and leaves the snapshot's list of those under way, or raises its
        upper bound, when it commits. On a standby the list is not whole, so there is no token.

        Source: PostgreSQL documentation, "Transaction ID and Snapshot Information Functions".
        """
        if not self._has_token:
            return None
        statement = (
            "SELECT CASE WHEN NOT pg_is_in_recovery() THEN CAST(pg_current_snapshot() AS text) END, "
            "pg_postmaster_start_time()"
        )
        try:
            snapshot, server = self.rows(statement)[0]
        except StaleSchemaError:  # no such function: something that only speaks Postgres' protocol
            self._has_token = False
            return None
        return None if snapshot is None else (snapshot, server)

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return all of its rows."""
        statement = sql.replace("%", "%%").replace("?", "%s")
        try:
            return self._run(statement, params)
        except (pg.UndefinedTable, pg.UndefinedColumn, pg.UndefinedFunction, pg.FeatureNotSupported) as error:
            text = self._said_by(error)
            raise StaleSchemaError(self.target, f"{self.target} changed its schema: {text}.") from error
        except (psycopg.Error, PoolTimeout) as error:
            raise self._unavailable(error) from error

    def _run(self, statement: str, params: Sequence[object]) -> list[Row]:
        if not self._own:
            return self._connections.read(statement, params)
        if self._closed:
            raise StoreUnavailableError(self.target, f"{self.target} was closed by this process. Open a new store.")
        if not self._reached:
            self._connections.reach()
        try:
            found = self._connections.read(statement, params)
        except (pg.AdminShutdown, pg.CrashShutdown, psycopg.OperationalError) as error:
            if isinstance(error, (pg.QueryCanceled, PoolTimeout)):
                raise
            # the server was restarted under idle connections: drop them, and see whether it is back
            self._connections.replace_broken()
            self._connections.reach()
            found = self._connections.read(statement, params)
        self._reached = True
        return found

    def _said_by(self, error: Exception) -> str:
        return without(" ".join(str(error).split()), self._secrets)

    def _unavailable(self, error: Exception) -> StoreError:
        self._reached = self._reached and not isinstance(error, (PoolTimeout, psycopg.OperationalError))
        text = self._said_by(error)
        if "does not exist" in text and "database" in text:
            return StoreMissingError(self.target, f"{self.target} does not exist. Launch the DBOS app once.")
        if isinstance(error, pg.InsufficientPrivilege):
            return StoreUnavailableError(
                self.target,
                f"{self.target} refused to be read: {text}. GRANT USAGE on the schema and SELECT on its tables.",
            )
        if isinstance(error, pg.QueryCanceled):
            return StoreUnavailableError(self.target, f"{self.target} took too long to answer: {text}.")
        return StoreUnavailableError(
            self.target, f"{self.target} cannot be read now: {text}. It is tried again.", server=server_of(self._url)
        )

    def _probe(self) -> Schema:
        found = self.rows(
            "SELECT c.relname, a.attname FROM pg_catalog.pg_class c "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
            "WHERE n.nspname = ? AND c.relkind IN ('r', 'p', 'v', 'm')",
            [self._schema_name],
        )
        if not found:
            raise NotADbosDatabaseError(
                self.target,
                f"{self.target} holds no such schema. Launch the DBOS app once, or name its schema with schema=….",
            )
        tables: dict[str, set[str]] = {}
        for table, column in found:
            tables.setdefault(table, set()).add(column)
        indexes = self.rows("SELECT indexname FROM pg_catalog.pg_indexes WHERE schemaname = ?", [self._schema_name])
        prefix = f'"{self._schema_name}".'
        version = None
        if "version" in tables.get("dbos_migrations", set()):
            ((version,),) = self.rows(f"SELECT max(version) FROM {prefix}dbos_migrations")
        return Schema(
            {table: frozenset(columns) for table, columns in tables.items()},
            frozenset(name for (name,) in indexes),
            version,
            prefix,
            "postgres",
        )

    def close(self) -> None:
        """Close the connections that we opened. Idempotent."""
        self._closed = True
        self._connections.close()
