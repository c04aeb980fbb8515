"""The ledger: the little this product remembers by itself. ``open_ledger`` picks where.

Opens nothing by itself: files, schemas and connections are made at first use.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from urllib.parse import unquote

from otel_bridge.credentials import is_dsn
from otel_bridge.errors import ConfigurationError
from otel_bridge.extras import missing_extra
from otel_bridge.ledger.base import Ledger
from otel_bridge.ledger.memory import MemoryLedger
from otel_bridge.ledger.sqlite import SqliteLedger

__all__ = ["Ledger", "MemoryLedger", "SqliteLedger", "ledger_schema", "open_ledger", "sidecar_path"]

ENGINE_SCHEMA, LEDGER_SCHEMA = "dbos", "durable"
"""On Postgres: where DBOS keeps its tables by default, and where the ledger beside those keeps its own."""
_SUFFIX = ".durable.sqlite"
_SCHEME = re.compile(r"([a-z0-9]+)(?:\+[a-z0-9_]+)?:(?://)?", re.IGNORECASE)
_SLUG_CHARS = 32


def open_ledger(
    url: str | Path,
    *,
    schema: str | None = None,
    engine_schema: str = ENGINE_SCHEMA,
    namespace: str = "",
    max_connections: int = 4,
) -> Ledger:
    """Return the ledger that belongs to the state store at ``url``.

    Applications that share a database, and namespaces, have a ledger each: what one exported, and who exports it,
    says nothing of the other.

    Args:
        url: of the state store: ``sqlite:///path``, a path, ``postgresql://...`` or ``memory:``. A file whose name
            ends in ``.durable.sqlite`` is taken as the ledger itself.
        schema: our schema, on Postgres; default ``ledger_schema(engine_schema, namespace)``.
        engine_schema: where DBOS keeps its tables, on Postgres.
        namespace: the bridge's namespace setting.
        max_connections: on Postgres; with 1 it starts no thread either, for workers that only report.

    Raises:
        ConfigurationError: no ledger is known for such a URL, or its driver is not installed.

    Example::

        ledger = open_ledger("postgresql://db/shop", engine_schema="orders", namespace="staging")
    """
    text = str(url)
    scheme = _SCHEME.match(text)
    kind = "" if isinstance(url, Path) or scheme is None or len(scheme[1]) == 1 else scheme[1].lower()
    if kind == "memory" or (kind == "sqlite" and _sqlite_path(text) is None) or text == ":memory:":
        return MemoryLedger()
    if kind in ("postgresql", "postgres"):
        place = schema or ledger_schema(engine_schema, namespace)
        return _open_postgres(re.sub(r"\A\w+(\+\w+)?://", "postgresql://", text), place, max_connections)
    # A SQLite URL has no authority, so what stands there is no path either.
    rest = text.partition("://")[2] if kind == "sqlite" else ""
    if (not rest.startswith("/") and "@" in rest) or (kind == "" and isinstance(url, str) and is_dsn(url)):
        raise ConfigurationError(
            "The ledger's URL is malformed: it has no scheme that we know. "
            "Write postgresql://user:password@host:port/database, or sqlite:/// and a path."
        )
    if kind in ("", "sqlite", "file"):
        return SqliteLedger(sidecar_path(url, namespace=namespace))
    raise ConfigurationError(
        f"No ledger is known for a {kind!r} store. Use a sqlite:/// or postgresql:// URL, or pass a ledger of your own."
    )


def ledger_schema(engine_schema: str = ENGINE_SCHEMA, namespace: str = "") -> str:
    """Return our schema for the engine's schema and a namespace. No two pairs share one.

    >>> ledger_schema()
    'durable'
    >>> ledger_schema("orders", "staging")
    'durable_orders_staging_f7153c84'
    """
    if (engine_schema, namespace) == (ENGINE_SCHEMA, ""):
        return LEDGER_SCHEMA
    words = [word for word in (engine_schema if engine_schema != ENGINE_SCHEMA else "", namespace) if word]
    return f"{LEDGER_SCHEMA}_{_slug(words, between='_')}{_mark(engine_schema, namespace)}"


def sidecar_path(url: str | Path, *, namespace: str = "") -> Path:
    """Return the ledger's file for a SQLite store: ``app.sqlite`` has ``app.durable.sqlite`` beside it.

    >>> sidecar_path("sqlite:////data/app.sqlite", namespace="staging").name
    'app.staging-73f66bf9.durable.sqlite'

    Raises:
        ConfigurationError: the store is in memory and has no file.
    """
    path = url if isinstance(url, Path) else _sqlite_path(str(url))
    if path is None:
        raise ConfigurationError("A store in memory has no sidecar file. Use MemoryLedger().")
    if path.name.endswith(_SUFFIX):
        return path
    name = path.name.removesuffix(".sqlite")
    if namespace:
        name += f".{_slug([namespace], between='-')}{_mark(namespace)}"
    return path.with_name(name + _SUFFIX)


def _slug(words: list[str], *, between: str) -> str:
    """Return what people recognise of the words, which may hold any character; empty where nothing can."""
    plain = re.sub(r"[^a-z0-9]+", between, between.join(words).lower()).strip(between)[:_SLUG_CHARS]
    return f"{plain}{between}" if plain else ""


def _mark(*words: str) -> str:
    """Return what tells words apart that look alike as a slug."""
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:8]


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
