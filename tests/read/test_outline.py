"""All steps of a run in little memory: nothing is lost, added or moved, wherever the parts end in which it is read."""

from __future__ import annotations

import tracemalloc
from random import Random

import pytest

from dashboard.read.every_step import outlined
from dashboard.read.outline import BLOCK_STEPS, Outline, parallel_groups
from otel_bridge.ledger.base import Executor, InFlightStep
from otel_bridge.model.steps import Step
from otel_bridge.runs.overlay import overlay_steps
from otel_bridge.runs.presence import presence
from otel_bridge.store.cells import UnreadableNumber, UnreadableText
from otel_bridge.testing import make_step
from tests.store.test_parts import NOW_MS, filled, rows_of

MANY = 100_000


def steps_of(count: int) -> list[Step]:
    return [make_step("r", seq, name=f"s{seq % 3}", started_at_ms=NOW_MS + 20 * seq) for seq in range(1, count + 1)]


@pytest.mark.parametrize("count", [0, 1, BLOCK_STEPS - 1, BLOCK_STEPS, BLOCK_STEPS + 1, 3 * BLOCK_STEPS + 7])
def test_an_outline_is_the_sequence_that_it_was_made_of(count: int) -> None:
    """By index, from the end, in slices and as a whole."""
    steps = steps_of(count)
    outline = Outline.of(iter(steps))
    assert (len(outline), list(outline), outline.next_seq) == (count, steps, None)
    for part in (slice(None), slice(1, -1), slice(BLOCK_STEPS - 2, BLOCK_STEPS + 2), slice(-3, None)):
        assert outline[part] == steps[part]
    if count:
        assert (outline[0], outline[-1], outline[count // 2]) == (steps[0], steps[-1], steps[count // 2])
    with pytest.raises(IndexError):
        outline[count]


@pytest.mark.parametrize("seed", range(60))
def test_a_run_read_in_parts_has_the_steps_that_it_has_as_a_whole(seed: int) -> None:
    """Those in flight stand among them, unless a row or a wait that absorbed their number is there, in any part."""
    random = Random(seed)
    store = filled(rows_of(random), random.choice(("PENDING", "ERROR")))
    run = store.get_run("r")
    assert run is not None
    in_flight = [
        InFlightStep(run_id="r", seq=seq, name="charge", started_at_ms=NOW_MS - 500, attempt=1)
        for seq in random.sample(range(1, 20), 4)
    ]
    worker = Executor(
        instance_id="i", executor_id="e", beat_at_ms=NOW_MS, started_at_ms=NOW_MS, in_flight=tuple(in_flight)
    )
    seen = presence([worker] if random.random() < 0.8 else [], NOW_MS)
    whole = overlay_steps(run, store.get_steps("r"), seen)
    assert list(outlined(store, run, seen=seen, part_rows=random.randint(1, 5))) == whole


def test_an_outline_takes_no_more_than_it_may_and_says_where_it_ends() -> None:
    """A hundred thousand steps take some megabytes, and of more than there is room for the first are there."""
    tracemalloc.start()
    try:
        outline = Outline.of(make_step("r", seq, started_at_ms=NOW_MS + 20 * seq) for seq in range(1, MANY + 1))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert (len(outline), taken < 8_000_000) == (MANY, True)
    short = Outline.of(steps_of(5_000), most_bytes=100_000)
    assert short.next_seq == len(short) + 1
    assert 1_000 < len(short) < 5_000


def test_a_damaged_step_is_kept_as_it_is() -> None:
    """What stands for its cells is no plain value."""
    damaged = make_step("r", UnreadableNumber(7), name=UnreadableText("?"))  # type: ignore[arg-type]
    steps = [*steps_of(BLOCK_STEPS - 1), damaged]
    assert list(Outline.of(steps)) == steps


def test_groups_are_told_of_the_steps_that_are_asked_for() -> None:
    """By all steps: what ran beside them may not be among those."""
    steps = [
        make_step("r", 1, started_at_ms=0),
        make_step("r", 2, started_at_ms=5),
        make_step("r", 3, started_at_ms=99),
    ]
    assert parallel_groups(steps) == {1: 1, 2: 1}
    assert parallel_groups(steps, {2, 3}) == {2: 1}
