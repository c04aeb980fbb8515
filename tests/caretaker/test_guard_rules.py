"""The guard around duties and runs: what stops, what continues, what is logged once and what is logged again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pytest

from dashboard.caretaker import guard as module
from dashboard.caretaker.guard import UNAVAILABLE_IN_A_ROW, FailureGuard
from dashboard.errors import Refused, Unavailable
from otel_bridge.errors import StoreError
from otel_bridge.model.runs import Run
from otel_bridge.outages import SAME_OUTAGE_S, Outages
from otel_bridge.testing import make_run

GONE, REFUSED, BUG = StoreError("app", "the database is gone"), Refused("not now"), ZeroDivisionError()
OUT_OF_SERVICE = Unavailable("the database is gone")


def work_of(errors: Sequence[Exception | None]) -> tuple[list[Run], list[str], Callable[[Run], None]]:
    """Return a run for each error, the ids of those that were tried, and work that raises the run's error."""
    runs = [make_run(str(number)) for number in range(len(errors))]
    tried: list[str] = []

    def work(run: Run) -> None:
        tried.append(run.id)
        error = errors[int(run.id)]
        if error is not None:
            raise error

    return runs, tried, work


@pytest.mark.parametrize(
    ("errors", "tried"),
    [
        ([None] * 5, 5),
        ([GONE] * 5, UNAVAILABLE_IN_A_ROW),
        ([OUT_OF_SERVICE] * 5, UNAVAILABLE_IN_A_ROW),
        ([GONE, GONE, OUT_OF_SERVICE, None], UNAVAILABLE_IN_A_ROW),
        ([REFUSED] * 5, 5),
        ([BUG] * 5, 5),
        ([GONE, GONE, None, GONE, GONE, None], 6),
        ([GONE, GONE, REFUSED, GONE, GONE, REFUSED], 6),
        ([GONE, GONE, BUG, GONE, GONE, BUG], 6),
    ],
)
def test_runs_are_left_for_later_once_the_database_failed_several_in_a_row(
    errors: Sequence[Exception | None], tried: int
) -> None:
    """One that is refused or damaged says nothing about the others."""
    guard = FailureGuard()
    runs, done, work = work_of(errors)
    guard.each(runs, work, stop=lambda: False)
    assert len(done) == tried
    assert guard.failures["run"] == sum(error is not None for error in errors[:tried])


def test_no_run_is_begun_once_it_is_time_to_end() -> None:
    """The rest are left to the next process."""
    runs, tried, work = work_of([None] * 3)
    FailureGuard().each(runs, work, stop=lambda: len(tried) == 1)
    assert tried == ["0"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (GONE, "The caretaker left run 0 alone: the database is gone"),
        (REFUSED, "The caretaker left run 0 alone: not now"),
        (BUG, "The caretaker could not handle run 0; continuing."),
    ],
)
def test_the_trouble_of_a_run_is_logged_once_and_with_a_traceback_where_it_was_not_expected(
    error: Exception, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A log that repeats itself every few seconds is not read."""
    guard = FailureGuard()
    runs, _, work = work_of([error])
    with caplog.at_level(logging.WARNING, logger=module.__name__):
        guard.each(runs, work, stop=lambda: False)
        guard.each(runs, work, stop=lambda: False)
    (record,) = caplog.records
    assert record.getMessage() == said
    assert bool(record.exc_info) is (error is BUG)
    assert guard.failures == {"run": 2}


def fail(guard: FailureGuard, name: str, error: Exception) -> None:
    def work() -> None:
        raise error

    guard.duty(name, work)


def test_a_trouble_is_logged_again_when_it_changes_or_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    """A duty that succeeded in between has a new trouble, whatever it says; a database is away until a quiet minute."""
    now_s = 0.0
    guard = FailureGuard(Outages(monotonic=lambda: now_s))
    with caplog.at_level(logging.WARNING, logger=module.__name__):
        for error in (GONE, GONE, BUG, BUG, ValueError("1"), ValueError("2"), GONE):
            fail(guard, "recovery", error)
        guard.duty("recovery", lambda: None)
        for error in (GONE, BUG):
            fail(guard, "recovery", error)
            fail(guard, "retention", GONE)
        now_s = SAME_OUTAGE_S
        fail(guard, "retention", GONE)
    kinds = [record.exc_info[0].__name__ if record.exc_info else "gone" for record in caplog.records]  # type: ignore[union-attr]
    assert kinds == ["gone", "ZeroDivisionError", "ValueError", "ValueError", "ZeroDivisionError", "gone"]
    assert guard.failures == {"recovery": 9, "retention": 3}


def test_of_many_troubles_the_one_logged_longest_ago_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Memory stays bounded however many runs are damaged."""
    monkeypatch.setattr(module, "REMEMBERED", 2)
    guard = FailureGuard()
    for name, error in (("a", REFUSED), ("b", REFUSED), ("a", BUG), ("c", REFUSED)):
        fail(guard, name, error)
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger=module.__name__):
        for name, error in (("a", BUG), ("c", REFUSED), ("b", REFUSED)):
            fail(guard, name, error)
    assert ["(b)" in record.getMessage() for record in caplog.records] == [True]
