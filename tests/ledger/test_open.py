"""Which ledger belongs to which store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from otel_bridge.errors import ConfigurationError
from otel_bridge.ledger import MemoryLedger, SqliteLedger, open_ledger, sidecar_path
from otel_bridge.ledger.postgres import PostgresLedger


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////data/app.sqlite", "/data/app.durable.sqlite"),
        ("sqlite:///app.sqlite", "app.durable.sqlite"),
        ("sqlite+pysqlite:////data/app.sqlite?timeout=5", "/data/app.durable.sqlite"),
        ("sqlite:///file:/data/app.sqlite?mode=ro&uri=true", "/data/app.durable.sqlite"),
        ("sqlite:////data/my%20app.sqlite", "/data/my app.durable.sqlite"),
        ("/data/app.db", "/data/app.db.durable.sqlite"),
        ("data/app", "data/app.durable.sqlite"),
        (Path("/data/app.sqlite"), "/data/app.durable.sqlite"),
        ("sqlite:////elsewhere/mine.durable.sqlite", "/elsewhere/mine.durable.sqlite"),
    ],
)
def test_a_sqlite_store_has_its_ledger_beside_it(url: str | Path, path: str) -> None:
    """Two stores in one directory never share one; a ledger's own path is taken as it is."""
    assert sidecar_path(url) == Path(path)
    ledger = open_ledger(url)
    assert isinstance(ledger, SqliteLedger)
    assert ledger.path == Path(path)


@pytest.mark.parametrize("url", ["memory:", "memory://", ":memory:", "sqlite://", "sqlite:///:memory:"])
def test_a_store_in_memory_has_its_ledger_in_memory(url: str) -> None:
    """No file appears for a store that has none."""
    assert isinstance(open_ledger(url), MemoryLedger)


def test_a_memory_store_has_no_sidecar() -> None:
    """Asking for its path is a mistake, reported clearly."""
    with pytest.raises(ConfigurationError, match="MemoryLedger"):
        sidecar_path("sqlite://")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_a_postgres_store_has_its_ledger_in_a_schema(scheme: str) -> None:
    """SQLAlchemy's spellings are understood, and the password is never shown."""
    ledger = open_ledger(f"{scheme}://ann:s3cret@db.example:5433/app")
    assert isinstance(ledger, PostgresLedger)
    assert "db.example:5433/app schema durable" in repr(ledger)
    assert "s3cret" not in repr(ledger)
    ledger.close()


def test_other_urls_and_odd_names_are_refused() -> None:
    """Before anything is connected to."""
    with pytest.raises(ConfigurationError, match="'mysql'"):
        open_ledger("mysql://x/y")
    with pytest.raises(ConfigurationError, match="not a plain name"):
        open_ledger("postgresql://x/y", schema='a"; DROP TABLE x; --')
    with pytest.raises(ConfigurationError, match="malformed"):
        open_ledger("postgresql://[x/y")


def test_postgres_is_loaded_only_when_it_is_used() -> None:
    """An application on SQLite needs no psycopg."""
    script = (
        "import sys; import otel_bridge.ledger as ledger; ledger.open_ledger('sqlite:///x.sqlite')\n"
        "print('psycopg' in sys.modules)\n"
        "sys.modules['psycopg'] = None\n"
        "try: ledger.open_ledger('postgresql://x/y')\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [
        "False",
        "psycopg is not installed, and a Postgres database needs it. "
        "Install it: pip install 'durable-dashboard[postgres]'",
    ]
