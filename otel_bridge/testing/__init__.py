"""For tests of code that reads state stores: builders, a clock that stands still, stores and ledgers in memory.

>>> clock = FakeClock(1_000)
>>> store = MemoryStateStore(clock=clock)
>>> store.put_run(make_run(status="completed", created_at_ms=1_000))
>>> store.get_run("run-1").status
'completed'
"""

from __future__ import annotations

from otel_bridge.ledger.memory import MemoryLedger
from otel_bridge.testing.builders import make_run, make_step
from otel_bridge.testing.clock import FakeClock
from otel_bridge.testing.memory_store import MemoryStateStore

__all__ = ["FakeClock", "MemoryLedger", "MemoryStateStore", "make_run", "make_step"]
