"""Retry: an ended run lives again under its own id, from where it failed."""

from __future__ import annotations

import threading

import pytest

from dashboard.actions import cancel, messages, retry
from dashboard.errors import NotFound, Refused
from tests.actions.world import World
from tests.waiting import until


def test_a_failed_run_continues_from_the_step_that_failed_under_its_own_id(world: World) -> None:
    """What was done before the failure is not done again."""
    world.touch("break-r1-b")
    world.start("steps", "r1-a", "r1-b", "r1-c", run_id="r1")
    world.reaches("r1", "failed")
    world.remove("break-r1-b")
    outcome = retry.retry(world.ctx, "r1", actor="ann")
    assert outcome.run.status in ("pending", "running", "completed")
    world.reaches("r1", "completed")
    assert world.log("work r1-") == ["work r1-a", "work r1-b", "work r1-b", "work r1-c"]


def test_a_retry_takes_effect_within_a_second_and_a_half(world: World) -> None:
    """Actions use a queue of their own that is polled every tenth of a second."""
    world.touch("break-r2-a")
    world.start("steps", "r2-a", run_id="r2")
    world.reaches("r2", "failed")
    world.remove("break-r2-a")
    retry.retry(world.ctx, "r2", actor="ann")
    until(lambda: world.run("r2").status == "completed", timeout_s=1.5, what="the retried run")


def test_a_run_that_failed_in_its_own_code_keeps_every_step(world: World) -> None:
    """There is no failed step to blame: the run is replayed to its end and continues from there."""
    world.touch("break-r3")
    world.start("own_code", "r3", run_id="r3")
    world.reaches("r3", "failed")
    before = len(world.log("work first"))
    world.remove("break-r3")
    retry.retry(world.ctx, "r3", actor="ann")
    world.reaches("r3", "completed")
    assert len(world.log("work first")) == before


def test_a_parent_is_retried_after_its_failed_child(world: World) -> None:
    """A parent that failed at its child's result fails again unless the child is retried first."""
    world.touch("break-r4-y")
    world.start("parent", "x", "r4-x", "r4-y", run_id="r4")
    world.reaches("r4", "failed")
    child = world.store.children("r4")[0].id
    world.remove("break-r4-y")
    retry.retry(world.ctx, "r4", actor="ann")
    world.reaches("r4", "completed")
    assert world.run(child).status == "completed"
    assert world.log("work r4-") == ["work r4-x", "work r4-y", "work r4-y"]


def test_a_retry_keeps_the_runs_own_queue_or_moves_it_when_told(world: World) -> None:
    """A redrive respects the limits of the queue that the run came through."""
    for run_id, queue in (("r5", None), ("r6", "slow-lane")):
        world.touch(f"break-{run_id}-a")
        world.start("steps", f"{run_id}-a", run_id=run_id, queue="family")
        world.reaches(run_id, "failed")
        world.remove(f"break-{run_id}-a")
        retry.retry(world.ctx, run_id, actor="ann", queue=queue)
        assert world.reaches(run_id, "completed").queue == (queue or "family")


def test_a_queue_that_does_not_exist_is_refused(world: World) -> None:
    """A run on a queue that nobody polls would wait for ever."""
    world.touch("break-r7-a")
    world.start("steps", "r7-a", run_id="r7")
    world.reaches("r7", "failed")
    with pytest.raises(Refused, match="There is no queue 'nowhere'"):
        retry.retry(world.ctx, "r7", actor="ann", queue="nowhere")


def test_a_completed_run_is_not_retried(world: World) -> None:
    """Running it again would repeat its effects."""
    world.start("steps", "r8-a", run_id="r8")
    world.reaches("r8", "completed")
    with pytest.raises(Refused, match="completed"):
        retry.retry(world.ctx, "r8", actor="ann")
    assert world.ledger.audit(run_id="r8")[0].outcome == "refused"


def test_a_run_at_work_on_a_live_executor_is_not_retried(world: World) -> None:
    """It is not lost."""
    world.touch("hold-r9-a")
    world.start("steps", "r9-a", run_id="r9")
    world.reaches("r9", "running")
    until(lambda: world.ctx.presence().in_flight("r9"), what="presence to show the step")
    with pytest.raises(Refused, match="live executor"):
        retry.retry(world.ctx, "r9", actor="ann")
    world.touch("go-r9-a")
    world.reaches("r9", "completed")


def test_a_run_that_does_not_exist_is_not_found(world: World) -> None:
    """And it says that retention may have deleted it."""
    with pytest.raises(NotFound, match="retention"):
        retry.retry(world.ctx, "nobody", actor="ann")


def test_a_cancelled_run_continues_where_it_was(world: World) -> None:
    """Cancelled runs are resumed: their steps stay."""
    world.touch("hold-r10-b")
    world.start("steps", "r10-a", "r10-b", run_id="r10", queue="family")
    until(lambda: world.log("work r10-b"), what="the second step")
    cancel.cancel(world.ctx, "r10", actor="ann")
    world.touch("go-r10-b")
    assert world.run("r10").status == "cancelled"
    retry.retry(world.ctx, "r10", actor="ann")
    assert world.reaches("r10", "completed").queue == "family"
    assert world.log("work r10-a") == ["work r10-a"]


def test_two_retries_at_once_make_one_new_life(world: World) -> None:
    """Whoever is second finds the run pending, and changes nothing."""
    world.touch("break-r11-a")
    world.start("steps", "r11-a", "r11-b", run_id="r11")
    world.reaches("r11", "failed")
    world.remove("break-r11-a")
    problems: list[BaseException] = []

    def click() -> None:
        try:
            retry.retry(world.ctx, "r11", actor="ann")
        except Refused as refused:  # it was so quick that it completed in between
            problems.append(refused)

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.reaches("r11", "completed")
    assert world.log("work r11-") == ["work r11-a", "work r11-a", "work r11-b"]
    assert all("completed" in str(problem) or "live executor" in str(problem) for problem in problems)


def test_retry_against_completion_never_runs_a_completed_run_again(world: World) -> None:
    """A retry that races the run's own end is refused or finds it pending; the run completes once, whoever wins."""
    for number in range(4):
        run_id = f"r13-{number}"
        world.start("saga", f"{run_id}-a", run_id=run_id)
        world.waits(run_id, "signal", "go")
        messages.signal(world.ctx, run_id, "go", "now", actor="bob")
        refused = 0
        while world.run(run_id).status != "completed":
            with pytest.raises(Refused, match=r"live executor|completed"):
                retry.retry(world.ctx, run_id, actor="ann")
            refused += 1
        with pytest.raises(Refused, match="completed"):
            retry.retry(world.ctx, run_id, actor="ann")
        assert world.run(run_id).status == "completed"
        assert world.ledger.count(run_id, "revived") == 0
        assert len(world.ledger.audit(run_id=run_id)) == refused + 2


def test_a_retry_begins_a_new_generation_for_the_trace(world: World) -> None:
    """The bridge tells the second life apart from the first."""
    world.touch("break-r12-a")
    world.start("steps", "r12-a", run_id="r12")
    world.reaches("r12", "failed")
    retry.retry(world.ctx, "r12", actor="ann")
    assert world.ledger.count("r12", "revived") == 1
    world.remove("break-r12-a")
    entry = world.ledger.audit(run_id="r12")[0]
    assert (entry.actor, entry.action, entry.outcome) == ("ann", "retry", "done")
