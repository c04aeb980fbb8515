"""Why nobody runs a run: a table of runs and executors, and the code that each gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_bridge.ledger.base import Executor, InFlightStep
from otel_bridge.model.runs import Run, Waiting
from otel_bridge.runs.blocked import BLOCKED_AFTER_MS, blocked_reason
from otel_bridge.runs.placement import Need, place
from otel_bridge.runs.presence import presence
from otel_bridge.runs.step_check import check_steps
from otel_bridge.testing import make_run, make_step

NOW = 1_700_000_000_000
LONG_AGO = NOW - 6 * BLOCKED_AFTER_MS
LIVE = Executor(
    instance_id="i",
    executor_id="pod-1",
    beat_at_ms=NOW,
    started_at_ms=LONG_AGO,
    app_name="shop",
    app_version="v1",
    workflows=("order",),
    queues=("mail",),
    runs=(),
)
LOST = replace(LIVE, instance_id="j", beat_at_ms=NOW - 60_000)
OTHER_POD = replace(LIVE, instance_id="k", executor_id="pod-2")
BODY = InFlightStep(run_id="run-1", seq=None, name="order", started_at_ms=LONG_AGO)
DRIVING = replace(LIVE, runs=("run-1",), runs_total=1)


def held(status: str = "running", **fields: object) -> Run:
    """A run that an executor holds."""
    known = {"executor": "pod-1", "workflow_version": "v1", "namespace": "shop", "updated_at_ms": LONG_AGO}
    return make_run(status=status, created_at_ms=LONG_AGO, **{**known, **fields})  # type: ignore[arg-type]


def queued(**fields: object) -> Run:
    """A run that waits to be taken."""
    known = {"workflow_version": "v1", "namespace": "shop", "queue": "mail", "created_at_ms": LONG_AGO}
    return make_run(status="pending", **{**known, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("run", "executors", "code"),
    [
        pytest.param(queued(), [], None, id="nobody ever reported"),
        pytest.param(queued(), [LIVE], None, id="somebody could take it"),
        pytest.param(queued(), [LOST], "queue_unpolled", id="nobody is alive"),
        pytest.param(queued(queue="books"), [LIVE], "queue_unpolled", id="nobody polls its queue"),
        pytest.param(queued(queue="books"), [replace(LIVE, queues=())], None, id="a worker of all queues"),
        pytest.param(queued(workflow="refund"), [LIVE], "workflow_unregistered", id="nobody has its workflow"),
        pytest.param(queued(workflow="refund"), [replace(LIVE, workflows=())], None, id="it names none"),
        pytest.param(
            queued(workflow="durable.undo"), [replace(LIVE, workflows=())], "workflow_unregistered", id="ours"
        ),
        pytest.param(queued(workflow_version="v0"), [LIVE], "version_gone", id="nobody has its version"),
        pytest.param(queued(workflow_version=None), [LIVE], None, id="it asks for no version"),
        pytest.param(queued(namespace="bank"), [LIVE], "queue_unpolled", id="only another application is alive"),
        pytest.param(queued(created_at_ms=NOW - 1000), [LOST], None, id="it waits since a second"),
        pytest.param(
            queued(waiting=Waiting("delay", "mail", LONG_AGO)), [LOST], None, id="it waits for its time, not a worker"
        ),
        pytest.param(held(), [LIVE], "not_driven", id="its holder lives and does not drive it"),
        pytest.param(held("suspended"), [LIVE], "not_driven", id="parked, and nobody holds the wait"),
        pytest.param(held("suspended"), [DRIVING], None, id="parked in its worker"),
        pytest.param(held(), [DRIVING], None, id="its holder drives it"),
        pytest.param(held(), [replace(OTHER_POD, in_flight=(BODY,), in_flight_total=1)], None, id="another drives it"),
        pytest.param(held(), [LOST, OTHER_POD], "executor_lost", id="its holder is lost"),
        pytest.param(held(), [LOST], "executor_lost", id="everybody is lost"),
        pytest.param(
            held(), [LOST, replace(OTHER_POD, app_version="v2")], "version_gone", id="lost, and its version is gone"
        ),
        pytest.param(held("suspended"), [replace(LIVE, app_version="v2")], "version_gone", id="a deploy in place"),
        pytest.param(held(workflow="refund"), [LIVE], "workflow_unregistered", id="taken by a worker that lacks it"),
        pytest.param(held(executor="stranger"), [LIVE], None, id="its holder never reported"),
        pytest.param(held(updated_at_ms=NOW - 1000), [LIVE], None, id="it moved a second ago"),
        pytest.param(
            held(), [replace(LIVE, started_at_ms=NOW - 3000)], None, id="its holder has just started and recovers"
        ),
        pytest.param(held(), [replace(LIVE, runs_total=600)], None, id="its holder drives more than it names"),
        pytest.param(held(), [replace(LIVE, runs=None)], None, id="its holder does not report its runs"),
        pytest.param(held("completed"), [LOST], None, id="it has ended"),
        pytest.param(held("cancelling"), [LOST], None, id="it is being undone"),
    ],
)
def test_a_run_is_blocked_by_what_is_missing(run: Run, executors: list[Executor], code: str | None) -> None:
    """No false alarm, and no run that strands in silence."""
    found = blocked_reason(run, presence(executors, NOW))
    assert (found.code if found is not None else None) == code
    if found is not None:
        assert found.reason.endswith(".")
        assert found.remedy.endswith(".")


@pytest.mark.parametrize(
    ("run", "reason", "remedy"),
    [
        (
            held(workflow="refund"),
            "Worker pod-1 took the run, but does not have workflow 'refund'.",
            "Start a worker that has it, then re-dispatch the run.",
        ),
        (held(), "Worker pod-1 holds the run and is alive, but does not execute it.", "Re-dispatch the run."),
    ],
)
def test_what_keeps_a_run_from_being_executed_by_its_holder_is_said_with_what_to_do(
    run: Run, reason: str, remedy: str
) -> None:
    """Redispatching a run whose workflow nobody has would change nothing."""
    found = blocked_reason(run, presence([LIVE], NOW))
    assert found is not None
    assert (found.reason, found.remedy) == (reason, remedy)


@pytest.mark.parametrize(
    ("executors", "reason"),
    [
        ([LIVE], "None of 1 live worker has workflow 'refund'."),
        ([LIVE, OTHER_POD], "None of 2 live workers has workflow 'refund'."),
    ],
)
def test_how_many_workers_lack_the_workflow_is_said(executors: list[Executor], reason: str) -> None:
    """One worker that lacks it is another matter than a hundred."""
    found = blocked_reason(queued(workflow="refund"), presence(executors, NOW))
    assert found is not None
    assert found.reason == reason


def test_a_version_that_is_gone_names_the_one_to_move_to() -> None:
    """The remedy is what an operator can do now."""
    found = blocked_reason(held(), presence([replace(LIVE, app_version="v2")], NOW))
    assert found is not None
    assert "Move the run to version v2" in found.remedy


@pytest.mark.parametrize(
    ("need", "shortage"),
    [
        (Need(workflow="order"), None),
        (Need(workflow="order", namespace="bank"), "no_worker"),
        (Need(workflow="refund"), "workflow_unregistered"),
        (Need(workflow="order", version="v2"), "version_gone"),
        (Need(workflow="order", queue="books"), "queue_unpolled"),
        (Need(workflow="refund", version="v2", queue="books"), "workflow_unregistered"),
    ],
)
def test_the_first_need_that_nobody_meets_is_named(need: Need, shortage: str | None) -> None:
    """Application, workflow, version, queue, in this order."""
    assert place(need, [LIVE]).shortage == shortage


def test_the_newest_live_executor_is_the_first_choice() -> None:
    """A deploy is under way: new runs go to the new version."""
    newer = replace(LIVE, instance_id="n", app_version="v2", started_at_ms=NOW)
    found = place(Need(workflow="order"), [LIVE, newer])
    assert (found.version, [taker.instance_id for taker in found.takers]) == ("v2", ["n", "i"])


# -- whether the recorded steps fit another version --------------------------------------------------------------------


def steps(*names: str) -> list:  # type: ignore[type-arg]
    """Recorded steps, by number."""
    return [make_step(seq=number, name=name) for number, name in enumerate(names, start=1)]


@pytest.mark.parametrize(
    ("recorded", "references", "matches", "divergence"),
    [
        (["a", "b"], [["a", "b", "c"]], True, None),
        (["a", "x"], [["a", "b", "c"]], False, (2, "x", ("b",))),
        (["a", "x"], [["a", "b"], ["a", "x"]], True, None),
        (["a", "b", "x"], [["q"], ["a", "b", "c"], ["a", "b", "d"]], False, (3, "x", ("c", "d"))),
        (["a", "b", "c"], [["a"]], True, None),
        (["a"], [], False, None),
    ],
    ids=[
        "the same so far",
        "differs",
        "a branch",
        "the longest agreement says where",
        "a shorter run",
        "none to compare",
    ],
)
def test_recorded_steps_are_compared_with_what_the_version_did(
    recorded: list[str],
    references: list[list[str]],
    matches: bool,
    divergence: tuple[int, str, tuple[str, ...]] | None,
) -> None:
    """One run of the version that did the same is enough, because workflows branch."""
    found = check_steps(steps(*recorded), [steps(*names) for names in references])
    assert found.matches is matches
    first = found.divergence
    assert (None if first is None else (first.seq, first.recorded, first.expected)) == divergence
