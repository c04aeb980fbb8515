"""Runs that started, recorded or forked very many: every one counts, and what decides is read, not all there is."""

from __future__ import annotations

import random

import pytest

from dashboard.actions import cancel, retry
from dashboard.actions.permission import undone_with
from dashboard.actions.recorded import RecordedSteps
from dashboard.actions.rewind import last_recorded, rewind_point
from dashboard.actions.step_references import check_against
from dashboard.caretaker.retention import deletable
from dashboard.read import undo
from dashboard.read.every_step import interrupted_now
from otel_bridge.ledger.base import Executor, InFlightStep
from otel_bridge.model.runs import Run, StartedRun
from otel_bridge.model.steps import StepKind, StepStatus
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.overlay import interrupted_steps
from otel_bridge.runs.presence import presence
from otel_bridge.runs.presence_reader import NOBODY
from otel_bridge.testing import FakeClock, MemoryStateStore, make_run, make_step
from tests.actions.memory import memory_context

MANY = 1_001
"""One more than what was looked at before."""


def run_of(store: MemoryStateStore, run_id: str) -> Run:
    run = store.get_run(run_id)
    assert run is not None
    return run


def put_children(store: MemoryStateStore, parent: str, count: int = MANY) -> list[str]:
    """Put a run with many children, as a step and its child's row both tell."""
    store.put_run(make_run(parent, status="failed", created_at_ms=1))
    found = [f"{parent}-{number:04}" for number in range(count)]
    for number, child_id in enumerate(found):
        store.put_run(make_run(child_id, status="pending", queue="mail", parent_id=parent, created_at_ms=2 + number))
        store.put_step(make_step(parent, number + 1, name="pack", kind="remote", child_run_id=child_id))
    return found


def test_the_queue_of_every_run_below_is_remembered_when_all_are_cancelled() -> None:
    """The engine cancels what children started, too, and forgets the queues of all."""
    ctx, store, _ = memory_context()
    children = put_children(store, "top")
    store.put_run(make_run("top", status="running", created_at_ms=1))
    store.put_run(make_run("grandkid", status="pending", queue="far", parent_id=children[-1], created_at_ms=9_000))
    cancel.cancel(ctx, "top", actor="ann", children=True)
    assert {ctx.ledger.original_queue(child) for child in children} == {"mail"}
    assert ctx.ledger.original_queue("grandkid") == "far"


def test_a_childs_child_that_the_parent_asked_for_too_is_cancelled_with_it() -> None:
    """By its id, which the child had started: so it is met beside the child, before that one is of the family."""
    ctx, store, _ = memory_context()
    store.put_run(make_run("r", status="running", created_at_ms=1))
    store.put_run(make_run("x-g", status="pending", queue="q", parent_id="z-c", created_at_ms=3))
    store.put_run(make_run("z-c", status="running", parent_id="r", created_at_ms=2))
    store.put_step(make_step("r", 1, name="c", kind="remote", child_run_id="z-c"))
    store.put_step(make_step("r", 2, name="g", kind="remote", child_run_id="x-g"))
    cancel.cancel(ctx, "r", actor="ann", children=True)
    assert {run_of(store, one).status for one in ("r", "z-c", "x-g")} == {"cancelled"}


def test_a_cancel_of_very_many_takes_some_at_a_time_and_what_the_engine_would_take() -> None:
    """The parent first, each of its family once; what ended stays so, and so does a run that another one started."""
    ctx, store, client = memory_context()
    children = put_children(store, "top")
    store.put_run(make_run("top", status="running", created_at_ms=1))
    for status in ("completed", "failed", "cancelled", "dead"):
        store.put_run(make_run(status, status=status, parent_id="top", created_at_ms=5_000))
    store.put_run(make_run("below", status="running", parent_id="completed", created_at_ms=6_000))
    store.put_run(make_run("other", status="running", created_at_ms=7_000))
    store.put_step(make_step("top", MANY + 1, name="pack", kind="remote", child_run_id="other"))
    cancel.cancel(ctx, "top", actor="ann", children=True)
    cancelled = [run_id for name, run_id, _ in client.calls if name == "cancel"]
    assert cancelled[0] == "top"
    assert sorted(cancelled) == sorted(["top", *children, "dead", "below"])


def test_the_last_of_very_many_children_can_be_what_there_is_to_undo() -> None:
    """In the preview, and for the policy that is asked about all that an undo reaches."""
    _, store, _ = memory_context()
    children = put_children(store, "top")
    store.put_run(make_run("grandkid", status="completed", parent_id=children[-1]))
    store.put_step(make_step(children[-1], 1, name="bill", kind="remote", child_run_id="grandkid"))
    store.put_event("grandkid", "durable.undo.1", "{}")
    for number, child_id in enumerate(children):
        store.put_event(child_id, "durable.undo.x", "{}")  # somebody else's event
        store.set_columns(child_id, {"status": "SUCCESS", "created_at": number})
    seen = undo.preview(store, run_of(store, "top"), NOBODY)
    assert (seen.total, [each.planned.child_run_id for each in seen.compensations]) == (1, [children[-1]])
    assert {run.id for run in undone_with(store, run_of(store, "top"))} == {children[-1], "grandkid"}


def test_what_can_be_undone_is_asked_of_many_runs_together() -> None:
    """Not of one after the other: a run of 100,000 children took half a minute."""
    _, store, _ = memory_context()
    children = put_children(store, "top")
    store.schema()
    reads: list[str] = []
    read = store.rows
    store.rows = lambda sql, params=(): (reads.append(sql), read(sql, params))[1]  # type: ignore[method-assign]
    assert undo.undoable(store, children) == set()
    assert len(reads) < MANY / 100


def test_runs_that_start_each_other_end_the_search() -> None:
    """A run may start one that is above it, by its id."""
    _, store, _ = memory_context()
    for one, other in (("a", "b"), ("b", "a")):
        store.put_run(make_run(one, status="completed", parent_id=other))
        store.put_step(make_step(one, 1, kind="remote", child_run_id=other))
    assert undo.undoable(store, ["a"]) == set()
    store.put_event("b", "durable.undo.3", "{}")
    assert undo.undoable(store, ["a", "b"]) == {"a", "b"}


def test_a_run_stays_while_the_last_of_very_many_forks_is_open() -> None:
    """A thousand that have ended before it hide nothing."""
    ctx, store, _ = memory_context(store=MemoryStateStore(clock=FakeClock()))
    store.put_run(make_run("old", status="completed", created_at_ms=1))
    for number in range(MANY):
        status = "running" if number == MANY - 1 else "completed"
        store.put_run(make_run(f"f{number:04}", status=status, forked_from="old", created_at_ms=2 + number // 7))  # type: ignore[arg-type]
    assert deletable(ctx, [run_of(store, "old")]) == []


@pytest.mark.parametrize("seed", range(5))
def test_what_is_recorded_is_as_all_steps_with_their_errors(seed: int) -> None:
    """Packed, and in parts: the same steps, so that the same is decided."""
    chance, store = random.Random(seed), MemoryStateStore()
    store.put_run(make_run("r", status="failed"))
    seq = 0
    for number in range(600):
        seq += chance.choice((1, 1, 2))
        error = StoredValue(f'"{number % 7}"', "portable_json", 3) if chance.random() < 0.3 else None
        status: StepStatus = "completed" if error is None else "failed"
        kind: StepKind = chance.choice(("local", "local", "sleep"))
        store.put_step(make_step("r", seq, status=status, error=error, kind=kind, started_at_ms=seq * 10))
    every, recorded = store.get_steps("r", errors=True), RecordedSteps.read(store, "r")
    assert list(recorded) == every
    assert recorded[-10:] == every[-10:]
    assert last_recorded(every) == store.last_step_number("r")
    for text in ("3", "9"):
        died_of = StoredValue(f'"{text}"', "portable_json", 3)
        assert rewind_point(recorded, died_of) == rewind_point(every, died_of)


def test_what_is_in_flight_is_looked_for_beside_its_rows() -> None:
    """A step of which a row tells is over, whoever still reports it; steps far apart are each looked for."""
    store = MemoryStateStore()
    store.put_run(make_run("r", status="running"))
    for seq in range(1, 3_000):
        if seq not in (5, 2_500):
            store.put_step(make_step("r", seq))
    run = run_of(store, "r")
    reported = tuple(
        InFlightStep(run_id="r", seq=seq, name="s", started_at_ms=1) for seq in (5, 6, 2_499, 2_500, 4_000)
    )
    working = Executor(instance_id="i", executor_id="e", beat_at_ms=9, started_at_ms=0, in_flight=reported)
    seen = presence([working], 9)
    assert [step.seq for step in interrupted_now(store, run, seen)] == [5, 2_500, 4_000]
    assert interrupted_now(store, run, seen) == interrupted_steps(run, store.get_steps("r"), seen)


def test_one_run_that_did_the_same_is_enough_to_compare_with() -> None:
    """The others are not read; one without steps is none."""
    ctx, store, _ = memory_context()
    for run_id, name in (("r", "charge"), ("same", "charge"), ("other", "reserve")):
        store.put_run(make_run(run_id, status="completed", workflow_version="v2"))
        store.put_step(make_step(run_id, 1, name=name))
    store.put_run(make_run("empty", status="completed", workflow_version="v2"))
    assert check_against(ctx, run_of(store, "r"), "v2").matches
    assert check_against(ctx, run_of(store, "empty"), "v2").compared == 0


def test_a_long_run_is_retried_from_the_step_that_failed() -> None:
    """Of a run with more steps than an attempt keeps, the last ones are kept."""
    ctx, store, client = memory_context()
    store.put_run(make_run("long", status="failed"))
    store.put_payload("long", "error", '"boom"')
    for seq in range(1, 40):
        store.put_step(make_step("long", seq, started_at_ms=seq))
    boom = StoredValue('"boom"', None, 6)
    store.put_step(make_step("long", 40, status="failed", error=boom, started_at_ms=40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dashboard.actions.kept.MOST_STEPS", 10)
        retry.retry(ctx, "long", actor="ann")
    assert [(name, options["start_step"]) for name, _, options in client.calls if name == "rewind"] == [("rewind", 40)]
    (kept,) = ctx.ledger.kept_attempts(["long"])["long"]
    assert [step.seq for step in kept.life.steps] == list(range(31, 41))
    assert kept.life.steps[-1].error == boom


def test_a_store_tells_what_runs_started_by_both_records() -> None:
    """A step names the run that it started, a child its parent; an undo of ours and a result taken are no starts."""
    store = MemoryStateStore()
    for run_id, parent in (("top", None), ("kid", "top"), ("undo:kid", "top")):
        workflow = "durable.undo" if run_id.startswith("undo:") else "w"
        store.put_run(make_run(run_id, parent_id=parent, workflow=workflow))
    store.put_step(make_step("top", 1, name="start", kind="remote", child_run_id="kid", finished_at_ms=9))
    store.put_step(make_step("top", 7, name="durable.undo", kind="remote", child_run_id="undo:kid"))
    assert set(store.started_by(["top", "kid"])) == {StartedRun("top", "kid", 1, "start"), StartedRun("top", "kid")}
