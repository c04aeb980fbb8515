"""How rows become steps and waits, case by case, where a real engine would take long to get there."""

from __future__ import annotations

import base64
import json
import pickle
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.model.runs import Waiting
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue
from otel_bridge.store.rows import attributes_of
from otel_bridge.store.steps import RunEnd, StepRow, fold_steps
from otel_bridge.store.waiting import (
    Child,
    TailRow,
    Wait,
    is_timeout_of_open_wait,
    parse_question,
    parse_wait,
    waiting_of,
    waits_for_child,
    wake_ms,
)

NOW = 1_700_000_000_000
RUNNING = RunEnd(None)


def row(seq: int, name: str = "step", **fields: object) -> StepRow:
    """Return a row that started at ``seq * 100`` after the beginning and took 10 ms."""
    at = NOW - 10_000 + seq * 100
    base = StepRow("r", seq, name, at, at + 10, at + 10, None, True, False, None, None, None)
    return base._replace(**fields)  # type: ignore[arg-type]


def timeout(seq: int, wake: int, name: str = "DBOS.sleep") -> StepRow:
    """Return the zero-length sleep that records a timeout."""
    return row(seq, name, wake=str(wake / 1000))


def child(status: str, *, queue: str | None = "q", started: int | None = NOW - 5_000) -> Child:
    """Return what a step needs to know of its child."""
    ended = None if status in ("PENDING", "ENQUEUED") else NOW - 1_000
    return Child("c", status, "work", NOW - 9_000, NOW - 1_000, started, ended, queue, "exec")


def fold(
    *rows: StepRow, end: RunEnd = RUNNING, of: Child | None = None, waits: dict[int, Wait] | None = None
) -> list[Step]:
    """Return the steps of these rows."""
    return fold_steps(rows, end=end, now_ms=NOW, children={of.id: of} if of else {}, waits=waits or {})


def tail(*rows: StepRow) -> list[TailRow]:
    """Return the same rows as the list reads them."""
    return [TailRow(r.seq, r.name, r.started_ms, r.finished_ms, r.child_id, r.wake) for r in rows]


# -- remote steps --------------------------------------------------------------------------------------------


def test_a_queued_child_is_pending_until_a_worker_takes_it() -> None:
    """No start, no end; the moment of enqueuing is known."""
    (step,) = fold(row(1, "work", child_id="c"), of=child("ENQUEUED", started=None))
    assert (step.kind, step.status, step.started_at_ms, step.finished_at_ms) == ("remote", "pending", None, None)
    assert (step.enqueued_at_ms, step.worker_group, step.folded) == (NOW - 9_900, "q", ())


def test_a_running_child_has_started_and_not_ended() -> None:
    """Its start is when the worker took it."""
    (step,) = fold(row(1, "work", child_id="c"), of=child("PENDING"))
    assert (step.status, step.started_at_ms, step.finished_at_ms) == ("running", NOW - 5_000, None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("SUCCESS", "completed"),
        ("ERROR", "failed"),
        ("CANCELLED", "cancelled"),
        ("MAX_RECOVERY_ATTEMPTS_EXCEEDED", "dead"),
    ],
)
def test_a_child_that_nobody_asked_for_its_result_ends_the_step_itself(status: str, expected: str) -> None:
    """Without a ``getResult`` the child's own end is the best that is known."""
    (step,) = fold(row(1, "work", child_id="c"), of=child(status))
    assert (step.status, step.finished_at_ms, step.folded) == (expected, NOW - 1_000, ())


def test_a_delay_of_a_child_and_what_recovery_overwrote_are_no_time_on_its_queue() -> None:
    """The one was asked for; of the other nobody knows any more when it first began."""
    delayed = replace(child("SUCCESS"), delayed_until_ms=NOW - 6_000)
    (step,) = fold(row(1, "work", child_id="c"), of=delayed)
    assert (step.enqueued_at_ms, step.queue_ms) == (NOW - 6_000, 1_000)
    waits = replace(child("DELAYED", started=None), delayed_until_ms=NOW + 6_000)
    (step,) = fold(row(1, "work", child_id="c"), of=waits)
    assert step.enqueued_at_ms == NOW - 9_900
    (step,) = fold(row(1, "work", child_id="c"), of=replace(child("SUCCESS"), executions=2))
    assert (step.enqueued_at_ms, step.queue_ms) == (None, None)


def test_a_child_that_ran_before_the_start_in_its_row_waited_for_an_unknown_time() -> None:
    """It was put on its queue once more: when that was only the audit log may know. A clock may be a little apart."""
    resumed = replace(child("SUCCESS"), first_step_ms=NOW - 9_000)
    (step,) = fold(row(1, "work", child_id="c"), of=resumed)
    assert (step.enqueued_at_ms, step.queue_ms, step.child_put_back) == (None, None, True)
    (step,) = fold(row(1, "work", child_id="c"), of=replace(child("ENQUEUED", started=None), first_step_ms=NOW - 9_000))
    assert (step.status, step.enqueued_at_ms, step.child_put_back) == ("pending", None, True)
    (step,) = fold(row(1, "work", child_id="c"), of=replace(child("SUCCESS"), first_step_ms=NOW - 5_900))
    assert (step.queue_ms, step.child_put_back) == (4_900, False)
    (step,) = fold(row(1, "work", child_id="c"), of=replace(resumed, executions=2))
    assert (step.queue_ms, step.child_put_back) == (None, False)


def test_a_child_that_was_deleted_leaves_a_step_that_ended_when_it_was_started() -> None:
    """The engine's retention may delete children before parents."""
    (step,) = fold(row(1, "work", child_id="c"))
    assert (step.status, step.started_at_ms, step.finished_at_ms) == ("completed", NOW - 9_900, NOW - 9_890)


def test_a_childs_start_is_never_before_it_was_enqueued() -> None:
    """Run rows on SQLite are cut to whole seconds."""
    (step,) = fold(row(1, "work", child_id="c"), of=child("PENDING", started=NOW - 10_000))
    assert step.started_at_ms == step.enqueued_at_ms


def collected(seq: int, at_ms: int, **fields: object) -> StepRow:
    """Return the row in which the parent took the child's result."""
    return row(
        seq, "DBOS.getResult", child_id="c", started_ms=at_ms - 5, finished_ms=at_ms, recorded_ms=at_ms, **fields
    )


def test_a_remote_step_lasts_as_long_as_its_child_ran_whenever_its_parent_asked() -> None:
    """The child ended at NOW - 1,000; the parent asked much later."""
    (step,) = fold(row(1, "work", child_id="c"), collected(2, NOW + 7_000), of=child("SUCCESS"))
    assert (step.started_at_ms, step.finished_at_ms, step.collected_at_ms) == (NOW - 5_000, NOW - 1_000, NOW + 7_000)
    assert step.folded == (2,)


def test_the_end_of_a_remote_step_stays_when_its_result_is_collected() -> None:
    """The live event of its end and the run's page an hour later give one figure."""
    (open_step,) = fold(row(1, "work", child_id="c"), of=child("SUCCESS"))
    (later,) = fold(row(1, "work", child_id="c"), collected(2, NOW + 3_600_000), of=child("SUCCESS"))
    assert (open_step.started_at_ms, open_step.finished_at_ms) == (later.started_at_ms, later.finished_at_ms)


def test_a_child_that_was_retried_after_its_parent_had_the_result_tells_nothing_of_its_first_life() -> None:
    """Its stamps are those of another life: all that is known is from when to when the parent looked."""
    rows = (row(1, "work", child_id="c"), collected(2, NOW - 8_000, has_error=True))
    for again in (
        child("SUCCESS", started=NOW - 10),
        child("PENDING", started=NOW - 10),
        child("ENQUEUED", started=None),
    ):
        (step,) = fold(*rows, of=again)
        assert (step.status, step.started_at_ms, step.finished_at_ms) == ("failed", NOW - 9_900, NOW - 8_000)
        assert (step.enqueued_at_ms, step.queue_ms) == (None, None)


@pytest.mark.parametrize(
    ("error", "error_bytes", "size_bytes"),
    [("grün", None, 5), ("\ud800", None, 3), ("cut", 9_000, 9_000), ("", 0, 0), (None, None, None), (None, 7, None)],
)
@pytest.mark.parametrize("kind", ["plain", "signal", "result", "other result"])
def test_an_error_is_shown_with_its_whole_size(
    kind: str, error: str | None, error_bytes: int | None, size_bytes: int | None
) -> None:
    """As the row gives it, which is more than its text where that is cut; else as many bytes as the text has."""
    fields: dict[str, Any] = {"has_error": True, "error": error, "error_bytes": error_bytes, "serialization": "f"}
    rows = {
        "plain": [row(1, **fields)],
        "signal": [row(1, "DBOS.recv", **fields)],
        "result": [row(1, "work", child_id="c"), collected(2, NOW, **fields)],
        "other result": [collected(1, NOW, **fields)],
    }
    (step,) = fold(*rows[kind], of=child("ERROR"))
    assert step.error == (None if size_bytes is None else StoredValue(error or "", "f", size_bytes))


@pytest.mark.parametrize(
    ("status", "expected"),
    [("ERROR", "failed"), ("CANCELLED", "cancelled"), ("MAX_RECOVERY_ATTEMPTS_EXCEEDED", "dead")],
)
def test_a_result_that_was_an_error_is_called_what_the_child_is(status: str, expected: str) -> None:
    """A cancelled child is cancelled for its parent too, not failed."""
    (step,) = fold(row(1, "work", child_id="c"), collected(2, NOW, has_error=True), of=child(status))
    assert (step.status, step.has_error) == (expected, True)


def test_a_child_stamped_in_whole_seconds_is_timed_by_its_first_and_last_step() -> None:
    """SQLite under Python before 3.12 stamps runs to the second and steps to the millisecond."""
    rounded = replace(
        child("SUCCESS", started=NOW - 5_000),
        first_step_ms=NOW - 4_700,
        last_step_ms=NOW - 400,
        completed_at_ms=NOW - 1_000,
    )
    (step,) = fold(row(1, "work", child_id="c"), collected(2, NOW + 9), of=rounded)
    assert (step.started_at_ms, step.finished_at_ms) == (NOW - 4_700, NOW - 400)


def test_steps_in_another_second_do_not_move_a_childs_stamps() -> None:
    """Its body worked before the first step and after the last."""
    rounded = replace(child("SUCCESS"), first_step_ms=NOW - 3_000, last_step_ms=NOW - 2_000)
    (step,) = fold(row(1, "work", child_id="c"), collected(2, NOW + 9), of=rounded)
    assert (step.started_at_ms, step.finished_at_ms) == (NOW - 5_000, NOW - 1_000)


def test_a_childs_end_by_a_clock_ahead_is_not_after_its_result_was_collected() -> None:
    """The database's clock and the application's differ; the order of things does not."""
    (step,) = fold(row(1, "work", child_id="c"), collected(2, NOW - 1_300), of=child("SUCCESS"))
    assert step.finished_at_ms == step.collected_at_ms == NOW - 1_300


def test_results_are_matched_to_their_children_whatever_their_order() -> None:
    """A fan-out asks for results in any order; each ends its own step."""
    rows = [
        row(1, "a", child_id="x"),
        row(2, "b", child_id="y"),
        row(3, "DBOS.getResult", child_id="y"),
        row(4, "DBOS.getResult", child_id="x", has_error=True),
    ]
    steps = fold(*rows)
    assert [(s.seq, s.status, s.folded) for s in steps] == [(1, "failed", (4,)), (2, "completed", (3,))]


def test_a_result_of_a_run_started_elsewhere_is_a_step() -> None:
    """Waiting for somebody else's run is work that a person wants to see."""
    (step,) = fold(row(1, "DBOS.getResult", child_id="other"))
    assert (step.kind, step.child_run_id, step.housekeeping) == ("remote", "other", False)


def test_a_result_that_is_asked_for_again_is_housekeeping_and_another_runs_is_not() -> None:
    """The child's own step says what became of it."""
    rows = [
        row(1, "a", child_id="x"),
        row(2, "DBOS.getResult", child_id="x"),
        row(3, "DBOS.getResult", child_id="x"),
        row(4, "DBOS.getResult", child_id="other", started_ms=None),
    ]
    again, other = fold(*rows)[1:]
    assert (again.seq, again.housekeeping) == (3, True)
    assert (other.seq, other.housekeeping, other.started_at_ms) == (4, False, rows[3].finished_ms)
    assert again.started_at_ms == rows[2].started_ms


def test_the_engines_internal_queue_is_not_a_worker_group() -> None:
    """Rewind and resume put runs on it; people know the queue they named."""
    (step,) = fold(row(1, "work", child_id="c"), of=child("PENDING", queue="_dbos_internal_queue"))
    assert (step.worker_group, step.enqueued_at_ms) == (None, None)


# -- waits ---------------------------------------------------------------------------------------------------


def test_a_timeout_row_without_its_wait_means_waiting() -> None:
    """The wait's own row is written when it ends."""
    steps = fold(row(1), timeout(3, NOW + 60_000))
    assert [(s.seq, s.kind, s.status, s.wake_at_ms) for s in steps][1:] == [(2, "signal", "pending", NOW + 60_000)]
    assert waiting_of(tail(row(1), timeout(3, NOW + 60_000)), {}, (), NOW) == Waiting(
        "signal", None, NOW - 9_700, NOW + 60_000, 2
    )


def test_a_wait_whose_time_is_over_is_no_longer_waiting() -> None:
    """The run works again; its row will come."""
    assert waiting_of(tail(row(1), timeout(3, NOW - 1)), {}, (), NOW) is None


def test_a_run_that_ended_is_in_no_wait() -> None:
    """It was cancelled in it: the engine knows of no end."""
    assert [s.seq for s in fold(row(1), timeout(3, NOW + 60_000), end=RunEnd(NOW))] == [1]


def test_an_announced_wait_gives_its_name_before_and_after() -> None:
    """``dashboard.workflow`` publishes what a wait is for in the step before it."""
    waits = {1: Wait("webhook", "payment", None)}
    (waiting,) = fold(row(1, "DBOS.setEvent"), timeout(3, NOW + 60_000), waits=waits)
    assert (waiting.seq, waiting.name, waiting.waits_on, waiting.wake_at_ms) == (2, "webhook:payment", "webhook", None)
    (done,) = fold(row(1, "DBOS.setEvent"), row(2, "DBOS.recv"), timeout(3, NOW), waits=waits)
    assert (done.seq, done.name, done.waits_on, done.folded) == (2, "webhook:payment", "webhook", (1, 3))


def test_an_announcement_with_nothing_behind_it_is_a_wait_about_to_begin() -> None:
    """Between the two rows lies a moment that a reader may hit."""
    waits = {1: Wait("breakpoint", "check", NOW + 5)}
    (step,) = fold(row(1, "DBOS.setEvent"), waits=waits)
    assert (step.seq, step.name, step.status) == (2, "breakpoint:check", "pending")
    waiting = waiting_of(tail(row(1, "DBOS.setEvent")), waits, (), NOW)
    assert waiting == Waiting("breakpoint", "check", NOW - 9_890, NOW + 5, 2)


def test_announcements_side_by_side_are_waits_about_to_begin() -> None:
    """Each has the two numbers behind it to itself; the first may record its timeout after the second."""
    waits = {1: Wait("signal", "a", None), 4: Wait("update", "b", None)}
    first, second = fold(row(1, "DBOS.setEvent"), row(4, "DBOS.setEvent"), timeout(6, NOW + 60_000), waits=waits)
    assert (first.seq, first.name, first.status) == (2, "signal:a", "pending")
    assert (second.seq, second.name, second.status) == (5, "update:b", "pending")
    again, _ = fold(row(1, "DBOS.setEvent"), row(4, "DBOS.setEvent"), waits=waits)
    assert again == first


def test_an_announcement_that_no_wait_followed_is_housekeeping() -> None:
    """A workflow that publishes our key by itself gets what any event gets."""
    first, second = fold(row(1, "DBOS.setEvent"), row(2), waits={1: Wait("signal", "x", None)})
    assert (first.housekeeping, second.name) == (True, "step")


def test_a_sleep_zero_after_nothing_is_a_sleep() -> None:
    """Only a timeout's row ends before its wake time."""
    (step,) = fold(row(1, "DBOS.sleep", wake=str((NOW - 9_890) / 1000)))
    assert (step.kind, step.status) == ("sleep", "completed")


def test_a_sleep_is_open_until_its_wake_time() -> None:
    """Its row says from the start when it will have ended."""
    wake = NOW + 60_000
    (step,) = fold(row(1, "DBOS.sleep", finished_ms=wake, wake=str(wake / 1000)))
    assert (step.status, step.finished_at_ms, step.wake_at_ms) == ("running", None, wake)
    waiting = waiting_of(tail(row(1, "DBOS.sleep", finished_ms=wake, wake=str(wake / 1000))), {}, (), NOW)
    assert waiting == Waiting("sleep", None, NOW - 9_900, wake, 1)


@pytest.mark.parametrize(
    ("slept_past_the_end_ms", "cut_short"), [(0, False), (999, False), (1_000, False), (1_001, True), (60_000, True)]
)
def test_a_sleep_ends_with_its_run_unless_the_runs_end_may_have_been_rounded(
    slept_past_the_end_ms: int, cut_short: bool
) -> None:
    """A run that was cancelled in its sleep slept until then; run rows on SQLite are cut to whole seconds."""
    end_ms = NOW - 5_000
    wake = end_ms + slept_past_the_end_ms
    (step,) = fold(row(1, "DBOS.sleep", finished_ms=wake, wake=str(wake / 1000)), end=RunEnd(end_ms))
    assert step.finished_at_ms == (end_ms if cut_short else wake)


@pytest.mark.parametrize(
    ("names", "waits"),
    [
        ([], False),
        (["DBOS.now", "DBOS.setEvent"], False),
        (["child", "DBOS.now"], True),
        (["child", "step"], False),
        (["step", "child"], True),
    ],
)
def test_a_run_waits_for_a_child_when_it_has_done_nothing_since(names: list[str], waits: bool) -> None:
    """What the engine records for replay is nothing done."""
    rows = [row(seq, name, child_id="c" if name == "child" else None) for seq, name in enumerate(names)]
    assert waits_for_child(tail(*rows)) is waits


@pytest.mark.parametrize(
    ("started_ms", "completed_ms", "rounded"),
    [(1_000, 2_001, True), (1_001, 2_000, True), (1_001, 2_001, False), (None, 2_001, False), (None, None, False)],
)
def test_a_childs_stamps_may_be_cut_where_one_is_a_whole_second(
    started_ms: int | None, completed_ms: int | None, rounded: bool
) -> None:
    """Then its steps are asked when it ran; else nothing is read for it."""
    assert replace(child("SUCCESS", started=started_ms), completed_at_ms=completed_ms).has_rounded_stamps is rounded


@pytest.mark.parametrize(
    ("seq", "text", "waits"),
    [(1, "1e11", True), (0, "1e11", False), (1, "99999999999", False), (2, "99999999999", True)],
)
def test_the_first_step_that_can_be_an_open_wait_is_number_one_in_python_and_zero_in_typescript(
    seq: int, text: str, waits: bool
) -> None:
    """Which of them counts is read from the wake time: seconds, or from a certain size on milliseconds."""
    assert is_timeout_of_open_wait(seq, 0, text, {}) is waits


@pytest.mark.parametrize(
    ("until", "ms"),
    [(1_700_000_000, 1_700_000_000_000), ("2023-11-14T22:13:20Z", 1_700_000_000_000), (None, None), (True, None)],
)
def test_until_when_an_announced_wait_lasts_is_a_number_or_a_time(until: object, ms: int | None) -> None:
    """Anything else is no time."""
    wait = parse_wait(json.dumps({"on": "signal", "name": "paid", "until": until}))
    assert wait == Wait("signal", "paid", ms)


WAKE_S = (NOW + 60_000) / 1000
PICKLED = [base64.b64encode(pickle.dumps(WAKE_S, protocol)).decode() for protocol in (2, 3, 4, 5)]
OTHER = [
    base64.b64encode(raw).decode()
    for raw in (
        pickle.dumps((WAKE_S, WAKE_S), 4),
        pickle.dumps([WAKE_S], 2),
        pickle.dumps(WAKE_S, 4) + b".",
        pickle.dumps(WAKE_S, 4)[:-1],
        b"\x80\x04" + b"N" * 28 + pickle.dumps(WAKE_S, 2)[2:],
        b"G" * 12,
    )
]


@pytest.mark.parametrize(
    ("text", "wake"),
    [
        (str(WAKE_S), NOW + 60_000),
        (f'{{"json":{WAKE_S}}}', NOW + 60_000),
        *((text, NOW + 60_000) for text in PICKLED),
        *((text, None) for text in (*OTHER, "inf", "nan", "-inf", "", "x", "=", '{"json":null}', "[" * 2_000, None)),
    ],
)
def test_a_wake_time_is_read_from_every_format_in_which_the_engine_wrote_it(text: str | None, wake: int | None) -> None:
    """Plain, SuperJSON, and the pickled float of DBOS before 3; nothing is unpickled."""
    assert wake_ms(text) == wake


def test_typescript_counts_steps_from_zero_and_time_in_milliseconds() -> None:
    """The same tables, other habits."""
    wake = NOW + 60_000
    steps = fold(row(0), timeout(2, NOW)._replace(wake=str(wake)))
    assert [(s.seq, s.kind, s.status) for s in steps] == [(0, "local", "completed"), (1, "signal", "pending")]
    asleep = row(0, "DBOS.sleep", finished_ms=wake, wake=f'{{"json":{wake}}}')
    assert waiting_of(tail(asleep), {}, (), NOW) == Waiting("sleep", None, NOW - 10_000, wake, 0)


def test_a_sleep_of_dbos_2_has_no_length_but_follows_a_step() -> None:
    """Only behind a missing row is such a sleep a timeout; before the first step there is no room for a wait."""
    for rows in ((timeout(1, NOW + 60_000),), (row(1), timeout(2, NOW + 60_000))):
        asleep = fold(*rows)[-1]
        assert (asleep.kind, asleep.status, asleep.wake_at_ms) == ("sleep", "running", NOW + 60_000)
        waiting = waiting_of(tail(*rows), {}, (), NOW)
        assert waiting is not None
        assert (waiting.on, waiting.seq) == ("sleep", rows[-1].seq)


def test_the_timeout_of_a_result_is_not_a_step() -> None:
    """TypeScript's ``getResult`` may have one."""
    rows = (row(1, "work", child_id="c"), row(2, "DBOS.getResult", child_id="c"), timeout(3, NOW + 60_000))
    assert [step.seq for step in fold(*rows)] == [1]
    assert waiting_of(tail(*rows), {}, (), NOW) is None


def test_results_without_times_end_when_the_child_did() -> None:
    """DBOS 2.x kept none for them."""
    nothing = {"started_ms": None, "finished_ms": None, "recorded_ms": None}
    rows = (row(1, "work", child_id="c", **nothing), row(2, "DBOS.getResult", child_id="c", **nothing))
    (step,) = fold(*rows, of=child("SUCCESS", queue=None))
    assert (step.status, step.started_at_ms, step.finished_at_ms) == ("completed", NOW - 5_000, NOW - 1_000)


@pytest.mark.parametrize("last", ["work", "DBOS.getResult"])
def test_a_run_whose_last_word_was_about_a_child_waits_for_an_active_one(last: str) -> None:
    """Starting a child, or reading the result of another, with children still at work."""
    rows = tail(row(1, "work", child_id="c"), row(2, last, child_id="d"), row(3, "DBOS.setEvent"))
    waiting = waiting_of(rows, {}, [child("PENDING")], NOW)
    assert waiting == Waiting("child", "work", NOW - 9_900, None, 1)
    assert waiting_of(rows, {}, [], NOW) is None


def test_a_run_that_went_on_after_starting_a_child_does_not_wait_for_it() -> None:
    """It did something else since."""
    assert waiting_of(tail(row(1, "work", child_id="c"), row(2)), {}, [child("PENDING")], NOW) is None


# -- housekeeping --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "housekeeping"),
    [
        ("DBOS.setEvent", True),
        ("DBOS.writeStream", True),
        ("DBOS.closeStream", True),
        ("DBOS.now", True),
        ("DBOS.randomUUID", True),
        ("DBOS.patch-v2", True),
        ("getStatus", True),
        ("DBOS.send", False),
        ("DBOS.cancelWorkflow", False),
        ("DBOS.forkWorkflow", False),
        ("charge", False),
    ],
)
def test_what_has_an_effect_stays_a_step(name: str, housekeeping: bool) -> None:
    """Bookkeeping for replay is drawn small; sending and cancelling are things that a workflow does."""
    (step,) = fold(row(1, name))
    assert (step.kind, step.housekeeping) == ("local", housekeeping)


def test_steps_without_times_are_shown_by_what_is_known() -> None:
    """Engines before 2.x kept none, later ones at least when the row was written."""
    (step,) = fold(row(1, started_ms=None, finished_ms=None, recorded_ms=7))
    assert (step.started_at_ms, step.finished_at_ms) == (None, 7)


# -- stored values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1700000000.5", NOW + 500),
        ("1700000000000", NOW),
        ('{"json":1700000000000}', NOW),
        ("gARHQdlU/EAgAAAu", NOW + 500),
        (None, None),
        ("gASV", None),
        ("gASVAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAARy4=", None),
        ("nan", None),
        ("inf", None),
        ("[]", None),
        ('{"x":1}', None),
    ],
)
def test_wake_times_are_read_in_either_unit_or_not_at_all(text: str | None, expected: int | None) -> None:
    """A sleep's output that is not a time makes no wake time, and no error."""
    assert wake_ms(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"on":"webhook","name":"pay"}', Wait("webhook", "pay", None)),
        ('{"on":"update","name":null,"until":1700000000000}', Wait("update", None, NOW)),
        ('{"on":"signal","name":"x","until":"2023-11-14T22:13:20.000Z"}', Wait("signal", "x", NOW)),
        ('{"on":"signal","name":"x","until":"2023-11-14T22:13:20"}', Wait("signal", "x", NOW)),
        ('{"on":"signal","name":7,"until":"soon"}', Wait("signal", None, None)),
        ('{"on":"signal","name":"x","until":true}', Wait("signal", "x", None)),
        ('{"on":"dinner"}', None),
        ("[1]", None),
        ("gASV", None),
    ],
)
def test_an_announcement_that_makes_no_sense_is_ignored(value: str, expected: Wait | None) -> None:
    """Somebody else's event of that name, or a newer format, breaks nothing."""
    assert parse_wait(value) == expected


@pytest.mark.parametrize("value", [None, "null", "[1]", "not json", 7])
def test_attributes_that_are_no_object_are_none(value: object) -> None:
    """A run has attributes or has not."""
    assert attributes_of(value) == {}  # type: ignore[arg-type]


# -- all of it ------------------------------------------------------------------------------------------------

NAMES = ["step", "DBOS.sleep", "DBOS.recv", "DBOS.getEvent", "DBOS.setEvent", "DBOS.getResult", "work", "getStatus"]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[StepRow], dict[int, Wait]]:
    """Return rows such as no engine may have written: any names in any order, with gaps."""
    seqs = sorted(draw(st.sets(st.integers(0, 12), max_size=9)))
    rows, waits = [], {}
    for seq in seqs:
        name = draw(st.sampled_from(NAMES))
        child_id = draw(st.sampled_from(["c", "d"])) if name in ("work", "DBOS.getResult") else None
        wake = draw(st.sampled_from([NOW - 5, NOW + 60_000])) if name == "DBOS.sleep" else None
        long = draw(st.booleans())
        built = row(seq, name, child_id=child_id, wake=None if wake is None else str(wake / 1000))
        rows.append(built._replace(finished_ms=wake) if wake is not None and long else built)
        if name == "DBOS.setEvent" and draw(st.booleans()):
            waits[seq] = Wait("webhook", "payment", None)
    return rows, waits


@given(histories(), st.sampled_from([RUNNING, RunEnd(NOW)]), st.sampled_from(["SUCCESS", "PENDING", "ENQUEUED"]))
def test_whatever_the_rows_steps_are_in_order_once_and_account_for_every_row(
    history: tuple[list[StepRow], dict[int, Wait]], end: RunEnd, status: str
) -> None:
    """Nothing is shown twice; a row is a step, is folded into one, or belongs to a wait that the run's end cut."""
    rows, waits = history
    steps = fold(*rows, end=end, of=child(status), waits=waits)
    seqs = [step.seq for step in steps]
    assert seqs == sorted(set(seqs))
    accounted = {*seqs, *(seq for step in steps for seq in step.folded)}
    names = {r.seq: r.name for r in rows}
    lost = {r.seq for r in rows} - accounted
    timeouts_of_results = {seq for seq in lost if names.get(seq - 1) == "DBOS.getResult"}
    assert end is not RUNNING or lost <= timeouts_of_results
    for step in steps:
        assert step.is_open == (step.status in ("running", "pending"))
        if step.started_at_ms is not None and step.finished_at_ms is not None:
            assert step.started_at_ms <= step.finished_at_ms or step.kind == "sleep"
    waiting_of(tail(*rows), waits, [child(status)], NOW)


@pytest.mark.parametrize(
    ("announced", "asked"),
    [
        ({"on": "breakpoint", "name": "look"}, True),
        ({"on": "signal", "name": "paid"}, False),
        ({"on": "signal", "name": "paid", "ask": "Paid?"}, True),
        ({"on": "update", "name": "amount", "ask": "How much?"}, True),
        ({"on": "sleep"}, False),
    ],
)
def test_a_wait_is_a_question_where_a_person_is_to_answer(announced: dict[str, str], asked: bool) -> None:
    """A breakpoint always; a signal or an update only where it asks something."""
    value = json.dumps({**announced, "topic": f"durable.{announced.get('name')}"})
    question = parse_question("r", 3, value, 5)
    assert (question is not None) == asked
    assert question is None or (question.run_id, question.wait.name, question.since_ms) == ("r", announced["name"], 5)


def test_a_sleep_cut_short_ends_no_earlier_than_it_began() -> None:
    """The run's end may be stamped by a clock that is behind the worker's."""
    wake = str((NOW + 60_000) / 1000)
    (step,) = fold(row(1, "DBOS.sleep", finished_ms=NOW + 60_000, wake=wake), end=RunEnd(NOW - 20_000))
    assert step.started_at_ms == step.finished_at_ms
