"""What live executors add to what the store shows: blocked runs, executing steps, lost holders."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_bridge.ledger.base import Executor, InFlightStep, UpdateValidator
from otel_bridge.model.runs import Run, Waiting
from otel_bridge.model.status import RunStatus
from otel_bridge.runs.blocked import BLOCKED_AFTER_MS
from otel_bridge.runs.overlay import overlay_run, overlay_steps
from otel_bridge.runs.presence import presence
from otel_bridge.testing import make_run, make_step

NOW = 1_700_000_000_000
LONG_AGO = NOW - 2 * BLOCKED_AFTER_MS


def executor(*in_flight: InFlightStep, beat_ms_ago: int = 0, **fields: object) -> Executor:
    return Executor(
        instance_id="i",
        executor_id="e",
        beat_at_ms=NOW - beat_ms_ago,
        started_at_ms=LONG_AGO,
        in_flight=in_flight,
        in_flight_total=len(in_flight),
        **fields,  # type: ignore[arg-type]
    )


def executing(name: str, seq: int | None = 3) -> InFlightStep:
    return InFlightStep(run_id="run-1", seq=seq, name=name, started_at_ms=NOW - 500)


@pytest.mark.parametrize(
    ("run", "shown"),
    [
        (make_run(status="pending", created_at_ms=LONG_AGO, queue="mail"), "blocked"),
        (make_run(status="pending", created_at_ms=LONG_AGO, queue="books"), "pending"),
        (make_run(status="pending", created_at_ms=NOW - 1_000, queue="mail"), "pending"),
        (
            make_run(
                status="pending", created_at_ms=LONG_AGO, queue="mail", waiting=Waiting("delay", "mail", LONG_AGO)
            ),
            "pending",
        ),
    ],
    ids=["no listener", "a listener", "just enqueued", "delayed"],
)
def test_a_backlog_is_blocked_only_when_nobody_could_serve_it(run: Run, shown: str):
    """No false alarm: not for a young run, a delayed one, or one whose queue somebody listens to."""
    assert overlay_run(run, presence([executor(queues=("books",))], NOW)).status == shown


def test_a_run_on_a_lost_executor_is_blocked():
    """Its executor beat once and beats no more: nobody executes it."""
    run = make_run(status="running", created_at_ms=LONG_AGO, updated_at_ms=LONG_AGO, executor="e")
    seen = presence([executor(beat_ms_ago=60_000)], NOW)
    assert seen.is_lost(run)
    assert overlay_run(run, seen).status == "blocked"


def test_without_any_executor_nothing_changes():
    """Presence is optional: silence of those who never spoke means nothing."""
    run = make_run(status="pending", created_at_ms=LONG_AGO, queue="mail")
    assert overlay_run(run, presence([], NOW)) is run


@pytest.mark.parametrize(("name", "shown"), [("pack", "running"), ("DBOS.recv", "suspended")])
def test_a_run_that_works_on_while_its_child_runs_is_running(name: str, shown: str):
    """The store cannot tell working from waiting for a child; the executor can."""
    waiting = Waiting("child", "ship", NOW - 900)
    run = make_run(status="suspended", created_at_ms=LONG_AGO, waiting=waiting)
    seen = overlay_run(run, presence([executor(executing(name))], NOW))
    assert (seen.status, seen.waiting) == (shown, None if shown == "running" else waiting)


def test_executing_steps_are_put_among_the_recorded_ones_by_number():
    """A step that has a row, or whose number a step absorbed, is not drawn twice; a workflow's body is not a step."""
    recorded = [make_step(seq=1), make_step(seq=4, folded=(5,))]
    seen = presence([executor(executing("a", 1), executing("b", 3), executing("c", 5), executing("d", None))], NOW)
    steps = overlay_steps(make_run(), recorded, seen)
    assert [(step.seq, step.status) for step in steps] == [(1, "completed"), (3, "running"), (4, "completed")]


def test_a_run_that_has_ended_executes_nothing():
    """A beat may be older than the end of the run."""
    run = make_run(status="completed")
    assert overlay_steps(run, [], presence([executor(executing("a"))], NOW)) == []


@pytest.mark.parametrize("status", ["running", "blocked", "cancelled", "failed"])
def test_a_step_that_a_lost_worker_was_executing_stays_as_interrupted(status: RunStatus):
    """It may have had its effect, so it stays in sight, by name, until its worker was last heard of."""
    lost = executor(executing("charge", 2), beat_ms_ago=60_000)
    recorded = [make_step(seq=1), make_step(seq=3)]
    steps = overlay_steps(make_run(status=status), recorded, presence([lost], NOW))
    assert [(step.seq, step.name, step.status) for step in steps][1] == (2, "charge", "interrupted")
    assert steps[1].executor == "e"
    assert steps[1].finished_at_ms is not None


def test_an_interrupted_step_gives_way_to_its_next_execution_and_its_row():
    """Executing again, recorded, or passed over by a run that completed: then it was not the last word."""
    lost = replace(executor(executing("charge", 2), beat_ms_ago=60_000), instance_id="dead")
    again = presence([lost, executor(executing("charge", 2))], NOW)
    assert [step.status for step in overlay_steps(make_run(), [], again)] == ["running"]
    only_lost = presence([lost], NOW)
    assert [step.status for step in overlay_steps(make_run(), [make_step(seq=2)], only_lost)] == ["completed"]
    assert overlay_steps(make_run(status="completed"), [], only_lost) == []


RUN = make_run(status="running", created_at_ms=LONG_AGO, updated_at_ms=LONG_AGO, executor="e")
OTHER = replace(executor(runs=()), instance_id="i2", executor_id="other")


@pytest.mark.parametrize(
    ("executors", "driven"),
    [
        ([executor(runs=("run-1",))], True),
        ([executor(runs=("run-2",))], False),
        ([executor(executing("charge"), runs=())], True),
        ([executor(runs=None)], None),
        ([executor(runs=("run-2",), runs_total=5)], None),
        ([executor(runs=()), replace(executor(runs=("run-1",)), instance_id="i3")], True),
        ([executor(runs=()), replace(executor(runs=None), instance_id="i3")], None),
        ([executor(runs=()), OTHER], False),
        ([OTHER], False),
        ([], None),
        ([executor(beat_ms_ago=60_000, runs=("run-1",))], False),
    ],
    ids=[
        "reported",
        "not reported",
        "a step of it executes",
        "by a worker that reports no runs",
        "by a worker that reports some of its runs",
        "by another process of the same executor id",
        "another process of the same executor id reports no runs",
        "another executor reports nothing either",
        "its executor is not there",
        "nobody reports anything",
        "its executor is lost",
    ],
)
def test_a_run_is_driven_by_who_reports_it_and_by_nobody_only_where_all_would(
    executors: list[Executor], driven: bool | None
):
    """Silence counts only from those that report every run they drive."""
    assert presence(executors, NOW).is_driven(RUN) is driven


def test_a_run_that_changed_since_the_last_heartbeat_is_not_known_to_be_driven_by_nobody():
    """Its worker may have taken it in the meantime; the next heartbeat tells."""
    fresh = replace(RUN, updated_at_ms=NOW - 1_500)
    assert presence([executor(beat_ms_ago=1_000, runs=())], NOW).is_driven(fresh) is None
    assert presence([executor(runs=())], NOW).is_driven(fresh) is False


def test_validators_are_those_that_live_workers_report_each_once():
    """Of the workflow, and of all workflows."""
    address = UpdateValidator(workflow="order", name="address", schema={"type": "string"})
    note, other = UpdateValidator(workflow="*", name="note"), UpdateValidator(workflow="mail", name="address")
    live = executor(validators=(address, note, other))
    lost = executor(beat_ms_ago=60_000, validators=(UpdateValidator(workflow="order", name="gone"),))
    assert presence([live, replace(live, instance_id="i2"), lost], NOW).validators("order") == (address, note)
