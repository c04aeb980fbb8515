"""Nobody who follows a run takes its move for its end."""

from __future__ import annotations

from dashboard.actions import redispatch
from dashboard.actions.destination import Destination
from otel_bridge.tail.changes import ChangeTail
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run
from tests.actions.memory import memory_context

CLOCK = FakeClock()
T = CLOCK.now_ms


def test_whoever_looks_between_the_two_writes_of_a_move_sees_no_end() -> None:
    """Every action that changes a run's version does so: a move, a redispatch, the caretaker's recovery."""
    store, ledger = MemoryStateStore(clock=CLOCK), MemoryLedger(clock=CLOCK)
    ticks = iter(range(1_000))
    tail = ChangeTail(store, ledger=ledger, monotonic=lambda: float(next(ticks)))
    told: list[str] = []

    def look(*_: str) -> None:
        told.extend(event.type for change in tail.poll() for event in change.events)

    store.put_run(make_run("r", status="pending", created_at_ms=T, workflow_version="v1", queue="q"))
    ctx, _, client = memory_context(store=store, ledger=ledger, before=look)
    look()
    with ctx.alone("r") as lock:
        redispatch.move_to(ctx, lock, ctx.run("r"), Destination("v2", "q"))
    look()
    assert [name for name, *_ in client.calls] == ["cancel", "rewind"]
    assert told == ["run.pending"]
