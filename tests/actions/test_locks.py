"""One action at a time per run: the lease is renewed while the action works, and fenced before it writes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dashboard.actions import locks
from dashboard.actions.locks import RunLock, RunLocks
from dashboard.errors import Unavailable
from otel_bridge.ledger import open_ledger
from otel_bridge.ledger.base import Lease
from otel_bridge.testing import FakeClock, MemoryLedger
from tests.waiting import until


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that lapse soon."""
    monkeypatch.setattr(locks, "TTL_S", 0.3)
    monkeypatch.setattr(locks, "RENEW_S", 0.05)


@pytest.mark.usefixtures("short")
def test_an_action_that_works_for_longer_than_its_lease_is_still_alone(tmp_path: Path) -> None:
    """Two processes: the second gets in when the first is done, however long that takes."""
    url = f"sqlite:///{tmp_path}/a.sqlite"
    here, there = RunLocks(open_ledger(url)), RunLocks(open_ledger(url))
    order: list[str] = []
    entered = threading.Event()

    def second() -> None:
        entered.wait(10)
        with there.hold("run"):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with here.hold("run") as lock:
        entered.set()
        began = lock._renewed_s
        until(lambda: lock._renewed_s > began + 3 * locks.TTL_S, what="the lease to be renewed for three lifetimes")
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_an_action_whose_lease_lapsed_and_was_taken_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process was stopped for a while: another action began, so this one ends before its write."""
    monkeypatch.setattr(locks, "RENEW_S", 0.0)
    clock = FakeClock()
    ledger = MemoryLedger(clock=clock)
    lease = ledger.acquire_lease("action.1", "me", ttl_s=5)
    assert lease is not None
    lock = RunLock(ledger, lease)
    lock.fence()
    clock.advance(ms=6000)
    other = ledger.acquire_lease("action.1", "somebody", ttl_s=5)
    with pytest.raises(Unavailable, match="another one began"):
        lock.fence()
    lock.stop()
    assert ledger.lease_holder("action.1") == other


def test_a_lapsed_lease_that_somebody_had_meanwhile_is_not_held_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other has come and gone: what was read before may be stale, though the lease is free."""
    monkeypatch.setattr(locks, "RENEW_S", 0.0)
    clock = FakeClock()
    ledger = MemoryLedger(clock=clock)
    lease = ledger.acquire_lease("action.1", "me", ttl_s=5)
    assert lease is not None
    clock.advance(ms=6000)
    other = ledger.acquire_lease("action.1", "somebody", ttl_s=5)
    assert isinstance(other, Lease)
    ledger.release_lease(other)
    with pytest.raises(Unavailable):
        RunLock(ledger, lease).fence()


def test_a_busy_run_is_said_to_be_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for ever: the caller tries again."""
    monkeypatch.setattr(locks, "WAIT_S", 0.05)
    ledger = MemoryLedger()
    for number in range(locks.LOCKS):
        ledger.acquire_lease(f"action.{number}", "somebody", ttl_s=60)
    with pytest.raises(Unavailable, match="Another action"), RunLocks(ledger).hold("run"):
        pass
