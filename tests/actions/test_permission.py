"""What an action touches besides its own run, and that the policy is asked about all of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.actions import bulk, bulk_work, cancel, retry
from dashboard.actions.permission import Permission, below, cancelled_with, undone_with
from dashboard.errors import Forbidden, Unprocessable
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.testing import FakeClock, MemoryStateStore, make_run, make_step
from tests.actions.memory import memory_context


def tree(status: str = "running") -> MemoryStateStore:
    """``top`` started ``kid``, that started ``grandkid``; a step of ``kid`` names ``met``, which another started."""
    store = MemoryStateStore(clock=FakeClock())
    for run_id, parent in (("top", None), ("kid", "top"), ("grandkid", "kid"), ("met", "other")):
        store.put_run(make_run(run_id, status=status, parent_id=parent))  # type: ignore[arg-type]
    store.put_step(make_step("kid", 1, kind="remote", child_run_id="met"))
    return store


def ids(runs: object) -> set[str]:
    return {run.id for run in runs}  # type: ignore[attr-defined]


def test_everything_below_a_run_is_found_once() -> None:
    """By the parent that a child names, and by the child that a step names."""
    store = tree()
    top = store.get_run("top")
    assert top is not None
    assert sorted(run.id for run in below(store, top)) == ["grandkid", "kid", "met"]
    assert ids(cancelled_with(store, top)) == {"kid", "grandkid", "met"}


@pytest.mark.parametrize(("status", "cancelled"), [("completed", 0), ("failed", 0), ("dead", 3), ("pending", 3)])
def test_what_a_cancel_leaves_as_it_is_is_not_asked_about(status: str, cancelled: int) -> None:
    """The engine cancels what has not completed or failed."""
    store = tree(status)
    top = store.get_run("top")
    assert top is not None
    assert len(list(cancelled_with(store, top))) == cancelled


def test_an_undo_reaches_what_declared_compensations_however_it_ended() -> None:
    """And no child that has ended with nothing to undo."""
    store = tree("completed")
    store.put_event("grandkid", "durable.undo.1", "{}")
    top = store.get_run("top")
    assert top is not None
    assert ids(undone_with(store, top)) == {"kid", "grandkid"}


def test_more_than_can_be_asked_about_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than done without asking."""
    monkeypatch.setattr("dashboard.actions.permission.MOST_ASKED", 2)
    store = tree()
    top = store.get_run("top")
    assert top is not None
    with pytest.raises(Unprocessable, match="More than 2 runs"):
        list(below(store, top))


def limited(store: MemoryStateStore, refused: str) -> Permission:
    return Permission(lambda action, run: run.id != refused, store)


@pytest.mark.parametrize("refused", ["kid", "grandkid", "met"])
@pytest.mark.parametrize("options", [{"children": True}, {"compensate": True}])
def test_a_cancel_that_reaches_too_far_does_nothing(refused: str, options: dict[str, bool]) -> None:
    """However deep; a plain cancel touches the run alone."""
    store = tree()
    ctx, _, client = memory_context(store=store, permission=limited(store, refused))
    with pytest.raises(Forbidden, match="another run"):
        cancel.cancel(ctx, "top", actor="ann", **options)
    assert client.calls == []
    cancel.cancel(ctx, "top", actor="ann")
    assert [(name, run_id) for name, run_id, _ in client.calls] == [("cancel", "top")]


def test_a_retry_asks_about_every_failed_child_before_the_first_is_retried() -> None:
    """Half of a tree that lives again would be worse than none."""
    store = MemoryStateStore(clock=FakeClock())
    for number, run_id in enumerate(("top", "one", "two", "below-two")):
        store.put_run(make_run(run_id, status="failed", created_at_ms=number + 1, finished_at_ms=100))
    for seq, child in enumerate(("one", "two"), start=1):
        store.put_step(make_step("top", seq, kind="remote", status="failed", child_run_id=child))
    store.put_step(make_step("two", 1, kind="remote", status="failed", child_run_id="below-two"))
    for run_id in ("one", "below-two"):
        store.put_step(make_step(run_id, 1, status="failed"))
    ctx, _, client = memory_context(store=store, permission=limited(store, "below-two"))
    with pytest.raises(Forbidden, match="another run"):
        retry.retry(ctx, "top", actor="ann")
    assert client.calls == []


def test_a_bulk_action_in_a_worker_touches_what_was_approved_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker knows neither the actor nor the policy: what was allowed stands in its request."""
    monkeypatch.setattr(bulk, "INLINE_MAX", 0)
    store = tree()
    store.put_run(make_run("free", status="running"))
    ctx, _, client = memory_context(store=store, permission=limited(store, "grandkid"), via="mcp")
    bulk.apply(
        ctx, "cancel", RunQuery(), actor="ada", params={"children": True}, chosen=bulk.Chosen(ids=["top", "free"])
    )
    (request,) = client.calls[-1][2]["args"]
    assert set(request["approved"]) == {"top", "kid", "met", "free"}
    worker, _, engine = memory_context(store=store)
    results = bulk_work.apply_ids(bulk_work._limited(worker, request), request, request["ids"])
    assert {result["runId"]: result["outcome"] for result in results} == {"top": "refused", "free": "applied"}
    assert [run_id for _, run_id, _ in engine.calls] == ["free"]
    assert worker.ledger.audit(run_id="free")[0].actor == "ada via mcp"


@pytest.mark.parametrize("permission", [Permission(), Permission(lambda action, run: True)])
def test_a_bulk_action_without_a_policy_or_a_store_to_ask_about_is_as_it_was(
    permission: Permission, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked, and the worker may touch everything."""
    monkeypatch.setattr(bulk, "INLINE_MAX", 0)
    ctx, _, client = memory_context(store=tree(), permission=permission)
    bulk.apply(ctx, "cancel", RunQuery(), actor="ada")
    (request,) = client.calls[-1][2]["args"]
    assert request["approved"] is None


def test_a_bulk_of_which_too_many_runs_children_would_be_asked_about_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It costs reads for each run; a filter makes it fewer."""
    monkeypatch.setattr(bulk, "INLINE_MAX", 0)
    monkeypatch.setattr(bulk, "REACHED_MAX", 1)
    store = tree()

    def policy(action: str, run: Run) -> bool:
        return True

    ctx, _, client = memory_context(store=store, permission=Permission(policy, store))
    with pytest.raises(Unprocessable, match="Narrow the filter"):
        bulk.apply(ctx, "cancel", RunQuery(), actor="ada", params={"children": True})
    bulk.apply(replace(ctx), "cancel", RunQuery(), actor="ada")
    assert client.calls
    bulk.apply(ctx, "cancel", RunQuery(), actor="ada", params={"children": True}, chosen=bulk.Chosen(ids=["top"]))
    assert len(client.calls) == 2  # as many as may be asked about
