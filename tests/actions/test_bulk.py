"""Bulk: what was previewed, once each, with a result per run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboard.actions import bulk, bulk_status
from dashboard.errors import NotFound
from otel_bridge.model.runs import RunQuery
from tests.actions.world import World
from tests.waiting import until


def failed_runs(world: World, prefix: str, count: int) -> list[str]:
    """Start runs that fail, and mend what made them fail."""
    world.touch(f"break-{prefix}")
    ids = [world.start("steps", prefix, run_id=f"{prefix}-{number}") for number in range(count)]
    for run_id in ids:
        world.reaches(run_id, "failed")
    world.remove(f"break-{prefix}")
    return ids


@pytest.fixture
def inline_at_most_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make small bulks large."""
    monkeypatch.setattr(bulk, "INLINE_MAX", 2)


def test_a_dry_run_tells_what_would_be_touched_and_touches_nothing(world: World) -> None:
    """Count, by status, a sample; and how many match whose state does not allow it."""
    failed_runs(world, "b1", 3)
    world.start("steps", "b1", run_id="b1-fine")
    world.reaches("b1-fine", "completed")
    seen = bulk.preview(world.ctx, "retry", RunQuery(text="b1-"))
    assert (len(seen.ids), seen.by_status, seen.skipped) == (3, {"failed": 3}, 1)
    assert {run.id for run in seen.sample} == {"b1-0", "b1-1", "b1-2"}
    assert world.run("b1-0").status == "failed"


def test_a_small_bulk_is_done_at_once_and_never_reruns_completed_runs(world: World) -> None:
    """A result per run."""
    failed_runs(world, "b2", 2)
    world.start("steps", "b2", run_id="b2-fine")
    world.reaches("b2-fine", "completed")
    done = bulk.apply(world.ctx, "retry", RunQuery(text="b2-"), actor="ann")
    assert (done.matched, done.applied) == (2, 2)
    for number in range(2):
        world.reaches(f"b2-{number}", "completed")
    assert len(world.log("work b2")) == 2 + 1 + 2
    assert world.ledger.audit(run_id="b2-0")[0].action == "retry"


def test_a_bulk_touches_nothing_that_was_not_previewed(world: World) -> None:
    """Neither runs that came later, nor others than those named."""
    failed_runs(world, "b3", 2)
    seen = bulk.preview(world.ctx, "retry", RunQuery(text="b3-"))
    until(lambda: world.store.now_ms() > seen.bound_ms + 1000, what="the clock of SQLite to move")
    world.touch("break-b3")
    world.start("steps", "b3", run_id="b3-late")
    world.reaches("b3-late", "failed")
    world.remove("break-b3")
    done = bulk.apply(
        world.ctx, "retry", RunQuery(text="b3-"), actor="ann", chosen=bulk.Chosen(seen.bound_ms, ["b3-1"])
    )
    assert [result["runId"] for result in done.results or ()] == ["b3-1"]
    world.reaches("b3-1", "completed")
    assert [world.run(run_id).status for run_id in ("b3-0", "b3-late")] == ["failed", "failed"]


@pytest.mark.usefixtures("inline_at_most_two")
def test_a_large_bulk_is_a_durable_run_with_a_result_per_run(world: World) -> None:
    """Its progress can be read while it continues."""
    ids = failed_runs(world, "b4", 12)
    done = bulk.apply(world.ctx, "retry", RunQuery(text="b4-"), actor="ann")
    assert done.results is None
    world.reaches(done.bulk_id, "completed")
    for run_id in ids:
        world.reaches(run_id, "completed")
    reported = bulk_status.status(world.ctx, done.bulk_id)
    assert (reported["matched"], reported["applied"], reported["refused"]) == (12, 12, 0)
    assert {result["runId"] for result in reported["results"]} == set(ids)


@pytest.mark.usefixtures("inline_at_most_two")
def test_a_bulk_cancels_and_undoes(world: World) -> None:
    """Parameters of the action travel with it."""
    for number in range(3):
        world.start("saga", f"b5-{number}", run_id=f"b5-{number}")
        world.waits(f"b5-{number}", "signal")
    done = bulk.apply(world.ctx, "cancel", RunQuery(text="b5-"), actor="ann", params={"compensate": True})
    assert done.results is None
    for number in range(3):
        world.reaches(f"undo:b5-{number}", "completed")
    assert sorted(world.log("undone b5-")) == ["undone b5-0", "undone b5-1", "undone b5-2"]


def test_a_bulk_that_does_not_exist_is_not_found(world: World) -> None:
    """With or without its prefix."""
    with pytest.raises(NotFound):
        bulk_status.status(world.ctx, "nothing")


@pytest.mark.usefixtures("inline_at_most_two")
def test_kill_9_in_the_middle_of_a_bulk_action_loses_and_repeats_nothing(new_world: Callable[..., World]) -> None:
    """The worker that takes over continues where the record ends."""
    world = new_world()
    worker = world.worker()
    ids = failed_runs(world, "b6", 35)
    until(lambda: len(world.log("work b6")) >= 35, what="the failures")
    done = bulk.apply(world.ctx, "retry", RunQuery(text="b6-"), actor="ann")
    assert done.results is None
    bulk_id = done.bulk_id
    until(lambda: bulk_status.status(world.ctx, bulk_id)["done"] >= 10, what="the first chunk")
    worker.kill()
    world.worker()
    world.reaches(bulk_id, "completed")
    for run_id in ids:
        world.reaches(run_id, "completed")
    reported = bulk_status.status(world.ctx, bulk_id)
    assert sorted(result["runId"] for result in reported["results"]) == sorted(ids)
    assert {result["outcome"] for result in reported["results"]} == {"applied"}
    # Each failed once and was retried once; only what was in flight at the kill and recovered may have run again.
    recovered = sum(run.recovery_attempts - 1 for run in world.store.get_runs(ids).values())
    assert 70 <= len(world.log("work b6")) <= 70 + recovered
    assert 35 <= sum(world.ledger.count(run_id, "revived") for run_id in ids) <= 36
    # A kill between an act and its audit entry leaves that one act told by the bulk's own result.
    audited = {run_id for run_id in ids if any(e.outcome == "done" for e in world.ledger.audit(run_id=run_id))}
    assert len(set(ids) - audited) <= 1
