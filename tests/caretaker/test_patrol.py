"""The caretaker acts on open runs as everybody sees them: what is shown as blocked is what it mends."""

from __future__ import annotations

from dashboard.caretaker.caretaker import Caretaker, CaretakerSettings
from dashboard.caretaker.recovery import RecoveryPolicy
from dashboard.caretaker.upgrade import AutoUpgrade
from dashboard.read.listing import RunReader
from otel_bridge.ledger.base import Executor
from otel_bridge.model.runs import RunQuery
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run
from tests.actions.memory import memory_context

CLOCK = FakeClock()
T = CLOCK.now_ms


def executor(name: str, *, version: str, workflow: str = "order") -> Executor:
    """A worker that has one workflow."""
    return Executor(
        instance_id=name,
        executor_id=name,
        beat_at_ms=0,
        started_at_ms=T,
        app_version=version,
        workflows=(workflow,),
        runs=(),
    )


def scene() -> tuple[MemoryStateStore, MemoryLedger]:
    """One worker was lost two minutes ago, of the old version; one lives, and one that lacks the workflow."""
    clock = FakeClock(T)
    ledger, store = MemoryLedger(clock=clock), MemoryStateStore(clock=clock)
    for name, version in (("lost", "v2"), ("old", "v1")):
        ledger.heartbeat(executor(name, version=version))
    clock.advance(ms=120_000)
    ledger.heartbeat(executor("live", version="v2"))
    ledger.heartbeat(executor("bare", version="v2", workflow="other"))
    for run_id, status, holder, version, workflow in (
        ("held-by-lost", "running", "lost", "v2", "order"),
        ("taken-by-bare", "running", "bare", "v2", "order"),
        ("enqueued-by-lost", "pending", "lost", "v2", "order"),
        ("enqueued-by-lost-and-blocked", "pending", "lost", "v2", "nobody"),
        ("of-old", "pending", None, "v1", "order"),
    ):
        store.put_run(
            make_run(
                run_id,
                status=status,  # type: ignore[arg-type]
                executor=holder,
                workflow=workflow,
                workflow_version=version,
                created_at_ms=T,
                updated_at_ms=T,
                queue="q" if status == "pending" else None,
            )
        )
    return store, ledger


def blocked(store: MemoryStateStore, ledger: MemoryLedger) -> dict[str, str]:
    """The runs that are listed as blocked, with why."""
    ctx, _, _ = memory_context(store=store, ledger=ledger)
    runs = RunReader(store, ctx.presence, lambda: ledger).page(RunQuery(statuses=frozenset({"blocked"}))).runs
    return {run.id: run.blocked.code for run in runs if run.blocked is not None}


def test_what_is_shown_as_blocked_is_what_is_put_back() -> None:
    """A lost worker's run and one that an unable worker took; none that only waits, whoever enqueued it."""
    store, ledger = scene()
    assert blocked(store, ledger) == {
        "held-by-lost": "executor_lost",
        "taken-by-bare": "workflow_unregistered",
        "enqueued-by-lost-and-blocked": "workflow_unregistered",
        "of-old": "version_gone",
    }
    ctx, _, client = memory_context(store=store, ledger=ledger)
    assert Caretaker(lambda: ctx, CaretakerSettings(recover=RecoveryPolicy(grace_s=1))).tick()
    assert {run_id for _, run_id, _ in client.calls} == {"held-by-lost", "taken-by-bare"}
    assert set(blocked(store, ledger)) == {"enqueued-by-lost-and-blocked", "of-old"}


def test_runs_of_a_version_that_is_gone_are_moved_when_that_is_on() -> None:
    """They too are found as they are shown."""
    store, ledger = scene()
    ctx, _, client = memory_context(store=store, ledger=ledger)
    upgrade = AutoUpgrade(grace_s=1, only_if_steps_match=False)
    assert Caretaker(lambda: ctx, CaretakerSettings(upgrade=upgrade)).tick()
    assert "of-old" in {run_id for _, run_id, _ in client.calls}
    moved = store.get_run("of-old")
    assert moved is not None
    assert moved.workflow_version == "v2"
    assert "of-old" not in blocked(store, ledger)


def test_a_worker_that_is_gone_and_only_enqueued_is_forgotten() -> None:
    """Its row tells nothing of the runs that wait: any other may take them."""
    store, ledger = scene()
    ctx, _, _ = memory_context(store=store, ledger=ledger)
    store.delete_run("held-by-lost")
    Caretaker(lambda: ctx, CaretakerSettings(executors_kept_s=60))._forget_executors(ctx)
    assert {one.executor_id for one in ledger.executors()} == {"live", "bare"}
