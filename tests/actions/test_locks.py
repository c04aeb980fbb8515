"""One action at a time per run: the lease is renewed while the action works, and fenced before it writes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard.actions import locks
from dashboard.actions.locks import RunLock, RunLocks
from dashboard.errors import Unavailable
from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.ledger import open_ledger
from otel_bridge.ledger.base import Lease
from otel_bridge.runs.in_hand import ACTION_LEASES
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
    for number in range(ACTION_LEASES):
        ledger.acquire_lease(f"action.{number}", "somebody", ttl_s=60)
    with pytest.raises(Unavailable, match="Another action"), RunLocks(ledger).hold("run"):
        pass


# -- with a clock of the test's ---------------------------------------------------------------------------------------


class CountingLedger(MemoryLedger):
    """Counts how often a lease is asked for; fails when it is told to."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.asked, self.fails = 0, False

    def acquire_lease(self, name: str, owner: str, *, ttl_s: float) -> Lease | None:
        """Ask for a lease."""
        self.asked += 1
        if self.fails:
            raise LedgerUnavailableError("the ledger", "no route to the ledger")
        return super().acquire_lease(name, owner, ttl_s=ttl_s)


class Scene:
    """A ledger and a lock of it, on one clock."""

    def __init__(self) -> None:
        self.clock = FakeClock(0)
        self.ledger = CountingLedger(self.clock)

    def now_s(self) -> float:
        """Return the time in seconds."""
        return self.clock.now_ms / 1000

    def lock(self) -> RunLock:
        """A lock that was taken now."""
        lease = self.ledger.acquire_lease("action.1", "me", ttl_s=locks.TTL_S)
        assert lease is not None
        self.ledger.asked = 0
        return RunLock(self.ledger, lease, monotonic=self.now_s)

    def locks(self, pause: Callable[[float], None]) -> RunLocks:
        """All locks."""
        return RunLocks(self.ledger, monotonic=self.now_s, pause=pause)


class Ticks(threading.Event):
    """A stop event that is set after so many waits, which take no time."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.waited_s: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Count the wait."""
        self.waited_s.append(timeout)
        return len(self.waited_s) > self.most


class Thread:
    """Stands for the thread that renews."""

    joined = False

    def join(self) -> None:
        """Somebody waits for its end."""
        self.joined = True


@pytest.mark.parametrize(("after_s", "asks"), [(0.0, 0), (1.0, 0), (2.0, 1), (4.0, 1)])
def test_a_fence_asks_the_ledger_unless_the_lease_was_renewed_just_now(
    monkeypatch: pytest.MonkeyPatch, after_s: float, asks: int
) -> None:
    """A lease renewed within ``RENEW_S`` cannot have lapsed; a second fence right after the first asks no more."""
    monkeypatch.setattr(locks, "RENEW_S", 2.0)
    scene = Scene()
    lock = scene.lock()
    scene.clock.advance(s=100)
    lock = scene.lock()
    scene.clock.advance(s=after_s)
    lock.fence()
    lock.fence()
    assert scene.ledger.asked == asks


def test_a_fence_refuses_where_the_ledger_cannot_be_asked() -> None:
    """Nobody knows who decides about the run now."""
    scene = Scene()
    lock = scene.lock()
    scene.clock.advance(s=4)
    scene.ledger.fails = True
    with pytest.raises(Unavailable, match="stopped before it wrote: no route"):
        lock.fence()


def test_a_lease_is_renewed_until_it_is_lost_or_the_action_ends() -> None:
    """A ledger that cannot be asked for a moment is asked again."""
    scene = Scene()
    lock = scene.lock()
    lock._stop = Ticks(3)
    lock._keep()
    assert (lock._stop.waited_s, scene.ledger.asked) == ([locks.RENEW_S] * 4, 3)
    scene.ledger.fails = True
    lock._stop = Ticks(2)
    lock._keep()
    assert (len(lock._stop.waited_s), scene.ledger.asked) == (3, 5)
    scene.ledger.fails = False
    scene.clock.advance(s=60)
    scene.ledger.acquire_lease("action.1", "somebody", ttl_s=60)
    lock._stop = Ticks(5)
    lock._keep()
    assert len(lock._stop.waited_s) == 1


def test_a_stop_waits_for_the_renewer_and_gives_the_lease_up() -> None:
    """Else it could renew what was given up. A lock that was never started stops too."""
    scene = Scene()
    lock, thread = scene.lock(), Thread()
    lock._renewer = thread  # type: ignore[assignment]
    lock.stop()
    assert (thread.joined, lock._stop.is_set(), scene.ledger.lease_holder("action.1")) == (True, True, None)
    scene.lock().stop()
    assert scene.ledger.lease_holder("action.1") is None


def test_a_held_lock_is_renewed_by_a_thread_and_free_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """For threads of this process and for other processes, whether or not the action fails."""
    monkeypatch.setattr(locks, "WAIT_S", 0.0)
    scene = Scene()
    all_locks = scene.locks(lambda seconds: pytest.fail("nobody is in the way"))
    held: list[RunLock] = []

    def fail() -> None:
        with all_locks.hold("run") as lock:
            held.append(lock)
            assert lock._renewer is not None
            assert lock._renewer.is_alive()
            assert scene.ledger.lease_holder(lock._lease.name) == lock._lease
            raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            fail()
        assert held[-1]._renewer is not None
        assert not held[-1]._renewer.is_alive()
        assert scene.ledger.lease_holder(held[-1]._lease.name) is None


def test_an_action_waits_for_one_of_another_process() -> None:
    """It looks again every few milliseconds."""
    scene = Scene()
    held = [scene.ledger.acquire_lease(f"action.{number}", "somebody", ttl_s=60) for number in range(ACTION_LEASES)]
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            for lease in held:
                assert lease is not None
                scene.ledger.release_lease(lease)

    with scene.locks(pause).hold("run"):
        assert pauses == [0.02] * 3


def test_an_action_waits_for_so_long_and_then_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """At ten seconds it tries once more, and not after them."""
    monkeypatch.setattr(locks, "WAIT_S", 10.0)
    scene = Scene()
    for number in range(ACTION_LEASES):
        scene.ledger.acquire_lease(f"action.{number}", "somebody", ttl_s=600)
    at_s: list[float] = []

    def pause(seconds: float) -> None:
        at_s.append(scene.now_s())
        assert len(at_s) < 10
        scene.clock.advance(s=5)

    with pytest.raises(Unavailable, match="Another action"), scene.locks(pause).hold("run"):
        pass
    assert at_s == [0, 5, 10]


def test_a_thread_of_this_process_that_is_at_work_keeps_others_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a look at the ledger."""
    monkeypatch.setattr(locks, "WAIT_S", 0.0)
    scene = Scene()
    all_locks = scene.locks(lambda seconds: pytest.fail("it waits for the thread, not for the ledger"))
    with all_locks.hold("run"):
        asked = scene.ledger.asked
        with pytest.raises(Unavailable, match="Another action"), all_locks.hold("run"):
            pass
        assert scene.ledger.asked == asked
