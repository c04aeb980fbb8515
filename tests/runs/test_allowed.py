"""What may be done to a run, by its status, its undo, what it waits for and who is alive."""

from typing import get_args

import pytest

from otel_bridge.ledger.base import Executor
from otel_bridge.model.actions import Action
from otel_bridge.model.runs import Waiting
from otel_bridge.model.status import RUN_STATUSES
from otel_bridge.runs.allowed import allowed_actions
from otel_bridge.runs.overlay import overlay_run
from otel_bridge.runs.presence import presence
from otel_bridge.testing import make_run

NOW_MS = 1_700_000_100_000
NOBODY_KNOWN = presence((), NOW_MS)


def executor(*, beat_at_ms: int = NOW_MS) -> Executor:
    return Executor(
        instance_id="i", executor_id="e", beat_at_ms=beat_at_ms, started_at_ms=0, queues=("q",), workflows=("order",)
    )


ALIVE = presence([executor()], NOW_MS)
LOST = presence([executor(beat_at_ms=NOW_MS - 3_600_000)], NOW_MS)
RETRY, WITH_INPUT, UNDO = "retry", "retry_with_input", "cancel_undo"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pending", {"cancel", UNDO, "fork"}),
        ("running", {"cancel", UNDO, "fork"}),
        ("suspended", {"cancel", UNDO, "fork"}),
        ("cancelling", set()),
        ("completed", {"fork", WITH_INPUT}),
        ("failed", {RETRY, UNDO, "fork", WITH_INPUT}),
        ("cancelled", {RETRY, UNDO, "fork", WITH_INPUT}),
        ("dead", {RETRY, UNDO, "fork", WITH_INPUT}),
        ("blocked", {"cancel", UNDO, "fork", "redispatch"}),
    ],
)
def test_what_each_status_allows_while_its_executor_is_alive(status, expected):
    run = make_run(status=status, executor="e", undo_id="undo:run-1" if status == "cancelling" else None)
    assert set(allowed_actions(run, ALIVE)) == expected


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "dead"])
def test_an_undone_run_is_neither_retried_nor_undone_again(status):
    run = make_run(status=status, undo_id="undo:run-1")
    assert set(allowed_actions(run, ALIVE)) == {"fork", WITH_INPUT}


def test_an_undo_itself_is_retried_and_never_undone():
    assert set(allowed_actions(make_run("undo:run-1", status="failed"), ALIVE)) == {RETRY, "fork", WITH_INPUT}


@pytest.mark.parametrize(
    ("on", "action"),
    [("breakpoint", "continue"), ("sleep", "wake"), ("signal", "signal"), ("update", "update"), ("webhook", None)],
)
def test_a_wait_allows_what_ends_it(on, action):
    run = make_run(status="suspended", executor="e", waiting=Waiting(on, "x", NOW_MS, seq=3))
    offered = set(allowed_actions(run, ALIVE)) & {"continue", "wake", "signal", "update"}
    assert offered == ({action} if action else set())


@pytest.mark.parametrize("on", ["breakpoint", "update", "sleep"])
def test_a_wait_whose_name_is_not_known_cannot_be_answered_by_name(on):
    run = make_run(status="suspended", executor="e", waiting=Waiting(on, None, NOW_MS, seq=3))
    assert not set(allowed_actions(run, ALIVE)) & {"continue", "update", "wake"}


@pytest.mark.parametrize(
    ("seen", "expected"), [(NOBODY_KNOWN, True), (LOST, True), (ALIVE, False)], ids=["unknown", "lost", "alive"]
)
@pytest.mark.parametrize("status", ["running", "suspended"])
def test_a_held_run_is_redispatched_when_its_executor_is_lost_or_nobody_knows(status, seen, expected):
    """Where nobody reports presence the operator has to know, and says so by force."""
    assert ("redispatch" in allowed_actions(make_run(status=status, executor="e"), seen)) is expected


def test_a_blocked_run_in_a_queue_is_held_by_nobody():
    waiting = Waiting("queue", "other", NOW_MS - 60_000)
    run = make_run(status="pending", queue="other", waiting=waiting, created_at_ms=NOW_MS - 60_000)
    shown = overlay_run(run, ALIVE)
    assert shown.status == "blocked"
    assert "redispatch" not in allowed_actions(shown, ALIVE)


def test_every_status_has_an_answer_and_actions_keep_their_order():
    for status in RUN_STATUSES:
        found = allowed_actions(make_run(status=status), NOBODY_KNOWN)
        assert found == sorted(found, key=get_args(Action).index)
