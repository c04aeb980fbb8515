"""Cancel, and cancel with undo: durable, in reverse, each compensation to its end exactly once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboard.actions import cancel, messages, redispatch, retry, starting
from dashboard.errors import Refused
from dashboard.read import undo
from dashboard.read.undo import compensations_of
from tests.actions.world import World
from tests.story import mounted
from tests.waiting import until


def undone(world: World, *names: str) -> list[str]:
    """Return which of these steps were undone, in order."""
    return [line.removeprefix("undone ") for line in world.log("undone ") if line.removeprefix("undone ") in names]


def undo_keys(world: World, name: str) -> list[str]:
    """Return the idempotency keys that the undo of a step saw, one per attempt."""
    return [line.split("key=")[1].split(" ")[0] for line in world.log("undo ") if f" {name} key=" in line]


def test_a_cancelled_run_stays_cancelled_and_cancelling_again_changes_nothing(world: World) -> None:
    """Cancel is idempotent."""
    world.start("saga", run_id="c1")
    world.waits("c1", "signal", "go")
    assert cancel.cancel(world.ctx, "c1", actor="ann").run.status == "cancelled"
    assert cancel.cancel(world.ctx, "c1", actor="ann").run.status == "cancelled"


def test_an_ended_run_is_not_cancelled(world: World) -> None:
    """There is nothing to cancel."""
    world.start("plain", run_id="c2")
    world.reaches("c2", "completed")
    with pytest.raises(Refused, match="completed already"):
        cancel.cancel(world.ctx, "c2", actor="ann")


def test_cancel_takes_the_children_with_it_when_asked(world: World) -> None:
    """A parent that waits for its child."""
    world.touch("hold-c3-x")
    world.start("parent", "x", "c3-x", run_id="c3")
    world.waits("c3", "child")
    until(lambda: world.log("work c3-x"), what="the child's step")
    cancel.cancel(world.ctx, "c3", actor="ann", children=True)
    world.touch("go-c3-x")
    assert [child.status for child in world.store.children("c3")] == ["cancelled"]


def test_an_undo_runs_the_compensations_in_reverse_with_what_each_step_was_given_and_returned(world: World) -> None:
    """The undo function receives both, by name."""
    world.start("saga", "u1-a", "u1-b", run_id="u1")
    world.waits("u1", "signal", "go")
    cancel.cancel(world.ctx, "u1", actor="ann", compensate=True)
    world.reaches("undo:u1", "completed")
    assert undone(world, "u1-a", "u1-b") == ["u1-b", "u1-a"]
    assert world.log("undo book u1-b") == [
        "undo book u1-b key=undo:u1:2 output={'booked': 'u1-b', 'cents': 7} maybe=False"
    ]
    run = world.run("u1")
    assert (run.status, run.undo_id) == ("cancelled", "undo:u1")


def test_compensations_appear_as_the_runs_own_steps_from_minus_one_down(world: World) -> None:
    """-1 was undone first, and each says which step it compensates."""
    world.start("saga", "u2-a", "u2-b", run_id="u2")
    world.waits("u2", "signal", "go")
    cancel.cancel(world.ctx, "u2", actor="ann", compensate=True)
    world.reaches("undo:u2", "completed")
    steps = compensations_of(world.store, "undo:u2")
    assert [(s.run_id, s.seq, s.name, s.compensates, s.status) for s in steps] == [
        ("u2", -1, "compensate:book", 2, "completed"),
        ("u2", -2, "compensate:book", 1, "completed"),
    ]


def test_the_preview_tells_what_an_undo_would_do(world: World) -> None:
    """In order, without doing it."""
    world.start("saga", "u3-a", "u3-b", run_id="u3")
    world.waits("u3", "signal", "go")
    preview = undo.preview(world.store, world.run("u3"), world.ctx.presence())
    planned = [seen.planned for seen in preview.compensations]
    assert preview.total == 2
    assert [(plan.seq, plan.step, plan.maybe) for plan in planned] == [(2, "book", False), (1, "book", False)]
    assert undone(world, "u3-a", "u3-b") == []


def test_an_undone_run_refuses_to_live_again(world: World) -> None:
    """Its effects are gone; only a fork or a new run makes sense."""
    world.start("saga", "u4-a", run_id="u4")
    world.waits("u4", "signal", "go")
    cancel.cancel(world.ctx, "u4", actor="ann", compensate=True)
    world.reaches("undo:u4", "completed")
    for act in (retry.retry, redispatch.redispatch):
        with pytest.raises(Refused, match="was undone"):
            act(world.ctx, "u4", actor="ann")
    cancel.cancel(world.ctx, "u4", actor="ann", compensate=True)  # again: changes nothing
    assert undone(world, "u4-a") == ["u4-a"]


def test_what_a_fork_took_over_from_an_undone_run_is_not_undone_a_second_time(world: World) -> None:
    """The preview says so, and who forks is told that what was undone is taken for done."""
    world.start("saga", "u21-a", "u21-b", run_id="u21")
    world.waits("u21", "signal", "go")
    cancel.cancel(world.ctx, "u21", actor="ann", compensate=True)
    world.reaches("undo:u21", "completed")
    made = starting.fork(world.ctx, "u21", 2, actor="ann")
    assert made.notes[-1].endswith("Fork from step 1 to do them again.")
    fork = made.run.id
    world.waits(fork, "signal", "go")
    preview = undo.preview(world.store, world.run(fork), world.ctx.presence())
    assert [seen.planned.seq for seen in preview.compensations] == [2]
    assert "Step 1 (book) is left out: undo:u21 undoes it" in preview.left_out[0]
    cancel.cancel(world.ctx, fork, actor="ann", compensate=True)
    world.reaches(f"undo:{fork}", "completed")
    assert undone(world, "u21-a", "u21-b") == ["u21-b", "u21-a", "u21-b"]


def test_a_run_is_cancelling_while_its_undo_is_at_work_and_refuses_a_retry(world: World) -> None:
    """Then it is cancelled."""
    world.touch("hold-undo-u5-a")
    world.start("saga", "u5-a", run_id="u5")
    world.waits("u5", "signal", "go")
    cancel.cancel(world.ctx, "u5", actor="ann", compensate=True)
    until(lambda: world.log("holding u5-a"), what="the compensation")
    assert world.run("u5").status == "cancelling"
    with pytest.raises(Refused, match="being undone"):
        retry.retry(world.ctx, "u5", actor="ann")
    world.touch("go-undo-u5-a")
    world.reaches("u5", "cancelled")


def test_a_failed_run_is_undone_less_the_step_that_failed(world: World) -> None:
    """A step that failed had no effect to undo."""
    world.touch("break-u6-b")
    world.start("saga", "u6-a", "u6-b", run_id="u6")
    world.reaches("u6", "failed")
    cancel.cancel(world.ctx, "u6", actor="ann", compensate=True)
    world.reaches("undo:u6", "completed")
    assert undone(world, "u6-a", "u6-b") == ["u6-a"]
    with mounted(world.url) as app:
        run = app.test_client().get("/durable/api/runs/u6").json["run"]
    assert (run["error"]["message"], run["undoId"]) == (
        "cannot book u6-b",
        "undo:u6",
    )


def test_a_workflow_can_ask_to_be_undone_when_it_fails(world: World) -> None:
    """The run fails as it would without, and its undo follows by itself."""
    world.start("self_undoing", "u7-a", "u7-b", run_id="u7")
    world.reaches("undo:u7", "completed")
    assert world.run("u7").status == "failed"
    assert undone(world, "u7-a", "u7-b") == ["u7-b", "u7-a"]


def test_asynchronous_steps_are_undone_too(world: World) -> None:
    """With an asynchronous undo."""
    world.start("saga_async", "u8-a", "u8-b", run_id="u8")
    world.waits("u8", "signal", "go")
    cancel.cancel(world.ctx, "u8", actor="ann", compensate=True)
    world.reaches("undo:u8", "completed")
    assert sorted(undone(world, "u8-a", "u8-b")) == ["u8-a", "u8-b"]


def test_what_a_child_did_is_undone_in_its_place(world: World) -> None:
    """By an undo of the child's own, between the parent's compensations."""
    world.start("saga_family", run_id="u9")
    world.waits("u9", "signal", "go")
    child = world.store.children("u9")[0].id
    cancel.cancel(world.ctx, "u9", actor="ann", compensate=True)
    world.reaches("undo:u9", "completed")
    assert undone(world, "mine-1", "mine-2", "child-1", "child-2") == ["mine-2", "child-2", "child-1", "mine-1"]
    assert world.run(f"undo:{child}").status == "completed"
    assert [step.name for step in compensations_of(world.store, "undo:u9")] == [
        "compensate:book",
        "compensate:booker",
        "compensate:book",
    ]


def test_a_stuck_compensation_never_halts_the_rest_and_a_retry_repeats_only_it(world: World) -> None:
    """The undo fails and says which; a finished compensation is never repeated."""
    world.touch("break-undo-u10-b")
    world.start("saga", "u10-a", "u10-b", "u10-c", run_id="u10")
    world.waits("u10", "signal", "go")
    cancel.cancel(world.ctx, "u10", actor="ann", compensate=True)
    world.reaches("undo:u10", "failed")
    assert undone(world, "u10-a", "u10-b", "u10-c") == ["u10-c", "u10-a"]
    assert len(undo_keys(world, "u10-b")) == 2  # its own policy: two attempts
    stuck = compensations_of(world.store, "undo:u10")
    assert [step.status for step in stuck] == ["completed", "failed", "completed"]
    world.remove("break-undo-u10-b")
    retry.retry(world.ctx, "undo:u10", actor="ann")
    assert world.reaches("undo:u10", "completed").queue == "durable.work"
    assert undone(world, "u10-a", "u10-b", "u10-c") == ["u10-c", "u10-a", "u10-b"]
    assert set(undo_keys(world, "u10-b")) == {"undo:u10:2"}
    again = compensations_of(world.store, "undo:u10")
    assert [(step.status, step.attempts) for step in again] == [("completed", 1), ("completed", 2), ("completed", 1)]


def test_an_undo_waits_for_the_step_in_flight_and_counts_it_as_maybe_done(world: World) -> None:
    """Its effect may be there although the engine dropped its result."""
    world.touch("hold-u11-b")
    world.start("saga", "u11-a", "u11-b", run_id="u11")
    until(lambda: world.log("book u11-b"), what="the step in flight")
    cancel.cancel(world.ctx, "u11", actor="ann", compensate=True)
    world.reaches("undo:u11", "running")
    assert undone(world, "u11-a", "u11-b") == []
    world.touch("go-u11-b")
    world.reaches("undo:u11", "completed")
    assert undone(world, "u11-a", "u11-b") == ["u11-b", "u11-a"]
    assert world.log("undo book u11-b") == ["undo book u11-b key=undo:u11:2 output=None maybe=True"]


def test_cancel_against_completion_ends_in_one_or_the_other(world: World) -> None:
    """Never in both, never stuck: a cancel that came too late is refused and undoes nothing."""
    for number in range(6):
        run_id = f"race{number}"
        world.start("saga", f"{run_id}-a", run_id=run_id)
        world.waits(run_id, "signal", "go")
        messages.signal(world.ctx, run_id, "go", "now", actor="bob")
        try:
            cancel.cancel(world.ctx, run_id, actor="ann", compensate=True)
        except Refused:
            assert world.run(run_id).status == "completed"
            world.reaches(f"undo:{run_id}", "completed", "cancelled") if world.run(run_id).undo_id else None
            assert undone(world, f"{run_id}-a") == []
        else:
            world.reaches(f"undo:{run_id}", "completed")
            assert world.run(run_id).status == "cancelled"
            assert undone(world, f"{run_id}-a") == [f"{run_id}-a"]


def test_kill_9_in_the_middle_of_an_undo_repeats_only_the_compensation_in_flight(
    new_world: Callable[..., World],
) -> None:
    """No finished compensation runs again, none is skipped, and the interrupted one sees the same idempotency key."""
    world = new_world()
    worker = world.worker()
    world.start("saga", "a", "b", "c", run_id="k1")
    world.waits("k1", "signal", "go")
    world.touch("hold-undo-b")
    cancel.cancel(world.ctx, "k1", actor="ann", compensate=True)
    until(lambda: world.log("holding b"), what="the compensation in flight")
    worker.kill()
    world.touch("go-undo-b")
    world.worker()
    world.reaches("undo:k1", "completed")
    assert undone(world, "a", "b", "c") == ["c", "b", "a"]
    assert [len(undo_keys(world, name)) for name in ("a", "b", "c")] == [1, 2, 1]
    assert len(set(undo_keys(world, "b"))) == 1


def test_a_step_that_was_killed_in_flight_is_undone_as_maybe_done(new_world: Callable[..., World]) -> None:
    """What it was given was recorded before it began."""
    world = new_world()
    worker = world.worker()
    world.touch("hold-b")
    world.start("saga", "a", "b", run_id="k2")
    until(lambda: world.log("book b"), what="the step in flight")
    worker.kill()
    cancel.cancel(world.ctx, "k2", actor="ann", compensate=True)
    world.worker()
    world.reaches("undo:k2", "completed")
    assert undone(world, "a", "b") == ["b", "a"]
    assert world.log("undo book b") == ["undo book b key=undo:k2:2 output=None maybe=True"]


def test_an_undo_that_no_worker_can_run_waits_and_is_not_swallowed(new_world: Callable[..., World]) -> None:
    """A worker without dashboard.workflow does not even poll the queue on which undos travel."""
    world = new_world()
    saga = world.worker("--executor", "one")
    world.start("saga", "a", run_id="k3")
    world.waits("k3", "signal", "go")
    saga.kill()
    world.worker("--bare", "--executor", "two", "--present")
    outcome = cancel.cancel(world.ctx, "k3", actor="ann", compensate=True)
    assert "No live worker imports dashboard.workflow" in outcome.notes[0]
    world.start("plain", run_id="bait")
    world.reaches("bait", "completed")
    assert world.run("undo:k3").status == "pending"
    world.worker("--executor", "three")
    world.reaches("undo:k3", "completed")


def test_a_step_in_flight_at_a_cancel_stays_in_sight_as_interrupted(world: World) -> None:
    """Its worker is alive and lets it end, and the engine writes no row: timeline, graph and step still name it."""
    world.touch("hold-c-int")
    world.start("steps", "c-int", run_id="c-int")
    until(lambda: world.ctx.presence().in_flight("c-int"), what="the step to be reported")
    cancel.cancel(world.ctx, "c-int", actor="ann")
    world.touch("go-c-int")
    until(lambda: not world.ctx.presence().in_flight("c-int"), what="the step to end")
    assert world.store.get_steps("c-int") == []
    with mounted(world.url) as app:
        ask = app.test_client().get
        (step,) = ask("/durable/api/runs/c-int").json["timeline"]
        drawn = [
            node["status"] for node in ask("/durable/api/runs/c-int/graph").json["nodes"] if node["type"] == "step"
        ]
        alone = ask("/durable/api/runs/c-int/steps/1").json
    assert (step["name"], step["status"], alone["status"], drawn) == (
        "work",
        "interrupted",
        "interrupted",
        ["interrupted"],
    )


def test_the_steps_that_a_retry_deletes_stay_in_the_attempt_before(world: World) -> None:
    """With why they failed; the engine has forgotten them."""
    world.touch("break-att-b")
    world.start("steps", "att-a", "att-b", run_id="att")
    world.reaches("att", "failed")
    world.remove("break-att-b")
    retry.retry(world.ctx, "att", actor="ann")
    world.reaches("att", "completed")
    with mounted(world.url) as app:
        first, last = app.test_client().get("/durable/api/runs/att").json["attempts"]
    assert [(step["seq"], step["name"], step["status"]) for step in first["steps"]] == [
        (1, "work", "completed"),
        (2, "work", "failed"),
    ]
    assert first["steps"][1]["error"]["message"] == first["error"]["message"] == "att-b is broken"
    assert (first["outcome"], last["outcome"], last["cause"], last["by"]) == ("failed", "completed", "retry", "ann")
    assert "steps" not in last
