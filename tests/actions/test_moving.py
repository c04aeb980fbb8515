"""Runs of a version that is gone, moved to a live one: real workers of two versions, killed as ``kill -9`` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient

from dashboard.actions import bulk, bulk_status, messages, move
from dashboard.caretaker.caretaker import Caretaker, CaretakerSettings
from dashboard.caretaker.upgrade import AutoUpgrade
from dashboard.errors import Refused
from otel_bridge.model.runs import RunQuery
from otel_bridge.model.steps import Step
from otel_bridge.runs.overlay import overlay_steps
from tests.actions.world import World
from tests.story import mounted
from tests.waiting import until

Make = Callable[..., World]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a run that nobody runs so without the ten seconds that a deploy gets."""
    monkeypatch.setattr("otel_bridge.runs.blocked.BLOCKED_AFTER_MS", 0)
    monkeypatch.setattr("otel_bridge.runs.presence_reader.PRESENCE_FRESH_S", 0.0)


def strand(world: World, *run_ids: str, version: str = "v2", executor: str = "new") -> None:
    """Leave runs of version v1 in their wait, without a worker of it; a worker of another version is there."""
    old = world.launch("--present", "--executor", "old", "--version", "v1")
    other = world.launch("--present", "--blocked-at-once", "--executor", executor, "--version", version)
    for run_id in run_ids:
        world.start("evolving", run_id, run_id=run_id, version="v1")
    for run_id in run_ids:
        world.waits(run_id, "signal", "go")
    world.ready(other)
    until(lambda: {one.app_version for one in world.ledger.executors()} == {"v1", version}, what="both heartbeats")
    old.kill()
    until(lambda: "v1" not in {one.app_version for one in world.ctx.presence().live}, what="version v1 to be gone")


def complete(world: World, run_id: str) -> None:
    """Let a run go to its end."""
    world.waits(run_id, "signal", "go")
    messages.signal(world.ctx, run_id, "go", "now", actor="ann")
    world.reaches(run_id, "completed")


def reference(world: World, version: str = "v2") -> None:
    """Complete a run of a version, so that there is something to compare with."""
    world.start("evolving", "reference", run_id="reference", version=version)
    complete(world, "reference")


@contextmanager
def api(world: World) -> Iterator[FlaskClient]:
    """The dashboard over a world."""
    with mounted(world.url) as app:
        yield app.test_client()


def gauge(client: FlaskClient, name: str) -> dict[str, float]:
    """Return a metric's samples by their one label."""
    text = client.get("/durable/api/metrics").get_data(as_text=True)
    lines = [line for line in text.splitlines() if line.startswith(f"{name}{{")]
    return {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in lines}


def test_a_stranded_run_is_moved_after_a_check_and_continues_where_it_was(new_world: Make) -> None:
    """Row, versions, metrics, message, move and history tell one story; what was done is not done again."""
    world = new_world()
    strand(world, "a")
    with api(world) as client:
        row = client.get("/durable/api/runs/a").get_json()["run"]
        assert (row["status"], row["blocked"]["code"]) == ("blocked", "version_gone")
        assert "v2" in row["blocked"]["remedy"]
        assert "move" in row["allowed"]
        assert gauge(client, "durable_runs_by_version") == {"v1": 1}
        assert gauge(client, "durable_runs_not_driven")["version_gone"] == 1
        versions = {one["version"]: one for one in client.get("/durable/api/versions").get_json()}
        assert [versions["v1"][key] for key in ("openRuns", "blockedRuns", "liveExecutors")] == [1, 1, 0]
        assert [versions["v2"][key] for key in ("openRuns", "drained", "liveExecutors")] == [0, True, 1]

        sent = client.post("/durable/api/runs/a/signals/go", json="early").get_json()
        assert "nobody" in " ".join(sent["notes"]).lower() or "no live worker" in " ".join(sent["notes"]).lower()

        unknown = client.post("/durable/api/runs/a/move", json={"dryRun": True}).get_json()
        assert [unknown[key] for key in ("version", "moved", "compared", "matches")] == ["v2", False, 0, False]
        reference(world)
        checked = client.post("/durable/api/runs/a/move", json={"version": "v2", "dryRun": True}).get_json()
        assert [checked[key] for key in ("moved", "compared", "matches")] == [False, 1, True]
        asked = client.post("/durable/api/runs/a/move?dryRun=true", json={"version": "v2"}).get_json()
        assert (asked["moved"], asked["matches"]) == (False, True)  # in the query, as for bulk actions
        assert world.run("a").workflow_version == "v1"

        moved = client.post("/durable/api/runs/a/move", json={"version": "v2"}).get_json()
        assert [moved[key] for key in ("moved", "version", "matches")] == [True, "v2", True]
        run = world.reaches("a", "completed")
        assert (run.workflow_version, run.executor) == ("v2", "new")
        assert world.output("a") == "last-a early"  # the message sent before the move arrived after it
        assert world.log("work first-a") == ["work first-a"]
        detail = client.get("/durable/api/runs/a").get_json()
        assert [(one["cause"], one.get("outcome")) for one in detail["attempts"]] == [
            ("start", None),
            ("move", "completed"),
        ]
        assert gauge(client, "durable_runs_by_version") == {}
        assert set(gauge(client, "durable_runs_not_driven").values()) == {0}


def test_a_deploy_in_place_strands_and_a_move_frees(new_world: Make) -> None:
    """The same executor id with a new version: the engine recovers runs of its own version only."""
    world = new_world()
    strand(world, "b", executor="old")
    until(lambda: move.move(world.ctx, "b", actor="ann").moved, what="the move")
    complete(world, "b")
    assert world.run("b").workflow_version == "v2"
    assert world.log("work first-b") == ["work first-b"]


def bulk_move(world: World, prefix: str) -> dict[str, Any]:
    """Move stranded runs in bulk; return how that ended."""
    query = RunQuery(text=prefix, statuses=frozenset({"blocked"}))
    previewed = bulk.preview(world.ctx, "move", query)
    assert len(previewed.ids) == 3
    done = bulk.apply(world.ctx, "move", query, actor="ann", chosen=bulk.Chosen(previewed.bound_ms))
    assert done.results is None
    world.reaches(done.bulk_id, "completed")
    return bulk_status.status(world.ctx, done.bulk_id)


def upgrader(world: World) -> Caretaker:
    """Return a caretaker that moves runs whose steps match, when it is told to look."""
    policy = AutoUpgrade(grace_s=0.5, only_if_steps_match=True)
    keeper = Caretaker(lambda: world.ctx, CaretakerSettings(patrol_interval_s=0.0, upgrade=policy))
    until(keeper.tick, what="the lease")
    return keeper


def versions_of(world: World, *run_ids: str) -> list[str]:
    """Return the runs' versions, sorted."""
    return sorted(str(world.run(run_id).workflow_version) for run_id in run_ids)


def test_a_bulk_moves_one_run_then_the_others_and_the_caretaker_what_is_left(new_world: Make) -> None:
    """One alone first: that a worker drives it in its wait is proof enough. The caretaker wants a completed run."""
    world = new_world()
    strand(world, "some-1", "some-2", "some-3", "late")
    keeper = upgrader(world)
    assert versions_of(world, "some-1", "late") == ["v1", "v1"]  # nothing to compare with yet
    reported = bulk_move(world, "some-")
    assert (reported["matched"], reported["applied"], reported["stopped"]) == (3, 3, None)
    for run_id in ("some-1", "some-2", "some-3"):
        complete(world, run_id)
        assert world.log(f"work first-{run_id}") == [f"work first-{run_id}"]
    assert versions_of(world, "some-1", "some-2", "some-3") == ["v2", "v2", "v2"]
    until(lambda: keeper.tick() and versions_of(world, "late") == ["v2"], what="the upgrade")
    complete(world, "late")
    assert [(entry.action, entry.actor) for entry in world.ledger.audit(run_id="late")][-1] == ("move", "caretaker")


def test_a_version_that_does_something_else_takes_one_run_at_most(new_world: Make) -> None:
    """A bulk stops at the run it tried; with a completed run to compare, the first step that differs is named."""
    world = new_world()
    strand(world, "many-1", "many-2", "many-3", "c", version="v3")
    reported = bulk_move(world, "many-")
    assert (reported["matched"], reported["applied"]) == (3, 1)
    assert "failed" in reported["stopped"]
    assert versions_of(world, "many-1", "many-2", "many-3") == ["v1", "v1", "v3"]
    reference(world, "v3")
    assert upgrader(world).tick()
    assert versions_of(world, "c") == ["v1"]
    with pytest.raises(Refused, match="Step 1 is inspect under version v3, and this run recorded work"):
        move.move(world.ctx, "c", actor="ann")
    found = move.move(world.ctx, "c", actor="ann", dry_run=True).check.divergence
    assert found is not None
    assert (found.seq, found.recorded, found.expected) == (1, "work", ("inspect",))
    assert move.move(world.ctx, "c", actor="ann", forced=True).moved
    assert world.reaches("c", "failed").workflow_version == "v3"  # the engine stops at the step that differs


def test_a_step_in_flight_at_a_move_stays_in_the_history(new_world: Make) -> None:
    """Its worker was killed within it, so it may have had its effect: whoever reads the run later must see that."""
    world = new_world()
    world.touch("hold-d-2")
    old = world.worker("--present", "--executor", "old", "--version", "v1")
    world.worker("--present", "--executor", "new", "--version", "v2")
    world.start("steps", "d-1", "d-2", run_id="d", version="v1")
    until(lambda: world.log("work d-2"), what="the second step")
    until(lambda: any(step.seq == 2 for step in overlaid(world, "d")), what="the worker to tell of its step")
    old.kill()
    until(lambda: "v1" not in {one.app_version for one in world.ctx.presence().live}, what="version v1 to be gone")
    world.touch("go-d-2")
    move.move(world.ctx, "d", actor="ann", forced=True)
    world.reaches("d", "completed")
    with api(world) as client:
        first = client.get("/durable/api/runs/d").get_json()["attempts"][0]
    assert [(step["seq"], step["status"]) for step in first["steps"]] == [(1, "completed"), (2, "interrupted")]


def overlaid(world: World, run_id: str) -> list[Step]:
    """Return a run's steps with what its worker tells of those in flight."""
    return overlay_steps(world.run(run_id), world.store.get_steps(run_id), world.ctx.presence())
