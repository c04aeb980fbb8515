"""What the hub decides, look by look: no thread watches here, and the clock is the test's."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard.live import hub as module
from dashboard.live.hub import FAILED_S, FAST_S, IDLE_S, SLOW_S, SLOWEST_S, STOPPED_REASON, LiveHub, rest_s
from dashboard.live.subscription import Subscription
from otel_bridge import forks
from otel_bridge.errors import StoreUnavailableError
from otel_bridge.ledger.base import AuditEntry, KeptAttempt, PastLife
from otel_bridge.model.runs import RunQuery
from otel_bridge.tail.changes import ChangeTail, RunChange
from otel_bridge.testing import make_run, make_step
from tests.live.test_hub import Scene, event

WATCH = LiveHub._watch
RUNNING = RunQuery(statuses=frozenset({"running"}))


class Thread:
    """Stands for the watcher's thread."""

    def __init__(self) -> None:
        self.joined_s: list[float] = []

    def join(self, timeout_s: float) -> None:
        """Note how long somebody waits for its end."""
        self.joined_s.append(timeout_s)


class Ticks(threading.Event):
    """A stop event whose waits take no time but on a clock of its own; set after so many."""

    def __init__(self, most: int, at: dict[int, Callable[[], object]]) -> None:
        super().__init__()
        self.most, self.at = most, at
        self.waited_s: list[float] = []
        self.now_s = 100.0

    def is_set(self) -> bool:
        """Say whether it is over; first do what is to happen now."""
        self.at.get(len(self.waited_s), lambda: None)()
        return len(self.waited_s) >= self.most

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass."""
        self.waited_s.append(round(timeout or 0, 3))
        self.now_s += timeout or 0
        return False


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A scene whose watcher ends at once."""
    monkeypatch.setattr(LiveHub, "_watch", lambda self, stop: None)
    return Scene()


def watched(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, *, ticks: int, at: dict[int, Callable[[], object]] | None = None
) -> list[float]:
    """Return the rests of a watcher that looks so many times; ``at`` a look, something happens before it."""
    stop = Ticks(ticks, at or {})
    scene.hub._stop = stop
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: stop.now_s))
    WATCH(scene.hub, stop)
    return stop.waited_s


def listed(scene: Scene, **options: Any) -> Subscription:
    """A viewer of the list."""
    return scene.hub.subscribe(query=RunQuery(), **options)[0]


def sent(viewer: Subscription) -> list[dict[str, Any]]:
    """Return what waits for a viewer."""
    return [json.loads(message.json) for message in viewer.take(0)]


def started(run_id: str = "r-1", **fields: Any) -> RunChange:
    """A run that began."""
    return RunChange(make_run(run_id, **fields), [], [event(run_id, "run.started")])


@pytest.mark.parametrize(
    ("took_s", "quiet_s", "rests_s"),
    [
        (0, 0, FAST_S),
        (0, 4.999, FAST_S),
        (0, 5, SLOW_S),
        (0.003, 0, 0.06),
        (0.003, 29.9, SLOW_S),
        (0.01, 29.9, 0.2),
        (0.003, 30, IDLE_S),
        (1, 0, SLOWEST_S),
        (1, 60, SLOWEST_S),
    ],
)
def test_the_watcher_rests_longer_where_looks_are_slow_and_nothing_happens(
    took_s: float, quiet_s: float, rests_s: float
) -> None:
    """Looking is a small part of its life, and never further apart than people notice."""
    assert rest_s(took_s=took_s, quiet_s=quiet_s) == pytest.approx(rests_s)


# -- the watcher ------------------------------------------------------------------------------------------------------


def test_a_change_makes_the_watcher_look_often_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """For some seconds; it is published before the next look."""
    viewer = listed(scene)
    waited = watched(scene, monkeypatch, ticks=200, at={150: lambda: scene.tail.say(started())})
    assert (waited[0], waited[140], waited[150], waited[-1]) == (FAST_S, SLOW_S, FAST_S, FAST_S)
    assert set(waited) == {FAST_S, SLOW_S}
    assert [one["type"] for one in sent(viewer)] == ["run.started"]


def test_a_store_that_cannot_be_read_is_tried_every_second(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, stands in heartbeats, and is over with the first good look."""
    viewer, poll = listed(scene), scene.tail.poll
    seen: list[str | None] = []

    def fail(**options: Any) -> Any:
        raise StoreUnavailableError("sqlite:///a", "no route to the database")

    def see() -> None:
        seen.append(scene.hub.heartbeat(viewer).problem)

    def mend() -> None:
        see()
        scene.tail.poll = poll  # type: ignore[method-assign]

    scene.tail.poll = fail  # type: ignore[method-assign]
    assert watched(scene, monkeypatch, ticks=5, at={1: see, 3: mend, 4: see}) == [FAILED_S] * 3 + [FAST_S] * 2
    assert seen == ["no route to the database", "no route to the database", None]
    assert caplog.text.count("cannot read the store") == 1


def test_a_bug_waits_a_second_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The details are for the log, not for viewers."""
    viewer = listed(scene)
    monkeypatch.setattr(scene.tail, "poll", lambda **options: 1 / 0)
    assert watched(scene, monkeypatch, ticks=2) == [FAILED_S] * 2
    assert "server log" in (scene.hub.heartbeat(viewer).problem or "")


def test_the_watcher_lingers_after_its_last_viewer_and_then_ends(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is loaded again finds its place."""
    viewer = listed(scene)
    scene.hub._linger_s = 0.1
    waited = watched(scene, monkeypatch, ticks=99, at={3: lambda: scene.hub.unsubscribe(viewer)})
    assert len(waited) == 5  # three looks with the viewer; 0.04, 0.08 and 0.12 s later nobody has come
    assert scene.hub._thread is None


def test_a_watcher_that_nobody_watches_looks_once_at_least(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its viewer may come a moment after it."""
    scene.hub._linger_s = 0
    assert watched(scene, monkeypatch, ticks=99) == [FAST_S]


def test_a_watcher_continues_when_a_viewer_came_at_the_last_moment(scene: Scene) -> None:
    """And one whose place another has taken ends without a word."""
    viewer = listed(scene)
    thread = scene.hub._thread
    assert scene.hub._retire(scene.hub._stop) is False
    scene.hub.unsubscribe(viewer)
    assert scene.hub._retire(threading.Event()) is True
    assert scene.hub._thread is thread
    assert scene.hub._retire(scene.hub._stop) is True
    assert scene.hub._thread is None


@pytest.mark.parametrize("stopping", [True, False])
def test_streams_end_when_the_server_does(scene: Scene, monkeypatch: pytest.MonkeyPatch, stopping: bool) -> None:
    """And not before."""
    scene.hub._is_stopping = lambda: stopping
    viewer = listed(scene)
    watched(scene, monkeypatch, ticks=1)
    assert viewer.closed == (STOPPED_REASON if stopping else None)


def test_what_the_first_look_finds_precedes_the_snapshots_that_wait_for_it(scene: Scene) -> None:
    """A second look's changes are events; so are the first's, when a viewer could not wait for it."""
    scene.hub.subscribe(run_id="r-1")
    assert not scene.hub._ready.is_set()
    scene.tail.say(started())
    tail, changes = scene.hub._look(None)
    assert (id(tail), changes) == (id(scene.tail), [])
    assert scene.tail.watched == {"r-1"}
    assert scene.hub.wait_until_watching(0) is True
    again = started()
    scene.tail.say(again)
    assert scene.hub._look(tail) == (tail, [again])
    scene.hub._ready.clear()
    assert scene.hub.wait_until_watching(0) is False
    scene.tail.say(again)
    assert scene.hub._look(None) == (tail, [again])


def test_the_watchers_tail_is_one_of_the_store(scene: Scene) -> None:
    """Unless another is handed in."""
    tail, changes = LiveHub(scene.services)._look(None)
    assert isinstance(tail, ChangeTail)
    assert changes == []


# -- viewers ------------------------------------------------------------------------------------------------------


def test_the_first_viewer_starts_the_watcher_and_the_second_finds_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it ended, a new one starts, and nothing from before can be resumed."""
    begun: list[threading.Event] = []
    arrived = threading.Semaphore(0)

    def watch(self: LiveHub, stop: threading.Event) -> None:
        begun.append(stop)
        arrived.release()

    monkeypatch.setattr(LiveHub, "_watch", watch)
    viewers = [listed(scene), listed(scene)]
    assert scene.hub.viewers == 2
    assert arrived.acquire(timeout=5)
    scene.hub._look(None)
    scene.hub._publish([started()])
    last_id = scene.hub.last_id
    for viewer in viewers:
        scene.hub.unsubscribe(viewer)
    assert scene.hub.viewers == 0
    scene.hub._retire(scene.hub._stop)
    _, resumed = scene.hub.subscribe(query=RunQuery(), last_event_id=last_id)
    assert arrived.acquire(timeout=5)
    assert (resumed, len(begun), begun[1] is scene.hub._stop) == (False, 2, True)
    assert scene.hub.wait_until_watching(0) is False


def test_a_viewer_that_names_its_last_id_gets_what_followed(scene: Scene) -> None:
    """Once each; whoever names another id, or none, begins at the newest."""
    viewer = listed(scene)
    first_id = viewer.last_id
    scene.hub._publish([started("a"), started("b")])
    later, resumed = scene.hub.subscribe(query=RunQuery(), last_event_id=first_id)
    assert (resumed, later.last_id) == (True, first_id)
    assert sent(later) == sent(viewer)
    assert later.last_id == scene.hub.last_id
    for last_event_id in (None, 7):
        new, resumed = scene.hub.subscribe(query=RunQuery(), last_event_id=last_event_id)
        assert (resumed, new.last_id, new.has_messages) == (False, scene.hub.last_id, False)


def test_a_viewer_hears_of_its_run_alone_until_it_leaves(scene: Scene) -> None:
    """Two of one run, one of another, one of the list."""
    first, second = (scene.hub.subscribe(run_id="a")[0] for _ in range(2))
    other, of_list = scene.hub.subscribe(run_id="b")[0], listed(scene)
    scene.hub._publish([started("a")])
    assert [len(sent(viewer)) for viewer in (first, second, other, of_list)] == [1, 1, 0, 1]
    scene.hub.unsubscribe(first)
    scene.hub.unsubscribe(of_list)
    scene.hub.unsubscribe(of_list)
    scene.hub._publish([started("a")])
    assert [len(sent(viewer)) for viewer in (first, second, other, of_list)] == [0, 1, 0, 0]
    scene.hub.unsubscribe(second)
    scene.hub._look(None)
    assert scene.tail.watched == {"b"}


def test_a_heartbeats_id_is_a_place_to_resume_from(scene: Scene) -> None:
    """The newest; but where messages wait, the last that was sent: they must not be skipped."""
    run, idle = scene.hub.subscribe(run_id="a")[0], scene.hub.subscribe(run_id="b")[0]
    began_id = run.last_id
    scene.hub._publish([started("a")])
    assert scene.hub.heartbeat(idle).id == idle.last_id == scene.hub.last_id > began_id
    assert scene.hub.heartbeat(run).id == began_id


def test_a_stop_ends_every_stream_and_waits_for_the_watcher(scene: Scene) -> None:
    """Twice does no harm, and the watcher does not wait for itself."""
    viewer, thread, stop = listed(scene), Thread(), scene.hub._stop
    scene.hub._thread = thread  # type: ignore[assignment]
    scene.hub.stop(timeout_s=3)
    scene.hub.stop()
    assert (viewer.closed, thread.joined_s, stop.is_set()) == (STOPPED_REASON, [3], True)
    scene.hub._thread = threading.current_thread()
    scene.hub.stop()
    assert scene.hub._thread is None


def test_a_forked_child_begins_without_the_parents_viewers(scene: Scene) -> None:
    """Their threads are not there."""
    listed(scene)
    assert scene.hub in forks._watched
    scene.hub.forget()
    assert (scene.hub.viewers, scene.hub._thread) == (0, None)


# -- messages ------------------------------------------------------------------------------------------------------


def test_a_runs_event_carries_its_row_and_a_steps_event_its_step(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is sent the former alone. Of a run that undoes nothing, no plan is read."""
    monkeypatch.setattr(module, "undo_of", lambda *_: pytest.fail("not an undo"))
    viewer, of_list = scene.hub.subscribe(run_id="r-1")[0], listed(scene)
    events = [event("r-1", "step.completed", seq=1, name="charge", kind="local"), event("r-1", "run.completed")]
    scene.hub._publish([RunChange(make_run("r-1", status="completed"), [make_step("r-1", 1)], events)])
    step, run = sent(viewer)
    assert ((step["step"] or {}).get("seq"), step.get("run")) == (1, None)
    assert (run.get("step"), run["run"]["id"]) == (None, "r-1")
    assert [one["type"] for one in sent(of_list)] == ["run.completed"]


def test_the_event_of_a_start_says_how_long_the_run_was_queued(scene: Scene) -> None:
    """As its row does; no other event says it."""
    viewer = listed(scene)
    run = make_run("r-1", queue="q", created_at_ms=1_000, started_at_ms=1_250)
    scene.hub._publish([RunChange(run, [], [event("r-1", "run.started"), event("r-1", "run.completed")])])
    start, end = sent(viewer)
    assert start["queueMs"] == start["run"]["queueMs"] == 250
    assert end.get("queueMs") is None


def test_a_start_that_comes_before_the_audit_log_tells_of_its_retry_counts_from_that(scene: Scene) -> None:
    """A worker takes a run within a hundredth of a second; the action that put it back is written down at its end."""
    viewer = listed(scene)
    failed = make_run("r-1", status="failed", created_at_ms=1_000, started_at_ms=1_100, finished_at_ms=2_000)
    begun = KeptAttempt(at_ms=50_000, life=PastLife(run=failed, generation=0))
    scene.services.ledger.keep_attempt(begun)
    run = make_run("r-1", queue="q", created_at_ms=1_000, started_at_ms=50_070)
    scene.hub._publish([RunChange(run, [], [event("r-1", "run.started")])])
    (start,) = sent(viewer)
    assert start["queueMs"] == start["run"]["queueMs"] == 70
    entry = AuditEntry(at_ms=50_000, actor="ada", action="retry", run_id="r-1", outcome="done")
    scene.services.ledger.add_audit(entry)
    (row,) = scene.services.rows([run])
    assert row.queue_ms == start["queueMs"]


def test_an_action_that_was_refused_in_the_end_puts_no_run_back(scene: Scene) -> None:
    """It was begun; the run has run on since long before."""
    failed = make_run("r-1", status="failed", created_at_ms=1_000, finished_at_ms=2_000)
    scene.services.ledger.keep_attempt(KeptAttempt(at_ms=50_000, life=PastLife(run=failed, generation=0)))
    run = make_run("r-1", queue="q", created_at_ms=1_000, started_at_ms=1_250, updated_at_ms=60_000)
    (row,) = scene.services.rows([run], just_now=True)
    assert row.queue_ms == 250


def test_a_change_without_an_event_is_one_message(scene: Scene) -> None:
    """The run is to be read again."""
    viewer = listed(scene)
    scene.hub._publish([RunChange(make_run("r-1"), [], [])])
    assert [(one["type"], one["runId"]) for one in sent(viewer)] == [("changed", "r-1")]


def test_a_run_is_compared_with_its_message_before(scene: Scene) -> None:
    """One that never passed the viewer's filter does not leave its list."""
    viewer, _ = scene.hub.subscribe(query=RUNNING)
    scene.hub._publish([RunChange(make_run("r-1", status="failed"), [], [])])
    viewer.take(0)
    scene.hub._publish([RunChange(make_run("r-1", status="completed"), [], [])])
    assert sent(viewer) == []
