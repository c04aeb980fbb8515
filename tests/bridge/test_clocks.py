"""Clocks that jump and rows from the future: nothing that is stamped correctly afterwards is lost."""

from __future__ import annotations

import logging

import pytest

from otel_bridge.ledger.base import Cursor
from otel_bridge.model.steps import StepKey
from otel_bridge.tail import scanner as scanning
from otel_bridge.tail.changes import ChangeTail
from otel_bridge.tail.clock import LOOK_BACK_MS
from otel_bridge.tail.scanner import StoreScanner
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run, make_step
from tests.bridge.rows import Bridges, put_ended
from tests.otlp.samples import ListTransport

YEAR_2200 = 7_258_118_400_000
HOUR_S = 3_600


def put_stamped(store: MemoryStateStore, run_id: str, at_ms: int) -> None:
    """Put an ended run of one step whose stamps are all at one time."""
    store.put_run(make_run(run_id, status="completed", created_at_ms=at_ms, finished_at_ms=at_ms))
    store.put_step(make_step(run_id, 1, started_at_ms=at_ms, finished_at_ms=at_ms, recorded_at_ms=at_ms))


def run_ids(transport: ListTransport) -> list[str]:
    return [span.run_id for span in transport.spans]


@pytest.mark.parametrize("ahead_ms", [3_000, HOUR_S * 1000, YEAR_2200 - 1_700_000_000_000])
def test_a_row_from_the_future_is_exported_once_and_hides_nothing(
    store: MemoryStateStore,
    ledger: MemoryLedger,
    bridges: Bridges,
    transport: ListTransport,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    ahead_ms: int,
):
    """One run of the year 2200 moved the cursor past everything that came later."""
    bridge = bridges()
    put_stamped(store, "ahead", clock() + ahead_ms)
    bridge.run_once()
    cursor = ledger.cursor()
    assert cursor is not None
    assert max(cursor.steps_ms, cursor.runs_ms) <= clock()
    for number in range(5):
        clock.advance(s=5)
        put_ended(store, f"later-{number}", steps=1)
        bridge.run_once()
    assert sorted(run_ids(transport)) == sorted(["ahead"] * 2 + [f"later-{number}" for number in range(5)] * 2)
    assert caplog.text.count("ahead of its clock") == 1


def test_a_step_from_the_future_hides_no_step(
    store: MemoryStateStore, bridges: Bridges, transport: ListTransport, clock: FakeClock
):
    """Steps have a cursor of their own."""
    at = clock()
    store.put_run(make_run("open", created_at_ms=at))
    store.put_step(make_step("open", 1, started_at_ms=at, recorded_at_ms=YEAR_2200))
    bridge = bridges()
    bridge.run_once()
    clock.advance(s=10)
    store.put_step(make_step("open", 2, started_at_ms=clock()))
    bridge.run_once()
    assert [span.seq for span in transport.spans] == [1, 2]


@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_that_is_set_back_loses_nothing(
    store: MemoryStateStore,
    ledger: MemoryLedger,
    bridges: Bridges,
    transport: ListTransport,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    restart: bool,
):
    """NTP corrects an hour: what is stamped from then on lies before the cursor, and is found all the same."""
    bridge = bridges()
    put_ended(store, "before", steps=1)
    clock.advance(s=10)
    bridge.run_once()
    clock.advance(s=-HOUR_S)
    if restart:
        bridge.stop()
        bridge = bridges()
    for number in range(3):
        put_ended(store, f"after-{number}", steps=1)
        bridge.run_once()
        clock.advance(s=7)
    assert sorted(run_ids(transport)) == sorted(["before"] * 2 + [f"after-{number}" for number in range(3)] * 2)
    assert caplog.text.count("was set back") == 1
    cursor = ledger.cursor()
    assert cursor is not None
    assert cursor.runs_ms <= clock()


def test_a_bridge_that_fails_after_the_clock_was_set_back_does_not_forget_it(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, transport: ListTransport, clock: FakeClock
):
    """The cursor comes back before anything is read from there."""
    bridge = bridges()
    put_ended(store, "before", steps=1)
    clock.advance(s=10)
    bridge.run_once()
    clock.advance(s=-HOUR_S)
    put_ended(store, "after", steps=1)
    broken = store.runs_changed_since
    store.runs_changed_since = lambda *args, **options: 1 / 0  # type: ignore[method-assign, assignment]
    with pytest.raises(ZeroDivisionError):
        bridge.run_once()
    store.runs_changed_since = broken  # type: ignore[method-assign]
    clock.advance(s=2 * HOUR_S)
    bridge.run_once()
    assert sorted(run_ids(transport)) == ["after", "after", "before", "before"]


def test_a_bridge_that_starts_with_a_cursor_ahead_of_the_clock_looks_back_a_day(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, transport: ListTransport, clock: FakeClock
):
    """Nobody knows when the clock was set back: it happened while no bridge ran."""
    lease = ledger.acquire_lease("otel-bridge", "an earlier one", ttl_s=60)
    assert lease is not None
    ledger.record_export(lease, cursor=Cursor(steps_ms=YEAR_2200, runs_ms=YEAR_2200), runs=())
    ledger.release_lease(lease)
    put_stamped(store, "too old", clock() - 2 * LOOK_BACK_MS)
    put_stamped(store, "missed", clock() - LOOK_BACK_MS // 2)
    bridge = bridges()
    bridge.run_once()
    clock.advance(s=5)
    put_ended(store, "new", steps=1)
    bridge.run_once()
    assert sorted(run_ids(transport)) == ["missed", "missed", "new", "new"]


def test_very_many_rows_from_the_future_are_not_read_again_and_again(
    store: MemoryStateStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
):
    """After a clock was set back an hour, an hour's rows are ahead of it; each scan reads a page of them, not all."""
    monkeypatch.setattr(scanning, "PAGE_ROWS", 10)
    now_s, read = 0.0, 0
    for number in range(300):
        put_stamped(store, f"ahead-{number:03}", clock() + 60_000 + number)

    def counted(since_ms: int, *, limit: int, after: StepKey | None = None) -> list[StepKey]:
        nonlocal read
        found = MemoryStateStore.steps_recorded_since(store, since_ms, limit=limit, after=after)
        read += len(found)
        return found

    store.steps_recorded_since = counted  # type: ignore[method-assign]

    def passing() -> float:
        nonlocal now_s
        now_s += 0.01
        return now_s

    scanner = StoreScanner(store, monotonic=passing)
    cursor = Cursor(steps_ms=clock(), runs_ms=clock())
    found: set[str] = set()
    for number in range(20):
        clock.advance(ms=100)
        put_stamped(store, f"now-{number:03}", clock())
        scan = scanner.scan(cursor)
        cursor, found = scan.cursor, found | scan.runs.keys()
    assert found == {f"ahead-{number:03}" for number in range(300)} | {f"now-{number:03}" for number in range(20)}
    assert read < 20 * 60
    assert cursor.steps_ms == clock()


def test_live_views_see_what_happens_after_the_clock_was_set_back(store: MemoryStateStore, clock: FakeClock):
    """It is new, although its stamps are older than the view."""
    tail = ChangeTail(store)
    tail.poll()
    clock.advance(s=-HOUR_S)
    put_stamped(store, "after", clock())
    (change,) = tail.poll()
    assert [event.type for event in change.events][-1] == "run.completed"


def test_a_bridge_that_stands_by_says_once_who_exports(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, caplog: pytest.LogCaptureFixture
):
    """Two bridges on one ledger are no fault, and no riddle."""
    caplog.set_level(logging.INFO, "otel_bridge")
    assert ledger.acquire_lease("otel-bridge", "host-a:17:cafe", ttl_s=3_600) is not None
    bridge = bridges()
    for _ in range(3):
        assert bridge.run_once() == 0
    assert caplog.text.count("Standing by: host-a:17:cafe exports.") == 1
