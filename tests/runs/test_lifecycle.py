"""What is told of a run live. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_bridge.model.runs import Run, Waiting
from otel_bridge.model.status import RunStatus
from otel_bridge.runs.lifecycle import run_events

HOURS_MS = 15 * 3_600_000


@pytest.mark.parametrize(
    ("times", "queue_ms", "duration_ms"),
    [
        ({"started_at_ms": 4_000}, 3_000, 2_000),
        ({"started_at_ms": 4_000, "delayed_until_ms": 3_900}, 100, 2_000),
        ({"started_at_ms": 4_000, "delayed_until_ms": 4_500}, 0, 2_000),
        ({"started_at_ms": HOURS_MS + 4_000, "requeued_at_ms": HOURS_MS + 3_000}, 1_000, 2_000),
        ({"started_at_ms": 4_000, "recovery_attempts": 2}, None, 2_000),
    ],
)
def test_an_event_tells_the_times_that_the_run_has(
    times: dict[str, int], queue_ms: int | None, duration_ms: int
) -> None:
    """From its last start to its end, and from when it was last put on its queue, be its creation hours before."""
    ended_ms = times["started_at_ms"] + 2_000
    run = Run(
        id="r",
        workflow="w",
        status="completed",
        created_at_ms=1_000,
        updated_at_ms=ended_ms,
        finished_at_ms=ended_ms,
        **times,  # type: ignore[arg-type]
    )
    begun = run_events(run, None, 0, ending=False)
    ended = run_events(run, None, 0, ending=True)
    assert [event.queue_ms for event in begun if event.type == "run.started"] == [queue_ms] == [run.queue_ms]
    assert [(event.type, event.duration_ms) for event in ended] == [("run.completed", duration_ms)]
    assert run.duration_ms == duration_ms


@pytest.mark.parametrize(("started_at_ms", "duration_ms"), [(5_092, 873), (None, None)])
def test_the_end_of_a_stopped_run_tells_how_long_it_ran(started_at_ms: int | None, duration_ms: int | None) -> None:
    """The engine has cleared its start: since it was created is no answer."""
    before = Run(id="r", workflow="w", status="running", created_at_ms=0, updated_at_ms=1, started_at_ms=5_092)
    stopped = replace(before, status="cancelled", started_at_ms=None, finished_at_ms=5_965, recovery_attempts=1)
    (ended,) = run_events(stopped, before, 0, ending=True, started_at_ms=started_at_ms)
    assert (ended.type, ended.duration_ms) == ("run.cancelled", duration_ms)


WAIT = Waiting(on="signal", since_ms=2_000, seq=1, name="courier")


def _stands(status: RunStatus, **fields: object) -> Run:
    times = {"created_at_ms": 1_000, "started_at_ms": 1_500, "updated_at_ms": 3_000}
    return Run(id="r", workflow="w", status=status, **{**times, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "types"),
    [
        (_stands("suspended", waiting=WAIT), _stands("blocked", waiting=WAIT), []),
        (_stands("blocked", waiting=WAIT), _stands("suspended", waiting=WAIT), []),
        (_stands("running"), _stands("blocked"), []),
        (_stands("blocked"), _stands("running"), []),
        (_stands("blocked"), _stands("running", started_at_ms=9_000), ["run.started"]),
        (_stands("blocked", waiting=WAIT), _stands("running"), ["run.resumed"]),
        (_stands("pending", started_at_ms=None), _stands("blocked", started_at_ms=None), []),
        (_stands("blocked", started_at_ms=None), _stands("running"), ["run.started"]),
        (_stands("blocked", started_at_ms=None), _stands("suspended", waiting=WAIT), ["run.started", "run.suspended"]),
        (_stands("blocked"), _stands("completed", finished_at_ms=3_000), ["run.completed"]),
        (_stands("suspended", waiting=WAIT), _stands("running"), ["run.resumed"]),
    ],
)
def test_a_run_that_nobody_drives_has_neither_resumed_nor_started(before: Run, after: Run, types: list[str]) -> None:
    """``blocked`` says who drives a run, not what it does: only what it does is told as its own event."""
    events = [*run_events(after, before, 0, ending=False), *run_events(after, before, 0, ending=True)]
    assert [event.type for event in events] == types


@pytest.mark.parametrize(
    ("before", "after", "types"),
    [
        (_stands("failed"), _stands("completed", started_at_ms=9_000), ["run.pending", "run.started", "run.completed"]),
        (_stands("failed"), _stands("completed"), ["run.pending", "run.started", "run.completed"]),
        (_stands("failed"), _stands("failed", started_at_ms=9_000), ["run.pending", "run.started", "run.failed"]),
        (_stands("cancelled", started_at_ms=None), _stands("failed"), ["run.pending", "run.started", "run.failed"]),
        (_stands("running"), _stands("completed", started_at_ms=9_000), ["run.started", "run.completed"]),
        (_stands("suspended", waiting=WAIT), _stands("running", started_at_ms=9_000), ["run.started"]),
        (_stands("failed"), _stands("failed"), []),
        (_stands("dead", started_at_ms=None), _stands("cancelled", started_at_ms=None), ["run.cancelled"]),
        (_stands("failed"), _stands("cancelled", undo_id="undo:r"), ["run.cancelling", "run.cancelled"]),
    ],
)
def test_another_life_is_reported_however_short_it_was(before: Run, after: Run, types: list[str]) -> None:
    """A retried run may have begun and ended again before anybody looks; a worker may have taken over an open one."""
    events = [*run_events(after, before, 0, ending=False), *run_events(after, before, 0, ending=True)]
    assert [event.type for event in events] == types
