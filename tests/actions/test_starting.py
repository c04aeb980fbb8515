"""Start, fork, retry with input, schedules: actions that begin new runs."""

from __future__ import annotations

import pickle
from base64 import b64encode

import pytest

from dashboard.actions import cancel, starting
from dashboard.actions.inert import ForeignObjectError, InertSerializer
from dashboard.actions.starting import arguments_of
from dashboard.errors import BadRequest, NotFound, Refused
from tests.actions.world import World
from tests.waiting import until


def test_a_run_is_started_by_its_workflows_name(world: World) -> None:
    """In the format that its earlier runs have, so that Python's own values work."""
    world.start("steps", "s1-a", run_id="s1")
    world.reaches("s1", "completed")
    outcome = starting.start(
        world.ctx, "steps", actor="ann", input_=["s2-a", "s2-b"], run_id="s2", attributes={"why": "test"}
    )
    assert outcome.run.id == "s2"
    run = world.reaches("s2", "completed")
    assert world.output("s2") == ["s2-a", "s2-b"]
    assert (run.serialization, run.attributes["why"]) == ("py_pickle", "test")


def test_the_same_id_twice_starts_one_run(world: World) -> None:
    """Starting is idempotent by id."""
    starting.start(world.ctx, "steps", actor="ann", input_=["s3-a"], run_id="s3")
    starting.start(world.ctx, "steps", actor="ann", input_=["s3-a"], run_id="s3")
    world.reaches("s3", "completed")
    assert world.log("work s3-") == ["work s3-a"]


def test_our_own_workflows_are_not_started_by_hand(world: World) -> None:
    """They belong to actions."""
    with pytest.raises(BadRequest, match="own"):
        starting.start(world.ctx, "durable.undo", actor="ann", input_=["x"])


def test_a_workflow_that_no_live_worker_has_is_started_with_a_note(world: World) -> None:
    """It waits; and it says so."""
    until(lambda: world.ctx.presence().live, what="presence")
    outcome = starting.start(world.ctx, "unheard-of", actor="ann", run_id="s4")
    assert "has workflow 'unheard-of'" in outcome.notes[0]
    cancel.cancel(world.ctx, "s4", actor="ann")


def test_retry_with_input_starts_a_linked_run(world: World) -> None:
    """The old run stays as it is."""
    world.touch("break-s5-a")
    world.start("steps", "s5-a", run_id="s5")
    world.reaches("s5", "failed")
    outcome = starting.retry_with_input(world.ctx, "s5", {"args": ["s5-b"], "kwargs": {}}, actor="ann")
    run = world.reaches(outcome.run.id, "completed")
    assert world.output(run.id) == ["s5-b"]
    assert run.attributes["durable.retryOf"] == "s5"
    assert world.run("s5").status == "failed"


def test_a_fork_shares_the_steps_before_and_executes_the_rest(world: World) -> None:
    """Under an id of its own, linked to the original."""
    world.start("steps", "s6-a", "s6-b", run_id="s6")
    world.reaches("s6", "completed")
    fork = starting.fork(world.ctx, "s6", 2, actor="ann").run
    assert world.reaches(fork.id, "completed").forked_from == "s6"
    assert world.log("work s6-") == ["work s6-a", "work s6-b", "work s6-b"]


def test_a_fork_from_a_step_that_does_not_exist_is_refused(world: World) -> None:
    """It names the last one."""
    world.start("steps", "s7-a", run_id="s7")
    world.reaches("s7", "completed")
    with pytest.raises(BadRequest, match="last step is 1"):
        starting.fork(world.ctx, "s7", 9, actor="ann")


def is_active(world: World, name: str) -> bool:
    """Say whether a schedule fires."""
    return next(schedule.active for schedule in world.store.schedules() if schedule.name == name)


def test_schedules_are_paused_resumed_and_triggered(world: World) -> None:
    """A context of plain values is handed on without building anything of the application's."""
    with world.ctx.engine.use() as client:
        client.create_schedule(
            schedule_name="nightly",
            workflow_name="scheduled",
            schedule="0 3 1 1 *",
            context={"plain": 1},
            application_name="actions-tests",
        )
    starting.pause_schedule(world.ctx, "nightly", actor="ann")
    assert is_active(world, "nightly") is False
    starting.resume_schedule(world.ctx, "nightly", actor="ann")
    assert is_active(world, "nightly") is True
    run = starting.trigger_schedule(world.ctx, "nightly", actor="ann").run
    world.reaches(run.id, "completed")
    assert "scheduled {'plain': 1}" in world.log("scheduled")
    for act in (starting.pause_schedule, starting.resume_schedule, starting.trigger_schedule):
        with pytest.raises(NotFound, match="no schedule"):
            act(world.ctx, "weekly", actor="ann")


class Application:
    """Stands for a class of the application's."""


def test_a_schedule_whose_context_holds_a_class_is_not_built_here(world: World) -> None:
    """Nothing of a payload is ever executed in the control plane's process."""
    with world.ctx.engine.use() as client:
        client.create_schedule(
            schedule_name="rich",
            workflow_name="scheduled",
            schedule="0 3 1 1 *",
            context=Application(),
            application_name="actions-tests",
        )
    with pytest.raises(Refused, match="Application"):
        starting.trigger_schedule(world.ctx, "rich", actor="ann")


def test_the_inert_serializer_builds_no_class() -> None:
    """Neither by name nor by a persistent reference."""
    inert = InertSerializer()
    assert inert.deserialize(inert.serialize({"a": [1, None]})) == {"a": [1, None]}
    with pytest.raises(ForeignObjectError):
        inert.deserialize(b64encode(pickle.dumps(Application())).decode())


@pytest.mark.parametrize(
    ("given", "args", "kwargs"),
    [
        ({"args": [1], "kwargs": {"b": 2}}, [1], {"b": 2}),
        ({"positionalArgs": [1], "namedArgs": {}}, [1], {}),
        ([1, 2], [1, 2], {}),
        ({"name": "x"}, [], {"name": "x"}),
        ("x", ["x"], {}),
        (None, [], {}),
    ],
)
def test_an_input_is_read_as_inputs_are_shown(given: object, args: list[object], kwargs: dict[str, object]) -> None:
    """What the page shows can be edited and sent back."""
    assert arguments_of(given) == (args, kwargs)
