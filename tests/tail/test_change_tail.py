"""``ChangeTail``: the store's changes as lifecycle events, once each and in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from otel_bridge.codec import Codec, redact_keys
from otel_bridge.ledger.base import AuditEntry, Executor, InFlightStep, Lease
from otel_bridge.model.runs import Waiting
from otel_bridge.runs.attempts import overlay_requeue
from otel_bridge.runs.in_hand import action_lease
from otel_bridge.tail.changes import ChangeTail
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run, make_step
from tests.codec.helpers import pickled

START = 1_700_000_000_000


def new_tail(**options: object) -> tuple[MemoryStateStore, FakeClock, ChangeTail]:
    clock = FakeClock(START)
    store = MemoryStateStore(clock=clock)
    ticks = iter(range(1_000_000))
    return store, clock, ChangeTail(store, monotonic=lambda: float(next(ticks)), **options)  # type: ignore[arg-type]


def events(tail: ChangeTail, **options: object) -> list[str]:
    return [
        f"{event.type} {event.name}" if event.seq is not None else event.type
        for change in tail.poll(**options)  # type: ignore[arg-type]
        for event in change.events
    ]


def test_a_run_is_told_from_pending_to_completed():
    """Pending, started, its steps, completed; nothing twice."""
    store, _, tail = new_tail()
    store.put_run(make_run("a", status="pending", created_at_ms=START, queue="q"))
    assert events(tail) == ["run.pending"]
    store.put_run(make_run("a", status="running", created_at_ms=START, started_at_ms=START + 10))
    assert events(tail) == ["run.started"]
    store.put_step(make_step("a", 1, started_at_ms=START + 20))
    assert events(tail) == ["step.completed charge"]
    assert events(tail) == []
    store.put_run(
        make_run("a", status="completed", created_at_ms=START, started_at_ms=START + 10, finished_at_ms=START + 40)
    )
    assert events(tail) == ["run.completed"]
    assert events(tail) == []


def test_a_run_that_the_engine_put_back_is_known_as_such_for_as_long_as_it_is_followed() -> None:
    """No row says so where the engine was given a queue of the application's: who saw the run end knows."""
    store, _, tail = new_tail()
    cancelled = make_run("a", status="cancelled", created_at_ms=START, finished_at_ms=START + 40, queue="q")
    store.put_run(replace(cancelled, started_at_ms=None))
    tail.poll()
    again = make_run("a", created_at_ms=START, started_at_ms=START + 9_000, updated_at_ms=START + 9_000, queue="q")
    store.put_run(again)
    (began,) = tail.poll()
    assert [event.type for event in began.events] == ["run.pending", "run.started"]
    assert (began.run.resumed_by_engine, began.run.requeued_at_ms, began.run.queue_ms) == (True, START + 40, None)
    store.put_run(replace(again, status="completed", finished_at_ms=START + 9_500))
    (over,) = tail.poll()
    assert (over.events[-1].type, over.run.queue_ms) == ("run.completed", None)
    # A retry of ours is in the audit log, and tells better; one before the end that was seen is of another life.
    retry = AuditEntry(at_ms=START + 8_900, actor="ada", action="retry", run_id="a", outcome="done")
    assert overlay_requeue(over.run, [retry]).queue_ms == 100
    assert overlay_requeue(over.run, [replace(retry, at_ms=START - 9_000)]).queue_ms is None


def test_a_run_seen_only_after_it_ended_is_reported_whole():
    """Between two polls a short run may begin and end."""
    store, _, tail = new_tail()
    store.put_step(make_step("a", 1, started_at_ms=START + 1))
    store.put_run(make_run("a", status="completed", created_at_ms=START, finished_at_ms=START + 40))
    assert events(tail) == ["run.pending", "run.started", "step.completed charge", "run.completed"]


def test_what_happened_before_the_tail_began_is_not_reported():
    """A tail begins now: old steps of an old run are no news, its new ones are."""
    store, _, tail = new_tail()
    store.put_run(make_run("a", status="running", created_at_ms=START - 60_000))
    store.put_step(make_step("a", 1, started_at_ms=START - 50_000))
    store.put_step(make_step("a", 2, name="ship", started_at_ms=START + 5))
    assert events(tail) == ["step.completed ship"]


def test_a_failure_says_what_went_wrong():
    """``error`` is the stored error's message, decoded without running it."""
    store, _, tail = new_tail()
    store.put_run(make_run("a", status="running", created_at_ms=START))
    tail.poll()
    store.put_row(
        "operation_outputs",
        workflow_uuid="a",
        function_id=1,
        function_name="charge",
        error='{"name": "ValueError", "message": "no funds"}',
        serialization="portable_json",
        started_at_epoch_ms=START + 1,
        completed_at_epoch_ms=START + 2,
        retention_timestamp=START + 2,
    )
    (change,) = tail.poll()
    assert [(event.type, event.error) for event in change.events] == [("step.failed", "no funds")]


def test_a_child_that_failed_says_why_before_its_run_asks_for_the_result() -> None:
    """Its step has failed from then on, and is told once: that it failed and with what belong together."""
    store, _, tail = new_tail()
    store.put_run(make_run("a", status="running", created_at_ms=START))
    tail.poll()
    child = make_run("a-1", status="failed", created_at_ms=START, parent_id="a", serialization="portable_json")
    store.put_run(replace(child, finished_at_ms=START + 50))
    store.put_payload("a-1", "error", '{"name": "ValueError", "message": "no funds"}')
    started = {"workflow_uuid": "a", "function_id": 1, "function_name": "charge", "child_workflow_id": "a-1"}
    store.put_row("operation_outputs", **started, started_at_epoch_ms=START + 1, retention_timestamp=START + 2)
    told = [(event.type, event.error) for change in tail.poll() for event in change.events if event.run_id == "a"]
    assert told == [("step.failed", "no funds")]


def test_a_wait_is_reported_as_suspended_and_its_end_as_resumed():
    """Suspended names what is awaited; a second wait is a new suspension."""
    store, clock, tail = new_tail()
    run = make_run("a", status="running", created_at_ms=START)
    store.put_run(run)
    tail.poll()
    waiting = Waiting("breakpoint", "approve", START + 5, START + 60_000, 2)
    store.put_run(replace(run, status="suspended", waiting=waiting))
    (change,) = tail.poll()
    assert [(event.type, event.name) for event in change.events if event.type == "run.suspended"] == [
        ("run.suspended", "approve")
    ]
    clock.advance(s=61)
    assert "run.resumed" in events(tail)


def test_a_retry_of_an_ended_run_is_told_from_pending_on():
    """The same id lives again: pending, started, and its new end."""
    store, _, tail = new_tail()
    store.put_run(make_run("a", status="failed", created_at_ms=START, finished_at_ms=START + 5))
    tail.poll()
    store.put_run(make_run("a", status="pending", created_at_ms=START, queue="q"))
    assert events(tail, watch=["a"]) == ["run.pending"]
    store.put_run(make_run("a", status="completed", created_at_ms=START, finished_at_ms=START + 90))
    assert events(tail) == ["run.started", "run.completed"]


def test_a_step_that_an_executor_executes_is_reported_as_started():
    """Only presence knows: the store gets a step's row when the step has ended."""
    ledger = MemoryLedger()
    store, _, tail = new_tail(ledger=ledger)
    store.put_run(make_run("a", status="running", created_at_ms=START))
    tail.poll()
    step = InFlightStep(run_id="a", seq=1, name="charge", started_at_ms=START + 5)
    ledger.heartbeat(
        Executor(
            instance_id="i", executor_id="e", beat_at_ms=0, started_at_ms=START, in_flight=(step,), in_flight_total=1
        )
    )
    (change,) = tail.poll()
    assert [(event.type, event.name) for event in change.events] == [("step.started", "charge")]
    assert [(step.seq, step.status) for step in change.steps] == [(1, "running")]


def test_the_events_of_a_child_say_how_long_it_waited_in_its_queue():
    """The same figures as its step has in the timeline; a local step waited for nobody."""
    store, _, tail = new_tail()
    store.put_run(make_run("a", status="running", created_at_ms=START))
    store.put_step(make_step("a", 1, started_at_ms=START + 5))
    child = make_run("a-2", status="completed", parent_id="a", queue="q", started_at_ms=START + 40, created_at_ms=START)
    store.put_run(replace(child, finished_at_ms=START + 50))
    store.put_step(
        make_step("a", 2, kind="remote", child_run_id="a-2", enqueued_at_ms=START + 10, finished_at_ms=START + 90)
    )
    change = next(change for change in tail.poll() if change.run.id == "a")
    steps = [(event.seq, event.queue_ms, event.duration_ms) for event in change.events if event.seq is not None]
    assert steps == [(1, None, 10), (2, 30, 10)]


def test_a_pending_run_that_nobody_can_run_is_blocked():
    """Executors report, and none of them has the run's version: somebody should know."""
    ledger = MemoryLedger()
    store, _, tail = new_tail(ledger=ledger)
    ledger.heartbeat(Executor(instance_id="i", executor_id="e", beat_at_ms=0, started_at_ms=START, app_version="v2"))
    age_ms = ledger.now_ms()
    store.put_run(make_run("a", status="pending", created_at_ms=age_ms - 60_000, workflow_version="v1", queue="q"))
    statuses = [change.run.status for change in tail.poll(watch=["a"])]
    assert statuses == ["blocked"]


def test_errors_in_events_are_redacted():
    """The hook that guards payloads guards the stream: a run's error and a step's, by the keys that they hold."""
    store, _, tail = new_tail(codec=Codec(redact=redact_keys(["*card*"])))
    error = pickled(ValueError("declined", {"card": "4111"}))
    store.put_run(
        make_run("a", status="failed", created_at_ms=START, finished_at_ms=START + 9, serialization="py_pickle")
    )
    store.put_payload("a", "error", error.text)
    store.put_step(make_step("a", 1, status="failed", started_at_ms=START + 1, error=error))
    reported = {event.type: event.error for change in tail.poll() for event in change.events if event.error}
    assert reported == dict.fromkeys(["step.failed", "run.failed"], '(\'declined\', {"card": "[redacted]"})')


def started_undo(store: MemoryStateStore) -> None:
    """Cancel run ``a`` and begin its undo, as the engine's rows tell it."""
    store.put_run(make_run("a", status="cancelled", created_at_ms=START, finished_at_ms=START + 10))
    store.put_run(make_run("undo:a", workflow="durable.undo", status="running", created_at_ms=START + 20))


def ended_undo(store: MemoryStateStore) -> None:
    """Compensate one step and end the undo."""
    store.put_step(make_step("undo:a", 1, name="compensate:charge", started_at_ms=START + 30))
    store.put_run(
        make_run(
            "undo:a", workflow="durable.undo", status="completed", created_at_ms=START + 20, finished_at_ms=START + 50
        )
    )


COMPENSATED = ["run.pending", "run.started", "step.completed compensate:charge", "run.completed"]


def test_an_undo_is_reported_between_cancelling_and_the_end_however_often_one_looks():
    """Each look sees a part; a viewer that stops at the run's end has seen its compensations."""
    store, _, tail = new_tail()
    store.put_run(make_run("a", status="running", created_at_ms=START))
    tail.poll()
    started_undo(store)
    seen = events(tail)
    ended_undo(store)
    seen += events(tail)
    assert seen == ["run.cancelling", *COMPENSATED, "run.cancelled"]


def test_an_undo_that_began_and_ended_between_two_looks_is_reported_in_the_same_order():
    """Nobody saw the run as ``cancelling``; it was, and the row sent with that event says so."""
    store, _, tail = new_tail()
    store.put_run(make_run("a", status="running", created_at_ms=START))
    tail.poll()
    started_undo(store)
    ended_undo(store)
    changes = tail.poll()
    reported = [(event.type, event.run_id, event.at_ms - START) for change in changes for event in change.events]
    assert [kind for kind, *_ in reported] == [
        "run.cancelling",
        "run.pending",
        "run.started",
        "step.completed",
        "run.completed",
        "run.cancelled",
    ]
    assert [at for kind, run_id, at in reported if run_id == "a"] == [10, 50]
    assert [change.run.status for change in changes] == ["cancelling", "completed", "cancelled"]


def test_no_step_is_reported_before_its_run_has_started():
    """The run's row was read before a worker took it, its steps after."""
    store, _, tail = new_tail()
    store.put_run(make_run("a", status="pending", created_at_ms=START, queue="q"))
    tail.poll()
    store.put_step(make_step("a", 1, started_at_ms=START + 20))
    assert events(tail) == []
    store.put_run(make_run("a", status="running", created_at_ms=START, started_at_ms=START + 10))
    assert events(tail) == ["run.started", "step.completed charge"]


def cancelled_by_an_action() -> tuple[MemoryStateStore, ChangeTail, Callable[[], None]]:
    """Return a store and a tail with a run that an action of ours has cancelled, and what ends the action."""
    ledger = MemoryLedger()
    store, _, tail = new_tail(ledger=ledger)
    store.put_run(make_run("a", status="running", created_at_ms=START, queue="q"))
    tail.poll()
    lease = ledger.acquire_lease(action_lease("a"), "me", ttl_s=60)
    assert lease is not None
    store.put_run(make_run("a", status="cancelled", created_at_ms=START, finished_at_ms=START + 40))
    return store, tail, lambda: ledger.release_lease(lease)


def test_a_run_that_an_action_moves_is_not_told_as_cancelled() -> None:
    """The engine moves only what has ended, so a move cancels first: who stops at an end would stop there."""
    store, tail, done = cancelled_by_an_action()
    assert (events(tail), events(tail)) == ([], [])
    store.put_run(make_run("a", status="running", created_at_ms=START, started_at_ms=START + 60, queue="q"))
    done()
    assert events(tail) == ["run.started"]


def test_what_is_cancelled_when_its_action_is_over_has_ended() -> None:
    """A cancel is an action too, and nothing else changes in the store when its lease is given up."""
    _, tail, done = cancelled_by_an_action()
    assert events(tail) == []
    done()
    assert (events(tail), events(tail)) == (["run.cancelled"], [])


def test_a_move_that_ended_while_one_looked_is_not_told_as_cancelled_either() -> None:
    """The run was read before the move's second write, and its lease looked for after it."""

    class Moving(MemoryLedger):
        def lease_holder(self, name: str) -> Lease | None:
            store.put_run(make_run("a", status="pending", created_at_ms=START, queue="q"))
            return super().lease_holder(name)

    store, _, tail = new_tail(ledger=Moving())
    store.put_run(make_run("a", status="pending", created_at_ms=START, queue="q"))
    tail.poll()
    store.put_run(make_run("a", status="cancelled", created_at_ms=START, finished_at_ms=START + 40))
    assert "run.cancelled" not in [*events(tail), *events(tail)]


def test_the_steps_that_a_retry_executes_again_are_reported_again():
    """The engine deletes them at the rewind, while the run is pending."""
    store, _, tail = new_tail()
    failed = make_step("a", 2, status="failed", started_at_ms=START + 3)
    store.put_run(make_run("a", status="failed", created_at_ms=START, finished_at_ms=START + 5))
    store.put_step(make_step("a", 1, name="reserve", started_at_ms=START + 1))
    store.put_step(failed)
    tail.poll()
    store.delete_steps("a", from_seq=2)
    store.put_run(make_run("a", status="pending", created_at_ms=START, queue="q"))
    assert events(tail, watch=["a"]) == ["run.pending"]
    store.put_step(failed)
    store.put_run(make_run("a", status="failed", created_at_ms=START, finished_at_ms=START + 90))
    assert events(tail) == ["run.started", "step.failed charge", "run.failed"]


@pytest.mark.parametrize("looks", [False, True])
def test_a_step_that_ends_in_a_retry_as_it_did_before_is_reported_again(looks: bool) -> None:
    """Also where the run was put back, executed and ended between two looks; what the retry kept is not."""
    store, clock, tail = new_tail()

    def lives(at_ms: int, *, fresh: Sequence[int]) -> None:
        clock.now_ms = at_ms + 40
        for seq in fresh:
            store.put_step(make_step("a", seq, status="failed" if seq == 2 else "completed", started_at_ms=at_ms + seq))
        store.put_run(
            make_run(
                "a",
                status="failed",
                created_at_ms=START,
                started_at_ms=at_ms,
                updated_at_ms=at_ms + 30,
                finished_at_ms=at_ms + 30,
            )
        )

    lives(START, fresh=(1, 2))
    assert events(tail)[2:] == ["step.completed charge", "step.failed charge", "run.failed"]
    if looks:  # the row is read before the worker takes the run, its steps after that
        clock.now_ms = START + 5_000
        store.put_run(
            make_run("a", status="pending", created_at_ms=START, started_at_ms=None, updated_at_ms=START + 5_000)
        )
        store.put_step(make_step("a", 2, status="failed", started_at_ms=START + 5_002))
        assert events(tail) == ["run.pending"]
    lives(START + 5_000, fresh=(2,))
    heard = events(tail)
    assert heard == [*([] if looks else ["run.pending"]), "run.started", "step.failed charge", "run.failed"]
    assert events(tail) == []


def test_a_run_that_only_waits_is_not_reported_as_resumed():
    """It asks for its children's results one after the other: other names, the same wait."""
    store, _, tail = new_tail()
    store.put_run(make_run("a", status="running", created_at_ms=START))
    for seq in (1, 2):
        child = f"a-{seq}"
        store.put_run(make_run(child, workflow=f"kid{seq}", status="running", created_at_ms=START, parent_id="a"))
        store.put_step(make_step("a", seq, name=f"kid{seq}", kind="remote", child_run_id=child, status="running"))
    seen = [kind for kind in events(tail, watch=["a"]) if kind.startswith("run.")]
    assert "run.suspended" in seen
    store.put_run(
        make_run(
            "a-1", workflow="kid1", status="completed", created_at_ms=START, finished_at_ms=START + 9, parent_id="a"
        )
    )
    reported = [event for change in tail.poll(watch=["a"]) if change.run.id == "a" for event in change.events]
    assert [event.type for event in reported if event.seq is None] == []
