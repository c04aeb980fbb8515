"""A canary: a part of a bulk retry first, the rest only where none of it failed again with the same error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboard.actions import bulk, bulk_status, canary
from dashboard.actions.canary import Look, got_past, look_at, verdict
from dashboard.workflow.bulk import stages_of
from otel_bridge.ledger.base import BulkMember
from otel_bridge.model.runs import RunQuery
from otel_bridge.testing import make_run, make_step
from tests.actions.test_bulk import failed_runs
from tests.actions.world import World
from tests.waiting import until

WELL, SAME, OTHER, OPEN = (make_run(name) for name in ("well", "same", "other", "open"))


@pytest.mark.parametrize(
    ("runs", "action", "with_canary", "stages"),
    [
        (1, "retry", True, [1]),
        (2, "retry", True, [1, 1]),
        (103, "retry", True, [2, 4, 20, 77]),
        (50_000, "retry", True, [500, 2000, 10_000, 37_500]),
        (103, "retry", False, [103]),
        (0, "retry", True, [0]),
        (1, "move", False, [1]),
        (9, "move", False, [1, 8]),
    ],
)
def test_one_five_and_twenty_five_per_cent_come_first(
    runs: int, action: str, with_canary: bool, stages: list[int]
) -> None:
    """Rounded up, so that there is always somebody to look at; nobody is taken twice."""
    assert stages_of(runs, action=action, canary=with_canary) == stages
    assert sum(stages) == runs


def member(run_id: str, fingerprint: str | None) -> BulkMember:
    """A run that the bulk took."""
    return BulkMember(bulk_id="bulk:b", run_id=run_id, created_at_ms=0, outcome="applied", fingerprint=fingerprint)


@pytest.mark.parametrize(
    ("status", "before", "now", "past", "expected"),
    [
        ("failed", "f1", "f1", False, "again"),
        ("failed", "f1", "f2", False, "other"),
        ("failed", None, "f1", False, "other"),
        ("dead", None, None, False, "again"),
        ("completed", "f1", "f1", False, "well"),
        ("cancelled", "f1", "f1", False, "well"),
        ("pending", "f1", "f1", False, "open"),
        ("running", "f1", "f1", True, "well"),
        ("suspended", "f1", "f1", False, "open"),
    ],
)
def test_what_became_of_a_run_that_was_taken_first(
    status: str, before: str | None, now: str | None, past: bool, expected: str
) -> None:
    """Again is: with the error that it had died of before."""
    run = make_run("r", status=status)  # type: ignore[arg-type]
    errors = {} if now is None else {"r": now}
    found = look_at([run], {"r": member("r", before)}, errors, ["r"] if past else [])
    assert {name: len(getattr(found, name)) for name in ("again", "other", "well", "open")} == {
        name: int(name == expected) for name in ("again", "other", "well", "open")
    }


@pytest.mark.parametrize(
    ("look", "over", "good"),
    [
        (Look(again=[SAME], well=[WELL], open=[OPEN]), False, False),
        (Look(well=[WELL], open=[OPEN]), False, None),
        (Look(well=[WELL], open=[OPEN]), True, False),
        (Look(well=[WELL]), False, True),
        (Look(well=[WELL], other=[OTHER]), False, True),
        (Look(other=[OTHER]), False, False),
        (Look(), False, True),
    ],
)
def test_the_first_recurrence_decides_at_once(look: Look, over: bool, good: bool | None) -> None:
    """While some are open and none failed again, it waits; what is not known in time stops it."""
    decided = verdict(look, over=over)
    assert (None if decided is None else decided["good"]) == good


@pytest.mark.parametrize(
    ("name", "status", "finished_ms", "past"),
    [
        ("charge", "completed", 100, True),
        ("charge", "completed", 99, False),
        ("charge", "failed", 100, False),
        ("ship", "completed", 100, False),
    ],
)
def test_a_run_got_past_where_it_failed_once_that_step_has_completed_since(
    name: str, status: str, finished_ms: int, past: bool
) -> None:
    """Not by an earlier round of the same step, nor by another one."""
    step = make_step("r", 1, name=name, status=status, finished_at_ms=finished_ms)  # type: ignore[arg-type]
    assert got_past([step], "charge", 100) is past
    assert not got_past([step], None, 100)


def test_the_rest_follows_when_the_first_ones_do_well(world: World) -> None:
    """Each goes back onto the queue that it was on."""
    world.touch("break-c1")
    ids = [world.start("steps", "c1", run_id=f"c1-{number}", queue="family") for number in range(6)]
    for run_id in ids:
        world.reaches(run_id, "failed")
    world.remove("break-c1")
    done = bulk.apply(world.ctx, "retry", RunQuery(text="c1-"), actor="ann", canary=True)
    world.reaches(done.bulk_id, "completed")
    for run_id in ids:
        assert world.reaches(run_id, "completed").queue == "family"
    told = bulk_status.status(world.ctx, done.bulk_id)
    assert (told["applied"], told["stopped"]) == (6, None)
    assert told["stages"] == [{"runs": 1, "state": "good"}, {"runs": 1, "state": "good"}, {"runs": 4, "state": "good"}]


def test_a_recurrence_stops_it_and_the_others_are_left(world: World) -> None:
    """One run was tried, and says why the others were not."""
    ids = failed_runs(world, "c2", 4)
    world.touch("break-c2")
    done = bulk.apply(world.ctx, "retry", RunQuery(text="c2-"), actor="ann", canary=True)
    world.reaches(done.bulk_id, "completed")
    told = bulk_status.status(world.ctx, done.bulk_id)
    assert (told["matched"], told["done"]) == (4, 1)
    assert "failed again with the same error" in told["stopped"]
    assert [stage["state"] for stage in told["stages"]] == ["stopped", "waiting"]
    tried = told["results"][0]["runId"]
    assert {run_id for run_id in ids if world.ledger.audit(run_id=run_id)} == {tried}
    (noted,) = world.ledger.bulk_members(done.bulk_id)
    assert (noted.run_id, noted.outcome, noted.fingerprint is not None) == (tried, "applied", True)


def test_kill_9_while_it_watches_loses_nothing_and_takes_nobody_more(new_world: Callable[..., World]) -> None:
    """Another worker watches on; the rest follows when the first run is past where it failed."""
    world = new_world()
    worker = world.worker()
    ids = failed_runs(world, "c3", 4)
    world.touch("hold-c3")
    done = bulk.apply(world.ctx, "retry", RunQuery(text="c3-"), actor="ann", canary=True)
    until(lambda: bulk_status.status(world.ctx, done.bulk_id)["done"] == 1, what="the first run to be taken")
    assert bulk_status.status(world.ctx, done.bulk_id)["stages"][0]["state"] == "watched"
    worker.kill()
    world.worker()
    world.touch("go-c3")
    world.reaches(done.bulk_id, "completed")
    for run_id in ids:
        world.reaches(run_id, "completed")
    told = bulk_status.status(world.ctx, done.bulk_id)
    assert (told["applied"], told["stopped"]) == (4, None)
    assert sorted(result["runId"] for result in told["results"]) == sorted(ids)


def test_a_run_that_does_not_end_in_time_stops_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever, and nobody else is touched meanwhile."""
    (run_id,) = failed_runs(world, "c4", 1)
    world.touch("hold-c4")
    monkeypatch.setattr(canary, "POLL_S", 0.01)
    done = bulk.apply(world.ctx, "retry", RunQuery(text="c4-"), actor="ann")
    told = canary.await_group(world.ctx, done.bulk_id, [run_id], timeout_s=0.05)
    assert (told["good"], "within 0.05 s" in told["detail"]) == (False, True)
    assert canary.await_group(world.ctx, done.bulk_id, [run_id], wait=False)["good"]
    world.touch("go-c4")
    world.reaches(run_id, "completed")
    assert canary.await_group(world.ctx, done.bulk_id, [run_id])["good"]
