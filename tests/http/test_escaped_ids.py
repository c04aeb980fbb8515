"""A run id that looks like a route, or holds slashes at odd places, is an id: whatever is asked of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from flask import Flask, Request
from werkzeug.test import EnvironBuilder

from dashboard.client import DurableClient
from dashboard.http.escapes import escaped_path
from dashboard.wire.ids import hex_segment, id_of_segment
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step
from tests.story import mounted, served

IDS = ["/lead", "trail/", "x/stream", "y/steps/1", "a/undo", "with/slash", "two//slashes", "%2F", "\ue000/x", "a", "x"]


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    """A dashboard over runs of these ids, each with a step."""
    store = MemoryStateStore()
    for run_id in IDS:
        store.put_run(make_run(run_id, workflow=f"of {run_id}", status="completed"))
        store.put_step(make_step(run_id=run_id, seq=1))
    with mounted(store, ledger=MemoryLedger()) as app:
        yield app


@pytest.fixture(scope="module")
def client(app: Flask) -> Iterator[DurableClient]:
    """A client over a real server."""
    with served(app) as port, DurableClient(f"http://127.0.0.1:{port}/durable") as client:
        yield client


@pytest.mark.parametrize("run_id", IDS)
def test_a_run_is_addressed_by_its_id(client: DurableClient, run_id: str) -> None:
    """The run, its graph and its step; no other run's."""
    assert client.get_run(run_id).run.id == run_id
    assert [node.label for node in client.run_graph(run_id).nodes if node.type == "start"] == [f"of {run_id}"]
    assert client.get_step(run_id, 1).run_id == run_id


NO_PATHS = [
    *("two\nlines", "a/../b", ".", "..", "../x", "a\\..\\b", "\x7f", "by-id", "facets", "~x61", "~x", "é\u2028"),
    *IDS,
]


def first_event(texts: Iterator[str]) -> Iterator[str]:
    """Yield what is read up to the end of the first event; lines end at line feeds alone, not at every separator."""
    read = ""
    for text in texts:
        yield text
        read += text
        if "\n\n" in read and "data:" in read:
            return


@pytest.mark.parametrize("run_id", NO_PATHS)
def test_what_no_path_may_hold_is_addressed_in_hex(run_id: str) -> None:
    """The run, its graph, step and stream, on a real server; by its id as a parameter, too."""
    store = MemoryStateStore()
    store.put_run(make_run(run_id, workflow="right", status="completed"))
    store.put_run(make_run("61", workflow="wrong"))
    store.put_step(make_step(run_id=run_id, seq=1))
    spelt = hex_segment(run_id)
    with (
        mounted(store, ledger=MemoryLedger()) as alone,
        served(alone) as port,
        DurableClient(f"http://127.0.0.1:{port}/durable") as client,
        httpx.Client(base_url=f"http://127.0.0.1:{port}/durable/api/", timeout=10) as http,
    ):
        assert client.get_run(run_id).run.id == run_id
        assert client.run_by_id(run_id).run.id == run_id
        assert client.run_graph(run_id).nodes[0].label == "right"
        assert client.get_step(run_id, 1).run_id == run_id
        for route in ("", "/graph", "/steps/1", "/undo", "/events"):
            assert http.get(f"runs/{spelt}{route}").status_code == 200, route
        with http.stream("GET", f"runs/{spelt}/stream", headers={"Accept": "text/event-stream"}) as stream:
            lines = "".join(first_event(stream.iter_text())).split("\n")
        snapshot = next(line for line in lines if line.startswith("data:"))
        assert json.loads(snapshot.removeprefix("data:"))["detail"]["run"]["id"] == run_id


@pytest.mark.parametrize("segment", ["~xff", "~x00", "~x6", "~x6g", "~61"])
def test_what_is_not_hex_of_an_id_is_an_id(segment: str) -> None:
    """No character that a database refuses gets in by it."""
    assert id_of_segment(segment) == segment


def test_a_slash_that_was_not_escaped_still_parts_an_id_from_a_route(app: Flask) -> None:
    """As before, and for servers that do not tell what was sent."""
    reader = app.test_client()
    assert reader.get("/durable/api/runs/with/slash/graph").status_code == 200
    assert reader.get("/durable/api/runs/a/undo").get_json().get("compensations") is not None


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("/ops/runs/x%2fstream?limit=1", "/runs/x/stream"),
        ("http://host/runs/x%2Fstream", "/runs/x/stream"),
        ("/runs/x%2Fstream", "/rewritten/x"),
        ("/runs/x/stream", "/runs/x/stream"),
        ("", "/runs/x/stream"),
    ],
)
def test_only_what_was_sent_and_is_still_there_counts(sent: str, path: str) -> None:
    """A prefix that was taken off is no matter; a path that somebody rewrote is taken as it is."""
    environ = EnvironBuilder(path).get_environ()
    environ |= {"RAW_URI": sent, "REQUEST_URI": sent}
    found = escaped_path(Request(environ))
    same = path.startswith("/runs") and "%2" in sent
    assert found == (("/runs/x\ue000stream", "\ue000") if same else None)
