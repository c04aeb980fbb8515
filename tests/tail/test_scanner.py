"""``StoreScanner``: which runs may have changed, by index ranges, with an overlap and without repeats."""

from __future__ import annotations

from otel_bridge.ledger.base import Cursor
from otel_bridge.tail import scanner as scanning
from otel_bridge.tail.scanner import StoreScanner
from otel_bridge.testing import FakeClock, MemoryStateStore, make_run, make_step

START = 1_700_000_000_000


def new_store() -> tuple[MemoryStateStore, FakeClock]:
    clock = FakeClock(START)
    return MemoryStateStore(clock=clock), clock


def test_a_run_is_reported_once_until_it_changes_again():
    """The overlap reads rows again; a reader hears of a run only when the run differs."""
    store, _ = new_store()
    scanner = StoreScanner(store)
    store.put_run(make_run("a", status="running", created_at_ms=START))
    first = scanner.scan(Cursor(steps_ms=START, runs_ms=START))
    store.put_run(make_run("b", status="running", created_at_ms=START + 5))
    second = scanner.scan(first.cursor)
    store.put_run(make_run("a", status="completed", created_at_ms=START, finished_at_ms=START + 9))
    third = scanner.scan(second.cursor)
    assert [set(scan.runs) for scan in (first, second, third)] == [{"a"}, {"b"}, {"a"}]
    assert third.runs["a"].status == "completed"


def test_an_unchanged_store_is_not_read():
    """The change token says that nothing was committed: no range is read."""
    store, _ = new_store()
    store.put_run(make_run("a", created_at_ms=START))
    scanner = StoreScanner(store)
    scan = scanner.scan(Cursor(steps_ms=START, runs_ms=START))
    reads: list[str] = []
    store.rows = lambda sql, params=(): reads.append(sql) or []  # type: ignore[method-assign]
    assert scanner.scan(scan.cursor).runs == {}
    assert reads == []


def test_a_step_stamped_before_the_cursor_but_committed_after_is_found():
    """A long transaction's rows carry its start; the overlap window is there to find them."""
    store, _ = new_store()
    store.put_run(make_run("a", created_at_ms=START - 60_000))
    store.put_step(make_step("a", 2, started_at_ms=START + 900, recorded_at_ms=START + 1_000))
    scanner = StoreScanner(store, overlap_ms=3_000)
    scan = scanner.scan(Cursor(steps_ms=START, runs_ms=START))
    store.put_step(make_step("a", 1, started_at_ms=START - 1_500, recorded_at_ms=START - 1_500))
    again = scanner.scan(scan.cursor)
    assert set(again.runs) == {"a"}


def test_more_steps_than_a_page_holds_are_all_found_even_with_one_stamp(monkeypatch):
    """SQLite stamps whole seconds: many rows may share a stamp, and a page must not stop among them."""
    monkeypatch.setattr(scanning, "PAGE_ROWS", 4)
    monkeypatch.setattr(scanning, "SCAN_ROWS", 6)
    store, clock = new_store()
    clock.advance(ms=29)
    for number in range(30):
        store.put_run(make_run(f"r{number}", created_at_ms=START - 60_000))
        store.put_step(make_step(f"r{number}", 1, recorded_at_ms=START if number < 20 else START + number))
    scanner = StoreScanner(store)
    cursor, found = Cursor(steps_ms=START, runs_ms=START), set()
    for _ in range(20):
        scan = scanner.scan(cursor)
        cursor = scan.cursor
        found |= set(scan.runs)
        if not scan.more:
            break
    assert found == {f"r{number}" for number in range(30)}
    assert cursor.steps_ms == START + 29


def test_watched_runs_are_looked_at_whatever_their_age():
    """A retry of an old run moves no stamp until it is picked up; whoever has it open sees it pending at once."""
    store, _ = new_store()
    store.put_run(make_run("old", status="failed", created_at_ms=START - 90_000_000))
    scanner = StoreScanner(store)
    cursor = scanner.scan(Cursor(steps_ms=START, runs_ms=START), watch=["old"]).cursor
    store.put_run(make_run("old", status="pending", created_at_ms=START - 90_000_000))
    assert scanner.scan(cursor, watch=["old"]).runs["old"].status == "pending"


def test_open_runs_are_looked_at_as_the_clock_moves():
    """A sleep that ends commits nothing; the run is running again all the same."""
    store, clock = new_store()
    store.put_run(make_run("a", created_at_ms=START - 60_000))
    store.put_step(make_step("a", 1, name="DBOS.sleep", kind="sleep", status="running", wake_at_ms=START + 500))
    now = [0.0]
    scanner = StoreScanner(store, open_every_s=1.0, monotonic=lambda: now[0])
    scan = scanner.scan(Cursor(steps_ms=START, runs_ms=START))
    assert scan.runs["a"].status == "suspended"
    clock.advance(ms=600)
    now[0] = 1.1
    assert scanner.scan(scan.cursor).runs["a"].status == "running"


def test_very_many_runs_of_one_moment_come_a_page_at_a_time(monkeypatch):
    """A scan hands on what it has read before it reads more: neither memory nor the first delivery grows with them."""
    monkeypatch.setattr(scanning, "PAGE_ROWS", 4)
    monkeypatch.setattr(scanning, "SCAN_RUNS", 4)
    store, _ = new_store()
    for number in range(30):
        store.put_run(make_run(f"r{number}", created_at_ms=START))
    scanner, cursor = StoreScanner(store), Cursor(steps_ms=START, runs_ms=START)
    found: list[str] = []
    for _ in range(20):
        scan = scanner.scan(cursor)
        assert len(scan.runs) <= 4
        cursor, found = scan.cursor, [*found, *scan.runs]
        if not scan.more:
            break
    assert sorted(found) == sorted(f"r{number}" for number in range(30))


def test_what_a_worker_stamps_by_a_clock_an_hour_behind_is_found():
    """On SQLite whoever writes a row stamps it: the range of its stamps was read long ago."""
    store, _ = new_store()
    store.put_run(make_run("a", created_at_ms=START))
    scanner = StoreScanner(store)
    scan = scanner.scan(Cursor(steps_ms=START, runs_ms=START))
    store.put_run(make_run("behind", created_at_ms=START - 3_600_000, finished_at_ms=START - 3_599_000))
    store.put_step(make_step("behind", 1, started_at_ms=START - 3_600_000, recorded_at_ms=START - 3_600_000))
    assert set(scanner.scan(scan.cursor).runs) == {"behind"}
