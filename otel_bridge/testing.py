"""For tests of code that reads state stores: builders, a clock that stands still, stores and ledgers in memory.

>>> clock = FakeClock(1_000)
>>> store = MemoryStateStore(clock=clock)
>>> store.put_run(make_run(status="completed", created_at_ms=1_000))
>>> store.get_run("run-1").status
'completed'
"""

from __future__ import annotations

from typing import Any

from otel_bridge.ledger.memory import MemoryLedger
from otel_bridge.model.runs import Run
from otel_bridge.model.status import RunStatus
from otel_bridge.model.steps import Step, StepKind, StepStatus
from otel_bridge.store.memory import MemoryStateStore

__all__ = ["FakeClock", "MemoryLedger", "MemoryStateStore", "make_run", "make_step"]

DEFAULT_TIME_MS = 1_700_000_000_000


class FakeClock:
    """A clock that moves when told. Call it to read it, in Unix milliseconds."""

    def __init__(self, now_ms: int = DEFAULT_TIME_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ms

    def advance(self, *, ms: int = 0, s: float = 0) -> int:
        """Move on; return the new time."""
        self.now_ms += ms + round(s * 1000)
        return self.now_ms


def make_run(
    run_id: str = "run-1",
    *,
    workflow: str = "order",
    status: RunStatus = "running",
    created_at_ms: int = DEFAULT_TIME_MS,
    **fields: Any,
) -> Run:
    """Return a run; times that follow from its status are filled in unless given."""
    fields.setdefault("updated_at_ms", fields.get("finished_at_ms") or created_at_ms)
    if status not in ("pending", "blocked"):
        fields.setdefault("started_at_ms", created_at_ms)
    if status in ("completed", "failed", "cancelled", "cancelling", "dead"):
        fields.setdefault("finished_at_ms", fields["updated_at_ms"])
    return Run(id=run_id, workflow=workflow, status=status, created_at_ms=created_at_ms, **fields)


def make_step(
    run_id: str = "run-1",
    seq: int = 1,
    *,
    name: str = "charge",
    kind: StepKind = "local",
    status: StepStatus = "completed",
    started_at_ms: int | None = DEFAULT_TIME_MS,
    **fields: Any,
) -> Step:
    """Return a step; a finished one takes 10 ms unless told otherwise."""
    if status in ("completed", "failed") and started_at_ms is not None:
        fields.setdefault("finished_at_ms", started_at_ms + 10)
        fields.setdefault("recorded_at_ms", fields["finished_at_ms"])
    fields.setdefault("has_error", status == "failed")
    return Step(run_id=run_id, seq=seq, name=name, kind=kind, status=status, started_at_ms=started_at_ms, **fields)
