"""Queues that are paused and resumed, of a real worker on a real engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from dashboard.actions import queues
from dashboard.actions.permission import Permission
from dashboard.caretaker.caretaker import Caretaker, CaretakerSettings
from dashboard.errors import Forbidden, NotFound, Refused
from dashboard.read.pauses import is_paused, pauses
from otel_bridge.model.fleet import QueueInfo
from otel_bridge.model.runs import Run
from tests.actions.world import World
from tests.story import mounted
from tests.waiting import until

KINDS: dict[str, dict[str, Any]] = {
    "plain-q": {},
    "narrow-q": {"global_concurrency": 2, "worker_concurrency": 1},
    "limited-q": {"limiter": {"limit": 50, "period": 2.0}},
    "one-each-q": {"partition_concurrency": 1},
    "parts-q": {"partition_concurrency": 2, "partition_worker_concurrency": 1},
    "rated-q": {"partition_limiter": {"limit": 5, "period": 1.0}, "worker_concurrency": 3},
}
"""Every way in which the engine takes runs from a queue."""


def register(world: World, name: str) -> None:
    """Declare a queue as an application does when it starts."""
    with world.ctx.engine.use() as client:
        client.register_queue(name, polling_interval_sec=0.1, **KINDS[name])


def put(world: World, name: str, run_id: str) -> str:
    """Put a run on a queue."""
    partition = {"queue_partition_key": "k"} if any("partition" in key for key in KINDS[name]) else {}
    with world.ctx.engine.use() as client:
        client.enqueue(
            {"workflow_name": "plain", "queue_name": name, "workflow_id": run_id, **partition}  # type: ignore[typeddict-item]
        )
    return run_id


def queue(world: World, name: str) -> QueueInfo:
    """Return a queue as the store has it."""
    return next(one for one in world.store.queues(backlog=False) if one.name == name)


@pytest.fixture
def client(world: World) -> Iterator[FlaskClient]:
    with mounted(world.url, caretaker=False) as app:
        yield app.test_client()


def test_nothing_starts_from_a_paused_queue_of_any_kind_and_all_of_it_when_resumed(world: World) -> None:
    """A worker notices a pause at its next poll: runs of a queue that is not paused show that it polls on."""
    paused = [name for name in KINDS if name != "plain-q"]
    for name in KINDS:
        register(world, name)
        put(world, name, f"{name}-before")
    for name in KINDS:
        world.reaches(f"{name}-before", "completed")
    for name in paused:
        before = queue(world, name)
        queues.pause_queue(world.ctx, name, actor="ann")
        queues.pause_queue(world.ctx, name, actor="bob")  # again: nothing is remembered over what was
        assert (is_paused(before), is_paused(queue(world, name)), pauses(world.ledger)[name].by) == (False, True, "ann")
    rounds = iter(range(1_000))

    def none_starts() -> list[str]:
        number = next(rounds)
        waiting = [put(world, name, f"{name}-{number}") for name in paused]
        for poll in range(6):
            world.reaches(put(world, "plain-q", f"plain-q-{number}-{poll}"), "completed")
        return waiting if {world.run(run_id).status for run_id in waiting} == {"pending"} else []

    waiting = until(none_starts, what="pauses to be noticed")
    for name in paused:
        assert queues.resume_queue(world.ctx, name, actor="ann") == ()
        limiter = KINDS[name].get("limiter", {"limit": None, "period": None})
        after = queue(world, name)
        assert (after.rate_limit_max, after.rate_limit_period_s) == (limiter["limit"], limiter["period"]), name
    for run_id in waiting:
        world.reaches(run_id, "completed")
    assert pauses(world.ledger) == {}


def test_the_page_and_the_api_say_who_paused_a_queue_and_why(world: World, client: FlaskClient) -> None:
    """And what runs goes on; a pause that nobody recorded is lifted with a note."""
    register(world, "limited-q")
    paused = client.post("/durable/api/queues/limited-q/pause", json={"comment": "The bank is down."})
    assert paused.get_json() == {"name": "limited-q", "paused": True}

    def group() -> dict[str, Any]:
        listed = client.get("/durable/api/workers").get_json()
        return next(one for one in listed if one["group"] == "limited-q")

    shown = group()
    assert (shown["paused"], shown["pausedBy"], shown["pauseComment"]) == (True, "local", "The bank is down.")
    assert shown["pausedAt"]
    assert client.post("/durable/api/queues/limited-q/resume").get_json() == {"name": "limited-q", "paused": False}
    assert "pausedBy" not in group()
    with world.ctx.engine.use() as engine:
        made = engine.retrieve_queue("limited-q")
        assert made is not None
        made.set_limiter({"limit": 0, "period": 1.0})
    assert group()["paused"] is True
    answer = client.post("/durable/api/queues/limited-q/resume").get_json()
    assert (answer["paused"], answer["notes"]) == (
        False,
        ["Nobody recorded which rate limit the queue had before: it has none now."],
    )
    kept = [entry.action for entry in world.ledger.audit(limit=50) if entry.params.get("queue") == "limited-q"]
    assert kept[:3] == ["queue.resume", "queue.resume", "queue.pause"]


def test_what_is_no_queue_of_the_application_is_not_paused(world: World, client: FlaskClient) -> None:
    """Retries go through the dashboard's own queue; of one that is in no table there is nothing to set."""
    with pytest.raises(Refused, match="not the application's"):
        queues.pause_queue(world.ctx, "durable.fast", actor="ann")
    for act in (queues.pause_queue, queues.resume_queue):
        with pytest.raises(NotFound, match=r"DBOS\.register_queue"):
            act(world.ctx, "nobodys", actor="ann")
    assert client.post("/durable/api/queues/nobodys/pause").status_code == 404


def test_an_application_that_declares_its_queue_again_does_not_end_the_pause(world: World) -> None:
    """The caretaker's duty pauses it again, and remembers the limits that it declared last."""
    register(world, "narrow-q")
    queues.pause_queue(world.ctx, "narrow-q", actor="ann", comment="why")
    assert queues.hold_pauses(world.ctx) == []
    with world.ctx.engine.use() as client:
        client.register_queue("narrow-q", polling_interval_sec=0.1, limiter={"limit": 9, "period": 3.0})
    assert queues.hold_pauses(world.ctx) == ["narrow-q"]
    assert is_paused(queue(world, "narrow-q"))
    assert (pauses(world.ledger)["narrow-q"].by, pauses(world.ledger)["narrow-q"].limit) == ("ann", 9)
    queues.resume_queue(world.ctx, "narrow-q", actor="ann")
    assert (queue(world, "narrow-q").rate_limit_max, queue(world, "narrow-q").rate_limit_period_s) == (9, 3.0)
    assert queues.hold_pauses(world.ctx) == []


def test_the_policy_is_asked_about_a_queue(new_world: Callable[..., World]) -> None:
    """About a run on it, of no workflow: a pause touches the runs of all."""
    world = new_world()
    register(world, "plain-q")
    asked: list[tuple[str, str | None, str]] = []

    def policy(action: str, run: Run) -> bool:
        asked.append((action, run.queue, run.workflow))
        return False

    ctx = replace(world.ctx, permission=Permission(policy=policy))
    with pytest.raises(Forbidden, match="not allowed to pause queue 'plain-q'"):
        queues.pause_queue(ctx, "plain-q", actor="eve")
    assert asked == [("pause_queue", "plain-q", "")]
    assert not is_paused(queue(world, "plain-q"))


def test_a_worker_that_starts_again_leaves_a_paused_queue_to_the_caretaker(new_world: Callable[..., World]) -> None:
    """The whole of it: pause, restart of the worker, which declares its queues, caretaker, resume."""
    world = new_world()
    worker = world.worker()
    world.start("steps", "a", run_id="first", queue="family")
    world.reaches("first", "completed")
    queues.pause_queue(world.ctx, "family", actor="ann")
    worker.kill()
    world.worker()
    keeper = Caretaker(lambda: world.ctx, CaretakerSettings(patrol_interval_s=0.0))
    until(lambda: keeper.tick() and is_paused(queue(world, "family")), what="the pause to be held")
    assert pauses(world.ledger)["family"].by == "ann"
    world.start("steps", "b", run_id="second", queue="family")
    queues.resume_queue(world.ctx, "family", actor="ann")
    world.reaches("second", "completed")
    assert not is_paused(queue(world, "family"))
