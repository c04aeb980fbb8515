"""The same actions on PostgreSQL, where workers and control plane are on many machines."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbos import run_dbos_database_migrations

from dashboard.actions import bulk, cancel, messages, queues, retry
from dashboard.caretaker.caretaker import Caretaker, CaretakerSettings
from dashboard.caretaker.recovery import RecoveryPolicy
from dashboard.errors import Refused
from dashboard.read.undo import compensations_of
from otel_bridge.model.runs import RunQuery
from tests.actions.world import World
from tests.waiting import until

pytestmark = pytest.mark.postgres


@pytest.fixture
def pg_world(postgres_url: str, tmp_path: Path) -> Iterator[World]:
    """A world on a database of its own."""
    run_dbos_database_migrations(postgres_url)
    made = World(postgres_url, tmp_path)
    yield made
    made.close()


def test_every_kind_of_action_works_there_too(pg_world: World) -> None:
    """Retry, undo, webhook, update, bulk, pause, with one worker; and messages take effect at once."""
    world = pg_world
    with world.ctx.engine.use() as client:  # paused before the worker is there: nothing of it may ever start
        client.register_queue("held", polling_interval_sec=0.1, limiter={"limit": 9, "period": 3.0})
        queues.pause_queue(world.ctx, "held", actor="ann", comment="The bank is down.")
        client.enqueue({"workflow_name": "plain", "queue_name": "held", "workflow_id": "held"})
    world.worker("--present")
    world.touch("break-b")
    world.start("steps", "a", "b", run_id="r")
    world.start("saga", "x", "y", run_id="s")
    world.start("hooked", run_id="h")
    world.start("waits", run_id="w")
    world.reaches("r", "failed")
    world.remove("break-b")
    assert bulk.apply(world.ctx, "retry", RunQuery(statuses=frozenset({"failed"})), actor="ann").applied == 1
    world.reaches("r", "completed")
    world.waits("s", "signal")
    cancel.cancel(world.ctx, "s", actor="ann", compensate=True)
    world.reaches("undo:s", "completed")
    assert [(step.seq, step.compensates) for step in compensations_of(world.store, "undo:s")] == [(-1, 2), (-2, 1)]
    world.waits("h", "webhook")
    messages.deliver_webhook(world.ctx, world.webhook_token("h"), {"paid": 1}, size_bytes=10)
    with pytest.raises(Refused):
        messages.deliver_webhook(world.ctx, world.webhook_token("h"), {"paid": 2}, size_bytes=10)
    world.reaches("h", "completed")
    assert world.output("h") == {"paid": 1}
    world.waits("w", "breakpoint")
    messages.continue_run(world.ctx, "w", actor="ann")
    world.waits("w", "signal")
    messages.signal(world.ctx, "w", "news", 1, actor="ann")
    world.waits("w", "update")
    messages.update(world.ctx, "w", "quantity", 2, actor="ann")
    world.reaches("w", "completed")
    world.start("nap", 3600.0, run_id="n")
    world.waits("n", "sleep", "cool down")
    messages.wake(world.ctx, "n", actor="ann")
    world.reaches("n", "completed")
    assert world.run("held").status == "pending"
    assert queues.resume_queue(world.ctx, "held", actor="ann") == ()
    world.reaches("held", "completed")
    held = next(one for one in world.store.queues(backlog=False) if one.name == "held")
    assert (held.rate_limit_max, held.rate_limit_period_s) == (9, 3.0)


def test_a_paused_worker_that_comes_back_makes_no_steps_result_count_twice(pg_world: World) -> None:
    """Recovery took its run; the engine's fencing drops what it still reports."""
    world = pg_world
    paused = world.worker("--present", "--executor", "one")
    world.touch("hold-b")
    world.start("steps", "a", "b", "c", run_id="p")
    until(lambda: world.log("work b"), what="the step in flight")
    os.kill(paused.pid, signal.SIGSTOP)
    world.worker("--present", "--executor", "two")
    keeper = Caretaker(lambda: world.ctx, CaretakerSettings(recover=RecoveryPolicy(grace_s=0.5), patrol_interval_s=0.0))
    until(lambda: keeper.tick() and world.run("p").executor != "one", what="the re-dispatch")
    until(lambda: len(world.log("work b")) == 2, what="the step to begin again")
    os.kill(paused.pid, signal.SIGCONT)
    world.touch("go-b")
    run = world.reaches("p", "completed")
    assert run.executor == "two"
    assert world.step_names("p") == ["work", "work", "work"]
    assert world.log("work c") == ["work c"]
    assert world.output("p") == ["a", "b", "c"]


def test_after_a_redeploy_a_retry_goes_to_a_version_that_a_live_worker_has(pg_world: World) -> None:
    """A rewound run that kept its old version would never be picked up; dead and cancelled ones neither."""
    world = pg_world
    old = world.worker("--present", "--version", "v1")
    world.touch("break-b")
    world.start("steps", "a", "b", run_id="failed")
    world.reaches("failed", "failed")
    world.start("saga", run_id="cancelled")
    world.waits("cancelled", "signal")
    cancel.cancel(world.ctx, "cancelled", actor="ann")
    old.kill()
    world.remove("break-b")
    until(lambda: not world.ctx.presence().live, what="the old worker to be lost")
    outcome = retry.retry(world.ctx, "failed", actor="ann")
    assert "None of 0 live workers has workflow 'steps'" in outcome.notes[0]
    cancel.cancel(world.ctx, "failed", actor="ann")
    world.worker("--present", "--version", "v2")
    for run_id in ("failed", "cancelled"):
        notes = retry.retry(world.ctx, run_id, actor="ann").notes
        assert notes == ("No live worker has version v1: the run continues under v2.",)
    assert world.reaches("failed", "completed").workflow_version == "v2"
    assert world.log("work a") == ["work a"]
    assert world.waits("cancelled", "signal").workflow_version == "v2"


def test_without_presence_a_retry_goes_to_the_latest_version(pg_world: World) -> None:
    """What the engine calls the latest is the best guess there is."""
    world = pg_world
    old = world.worker("--version", "v1")
    world.touch("break-a")
    world.start("steps", "a", run_id="r")
    world.reaches("r", "failed")
    old.kill()
    world.remove("break-a")
    world.worker("--version", "v2")
    retry.retry(world.ctx, "r", actor="ann")
    assert world.reaches("r", "completed").workflow_version == "v2"
