"""A run is read as it is, not as it looks between two writes of one action."""

from __future__ import annotations

from dashboard.config import Settings
from dashboard.read.loading import get_run
from dashboard.read.services import Services
from otel_bridge.ledger.base import Lease
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run

CLOCK = FakeClock()
T = CLOCK.now_ms


class Moving(MemoryLedger):
    """A ledger whose lease an action holds when it is first asked; then the run is put back, and the lease free."""

    def __init__(self, store: MemoryStateStore) -> None:
        super().__init__(clock=CLOCK)
        self._store, self.looks = store, 0

    def lease_holder(self, name: str) -> Lease | None:
        self.looks += 1
        if self.looks > 1:
            return None
        self._store.put_run(make_run("r", status="pending", created_at_ms=T, queue="q"))
        return Lease(name, "me", 1, T + 5_000, T)


def read(ended_ms: int) -> tuple[str, int]:
    """Return the status of a run that was cancelled, and how often its lease was looked for."""
    store = MemoryStateStore(clock=CLOCK)
    store.put_run(make_run("r", status="cancelled", created_at_ms=T - 90_000, finished_at_ms=ended_ms))
    ledger = Moving(store)
    services = Services(
        Settings(),
        open_store=lambda: store,
        open_ledger=lambda store: ledger,
        open_actions=lambda services: None,  # type: ignore[arg-type, return-value]
    )
    return get_run(services, "r").status, ledger.looks


def test_a_run_that_is_being_moved_is_not_shown_as_cancelled() -> None:
    """A stream's snapshot, the run's page and every client that waits for its end read it so."""
    assert read(T - 10) == ("pending", 2)


def test_a_run_that_was_cancelled_earlier_costs_no_look() -> None:
    """No action is as slow as that."""
    assert read(T - 60_000) == ("cancelled", 0)
