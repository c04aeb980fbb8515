"""Long timelines come in parts: a run of 100,000 steps is 30 MB of JSON in one piece."""

from __future__ import annotations

from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_blueprint
from dashboard.read.every_step import outlined
from dashboard.read.timeline import STEPS_SHOWN
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step


def client_of(steps: int) -> FlaskClient:
    store = MemoryStateStore()
    store.put_run(make_run("long", status="completed"))
    for seq in range(1, steps + 1):
        store.put_step(make_step("long", seq))
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(store, ledger=MemoryLedger(), actions=False), url_prefix="/durable")
    return app.test_client()


def test_the_parts_of_a_timeline_are_the_whole():
    """Each part says where the next one begins; together they hold every step once."""
    client = client_of(10)
    seqs: list[int] = []
    following: int | None = 1
    while following is not None:
        part = client.get(f"/durable/api/runs/long?from={following}&limit=4").json or {}
        assert part["stepsTotal"] == 10
        seqs += [step["seq"] for step in part["timeline"]]
        following = part.get("nextStep")
    assert seqs == list(range(1, 11))


def test_a_short_timeline_is_one_part():
    """Nobody has to ask for parts."""
    detail = client_of(3).get("/durable/api/runs/long").json or {}
    assert [step["seq"] for step in detail["timeline"]] == [1, 2, 3]
    assert "nextStep" not in detail


def test_a_limit_beyond_the_bound_is_lowered_and_nonsense_is_refused():
    """As everywhere: too much is lowered, what is not a number is a 400."""
    client = client_of(1)
    assert client.get(f"/durable/api/runs/long?limit={10 * STEPS_SHOWN}").status_code == 200
    assert client.get("/durable/api/runs/long?limit=0").status_code == 400
    assert client.get("/durable/api/runs/long?from=-1").status_code == 400
    assert client.get(f"/durable/api/runs/long?from={2**64}").status_code == 400


def test_a_graph_says_that_it_does_not_hold_the_whole_run(monkeypatch: pytest.MonkeyPatch):
    """A run of more steps than are held to draw it: what is drawn is its beginning."""
    client = client_of(600)
    assert "truncated" not in (client.get("/durable/api/runs/long/graph").json or {})
    monkeypatch.setattr("dashboard.read.loading.outlined", partial(outlined, most_bytes=1))
    assert (client.get("/durable/api/runs/long/graph").json or {})["truncated"] is True
