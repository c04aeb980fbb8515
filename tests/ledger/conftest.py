"""One fixture, three ledgers: the contract is the same wherever the ledger lives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_bridge.ledger import Ledger, MemoryLedger, open_ledger


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger: in memory, in a sidecar file, in a Postgres schema."""
    opened: Ledger
    if request.param == "memory":
        opened = MemoryLedger()
    elif request.param == "sqlite":
        opened = open_ledger(f"sqlite:///{tmp_path}/app.sqlite")
    else:
        opened = open_ledger(request.getfixturevalue("postgres_url"))
    yield opened
    opened.close()
