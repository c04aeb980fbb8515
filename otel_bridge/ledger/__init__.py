"""The ledger: the little this product remembers by itself. ``open_ledger`` picks where.

Opens nothing by itself: files, schemas and connections are made at first use.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from otel_bridge.credentials import is_dsn
from otel_bridge.errors import ConfigurationError
from otel_bridge.extras import missing_extra
from otel_bridge.ledger.base import Ledger
from otel_bridge.ledger.memory import MemoryLedger
from otel_bridge.ledger.sqlite import SqliteLedger

__all__ = ["Ledger", "MemoryLedger", "SqliteLedger", "open_ledger", "sidecar_path"]

_SUFFIX = ".durable.sqlite"
_SCHEME = re.compile(r"([a-z0-9]+)(?:\+[a-z0-9_]+)?:(?://)?", re.IGNORECASE)


def open_ledger(url: str | Path, *, schema: str = "durable", max_connections: int = 4) -> Ledger:
    """Return the ledger that belongs to the state store at ``url``.

    Args:
        url: of the state store: ``sqlite:///path``, a path, ``postgresql://...`` or ``memory:``. A file whose name
            ends in ``.durable.sqlite`` is taken as the ledger itself.
        schema: our schema, on Postgres.
        max_connections: on Postgres; with 1 it starts no thread either, for workers that only report.

    Raises:
        ConfigurationError: no ledger is known for such a URL, or its driver is not installed.
    """
    text = str(url)
    scheme = _SCHEME.match(text)
    kind = "" if isinstance(url, Path) or scheme is None or len(scheme[1]) == 1 else scheme[1].lower()
    if kind == "memory" or (kind == "sqlite" and _sqlite_path(text) is None) or text == ":memory:":
        return MemoryLedger()
    if kind in ("postgresql", "postgres"):
        return _open_postgres(re.sub(r"\A\w+(\+\w+)?://", "postgresql://", text), schema, max_connections)
    # A SQLite URL has no authority, so what stands there is no path either.
    rest = text.partition("://")[2] if kind == "sqlite" else ""
    if (not rest.startswith("/") and "@" in rest) or (kind == "" and isinstance(url, str) and is_dsn(url)):
        raise ConfigurationError(
            "The ledger's URL is malformed: it has no scheme that we know. "
            "Write postgresql://user:password@host:port/database, or sqlite:/// and a path."
        )
    if kind in ("", "sqlite", "file"):
        return SqliteLedger(sidecar_path(url))
    raise ConfigurationError(
        f"No ledger is known for a {kind!r} store. Use a sqlite:/// or postgresql:// URL, or pass a ledger of your own."
    )


def sidecar_path(url: str | Path) -> Path:
    """Return the ledger's file for a SQLite store: ``app.sqlite`` has ``app.durable.sqlite`` beside it.

    Raises:
        ConfigurationError: the store is in memory and has no file.
    """
    path = url if isinstance(url, Path) else _sqlite_path(str(url))
    if path is None:
        raise ConfigurationError("A store in memory has no sidecar file. Use MemoryLedger().")
    if path.name.endswith(_SUFFIX):
        return path
    name = path.name.removesuffix(".sqlite")
    return path.with_name(name + _SUFFIX)


def _sqlite_path(url: str) -> Path | None:
    text = re.sub(r"\Asqlite(\+\w+)?://", "", url, flags=re.IGNORECASE)
    if text != url:
        text = text.removeprefix("/")
    if text.startswith("file:"):
        if "mode=memory" in text:
            return None
        text = text.removeprefix("file:").partition("?")[0]
    elif text != url:
        text = unquote(text.partition("?")[0])
    return None if text in ("", ":memory:") else Path(text)


def _open_postgres(url: str, schema: str, max_connections: int) -> Ledger:
    try:
        from otel_bridge.ledger.postgres import PostgresLedger
    except ImportError as error:
        raise missing_extra(error, package="psycopg") or error from error
    return PostgresLedger(url, schema=schema, max_connections=max_connections)
