"""Long timelines are folded: loops by their turns, the rest by its ends, and nothing that matters is hidden."""

from __future__ import annotations

import random
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_blueprint
from dashboard.read.folds import BOUNDS, KEPT, folded
from dashboard.read.graph import draw
from dashboard.read.repeats import repeats
from otel_bridge.model.steps import Step
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step

T = 1_700_000_000_000


def loop(turns: int, names: str = "abc", **fields: Any) -> list[Step]:
    return [
        make_step("r", seq, name=names[(seq - 1) % len(names)], started_at_ms=T + 20 * seq, **fields)
        for seq in range(1, turns * len(names) + 1)
    ]


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ("", []),
        ("abc" * 3, []),
        ("abc" * 4, [(0, 3, 4)]),
        ("a" * 12, [(0, 1, 12)]),
        ("x" + "ab" * 6 + "y", [(1, 2, 6)]),
        ("aab" * 5, [(0, 3, 5)]),
        ("ab" * 6 + "c" * 12, [(0, 2, 6), (12, 1, 12)]),
        ("ab" * 6 + "a", [(0, 2, 6)]),
        ("abcdefghi" * 9, []),
    ],
)
def test_a_sequence_that_repeats_is_found_by_its_shortest_period(items: str, found: list[tuple[int, int, int]]) -> None:
    """From the first item that begins a turn; a turn that was begun and not finished is not one."""
    assert repeats(items) == found


@pytest.mark.parametrize("seed", range(30))
def test_folds_and_what_is_shown_are_all_steps_once(seed: int) -> None:
    """Whatever the steps: each is shown or within one fold, and the counts are right."""
    chance = random.Random(seed)
    steps: list[Step] = []
    for _ in range(chance.randrange(6)):
        names = [f"s{chance.randrange(5)}" for _ in range(chance.randrange(1, 5))]
        for _ in range(chance.choice([1, 3, 30, 90])):
            for name in names:
                status: Any = chance.choice(["completed"] * 9 + ["failed"])
                ours = chance.random() < 0.1
                seq = len(steps) + 1
                steps.append(make_step("r", seq, name=name, status=status, housekeeping=ours))
    found = folded(steps)
    shown = {step.seq for step in found.steps}
    inside = {seq for fold in found.folds for seq in range(fold.first, fold.last + 1)}
    assert shown | inside == {step.seq for step in steps}
    assert shown & inside == {seq for fold in found.folds for seq in fold.kept}
    for fold, following in zip(found.folds, found.folds[1:], strict=False):
        assert fold.last < following.first
    own = [step for step in steps if not step.housekeeping]
    assert all(fold.count == sum(fold.first <= step.seq <= fold.last for step in own) for fold in found.folds)
    assert all(fold.count == fold.turns * max(1, len(fold.names)) for fold in found.folds)


def test_a_loop_is_one_line_with_its_slowest_turn_open() -> None:
    """Shortest, median and longest turn; what failed stays in sight."""
    steps = loop(3_333)
    slow = [
        step._replace(finished_at_ms=(step.finished_at_ms or 0) + 500) if step.seq == 1_501 else step for step in steps
    ]
    slow[29] = slow[29]._replace(status="failed")
    found = folded(slow)
    (fold,) = found.folds
    assert (fold.names, fold.turns, fold.count) == (["a", "b", "c"], 3_333, 9_999)
    assert (fold.min_ms, fold.median_ms, fold.max_ms, fold.slowest) == (50, 50, 510, 1_501)
    assert {1_501, 1_502, 1_503, 30} <= set(fold.kept)
    assert [step.seq for step in found.steps] == fold.kept
    assert fold.by_status == {"completed": 9_998, "failed": 1}


def test_a_run_of_few_steps_is_shown_step_by_step() -> None:
    """Nothing is hidden where all of it fits."""
    steps = loop(13)
    assert folded(steps).steps == steps
    assert folded(steps).folds == []


def test_of_many_steps_that_are_no_loop_the_ends_are_shown_and_what_failed() -> None:
    """Up to a bound: the answer does not grow with the run."""
    steps = [
        make_step("r", seq, name=f"s{seq}", status="failed" if seq % 7 == 0 else "completed") for seq in range(1, 5_001)
    ]
    found = folded(steps)
    (fold,) = found.folds
    assert (fold.names, fold.count) == ([], 5_000 - BOUNDS.head - BOUNDS.tail)
    assert len(found.steps) == BOUNDS.head + BOUNDS.tail + KEPT


def client_of(steps: list[Step], children: int = 0, failed: tuple[int, ...] = ()) -> FlaskClient:
    store = MemoryStateStore()
    store.put_run(make_run("r", status="completed", created_at_ms=T))
    for step in steps:
        store.put_step(step)
    for n in range(children):
        status: Any = "failed" if n in failed else "completed"
        store.put_run(make_run(f"c{n:05}", workflow="pack", status=status, parent_id="r", created_at_ms=T + n))
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(store, ledger=MemoryLedger(), actions=False), url_prefix="/durable")
    return app.test_client()


def test_a_folded_run_is_a_small_answer_however_long_it_is() -> None:
    """Ten times the steps are the same bytes; the parts are still there to be read."""
    sizes = []
    for turns in (300, 3_000):
        client = client_of(loop(turns, "ab"))
        answer = client.get("/durable/api/runs/r?fold=true&children=200")
        detail = answer.json or {}
        assert (detail["stepsTotal"], len(detail["folds"])) == (2 * turns, 1)
        sizes.append(len(answer.data))
    assert sizes[1] < sizes[0] * 1.1
    assert sizes[1] < 20_000
    part = client.get(f"/durable/api/runs/r?from={detail['folds'][0]['first']}&limit=4&children=1").json or {}
    assert [step["seq"] for step in part["timeline"]] == [1, 2, 3, 4]


def test_of_too_many_children_those_that_failed_come_and_no_more_than_asked_for() -> None:
    """A fan-out of thousands shows what went wrong in it."""
    client = client_of([], children=30, failed=(17, 29))
    detail = client.get("/durable/api/runs/r?fold=true&children=5").json or {}
    assert (detail["children"], detail["childrenTotal"]) == (["c00017", "c00029"], 30)
    assert len((client.get("/durable/api/runs/r?children=5").json or {})["children"]) == 5
    assert len((client.get("/durable/api/runs/r").json or {})["children"]) == 30


def test_steps_are_found_by_name_or_error() -> None:
    """In either case of letters, page by page."""
    steps = [make_step("r", seq, name=f"Load_{seq}") for seq in range(1, 30)]
    client = client_of(steps)
    found = client.get("/durable/api/runs/r?q=load_2&limit=3&fold=true").json or {}
    assert [step["name"] for step in found["timeline"]] == ["Load_2", "Load_20", "Load_21"]
    following = client.get(f"/durable/api/runs/r?q=LOAD_2&limit=99&from={found['nextStep']}").json or {}
    assert len(following["timeline"]) == 8
    assert (client.get("/durable/api/runs/r?q=none").json or {})["timeline"] == []


def test_the_graph_of_a_loop_is_one_node() -> None:
    """It says what a turn does, and how many there were."""
    graph = draw("order", loop(3_333), "completed")
    (group,) = [node for node in graph.nodes if node.type == "group"]
    assert (group.label, group.turns, group.count) == ("a → b → c", 3_333, 9_999)
    assert len(graph.nodes) == 3
