"""When runs started whose rows no longer say so. Pure, over our shipped fakes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_bridge.ledger.base import ExportedRun
from otel_bridge.model.runs import Run
from otel_bridge.model.status import RunStatus
from otel_bridge.runs.starts import overlay_start
from otel_bridge.spans.lives import compare
from otel_bridge.testing import make_run

T = 1_700_000_000_000
STOPPED = make_run(
    "r",
    status="cancelled",
    created_at_ms=T,
    started_at_ms=None,
    finished_at_ms=T + 5_965,
    queue=None,
    recovery_attempts=1,
)
SEEN = ExportedRun(run_id="r", created_at_ms=T, started_at_ms=T + 5_092)
DIRECT = ExportedRun(run_id="r", created_at_ms=T)
QUEUED = ExportedRun(run_id="r", created_at_ms=T, first_queue="q")


@pytest.mark.parametrize(
    ("run", "exported", "duration_ms", "queue_ms"),
    [
        pytest.param(STOPPED, SEEN, 873, 5_092, id="the bridge saw it start"),
        pytest.param(replace(STOPPED, status="dead"), SEEN, 873, 5_092, id="a dead one too"),
        pytest.param(replace(STOPPED, first_step_at_ms=T + 5_100), None, 865, None, id="its first step tells"),
        pytest.param(replace(STOPPED, first_step_at_ms=T + 5_100), SEEN, 873, 5_092, id="the bridge knows better"),
        pytest.param(STOPPED, None, None, None, id="nobody knows"),
        pytest.param(STOPPED, DIRECT, 5_965, None, id="never on a queue"),
        pytest.param(replace(STOPPED, first_step_at_ms=T + 2_000), DIRECT, 5_965, None, id="its own code came first"),
        pytest.param(STOPPED, QUEUED, None, None, id="on a queue, and nobody saw it start"),
        pytest.param(replace(STOPPED, first_step_at_ms=T + 5_100), QUEUED, 865, 5_100, id="a queue and a first step"),
        pytest.param(replace(STOPPED, recovery_attempts=0), SEEN, None, None, id="it never started"),
        pytest.param(STOPPED, replace(SEEN, created_at_ms=T - 9), None, None, id="of another run of that id"),
        pytest.param(
            replace(STOPPED, first_step_at_ms=T + 10, requeued_at_ms=T + 3_000),
            None,
            None,
            None,
            id="the first step is of an earlier attempt",
        ),
        pytest.param(replace(STOPPED, requeued_at_ms=T + 3_000), SEEN, 873, 2_092, id="put back since"),
    ],
)
def test_a_stopped_run_lasts_from_its_start_and_keeps_its_wait(
    run: Run, exported: ExportedRun | None, duration_ms: int | None, queue_ms: int | None
) -> None:
    """The engine clears the start of what it cancels: its wait in the queue is no part of how long it ran."""
    shown = overlay_start(run, exported)
    assert (shown.duration_ms, shown.queue_ms) == (duration_ms, queue_ms)


def test_what_has_a_start_of_its_own_keeps_it() -> None:
    """Only what was cleared is looked for."""
    run = make_run("r", status="failed", created_at_ms=T, started_at_ms=T + 70, finished_at_ms=T + 90)
    assert overlay_start(run, SEEN) is run


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_run_that_was_on_no_queue_began_as_it_was_created(status: RunStatus) -> None:
    """The engine writes no start for it: its own code before the first step is no wait in a queue."""
    run = make_run("r", status=status, created_at_ms=T, started_at_ms=None, finished_at_ms=T + 3_541)
    run = replace(run, recovery_attempts=1, first_step_at_ms=T + 3_007)
    assert not run.start_is_forgotten
    for exported in (None, DIRECT):
        shown = overlay_start(run, exported)
        assert (shown.duration_ms, shown.queue_ms, shown.started_at_ms) == (3_541, None, None)


def _next(run: Run, before: ExportedRun | None) -> ExportedRun:
    return compare(run, [], before, original_steps=[], now_ms=T + 60_000).facts


def test_the_bridge_remembers_when_the_present_life_started() -> None:
    """Through its end; not through the queue to another life, whose start nobody has seen."""
    running = replace(STOPPED, status="running", started_at_ms=T + 5_092, finished_at_ms=None)
    seen = _next(running, None)
    assert seen.started_at_ms == T + 5_092
    ended = _next(STOPPED, seen)
    assert ended.started_at_ms == T + 5_092
    queued = _next(replace(STOPPED, status="pending", finished_at_ms=None), replace(ended, ended=True))
    assert queued.started_at_ms is None
