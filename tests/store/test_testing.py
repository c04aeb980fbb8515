"""The memory store and the builders that we ship for tests: what is put is what is read."""

from __future__ import annotations

import doctest
import gc
import sqlite3
from collections.abc import Iterator

import pytest

import otel_bridge.testing
from otel_bridge.errors import StoreUnavailableError
from otel_bridge.model.fleet import QueueInfo, ScheduleInfo
from otel_bridge.model.runs import Run, Waiting
from otel_bridge.model.steps import Step
from otel_bridge.testing import FakeClock, MemoryStateStore, make_run, make_step
from otel_bridge.testing.clock import DEFAULT_TIME_MS


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> Iterator[MemoryStateStore]:
    """An empty store."""
    opened = MemoryStateStore(clock=clock)
    yield opened
    opened.close()


NOW = FakeClock().now_ms
RUNS = [
    make_run(status="running"),
    make_run(status="pending", queue="q", waiting=Waiting("queue", "q", NOW)),
    make_run(
        status="pending",
        queue="q",
        wake_at_ms=NOW + 9,
        delayed_until_ms=NOW + 9,
        waiting=Waiting("delay", "q", NOW, NOW + 9),
    ),
    make_run(status="suspended", wake_at_ms=NOW + 9000, waiting=Waiting("sleep", None, NOW, NOW + 9000, 3)),
    make_run(status="suspended", waiting=Waiting("signal", None, NOW, NOW + 9000, 3)),
    make_run(status="suspended", waiting=Waiting("webhook", "payment", NOW, None, 3)),
    make_run(status="suspended", waiting=Waiting("breakpoint", "check", NOW, NOW + 9000, 3)),
    make_run(status="completed", attributes={"a": 1}, parent_id="p", forked_from="f", namespace="app"),
    make_run(status="failed", workflow_version="v1", executor="e", recovery_attempts=3, priority=2),
    make_run(status="cancelled", schedule="s", class_name="C", config_name="c", serialization="py_pickle"),
    make_run(status="cancelling", undo_id="undo:run-1"),
    make_run(status="dead", deadline_at_ms=5, authenticated_user="ann", deduplication_id="d"),
]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.status}-{run.waiting.on if run.waiting else ''}")
def test_a_run_that_was_put_is_read_back(store: MemoryStateStore, run: Run) -> None:
    """Whatever its status, with what makes that status true."""
    store.put_run(run)
    assert store.get_run("run-1") == run


STEPS = [
    make_step(),
    make_step(status="failed"),
    make_step(
        kind="remote",
        name="ship",
        child_run_id="c",
        child_forgotten=True,
        asked_at_ms=DEFAULT_TIME_MS,
        folded=(4,),
        has_output=True,
    ),
    make_step(kind="sleep", name="DBOS.sleep", wake_at_ms=NOW + 10),
    make_step(kind="signal", name="DBOS.recv", waits_on="signal", has_output=True),
    make_step(seq=2, kind="signal", name="webhook:payment", waits_on="webhook", folded=(1,)),
    make_step(kind="signal", name="DBOS.recv", status="pending", waits_on="signal", wake_at_ms=NOW + 99, folded=(2,)),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.kind}-{step.name}-{step.status}")
def test_a_step_that_was_put_is_read_back(store: MemoryStateStore, clock: FakeClock, step: Step) -> None:
    """As the rows that an engine would have written for it."""
    clock.advance(ms=20)
    store.put_run(make_run())
    store.put_step(step)
    assert store.get_steps("run-1") == [step]


def test_a_run_can_go_on_and_back(store: MemoryStateStore) -> None:
    """Putting it again, deleting steps as a rewind does, deleting it."""
    before = store.change_token()
    store.put_run(make_run(status="failed"))
    store.put_step(make_step(seq=1))
    store.put_step(make_step(seq=2, status="failed"))
    assert store.change_token() != before
    store.delete_steps("run-1", from_seq=2)
    store.set_columns("run-1", {"status": "ENQUEUED"})
    run = store.get_run("run-1")
    assert run is not None
    assert run.status == "pending"
    assert [step.seq for step in store.get_steps("run-1")] == [1]
    store.delete_run("run-1")
    assert store.get_run("run-1") is None


def test_payloads_events_queues_and_schedules_can_be_put(store: MemoryStateStore) -> None:
    """Everything that the protocol reads can be written here."""
    store.put_run(make_run())
    store.put_payload("run-1", "input", "in")
    store.put_payload("run-1", "output", "out")
    store.put_event("run-1", "progress", "50")
    queue = QueueInfo(name="q", depth=0, running=0, oldest_created_at_ms=None, concurrency=2, polling_interval_s=0.5)
    schedule = ScheduleInfo(name="s", workflow="w", schedule="* * * * *", active=False)
    store.put_queue(queue)
    store.put_schedule(schedule)
    found = store.get_payload("run-1", "input")
    assert found is not None
    assert found.text == "in"
    assert [event.value.text for event in store.published_events("run-1")] == ["50"]
    assert store.queues() == [queue]
    assert store.schedules() == [schedule]


def test_a_closed_store_says_so(store: MemoryStateStore) -> None:
    """As the real ones do."""
    store.close()
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        store.get_run("x")


def test_it_says_what_it_is(store: MemoryStateStore) -> None:
    """Nobody takes it for a database."""
    info = store.check()
    assert (info.dialect, info.warnings, store.url) == ("memory", (), "sqlite:///:memory:")


def test_the_example_in_the_docstring_works() -> None:
    """What is shown is what happens."""
    outcome = doctest.testmod(otel_bridge.testing)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_a_store_that_nobody_closed_leaves_no_open_database() -> None:
    """Python warns of one from 3.13 on, and a test need not close what it only looked at."""
    store = MemoryStateStore()
    connection = store._connection
    del store
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
