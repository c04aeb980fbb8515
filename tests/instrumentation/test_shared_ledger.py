"""Code on top of the engine uses the ledger that the process reports to, wherever its settings keep that."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from otel_bridge.errors import ConfigurationError
from otel_bridge.instrumentation import DBOSInstrumentor, InstrumentorSettings
from otel_bridge.instrumentation.shared import process_ledger
from otel_bridge.ledger import MemoryLedger, SqliteLedger, sidecar_path
from otel_bridge.ledger.postgres import PostgresLedger


def engine(url: str | None, schema: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(_config={"system_database_url": url, "dbos_system_schema": schema})


@pytest.fixture(autouse=True)
def nobody_instrumented(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DURABLE_LEDGER", "DURABLE_LEDGER_SCHEMA", "DURABLE_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(DBOSInstrumentor(), "_session", None)


@pytest.mark.parametrize(
    ("variable", "value", "namespace"),
    [(None, "", ""), ("DURABLE_NAMESPACE", "staging", "staging")],
)
def test_without_the_instrumentor_the_environment_says_where(
    variable: str | None, value: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same variables as the bridge's and the dashboard's."""
    if variable is not None:
        monkeypatch.setenv(variable, value)
    url = f"sqlite:///{tmp_path}/app.sqlite"
    with process_ledger(engine(url)) as ledger:
        assert isinstance(ledger, SqliteLedger)
        assert ledger.path == sidecar_path(url, namespace=namespace)


def test_with_it_its_settings_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that it was given is used as it is, and left open."""
    given = MemoryLedger()
    given.put_value("k", 1)
    session = SimpleNamespace(settings=InstrumentorSettings(ledger=given))
    monkeypatch.setattr(DBOSInstrumentor(), "_session", session)
    with process_ledger(engine(None)) as ledger:
        assert ledger is given
    assert given.get_value("k") == 1
    session.settings = InstrumentorSettings(ledger=f"sqlite:///{tmp_path}/other.sqlite", namespace="n")
    with process_ledger(engine(None)) as ledger:
        assert ledger.target == str(sidecar_path(tmp_path / "other.sqlite", namespace="n"))


def test_on_postgres_the_engines_schema_says_where_too() -> None:
    """Or the setting, where there is one."""
    url = "postgresql://ann@db.example/app"
    with process_ledger(engine(url, "one")) as ledger:
        assert isinstance(ledger, PostgresLedger)
        assert "schema durable_one_" in ledger.target
    opened = InstrumentorSettings(ledger_schema="mine").open_ledger(url, "one")
    assert opened.target.endswith("schema mine")


def test_a_database_in_memory_has_no_ledger_that_others_could_open() -> None:
    """The error says what to do."""
    with pytest.raises(ConfigurationError, match="no system database URL"), process_ledger(engine("sqlite://")):
        pass
    with pytest.raises(ConfigurationError, match="Pass ledger="):
        InstrumentorSettings().open_ledger(None, "dbos")
