"""What every state store answers about the same story (see ``story_app.py``), written by a real engine."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from otel_bridge.codec import decode
from otel_bridge.errors import InvalidCursorError
from otel_bridge.model.runs import AttributeFilter, Run, RunQuery
from otel_bridge.model.status import OPEN_STATUSES, RUN_STATUSES, RunStatus
from otel_bridge.model.steps import Step, StepCounts, StepKey, StepPart
from otel_bridge.store.adapter import SqlStateStore
from otel_bridge.store.sql.schema import KNOWN_SCHEMA_VERSION
from otel_bridge.tail.scanner import changed_at_ms
from tests.store.test_parts import in_parts

EVERYTHING = RunQuery(limit=500)
WAITING_RUNS: dict[str, tuple[str, str | None]] = {
    "asleep-1": ("sleep", None),
    "waits-1": ("signal", None),
    "breakpoint-1": ("breakpoint", "before shipping"),
    "parent-1": ("child", "nap"),
}
STATUS_OF_RUN: dict[str, RunStatus] = {
    "talks-1": "completed",
    "done-1": "completed",
    "failed-1": "failed",
    "failed-2": "failed",
    "fan-1": "completed",
    "busy-1": "running",
    "queued-1": "pending",
    "delayed-1": "pending",
    "cancelled-1": "cancelled",
    "undone-1": "cancelling",
    "undo:undone-1": "suspended",
    "dead-1": "dead",
    **dict.fromkeys(WAITING_RUNS, "suspended"),
}


def ids(runs: list[Run]) -> list[str]:
    """Return the runs' ids."""
    return [run.id for run in runs]


def named(steps: list[Step]) -> list[tuple[int, str, str, str]]:
    """Return what a person sees first of each step."""
    return [(step.seq, step.name, step.kind, step.status) for step in steps]


def one(store: SqlStateStore, run_id: str) -> Run:
    """Return a run that must be there."""
    run = store.get_run(run_id)
    assert run is not None
    return run


# -- status, waiting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("run_id", "status"), STATUS_OF_RUN.items())
def test_each_run_has_the_status_a_person_would_name(store: SqlStateStore, run_id: str, status: RunStatus) -> None:
    """The engine's seven statuses become ours: PENDING parts into running and suspended, an undo shows."""
    assert one(store, run_id).status == status


@pytest.mark.parametrize(("run_id", "waiting"), WAITING_RUNS.items())
def test_a_suspended_run_says_what_it_waits_for(
    store: SqlStateStore, run_id: str, waiting: tuple[str, str | None]
) -> None:
    """Sleep, message, announced wait and child are told apart, with the name where one is known."""
    found = one(store, run_id).waiting
    assert found is not None
    assert (found.on, found.name) == waiting


def test_a_sleeping_run_says_when_it_wakes(store: SqlStateStore) -> None:
    """The wake time is the stored one, in milliseconds: an hour after the sleep began."""
    run = one(store, "asleep-1")
    assert run.waiting is not None
    assert run.wake_at_ms == run.waiting.until_ms
    assert 3_599_000 < (run.wake_at_ms or 0) - run.waiting.since_ms < 3_601_000


def test_a_queued_run_waits_for_its_queue_and_a_delayed_one_for_its_time(store: SqlStateStore) -> None:
    """Pending runs wait as well: for a worker of the queue, or until the delay is over."""
    queued, delayed = one(store, "queued-1"), one(store, "delayed-1")
    assert queued.waiting is not None
    assert (queued.waiting.on, queued.waiting.name) == ("queue", "nobody")
    assert delayed.waiting is not None
    assert delayed.waiting.on == "delay"
    assert (delayed.wake_at_ms or 0) > time.time() * 1000


def test_list_and_detail_never_disagree(store: SqlStateStore) -> None:
    """Every run reads the same in a page, alone and in a backfill; a page of the open ones holds those that are."""
    listed = {run.id: run for run in store.list_runs(EVERYTHING).runs}
    assert {run_id: store.get_run(run_id) for run_id in listed} == listed
    assert {run.id: run for run in store.iter_runs()} == listed
    still_open = {run.id: run for run in store.list_runs(replace(EVERYTHING, statuses=OPEN_STATUSES)).runs}
    assert still_open == {run_id: run for run_id, run in listed.items() if run.status in OPEN_STATUSES}


def test_open_runs_are_marked_newest_first_and_the_same_while_they_stay(store: SqlStateStore) -> None:
    """One mark for each run that has not ended; the limit takes the newest of all, whatever they wait for."""
    marks = store.open_marks(limit=500)
    still_open = store.open_runs(limit=500)
    assert still_open == [run for run in store.list_runs(EVERYTHING).runs if not run.is_terminal]
    assert list(marks) == [run.id for run in still_open]
    assert store.open_marks(limit=500) == marks
    newest, created = list(store.open_marks(limit=2)), {run.id: run.created_at_ms for run in still_open}
    assert [created[run_id] for run_id in newest] == sorted(created.values(), reverse=True)[:2]


def test_a_run_carries_who_what_and_where(store: SqlStateStore) -> None:
    """Version, executor, application, attributes and recovery count are read; payloads are not."""
    run = one(store, "done-1")
    assert (run.workflow, run.workflow_version, run.executor, run.namespace) == ("order", "v7", "exec-1", "story")
    assert run.attributes == {"tags": ["vip", "eu"], "region": "eu", "amount": 120, "weird \"key'": "x"}
    assert run.recovery_attempts == 1
    assert run.finished_at_ms is not None
    assert run.finished_at_ms >= run.created_at_ms


def test_a_cancelled_runs_undo_and_a_dead_runs_handler_are_linked(store: SqlStateStore) -> None:
    """Both are runs of their own, found by their ids; the links are computable from either end."""
    assert one(store, "undone-1").undo_id == "undo:undone-1"
    assert one(store, "undo:undone-1").undoes_id == "undone-1"
    assert one(store, "dead-1").dead_letter_id == "dlq:dead-1"
    assert one(store, "done-1").undo_id is None


# -- lists ---------------------------------------------------------------------------------------------------


def test_pages_hold_every_run_once_newest_first(store: SqlStateStore) -> None:
    """Walking pages of three gives what one big page gives, whatever times are equal."""
    whole = store.list_runs(EVERYTHING).runs
    assert [(run.created_at_ms, run.id) for run in whole] == sorted(
        ((run.created_at_ms, run.id) for run in whole), reverse=True
    )
    assert walk(store, RunQuery(limit=3)) == ids(whole)


def walk(store: SqlStateStore, query: RunQuery) -> list[str]:
    """Return the ids on all pages of a query."""
    found: list[str] = []
    while True:
        page = store.list_runs(query)
        assert len(page.runs) <= query.limit
        found += ids(page.runs)
        if page.next_cursor is None:
            return found
        query = replace(query, cursor=page.next_cursor)


@pytest.mark.parametrize("cursor", ["x", "%%%", "bnVsbA", "WzEsMl0", "W251bGwsICJhIiwgMF0", "é", "WzEsIngiLDdd"])
def test_a_cursor_that_is_not_ours_is_refused(store: SqlStateStore, cursor: str) -> None:
    """Nothing of a foreign cursor reaches the database."""
    with pytest.raises(InvalidCursorError, match="malformed"):
        store.list_runs(RunQuery(cursor=cursor))


def matching(store: SqlStateStore, query: RunQuery) -> set[str]:
    """Return what a query finds, walked in pages of two."""
    found = walk(store, replace(query, limit=2))
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("status", RUN_STATUSES)
def test_a_status_filter_finds_exactly_the_runs_with_that_status(store: SqlStateStore, status: RunStatus) -> None:
    """Derived statuses are filtered like stored ones; a run being undone is not among the cancelled."""
    everything = store.list_runs(EVERYTHING).runs
    assert matching(store, RunQuery(statuses=frozenset({status}))) == {r.id for r in everything if r.status == status}


@pytest.mark.parametrize(
    "statuses",
    [
        {"pending", "failed"},
        {"running", "completed"},
        {"suspended", "cancelling", "dead"},
        {"failed", "cancelled", "dead", "cancelling"},
        set(RUN_STATUSES),
    ],
)
def test_several_statuses_are_the_union_of_each(store: SqlStateStore, statuses: set[RunStatus]) -> None:
    """Sources with different indexes are merged into one order, without a gap or a repeat."""
    expected = [run.id for run in store.list_runs(EVERYTHING).runs if run.status in statuses]
    assert walk(store, RunQuery(statuses=frozenset(statuses), limit=2)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (RunQuery(workflow="doomed"), {"failed-1"}),
        (RunQuery(queue="nobody"), {"queued-1", "delayed-1"}),
        (RunQuery(parent_id="fan-1"), {f"fan-1-{n}" for n in range(1, 6)}),
        (RunQuery(parent_id="nobody"), set()),
        (RunQuery(text="failed-"), {"failed-1", "failed-2", "failed-2-1"}),
        (RunQuery(text="doomed"), {"failed-1"}),
        (RunQuery(text="DOOM"), {"failed-1"}),
        (RunQuery(text="no%such_thing"), set()),
        (RunQuery(text="waits"), {"waits-1", "parent-1", "breakpoint-1"}),
        (RunQuery(tags=("vip",), text="done"), {"done-1"}),
        (RunQuery(tags=("vip", "us")), set()),
        (RunQuery(attributes=(AttributeFilter("region", "eq", "us"),)), {"failed-1", "failed-2"}),
        (RunQuery(attributes=(AttributeFilter("amount", "lt", "10.5"),)), {"failed-1", "failed-2"}),
        (RunQuery(attributes=(AttributeFilter("region", "ne", "eu"),)), {"failed-1", "failed-2"}),
        (RunQuery(attributes=(AttributeFilter("amount", "gte", "9"), AttributeFilter("amount", "lte", "9"))),
         {"failed-1", "failed-2"}),
        (RunQuery(attributes=(AttributeFilter('weird "key\'', "eq", "x"),), workflow="order", text="done"), {"done-1"}),
        (RunQuery(executor="nobody"), set()),
        (RunQuery(version="v7", workflow="busy"), {"busy-1", "dead-1"}),
        (RunQuery(namespace="story", workflow="busy"), {"busy-1", "dead-1"}),
        (RunQuery(namespace="other"), set()),
        (RunQuery(statuses=frozenset({"failed"}), workflow="doomed"), {"failed-1"}),
        (RunQuery(statuses=frozenset({"suspended"}), workflow="waits_for_child"), {"parent-1"}),
        (RunQuery(statuses=frozenset({"cancelling"}), workflow="order"), set()),
        (RunQuery(until_ms=0), set()),
        (RunQuery(min_duration_ms=86_400_000), set()),
    ],
)  # fmt: skip
def test_a_filter_finds_exactly_what_it_says(store: SqlStateStore, query: RunQuery, expected: set[str]) -> None:
    """Each filter alone and combined, on every store the same."""
    assert matching(store, query) == expected


def test_time_bounds_include_since_and_exclude_until(store: SqlStateStore) -> None:
    """``since`` <= created < ``until``."""
    at = one(store, "done-1").created_at_ms
    assert "done-1" in matching(store, RunQuery(since_ms=at, until_ms=at + 1))
    assert "done-1" not in matching(store, RunQuery(until_ms=at))
    assert "done-1" not in matching(store, RunQuery(since_ms=at + 1))


def test_a_small_offset_skips_runs(store: SqlStateStore) -> None:
    """For clients that cannot follow cursors; the cursor then continues behind the page."""
    whole = ids(store.list_runs(EVERYTHING).runs)
    page = store.list_runs(RunQuery(limit=2, offset=3))
    assert ids(page.runs) == whole[3:5]
    assert ids(store.list_runs(RunQuery(limit=2, cursor=page.next_cursor)).runs) == whole[5:7]


def test_a_search_whose_ids_fill_a_page_continues_by_name(store: SqlStateStore) -> None:
    """A run found by its id is shown once, though its workflow's name matches as well."""
    found = walk(store, RunQuery(text="f", limit=4))
    assert len(found) == len(set(found))
    everything = store.list_runs(EVERYTHING).runs
    assert set(found) == {run.id for run in everything if run.id.startswith("f") or "f" in run.workflow}


# -- facets --------------------------------------------------------------------------------------------------

FILTERS = [
    RunQuery(),
    RunQuery(workflow="nap"),
    RunQuery(queue="billing"),
    RunQuery(text="failed-"),
    RunQuery(text="waits"),
    RunQuery(parent_id="fan-1"),
    RunQuery(tags=("vip",)),
    RunQuery(statuses=frozenset({"dead"}), limit=1),
    RunQuery(version="none"),
]


@pytest.mark.parametrize("query", FILTERS)
def test_facets_count_what_the_list_lists(store: SqlStateStore, query: RunQuery) -> None:
    """Whatever the filter, counts by status agree with the runs; the status filter itself does not count."""
    listed = store.list_runs(replace(query, statuses=frozenset(), limit=500)).runs
    expected = {status: sum(run.status == status for run in listed) for status in RUN_STATUSES}
    found = store.facets(query)
    assert {f.status: f.count for f in found} == {status: n for status, n in expected.items() if n}
    assert all(facet.exact and facet.workflow is None for facet in found)


@pytest.mark.parametrize("query", FILTERS)
def test_facets_by_workflow_count_the_same_runs(store: SqlStateStore, query: RunQuery) -> None:
    """One entry per status and workflow."""
    listed = store.list_runs(replace(query, statuses=frozenset(), limit=500)).runs
    expected = {(run.status, run.workflow) for run in listed}
    found = {(f.status, f.workflow): f.count for f in store.facets(query, by_workflow=True)}
    assert found == {key: sum((run.status, run.workflow) == key for run in listed) for key in expected}


# -- steps ---------------------------------------------------------------------------------------------------


def test_bookkeeping_rows_are_folded_into_the_steps_people_know(store: SqlStateStore) -> None:
    """Results end the step that started the child, timeouts belong to their wait, announcements name it."""
    steps = {step.seq: step for step in store.get_steps("done-1")}
    assert named(list(steps.values())) == [
        (1, "reserve", "local", "completed"),
        (2, "charge", "remote", "completed"),
        (3, "DBOS.setEvent", "local", "completed"),
        (5, "DBOS.sleep", "sleep", "completed"),
        (7, "webhook:payment", "signal", "completed"),
        (9, "charge", "remote", "completed"),
        (11, "DBOS.getEvent", "signal", "completed"),
        (13, "DBOS.getResult", "remote", "completed"),
        (14, "DBOS.send", "local", "completed"),
    ]
    assert {seq: step.folded for seq, step in steps.items() if step.folded} == {
        2: (4,), 7: (6, 8), 9: (10,), 11: (12,)
    }  # fmt: skip
    assert [step.seq for step in steps.values() if step.housekeeping] == [3, 13]
    assert steps[7].waits_on == "webhook"
    assert (steps[2].child_run_id, steps[9].child_run_id) == ("done-1-2", "done-1-9")


def test_a_queued_child_shows_its_queue_and_its_wait(store: SqlStateStore) -> None:
    """Enqueued, started and finished come in that order; a child called directly was never queued."""
    queued, inline = (step for step in store.get_steps("done-1") if step.name == "charge")
    assert (queued.worker_group, inline.worker_group) == ("billing", None)
    assert queued.enqueued_at_ms is not None
    assert queued.started_at_ms is not None
    assert queued.finished_at_ms is not None
    assert queued.enqueued_at_ms <= queued.started_at_ms <= queued.finished_at_ms
    assert inline.enqueued_at_ms is None
    assert queued.executor == "exec-1"


def test_a_sleep_ends_at_its_wake_time(store: SqlStateStore) -> None:
    """The row is written before the sleep; its end is the stored wake time."""
    step = next(step for step in store.get_steps("done-1") if step.kind == "sleep")
    table = store.schema().table("operation_outputs")
    ((wake_s,),) = store.rows(f"SELECT output FROM {table} WHERE workflow_uuid = 'done-1' AND function_id = {step.seq}")
    assert step.started_at_ms is not None
    assert step.finished_at_ms == pytest.approx(float(wake_s) * 1000, abs=1)
    assert step.finished_at_ms - step.started_at_ms >= 45  # type: ignore[operator]


@pytest.mark.parametrize(
    ("run_id", "expected"),
    [
        ("asleep-1", [(1, "DBOS.sleep", "sleep", "running")]),
        ("waits-1", [(1, "DBOS.recv", "signal", "pending")]),
        (
            "breakpoint-1",
            [(1, "reserve", "local", "completed"), (3, "breakpoint:before shipping", "signal", "pending")],
        ),
        ("parent-1", [(1, "nap", "remote", "running")]),
        ("failed-1", [(1, "reserve", "local", "completed"), (2, "boom", "local", "failed")]),
        ("failed-2", [(1, "broken_charge", "remote", "failed")]),
        ("queued-1", []),
        ("nobody", []),
    ],
)
def test_open_and_failed_steps_are_shown(
    store: SqlStateStore, run_id: str, expected: list[tuple[int, str, str, str]]
) -> None:
    """A wait whose row is not written yet is drawn from what is there; an open step has no end."""
    steps = store.get_steps(run_id)
    assert named(steps) == expected
    assert all(step.is_open == (step.status in ("running", "pending")) for step in steps)


def test_what_was_received_set_and_streamed_is_named(store: SqlStateStore) -> None:
    """The engine keeps topic, key and stream in tables of their own; an event that was set twice is two values."""
    steps = {step.seq: (step.name, step.key) for step in store.get_steps("talks-1")}
    assert steps == {
        1: ("DBOS.writeStream", "tokens"),
        2: ("DBOS.writeStream", "tokens"),
        3: ("DBOS.closeStream", "tokens"),
        4: ("DBOS.setEvent", "phase"),
        5: ("DBOS.setEvent", "phase"),
        6: ("signal:approve", "approve"),
    }

    def output(seq: int) -> object:
        step = store.get_step("talks-1", seq)
        assert step is not None
        return None if step.output is None else decode(step.output).json

    assert [output(seq) for seq in range(1, 7)] == ["to", "ken", None, "one", "two", {"by": "ada"}]


def test_streams_are_read_on_from_an_offset(store: SqlStateStore) -> None:
    """Which streams there are, how much is in them, and what was written behind a place."""
    assert store.streams("talks-1") == {"tokens": (2, True)}
    assert store.streams("done-1") == {}
    entries = store.stream_entries("talks-1", "tokens", after=0)
    assert [(entry.offset, entry.seq, entry.value is None) for entry in entries] == [(1, 2, False), (2, 3, True)]
    assert store.stream_entries("talks-1", "tokens", limit=1)[0].offset == 0
    assert store.stream_entries("talks-1", "no such stream") == []


def test_a_step_waits_where_its_run_does(store: SqlStateStore) -> None:
    """What the list says a run waits for is the open step of its timeline."""
    for run_id in WAITING_RUNS:
        waiting = one(store, run_id).waiting
        assert waiting is not None
        open_step = next(step for step in store.get_steps(run_id) if step.is_open)
        began = open_step.enqueued_at_ms if open_step.enqueued_at_ms is not None else open_step.started_at_ms
        assert (open_step.seq, began) == (waiting.seq, waiting.since_ms)


def test_a_sleep_cut_short_by_a_cancel_ends_with_the_run(store: SqlStateStore) -> None:
    """A cancelled run does not seem to sleep for another hour."""
    (step,) = store.get_steps("cancelled-1")
    assert step.status == "completed"
    assert (step.finished_at_ms or 0) < time.time() * 1000


def test_steps_of_many_runs_are_those_of_each(store: SqlStateStore) -> None:
    """The batch read gives what single reads give; a run without steps has an empty list."""
    wanted = [*ids(store.list_runs(EVERYTHING).runs), "nobody"]
    assert store.get_steps_of(wanted) == {run_id: store.get_steps(run_id) for run_id in wanted}


@pytest.mark.parametrize("most_rows", [1, 7, 10_000])
def test_many_steps_are_read_a_bounded_part_at_a_time(store: SqlStateStore, most_rows: int) -> None:
    """Asking for the rest until nothing is left gives all; a run larger than the bound comes whole."""
    wanted = [*ids(store.list_runs(EVERYTHING).runs), "nobody"]
    left, found = wanted, {}
    while left:
        part = store.get_steps_of(left, most_rows=most_rows)
        assert part
        assert len(part) == 1 or sum(map(len, part.values())) <= most_rows
        found.update(part)
        left = [run_id for run_id in left if run_id not in part]
    assert found == store.get_steps_of(wanted)


def test_stored_errors_come_with_the_steps_when_asked(store: SqlStateStore) -> None:
    """The listing is light unless errors are wanted; a child's error is the one its parent saw."""
    assert store.get_steps("failed-1")[1].error is None
    error = store.get_steps("failed-1", errors=True)[1].error
    assert error is not None
    assert error.serialization == "py_pickle"
    child_error = store.get_steps("failed-2", errors=True)[0].error
    assert child_error is not None
    assert child_error.text == error.text


def test_one_step_comes_with_its_payload(store: SqlStateStore) -> None:
    """A child's output is the result that its parent was given; a step folded away is not a step."""
    step = store.get_step("done-1", 2)
    assert step is not None
    assert step.output is not None
    assert step.output.size_bytes == len(step.output.text) > 0
    assert store.get_step("done-1", 4) is None
    assert store.get_step("nobody", 1) is None
    waiting = store.get_step("waits-1", 1)
    assert waiting is not None
    assert waiting.output is None


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_parts_are_the_whole_in_every_store(store: SqlStateStore, limit: int) -> None:
    """Of what a real engine wrote."""
    for run in store.list_runs(EVERYTHING).runs:
        whole = store.get_steps(run.id, errors=True)
        assert in_parts(store, run.id, limit) == whole
        assert store.count_steps(run.id).total == len(whole)
        assert [store.get_step(run.id, step.seq) is not None for step in whole] == [True] * len(whole)


def test_a_part_begins_where_it_is_asked_to(store: SqlStateStore) -> None:
    """Behind the last step there is nothing; of nobody's run there is nothing either."""
    assert store.get_step_part("fan-1", start=10_000, limit=5) == StepPart([], None)
    assert store.get_step_part("nobody", limit=5) == StepPart([], None, True)
    assert store.count_steps("nobody") == StepCounts(0, 0)


# -- payloads, events, queues --------------------------------------------------------------------------------


def test_payloads_are_read_from_wherever_the_engine_keeps_them(store: SqlStateStore) -> None:
    """Input, output, error; None for what a run does not have."""
    output, error = store.get_payload("done-1", "output"), store.get_payload("failed-1", "error")
    assert output is not None
    assert output.serialization == "py_pickle"
    assert error is not None
    assert store.get_payload("done-1", "input") is not None
    assert store.get_payload("done-1", "error") is None
    assert store.get_payload("nobody", "output") is None


def test_a_payload_is_cut_to_the_cap_and_says_so(store: SqlStateStore) -> None:
    """The whole size is reported; None for the cap returns all."""
    whole = store.get_payload("failed-1", "error", cap_bytes=None)
    cut = store.get_payload("failed-1", "error", cap_bytes=10)
    assert whole is not None
    assert cut is not None
    assert not whole.truncated
    assert cut.truncated
    assert (cut.text, cut.size_bytes) == (whole.text[:10], whole.size_bytes)


def test_published_values_are_read_by_key_without_our_own(store: SqlStateStore) -> None:
    """``durable.*`` keys are ours: shown only when asked for."""
    assert [event.key for event in store.published_events("done-1")] == ["progress"]
    assert [event.key for event in store.published_events("done-1", own=True)] == ["durable.wait"]
    event = store.published_event("breakpoint-1", "durable.wait")
    assert event is not None
    assert event.value.serialization == "portable_json"
    assert store.published_event("done-1", "nothing") is None


def test_open_waits_are_those_whose_receiving_step_is_not_there(store: SqlStateStore) -> None:
    """With where each listens; a wait that ended is none, nor is one of a run that never waited."""
    (wait,) = store.open_waits("breakpoint-1")
    assert (wait.on, wait.name, wait.topic) == ("breakpoint", "before shipping", "durable.continue")
    assert (wait.schema, wait.dropped) == (None, 0)
    waiting = store.get_run("breakpoint-1")
    assert waiting is not None
    assert waiting.waiting is not None
    assert waiting.waiting.seq == wait.seq
    assert store.open_waits("done-1") == store.open_waits("nobody") == []


def test_questions_are_what_people_are_to_answer_in_any_open_run(store: SqlStateStore) -> None:
    """A breakpoint always is; a wait of a program, or one that ended, is none."""
    found = {one.run_id: one for one in store.questions()[0]}
    asked = found["breakpoint-1"]
    assert (asked.wait.on, asked.wait.name, asked.wait.ask) == ("breakpoint", "before shipping", None)
    waiting = store.get_run("breakpoint-1")
    assert waiting is not None
    assert waiting.waiting is not None
    assert asked.since_ms == pytest.approx(waiting.waiting.since_ms, abs=1_000)
    assert all(store.get_run(run_id) is not None and one.wait.on == "breakpoint" for run_id, one in found.items())
    assert store.questions(run_ids=["done-1"]) == ([], True)
    assert [one.run_id for one in store.questions(run_ids=["breakpoint-1", "done-1"])[0]] == ["breakpoint-1"]
    assert store.questions(most_runs=1)[1] is False


def test_children_and_forks_are_found(store: SqlStateStore) -> None:
    """Oldest first; a fork knows where it came from."""
    assert sorted(ids(store.children("fan-1"))) == [f"fan-1-{n}" for n in range(1, 6)]
    assert len(store.children("fan-1", limit=2)) == 2
    assert store.children("nobody") == []
    assert [run.forked_from for run in store.forks("done-1")] == ["done-1"]


def test_queues_show_their_backlog_registered_or_not(store: SqlStateStore) -> None:
    """A queue that nobody registered but a run waits on is shown: that is a mistake to see."""
    queues = {queue.name: queue for queue in store.queues()}
    assert queues["billing"].registered
    assert queues["billing"].concurrency == 20
    assert queues["billing"].depth == 0
    assert queues["billing"].running == 1
    assert not queues["nobody"].registered
    assert queues["nobody"].depth == 1
    assert queues["nobody"].oldest_created_at_ms is not None


def test_schedules_are_listed(store: SqlStateStore) -> None:
    """By name, with the workflow that they start."""
    (schedule,) = store.schedules()
    assert (schedule.name, schedule.workflow, schedule.schedule, schedule.active) == (
        "hourly", "tick", "0 * * * *", True
    )  # fmt: skip


# -- the tail ------------------------------------------------------------------------------------------------


def test_step_rows_are_found_by_when_they_were_recorded(store: SqlStateStore) -> None:
    """Oldest first, from a time on, limited."""
    keys = store.steps_recorded_since(0, limit=1000)
    assert [key.recorded_at_ms for key in keys] == sorted(key.recorded_at_ms for key in keys)
    assert {("done-1", 1), ("asleep-1", 1), ("fan-1", 10)} <= {(key.run_id, key.seq) for key in keys}
    last = keys[-1].recorded_at_ms
    assert {k.recorded_at_ms for k in store.steps_recorded_since(last, limit=1000)} == {last}
    assert store.steps_recorded_since(last + 1, limit=1000) == []
    assert len(store.steps_recorded_since(0, limit=3)) == 3


def test_what_changed_is_read_on_behind_the_last_row_of_a_page(store: SqlStateStore) -> None:
    """However many rows share a moment, pages of two tell of all of them, each once."""
    stamped = [(key.recorded_at_ms, key.run_id, key.seq) for key in store.steps_recorded_since(0, limit=1000)]
    keys: list[StepKey] = []
    while page := store.steps_recorded_since(
        keys[-1].recorded_at_ms if keys else 0, limit=2, after=keys[-1] if keys else None
    ):
        keys += page
    assert [(key.recorded_at_ms, key.run_id, key.seq) for key in keys] == stamped == sorted(stamped)

    wanted, found, since_ms, after = store.runs_changed_since(0, limit=1000), list[Run](), 0, None
    while runs := store.runs_changed_since(since_ms, limit=2, after=after):
        found += runs
        since_ms, after = changed_at_ms(runs[-1], since_ms), runs[-1].id
    assert list(dict.fromkeys(run.id for run in found)) == [run.id for run in wanted]


def test_changed_runs_are_those_created_started_or_ended_since(store: SqlStateStore) -> None:
    """From the beginning that is all of them; from the future none."""
    everything = {run.id for run in store.list_runs(EVERYTHING).runs}
    assert {run.id for run in store.runs_changed_since(0, limit=1000)} == everything
    assert store.runs_changed_since(store.now_ms() + 60_000, limit=1000) == []
    assert len(store.runs_changed_since(0, limit=2)) == 2
    for run in store.list_runs(EVERYTHING).runs:
        for stamp_ms in (run.created_at_ms, run.started_at_ms, run.finished_at_ms if run.is_terminal else None):
            if stamp_ms is not None:
                assert run.id in {other.id for other in store.runs_changed_since(stamp_ms, limit=1000)}


def test_a_backfill_is_oldest_first_within_its_bounds(store: SqlStateStore) -> None:
    """``since`` <= created < ``until``."""
    runs = list(store.iter_runs())
    assert [r.created_at_ms for r in runs] == sorted(r.created_at_ms for r in runs)
    cut = runs[len(runs) // 2].created_at_ms
    early, late = list(store.iter_runs(until_ms=cut)), list(store.iter_runs(since_ms=cut))
    assert ids(early) + ids(late) == ids(runs)


def test_the_stores_clock_is_about_now(store: SqlStateStore) -> None:
    """Same machine, so within a second."""
    assert abs(store.now_ms() - time.time() * 1000) < 1000


def test_a_known_schema_gives_no_warning(store: SqlStateStore) -> None:
    """The engine that these tests run on is the newest that was tested, or older."""
    info = store.check()
    assert info.schema_version is not None
    assert info.schema_version <= KNOWN_SCHEMA_VERSION
    assert info.warnings == ()
