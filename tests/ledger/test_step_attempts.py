"""What workers tell of attempts at steps, kept in the ledger: the same in memory, in a file and on Postgres."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_bridge.ledger import Ledger
from otel_bridge.ledger.base import BODY_SEQ, Executor, ExportedRun, StepAttempt, StepLog
from otel_bridge.ledger.pending import EXPORT_LEASE
from otel_bridge.ledger.tables.step_attempts import MOST_OF_RUN, MOST_OF_STEP

LOG = StepLog(
    at_ms=1_100,
    level="INFO",
    logger="shop.pay",
    message="charging \x00 \ud800",
    where="pay.py:12",
    exception="Traceback",
    span_id="00000000000000ab",
    fields={"order": 4711, "nothing": None},
)
FAILED = StepAttempt(
    run_id="r\x7f",
    seq=2,
    name="charge",
    attempt=1,
    execution_ms=1_000,
    started_at_ms=1_050,
    ended_at_ms=1_200,
    executor="e",
    error_type="KeyError",
    error_message="'x'",
    traceback="Traceback (most recent call last):\n  …",
    logs=(LOG, StepLog(at_ms=1_150, level="ERROR", logger="root", message="")),
    logs_left_out=7,
)
WELL = StepAttempt(
    run_id="r\x7f", seq=2, name="charge", attempt=2, execution_ms=1_000, started_at_ms=1_300, ended_at_ms=1_400
)


def test_attempts_come_back_as_they_were_put_oldest_first(ledger: Ledger) -> None:
    """Of the step that is asked for; the failed ones of a run newest first, its body's among them."""
    body = replace(FAILED, seq=BODY_SEQ, started_at_ms=900, logs=())
    ledger.put_step_attempts([WELL, FAILED, body, replace(FAILED, run_id="other")])
    assert ledger.step_attempts(FAILED.run_id, 2) == [FAILED, WELL]
    assert ledger.step_attempts(FAILED.run_id, 3) == []
    assert ledger.failed_attempts(FAILED.run_id) == [FAILED, body]
    assert ledger.failed_attempts(FAILED.run_id, limit=1) == [FAILED]


def test_the_failed_attempts_of_many_runs_come_in_one_answer(ledger: Ledger) -> None:
    """So many of each at most, newest first; those that succeeded and other runs' are not among them."""
    later = replace(FAILED, started_at_ms=2_000)
    other = replace(FAILED, run_id="b")
    ledger.put_step_attempts([FAILED, WELL, later, other, replace(FAILED, run_id="c"), replace(WELL, run_id="d")])
    asked = [FAILED.run_id, "b", "d", "none"]
    assert ledger.failed_attempts_of(asked, limit=5) == {FAILED.run_id: [later, FAILED], "b": [other]}
    assert ledger.failed_attempts_of(asked, limit=1) == {FAILED.run_id: [later], "b": [other]}
    assert ledger.failed_attempts_of([], limit=1) == {}


def test_an_attempt_that_was_told_of_while_it_went_on_is_replaced_by_its_end(ledger: Ledger) -> None:
    """One row: first without an end, then whole."""
    ledger.put_step_attempts([replace(FAILED, ended_at_ms=None, error_type=None, traceback=None, logs=(LOG,))])
    assert ledger.failed_attempts(FAILED.run_id) == []
    ledger.put_step_attempts([FAILED])
    assert ledger.step_attempts(FAILED.run_id, 2) == ledger.failed_attempts(FAILED.run_id) == [FAILED]


def test_of_a_step_and_of_a_run_the_newest_attempts_are_kept(ledger: Ledger) -> None:
    """However often a loop fails."""
    ledger.put_step_attempts([replace(WELL, started_at_ms=number) for number in range(MOST_OF_STEP + 20)])
    kept = [one.started_at_ms for one in ledger.step_attempts(WELL.run_id, 2)]
    assert kept == list(range(20, MOST_OF_STEP + 20))
    other = replace(FAILED, run_id="loop")
    ledger.put_step_attempts([replace(other, seq=number, started_at_ms=number) for number in range(MOST_OF_RUN + 5)])
    found = [one.seq for one in ledger.failed_attempts("loop", limit=MOST_OF_RUN + 100)]
    assert found == list(range(MOST_OF_RUN + 4, 4, -1))


def test_what_was_told_of_a_run_goes_with_it(ledger: Ledger) -> None:
    """When it is deleted, and with the run's other facts when they are old."""
    ledger.put_step_attempts([FAILED, replace(FAILED, run_id="b"), replace(FAILED, run_id="c")])
    ledger.forget_step_attempts([FAILED.run_id])
    lease = ledger.acquire_lease(EXPORT_LEASE, "host:1:abc", ttl_s=60)
    assert lease is not None
    ledger.record_export(lease, cursor=None, runs=[ExportedRun(run_id="c")])
    ledger.prune_exports(lease, ended_before_ms=ledger.now_ms() + 60_000)
    assert [len(ledger.failed_attempts(run_id)) for run_id in (FAILED.run_id, "b", "c")] == [0, 0, 1]


def test_a_heartbeat_says_whether_anybody_watches(ledger: Ledger) -> None:
    """The number comes back with the beat; which runs is asked only then. A mark holds for its time."""
    executor = Executor(instance_id="i", executor_id="e", beat_at_ms=0, started_at_ms=0)
    assert ledger.heartbeat(executor) == 0
    ledger.watch_runs(["a", "b", "a"], for_ms=60_000)
    assert ledger.heartbeat(executor) == 2
    assert ledger.heartbeat(replace(executor, pid=7)) == 2
    assert ledger.watched_runs() == {"a", "b"}
    ledger.watch_runs(["a"], for_ms=-1)
    assert ledger.heartbeat(executor) == 1
    assert ledger.watched_runs() == {"b"}
    ledger.watch_runs(["c"], for_ms=60_000)
    assert ledger.watched_runs() == {"b", "c"}


@pytest.mark.parametrize("many", [0, 1])
def test_putting_and_watching_nothing_writes_nothing(ledger: Ledger, many: int) -> None:
    """As everywhere."""
    ledger.put_step_attempts([FAILED][:many])
    ledger.watch_runs(["r"][:many], for_ms=1_000)
    ledger.forget_step_attempts([])
    assert len(ledger.failed_attempts(FAILED.run_id)) == len(ledger.watched_runs()) == many
