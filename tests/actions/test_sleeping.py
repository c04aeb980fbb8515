"""Sleeps that can be woken, of real workers: by the API, once, in the inbox of nobody, over crashes and resumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient

from dashboard.actions import cancel, messages, retry
from dashboard.errors import NotFound, Refused
from tests.actions.world import World
from tests.story import mounted
from tests.waiting import until


@pytest.fixture
def client(world: World) -> Iterator[FlaskClient]:
    with mounted(world.url, caretaker=False) as app:
        yield app.test_client()


def test_a_sleeping_run_is_woken_and_told_by_whom(world: World, client: FlaskClient) -> None:
    """It shows its name and its end, it offers the action, and the workflow reads who woke it and the comment."""
    world.start("nap", 3600.0, run_id="sleep-1")
    world.waits("sleep-1", "sleep", "cool down")
    shown = client.get("/durable/api/runs/sleep-1").get_json()["run"]
    assert (shown["status"], shown["waiting"]["name"], "wake" in shown["allowed"]) == ("suspended", "cool down", True)
    assert shown["waiting"]["until"] > shown["waiting"]["since"]
    assert shown["wakeAt"] == shown["waiting"]["until"]
    asked = client.get("/durable/api/inbox?limit=200").get_json()["entries"]
    assert "sleep-1" not in {entry["run"]["id"] for entry in asked}
    answer = client.post("/durable/api/runs/sleep-1/wake", json={"comment": "The gateway is back."})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    world.reaches("sleep-1", "completed")
    assert world.output("sleep-1") == ["woken", "local", "The gateway is back."]
    assert world.step_names("sleep-1") == ["work", "sleep:cool down", "work"]
    (kept,) = [entry for entry in world.ledger.audit(run_id="sleep-1") if entry.action == "wake"]
    assert (kept.outcome, kept.actor, kept.params["comment"]) == ("done", "local", "The gateway is back.")


def test_a_sleep_that_nobody_ends_ends_by_itself(world: World) -> None:
    """No message is read as the whole time; and the step is a wait that completed."""
    world.start("nap", 0.2, run_id="sleep-2")
    world.reaches("sleep-2", "completed")
    assert world.output("sleep-2") == ["slept"]
    (step,) = [step for step in world.store.get_steps("sleep-2") if step.kind == "signal"]
    assert (step.name, step.waits_on, step.status) == ("sleep:cool down", "sleep", "completed")


def test_what_is_not_in_such_a_sleep_is_not_woken(world: World) -> None:
    """The refusal says what the run does; of the engine's own sleep, which function of ours makes one that can be."""
    world.start("engines_nap", run_id="sleep-3")
    world.waits("sleep-3", "sleep")
    with pytest.raises(Refused, match=r"The engine's own sleep cannot be woken: dashboard\.workflow\.sleep\(\) can"):
        messages.wake(world.ctx, "sleep-3", actor="ann")
    world.start("waits", run_id="sleep-4")
    world.waits("sleep-4", "breakpoint")
    with pytest.raises(Refused, match="waiting for breakpoint 'look': it is in no sleep"):
        messages.wake(world.ctx, "sleep-4", actor="ann")
    with pytest.raises(NotFound):
        messages.wake(world.ctx, "sleep-nobody", actor="ann")


def test_of_two_sleeps_side_by_side_the_one_that_is_meant_is_ended(world: World) -> None:
    """By the number of its step; the other one goes on."""
    world.start("naps", 3600.0, 3600.0, run_id="sleep-5")
    waits = until(lambda: world.store.open_waits("sleep-5"), lambda found: len(found) == 2, what="two sleeps")
    seqs = {wait.name: wait.seq for wait in waits}
    messages.wake(world.ctx, "sleep-5", actor="ann", comment="second", seq=seqs["two"])
    until(lambda: world.store.open_waits("sleep-5"), lambda found: len(found) == 1, what="one sleep")
    with pytest.raises(Refused, match="not in sleep"):
        messages.wake(world.ctx, "sleep-5", actor="ann", seq=seqs["two"])
    messages.wake(world.ctx, "sleep-5", actor="ann", comment="first")
    world.reaches("sleep-5", "completed")
    assert world.output("sleep-5") == ["first", "second"]


def test_a_cancelled_sleep_ends_at_once_and_sleeps_on_when_resumed(world: World) -> None:
    """The cancel frees the worker's thread; the resumed run keeps the end that was recorded first."""
    world.start("nap", 3600.0, run_id="sleep-6")
    first = world.waits("sleep-6", "sleep").waiting
    cancel.cancel(world.ctx, "sleep-6", actor="ann")
    world.reaches("sleep-6", "cancelled")
    retry.retry(world.ctx, "sleep-6", actor="ann")
    assert first is not None
    assert first.until_ms is not None
    began = first.seq or 0  # the resumed run reads the wake of the cancel first, and begins its sleep again after it
    again = until(
        lambda: world.run("sleep-6").waiting,
        lambda found: found is not None and (found.seq or 0) > began,
        what="a sleep",
    )
    assert again is not None
    assert again.until_ms is not None
    assert abs(again.until_ms - first.until_ms) < 5_000  # whole hours otherwise
    messages.wake(world.ctx, "sleep-6", actor="ann")
    world.reaches("sleep-6", "completed")
    assert world.output("sleep-6") == ["woken", "ann", None]


def test_a_killed_worker_gives_a_sleep_no_more_time_and_it_can_be_woken_after_it(
    new_world: Callable[..., World],
) -> None:
    """The end of a sleep is recorded by the engine when it begins; recovery executes the sleep, not a new one."""
    world = new_world()
    worker = world.worker()
    world.start("nap", 3600.0, run_id="s")
    before = world.waits("s", "sleep", "cool down").waiting
    worker.kill()
    world.worker()  # recovers what its executor id held
    again = until(
        lambda: world.run("s"), lambda run: run.recovery_attempts > 1 and run.waiting is not None, what="a recovery"
    ).waiting
    assert before is not None
    assert again is not None
    assert (again.until_ms, again.seq, again.name) == (before.until_ms, before.seq, before.name)
    messages.wake(world.ctx, "s", actor="ann", comment="enough")
    world.reaches("s", "completed")
    assert (world.output("s"), world.log("work")) == (["woken", "ann", "enough"], ["work before", "work after"])


def test_an_answer_between_a_resume_and_the_wait_that_begins_again_is_not_lost(new_world: Callable[..., World]) -> None:
    """The resumed run finds the wake of the cancel first, and begins its wait again: it listens where it did."""
    world = new_world()
    worker = world.worker()
    world.start("waits", run_id="w")
    world.start("nap", 3600.0, run_id="s")
    world.waits("w", "breakpoint", "look")
    world.waits("s", "sleep", "cool down")
    for run_id in ("w", "s"):
        cancel.cancel(world.ctx, run_id, actor="ann")
        world.reaches(run_id, "cancelled")
    worker.kill()
    for run_id in ("w", "s"):
        retry.retry(world.ctx, run_id, actor="ann")
    messages.continue_run(world.ctx, "w", actor="ann")
    messages.wake(world.ctx, "s", actor="ann", comment="early")
    world.worker()
    world.waits("w", "signal", "news")
    world.reaches("s", "completed")
    assert world.output("s") == ["woken", "ann", "early"]
