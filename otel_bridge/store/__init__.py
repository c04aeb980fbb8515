"""The engine's state store, read-only: the protocol, its adapters, and ``open_store`` that picks one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from otel_bridge.credentials import is_dsn
from otel_bridge.errors import ConfigurationError
from otel_bridge.extras import missing_extra
from otel_bridge.store.base import DEFAULT_PAYLOAD_CAP_BYTES, StateStore

if TYPE_CHECKING:
    from sqlite_utils import Database

__all__ = ["DEFAULT_PAYLOAD_CAP_BYTES", "StateStore", "open_store"]


def open_store(source: str | Path | Database | StateStore, *, schema: str = "dbos") -> StateStore:
    """Return the state store that ``source`` names; a ``StateStore`` is returned as it is.

    Args:
        source: a ``postgresql://`` or ``sqlite:///`` URL, a path, a ``sqlite_utils.Database``, or a ``StateStore``.
        schema: on Postgres, where DBOS keeps its tables.

    Raises:
        ConfigurationError: the URL is of no kind we know, or the driver for it is not installed.
    """
    if isinstance(source, str) and source.split("://")[0].split("+")[0] in ("postgres", "postgresql"):
        try:
            from otel_bridge.store.postgres import PostgresStateStore
        except ImportError as error:
            raise missing_extra(error, package="psycopg") or error from error
        return PostgresStateStore(source, schema=schema)
    if isinstance(source, str) and not source.startswith("sqlite:"):
        scheme = re.match(r"([A-Za-z0-9+.-]+)://", source)
        if scheme is not None and not source.startswith("sqlite"):
            raise ConfigurationError(
                f"{scheme[0]} is not a state store we can read. Use a postgresql:// or sqlite:/// URL."
            )
        if is_dsn(source):
            raise ConfigurationError(
                "The state store's URL is malformed: it has no scheme that we know. "
                "Write postgresql://user:password@host:port/database, or sqlite:/// and a path."
            )
    from sqlite_utils import Database

    from otel_bridge.store.sqlite import SqliteStateStore

    if isinstance(source, (str, Path, Database)):
        return SqliteStateStore(source)
    return source
