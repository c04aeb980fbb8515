"""Pure rules: where a failed run is rewound to, and how an undo's steps become the run's own."""

from __future__ import annotations

import base64
import json
import pickle
from typing import Any

import pytest

from dashboard.actions.engine_client import client_url
from dashboard.actions.rewind import rewind_point
from dashboard.read.undo import PlannedUndo, compensation_steps
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue


def step(seq: int, name: str = "work", status: str = "completed", **fields: Any) -> Step:
    """A step of run ``r``."""
    times = {"started_at_ms": seq * 100, "finished_at_ms": seq * 100 + 50}
    return Step(**{"run_id": "r", "seq": seq, "name": name, "kind": "local", "status": status, **times, **fields})


def error(text: str) -> StoredValue:
    """A stored error."""
    return StoredValue(text, "py_pickle", len(text))


def test_a_run_is_rewound_to_the_step_whose_error_it_died_of() -> None:
    """Not to an earlier failure that the workflow caught."""
    caught = step(1, status="failed", error=error("caught"))
    fatal = step(2, status="failed", error=error("fatal"))
    assert rewind_point([caught, fatal], error("fatal")) == 2
    assert rewind_point([caught, fatal, step(3)], error("fatal")) == 2


def test_an_error_is_known_again_in_another_format() -> None:
    """A step's error is a pickle where its run's is portable JSON."""
    pickled = base64.b64encode(pickle.dumps(ConnectionError("the bank is away"))).decode()
    portable = json.dumps({"name": "ConnectionError", "message": "the bank is away"})
    fatal = step(2, status="failed", error=error(pickled))
    run_error = StoredValue(portable, "portable_json", len(portable))
    assert rewind_point([step(1), fatal, step(3)], run_error) == 2


def test_without_the_runs_error_the_last_step_is_blamed_if_it_failed() -> None:
    """Else nobody is: the run continues from behind its last step, folded rows included."""
    assert rewind_point([step(1), step(2, status="failed")], None) == 2
    assert rewind_point([step(1, status="failed"), step(2, folded=(4,))], error("own")) == 5
    assert rewind_point([], error("own")) == 1


def test_of_steps_that_failed_side_by_side_the_first_is_the_rewind_point() -> None:
    """Their recorded failures would be replayed otherwise."""
    same_time: dict[str, Any] = {"started_at_ms": 0, "finished_at_ms": 1000}
    steps = [
        step(1),
        step(2, status="failed", error=error("one"), **same_time),
        step(3, **same_time),
        step(4, status="failed", error=error("two"), **same_time),
    ]
    assert rewind_point(steps, error("two")) == 2


@pytest.mark.parametrize(
    ("first", "last", "point"),
    [
        ((0, 100), (50, 150), 1),
        ((50, 150), (0, 100), 1),
        ((0, 100), (100, 200), 2),  # one after the other: the workflow went on from the first
        ((100, 200), (0, 100), 2),
        ((None, 100), (50, 150), 2),  # when it began nobody knows
        ((0, None), (50, 150), 2),
        ((0, 100), (None, 150), 2),
        ((0, 100), (50, None), 2),
    ],
)
def test_steps_failed_side_by_side_where_their_times_overlap(
    first: tuple[int | None, int | None], last: tuple[int | None, int | None], point: int
) -> None:
    """Not where one ended as the other began, nor where a time is not known."""
    steps = [
        step(seq, status="failed", error=error(text), started_at_ms=began, finished_at_ms=ended)
        for seq, text, (began, ended) in ((1, "one", first), (2, "two", last))
    ]
    assert rewind_point(steps, error("two")) == point


def test_a_child_that_failed_is_asked_for_again_not_started_again() -> None:
    """The rewind goes to the row of its result."""
    child = step(1, status="failed", kind="remote", child_run_id="c", folded=(3,), error=error("child"))
    assert rewind_point([child, step(2)], error("child")) == 3


PLAN = [PlannedUndo(3, "c"), PlannedUndo(2, "b"), PlannedUndo(1, "a", child_run_id="kid")]


def test_compensations_that_have_not_come_yet_are_pending() -> None:
    """The plan says how many there will be."""
    undo_steps = [step(1, "durable.quiet"), step(2, "durable.plan"), step(3, "compensate:c")]
    shown = compensation_steps(undo_steps, PLAN, undo_id="undo:r")
    assert [(s.seq, s.name, s.status, s.compensates) for s in shown] == [
        (-1, "compensate:c", "completed", 3),
        (-2, "compensate:b", "pending", 2),
        (-3, "compensate:a", "pending", 1),
    ]
    assert {s.run_id for s in shown} == {"r"}


def test_a_retried_compensation_appears_once_as_it_stands_now() -> None:
    """Rounds are told apart by the step at which the undo was stuck."""
    undo_steps = [
        step(3, "compensate:c", "failed"),
        step(4, "compensate:b"),
        step(5, "durable.undo", kind="remote", child_run_id="undo:kid", status="failed"),
        step(6, "durable.stuck"),
        step(7, "compensate:c"),
        step(8, "durable.retry"),
        step(9, "durable.undo", kind="remote", child_run_id="undo:kid"),
    ]
    shown = compensation_steps(undo_steps, PLAN, undo_id="undo:r")
    assert [(s.status, s.attempts) for s in shown] == [("completed", 2), ("completed", 1), ("completed", 2)]


def test_an_undo_without_a_plan_has_nothing_to_show() -> None:
    """It still waits for the run to be quiet."""
    assert compensation_steps([step(1, "durable.quiet")], []) == []


def test_a_stores_url_is_given_to_the_engine_as_it_likes_it() -> None:
    """None where there is no database to connect to."""
    assert client_url("postgres://u@h/db") == "postgresql://u@h/db"
    assert client_url("sqlite:///a.sqlite") == "sqlite:///a.sqlite"
    assert client_url("/tmp/a.sqlite") == "sqlite:////tmp/a.sqlite"
    assert client_url("memory:") is None
