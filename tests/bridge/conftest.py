"""Fixtures of the bridge's tests: a store and a ledger in memory by one fake clock, a transport into a list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from otel_bridge import OTelBridge
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore
from tests.bridge.rows import Bridges
from tests.otlp.samples import ListTransport


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> Iterator[MemoryStateStore]:
    made = MemoryStateStore(clock=clock)
    yield made
    made.close()


@pytest.fixture
def ledger(clock: FakeClock) -> MemoryLedger:
    return MemoryLedger(clock=clock)


@pytest.fixture
def transport() -> ListTransport:
    return ListTransport()


@pytest.fixture
def bridges(store: MemoryStateStore, ledger: MemoryLedger, transport: ListTransport) -> Iterator[Bridges]:
    """Makes bridges over the same store, ledger and transport; stops them."""
    made = []

    def make(**options: Any) -> OTelBridge:
        options = {
            "ledger": ledger,
            "exporter": transport,
            "start_from": "beginning",
            "poll_interval_s": 0.01,
            "environ": {},
            **options,
        }
        bridge = OTelBridge(options.pop("store", store), **options)
        made.append(bridge)
        return bridge

    yield make
    for bridge in made:
        bridge.stop()
