"""One bad run, duty or neighbour never stops the others; each trouble is said once; looking costs little."""

from __future__ import annotations

import logging
import os

import pytest

from dashboard.caretaker import caretaker as module
from dashboard.caretaker.caretaker import Caretaker, CaretakerSettings
from otel_bridge.ledger.base import Executor
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run
from tests.actions.memory import memory_context

CLOCK = FakeClock()
T = CLOCK.now_ms


def store_with_dead(*names: str) -> MemoryStateStore:
    """A store with dead runs."""
    store = MemoryStateStore(clock=CLOCK)
    for number, name in enumerate(names):
        store.put_run(make_run(name, status="dead", created_at_ms=T - 10_000 + number))
    return store


def test_a_poisonous_run_stops_neither_the_other_runs_nor_the_other_duties(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted each time and said once."""

    poisonous = {"dlq:poison"}

    def poison(name: str, run_id: str) -> None:
        if run_id in poisonous:
            raise TypeError("this cannot be serialised")

    ctx, _, client = memory_context(store=store_with_dead("fine-2", "poison", "fine-1"), before=poison)
    patrols: list[object] = []
    monkeypatch.setattr(Caretaker, "_patrol", lambda self, ctx: patrols.append(ctx))
    keeper = Caretaker(lambda: ctx, CaretakerSettings(dead_letters="handler", patrol_interval_s=0.0))
    with caplog.at_level(logging.WARNING):
        assert keeper.tick()
    assert [run_id for _, run_id, _ in client.calls] == ["dlq:fine-1", "dlq:fine-2"]
    assert len(patrols) == 1
    assert keeper.guard.failures["run"] == 1
    assert len([record for record in caplog.records if "poison" in record.getMessage()]) == 1
    poisonous.clear()
    keeper.tick()  # it is tried again, and its trouble is over
    assert [run_id for _, run_id, _ in client.calls][2:] == ["dlq:poison"]


def test_a_broken_duty_stops_no_other_and_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Dead letters fail at each look; the patrol goes its round all the same."""
    ctx, _, _ = memory_context()
    patrols: list[object] = []
    monkeypatch.setattr(Caretaker, "_patrol", lambda self, ctx: patrols.append(ctx))

    def broken(self: Caretaker, ctx: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Caretaker, "_dead_letters", broken)
    keeper = Caretaker(lambda: ctx, CaretakerSettings(patrol_interval_s=0.0))
    with caplog.at_level(logging.WARNING):
        assert [keeper.tick() for _ in range(3)] == [True] * 3
    assert len(patrols) == 3
    assert keeper.guard.failures["dead letters"] == 3
    assert len(caplog.records) == 1


class CountingLedger(MemoryLedger):
    """Counts reads of all executors."""

    reads = 0

    def executors(self) -> list[Executor]:
        self.reads += 1
        return super().executors()


def test_two_hundred_dead_runs_without_a_handler_cost_no_read_each() -> None:
    """Presence is read once for all, and a run that was looked at is left until something changed."""
    ledger = CountingLedger()
    ctx, _, client = memory_context(store=store_with_dead(*(f"d{n:03}" for n in range(200))), ledger=ledger)
    keeper = Caretaker(lambda: ctx, CaretakerSettings(patrol_interval_s=1e9))
    keeper._is_due("patrol", 1e9)
    keeper._is_due("executors", 1e9)
    for _ in range(3):
        keeper.tick()
    assert ledger.reads <= 3
    ledger.heartbeat(
        Executor(
            instance_id="i",
            executor_id="e",
            beat_at_ms=0,
            started_at_ms=T,
            workflows=("durable.dead_letter:order=order_died",),
        )
    )
    keeper.tick()  # a worker with a handler has come
    assert len([call for call in client.calls if call[0] == "enqueue"]) == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes fork on this system")
def test_processes_forked_from_one_caretaker_do_not_share_its_lease() -> None:
    """gunicorn --preload: the blueprint is made in the master, and each worker is another owner."""
    keeper = Caretaker(lambda: memory_context()[0])
    here = keeper._owner
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, keeper._owner.encode())
        os._exit(0)
    os.waitpid(child, 0)
    there = os.read(read, 200).decode()
    assert here == keeper._owner
    assert there
    assert there != here


def test_workers_long_gone_are_forgotten_unless_they_hold_an_open_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five thousand rows of dead workers make every look slow; the row of one that holds a run says that it is lost."""
    monkeypatch.setattr(module, "PRUNE_EVERY_S", 0.0)
    clock = FakeClock(T)
    ledger = MemoryLedger(clock=clock)
    store = MemoryStateStore(clock=clock)
    for name in ("gone", "holder", "holder-before"):
        executor_id = "holder" if name.startswith("holder") else name
        ledger.heartbeat(Executor(instance_id=name, executor_id=executor_id, beat_at_ms=0, started_at_ms=T))
        clock.advance(ms=1)
    store.put_run(make_run("stuck", status="running", created_at_ms=T, executor="holder"))
    ctx, _, _ = memory_context(store=store, ledger=ledger)
    keeper = Caretaker(lambda: ctx)
    clock.advance(ms=23 * 3600 * 1000)
    keeper._forget_executors(ctx)
    assert len(ledger.executors()) == 3
    clock.advance(ms=2 * 3600 * 1000)
    ledger.heartbeat(Executor(instance_id="new", executor_id="new", beat_at_ms=0, started_at_ms=T))
    keeper._forget_executors(ctx)
    assert {executor.instance_id for executor in ledger.executors()} == {"holder-before", "new"}


@pytest.mark.parametrize("pages", [10, 2])
def test_all_that_died_in_a_busy_minute_are_handed_over(monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    """However much else changed: what one look has no room for, the next ones continue with."""
    monkeypatch.setattr(module, "_CHANGED", 7)
    monkeypatch.setattr(module, "_CHANGED_PAGES", pages)
    ctx, store, client = memory_context(store=MemoryStateStore(clock=CLOCK))
    keeper = Caretaker(lambda: ctx, CaretakerSettings(dead_letters="handler"))
    keeper.tick()
    for number in range(70):  # created before fifty others that died, so that they are not among the newest
        store.put_run(make_run(f"r{number}", status="dead", created_at_ms=T - 9_000_000 + number, finished_at_ms=T - 1))
    for _ in range(12):
        keeper._dead_letters(ctx)
    assert {run_id for name, run_id, _ in client.calls if name == "enqueue"} == {f"dlq:r{n}" for n in range(70)}
