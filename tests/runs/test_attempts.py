"""A run's history as attempts, pieced together from the audit log, kept lives and exported records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from otel_bridge.ledger.base import AuditEntry, ExportedRun, KeptAttempt, PastLife
from otel_bridge.model.runs import Run, RunQuery, Waiting
from otel_bridge.runs.attempts import Attempt, attempts, overlay_requeue
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step
from tests.story import mounted

T = 1_700_000_000_000
HOUR = 3_600_000


def done(action: str, at_ms: int, actor: str = "ada") -> AuditEntry:
    return AuditEntry(at_ms=at_ms, actor=actor, action=action, run_id="a", outcome="done")


def test_a_run_that_was_never_put_on_a_queue_again_has_one_attempt() -> None:
    """It is the run as it is now; while it continues it has no outcome."""
    run = make_run("a", status="completed", created_at_ms=T, started_at_ms=T + 5, finished_at_ms=T + 9, executor="e")
    assert attempts(run, []) == [
        Attempt(n=1, enqueued_at_ms=T, started_at_ms=T + 5, ended_at_ms=T + 9, outcome="completed", executor="e")
    ]
    going = attempts(make_run("a", status="suspended", created_at_ms=T), [])[0]
    assert (going.ended_at_ms, going.outcome) == (None, None)


def test_a_retry_begins_an_attempt_and_the_kept_life_tells_how_the_one_before_went() -> None:
    """By whom and when is in the audit log; the row as it was before is kept with the life."""
    failed = make_run("a", status="failed", created_at_ms=T, started_at_ms=T + 5, finished_at_ms=T + 9, executor="e1")
    now = make_run("a", status="completed", created_at_ms=T, started_at_ms=T + HOUR + 7, finished_at_ms=T + HOUR + 20)
    first, second = attempts(
        now, [done("retry", T + HOUR)], kept=[KeptAttempt(at_ms=T + HOUR + 1, life=PastLife(run=failed, generation=0))]
    )
    assert (first.outcome, first.started_at_ms, first.ended_at_ms, first.executor) == ("failed", T + 5, T + 9, "e1")
    assert (second.n, second.cause, second.by, second.enqueued_at_ms) == (2, "retry", "ada", T + HOUR)
    assert (second.started_at_ms, second.outcome) == (T + HOUR + 7, "completed")


def test_what_a_bridge_exported_tells_of_a_life_that_nobody_kept() -> None:
    """Its steps' ends, and whether one of them failed it."""
    exported = ExportedRun(
        run_id="a",
        generation=1,
        steps={1: (T + 30, 0), 2: (T + 60, 0), 3: (T + HOUR + 9, 1)},
        first_started_at_ms=T + 10,
        failed_step=(2, 0),
    )
    first, _ = attempts(make_run("a", created_at_ms=T), [done("retry", T + HOUR)], exported=exported)
    assert (first.started_at_ms, first.ended_at_ms, first.outcome) == (T + 10, T + 60, "failed")


def test_a_redispatched_run_lost_its_worker_and_a_moved_one_only_waited() -> None:
    """Neither had ended."""
    run = make_run("a", status="running", created_at_ms=T, started_at_ms=T + 900)
    history = attempts(run, [done("redispatch", T + 100, "caretaker"), done("move", T + 500)])
    assert [(attempt.cause, attempt.by, attempt.outcome, attempt.ended_at_ms) for attempt in history] == [
        ("start", None, "lost", T + 100),
        ("redispatch", "caretaker", None, T + 500),
        ("move", "ada", None, None),
    ]


def test_nothing_kept_is_nothing_claimed() -> None:
    """The ledger was deleted, or the engine's own API retried the run."""
    first, _ = attempts(make_run("a", created_at_ms=T), [done("retry", T + HOUR)])
    assert (first.outcome, first.started_at_ms, first.ended_at_ms) == (None, None, T + HOUR)


def test_a_run_waits_on_its_queue_since_it_was_last_put_there() -> None:
    """Not since its creation, fifteen hours ago."""
    run = make_run("a", status="pending", created_at_ms=T, queue="q", waiting=Waiting("queue", "q", T))
    again = overlay_requeue(run, [done("retry", T + 15 * HOUR)])
    assert again.requeued_at_ms == T + 15 * HOUR
    assert again.waiting is not None
    assert again.waiting.since_ms == T + 15 * HOUR
    assert overlay_requeue(run, []) is run


def test_list_and_detail_say_how_long_a_retried_run_really_waited() -> None:
    """Fifteen hours after it failed somebody retried it; a worker took it within three seconds."""
    store, ledger = MemoryStateStore(), MemoryLedger()
    again = T + 15 * HOUR
    store.put_run(
        make_run("a", status="completed", created_at_ms=T, started_at_ms=again + 3_000, finished_at_ms=again + 4_000)
    )
    ledger.add_audit(done("retry", again))
    ledger.add_audit(AuditEntry(at_ms=again + 1, actor="eve", action="retry", run_id="a", outcome="refused"))
    with mounted(store, ledger=ledger) as app:
        ask = app.test_client().get
        (row,) = ask("/durable/api/runs").json  # type: ignore[misc]
        detail = ask("/durable/api/runs/a").json
    assert row["queueMs"] == detail["run"]["queueMs"] == 3_000
    assert [(attempt["n"], attempt["cause"], attempt.get("by")) for attempt in detail["attempts"]] == [
        (1, "start", None),
        (2, "retry", "ada"),
    ]


def test_an_earlier_attempt_keeps_the_steps_that_the_retry_deleted() -> None:
    """Those still there belong to the attempt in which they began; an interrupted one gives way to its row."""
    now = make_run("a", created_at_ms=T, started_at_ms=T + HOUR + 7)
    stays, failed = make_step("a", 1, started_at_ms=T + 10), make_step("a", 2, status="failed", started_at_ms=T + 20)
    lost = make_step("a", 3, status="interrupted", started_at_ms=T + HOUR + 30, finished_at_ms=T + HOUR + 40)
    again = [make_step("a", 2, started_at_ms=T + HOUR + 20), make_step("a", 3, started_at_ms=T + 2 * HOUR + 5)]
    was = make_run("a", status="failed", created_at_ms=T, finished_at_ms=T + 30)
    kept = [
        KeptAttempt(at_ms=T + HOUR + 1, life=PastLife(run=was, generation=0, steps=(stays, failed))),
        KeptAttempt(at_ms=T + 2 * HOUR + 1, life=PastLife(run=now, generation=0, steps=(lost,))),
    ]
    requeues = [done("retry", T + HOUR), done("redispatch", T + 2 * HOUR)]
    first, second, last = attempts(now, requeues, kept=kept, steps=[stays, *again])
    assert first.steps == (stays, failed)
    assert (second.outcome, second.steps) == ("lost", (again[0], lost))
    assert last.steps == ()


@pytest.mark.parametrize("kept", [True, False])
def test_a_step_is_of_the_attempt_in_which_the_run_asked_for_it(kept: bool) -> None:
    """However often its child was retried since: what an attempt lists is how the step stood at its end."""
    now = make_run("a", status="completed", created_at_ms=T, started_at_ms=T + HOUR + 7, finished_at_ms=T + HOUR + 40)
    local = make_step("a", 1, started_at_ms=T + 10)
    failed = make_step(
        "a", 2, kind="remote", status="failed", started_at_ms=T + 30, finished_at_ms=T + 40, child_run_id="c"
    )._replace(asked_at_ms=T + 20, collected_at_ms=T + 50, folded=(3,))
    # retried by itself half an hour later; the run, retried after an hour, took the new result
    mended = failed._replace(
        status="completed",
        started_at_ms=T + HOUR // 2,
        finished_at_ms=T + HOUR // 2 + 9,
        collected_at_ms=T + HOUR + 20,
    )
    fresh = make_step("a", 4, kind="remote", started_at_ms=T + HOUR + 25)._replace(asked_at_ms=T + HOUR + 22)
    was = make_run("a", status="failed", created_at_ms=T, finished_at_ms=T + 60)
    life = KeptAttempt(at_ms=T + HOUR, life=PastLife(run=was, generation=0, steps=(local, failed)))
    first, last = attempts(
        now, [done("retry", T + HOUR)], kept=[life] if kept else [], steps=[local, mended, fresh], most_steps=9
    )
    assert first.steps == ((local, failed) if kept else (local,))
    assert (first.steps_total, last.steps) == (len(first.steps), ())


def test_steps_that_were_kept_and_have_their_rows_are_counted_once() -> None:
    """Also those that an attempt has no room for."""
    now = make_run("a", status="completed", created_at_ms=T, started_at_ms=T + HOUR)
    rows = [make_step("a", seq, started_at_ms=T + seq) for seq in range(1, 8)]
    deleted = make_step("a", 8, status="failed", started_at_ms=T + 8)
    was = make_run("a", status="failed", created_at_ms=T, finished_at_ms=T + 60)
    kept = [KeptAttempt(at_ms=T + HOUR, life=PastLife(run=was, generation=0, steps=(*rows, deleted)))]
    first = attempts(now, [done("retry", T + HOUR)], kept=kept, steps=rows, most_steps=3)[0]
    assert ([step.seq for step in first.steps], first.steps_total) == ([1, 2, 3], 8)


# -- put back by the engine itself ---------------------------------------------------------------------------------

ENGINES = "_dbos_internal_queue"


def resumed(**fields: object) -> Run:
    """A run that was cancelled while it was queued, resumed by the engine fifteen hours later, and taken at once."""
    base = {"created_at_ms": T, "updated_at_ms": T + 15 * HOUR, "started_at_ms": T + 15 * HOUR, "queue": ENGINES}
    return make_run("a", **{**base, "recovery_attempts": 1, **fields})  # type: ignore[arg-type]


def test_what_the_engine_resumed_was_queued_for_an_unknown_time() -> None:
    """Its own queue says that it did so; when that was no row keeps."""
    run = resumed()
    assert (run.was_put_back, run.queue_ms, run.enqueued_at_ms) == (True, None, T + 15 * HOUR)


def test_what_the_engine_resumed_waits_since_its_rows_last_change() -> None:
    """Nothing else changes the row of a run that is queued."""
    run = resumed(status="pending", started_at_ms=None, recovery_attempts=0, waiting=Waiting("queue", ENGINES, T))
    assert (run.was_put_back, run.enqueued_at_ms) == (True, T + 15 * HOUR)
    recovered = resumed(
        status="pending", started_at_ms=None, queue="q", waiting=Waiting("queue", "q", T), recovery_attempts=2
    )
    assert (recovered.was_put_back, recovered.enqueued_at_ms) == (True, T + 15 * HOUR)


@pytest.mark.parametrize(
    "fields",
    [
        {"queue": "q"},
        {"schedule": "nightly"},
        {"id": "sched-nightly-2026-01-01"},
        {"forked_from": "b"},
        {"workflow": "_dbos_debouncer_workflow"},
        {"requeued_at_ms": T + 15 * HOUR},
    ],
)
def test_what_begins_on_the_engines_queue_was_not_put_back(fields: Mapping[str, Any]) -> None:
    """Scheduled runs, forks, the engine's own workflows; and where an action of ours put the run, its time is known."""
    run = replace(resumed(), **fields)
    assert not run.was_put_back
    assert run.queue_ms == (0 if "requeued_at_ms" in fields else 15 * HOUR)


def test_the_engines_resume_begins_an_attempt_of_which_only_the_row_tells() -> None:
    """How the one before ended nobody kept, and nothing is made up."""
    first, second = attempts(resumed(status="completed", finished_at_ms=T + 15 * HOUR + 9), [])
    assert (first.cause, first.enqueued_at_ms, first.ended_at_ms, first.outcome) == ("start", T, None, None)
    assert (second.cause, second.by, second.enqueued_at_ms) == ("resume", "the engine", None)
    assert (second.started_at_ms, second.outcome) == (T + 15 * HOUR, "completed")
    (only,) = attempts(resumed(recovery_attempts=2), [])
    assert only.cause == "start"


STARTED = {"started_at_ms": T + 15 * HOUR, "recovery_attempts": 1}


@pytest.mark.parametrize(
    ("fields", "first_step_ms", "queue_ms"),
    [
        (STARTED, T + 200, None),
        (STARTED, T + 15 * HOUR + 5, 15 * HOUR),
        (STARTED, T + 15 * HOUR - 900, 15 * HOUR),
        ({**STARTED, "forked_from": "b"}, T - HOUR, 15 * HOUR),
    ],
)
def test_a_step_older_than_the_runs_start_says_that_it_was_put_back(
    fields: Mapping[str, Any], first_step_ms: int, queue_ms: int | None
) -> None:
    """The engine's resume onto a queue of the application's, which neither bridge nor ledger saw."""
    store = MemoryStateStore()
    store.put_run(make_run("a", **{"status": "completed", "created_at_ms": T, "queue": "q", **fields}))  # type: ignore[arg-type]
    store.put_step(make_step("a", 1, started_at_ms=first_step_ms, finished_at_ms=first_step_ms + 20))
    (listed,) = store.list_runs(RunQuery()).runs
    found = store.get_run("a")
    assert found is not None
    assert listed.queue_ms == found.queue_ms == queue_ms
    causes = [(attempt.cause, attempt.enqueued_at_ms) for attempt in attempts(found, [])]
    assert causes == [("start", T), *([("resume", None)] if queue_ms is None else [])]
    retried = overlay_requeue(found, [done("retry", T + 15 * HOUR - 50)])
    assert retried.queue_ms == 50


def test_a_run_that_waits_with_steps_from_before_waits_since_its_rows_last_change() -> None:
    """It was put back then, and not when it was created."""
    store = MemoryStateStore()
    run = make_run("a", status="pending", created_at_ms=T, updated_at_ms=T + HOUR, queue="q", started_at_ms=None)
    store.put_run(run)
    waiting = store.list_runs(RunQuery()).runs[0].waiting
    assert waiting is not None
    assert waiting.since_ms == T
    store.put_step(make_step("a", 1, started_at_ms=T + 200, finished_at_ms=T + 220))
    again = store.list_runs(RunQuery()).runs[0]
    assert again.waiting is not None
    assert (again.waiting.since_ms, again.was_put_back) == (T + HOUR, True)


def test_a_run_that_was_put_back_during_its_delay_was_on_no_queue_before() -> None:
    """Its first attempt begins with the run."""
    run = resumed(delayed_until_ms=T + 20 * HOUR)
    first, second = attempts(run, [done("retry", T + 15 * HOUR)])
    assert (first.enqueued_at_ms, second.enqueued_at_ms) == (T, T + 15 * HOUR)
    assert overlay_requeue(run, [done("retry", T + 15 * HOUR - 30)]).queue_ms == 30


def test_a_run_that_was_over_within_its_delay_was_never_put_on_a_queue_in_the_future() -> None:
    """Cancelled while it was delayed, and retried when the delay would have been over, too."""
    cancelled = make_run(
        "a",
        status="cancelled",
        created_at_ms=T,
        started_at_ms=None,
        finished_at_ms=T + 600,
        delayed_until_ms=T + 300_000,
    )
    (only,) = attempts(cancelled, [])
    assert (only.enqueued_at_ms, only.started_at_ms, only.ended_at_ms) == (T, None, T + 600)
    again = replace(cancelled, status="completed", started_at_ms=T + HOUR + 9, finished_at_ms=T + HOUR + 20)
    retried = replace(done("retry", T + HOUR), params={"endedAs": "cancelled", "endedAtMs": T + 600})
    first, second = attempts(again, [retried])
    assert (first.enqueued_at_ms, first.outcome, first.ended_at_ms) == (T, "cancelled", T + 600)
    assert second.enqueued_at_ms == T + HOUR
    (taken,) = attempts(replace(again, started_at_ms=T + 300_004), [])
    assert taken.enqueued_at_ms == T + 300_000


def test_the_retry_before_a_life_that_was_seen_to_end_did_not_begin_the_next_one() -> None:
    """A follower saw the retried life end, a moment after the retry, and the run live again since."""
    seen = replace(resumed(queue="q"), requeued_at_ms=T + HOUR + 60, resumed_by_engine=True)
    retried = replace(done("retry", T + HOUR), params={"endedAs": "failed", "endedAtMs": T + 20})
    shown = overlay_requeue(seen, [retried])
    assert (shown.queue_ms, shown.resumed_by_engine) == (None, True)
    later = replace(done("retry", T + 15 * HOUR - 40), params={"endedAs": "failed", "endedAtMs": T + HOUR + 60})
    assert overlay_requeue(seen, [retried, later]).queue_ms == 40


def test_a_resume_that_the_bridge_noticed_counts_on_whatever_queue() -> None:
    """The row of a run that was resumed onto a queue of the application's looks like any other."""
    run = resumed(queue="q")
    noted = AuditEntry(
        at_ms=T + 14 * HOUR,
        actor="the engine",
        action="resume",
        run_id="a",
        outcome="done",
        params={"endedAs": "cancelled", "endedAtMs": T + 60},
    )
    shown = overlay_requeue(run, [noted])
    assert (shown.queue_ms, shown.requeued_at_ms) == (None, T + 14 * HOUR)
    exported = ExportedRun(run_id="a", generation=1, ended_at_ms=T + 60, status="cancelled")
    first, second = attempts(shown, [noted], exported=exported)
    assert (second.n, second.cause, second.enqueued_at_ms) == (2, "resume", T + 14 * HOUR)
    assert (first.outcome, first.ended_at_ms) == ("cancelled", T + 60)
    unseen = replace(noted, params={"unseen": True})
    assert attempts(shown, [unseen], exported=exported)[1].enqueued_at_ms is None
    later = overlay_requeue(run, [noted, done("retry", T + 15 * HOUR - 5)])
    assert (later.queue_ms, later.resumed_by_engine) == (5, False)
