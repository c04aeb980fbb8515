"""Retry decides on what it reads under the run's lock, and nothing older."""

from __future__ import annotations

import pytest

from dashboard.actions import retry
from dashboard.errors import Forbidden, Refused
from otel_bridge.ledger.base import Executor
from otel_bridge.model.fleet import QueueInfo
from otel_bridge.runs.failures import FailureLog
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run, make_step
from tests.actions.memory import RecordingClient, memory_context

CLOCK = FakeClock()
T = CLOCK.now_ms


def failed_parent(store: MemoryStateStore) -> None:
    """A run whose second step, a child, failed."""
    store.put_run(make_run("r", status="failed", created_at_ms=T, finished_at_ms=T + 100))
    store.put_run(make_run("kid", status="failed", created_at_ms=T, finished_at_ms=T + 90, parent_id="r"))
    store.put_step(make_step("r", 1, started_at_ms=T))
    store.put_step(
        make_step("r", 2, name="ship", kind="remote", status="failed", child_run_id="kid", started_at_ms=T + 20)
    )


def test_what_happened_while_the_children_were_retried_is_looked_at_again() -> None:
    """Another retry went through meanwhile and the run failed elsewhere: what it completed is not executed again."""
    store = MemoryStateStore(clock=CLOCK)
    failed_parent(store)

    def meanwhile(name: str, run_id: str) -> None:
        if run_id == "kid":
            store.delete_steps("r", from_seq=2)
            store.put_step(make_step("r", 2, name="charge_card", started_at_ms=T + 200))
            store.put_step(make_step("r", 3, name="pack", status="failed", started_at_ms=T + 240))
            store.set_columns("r", {"completed_at": T + 300, "updated_at": T + 300})

    ctx, _, client = memory_context(store=store, before=meanwhile)
    retry.retry(ctx, "r", actor="ann")
    assert [(name, run_id, options["start_step"]) for name, run_id, options in client.calls] == [
        ("rewind", "kid", 1),
        ("rewind", "r", 3),
    ]


def test_an_undo_that_began_while_the_children_were_retried_is_respected() -> None:
    """An undone run is not retried, whenever the undo came."""
    store = MemoryStateStore(clock=CLOCK)
    failed_parent(store)

    def meanwhile(name: str, run_id: str) -> None:
        if run_id == "kid":
            store.put_run(make_run("undo:r", workflow="durable.undo", status="completed", created_at_ms=T + 200))
            store.put_step(make_step("undo:r", 1, name="durable.quiet"))

    ctx, _, client = memory_context(store=store, before=meanwhile)
    with pytest.raises(Refused, match="was undone"):
        retry.retry(ctx, "r", actor="ann")
    assert [run_id for _, run_id, _ in client.calls] == ["kid"]


def test_a_run_that_somebody_else_revived_meanwhile_is_left_alone() -> None:
    """Two people click at once: one retry."""
    store = MemoryStateStore(clock=CLOCK)
    failed_parent(store)

    def meanwhile(name: str, run_id: str) -> None:
        if run_id == "kid":
            store.set_columns("r", {"status": "ENQUEUED", "completed_at": None})

    ctx, _, client = memory_context(store=store, before=meanwhile)
    assert retry.retry(ctx, "r", actor="ann").run.status == "pending"
    assert [run_id for _, run_id, _ in client.calls] == ["kid"]


def failed_run(store: MemoryStateStore, **fields: object) -> RecordingClient | None:
    """A run that failed in its first step."""
    store.put_run(
        make_run("r", status="failed", created_at_ms=T, finished_at_ms=T + 100, **fields)  # type: ignore[arg-type]
    )
    store.put_step(make_step("r", 1, status="failed", started_at_ms=T))
    return None


def test_why_a_run_failed_is_recorded_before_the_engine_deletes_it() -> None:
    """Whether or not anybody has looked at it, and whatever becomes of the record: the retry goes on."""
    ledger, store = MemoryLedger(), MemoryStateStore(clock=CLOCK)
    failed_run(store)
    log = FailureLog(store, ledger)
    ctx, _, client = memory_context(store=store, ledger=ledger, failures=log)
    retry.retry(ctx, "r", actor="ann")
    assert [failure.run_id for failure in ledger.failures_of(["r"])["r"]] == ["r"]
    assert [run_id for _, run_id, _ in client.calls] == ["r"]


def alive(**fields: object) -> MemoryLedger:
    """A ledger in which one executor is live."""
    ledger = MemoryLedger(clock=CLOCK)
    ledger.heartbeat(
        Executor(
            instance_id="i",
            executor_id="e",
            beat_at_ms=0,
            started_at_ms=T,
            **{"workflows": ("order",), **fields},  # type: ignore[arg-type]
        )
    )
    return ledger


@pytest.mark.parametrize(
    ("queue", "why"),
    [
        ("nowhere", "There is no queue 'nowhere'"),
        ("parts", "is partitioned"),
        ("quiet", "polls queue 'quiet'"),
    ],
)
def test_a_queue_from_which_nobody_would_take_the_run_is_refused_in_words(queue: str, why: str) -> None:
    """It would answer 200 and change nothing."""
    store = MemoryStateStore(clock=CLOCK)
    failed_run(store)
    empty = {"depth": 0, "running": 0, "oldest_created_at_ms": None}
    store.put_queue(QueueInfo(name="parts", partitioned=True, **empty))  # type: ignore[arg-type]
    store.put_queue(QueueInfo(name="quiet", **empty))  # type: ignore[arg-type]
    ctx, _, client = memory_context(store=store, ledger=alive(queues=("mail", "parts")))
    with pytest.raises(Refused, match=why):
        retry.retry(ctx, "r", actor="ann", queue=queue)
    assert client.calls == []


def test_a_pending_run_is_not_moved_to_another_queue_in_silence() -> None:
    """A retry of it is nothing to do, but not when it asks for something."""
    store = MemoryStateStore(clock=CLOCK)
    store.put_run(make_run("p", status="pending", queue="mail", created_at_ms=T))
    ctx, _, _ = memory_context(store=store)
    assert retry.retry(ctx, "p", actor="ann").run.status == "pending"
    assert retry.retry(ctx, "p", actor="ann", queue="mail").run.status == "pending"
    with pytest.raises(Refused, match="already waits on queue 'mail'"):
        retry.retry(ctx, "p", actor="ann", queue="books")


def test_the_hosts_policy_decides_per_run() -> None:
    """What it does not allow changes nothing, and is in the audit log."""
    store = MemoryStateStore(clock=CLOCK)
    failed_run(store)
    ctx, _, client = memory_context(store=store, policy=lambda action, run: False)
    with pytest.raises(Forbidden):
        retry.retry(ctx, "r", actor="ann")
    assert client.calls == []
    assert [entry.outcome for entry in ctx.ledger.audit()] == ["refused"]


def test_a_failed_run_whose_version_is_gone_goes_on_under_a_live_one_and_says_so() -> None:
    """Left on its own version it would wait for ever."""
    store = MemoryStateStore(clock=CLOCK)
    failed_run(store, workflow_version="v1")
    ctx, _, client = memory_context(store=store, ledger=alive(app_version="v2"))
    notes = retry.retry(ctx, "r", actor="ann").notes
    assert client.calls[0][2]["application_version"] == "v2"
    assert notes == ("No live worker has version v1: the run continues under v2.",)
