"""The hub over a scripted tail: undo steps, changes without a name, redaction, and Postgres as the store."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.config import Settings
from dashboard.live.hub import LiveHub
from dashboard.read.services import Services
from dashboard.workflow.names import PLAN_STEP
from otel_bridge.model.events import LifecycleEvent
from otel_bridge.model.runs import RunQuery
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.presence import presence
from otel_bridge.tail.changes import RunChange
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step
from tests.failing import put_failed
from tests.live.test_streams import is_type, receive, websocket
from tests.story import commanded_worker, mounted, served
from tests.waiting import until


class ScriptedTail:
    """A tail that says what it was given, once each."""

    def __init__(self) -> None:
        self.presence = presence((), 0)
        self.pending: list[RunChange] = []
        self.watched: set[str] = set()
        self._lock = threading.Lock()

    def say(self, *changes: RunChange) -> None:
        """Have the next poll return these."""
        with self._lock:
            self.pending.extend(changes)

    def poll(self, *, watch: Any = ()) -> list[RunChange]:
        """Return what was said since."""
        with self._lock:
            self.watched = set(watch)
            said, self.pending = self.pending, []
        return said


class Scene:
    """A hub over a store in memory and a scripted tail."""

    def __init__(self, **settings: Any) -> None:
        self.store, self.tail = MemoryStateStore(), ScriptedTail()
        services = self.services = Services(
            Settings(**settings),
            open_store=lambda: self.store,
            open_ledger=lambda store: MemoryLedger(),
            open_actions=lambda services: None,  # type: ignore[arg-type, return-value]
        )
        self.hub = LiveHub(services, new_tail=lambda services: self.tail)  # type: ignore[arg-type,return-value]

    def messages(self, run_id: str | None, *changes: RunChange, count: int) -> list[dict[str, Any]]:
        """Return what a viewer of a run (or the list) gets of some changes."""
        viewer, _ = self.hub.subscribe(run_id=run_id, query=None if run_id else RunQuery())
        assert self.hub.wait_until_watching()
        self.tail.say(*changes)
        got: list[Any] = []

        def arrived() -> int:
            got.extend(viewer.take(0.2))
            return len(got)

        until(arrived, lambda number: number >= count, what=f"{count} messages")
        self.hub.unsubscribe(viewer)
        assert len(got) == count
        return [json.loads(message.json) for message in got]


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A scene without settings."""
    scene = Scene()
    yield scene
    scene.hub.stop()


def event(run_id: str, type_: Any, **fields: Any) -> LifecycleEvent:
    """A lifecycle event."""
    return LifecycleEvent(type=type_, run_id=run_id, workflow="order", at_ms=1_700_000_000_000, **fields)


def test_an_undos_steps_are_reported_in_the_stream_of_the_run_that_is_undone(scene: Scene) -> None:
    """As compensations with negative numbers, where the run's viewer looks; the undo's own stream has them too."""
    plan = json.dumps([{"seq": 2, "step": "charge", "undo": "refund"}, {"seq": 1, "step": "book", "undo": "free"}])
    scene.store.put_run(make_run("r-1", status="cancelled"))
    undo = make_run("undo:r-1", workflow="durable.undo")
    planned = make_step("undo:r-1", 2, name=PLAN_STEP, output=StoredValue(plan, "portable_json", len(plan)))
    refund = make_step("undo:r-1", 3, name="compensate:charge")
    scene.store.put_run(undo)
    scene.store.put_step(planned)
    scene.store.put_step(refund)
    reported = event("undo:r-1", "step.completed", seq=3, name="compensate:charge", kind="local")
    change = RunChange(undo, [planned, refund], [reported])
    seen = scene.messages("r-1", change, count=1)[0]
    assert (seen["runId"], seen["seq"], seen["type"]) == ("r-1", -1, "step.completed")
    assert (seen["step"]["seq"], seen["step"]["compensates"], seen["step"]["name"]) == (-1, 2, "compensate:charge")
    own = scene.messages("undo:r-1", change, count=1)[0]
    assert (own["runId"], own["seq"]) == ("undo:r-1", 3)
    assert own["step"]["spanId"] == seen["step"]["spanId"], "one execution has one span"


def test_a_change_that_no_event_names_is_reported_as_changed(scene: Scene) -> None:
    """A child was enqueued, nobody is there to run it: viewers learn that there is something to read again."""
    run = make_run("r-1", status="blocked", queue="q")
    for viewer_of in (None, "r-1"):
        message = scene.messages(viewer_of, RunChange(run, [], []), count=1)[0]
        assert message["type"] == "changed"
        assert message["run"]["status"] == "blocked"


def test_the_list_of_an_error_reports_runs_that_die_of_it_and_of_what_becomes_of_them(scene: Scene) -> None:
    """Nobody had recorded the failure; a rewind, which deletes the error, takes the run out of no list."""
    put_failed(scene.store, "known")
    services = scene.services
    (row,) = services.rows(list(scene.store.get_runs(["known"]).values()))
    assert row.error is not None
    viewer, _ = scene.hub.subscribe(query=RunQuery(error=row.error.fingerprint))
    assert scene.hub.wait_until_watching()
    put_failed(scene.store, "r-1", "timeout after 99 s")
    put_failed(scene.store, "r-2", "no such card", kind="CardError")
    failed = scene.store.get_runs(["r-1", "r-2"])
    reported = [RunChange(run, [], [event(run.id, "run.failed")]) for run in failed.values()]
    retried = make_run("r-1", status="pending")
    scene.tail.say(*reported, RunChange(retried, [], [event("r-1", "run.pending")]))
    got: list[Any] = []

    def take() -> bool:
        got.extend(viewer.take(0.1))
        return any(message.type == "run.pending" for message in got)

    until(take)
    scene.hub.unsubscribe(viewer)
    seen = [json.loads(message.json) for message in got]
    assert [(one["runId"], one["type"], "left" in one) for one in seen if one["runId"] != "r-2"] == [
        ("r-1", "run.failed", False),
        ("r-1", "run.pending", False),
    ]
    assert all(one.get("left") for one in seen if one["runId"] == "r-2")
    assert seen[0]["run"]["error"]["message"] == "timeout after 99 s"


def test_runs_that_somebody_looks_at_are_watched(scene: Scene) -> None:
    """The tail looks at open pages' runs in any case, and no longer once they are closed."""
    viewer, _ = scene.hub.subscribe(run_id="r-1")
    until(lambda: scene.tail.watched == {"r-1"}, what="the run's watch")
    scene.hub.unsubscribe(viewer)
    until(lambda: not scene.tail.watched, what="the end of the watch")


def test_a_bug_in_the_watcher_ends_no_stream(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, reported in heartbeats, and the next look works."""
    original = scene.tail.poll
    viewer, _ = scene.hub.subscribe(query=RunQuery())
    assert scene.hub.wait_until_watching()

    def broken(**options: Any) -> Any:
        raise KeyError("bug")

    scene.tail.poll = broken  # type: ignore[method-assign]
    until(lambda: scene.hub.problem, what="the problem")
    assert "server log" in (scene.hub.heartbeat(viewer).problem or "")
    scene.tail.poll = original  # type: ignore[method-assign]
    scene.tail.say(RunChange(make_run("r-1"), [], [event("r-1", "run.started")]))
    assert viewer.take(5)
    assert "KeyError" in caplog.text


@pytest.mark.postgres
def test_on_postgres_the_tail_is_as_live(postgres_url: str, tmp_path: Path) -> None:
    """Another process's work is at the viewer, from start to end; no file is shared."""
    worker = commanded_worker(postgres_url)
    try:
        with mounted(postgres_url) as app, served(app) as port, websocket(port, "stream") as ws:
            receive(ws, is_type("snapshot"))
            worker.tell("start simple on-postgres 1")
            messages = receive(ws, is_type("run.completed", "on-postgres"))
        assert next(m["type"] for m in messages if m.get("runId") == "on-postgres") in ("run.pending", "run.started")
    finally:
        worker.kill()


def test_a_run_whose_stream_is_open_is_marked_for_its_worker(scene: Scene) -> None:
    """Its worker then keeps what its steps log; a viewer of the list marks nothing."""
    ledger = scene.services.ledger
    scene.hub.subscribe(run_id=None, query=RunQuery())
    assert scene.hub.wait_until_watching()
    scene.hub.subscribe(run_id="r")
    until(lambda: bool(ledger.watched_runs()), what="the mark")
    assert ledger.watched_runs() == {"r"}
