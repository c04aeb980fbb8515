"""What the live tail remembers: which ids a viewer can resume from, and how runs stood before."""

from __future__ import annotations

import pytest

from dashboard.live.ring import Ring
from dashboard.live.subscription import Before, Message
from otel_bridge.testing import make_run


def message(id_: int) -> Message:
    """A message of a run."""
    return Message(id_, "changed", "{}", make_run(), "run-1", 0)


def ring_of(*ids: int, size: int = 3) -> Ring:
    """A ring that began at 1,000 and holds messages of these ids."""
    ring = Ring(size, now_us=lambda: 1_000)
    ring.add(map(message, ids))
    return ring


@pytest.mark.parametrize(
    ("held", "last_seen", "remembered", "followed"),
    [
        ((), 1_000, True, []),
        ((), 999, False, []),
        ((1_001, 1_005), 1_000, True, [1_001, 1_005]),
        ((1_001, 1_005), 1_001, True, [1_005]),
        ((1_001, 1_005), 1_005, True, []),
        ((1_001, 1_005), 1_003, False, [1_005]),
        ((1_001, 1_005), 1_006, False, []),
        ((1_001, 1_005), 5, False, [1_001, 1_005]),
        ((1_001, 1_002, 1_003), 1_000, False, [1_001, 1_002, 1_003]),
        ((1_001, 1_002, 1_003, 1_004), 1_001, False, [1_002, 1_003, 1_004]),
        ((1_001, 1_002, 1_003, 1_004), 1_002, True, [1_003, 1_004]),
    ],
    ids=[
        "first id", "before the first", "all from the first", "the first message", "the newest", "never issued",
        "of the future", "of another process", "full", "dropped", "the oldest kept",
    ],
)  # fmt: skip
def test_a_viewer_resumes_only_from_an_id_that_was_issued_and_is_remembered(
    held: tuple[int, ...], last_seen: int, remembered: bool, followed: list[int]
) -> None:
    """Else it gets a snapshot: what it missed is unknown."""
    ring = ring_of(*held)
    assert ring.remembers(last_seen) is remembered
    assert [one.id for one in ring.after(last_seen)] == followed


def test_ids_grow_though_the_clock_stands_still_or_goes_back() -> None:
    """They begin at the clock, so that those of the next process are greater."""
    times = iter([1_000, 2_000, 2_000, 1_500, 3_000])
    ring = Ring(3, now_us=lambda: next(times))
    assert ring.last_id == 1_000
    assert [ring.issue() for _ in range(4)] == [2_000, 2_001, 2_002, 3_000]
    assert ring.last_id == 3_000


def test_after_a_restart_nothing_from_before_is_remembered() -> None:
    """Nobody watched meanwhile."""
    ring = ring_of(1_001)
    ring.note(make_run(), 5)
    ring.restart()
    assert [ring.remembers(each) for each in (1_000, 1_001)] == [False, True]  # 1,001 is the new first id
    assert (ring.last_id, ring.after(0), ring.before("run-1")) == (1_001, [], None)


def test_a_run_is_remembered_as_its_last_message_showed_it() -> None:
    """As many runs as messages; the one that was noted longest ago goes first."""
    ring = ring_of(size=2)
    a, b, c, later = (make_run(each) for each in "abca")
    for at_ms, run in enumerate((a, b, later, c)):
        ring.note(run, at_ms)
    assert [ring.before(each) for each in "abc"] == [Before(later, 2), None, Before(c, 3)]
