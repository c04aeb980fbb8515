"""What of the live tail a viewer of a filtered list is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dashboard.live.subscription import Before, Message, Subscription
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.testing import make_run

NOW_MS = 1_000_000
RUNNING = RunQuery(statuses=frozenset({"running"}))


def told(query: RunQuery, run: Run, before: Run | None = None, kind: str = "changed") -> dict[str, Any] | None:
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
def test_a_run_that_left_a_filter_is_told_as_such(
    query: RunQuery, run: Run, before: Run | None, sent: dict[str, Any] | None
) -> None:
    """However long the viewer's list is, and whether or not its stream was resumed."""
    assert told(query, run, before) == sent


def test_steps_are_no_part_of_a_list() -> None:
    """They are told in their run's own stream."""
    assert told(RunQuery(), RUN, kind="step.completed") is None


def test_two_hundred_runs_that_leave_a_list_are_all_told() -> None:
    """The stream's snapshot holds fewer than a page may show, and a resumed stream has none at all."""
    viewer = Subscription(None, RUNNING, capacity=500)
    runs = [make_run(f"r{number}", status="completed") for number in range(200)]
    viewer.offer([Message(number, "run.completed", "{}", run, run.id, NOW_MS) for number, run in enumerate(runs, 1)])
    assert sum(json.loads(message.json)["left"] for message in viewer.take(0)) == 200
