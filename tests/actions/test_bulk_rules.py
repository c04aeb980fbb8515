"""Which runs a bulk action touches, and what it costs for many."""

from __future__ import annotations

import base64
import json
import pickle

import pytest
from flask import Flask

from dashboard import create_blueprint
from dashboard.actions import bulk, bulk_status, bulk_work
from dashboard.actions.bulk_work import BulkAction, touchable
from dashboard.actions.permission import Permission
from dashboard.errors import NotFound, Refused, Unavailable, Unprocessable
from dashboard.workflow.bulk import CHUNKS, chunk_size
from otel_bridge.model.runs import Blocked, Run, RunPage, RunQuery
from otel_bridge.model.status import RunStatus
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


@pytest.mark.parametrize(
    ("action", "params", "asked", "reaches"),
    [
        ("cancel", {}, "cancel", False),
        ("cancel", {"children": True}, "cancel", True),
        ("cancel", {"compensate": True}, "cancel_undo", True),
        ("cancel", {"compensate": True, "children": True}, "cancel_undo", True),
        ("retry", {}, "retry", True),
        ("retry", {"compensate": True}, "retry", True),
        ("move", {"children": True}, "move", False),
    ],
)
def test_a_policy_is_asked_for_the_action_that_each_run_will_see(
    action: str, params: dict[str, bool], asked: str, reaches: bool
) -> None:
    """And about every run that the action touches besides, where it touches any."""
    name, reach = bulk._reach({"action": action, "params": params})
    assert (name, reach is not None) == (asked, reaches)


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
        reported = bulk_status.status(ctx, "x", first=15)
        counts.append(store.statements)
        assert (reported["matched"], reported["done"], reported["applied"]) == (chunks * 10, chunks * 10, chunks * 10)
        assert len(reported["results"]) == chunks * 10 - 15
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


@pytest.mark.parametrize(
    ("action", "runs", "inline"),
    [
        ("cancel", 1, True),
        ("cancel", bulk.INLINE_MAX, True),
        ("cancel", bulk.INLINE_MAX + 1, False),
        ("move", 1, True),
        ("move", 2, False),
    ],
)
def test_a_few_runs_are_done_at_once_and_many_by_a_worker(
    action: BulkAction, runs: int, inline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A move of several tries one first and waits: a worker's work."""
    ctx, _, client = memory_context()
    ids = [f"r{number:02}" for number in range(runs)]

    def one(*args: object) -> dict[str, object]:
        return {"runId": args[3], "outcome": "gone" if args[3] == "r01" else "applied"}

    monkeypatch.setattr(
        bulk, "preview", lambda *args, **options: bulk.BulkPreview([make_run(id_) for id_ in ids], 0, BOUND)
    )
    monkeypatch.setattr(bulk_work, "_apply_one", one)
    done = bulk.apply(ctx, action, RunQuery(workflow="w", limit=5), actor="ann")
    assert (done.matched, done.results is not None) == (runs, inline)
    assert done.applied == (runs - (runs > 1) if inline else 0)
    if not inline:
        ((_, _, given),) = client.calls
        assert given["args"][0]["query"] == {"workflow": "w", "limit": 5, "nothing": False, "offset": 0}


@pytest.mark.parametrize(
    ("outputs", "shown"),
    [
        ([], {"matched": None, "done": 0, "applied": 0, "refused": 0, "stopped": None}),
        (
            [
                ("plan", {"matched": 3}),
                ("canary", {"good": False, "detail": "It failed."}),
                ("apply", [{"runId": "a", "outcome": "applied"}, {"runId": "b", "outcome": "refused"}]),
            ],
            {"matched": 3, "done": 2, "applied": 1, "refused": 1, "stopped": "It failed."},
        ),
        ([("canary", {"good": True, "detail": "x"})], {"stopped": None, "done": 0}),
        ([("canary", "damaged"), ("plan", "damaged"), ("apply", ["damaged"])], {"matched": None, "done": 0}),
    ],
)
def test_a_bulks_progress_is_told_from_what_its_steps_recorded(
    outputs: list[tuple[str, object]], shown: dict[str, object]
) -> None:
    """What is damaged counts for nothing."""
    store = MemoryStateStore(clock=FakeClock())
    store.put_run(make_run("bulk:x", workflow="durable.bulk"))
    for seq, (name, value) in enumerate(outputs):
        text = json.dumps(value)
        store.put_step(
            make_step("bulk:x", seq, name=f"durable.bulk_{name}", output=StoredValue(text, "portable_json", len(text)))
        )
    ctx, _, _ = memory_context(store=store)
    assert shown.items() <= bulk_status.status(ctx, "x").items()
    assert bulk_status.status(ctx, "bulk:x") == bulk_status.status(ctx, "x")


def test_a_bulk_that_is_not_there_is_said_so() -> None:
    """By the name that was asked for."""
    ctx, _, _ = memory_context()
    with pytest.raises(NotFound, match="There is no bulk action 'nowhere'"):
        bulk_status.status(ctx, "nowhere")
    assert bulk_status.actor_of(ctx, "nowhere") is None


@pytest.mark.parametrize(
    ("text", "serialization", "value"),
    [
        ('{"a": 1}', "portable_json", {"a": 1}),
        ("{", "portable_json", None),
        (base64.b64encode(pickle.dumps([1])).decode(), "py_pickle", [1]),
    ],
)
def test_what_a_step_of_ours_recorded_is_read_in_the_format_that_it_is_in(
    text: str, serialization: str, value: object
) -> None:
    """Damage is nothing."""
    assert bulk_status._own_json(StoredValue(text, serialization, len(text))) == value


def test_a_run_that_this_bulk_moved_before_a_crash_counts_as_applied() -> None:
    """The crash came between the action and its record; a run that somebody else moved has changed."""
    store = MemoryStateStore(clock=FakeClock())
    for name in ("ours", "theirs"):
        store.put_run(make_run(name, status="pending"))
    ledger = MemoryLedger()
    ledger.bump_count("ours", "bulk.bulk:x")
    ctx, _, client = memory_context(store=store, ledger=ledger)
    request = {"action": "retry", "params": {}, "boundMs": BOUND, "actor": "ann"}
    done = bulk_work.apply_ids(ctx, request, ["ours", "theirs", "deleted"], bulk_id="bulk:x")
    assert [(result["runId"], result["outcome"]) for result in done] == [
        ("ours", "applied"),
        ("theirs", "changed"),
        ("deleted", "gone"),
    ]
    assert client.calls == []


def test_a_run_is_marked_before_it_is_touched_and_once() -> None:
    """So that the same bulk knows it after a crash."""
    store = MemoryStateStore(clock=FakeClock())
    store.put_run(make_run("r", status="running"))
    ctx, _, client = memory_context(store=store)
    request = {"action": "cancel", "params": None, "boundMs": BOUND, "actor": "ann"}
    assert bulk_work.apply_ids(ctx, request, ["r"], bulk_id="bulk:x") == [{"runId": "r", "outcome": "applied"}]
    assert ctx.ledger.count("r", "bulk.bulk:x") == 1
    assert [(name, run_id) for name, run_id, _ in client.calls] == [("cancel", "r")]
    assert bulk_work.apply_ids(ctx, request, ["r"])[0]["outcome"] == "changed"
    assert ctx.ledger.count("r", "bulk.None") == 0


@pytest.mark.parametrize(("status", "raises"), [(503, True), (409, False)])
def test_a_refusal_is_a_result_and_an_outage_stops_the_chunk(status: int, raises: bool) -> None:
    """The engine tries the step again later; what was done is not done again."""
    store = MemoryStateStore(clock=FakeClock())
    store.put_run(make_run("r", status="running"))
    problem = Unavailable("gone") if status == 503 else Refused("no")

    def before(name: str, run_id: str) -> None:
        raise problem

    ctx, _, _ = memory_context(store=store, before=before)
    request = {"action": "cancel", "params": {}, "boundMs": BOUND, "actor": "ann"}
    if raises:
        with pytest.raises(Unavailable):
            bulk_work.apply_ids(ctx, request, ["r"])
    else:
        assert bulk_work.apply_ids(ctx, request, ["r"]) == [{"runId": "r", "outcome": "refused", "detail": "no"}]


def test_more_runs_than_a_bulk_may_touch_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly as many are taken, and those of later than the bound are not."""
    monkeypatch.setattr(bulk, "RUNS_MAX", 2)
    store = MemoryStateStore(clock=FakeClock(BOUND))
    for number in range(2):
        store.put_run(make_run(f"r{number}", status="failed", created_at_ms=BOUND - 10, finished_at_ms=BOUND - 5))
    ctx, _, _ = memory_context(store=store)
    assert len(bulk.preview(ctx, "retry", RunQuery()).ids) == 2
    assert bulk.preview(ctx, "retry", RunQuery(), bound_ms=BOUND - 10).ids == []
    assert bulk.preview(ctx, "retry", RunQuery(until_ms=BOUND - 10)).ids == []
    store.put_run(make_run("r2", status="failed", created_at_ms=BOUND - 10, finished_at_ms=BOUND - 5))
    with pytest.raises(Unprocessable, match="More than 2 runs match"):
        bulk.preview(ctx, "retry", RunQuery())


def test_runs_that_are_named_are_read_by_their_ids_alone() -> None:
    """A few ticked among a million: a walk through the store would read them all, and refuse above the most."""

    class Unlisted(MemoryStateStore):
        def list_runs(self, query: RunQuery) -> RunPage:
            raise AssertionError("The store is walked through.")

    store = Unlisted(clock=FakeClock(BOUND))
    statuses: tuple[RunStatus, ...] = ("failed", "completed", "failed")
    for number, status in enumerate(statuses):
        store.put_run(make_run(f"r{number}", status=status, created_at_ms=BOUND - 10 + number))
    ctx, _, _ = memory_context(store=store)
    seen = bulk.preview(ctx, "retry", RunQuery(), ids=["r0", "r1", "r2", "r2", "gone"])
    assert (seen.ids, seen.skipped) == (["r2", "r0"], 1)
    assert bulk.preview(ctx, "retry", RunQuery(), ids=["r0", "r2"], bound_ms=BOUND - 8).ids == ["r0"]
    assert bulk.preview(ctx, "retry", RunQuery(text="r2"), ids=["r0", "r2"]).ids == ["r2"]
    done = bulk.apply(ctx, "retry", RunQuery(), actor="ann", chosen=bulk.Chosen(seen.bound_ms, ["r0", "r1"]))
    assert [result["runId"] for result in done.results or ()] == ["r0"]
    noted = ctx.ledger.bulk(done.bulk_id)
    assert noted is not None
    assert noted.params == {"ids": 2}
