"""Retry decides on what it reads under the run's lock, and nothing older."""

from __future__ import annotations

from typing import Any

import pytest
from dbos import error as dbos_error

from dashboard.actions import retry
from dashboard.actions.locks import RunLock
from dashboard.actions.permission import Permission
from dashboard.errors import Forbidden, Refused, Unavailable
from otel_bridge.ledger.base import Executor
from otel_bridge.model.fleet import QueueInfo
from otel_bridge.model.status import RunStatus
from otel_bridge.runs.attempts import PUT_BACK
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
    """Whether or not anybody has looked at it, and whatever becomes of the record: the retry continues."""
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
            **{"started_at_ms": T, "workflows": ("order",), **fields},  # type: ignore[arg-type]
        )
    )
    return ledger


def test_a_run_that_its_live_worker_does_not_drive_is_put_back_and_not_rewound() -> None:
    """A retry of a run that has not ended loses none of its steps, and the audit log says that it was put back."""
    store, ledger = MemoryStateStore(clock=CLOCK), alive(started_at_ms=T - 600_000, runs=(), runs_total=0)
    store.put_run(make_run("r", status="running", executor="e", created_at_ms=T - 600_000))
    ctx, _, client = memory_context(store=store, ledger=ledger)
    retry.retry(ctx, "r", actor="ann")
    assert [(name, run_id) for name, run_id, _ in client.calls] == [("resume", "r")]
    assert ledger.audit(run_id="r")[0].params[PUT_BACK] is True


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
    ctx, _, client = memory_context(store=store, permission=Permission(lambda action, run: False))
    with pytest.raises(Forbidden):
        retry.retry(ctx, "r", actor="ann")
    assert client.calls == []
    assert [entry.outcome for entry in ctx.ledger.audit()] == ["refused"]


def test_a_failed_run_whose_version_is_gone_continues_under_a_live_one_and_says_so() -> None:
    """Left on its own version it would wait for ever."""
    store = MemoryStateStore(clock=CLOCK)
    failed_run(store, workflow_version="v1")
    ctx, _, client = memory_context(store=store, ledger=alive(app_version="v2"))
    notes = retry.retry(ctx, "r", actor="ann").notes
    assert client.calls[0][2]["application_version"] == "v2"
    assert notes == ("No live worker has version v1: the run continues under v2.",)


def test_a_completed_run_is_refused_in_words() -> None:
    """It has nothing to continue."""
    store = MemoryStateStore(clock=CLOCK)
    store.put_run(make_run("r", status="completed", created_at_ms=T))
    ctx, _, client = memory_context(store=store)
    with pytest.raises(Refused, match="The run completed"):
        retry.retry(ctx, "r", actor="ann")
    assert client.calls == []


@pytest.mark.parametrize("status", ["dead", "cancelled"])
def test_a_dead_or_cancelled_run_is_resumed_and_no_error_of_it_is_read(status: RunStatus) -> None:
    """The engine's resume keeps every step; the queue is the one that it was first put on."""
    store = MemoryStateStore(clock=CLOCK)
    store.put_run(make_run("r", status=status, created_at_ms=T, finished_at_ms=T + 100))
    store.put_step(make_step("r", 1, started_at_ms=T))
    store.put_payload("r", "error", "an error of an earlier life")
    ctx, _, client = memory_context(store=store)
    assert retry.retry(ctx, "r", actor="ann").run.status == "pending"
    assert [(name, run_id) for name, run_id, _ in client.calls] == [("resume", "r")]
    (kept,) = ctx.ledger.kept_attempts(["r"])["r"]
    assert kept.life.error is None


def test_a_cancelled_run_whose_version_is_gone_is_rewound_to_behind_its_last_step() -> None:
    """The engine's resume would leave it on the version that nobody has."""
    store = MemoryStateStore(clock=CLOCK)
    store.put_run(make_run("r", status="cancelled", created_at_ms=T, finished_at_ms=T + 100, workflow_version="v1"))
    store.put_step(make_step("r", 1, started_at_ms=T))
    store.put_step(make_step("r", 2, started_at_ms=T + 10))
    ctx, _, client = memory_context(store=store, ledger=alive(app_version="v2"))
    retry.retry(ctx, "r", actor="ann")
    assert [(name, options["start_step"], options["application_version"]) for name, _, options in client.calls] == [
        ("rewind", 3, "v2")
    ]


def test_a_failed_run_keeps_its_error_in_its_history() -> None:
    """The engine deletes it."""
    store = MemoryStateStore(clock=CLOCK)
    failed_run(store)
    store.put_payload("r", "error", "declined")
    ctx, _, _ = memory_context(store=store)
    retry.retry(ctx, "r", actor="ann")
    (kept,) = ctx.ledger.kept_attempts(["r"])["r"]
    assert kept.life.error is not None
    assert kept.life.error.text == "declined"


def test_a_child_that_fails_again_at_once_is_retried_once() -> None:
    """Else one click would go round for ever."""
    store = MemoryStateStore(clock=CLOCK)
    failed_parent(store)
    ctx, _, client = memory_context(store=store)
    done = client.rewind_workflow

    def rewind(run_id: str, **options: object) -> None:
        done(run_id, **options)
        if run_id == "kid":
            store.set_columns("kid", {"status": "ERROR", "completed_at": T + 300})

    client.rewind_workflow = rewind  # type: ignore[method-assign]
    retry.retry(ctx, "r", actor="ann")
    assert [run_id for _, run_id, _ in client.calls] == ["kid", "r"]


@pytest.mark.parametrize(("became", "accepted"), [("ENQUEUED", True), ("PENDING", True), ("ERROR", False)])
def test_a_rewind_that_the_engine_refuses_is_done_where_somebody_was_quicker(became: str, accepted: bool) -> None:
    """A run that executes again is what was asked for; one that still stands there is the engine's own refusal."""
    store = MemoryStateStore(clock=CLOCK)
    store.put_run(make_run("r", status="failed", created_at_ms=T, finished_at_ms=T + 100))
    store.put_step(make_step("r", 1, status="failed", started_at_ms=T))
    ctx, _, client = memory_context(store=store)

    def rewind(run_id: str, **options: object) -> None:
        store.set_columns("r", {"status": became})
        raise dbos_error.DBOSException("it is not in a state to be rewound")

    client.rewind_workflow = rewind  # type: ignore[method-assign]
    if accepted:
        assert retry.retry(ctx, "r", actor="ann").run.status in ("pending", "running")
    else:
        with pytest.raises(Refused, match=r"did not rewind the run: .*not in a state"):
            retry.retry(ctx, "r", actor="ann")


def test_a_chain_of_failed_children_is_retried_down_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deepest first; whatever lies deeper fails again with its parent, and a second retry finds it."""
    monkeypatch.setattr(retry, "MAX_DEPTH", 2)
    store = MemoryStateStore(clock=CLOCK)
    for depth in range(5):
        parent = f"r{depth - 1}" if depth else None
        store.put_run(make_run(f"r{depth}", status="failed", created_at_ms=T, finished_at_ms=T + 100, parent_id=parent))
        store.put_step(
            make_step(f"r{depth}", 1, kind="remote", status="failed", child_run_id=f"r{depth + 1}", started_at_ms=T)
        )
    ctx, _, client = memory_context(store=store)
    retry.retry(ctx, "r0", actor="ann")
    assert [run_id for name, run_id, _ in client.calls if name == "rewind"] == ["r2", "r1", "r0"]


def test_a_retry_reaches_what_it_will_retry_each_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy is asked about just these: down to the bound, and once where two parents wait for the same run."""
    monkeypatch.setattr(retry, "MAX_DEPTH", 2)
    store = MemoryStateStore(clock=CLOCK)
    children = {"top": ["one", "two"], "one": ["shared"], "two": ["shared"], "shared": ["too-deep"], "too-deep": []}
    for run_id, wanted in children.items():
        store.put_run(make_run(run_id, status="failed", created_at_ms=T, finished_at_ms=T + 100))
        for seq, child in enumerate(wanted, start=1):
            store.put_step(make_step(run_id, seq, kind="remote", status="failed", child_run_id=child, started_at_ms=T))
    top = store.get_run("top")
    assert top is not None
    assert sorted(run.id for run in retry.retried_with(store, top)) == ["one", "shared", "two"]


def test_failed_children_before_the_step_that_failed_are_left_alone() -> None:
    """The parent caught their failure and keeps what it made of it."""
    store = MemoryStateStore(clock=CLOCK)
    store.put_run(make_run("r", status="failed", created_at_ms=T, finished_at_ms=T + 100))
    store.put_run(make_run("kid", status="failed", created_at_ms=T, finished_at_ms=T + 20, parent_id="r"))
    store.put_step(
        make_step("r", 1, name="ask", kind="remote", child_run_id="kid", started_at_ms=T, finished_at_ms=T + 20)
    )
    store.put_step(make_step("r", 2, status="failed", started_at_ms=T + 50))
    ctx, _, client = memory_context(store=store)
    retry.retry(ctx, "r", actor="ann")
    assert [run_id for _, run_id, _ in client.calls] == ["r"]


def test_a_run_that_runs_again_meanwhile_is_left_alone() -> None:
    """Somebody else's retry was taken by a worker while the children were retried."""
    store = MemoryStateStore(clock=CLOCK)
    failed_parent(store)

    def meanwhile(name: str, run_id: str) -> None:
        if run_id == "kid":
            store.set_columns("r", {"status": "PENDING", "completed_at": None, "executor_id": "e"})

    ctx, _, client = memory_context(store=store, before=meanwhile)
    assert retry.retry(ctx, "r", actor="ann").run.status == "suspended"  # until its child ends
    assert [run_id for _, run_id, _ in client.calls] == ["kid"]
    assert [entry.outcome for entry in ctx.ledger.audit(run_id="r")] == ["unchanged"]


@pytest.mark.parametrize("lost_at", [1, 2])
def test_nothing_is_written_once_the_lock_has_lapsed(lost_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither to the ledger nor to the engine: another action may have begun on the run."""
    store, ledger, fences = MemoryStateStore(clock=CLOCK), MemoryLedger(), []
    failed_run(store)

    def fence(lock: RunLock) -> None:
        fences.append(lock)
        if len(fences) == lost_at:
            raise Unavailable("another one began")

    monkeypatch.setattr(RunLock, "fence", fence)
    ctx, _, client = memory_context(store=store, ledger=ledger)
    with pytest.raises(Unavailable):
        retry.retry(ctx, "r", actor="ann")
    assert client.calls == []
    assert ("r" in ledger.kept_attempts(["r"])) is (lost_at == 2)


@pytest.mark.parametrize(
    ("fields", "noted"),
    [
        ({"deadline_at_ms": T + 5_000, "finished_at_ms": T + 5_100}, True),
        ({"deadline_at_ms": T + 5_000, "finished_at_ms": T + 4_000}, True),  # the stamps are of two clocks
        ({"deadline_at_ms": T + 5_000, "finished_at_ms": T + 3_999}, False),
        ({"deadline_at_ms": T + 5_000, "finished_at_ms": T + 9_000, "status": "dead"}, False),
        ({"deadline_at_ms": T + 5_000, "finished_at_ms": None, "updated_at_ms": T + 6_000}, True),
        ({"deadline_at_ms": None, "finished_at_ms": T + 5_000}, False),
    ],
)
def test_a_run_that_its_timeout_cancelled_is_told_that_it_gets_the_same_again(
    fields: dict[str, Any], noted: bool
) -> None:
    """The engine keeps the timeout's length."""
    run = make_run("r", **{"status": "cancelled", "created_at_ms": T, **fields})
    assert bool(retry._timeout_note(run)) is noted
