"""A DBOS in this process, on a database of the module's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dbos import DBOS

from otel_bridge.store import open_store
from otel_bridge.store.base import StateStore
from tests.databases import make_wal


@pytest.fixture(scope="module")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A launched DBOS in which the tests register their workflows; gone, registry and all, at the module's end."""
    import dashboard.workflow

    url = make_wal(Path(tmp_path_factory.mktemp("engine")) / "app.sqlite")
    DBOS.destroy(destroy_registry=True)
    DBOS(
        config={
            "name": "workflow-tests",
            "system_database_url": url,
            "application_version": "v1",
            "notification_listener_polling_interval_sec": 0.02,
        }
    )
    dashboard.workflow.register()
    DBOS.launch()
    yield url
    DBOS.destroy(destroy_registry=True)


@pytest.fixture(scope="module")
def store(engine_url: str) -> Iterator[StateStore]:
    """The state store over the same database."""
    opened = open_store(engine_url)
    yield opened
    opened.close()
