"""The caretaker: dead letters, lost executors, swallowed runs, retention. One works, the others stand by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from dashboard.actions import cancel, redispatch, retry
from dashboard.caretaker import retention
from dashboard.caretaker.caretaker import Caretaker, CaretakerSettings
from dashboard.caretaker.recovery import RecoveryPolicy
from dashboard.caretaker.retention import RetentionPolicy
from dashboard.errors import Refused
from otel_bridge.ledger.base import Cursor, ExportedRun
from tests.actions.world import World
from tests.waiting import until


def caretaker(world: World, **settings: Any) -> Caretaker:
    """Return a caretaker that looks when told."""
    return Caretaker(lambda: world.ctx, CaretakerSettings(patrol_interval_s=0.0, **settings))


def kill_until_dead(world: World, run_id: str) -> None:
    """Start the deadly workflow and workers until the engine gives it up."""
    world.start("deadly", run_id=run_id)
    first = world.launch("--present")
    until(lambda: first.ended, what="the worker to die")
    world.launch("--present")
    world.reaches(run_id, "dead")


def test_a_dead_run_is_handed_to_its_handler_once_and_can_be_retried(new_world: Callable[..., World]) -> None:
    """With ``{deadRunId, workflow, input, error}``; both link to one another; the retry's counter starts again."""
    world = new_world()
    kill_until_dead(world, "d1")
    reported: list[Mapping[str, Any]] = []
    keeper = caretaker(world, on_dead=reported.append)
    until(keeper.tick, what="the lease")
    world.reaches("dlq:d1", "completed")
    keeper.tick()
    keeper._release()
    assert caretaker(world, on_dead=reported.append).tick()  # another process takes over, and hands nothing out again
    assert len(world.log("bury")) == 1
    assert world.log("bury")[0].startswith("bury d1 deadly {'args': [], 'kwargs': {}} {'message': 'The engine gave up")
    assert [letter["deadRunId"] for letter in reported] == ["d1"]
    assert world.run("d1").dead_letter_id == "dlq:d1"
    assert world.run("dlq:d1").dead_run_id == "d1"
    assert world.run("dlq:d1").workflow == "bury"
    world.touch("mended")
    retry.retry(world.ctx, "d1", actor="ann")
    run = world.reaches("d1", "completed")
    assert run.recovery_attempts == 1


def test_a_handler_named_in_the_settings_is_any_workflow(new_world: Callable[..., World]) -> None:
    """Where no executor reports presence, the settings say who handles what."""
    world = new_world()
    kill_until_dead(world, "d2")
    until(caretaker(world, dead_letters={"deadly": "plain"}).tick, what="the lease")
    world.reaches("dlq:d2", "completed")
    assert world.run("dlq:d2").workflow == "plain"
    assert world.output("dlq:d2")["deadRunId"] == "d2"


def test_a_broken_on_dead_hook_stops_nothing(new_world: Callable[..., World], caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the handler runs all the same."""

    def broken(letter: Mapping[str, Any]) -> None:
        raise ZeroDivisionError

    world = new_world()
    kill_until_dead(world, "d3")
    until(caretaker(world, on_dead=broken).tick, what="the lease")
    world.reaches("dlq:d3", "completed")
    logged = [record for record in caplog.records if record.getMessage() == "The on_dead hook failed for run d3"]
    assert [record.exc_info and record.exc_info[0] for record in logged] == [ZeroDivisionError]


def test_of_two_caretakers_one_works(world: World) -> None:
    """The other stands by until the first is gone."""
    first, second = caretaker(world), caretaker(world)
    until(first.tick, what="the lease")
    assert second.tick() is False
    first._release()
    assert second.tick() is True
    second._release()


def test_a_caretaker_starts_stops_and_starts_again(world: World) -> None:
    """Its thread is a daemon, ends on request, and gives the lease up."""
    keeper = caretaker(world, interval_s=0.05)
    keeper.start()
    keeper.start()
    until(lambda: world.ledger.lease_holder("caretaker"), what="the lease")
    keeper.stop()
    keeper.stop()
    assert world.ledger.lease_holder("caretaker") is None


# -- lost executors --------------------------------------------------------------------------------------------


def test_runs_of_a_lost_executor_are_left_to_an_operator_unless_recovery_is_on(new_world: Callable[..., World]) -> None:
    """Off by default; on, they move to a live worker after the grace period, and what was done stays done."""
    world = new_world()
    lost = world.worker("--present", "--executor", "one")
    world.touch("hold-b")
    world.start("steps", "a", "b", run_id="l1")
    until(lambda: world.log("work b"), what="the step in flight")
    lost.kill()
    world.worker("--present", "--executor", "two")
    until(lambda: world.ctx.presence().is_lost(world.run("l1")), what="the executor to be lost")
    off = caretaker(world)
    assert off.tick()
    off._release()
    assert world.run("l1").executor == "one"
    world.touch("go-b")
    policy = RecoveryPolicy(grace_s=0.1)
    keeper = caretaker(world, recover=policy)
    until(lambda: keeper.tick() and world.run("l1").executor != "one", what="the re-dispatch")
    assert world.reaches("l1", "completed").executor == "two"
    assert world.log("work") == ["work a", "work b", "work b"]
    assert world.ledger.count("l1", "redispatch") == 1


def test_recovery_keeps_a_count_of_its_own(new_world: Callable[..., World]) -> None:
    """A run that kills every worker is not handed out for ever, though the engine's counter starts again each time."""
    world = new_world()
    lost = world.worker("--present", "--executor", "one")
    world.touch("hold-a")
    world.start("steps", "a", run_id="l2")
    until(lambda: world.log("work a"), what="the step in flight")
    lost.kill()
    world.worker("--present", "--executor", "two")
    until(lambda: world.ctx.presence().is_lost(world.run("l2")), what="the executor to be lost")
    for _ in range(3):
        world.ledger.bump_count("l2", "redispatch")
    assert caretaker(world, recover=RecoveryPolicy(grace_s=0.0, max_redispatches=3)).tick()
    assert world.run("l2").executor == "one"
    outcome, done = redispatch.redispatch(world.ctx, "l2", actor="ann")  # an operator may
    assert (done, outcome.run.status) == (True, "pending")


def test_redispatch_without_presence_needs_force(new_world: Callable[..., World]) -> None:
    """Nobody knows whether the holder is alive, so somebody has to say so."""
    world = new_world()
    lost = world.worker("--executor", "one")
    world.start("saga", run_id="l3")
    world.waits("l3", "signal")
    lost.kill()
    with pytest.raises(Refused, match="with force"):
        redispatch.redispatch(world.ctx, "l3", actor="ann")
    world.worker("--executor", "two")
    _, done = redispatch.redispatch(world.ctx, "l3", actor="ann", forced=True)
    assert done
    until(lambda: world.run("l3").executor == "two", what="the other worker")


def test_a_run_swallowed_by_a_worker_that_lacks_its_workflow_is_put_back(
    new_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Detected by presence: held by a live executor that does not know the workflow and executes nothing of it."""
    monkeypatch.setattr("dashboard.caretaker.recovery.TAKEN_AFTER_MS", 0)
    world = new_world()
    world.worker("--bare", "--present", "--executor", "one", "--version", "v1")
    world.start("steps", "a", run_id="sw", queue="durable.fast")
    until(lambda: world.run("sw").executor == "one", what="the bare worker to take it")
    keeper = caretaker(world)
    keeper.tick()
    assert world.run("sw").executor == "one"  # nobody else has it: moving it would change nothing
    world.worker("--present", "--executor", "two", "--version", "v2")
    until(lambda: keeper.tick() and world.run("sw").executor != "one", what="the swallowed run to be put back")
    run = world.reaches("sw", "completed")
    assert (run.executor, run.workflow_version) == ("two", "v2")


def test_an_undo_meant_for_a_version_that_died_goes_to_one_that_lives(new_world: Callable[..., World]) -> None:
    """The worker died between two beats: it seemed alive when the undo was put on the queue."""
    world = new_world()
    old = world.worker("--present", "--executor", "one", "--version", "v1")
    world.start("saga", "st", run_id="st")
    world.waits("st", "signal")
    old.kill()
    cancel.cancel(world.ctx, "st", actor="ann", compensate=True)
    assert world.run("undo:st").workflow_version == "v1"
    world.worker("--present", "--executor", "two", "--version", "v2")
    keeper = caretaker(world)
    until(lambda: keeper.tick() and world.run("undo:st").status == "completed", what="the undo to be run by the other")
    assert world.run("undo:st").workflow_version == "v2"
    assert [entry.action for entry in world.ledger.audit(run_id="undo:st")] == ["move"]


def test_a_run_that_nobody_polls_for_moves_to_the_engines_own_queue(
    new_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with ``listen_queues`` never sees our fast queue, but every worker polls the engine's own."""
    monkeypatch.setattr("dashboard.caretaker.recovery.UNPOLLED_AFTER_MS", -2000)
    world = new_world()
    world.start("plain", run_id="unpolled")
    keeper = caretaker(world)
    assert keeper.tick()
    assert world.run("unpolled").queue == "_dbos_internal_queue"
    assert keeper.tick()
    assert len([entry for entry in world.ledger.audit(run_id="unpolled") if entry.action == "move"]) == 1


# -- retention -------------------------------------------------------------------------------------------------


def test_retention_deletes_old_runs_and_spares_the_others(new_world: Callable[..., World]) -> None:
    """By age, by workflow and status; open runs and their relatives stay; a dry run comes first."""
    world = new_world()
    world.worker()
    for number in range(4):
        world.start("plain", run_id=f"old{number}")
        world.reaches(f"old{number}", "completed")
    world.start("saga_family", run_id="open")
    world.waits("open", "signal")
    child = world.store.children("open")[0].id
    policy = RetentionPolicy(older_than_s=-5.0)
    seen = retention.preview(world.ctx, policy)
    assert (seen.count, seen.by_status, seen.kept) == (4, {"completed": 4}, 1)
    assert world.store.get_run("old0") is not None
    dry = caretaker(world, retention=[policy], retention_dry_run=True)
    until(dry.tick, what="the lease")
    dry._release()
    assert world.store.get_run("old0") is not None
    until(caretaker(world, retention=[policy]).tick, what="the lease")
    assert [world.store.get_run(f"old{number}") for number in range(4)] == [None] * 4
    assert world.run(child).status == "completed"  # its parent is open
    assert world.run("open").status == "suspended"


def test_retention_keeps_the_newest_of_a_workflow(new_world: Callable[..., World]) -> None:
    """By count: runs of the same moment as the oldest that stays, stay too."""
    world = new_world()
    world.worker()
    for number in range(3):
        world.start("plain", run_id=f"n{number}")
        made = world.reaches(f"n{number}", "completed").created_at_ms
        until(lambda made=made: world.store.now_ms() >= made + 1000, what="SQLite's clock of seconds to move")  # type: ignore[misc]
    policy = RetentionPolicy(workflow="plain", keep_last=1)
    assert retention.preview(world.ctx, policy).sample == ["n0", "n1"]
    assert retention.run_batch(world.ctx, policy) == retention.Batch(2, None)
    assert world.store.get_run("n2") is not None


def test_retention_waits_for_the_export(new_world: Callable[..., World]) -> None:
    """Where a bridge is at work, a run goes only after its trace was sent."""
    world = new_world()
    world.worker()
    for run_id in ("sent", "unsent"):
        world.start("plain", run_id=run_id)
        world.reaches(run_id, "completed")
    lease = world.ledger.acquire_lease("export", "test", ttl_s=30)
    assert lease is not None
    now_ms = world.store.now_ms()
    world.ledger.record_export(
        lease,
        cursor=Cursor(steps_ms=now_ms, runs_ms=now_ms),
        runs=[ExportedRun(run_id="sent", ended=True), ExportedRun(run_id="unsent", ended=False)],
    )
    retention.run_batch(world.ctx, RetentionPolicy(older_than_s=-5.0))
    assert world.store.get_run("sent") is None
    assert world.store.get_run("unsent") is not None


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "would delete everything"),
        ({"keep_last": 3}, "name it"),
        ({"older_than_s": 1, "statuses": frozenset({"running"})}, "takes the statuses"),
        ({"older_than_s": 1, "statuses": frozenset()}, "takes the statuses"),
    ],
)
def test_a_policy_that_would_delete_too_much_is_refused(settings: dict[str, Any], why: str) -> None:
    """When it is written, not when it runs."""
    with pytest.raises(ValueError, match=why):
        RetentionPolicy(**settings)
