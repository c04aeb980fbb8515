"""What was read of a long run is given out again only while it is true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dashboard.read.outline import Outline
from dashboard.read.outlines import FROM_STEPS, MOST_BYTES, Outlines
from otel_bridge.model.steps import Step
from otel_bridge.testing import make_run, make_step

T = 1_700_000_000_000
RUN = make_run("r", status="completed", created_at_ms=T)


def steps_of(count: int, **last: Any) -> list[Step]:
    steps = [make_step("r", seq, started_at_ms=T + seq) for seq in range(1, count + 1)]
    return [*steps[:-1], steps[-1]._replace(**last)]


class Reader:
    """Counts how often steps are read."""

    def __init__(self, outlines: Outlines) -> None:
        self.outlines, self.reads = outlines, 0

    def read(self, steps: list[Step], run: object = RUN) -> Outline:
        def now() -> Outline:
            self.reads += 1
            return Outline.of(steps)

        return self.outlines.of(run, count=lambda: len(steps), read=now)  # type: ignore[arg-type]


def test_a_long_run_that_has_ended_is_read_once() -> None:
    """Four answers about it look at the same outline."""
    reader, steps = Reader(Outlines()), steps_of(FROM_STEPS)
    assert [list(reader.read(steps)) == steps for _ in range(4)] == [True] * 4
    assert reader.reads == 1


def test_a_run_is_read_again_when_its_row_or_the_number_of_its_steps_has_changed() -> None:
    """It was retried and ended again; a step that outlived the run was recorded; steps were taken back."""
    reader = Reader(Outlines())
    for number, (count, run) in enumerate(
        [
            (FROM_STEPS, RUN),
            (FROM_STEPS + 1, RUN),
            (FROM_STEPS, RUN),
            (FROM_STEPS, replace(RUN, updated_at_ms=RUN.updated_at_ms + 1)),
            (FROM_STEPS, replace(RUN, status="failed", updated_at_ms=RUN.updated_at_ms + 1)),
        ],
        1,
    ):
        assert len(reader.read(steps_of(count), run)) == count
        assert reader.reads == number


@pytest.mark.parametrize("last", [{"finished_at_ms": None, "status": "running"}, {"child_run_id": "c"}])
def test_what_other_rows_can_change_is_read_each_time(last: dict[str, Any]) -> None:
    """A step that is open ends; a step that started a child shows how the child is."""
    reader, steps = Reader(Outlines()), steps_of(FROM_STEPS, **last)
    for _ in range(3):
        reader.read(steps)
    assert reader.reads == 3


def test_outlines_take_no_more_memory_than_they_may() -> None:
    """Those that were asked for first make room."""
    outlines, step = Outlines(), 200_000
    held = [Outline.of(steps_of(FROM_STEPS)) for _ in range(3)]
    for outline in held:
        outline._bytes = MOST_BYTES // 2 - step
    runs = [make_run(f"r{n}", status="completed", created_at_ms=T) for n in range(3)]
    reads: list[str] = []

    def ask(number: int) -> None:
        def read() -> Outline:
            reads.append(runs[number].id)
            return held[number]

        outlines.of(runs[number], count=lambda: FROM_STEPS, read=read)

    for number in (0, 1, 2, 2, 1, 0):
        ask(number)
    assert reads == ["r0", "r1", "r2", "r0"]
