"""Which runs a bulk action touches, and what it costs for many."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from dashboard import create_blueprint
from dashboard.actions import bulk
from dashboard.actions.bulk import BulkAction, touchable
from dashboard.actions.permission import Permission
from dashboard.workflow.bulk import CHUNKS, chunk_size
from otel_bridge.model.runs import Blocked, Run, RunQuery
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.presence import presence
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run, make_step
from tests.actions.memory import memory_context

NOBODY = presence((), 0)
BOUND = 1_700_000_000_000
GONE = Blocked("version_gone", "No live worker has version v1.", "Move it.")


@pytest.mark.parametrize(
    ("action", "run", "touched"),
    [
        ("retry", make_run(status="failed", finished_at_ms=BOUND), True),
        ("retry", make_run(status="failed", finished_at_ms=BOUND + 1), False),
        ("retry", make_run(status="dead"), True),
        ("retry", make_run(status="cancelled"), True),
        ("retry", make_run(status="cancelled", undo_id="undo:run-1"), False),
        ("retry", make_run(status="completed"), False),
        ("retry", make_run(status="running"), False),
        ("retry", make_run("bulk:b", status="failed"), False),
        ("cancel", make_run(status="running"), True),
        ("cancel", make_run(status="pending"), True),
        ("cancel", make_run(status="suspended"), True),
        ("cancel", make_run(status="blocked"), True),
        ("cancel", make_run(status="failed"), False),
        ("cancel", make_run("bulk:b", status="running"), False),
        ("move", make_run(status="blocked", blocked=GONE), True),
        ("move", make_run(status="blocked", blocked=Blocked("not_driven", "", "")), False),
        ("move", make_run(status="running"), False),
        ("move", make_run(status="blocked", blocked=GONE, undo_id="undo:run-1"), False),
    ],
)
def test_a_bulk_touches_runs_whose_state_allows_it_and_that_have_not_ended_again(
    action: BulkAction, run: Run, touched: bool
) -> None:
    """Completed and undone runs are never run again, nor is a bulk action touched by another."""
    assert touchable(action, run, NOBODY, BOUND) is touched


def test_the_hosts_policy_leaves_runs_out() -> None:
    """What somebody may not touch is not touched because it is among many."""
    store = MemoryStateStore(clock=FakeClock())
    for name in ("mine", "theirs"):
        store.put_run(make_run(name, status="failed"))
    ctx, _, _ = memory_context(store=store, permission=Permission(lambda action, run: run.id == "mine"))
    seen = bulk.preview(ctx, "retry", RunQuery())
    assert (seen.ids, seen.skipped) == (["mine"], 1)


class CountingStore(MemoryStateStore):
    """Counts statements."""

    statements = 0

    def rows(self, sql: str, params: object = ()) -> list:  # type: ignore[type-arg]
        self.statements += 1
        return super().rows(sql, params)  # type: ignore[arg-type]


def test_a_bulks_progress_is_read_in_as_many_statements_whatever_it_did() -> None:
    """The page asks every second: a statement per recorded step would cost the square of the runs."""
    counts = []
    for chunks in (2, 60):
        store = CountingStore(clock=FakeClock())
        store.put_run(make_run("bulk:x", workflow="durable.bulk"))
        plan = json.dumps({"matched": chunks * 10})
        store.put_step(
            make_step("bulk:x", 1, name="durable.bulk_plan", output=StoredValue(plan, "portable_json", len(plan)))
        )
        for number in range(chunks):
            done = json.dumps([{"runId": f"r{number}-{i}", "outcome": "applied"} for i in range(10)])
            store.put_step(
                make_step(
                    "bulk:x",
                    number + 2,
                    name="durable.bulk_apply",
                    output=StoredValue(done, "portable_json", len(done)),
                )
            )
        ctx, _, _ = memory_context(store=store)
        store.statements = 0
        told = bulk.status(ctx, "x", first=15)
        counts.append(store.statements)
        assert (told["matched"], told["done"], told["applied"]) == (chunks * 10, chunks * 10, chunks * 10)
        assert len(told["results"]) == chunks * 10 - 15
    assert counts[0] == counts[1]


@pytest.mark.parametrize(("runs", "size"), [(1, 10), (35, 10), (2000, 10), (2001, 11), (50_000, 250)])
def test_a_large_bulk_is_done_in_larger_steps(runs: int, size: int) -> None:
    """A bounded number of recorded steps."""
    assert chunk_size(runs) == size
    assert -(-runs // chunk_size(runs)) <= CHUNKS


@pytest.fixture
def client() -> object:
    """A blueprint over a store with two failed runs."""
    store = MemoryStateStore()
    for number in range(2):
        store.put_run(make_run(f"r{number}", status="failed"))
    app = Flask("bulk")
    app.register_blueprint(create_blueprint(store, ledger=MemoryLedger(), caretaker=False), url_prefix="/d")
    return app.test_client()


@pytest.mark.parametrize("action", ["retry", "cancel", "move"])
def test_a_bulk_without_any_filter_has_to_say_that_it_means_every_run(client, action: str) -> None:
    """A forgotten filter would cancel the whole store. A dry run touches nothing, so it may be asked."""
    refused = client.post(f"/d/api/bulk/{action}", json={})
    assert (refused.status_code, refused.json["parameter"]) == (400, "all")
    assert client.post(f"/d/api/bulk/{action}?dryRun=true", json={}).status_code == 200
    for meant in ("workflow=nobody", "status=completed", "all=true&status=completed"):
        assert client.post(f"/d/api/bulk/{action}?{meant}", json={}).status_code == 200
    assert client.post(f"/d/api/bulk/{action}", json={"ids": []}).status_code == 200


def test_an_event_that_only_looks_like_one_of_ours_breaks_nothing(client) -> None:
    """``durable.undo.x`` was published by somebody else."""
    store = client.application.blueprints["durable"].services.store
    for key in ("durable.undo.x", "durable.undo.", "durable.undo.²", "durable.undo.99999999999999999999"):
        store.put_event("r0", key, '{"undo": "f"}')
    answer = client.get("/d/api/runs/r0/undo")
    assert (answer.status_code, answer.json["compensations"]) == (200, [])
