"""One trace per run through all its lives: what is sent, once, and under which parent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from otel_bridge.ledger.base import COPIED, ExportedRun
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step, StepKind, StepStatus
from otel_bridge.spans import Plan, Relatives, SpanData, SpanSettings, ids, plan_deleted, plan_run
from otel_bridge.spans.lives import run_end_ms
from otel_bridge.spans.model import Housekeeping, Root
from otel_bridge.testing import make_run, make_step
from otel_bridge.testing.clock import DEFAULT_TIME_MS as T

LATER = T + 3_600_000
SETTINGS = SpanSettings(dashboard_url="https://ops.example.com/durable")


def plan(run: Run, steps: Sequence[Step] = (), before: ExportedRun | None = None, **options: Any) -> Plan:
    options.setdefault("settings", SETTINGS)
    options.setdefault("now_ms", LATER)
    return plan_run(run, steps, before, **options)


def names(plan: Plan) -> list[str]:
    return [span.name for span in plan.spans]


def only(plan: Plan) -> SpanData:
    (span,) = plan.spans
    return span


def links(span: SpanData) -> dict[Any, tuple[bytes, bytes]]:
    return {link.attributes["durable.link"]: (link.trace_id, link.span_id) for link in span.links}


def failed_run(finished_at_ms: int = T + 500) -> tuple[Run, list[Step]]:
    run = make_run(status="failed", finished_at_ms=finished_at_ms)
    return run, [make_step(seq=1), make_step(seq=2, status="failed", started_at_ms=T + 100)]


def test_a_finished_step_is_sent_before_its_run_ends_under_the_root_known_in_advance():
    """Steps are prompt; the root comes last, once."""
    first = plan(make_run(status="running"), [make_step(seq=1)])
    assert names(first) == ["charge"]
    assert only(first).parent_id == ids.root_span_id("run-1")
    second = plan(make_run(status="completed", finished_at_ms=T + 99), [make_step(seq=1)], first.record)
    assert names(second) == ["order"]
    assert only(second).span_id == ids.root_span_id("run-1")
    assert only(second).parent_id is None


def test_nothing_is_sent_twice():
    """A second look at the same rows has nothing to send."""
    run, steps = failed_run()
    first = plan(run, steps)
    again = plan(run, steps, first.record)
    assert names(first) == ["charge", "charge", "order"]
    assert names(again) == []
    assert not again.changed


def test_sending_again_after_a_crash_of_the_bridge_gives_the_same_spans():
    """Content is a pure function of rows and ledger: the clock decides only when, never what."""
    run, steps = failed_run()
    assert plan(run, steps, now_ms=T + 10**7).spans == plan(run, steps, now_ms=LATER + 10**9).spans


def test_an_open_step_is_not_sent():
    """A span is sent when its end is known."""
    assert names(plan(make_run(), [make_step(seq=1, status="running")])) == []


def test_a_step_that_its_run_did_not_wait_for_ends_with_the_run():
    """A sleep cut short by a cancellation is a span too, marked as unfinished."""
    run = make_run(status="cancelled", finished_at_ms=T + 500)
    sleep = make_step(seq=1, kind="sleep", status="running", name="DBOS.sleep", wake_at_ms=T + 10**6)
    result = plan(run, [sleep])
    step, root = result.spans
    assert step.end_ns == (T + 500) * 10**6
    assert step.attributes["durable.step.unfinished"] is True
    assert root.error is None
    woken = sleep._replace(status="completed", finished_at_ms=T + 10**6)
    assert names(plan(run, [woken], result.record)) == []


def test_a_sleep_is_looked_at_when_it_ends():
    """The engine writes a sleep's row before it: nothing will change when it is over."""
    sleep = make_step(seq=1, kind="sleep", status="running", name="DBOS.sleep", wake_at_ms=T + 10**6)
    assert plan(make_run(), [sleep], now_ms=T).again_at_ms == T + 10**6 + 1


def test_a_remote_step_is_sent_when_its_result_was_taken():
    """Until the parent has the result, the step may still become longer."""
    step = make_step(seq=1, kind="remote", name="child", child_run_id="run-1-1", worker_group="q")
    assert names(plan(make_run(), [step])) == []
    taken = step._replace(folded=(2,), finished_at_ms=T + 400)
    span = only(plan(make_run(), [taken]))
    assert span.kind.name == "PRODUCER"
    assert span.end_ns == (T + 400) * 10**6
    assert links(span)["child"] == (ids.trace_id("run-1-1"), ids.root_span_id("run-1-1"))


def test_a_child_that_nobody_waits_for_ends_its_step_with_the_parent():
    """Fire and forget: the step's span ends when the run does, whatever becomes of the child."""
    step = make_step(seq=1, kind="remote", name="child", child_run_id="run-1-1", finished_at_ms=T + 90_000)
    result = plan(make_run(status="completed", finished_at_ms=T + 500), [step])
    assert [span.end_ns // 10**6 - T for span in result.spans] == [500, 500]


def test_a_child_that_failed_later_than_its_parent_ended_does_not_fail_its_step():
    """What the parent's step shows must not depend on when one looks: it was running when the parent ended."""
    step = make_step(
        seq=1, kind="remote", name="child", child_run_id="run-1-1", status="failed", finished_at_ms=T + 900
    )
    result = plan(make_run(status="completed", finished_at_ms=T + 500), [step])
    assert [span.error for span in result.spans] == [None, None]
    assert result.spans[0].attributes["durable.step.status"] == "running"


def test_a_child_that_ended_before_its_parent_did_ends_its_step_though_nobody_asked():
    """The span says what the page says: how long the child ran and how it went."""
    step = make_step(seq=1, kind="remote", name="child", child_run_id="run-1-1", status="failed")
    result = plan(make_run(status="completed", finished_at_ms=T + 500), [step])
    assert [(span.end_ns // 10**6 - T, span.error) for span in result.spans] == [(10, "The step failed."), (500, None)]
    assert result.spans[0].attributes["durable.step.status"] == "failed"


def test_a_remote_step_lasts_as_long_as_its_child_and_says_when_its_result_was_taken():
    """A parent that asks late neither lengthens the step nor hides that it asked late."""
    step = make_step(
        seq=1,
        kind="remote",
        name="child",
        child_run_id="run-1-1",
        worker_group="q",
        finished_at_ms=T + 400,
        folded=(2,),
        collected_at_ms=T + 8_000,
    )
    span = only(plan(make_run(), [step]))
    assert span.end_ns == (T + 400) * 10**6
    assert span.attributes["durable.step.collect_ms"] == 7_600


@pytest.mark.parametrize(("status", "error"), [("cancelled", None), ("dead", "The engine gave the child run up.")])
def test_a_cancelled_child_is_not_an_error_and_a_dead_one_is(status: StepStatus, error: str | None):
    """The step is what its child is, by name."""
    step = make_step(seq=1, kind="remote", name="child", child_run_id="run-1-1", status=status)
    span = plan(make_run(status="completed", finished_at_ms=T + 500), [step._replace(finished_at_ms=T + 10)]).spans[0]
    assert (span.error, span.attributes["durable.step.status"]) == (error, status)


def test_a_result_taken_from_a_run_started_elsewhere_is_a_step():
    """It has a row of its own, with its own end."""
    step = make_step(seq=1, kind="remote", name="DBOS.getResult", child_run_id="elsewhere")
    assert links(only(plan(make_run(), [step])))["child"][1] == ids.root_span_id("elsewhere")


def test_a_retried_run_stays_in_its_trace_below_its_root():
    """The retry is a span of its own, linked to the failed step; steps kept from before are not sent again."""
    run, steps = failed_run()
    first = plan(run, steps)
    retried = make_run(status="running", started_at_ms=T + 2_000)
    assert names(plan(retried, steps[:1], first.record)) == []
    done = make_run(status="completed", started_at_ms=T + 2_000, finished_at_ms=T + 2_600)
    again = [steps[0], make_step(seq=2, started_at_ms=T + 2_100)]
    second = plan(done, again, first.record)
    step, retry = second.spans
    assert retry.name == "retry 1"
    assert retry.trace_id == first.spans[-1].trace_id
    assert retry.parent_id == ids.root_span_id("run-1")
    assert step.parent_id == retry.span_id
    assert step.span_id == ids.step_span_id("run-1", 2, generation=1)
    assert links(step)["previous_execution"][1] == ids.step_span_id("run-1", 2)
    assert links(retry)["failed_step"][1] == ids.step_span_id("run-1", 2)
    assert links(retry)["previous_life"][1] == ids.root_span_id("run-1")
    assert (retry.start_ns, retry.end_ns) == ((T + 2_000) * 10**6, (T + 2_600) * 10**6)


@pytest.mark.parametrize("root", ["end", "anchor"])
def test_a_retry_does_not_begin_with_a_child_that_was_retried_by_itself_before(root: Root):
    """The run asked for it in its first life, and takes the new result in the second, which began ten seconds later."""
    run, (local, _) = failed_run()
    settings = SpanSettings(root=root)
    asked: dict[str, Any] = {"kind": "remote", "child_run_id": "c", "asked_at_ms": T + 100, "folded": (3,)}
    failed = make_step(
        seq=2, status="failed", started_at_ms=T + 110, finished_at_ms=T + 150, collected_at_ms=T + 200, **asked
    )
    first = plan_run(run, [local, failed], None, settings=settings, now_ms=T + 10**7)
    done = make_run(status="completed", started_at_ms=T + 12_000, finished_at_ms=T + 12_068)
    child: dict[str, Any] = {"enqueued_at_ms": T + 2_000, "started_at_ms": T + 2_020, "finished_at_ms": T + 2_030}
    again = make_step(seq=2, collected_at_ms=T + 12_010, **child, **asked)
    second = plan_run(done, [local, again], first.record, settings=settings, now_ms=T + 10**7)
    step = next(span for span in second.spans if span.seq == 2)
    assert (step.start_ns, step.end_ns) == ((T + 2_000) * 10**6, (T + 2_030) * 10**6)
    whole = second.spans[-1]
    assert (whole.start_ns, whole.end_ns) == ((T + 12_000) * 10**6, (T + 12_068) * 10**6)
    sent = plan_run(
        make_run(started_at_ms=T + 12_000), [local, again], first.record, settings=settings, now_ms=T + 10**7
    )
    late = plan_run(done, [local, again], sent.record, settings=settings, now_ms=T + 10**7).spans[-1]
    assert (late.start_ns, late.end_ns) == (whole.start_ns, whole.end_ns)


def test_a_retry_that_was_cancelled_begins_when_it_was_asked_for():
    """The engine forgets when a cancelled run was taken: not when the life before ended, however long ago that was."""
    run, steps = failed_run()
    gone = make_run(status="cancelled", started_at_ms=None, requeued_at_ms=T + 3_600_000, finished_at_ms=T + 3_600_500)
    announced = replace(plan(run, steps).record, generation=1, ended=False)
    retry = plan(gone, steps[:1], announced).spans[-1]
    assert retry.name == "retry 1"
    assert (retry.start_ns, retry.end_ns) == ((T + 3_600_000) * 10**6, (T + 3_600_500) * 10**6)


def test_a_child_that_nobody_waited_for_does_not_lengthen_the_run_that_asked_for_it():
    """It may begin when its parent has long ended, and a bridge that was away sees both at once."""
    asked: dict[str, Any] = {"kind": "remote", "child_run_id": "c", "asked_at_ms": T + 100}
    late = make_step(seq=1, started_at_ms=T + 3_600_000, finished_at_ms=T + 3_600_100, **asked)
    run = make_run(status="completed", finished_at_ms=T + 300)
    assert plan(run, [late]).spans[-1].end_ns == (T + 300) * 10**6


def test_a_retry_announced_by_the_dashboard_is_not_taken_for_its_own_end():
    """Between the announcement and the rewind the rows still tell of the failed life."""
    run, steps = failed_run()
    announced = replace(plan(run, steps).record, generation=1, ended=False)
    assert names(plan(run, steps, announced)) == []
    done = make_run(status="completed", finished_at_ms=T + 2_600)
    later = plan(done, [steps[0], make_step(seq=2, started_at_ms=T + 2_100)], announced)
    assert names(later) == ["charge", "retry 1"]


def test_a_retry_that_fails_within_the_same_second_is_still_reported():
    """SQLite rounds run times to seconds; the step's own times show that it ran again."""
    run, steps = failed_run(finished_at_ms=T)
    first = plan(run, steps)
    again = [steps[0], make_step(seq=2, status="failed", started_at_ms=T + 200)]
    assert names(plan(run, again, first.record)) == ["charge", "retry 1"]


def test_a_second_retry_links_to_the_first():
    """Each life points to the one before."""
    run, steps = failed_run()
    record = plan(run, steps).record
    for life in (1, 2):
        failed = make_run(status="failed", finished_at_ms=T + 1_000 * life)
        result = plan(failed, [steps[0], steps[1]._replace(finished_at_ms=T + 900 * life)], record)
        record = result.record
    assert links(result.spans[-1])["previous_life"][1] == ids.retry_span_id("run-1", 1)
    assert links(result.spans[-1])["failed_step"][1] == ids.step_span_id("run-1", 2, generation=1)


def test_a_run_resumed_after_a_cancel_continues_in_a_life_of_its_own():
    """Resume keeps every row: only what came afterwards is new, and no step is blamed."""
    first = plan(make_run(status="cancelled", finished_at_ms=T + 50), [make_step(seq=1)])
    done = make_run(status="completed", finished_at_ms=T + 9_000)
    second = plan(done, [make_step(seq=1), make_step(seq=2, started_at_ms=T + 8_000)], first.record)
    assert names(second) == ["charge", "retry 1"]
    assert "failed_step" not in links(second.spans[-1])


def test_a_run_that_was_resumed_within_the_second_in_which_it_ended_lives_again():
    """Its row has the same stamp, where stamps are whole seconds."""
    ended = plan(make_run(status="dead", finished_at_ms=T + 1_000, updated_at_ms=T + 1_000), [make_step(seq=1)])
    resumed = make_run(status="running", updated_at_ms=T + 1_000)
    assert plan(resumed, [make_step(seq=1)], ended.record).record.generation == 1


@pytest.mark.parametrize("status", ["cancelled", "dead"])
def test_cancelling_what_has_ended_is_not_a_new_life(status: str):
    """The engine stamps the row once more; nothing ran."""
    first = plan(make_run(status=status, finished_at_ms=T + 50), [make_step(seq=1)])  # type: ignore[arg-type]
    again = plan(make_run(status="cancelled", finished_at_ms=T + 7_000), [make_step(seq=1)], first.record)
    assert names(again) == []


@pytest.mark.parametrize(
    ("first_end_ms", "began_ms", "second_end_ms", "lives"),
    [
        (T + 50, T + 51, T + 7_000, ["charge", "retry 1"]),
        (T + 50, T + 50, T + 7_000, ["charge"]),  # committed late
        (T + 50, T + 51, T + 50, ["charge"]),  # not stamped again: clocks differ
        (T, T + 999, T + 7_000, ["charge"]),  # the stamp is a whole second, and may have been rounded down
        (T, T + 1_000, T + 7_000, ["charge", "retry 1"]),
    ],
)
def test_a_step_that_began_after_a_cancel_tells_that_the_run_was_resumed_before_the_next(
    first_end_ms: int, began_ms: int, second_end_ms: int, lives: list[str]
) -> None:
    """Resumed by the engine's own API between two looks of the bridge: nothing else says so."""
    sent = make_step(seq=1, started_at_ms=T - 20, finished_at_ms=T - 10)
    first = plan(make_run(status="cancelled", finished_at_ms=first_end_ms), [sent])
    later = make_step(seq=2, started_at_ms=began_ms, finished_at_ms=began_ms + 10)
    again = plan(make_run(status="cancelled", finished_at_ms=second_end_ms), [sent, later], first.record)
    assert names(again) == lives


def test_a_life_that_nobody_saw_end_is_closed_before_the_next():
    """Failed and retried between two looks: the root is still sent, once, from what was exported."""
    open_life = plan(make_run(), [make_step(seq=1), make_step(seq=2, status="failed")])
    done = make_run(status="completed", finished_at_ms=T + 5_000)
    later = plan(done, [make_step(seq=1), make_step(seq=2, started_at_ms=T + 4_000)], open_life.record)
    assert names(later) == ["order", "charge", "retry 1"]
    root, step, retry = later.spans
    assert root.attributes["durable.run.status"] == "unknown"
    assert len({span.span_id for span in (*open_life.spans, *later.spans)}) == 5
    assert step.parent_id == retry.span_id != root.span_id


def test_a_late_step_joins_the_life_that_it_belongs_to():
    """A row that was committed after the end was seen does not start a new life."""
    run, steps = failed_run()
    first = plan(run, steps)
    late = plan(run, [*steps, make_step(seq=3, started_at_ms=T + 50)], first.record)
    assert only(late).parent_id == ids.root_span_id("run-1")


def test_a_late_step_of_a_retry_that_recorded_no_other_is_sent_in_its_life():
    """Once the retry's end is sent it is not awaited any more."""
    run, steps = failed_run()
    retried = make_run(status="cancelled", finished_at_ms=T + 5_000)
    again = plan(make_run(status="running"), steps[:1], plan(run, steps).record).record
    ended = plan(retried, steps[:1], again)
    assert names(ended) == ["retry 1"]
    late = plan(retried, [steps[0], make_step(seq=3, started_at_ms=T + 4_000)], ended.record)
    assert only(late).parent_id == ids.retry_span_id("run-1", 1)


@pytest.mark.parametrize(("kind", "end_ms"), [("local", T + 80), ("sleep", T + 50)])
def test_the_end_of_a_step_widens_that_of_its_run_and_the_end_of_a_sleep_does_not(kind: StepKind, end_ms: int):
    """A sleep's end is when it would have woken: its run may have been cancelled long before."""
    step = make_step(seq=1, kind=kind, started_at_ms=T + 10, finished_at_ms=T + 80)
    assert run_end_ms(make_run(status="cancelled", finished_at_ms=T + 50), [step]) == end_ms


def test_a_step_without_a_start_does_not_widen_the_end_of_its_run():
    """Such as a child that was never taken from its queue."""
    waiting = make_step(
        seq=2, kind="remote", status="pending", child_run_id="c", started_at_ms=None, finished_at_ms=None
    )
    assert run_end_ms(make_run(status="cancelled", finished_at_ms=T + 50), [make_step(seq=1), waiting]) == T + 50


def test_copied_steps_of_a_fork_are_not_sent_again():
    """They were executed by the original; the fork's root links to it."""
    original = [make_step(seq=1), make_step(seq=2, started_at_ms=T + 100)]
    fork = make_run("fork", status="completed", created_at_ms=T + 100, forked_from="run-1", finished_at_ms=T + 9_000)
    own = make_step("fork", 2, started_at_ms=T + 8_000)
    result = plan(fork, [original[0]._replace(run_id="fork"), own], relatives=Relatives(original_steps=original))
    assert names(result) == ["charge", "order"]
    assert result.record.steps[1] == (T + 10, COPIED)
    assert links(result.spans[-1])["forked_from"] == (ids.trace_id("run-1"), ids.root_span_id("run-1"))
    assert names(plan(fork, [original[0]._replace(run_id="fork"), own], result.record)) == []


def test_a_child_that_the_original_started_and_the_fork_awaited_begins_with_the_fork():
    """The fork did not wait before there was a fork; its root is not widened into the past."""
    start = make_step("fork", 1, kind="remote", name="child", child_run_id="run-1-1")
    fork = make_run("fork", created_at_ms=T + 5_000, forked_from="run-1")
    relatives = Relatives(original_steps=[start._replace(run_id="run-1")])
    first = plan(fork, [start], relatives=relatives)
    assert names(first) == []
    done = replace(fork, status="completed", finished_at_ms=T + 6_000)
    awaited = start._replace(folded=(2,), finished_at_ms=T + 5_500)
    step, root = plan(done, [awaited], first.record, relatives=relatives).spans
    assert (step.start_ns, root.start_ns) == ((T + 5_000) * 10**6, (T + 5_000) * 10**6)


def test_copied_steps_are_told_by_their_times_when_the_original_is_gone():
    """What ended before the fork was made was not executed by it."""
    fork = make_run("fork", status="completed", created_at_ms=T + 5_000, forked_from="run-1", finished_at_ms=T + 9_000)
    result = plan(fork, [make_step("fork", 1), make_step("fork", 2, started_at_ms=T + 8_000)])
    assert [span.seq for span in result.spans] == [2, None]


def test_what_ended_as_the_fork_was_made_is_not_a_copy():
    """Of a fork whose original is gone, a step that ended in the very millisecond may be its own: it is sent."""
    fork = make_run("fork", status="completed", created_at_ms=T + 5_000, forked_from="run-1", finished_at_ms=T + 9_000)
    own = make_step("fork", 1, started_at_ms=T + 4_990, finished_at_ms=T + 5_000)
    assert [span.seq for span in plan(fork, [own]).spans] == [1, None]


def test_a_step_of_a_worker_whose_clock_is_behind_is_not_a_copy():
    """A fork's own step may seem older than the fork; the original's rows say that it is not from there."""
    original = [make_step(seq=1)]
    fork = make_run(
        "fork", status="completed", created_at_ms=T + 60_000, forked_from="run-1", finished_at_ms=T + 61_000
    )
    own = make_step("fork", 2, started_at_ms=T + 31_000)
    result = plan(fork, [original[0]._replace(run_id="fork"), own], relatives=Relatives(original_steps=original))
    assert [span.seq for span in result.spans] == [2, None]


def test_a_run_that_is_being_undone_ends_with_its_undo():
    """Its root waits, so that its status is final; nothing is due in between."""
    cancelling = make_run(status="cancelling", undo_id="undo:run-1", finished_at_ms=T + 50)
    first = plan(cancelling, [make_step(seq=1)])
    assert names(first) == ["charge"]
    assert first.again_at_ms is not None
    ended = plan(replace(cancelling, status="cancelled"), [make_step(seq=1)], first.record)
    assert names(ended) == ["order"]


def test_an_undo_after_the_root_was_sent_begins_no_new_life():
    """A failed run that is undone later stays as it was sent; the undo is a subtree of its own."""
    run, steps = failed_run()
    sent = plan(run, steps)
    for status in ("cancelling", "cancelled"):
        assert names(plan(replace(run, status=status, undo_id="undo:run-1"), steps, sent.record)) == []


def test_an_undo_lives_in_the_trace_of_its_run_under_its_root():
    """One trace tells the whole story; each compensation links to what it undoes."""
    undo = make_run("undo:run-1", workflow="durable.undo", status="completed", finished_at_ms=T + 100)
    step, root = plan(undo, [make_step("undo:run-1", 1, name="compensate:charge", compensates=2)]).spans
    assert root.trace_id == step.trace_id == ids.trace_id("run-1")
    assert root.parent_id == ids.root_span_id("run-1")
    assert step.parent_id == root.span_id
    assert links(step)["compensates"] == (ids.trace_id("run-1"), ids.step_span_id("run-1", 2))


def test_the_root_of_a_dead_run_waits_a_little_for_its_handler():
    """Once the handler is there, the root links to it; without one it is sent after the grace."""
    dead = make_run(status="dead", finished_at_ms=T, recovery_attempts=4)
    waiting = plan(dead, now_ms=T + 100)
    assert names(waiting) == []
    assert waiting.again_at_ms is not None
    assert "dead_letter" not in links(only(plan(dead, now_ms=T + 60_000)))
    handled = only(plan(replace(dead, dead_letter_id="dlq:run-1"), now_ms=T + 100))
    assert links(handled)["dead_letter"] == (ids.trace_id("dlq:run-1"), ids.root_span_id("dlq:run-1"))
    assert handled.error is not None
    assert handled.attributes["error.type"] == "MaxRecoveryAttemptsExceeded"


def test_a_dead_letter_handler_links_back():
    """Both sides link."""
    root = only(plan(make_run("dlq:run-1", status="completed", finished_at_ms=T + 1)))
    assert links(root)["dead_run"] == (ids.trace_id("run-1"), ids.root_span_id("run-1"))
    assert root.trace_id == ids.trace_id("dlq:run-1")


def test_a_deleted_run_still_gets_its_root():
    """Steps that were sent do not stay orphans."""
    open_life = plan(make_run(), [make_step(seq=1)])
    gone = plan_deleted(open_life.record, settings=SETTINGS)
    assert names(gone) == ["order"]
    assert gone.record.ended
    assert plan_deleted(gone.record, settings=SETTINGS).spans == ()


def test_a_run_deleted_before_anything_was_sent_leaves_no_trace():
    """A root without steps would tell nothing."""
    assert plan_deleted(ExportedRun(run_id="run-1"), settings=SETTINGS).spans == ()


# -- bookkeeping ---------------------------------------------------------------------------------------------


def token(seq: int, key: str = "tokens") -> Step:
    """One streamed token, as a step."""
    return make_step(seq=seq, name="DBOS.writeStream", housekeeping=True, key=key, started_at_ms=T + seq * 10)


def test_like_bookkeeping_in_a_row_is_one_span_once_the_row_is_over():
    """1,500 streamed tokens are no 1,500 spans; and what was sent is final, so an open row waits."""
    tokens = [token(seq) for seq in range(2, 1_502)]
    first = plan(make_run(), [make_step(seq=1), *tokens])
    assert names(first) == ["charge"]
    then = plan(make_run(), [make_step(seq=1), *tokens, make_step(seq=1_502, name="ship")], first.record)
    assert names(then) == ["DBOS.writeStream", "ship"]
    span = then.spans[0]
    assert (span.seq, span.attributes["durable.step.count"], span.attributes["durable.step.key"]) == (
        2,
        1_500,
        "tokens",
    )
    assert (span.start_ns, span.end_ns) == ((T + 20) * 10**6, (T + 15_010 + 10) * 10**6)
    again = plan(make_run(), [make_step(seq=1), *tokens, make_step(seq=1_502, name="ship")], then.record)
    assert (names(again), again.changed) == ([], False)


def test_a_row_of_bookkeeping_ends_with_its_run_and_where_its_key_changes():
    """Two streams are two rows."""
    steps = [token(1), token(2), token(3, key="log"), token(4, key="log")]
    result = plan(make_run(status="completed", finished_at_ms=T + 500), steps)
    assert [span.attributes.get("durable.step.count") for span in result.spans] == [2, 2, None]
    assert set(result.record.steps) == {1, 2, 3, 4}


@pytest.mark.parametrize(("setting", "spans"), [("all", 3), ("none", 1)])
def test_bookkeeping_is_sent_as_the_setting_says(setting: Housekeeping, spans: int):
    """One span each, or none; what is not sent is remembered, so that it is not looked at again."""
    run = make_run(status="completed", finished_at_ms=T + 500)
    settings = SpanSettings(housekeeping=setting)
    result = plan_run(run, [token(1), token(2)], None, settings=settings, now_ms=T + 900)
    assert len(result.spans) == spans
    assert set(result.record.steps) == {1, 2}


@pytest.mark.parametrize("seen", ["whole", "open", "nothing"])
def test_a_run_started_under_the_id_of_one_that_is_gone_has_a_root_of_its_own(seen: str):
    """Its creation says that it is another: no retry, nothing of the former is linked as done before, or counted."""
    run, steps = failed_run()
    former: ExportedRun | None = ExportedRun(run_id="run-1", created_at_ms=run.created_at_ms)
    if seen != "nothing":
        was = run if seen == "whole" else make_run(status="running", queue="q", started_at_ms=T)
        former = plan(was, steps[:1], former).record
    times: dict[str, Any] = {
        "created_at_ms": T + 60_000,
        "started_at_ms": T + 60_300,
        "finished_at_ms": T + 61_000,
    }
    again = make_run(status="completed", queue="q", **times)
    step = make_step(seq=1, started_at_ms=T + 60_400, finished_at_ms=T + 60_500)
    begun = plan(replace(again, status="running", finished_at_ms=None), [step], former)
    assert [span.name for span in begun.spans if span.name != "order"] == ["charge"]
    assert [span.name for span in begun.spans if span.end_ns < (T + 60_000) * 10**6] == ["order"] * (seen == "open")
    ended = plan(again, [step], begun.record)
    root = only(ended)
    generation = 0 if seen == "nothing" else 1
    own = ids.root_span_id("run-1") if generation == 0 else ids.retry_span_id("run-1", 1)
    assert (root.name, root.parent_id, root.span_id) == ("order", None, own)
    assert (root.start_ns, links(root)) == ((T + 60_000) * 10**6, {})
    assert root.attributes["durable.queue.wait_ms"] == 300
    (charged,) = [span for span in begun.spans if span.name == "charge"]
    assert (charged.parent_id, links(charged)) == (own, {})
    assert names(plan(again, [step], ended.record)) == []
    retried = replace(again, status="failed", finished_at_ms=T + 70_000)
    assert only(plan(retried, [step], ended.record)).name == f"retry {generation + 1}"


def test_a_step_that_a_cancel_interrupts_is_reported_late_and_makes_no_new_life():
    """Also where the life before had sent the same step: its other end is no sign of another execution."""
    run, steps = failed_run()
    failed = plan(run, steps)
    running = replace(run, status="running", started_at_ms=T + 5_000, finished_at_ms=None)
    retried = replace(running, status="cancelled", finished_at_ms=T + 7_264)
    cancelled = plan(retried, [make_step(seq=1)], plan(running, [make_step(seq=1)], failed.record).record)
    assert names(cancelled) == ["retry 1"]
    late = make_step(
        seq=2, status="interrupted", started_at_ms=T + 5_100, finished_at_ms=T + 9_000, recorded_at_ms=T + 9_000
    )
    after = plan(retried, [make_step(seq=1), late], cancelled.record)
    assert (after.record.generation, [name for name in names(after) if name.startswith("retry")]) == (1, [])
    resumed = replace(retried, finished_at_ms=T + 20_000)
    again = late._replace(started_at_ms=T + 15_000, finished_at_ms=T + 20_000)
    assert plan(resumed, [make_step(seq=1), again], after.record).record.generation == 2
