"""Lives that nobody saw end: how they are recognised, what is kept of them, and what is reported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from otel_bridge.ledger.base import COPIED, ExportedRun, PastLife
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue
from otel_bridge.spans import SpanSettings, life_to_keep, plan_past, plan_run, present_generation
from otel_bridge.testing import make_run, make_step
from otel_bridge.testing.clock import DEFAULT_TIME_MS as T

SETTINGS = SpanSettings()
LATER = T + 10**9
WHY = StoredValue('{"name": "ValueError", "message": "no money"}', "portable_json", 45)


def failed_run() -> tuple[Run, list[Step]]:
    run = make_run(status="failed", finished_at_ms=T + 300)
    return run, [make_step(seq=1), make_step(seq=2, status="failed", started_at_ms=T + 100)]


def exported(steps: dict[int, tuple[int, int]], **facts: Any) -> ExportedRun:
    return ExportedRun(run_id="run-1", workflow="order", created_at_ms=T, steps=steps, **facts)


REMOTE: dict[str, Any] = {"kind": "remote", "child_run_id": "run-1-1"}
SLEEP: dict[str, Any] = {"kind": "sleep", "name": "DBOS.sleep"}


@pytest.mark.parametrize(
    ("step", "generation"),
    [
        (make_step(seq=1), 0),
        (None, 1),
        (make_step(seq=1, finished_at_ms=T + 11), 1),
        (make_step(seq=1, finished_at_ms=None, status="running"), 1),
        (make_step(seq=2, kind="signal", folded=(1,)), 0),
        (make_step(seq=1, folded=(2,), **REMOTE), 0),
        (make_step(seq=1, **REMOTE), 1),
        (make_step(seq=1, finished_at_ms=None, status="running", wake_at_ms=T + 10, **SLEEP), 0),
        (make_step(seq=1, finished_at_ms=None, status="running", wake_at_ms=T + 99, **SLEEP), 1),
    ],
    ids=[
        "as reported",
        "gone",
        "another end",
        "open",
        "folded",
        "awaited",
        "awaited no more",
        "asleep",
        "another sleep",
    ],
)
def test_a_step_that_was_reported_and_is_no_more_tells_of_a_new_life(step: Step | None, generation: int) -> None:
    """A worker and the bridge say so by the same rule, each by the rows that it sees."""
    reported = exported({1: (T + 10, 0)})
    steps = [step] if step is not None else []
    assert present_generation(steps, reported) == generation
    again = make_step(seq=5, started_at_ms=T + 500)
    plan = plan_run(make_run(), [*steps, again], reported, settings=SETTINGS, now_ms=LATER)
    assert plan.record.generation == generation
    assert [span.name for span in plan.spans if span.seq is None] == (["order"] if generation else [])


@pytest.mark.parametrize(
    "reported",
    [exported({1: (T + 10, COPIED)}), exported({1: (T + 10, 0)}, generation=1), exported({})],
    ids=["copied", "reported in an earlier life", "nothing reported"],
)
def test_steps_of_other_lives_say_nothing_of_the_present_one(reported: ExportedRun) -> None:
    """A fork's copies and what ran before a retry may be gone: that was the retry."""
    assert present_generation([], reported) == reported.generation


def test_where_the_rows_cannot_be_read_an_open_life_continues() -> None:
    """Not knowing is not a sign."""
    assert present_generation(None, exported({1: (T + 10, 0)})) == 0


def test_what_was_reported_in_full_is_not_kept() -> None:
    """Nor what was kept before, nor the life before a retry that has not begun."""
    run, steps = failed_run()
    reported = plan_run(run, steps, None, settings=SETTINGS, now_ms=LATER).record
    assert life_to_keep(run, steps, WHY, reported, []) is None
    assert life_to_keep(run, steps, WHY, replace(reported, generation=1, ended=False), []) is None
    kept = life_to_keep(run, steps, WHY, None, [])
    assert kept == PastLife(run=run, generation=0, steps=tuple(steps), error=WHY)
    assert life_to_keep(run, steps, WHY, None, [kept]) is None


def test_a_life_after_a_kept_one_is_the_next() -> None:
    """Retried twice, unseen: each has its number, and the worker continues from there."""
    run, steps = failed_run()
    first = life_to_keep(run, steps, WHY, None, [])
    assert first is not None
    again = replace(run, finished_at_ms=T + 5_000)
    second = life_to_keep(
        again, [steps[0], make_step(seq=2, status="failed", started_at_ms=T + 4_900)], WHY, None, [first]
    )
    assert second is not None
    assert second.generation == 1
    assert present_generation(None, None, [first, second]) == 2


def test_a_kept_life_is_reported_as_it_would_have_been() -> None:
    """The same spans, byte by byte, its error included; what was sent of it before is not sent again."""
    run, steps = failed_run()
    life = life_to_keep(run, steps, WHY, None, [])
    assert life is not None
    plan = plan_past(life, None, settings=SETTINGS)
    *_, root = plan.spans
    assert (root.name, root.error and root.error) == ("order", "no money")
    assert plan.record.ended
    begun = plan_run(replace(run, status="running"), steps[:1], None, settings=SETTINGS, now_ms=LATER).record
    rest = plan_past(life, begun, settings=SETTINGS)
    assert rest.spans == plan.spans[1:]


@pytest.mark.parametrize("reported", [{"ended": True}, {"generation": 1}], ids=["ended", "the next has begun"])
def test_a_kept_life_that_was_reported_already_is_not_reported_again(reported: dict[str, object]) -> None:
    """The bridge died after it had reported it and before it forgot it."""
    run, steps = failed_run()
    life = PastLife(run=run, generation=0, steps=tuple(steps), error=WHY)
    known = exported({1: (T + 10, 0)}, **reported)
    plan = plan_past(life, known, settings=SETTINGS)
    assert (plan.spans, plan.record, plan.changed) == ((), known, False)


def test_a_dead_run_that_was_retried_at_once_does_not_wait_for_its_handler() -> None:
    """Its life is over, whatever appears later."""
    dead = make_run(status="dead", finished_at_ms=T, recovery_attempts=3)
    life = life_to_keep(dead, [], None, None, [])
    assert life is not None
    assert [span.name for span in plan_past(life, None, settings=SETTINGS).spans] == ["order"]
