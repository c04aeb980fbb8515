"""What of the live tail a viewer of a filtered list is sent."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from dashboard.live.subscription import SLOW_REASON, Before, Message, Subscription
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.testing import make_run

NOW_MS = 1_000_000
RUNNING = RunQuery(statuses=frozenset({"running"}))


def reported(query: RunQuery, run: Run, before: Run | None = None, kind: str = "changed") -> dict[str, Any] | None:
    """Return what a viewer of the filter is sent when a run changes; None for nothing."""
    message = Message(7, kind, '{"id":7}', run, run.id, NOW_MS, None if before is None else Before(before, NOW_MS))
    viewer = Subscription(None, query, capacity=10)
    viewer.offer([message])
    return next((json.loads(sent.json) for sent in viewer.take(0)), None)


RUN, DONE = make_run(status="running"), make_run(status="completed")


@pytest.mark.parametrize(
    ("query", "run", "before", "sent"),
    [
        (RunQuery(), DONE, None, {"id": 7}),
        (RUNNING, RUN, None, {"id": 7}),
        (RUNNING, DONE, RUN, {"id": 7, "left": True}),
        (RUNNING, DONE, make_run(status="failed"), None),
        (RUNNING, DONE, None, {"id": 7, "left": True}),
        (RunQuery(queue="gpu"), make_run(queue="cpu"), make_run(queue="gpu"), {"id": 7, "left": True}),
        (RunQuery(workflow="other"), DONE, None, None),
        (RunQuery(parent_id="p"), DONE, None, None),
    ],
    ids=["no filter", "passes", "left", "never passed", "may have passed", "moved", "other workflow", "other parent"],
)
def test_a_run_that_left_a_filter_is_reported_as_such(
    query: RunQuery, run: Run, before: Run | None, sent: dict[str, Any] | None
) -> None:
    """However long the viewer's list is, and whether or not its stream was resumed."""
    assert reported(query, run, before) == sent


def test_steps_are_no_part_of_a_list() -> None:
    """They are reported in their run's own stream."""
    assert reported(RunQuery(), RUN, kind="step.completed") is None


def test_two_hundred_runs_that_leave_a_list_are_all_reported() -> None:
    """The stream's snapshot holds fewer than a page may show, and a resumed stream has none at all."""
    viewer = Subscription(None, RUNNING, capacity=500)
    runs = [make_run(f"r{number}", status="completed") for number in range(200)]
    viewer.offer([Message(number, "run.completed", "{}", run, run.id, NOW_MS) for number, run in enumerate(runs, 1)])
    assert sum(json.loads(message.json)["left"] for message in viewer.take(0)) == 200


def numbered(*ids: int, run_id: str = "r", body: str = "{}") -> list[Message]:
    """Messages of a run."""
    run = make_run(run_id, status="running")
    return [Message(id_, "changed", body, run, run_id, NOW_MS) for id_ in ids]


class Wake(threading.Event):
    """Notes how long somebody waits, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Return at once."""
        self.waited_s.append(timeout)
        return self.is_set()


def viewer_of(run_id: str | None = None, query: RunQuery | None = None, **options: Any) -> Subscription:
    """A viewer with room for two messages."""
    options = {"capacity": 2, "wake": Wake(), **options}
    return Subscription(run_id, RunQuery() if run_id is None and query is None else query, **options)


def ids(messages: list[Message]) -> list[int]:
    """Return the ids of messages."""
    return [message.id for message in messages]


@pytest.mark.parametrize(
    ("offers", "sent", "closed"),
    [
        ([], [], None),
        ([[1]], [1], None),
        ([[1], [2]], [1, 2], None),
        ([[1, 2, 3, 4]], [1, 2, 3, 4], None),
        ([[1], [2, 3]], [1, 2, 3], None),
        ([[1, 2], [3]], [], SLOW_REASON),
        ([[1], [2, 3], [4]], [], SLOW_REASON),
        ([[1, 2], [3], [4]], [], SLOW_REASON),
        ([[1, 2], []], [1, 2], None),
    ],
    ids=["nothing", "one", "as many as fit", "a burst", "a late burst", "full", "beyond full", "closed", "not its own"],
)
def test_a_viewer_that_reads_too_slowly_is_dropped(
    offers: list[list[int]], sent: list[int], closed: str | None
) -> None:
    """When more comes to a queue that is full; a burst on one that is not may go beyond."""
    viewer = viewer_of("r")
    for each in offers:
        viewer.offer(numbered(*each) or numbered(99, run_id="another"))
    assert (viewer.has_messages, viewer.wake.is_set()) == (bool(sent), bool(offers))
    assert (ids(viewer.take(0)), viewer.closed) == (sent, closed)


def test_messages_up_to_the_last_id_are_not_sent_again() -> None:
    """A viewer that resumes has them."""
    viewer = viewer_of("r", last_id=2)
    viewer.offer(numbered(1, 2, 3))
    assert (ids(viewer.take(0)), viewer.last_id) == ([3], 3)


def test_a_viewers_thread_waits_only_where_nothing_is_there() -> None:
    """Neither with a message, nor when it must go; and the next time it waits again."""
    viewer = viewer_of("r")
    wake = viewer.wake
    assert isinstance(wake, Wake)
    assert (viewer.take(3), viewer.last_id, wake.waited_s) == ([], 0, [3])
    viewer.offer(numbered(1))
    assert (ids(viewer.take(3)), wake.waited_s, wake.is_set()) == ([1], [3], False)
    viewer.take(4)
    assert (wake.waited_s, viewer.last_id) == ([3, 4], 1)
    viewer.close("over")
    assert wake.is_set()
    assert (viewer.take(5), wake.waited_s) == ([], [3, 4])


def test_what_comes_after_the_close_is_not_queued() -> None:
    """And what waited is gone."""
    viewer = viewer_of("r")
    viewer.offer(numbered(1))
    viewer.close("over")
    viewer.offer(numbered(2))
    assert (viewer.has_messages, viewer.closed) == (False, "over")


@pytest.mark.parametrize(
    ("messages", "closed", "woken"), [([], None, False), ([1], None, True), ([], "over", True)], ids=str
)
def test_a_transport_that_listens_late_is_woken_for_what_is_there(
    messages: list[int], closed: str | None, woken: bool
) -> None:
    """Its own event is used from then on."""
    viewer, own = viewer_of("r"), threading.Event()
    viewer.offer(numbered(*messages))
    if closed is not None:
        viewer.close(closed)
    viewer.listen_to(own)
    assert (own.is_set(), viewer.wake is own) == (woken, True)


@pytest.mark.parametrize(
    ("viewer", "type_", "belongs"),
    [
        (viewer_of("r"), "step.completed", True),
        (viewer_of("other"), "step.completed", False),
        (viewer_of(), "run.completed", True),
        (viewer_of(), "step.completed", False),
        (Subscription(None, None, 2), "run.completed", False),
        (viewer_of(query=RunQuery(workflow="other")), "run.completed", False),
    ],
    ids=["its run", "another run", "the list", "a step", "neither run nor list", "filtered out"],
)
def test_a_message_belongs_in_the_stream_of_its_run_and_of_lists_that_show_it(
    viewer: Subscription, type_: str, belongs: bool
) -> None:
    """Steps are no part of a list."""
    (message,) = numbered(1)
    message = replace(message, type=type_)
    assert viewer.for_viewer(message) == (message if belongs else None)


def test_what_a_viewer_may_not_see_is_taken_out() -> None:
    """Of what belongs in its stream; the rest is not even asked about."""
    asked: list[int] = []

    def view(message: Message) -> Message | None:
        asked.append(message.id)
        return None if message.id == 2 else replace(message, json="[]")

    viewer = viewer_of("r", view=view)
    viewer.offer([*numbered(1, 2, 3), *numbered(4, run_id="another")])
    assert [(message.id, message.json) for message in viewer.take(0)] == [(1, "[]"), (3, "[]")]
    assert asked == [1, 2, 3]


@pytest.mark.parametrize(("body", "sent"), [("{}", '{"left":true}'), ('{"id":1}', '{"id":1,"left":true}')])
def test_a_run_that_left_says_so_in_its_message(body: str, sent: str) -> None:
    """Which stays JSON, empty or not."""
    (message,) = numbered(1, body=body)
    assert message.leaving() == replace(message, json=sent)
