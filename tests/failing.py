"""Runs that failed, put into a store in memory: what tests of errors look at."""

from __future__ import annotations

import json
from typing import Any

from otel_bridge.model.values import StoredValue
from otel_bridge.testing import MemoryStateStore, make_run, make_step


def put_failed(
    store: MemoryStateStore,
    run_id: str,
    message: str = "timeout after 3 s",
    *,
    kind: str = "GatewayTimeout",
    step: str | None = "charge",
    at_ms: int | None = None,
    lasted_ms: int = 100,
    **fields: Any,
) -> None:
    """Store a run that failed, with the step whose error it died of."""
    began_ms = store.now_ms() - 1_000 if at_ms is None else at_ms
    error = json.dumps({"name": kind, "message": message})
    store.put_run(
        make_run(
            run_id,
            status="failed",
            created_at_ms=began_ms,
            finished_at_ms=began_ms + lasted_ms,
            serialization="portable_json",
            **fields,
        )
    )
    store.put_payload(run_id, "error", error)
    store.put_step(make_step(run_id, 1, name="quick", started_at_ms=began_ms))
    if step is not None:
        value = StoredValue(error, "portable_json", len(error))
        store.put_step(make_step(run_id, 2, name=step, status="failed", started_at_ms=began_ms + 1, error=value))


def put_completed(store: MemoryStateStore, run_id: str, *, at_ms: int | None = None, **fields: Any) -> None:
    """Store a run that completed, in two steps."""
    began_ms = store.now_ms() - 1_000 if at_ms is None else at_ms
    fields = {"created_at_ms": began_ms, "finished_at_ms": began_ms + 100, **fields}
    store.put_run(make_run(run_id, status="completed", **fields))
    for seq, name in enumerate(("quick", "charge"), start=1):
        store.put_step(make_step(run_id, seq, name=name, started_at_ms=began_ms + seq))
