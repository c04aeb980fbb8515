"""What becomes of a cursor when the store's clock is set back."""

from __future__ import annotations

import pytest

from otel_bridge.ledger.base import Cursor
from otel_bridge.tail.clock import LOOK_BACK_MS, TOLERANCE_MS, ClockWatch, settled

NOW = 1_700_000_000_000
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("cursor_ms", "set_back_within_ms", "expected_ms"),
    [
        (NOW - 5, None, NOW - 5),
        (NOW + TOLERANCE_MS, None, NOW + TOLERANCE_MS),
        (NOW + TOLERANCE_MS + 1, None, NOW - LOOK_BACK_MS),
        (NOW + 200 * 365 * 24 * HOUR, None, NOW - LOOK_BACK_MS),
        (NOW + HOUR, 400, NOW - 400),
        (NOW - HOUR, 400, NOW - HOUR),
        (NOW - 5, 60_000, NOW - 60_000),
    ],
)
def test_a_cursor_comes_back_as_far_as_rows_may_have_been_missed(
    cursor_ms: int, set_back_within_ms: int | None, expected_ms: int
):
    """To the last reading where the jump was seen, a day where a cursor ahead of the clock is all that tells of it."""
    cursor = Cursor(steps_ms=cursor_ms, runs_ms=cursor_ms)
    after = settled(cursor, now_ms=NOW, set_back_within_ms=set_back_within_ms)
    assert after == Cursor(steps_ms=expected_ms, runs_ms=expected_ms)


def test_the_start_of_a_backlog_stays_where_it_is():
    """``start_from="beginning"`` has runs at 0 and steps at now: the one is no reason to move the other forward."""
    cursor = Cursor(steps_ms=NOW + HOUR, runs_ms=0)
    assert settled(cursor, now_ms=NOW, set_back_within_ms=None) == Cursor(steps_ms=NOW - LOOK_BACK_MS, runs_ms=0)


@pytest.mark.parametrize(("jump_ms", "seen"), [(-HOUR, True), (-60_000, True), (-1_000, False), (HOUR, False)])
def test_a_jump_is_seen_by_a_clock_that_never_jumps(jump_ms: int, seen: bool):
    """Also one that happens while the reader waits for a collector for minutes."""
    now_s = 100.0
    watch = ClockWatch(monotonic=lambda: now_s)
    cursor = Cursor(steps_ms=NOW, runs_ms=NOW)
    assert watch.settle(cursor, now_ms=NOW) == cursor
    now_s += 90.0
    after = watch.settle(cursor, now_ms=NOW + 90_000 + jump_ms)
    floor_ms = NOW + jump_ms
    assert after == (Cursor(steps_ms=floor_ms, runs_ms=floor_ms) if seen else cursor)
    now_s += 1.0
    assert watch.settle(after, now_ms=NOW + 91_000 + jump_ms) == after
