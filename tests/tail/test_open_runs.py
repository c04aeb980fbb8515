"""Open runs whose change leaves no stamp that has an index, or none at all: found without reading all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from otel_bridge.errors import StoreUnavailableError
from otel_bridge.ledger.base import Cursor, Executor, InFlightStep
from otel_bridge.model.runs import Run, Waiting
from otel_bridge.runs.blocked import BLOCKED_AFTER_MS
from otel_bridge.tail import open_runs
from otel_bridge.tail.changes import ChangeTail
from otel_bridge.tail.scanner import StoreScanner
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run, make_step

START = 1_700_000_000_000
LONG_AGO = START - 3_600_000


class Scene:
    """A store, its clock, and a scanner that has looked once."""

    def __init__(self, *runs: Run, **options: Any) -> None:
        self.clock, self.now_s = FakeClock(START), 0.0
        self.store = MemoryStateStore(clock=self.clock)
        for run in runs:
            self.store.put_run(run)
        self.scanner = StoreScanner(self.store, open_every_s=1.0, monotonic=lambda: self.now_s, **options)
        self.cursor = Cursor(steps_ms=START, runs_ms=START)
        self.look()

    def look(self) -> dict[str, str]:
        """Return the status of each run that is reported."""
        scan = self.scanner.scan(self.cursor)
        self.cursor = scan.cursor
        return {run.id: run.status for run in scan.runs.values()}

    def later(self, seconds: float) -> dict[str, str]:
        """Let time pass, then look."""
        self.now_s += seconds
        self.clock.advance(ms=int(seconds * 1000))
        return self.look()


def asleep(run_id: str, until_ms: int, **fields: Any) -> Run:
    waiting = Waiting("sleep", None, LONG_AGO, until_ms, 1)
    return make_run(run_id, status="suspended", created_at_ms=LONG_AGO, waiting=waiting, wake_at_ms=until_ms, **fields)


def counted(store: MemoryStateStore) -> list[str]:
    """Return a list that grows with every statement."""
    statements: list[str] = []
    rows = store.rows

    def count(sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        statements.append(sql)
        return rows(sql, params)

    store.rows = count  # type: ignore[method-assign]
    return statements


# -- by the clock ----------------------------------------------------------------------------------------------------


def test_while_nothing_is_committed_only_a_run_whose_time_has_come_is_read():
    """A thousand sleepers cost nothing; the one that wakes is reported at the next look, whatever ``open_every_s``."""
    scene = Scene(asleep("soon", START + 500), *(asleep(f"late-{n}", START + 9_000_000) for n in range(50)))
    statements = counted(scene.store)
    assert scene.later(0.4) == {}
    assert statements == []
    assert scene.later(0.2) == {"soon": "running"}
    assert scene.later(0.2) == {}


def test_a_wait_that_times_out_a_little_after_what_was_announced_is_reported():
    """People see the deadline before the engine computes its own: at the announced moment it waits still."""
    scene = Scene(make_run("a", status="running", created_at_ms=LONG_AGO))
    scene.store.put_wait_event("a", 1, "webhook", "carrier", until_ms=START + 1_000, at_ms=START)
    scene.store.put_step(
        make_step("a", 2, name="DBOS.recv", kind="signal", status="running", started_at_ms=START, finished_at_ms=None)
    )
    scene.store.rows(
        "UPDATE operation_outputs SET output = ? WHERE function_name = 'DBOS.sleep'", [str((START + 1_300) / 1000)]
    )
    assert scene.later(0.1) == {"a": "suspended"}
    assert scene.later(1.0) == {}
    assert scene.later(1.0) == {"a": "running"}


def test_a_run_that_never_leaves_its_overdue_wait_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch):
    """After some tries it is left to the rare look at everything."""
    monkeypatch.setattr(open_runs, "EVERYTHING_EVERY_S", 1e9)
    scene = Scene()
    scene.scanner._open.note(asleep("gone", START + 100))
    reads = counted(scene.store)
    for _ in range(open_runs.OVERDUE_TRIES + 5):
        scene.later(1.5)
    assert len(reads) == open_runs.OVERDUE_TRIES + 1


def test_everything_is_looked_at_now_and_then():
    """What no mark and no clock showed is found in half a minute: here, an event that a step row does not announce."""
    scene = Scene(asleep("a", START + 9_000_000))
    scene.store._version -= 1
    scene.store.rows("DELETE FROM operation_outputs")
    assert scene.later(1.0) == {}
    assert scene.later(open_runs.EVERYTHING_EVERY_S) == {"a": "running"}


# -- by the run's row ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"status": "ENQUEUED", "queue_name": "q", "started_at_epoch_ms": None}, "pending"),
        ({"status": "CANCELLED", "started_at_epoch_ms": None}, "cancelled"),
        ({"status": "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "started_at_epoch_ms": None}, "dead"),
        ({"queue_name": "other"}, "running"),
        ({"executor_id": "e-2"}, "running"),
        ({"attributes": '{"tenant": "b"}'}, "running"),
    ],
    ids=["re-enqueued", "cancelled", "dead", "another queue", "another executor", "new attributes"],
)
def test_a_change_of_a_runs_row_without_a_stamp_is_reported(columns: dict[str, Any], status: str):
    """``updated_at`` has no index, engines before 3.x stamp no cancelled run, and a stamp may be a second coarse."""
    run = make_run("a", status="running", created_at_ms=LONG_AGO, started_at_ms=LONG_AGO, updated_at_ms=LONG_AGO)
    scene = Scene(run, make_run("b", status="running", created_at_ms=LONG_AGO))
    scene.store.set_columns("a", columns)
    assert scene.later(1.1) == {"a": status}
    assert scene.later(1.1) == {}


def test_a_change_between_two_looks_at_the_rows_is_not_forgotten():
    """The store says "changed" once; the look that is due later has to remember it."""
    scene = Scene(make_run("a", status="running", created_at_ms=LONG_AGO))
    scene.later(1.1)
    scene.store.set_columns("a", {"queue_name": "q"})
    assert scene.later(0.5) == {"a": "running"} or scene.later(0.6) == {"a": "running"}


def test_a_parent_whose_child_ended_waits_for_it_no_longer():
    """Its own row does not change before somebody picks it up."""
    parent = make_run("p", status="running", created_at_ms=LONG_AGO)
    child = make_run("c", status="running", created_at_ms=LONG_AGO, parent_id="p")
    scene = Scene(parent, child)
    scene.store.put_step(
        make_step("p", 1, kind="remote", status="running", child_run_id="c", finished_at_ms=None, enqueued_at_ms=START)
    )
    assert scene.later(0.1) == {"p": "suspended"}
    ended = replace(child, status="completed", finished_at_ms=START + 5_000)
    scene.store.put_run(ended)
    assert scene.later(0.1) == {"c": "completed", "p": "running"}


def test_the_end_of_an_undo_and_a_handlers_start_are_reported_for_the_runs_they_are_for():
    """Their rows say so, and not the rows of the cancelled and of the dead run."""
    scene = Scene(
        make_run("x", status="cancelling", created_at_ms=LONG_AGO, finished_at_ms=LONG_AGO, updated_at_ms=LONG_AGO),
        make_run("d", status="dead", created_at_ms=LONG_AGO, finished_at_ms=LONG_AGO),
    )
    scene.store.set_columns("undo:x", {"status": "SUCCESS", "completed_at": START + 10})
    scene.store.put_run(make_run("dlq:d", status="pending", created_at_ms=START + 10))
    found = scene.later(0.1)
    assert found["x"] == "cancelled"
    assert found["d"] == "dead"


def test_a_run_that_ends_while_open_runs_are_read_hides_no_other():
    """All are of one moment: "is any run still open" is never answered with no while there is one."""
    scene = Scene(
        make_run("old", status="running", created_at_ms=LONG_AGO),
        make_run("new", status="running", created_at_ms=LONG_AGO + 1),
    )
    rows = scene.store.rows

    def ending(sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        found = rows(sql, params)
        rows("UPDATE workflow_status SET status = 'SUCCESS' WHERE workflow_uuid = 'new'")
        return found

    scene.store.rows = ending  # type: ignore[method-assign]
    assert [run.id for run in scene.store.open_runs(limit=1)] == ["new"]
    assert [run.id for run in scene.store.open_runs(limit=1)] == ["old"]


# -- by who is there -------------------------------------------------------------------------------------------------


BODY = InFlightStep(run_id="a", seq=None, name="order", started_at_ms=LONG_AGO)


class Live(Scene):
    """A change tail over the store, with a ledger that executors beat in."""

    def __init__(self, *runs: Run) -> None:
        super().__init__(*runs)
        self.ledger = MemoryLedger(clock=self.clock)
        self.tail = ChangeTail(self.store, ledger=self.ledger, monotonic=lambda: self.now_s)

    def look(self) -> dict[str, str]:
        if not hasattr(self, "tail"):
            return {}
        return {change.run.id: change.run.status for change in self.tail.poll()}

    def beat(self, *in_flight: InFlightStep, name: str = "e") -> None:
        self.ledger.heartbeat(
            Executor(
                instance_id=name,
                executor_id=name,
                beat_at_ms=0,
                started_at_ms=LONG_AGO,
                in_flight=in_flight,
                in_flight_total=len(in_flight),
                runs=tuple(step.run_id for step in in_flight),
                runs_total=len(in_flight),
            )
        )


def test_a_run_whose_executor_goes_silent_is_reported_as_blocked_and_back():
    """Nothing is committed to the engine's tables; viewers learn it all the same."""
    run = make_run("a", status="running", created_at_ms=LONG_AGO, updated_at_ms=LONG_AGO, executor="e")
    live = Live(run)
    live.beat(BODY)
    assert live.later(1.1) == {"a": "running"}
    assert live.later(1.1) == {}
    assert live.later(30) == {"a": "blocked"}
    live.beat(BODY)
    assert live.later(1.1) == {"a": "running"}
    live.beat()
    assert live.later(1.1) == {"a": "blocked"}, "the executor is alive, and does not drive the run any more"


def test_a_run_that_nobody_picks_up_is_reported_as_blocked_when_it_has_waited_long_enough():
    """Executors are there, of another version: after a while that is worth telling, without a change of rows."""
    live = Live()
    live.beat()
    live.look()
    live.store.put_run(make_run("a", status="pending", created_at_ms=START, workflow_version="v9", queue="q"))
    live.ledger.heartbeat(replace(live.ledger.executors()[0], app_version="v1"))
    assert live.later(1.1) == {"a": "pending"}
    seen: dict[str, Any] = {}
    for _ in range(BLOCKED_AFTER_MS // 1000 + 1):
        live.ledger.heartbeat(replace(live.ledger.executors()[0], app_version="v1"))
        seen |= live.later(1.0)
    assert seen == {"a": "blocked"}


def test_a_step_that_lasts_is_read_once_not_at_every_look():
    """Only what an executor began or left makes its run worth reading."""
    live = Live(make_run("a", status="running", created_at_ms=LONG_AGO, executor="e"))
    step = InFlightStep(run_id="a", seq=1, name="charge", started_at_ms=START)
    live.beat(step)
    assert live.later(1.1) == {"a": "running"}
    statements = counted(live.store)
    for _ in range(5):
        live.beat(step)
        live.later(1.1)
    assert statements == []
    live.beat(BODY)
    assert live.later(1.1) == {"a": "running"}, "the step is gone, and left no row"


# -- when the store fails --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["get_steps_of", "get_runs", "get_payload", "open_marks"])
def test_a_look_that_fails_half_way_loses_nothing(broken: str, monkeypatch: pytest.MonkeyPatch):
    """The server is restarted between two statements of one look: the next look tells what this one had found."""
    live = Live(make_run("a", status="running", created_at_ms=LONG_AGO))
    live.look()
    live.store.put_run(make_run("b", status="running", created_at_ms=START + 1, started_at_ms=START + 1))
    live.store.put_step(make_step("a", 1, started_at_ms=START + 2))
    live.store.put_run(make_run("c", status="failed", created_at_ms=START + 1, finished_at_ms=START + 2))
    live.store.put_payload("c", "error", '{"name": "E", "message": "no funds"}')
    live.now_s += 1.1

    def unavailable(*args: Any, **kwargs: Any) -> Any:
        raise StoreUnavailableError("here", "restarted")

    with monkeypatch.context() as patch:
        patch.setattr(live.store, broken, unavailable)
        for _ in range(2):
            with pytest.raises(StoreUnavailableError):
                live.tail.poll()
    reported = [(event.run_id, event.type) for change in live.tail.poll() for event in change.events]
    assert sorted(reported) == [
        ("a", "step.completed"),
        ("b", "run.pending"),
        ("b", "run.started"),
        ("c", "run.failed"),
        ("c", "run.pending"),
        ("c", "run.started"),
    ]
    assert live.tail.poll() == []
