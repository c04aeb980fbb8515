"""Two runs side by side: steps aligned by name, what differs first, payloads as they may be shown."""

from __future__ import annotations

import random
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_blueprint
from dashboard.read.compare import CHANGES_SHOWN, aligned, value_diff
from otel_bridge.codec import redact_keys
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step

T = 1_700_000_000_000


@pytest.mark.parametrize("seed", range(30))
def test_aligned_steps_keep_both_orders_and_are_as_many_as_can_be(seed: int) -> None:
    """Each step is there once, pairs are of one name, and no alignment has more of them."""
    chance = random.Random(seed)
    left = [chance.choice("abc") for _ in range(chance.randrange(9))]
    right = [chance.choice("abc") for _ in range(chance.randrange(9))]
    pairs = aligned(left, right)
    assert [a for a, _ in pairs if a is not None] == list(range(len(left)))
    assert [b for _, b in pairs if b is not None] == list(range(len(right)))
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    assert all(left[a] == right[b] for a, b in both)
    assert len(both) == longest_common(left, right)


def longest_common(left: list[str], right: list[str]) -> int:
    if not left or not right:
        return 0
    if left[0] == right[0]:
        return 1 + longest_common(left[1:], right[1:])
    return max(longest_common(left[1:], right), longest_common(left, right[1:]))


@pytest.mark.parametrize(
    ("run", "other", "changes"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", "changed", 1, 2)]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1]}}, [("a.b[1]", "added", 2, None)]),
        ({}, {"a": None}, [("a", "removed", None, None)]),
        ([1, True], [1, 1], [("[1]", "changed", True, 1)]),
        ("x", None, [("", "changed", "x", None)]),
        (None, None, []),
    ],
)
def test_values_differ_at_paths(run: Any, other: Any, changes: list[Any]) -> None:
    """What was added, removed, and changed, also in kind."""
    found = value_diff(run, other)
    assert [(c.path, c.kind, c.run, c.other) for c in found.changes] == changes
    assert found.same is (changes == [])


def test_a_long_list_of_changes_is_cut_and_says_so() -> None:
    """An answer stays small."""
    found = value_diff(list(range(1_000)), list(range(1, 1_001)))
    assert (len(found.changes), found.cut, found.same) == (CHANGES_SHOWN, True, False)


def client_of(store: MemoryStateStore, **options: Any) -> FlaskClient:
    app = Flask(__name__)
    blueprint = create_blueprint(store, ledger=MemoryLedger(), actions=False, **options)
    app.register_blueprint(blueprint, url_prefix="/durable")
    return app.test_client()


@pytest.fixture
def store() -> MemoryStateStore:
    """An order that failed at its second step, one that completed later, and one before."""
    store = MemoryStateStore()
    for run_id, status, at, steps in (
        ("before", "completed", 0, ["reserve", "charge", "ship"]),
        ("good", "completed", 10_000, ["reserve", "charge", "ship"]),
        ("bad", "failed", 20_000, ["reserve", "discount", "charge"]),
    ):
        ended = T + at + 900
        run = make_run(run_id, status=status, created_at_ms=T + at, finished_at_ms=ended, workflow_version=run_id)  # type: ignore[arg-type]
        store.put_run(run)
        for seq, name in enumerate(steps, start=1):
            failed = run_id == "bad" and name == "charge"
            store.put_step(make_step(run_id, seq, name=name, status="failed" if failed else "completed"))
        store.put_payload(run_id, "input", f'{{"args": [{{"total": {at}, "password": "{run_id}"}}], "kwargs": {{}}}}')
    store.put_run(make_run("alone", workflow="refund", status="failed", created_at_ms=T))
    return store


def test_a_run_is_compared_with_the_last_success_of_its_workflow(store: MemoryStateStore) -> None:
    """Nobody has to look for it. The first difference is the step that only one of them made."""
    found = client_of(store).get("/durable/api/runs/bad/compare").json or {}
    assert (found["run"]["id"], found["other"]["id"]) == ("bad", "good")
    assert (found["run"]["workflowVersion"], found["other"]["workflowVersion"]) == ("bad", "good")
    names = [(row.get("run", {}).get("name"), row.get("other", {}).get("name")) for row in found["rows"]]
    assert names == [("reserve", "reserve"), ("discount", None), ("charge", "charge"), (None, "ship")]
    assert [row["differs"] for row in found["rows"]] == [False, True, True, True]
    assert found["firstDifference"] == 1
    assert {change["path"] for change in found["input"]["changes"]} == {"args[0].total", "args[0].password"}
    assert found["output"]["same"] is True


def test_any_run_can_be_named(store: MemoryStateStore) -> None:
    """By its id; what is not there, or is the run itself, is refused in words."""
    client = client_of(store)
    assert (client.get("/durable/api/runs/bad/compare?with=before").json or {})["other"]["id"] == "before"
    assert client.get("/durable/api/runs/bad/compare?with=none").status_code == 404
    assert client.get("/durable/api/runs/bad/compare?with=bad").status_code == 400
    assert client.get("/durable/api/runs/bad/compare?attempt=3").status_code == 404
    assert "with=" in (client.get("/durable/api/runs/alone/compare").json or {})["detail"]


def test_what_is_hidden_is_not_compared(store: MemoryStateStore) -> None:
    """Two secrets that differ look the same: neither is shown, nor that they differ."""
    client = client_of(store, redact=redact_keys(["password"]))
    found = client.get("/durable/api/runs/bad/compare").json or {}
    assert {change["path"] for change in found["input"]["changes"]} == {"args[0].total"}


def test_the_output_of_a_step_is_compared_on_request(store: MemoryStateStore) -> None:
    """One pair at a time: payloads may be large."""
    client = client_of(store)
    found = client.get("/durable/api/runs/bad/compare?step=1").json or {}
    assert found["stepOutput"]["same"] is True
    assert "stepOutput" not in (client.get("/durable/api/runs/bad/compare?step=2").json or {})
    assert client.get("/durable/api/runs/bad/compare?step=99").status_code == 404
