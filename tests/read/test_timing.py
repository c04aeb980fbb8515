"""Where a run's time went: the parts add up, and what is usual is said of enough completed runs."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_blueprint
from dashboard.read.timing import History, axis, critical_path, expected_ms, split, timing, usual
from otel_bridge.model.runs import Run, Waiting
from otel_bridge.model.steps import Step
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step

T = 1_700_000_000_123
NOTHING = History([], {})


def run_of(**fields: Any) -> Run:
    return make_run("r", status="completed", created_at_ms=T, **fields)


def step(seq: int, start: int, end: int | None, **fields: Any) -> Step:
    fields.setdefault("status", "running" if end is None else "completed")
    ended = None if end is None else T + end
    return make_step("r", seq, **{"name": f"s{seq}", "started_at_ms": T + start, "finished_at_ms": ended, **fields})


def test_queue_work_waiting_and_between_add_up_to_the_runs_time() -> None:
    """Each millisecond is counted once."""
    run = run_of(started_at_ms=T + 100, finished_at_ms=T + 1_000)
    steps = [step(1, 150, 350), step(2, 400, 600, kind="sleep"), step(3, 650, 900)]
    found = timing(run, steps, NOTHING, now_ms=T + 5_000)
    assert (found.queue_ms, found.work_ms, found.waiting_ms, found.between_ms) == (100, 450, 200, 250)
    assert (found.total_ms, found.took_ms) == (1_000, 900)


def test_of_what_runs_side_by_side_work_counts_before_a_queue_and_a_queue_before_a_wait() -> None:
    """A child in a queue costs time only while nothing else is at work."""
    run = run_of(started_at_ms=T, finished_at_ms=T + 1_000)
    steps = [
        step(1, 0, 300),
        step(2, 600, 1_000, kind="remote", enqueued_at_ms=T + 100),
        step(3, 200, 800, kind="signal"),
    ]
    found = timing(run, steps, NOTHING, now_ms=T)
    assert (found.queue_ms, found.work_ms, found.waiting_ms, found.between_ms) == (300, 700, 0, 0)


@pytest.mark.parametrize("seed", range(40))
def test_the_parts_of_any_run_add_up(seed: int) -> None:
    """Clocks that disagree, steps that are open, kept or beyond the run's end: each millisecond is counted once."""
    chance = random.Random(seed)
    steps = []
    for seq in range(chance.randrange(12)):
        begin = chance.randrange(-500, 3_000)
        end = None if chance.random() < 0.2 else begin + chance.randrange(0, 1_500)
        kind = chance.choice(["local", "remote", "sleep", "signal"])
        queued = T + begin - chance.randrange(300) if kind == "remote" else None
        steps.append(step(seq, begin, end, kind=kind, enqueued_at_ms=queued, housekeeping=chance.random() < 0.1))
    finished = chance.choice([None, T + 2_500])
    run = make_run(
        "r",
        status="running" if finished is None else "failed",
        created_at_ms=T - T % 1000 if chance.random() < 0.3 else T,
        started_at_ms=T + chance.choice([0, 877, 200]),
        finished_at_ms=finished,
        requeued_at_ms=chance.choice([None, T + 400]),
    )
    found = timing(run, steps, NOTHING, now_ms=T + 2_600)
    parts = (found.queue_ms, found.work_ms, found.waiting_ms, found.between_ms)
    assert min(parts) >= 0
    assert sum(parts) == found.total_ms
    assert found.took_ms <= found.total_ms


def test_steps_say_when_a_run_of_whole_seconds_began_and_ended() -> None:
    """SQLite may cut the run's own times; then the axis is that of its steps, as in the timeline."""
    second = T - T % 1000
    run = make_run("r", status="completed", created_at_ms=second, started_at_ms=second, finished_at_ms=second + 1_000)
    times = axis(run, [step(1, 0, 400), step(2, 500, 730)], 0)
    assert (times.begin_ms, times.start_ms, times.end_ms) == (T, T, T + 730)


def test_a_child_that_was_retried_by_itself_does_not_lengthen_its_parents_next_attempt() -> None:
    """The run asked for it in an earlier one: when the child was at work before is no time of this one."""
    run = make_run(
        "a", status="completed", started_at_ms=T + 60_000, finished_at_ms=T + 63_000, requeued_at_ms=T + 60_000
    )
    child = make_step("a", 1, kind="remote", started_at_ms=T + 50_000, finished_at_ms=T + 61_000, folded=(2,))
    asked = child._replace(asked_at_ms=T + 10, enqueued_at_ms=T + 49_000)
    assert axis(run, [asked], T + 90_000) == (T + 60_000, T + 60_000, T + 63_000)


def test_a_run_that_waits_to_be_picked_up_has_spent_all_its_time_in_the_queue() -> None:
    """Nothing has begun."""
    run = make_run("r", status="pending", created_at_ms=T, queue="q")
    found = timing(run, [], NOTHING, now_ms=T + 700)
    assert (found.total_ms, found.queue_ms, found.took_ms) == (700, 700, 0)


def test_an_open_run_that_no_step_speaks_of_is_at_work() -> None:
    """The engine records a step when it ends; before that the run is not idle."""
    run = make_run("r", status="running", created_at_ms=T, started_at_ms=T)
    found = split(run, [step(1, 0, 100)], axis(run, [step(1, 0, 100)], T + 900))
    assert found == {"queue": 0, "work": 900, "waiting": 0, "between": 0}


def test_the_critical_path_is_the_chain_that_the_end_waited_for() -> None:
    """Of what ran side by side the one that ended last, and what it had waited for."""
    steps = [step(1, 0, 100), step(2, 100, 900), step(3, 100, 300), step(4, 300, 500), step(5, 900, 950)]
    assert critical_path(steps) == [1, 2, 5]
    assert critical_path([]) == []
    assert critical_path([step(1, 5, 5), step(2, 5, 5)]) in ([1, 2], [2, 1])


def test_fewer_than_three_runs_say_nothing_of_what_is_usual() -> None:
    """One run is not a custom."""
    assert usual([5, 5]) is None
    said = usual(range(1, 101))
    assert said is not None
    assert (said.count, said.median_ms, said.p95_ms) == (100, 50, 95)


def test_an_open_run_is_expected_by_those_that_lasted_as_long() -> None:
    """One that is over the usual is measured by the slow ones; beyond them all nobody knows."""
    run = make_run("r", status="running", created_at_ms=T, started_at_ms=T)
    before = History([100, 100, 900], {})
    assert (timing(run, [], before, now_ms=T + 50).expected_at or "").endswith(".223Z")
    assert (timing(run, [], before, now_ms=T + 500).expected_at or "").endswith("21.023Z")
    assert timing(run, [], before, now_ms=T + 1_500).expected_at is None
    assert expected_ms([100, 900], 5) is None


def test_nobody_says_when_a_person_will_answer() -> None:
    """A run that waits for a signal has no expected end."""
    run = make_run("r", status="suspended", created_at_ms=T, started_at_ms=T, waiting=Waiting("signal", "paid", T))
    assert timing(run, [], History([100, 200, 300], {}), now_ms=T + 50).expected_at is None


@pytest.fixture
def client() -> FlaskClient:
    """Five completed orders, one that failed late, and one of another workflow."""
    store = MemoryStateStore()
    for number in range(5):
        store.put_run(make_run(f"ok-{number}", status="completed", created_at_ms=T, finished_at_ms=T + 600))
        store.put_step(make_step(f"ok-{number}", 1, name="charge", started_at_ms=T, finished_at_ms=T + 100 + number))
    store.put_run(make_run("slow", status="failed", created_at_ms=T, finished_at_ms=T + 3_000))
    store.put_step(make_step("slow", 1, name="charge", started_at_ms=T, finished_at_ms=T + 2_000))
    store.put_step(make_step("slow", 2, name="new_step", started_at_ms=T + 2_000, finished_at_ms=T + 2_900))
    store.put_run(make_run("other", workflow="refund", status="completed", created_at_ms=T, finished_at_ms=T + 9_000))
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(store, ledger=MemoryLedger(), actions=False), url_prefix="/durable")
    return app.test_client()


def test_a_run_is_set_beside_the_completed_runs_of_its_workflow(client: FlaskClient) -> None:
    """Its steps beside theirs of the same name; a step that they have not is beside nothing."""
    found = client.get("/durable/api/runs/slow/timing").json or {}
    assert found["usual"] == {"count": 5, "medianMs": 600, "p95Ms": 600}
    assert [(step["name"], step["durationMs"]) for step in found["longest"]] == [("charge", 2_000), ("new_step", 900)]
    assert found["longest"][0]["usual"] == {"count": 5, "medianMs": 102, "p95Ms": 104}
    assert "usual" not in found["longest"][1]
    assert "criticalPath" not in found
    assert client.get("/durable/api/runs/other/timing").json.get("usual") is None  # type: ignore[union-attr]
    assert client.get("/durable/api/runs/none/timing").status_code == 404


def test_a_step_of_a_run_too_long_for_others_to_be_read_is_set_beside_its_own_like(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more rows are read than the bound allows; a loop's turns compare with one another."""
    store = MemoryStateStore()
    for run_id in ("a", "b", "c", "d"):
        store.put_run(make_run(run_id, status="completed", created_at_ms=T, finished_at_ms=T + 5_000))
        for seq in range(1, 9):
            ended = T + 100 * seq + (90 if seq == 5 else 10)
            store.put_step(make_step(run_id, seq, name="load", started_at_ms=T + 100 * seq, finished_at_ms=ended))
    monkeypatch.setattr("dashboard.read.timing.USUAL_ROWS", 7)
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(store, ledger=MemoryLedger(), actions=False), url_prefix="/durable")
    longest = (app.test_client().get("/durable/api/runs/a/timing").json or {})["longest"][0]
    assert (longest["seq"], longest["usualOf"], longest["usual"]["medianMs"]) == (5, "run", 10)


def test_a_fork_takes_no_time_for_what_its_original_did() -> None:
    """The copied steps have the original's times, of before the fork was there."""
    fork = make_run("f", status="completed", created_at_ms=T + 9_000, started_at_ms=T + 9_020, finished_at_ms=T + 9_227)
    fork = replace(fork, forked_from="o", queue="q", recovery_attempts=1)
    copied = make_step("f", 1, started_at_ms=T + 100)
    own = make_step("f", 2, started_at_ms=T + 9_100)
    times = axis(fork, [copied, own], T + 60_000)
    assert (times.begin_ms, times.start_ms, times.end_ms) == (T + 9_000, T + 9_020, T + 9_227)
