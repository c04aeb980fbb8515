"""The ledger in a schema of its own on Postgres, beside the engine's. Touches the database; its clock counts.

The schema and its tables are made at first use by numbered migrations (``migrations/*.postgres.sql``), under an
advisory lock, so that any number of processes may start at once. Nothing of the engine's is created or altered.

Least privilege
===============

A role that may ``CREATE`` in the database can let this module make the schema. If that is not wanted, an administrator
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

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolClosed, PoolTimeout

from otel_bridge.credentials import without
from otel_bridge.errors import ConfigurationError, LedgerUnavailableError
from otel_bridge.ledger.base import Ledger
from otel_bridge.ledger.migrations import scripts
from otel_bridge.ledger.tables.core import Row, Session, T
from otel_bridge.postgres import Connection, Connections, parts_of, plain_url, secrets_in, server_of

_ADVISORY_KEY = 7_236_823_125_001
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}\Z")
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


class PostgresLedger(Ledger):
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
            raise ConfigurationError(f"Ledger schema {schema!r} is not a plain name. Use letters, digits and '_'.")
        super().__init__()
        self._schema, self._timeout_s = schema, timeout_s
        self.target, self._server = _without_credentials(conninfo, schema), server_of(plain_url(conninfo))
        self._secrets = secrets_in(plain_url(conninfo))
        self._connections = Connections(
            plain_url(conninfo),
            name="durable-ledger",
            application="durable-dashboard ledger",
            max_connections=max_connections,
            wait_s=timeout_s,
            connect_s=max(2, round(timeout_s)),
            timeout_ms=round(timeout_s * 1000),
            verify=True,
        )
        self._migrated = False

    def __repr__(self) -> str:
        return f"PostgresLedger({self.target!r})"

    def close(self) -> None:
        """Release connections; a later use opens them again. Idempotent."""
        self._connections.close()

    def give_back(self) -> None:
        """Nothing to do: the server's autovacuum does."""

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
        if not self._migrated:
            self._migrate()
            self._migrated = True
        if not write:
            return work(_ReadingSession(self._connections, self._schema))
        with self._connections.writing() as connection:
            return work(_WritingSession(connection, self._schema))

    # -- migrations ---------------------------------------------------------------------------------------------

    def _migrate(self) -> None:
        available = tuple(scripts("postgres").values())
        if self._version(self._connections.read) == len(available):
            return
        with self._connections.writing() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_KEY,))

            def read(statement: str, params: Sequence[object] = ()) -> list[Row]:
                return connection.execute(statement.encode(), params).fetchall()

            version = self._version(read)
            if version > len(available):
                raise LedgerUnavailableError(
                    self.target,
                    f"The ledger {self.target!r} was written by a newer version of durable-dashboard (schema "
                    f"{version}; this version knows {len(available)}). Upgrade this process.",
                )
            if not read("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self._schema,)):
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

    def _version(self, read: Callable[..., list[Row]]) -> int:
        # Not to_regclass(): it may answer from a cache that is older than the advisory lock.
        found = read(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relname = 'migrations'",
            (self._schema,),
        )
        if not found:
            return 0
        ((version,),) = read(f'SELECT coalesce(max(version), 0) FROM "{self._schema}".migrations')
        return int(version)

    def _script(self, connection: Connection, script: str) -> None:
        connection.execute(script.replace("{schema}", f'"{self._schema}"').encode())

    # -- errors -------------------------------------------------------------------------------------------------

    def _unavailable(self, error: Exception) -> LedgerUnavailableError:
        text, server = without(str(error).strip().partition("\n")[0], self._secrets), ""
        if isinstance(error, pg.InsufficientPrivilege):
            remedy = (
                f"Grant this role its rights: an owner's or writer's on schema {self._schema!r} to export and act, "
                "SELECT to look (see examples/deploy/postgres-roles.sql)."
            )
        elif isinstance(error, pg.ReadOnlySqlTransaction) or "during recovery" in text:
            remedy = "The server is a read-only standby. Point the ledger at the primary: --ledger postgresql://…"
        elif isinstance(error, pg.DiskFull):
            remedy = "Make room on the server's disk. It continues by itself, and nothing is lost."
        elif isinstance(error, (PoolTimeout, PoolClosed)):
            server = self._server
            remedy = "The server did not give a connection in time. Check that it is up and not out of connections."
        elif isinstance(error, (pg.QueryCanceled, pg.LockNotAvailable)):
            remedy = f"It took longer than {self._timeout_s:g} s. Trying again may work."
        elif isinstance(error, (pg.UndefinedTable, pg.UndefinedColumn, pg.InvalidSchemaName)):
            remedy = (
                f"Schema {self._schema!r} is not whole. Drop it, and the next use makes it again; nothing of the "
                f"engine's is in it: psql -c 'DROP SCHEMA \"{self._schema}\" CASCADE'"
            )
        else:
            server = self._server
            remedy = "Check that the server is up and reachable; trying again may work."
        message = f"The ledger {self.target!r} cannot be used: {text}. {remedy}"
        return LedgerUnavailableError(self.target, message, server=server)


class _ReadingSession:
    """Each statement is a read-only transaction."""

    def __init__(self, connections: Connections, schema: str) -> None:
        self._connections, self._schema = connections, schema

    def rows(self, statement: str, **params: object) -> list[Row]:
        return self._connections.read(_render(statement, self._schema), params)

    def many(self, statement: str, params: Sequence[Mapping[str, Any]]) -> None:
        raise AssertionError("a read runs one statement")


class _WritingSession:
    """One transaction around all statements."""

    def __init__(self, connection: Connection, schema: str) -> None:
        self._connection, self._schema = connection, schema

    def rows(self, statement: str, **params: object) -> list[Row]:
        cursor = self._connection.execute(_render(statement, self._schema), params)
        return cursor.fetchall() if cursor.description else []

    def many(self, statement: str, params: Sequence[Mapping[str, Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_render(statement, self._schema), params)


@lru_cache(maxsize=256)
def _render(statement: str, schema: str) -> bytes:
    text = statement.format(t=f'"{schema}".', now=_NOW, ids="= ANY(:ids)", for_update="FOR UPDATE")
    return _PARAMETER.sub(r"%(\1)s", text).encode()


def _without_credentials(conninfo: str, schema: str) -> str:
    parts = parts_of(plain_url(conninfo), what="The ledger's Postgres URL")
    host, port = parts.get("host") or "local socket", parts.get("port")
    return f"{host}{f':{port}' if port else ''}/{parts.get('dbname') or ''} schema {schema}"
