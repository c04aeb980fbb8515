"""Where a run goes back to."""

from __future__ import annotations

import pytest

from dashboard.actions.destination import Queues
from dashboard.workflow.names import FAST_QUEUE, WORK_QUEUE
from otel_bridge.model.names import INTERNAL_QUEUE
from otel_bridge.testing import make_run

REPORTS = frozenset({"reports"})


@pytest.mark.parametrize(
    ("certain", "remembered", "on", "registered", "queue"),
    [
        (WORK_QUEUE, "reports", "reports", REPORTS, WORK_QUEUE),  # chosen, or the only one that can be
        (None, "reports", FAST_QUEUE, REPORTS, "reports"),  # as the ledger remembers
        (None, None, "reports", REPORTS, "reports"),  # as its row says
        (None, "gone", "reports", REPORTS, FAST_QUEUE),  # the first one is not there any more
        (None, None, INTERNAL_QUEUE, REPORTS, FAST_QUEUE),
        (None, None, None, REPORTS, FAST_QUEUE),
    ],
)
def test_a_run_goes_back_to_the_queue_that_it_was_first_put_on(
    certain: str | None, remembered: str | None, on: str | None, registered: frozenset[str], queue: str
) -> None:
    run = make_run("r", queue=on, queue_partition="north")
    partition = "north" if queue == "reports" else None
    assert Queues(run, certain, lambda: registered).of(remembered) == (queue, partition)


@pytest.mark.parametrize("on", [None, FAST_QUEUE, INTERNAL_QUEUE])
def test_nobody_asks_which_queues_there_are_for_a_run_that_was_on_none_of_the_applications(on: str | None) -> None:
    asked: list[str] = []

    def registered() -> list[str]:
        asked.append("queues")
        return []

    assert Queues(make_run("r", queue=on), None, registered).of(None) == (FAST_QUEUE, None)
    assert asked == []
