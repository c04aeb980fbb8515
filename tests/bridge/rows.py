"""Rows that the bridge's tests share, and what makes bridges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_bridge import OTelBridge
from otel_bridge.model.status import RunStatus
from otel_bridge.testing import MemoryStateStore, make_run, make_step

Bridges = Callable[..., OTelBridge]
"""Makes a bridge over the test's store, ledger and transport; options replace the defaults."""


def put_ended(
    store: MemoryStateStore, run_id: str = "run-1", *, steps: int = 2, status: RunStatus = "completed", **fields: Any
) -> None:
    at = store.now_ms()
    store.put_run(make_run(run_id, status=status, created_at_ms=at, finished_at_ms=at + 100, **fields))
    for seq in range(1, steps + 1):
        store.put_step(make_step(run_id, seq, started_at_ms=at + seq))
