"""The client reads what a real server serves."""

from __future__ import annotations

import contextlib
import threading

import httpx
import pytest
from flask import Flask
from werkzeug.serving import make_server

from dashboard import create_blueprint
from dashboard.client import (
    AppTransport,
    AsyncDurableClient,
    BadRequestError,
    ConnectionFailedError,
    DurableClient,
    NotFoundError,
    ProtocolError,
)
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run
from tests.client.orders import place_order
from tests.waiting import until


def test_a_run_is_listed_opened_drawn_and_read(client: DurableClient, shop: str) -> None:
    """List, detail, graph, step, payload and published values of one run all agree."""
    run_id = place_order(shop, items="atlas, clock, radio")
    until(lambda: client.get_event(run_id, "label"))

    assert run_id in [run.id for run in client.iter_runs(page_size=2)]
    detail = client.get_run(run_id)
    assert detail.run.workflow == "fulfil_order"
    assert {child.workflow for child in detail.child_runs} == {"pack_item"}
    assert len(detail.children) == 3
    assert client.run_graph(run_id, expand=["all"]).nodes[0].type == "start"
    timing = client.run_timing(run_id)
    assert timing.queue_ms + timing.work_ms + timing.waiting_ms + timing.between_ms == timing.total_ms
    first = client.get_step(run_id, 1)
    assert first.name == "reserve_stock"
    assert str(first.output).startswith("R-")
    assert "atlas" in str(client.get_payload(run_id, "input"))
    assert client.get_payload_text(run_id, "input")
    assert {event.key for event in client.list_events(run_id)} >= {"label"}
    assert client.get_event(run_id, "never published") is None


def test_filters_travel_as_the_contract_says(client: DurableClient, shop: str) -> None:
    """Lists repeat, names are camelCase, and every filter narrows the list."""
    run_id = place_order(shop, total=321)
    until(lambda: client.list_runs(q=run_id).runs)

    found = client.list_runs(workflow="fulfil_order", tag=["small"], attr=["total_eur:eq:321"], limit=10).runs
    assert [run.id for run in found] == [run_id]
    assert client.list_runs(status=["dead", "cancelling"], q=run_id).runs == []
    assert client.list_runs(q=run_id, min_duration_ms=10**9).runs == []
    assert client.list_runs(q=run_id, since="2100-01-01T00:00:00Z").runs == []
    assert sum(facet.count for facet in client.run_facets(workflow="fulfil_order")) >= 1
    assert any(facet.workflow == "fulfil_order" for facet in client.run_facets(by="workflow"))
    active = client.activity(workflow="fulfil_order", buckets=10)
    assert sum(sum(bucket.counts.values()) for bucket in active.buckets) >= 1


def test_the_fleet_is_read(client: DurableClient) -> None:
    """Workers, executors, topology, config, health, metrics and the document itself are one call each."""
    assert "warehouse" in [group.group for group in client.list_workers()]
    assert until(client.list_executors)[0].status == "live"
    assert client.list_schedules() == []
    assert client.get_topology().sampled_runs >= 0
    assert client.get_config().role == "operator"
    assert client.get_health().status == "ok"
    assert "# TYPE" in client.get_metrics()
    assert client.get_openapi()["openapi"].startswith("3.")


def test_a_trace_leads_to_its_run(client: DurableClient, shop: str) -> None:
    """``run_of_trace`` follows the redirect by itself and returns the run's id."""
    run_id = place_order(shop)
    run = until(lambda: client.list_runs(q=run_id).runs)[0]
    assert until(lambda: client.run_of_trace(run.trace_id)) == run_id


def test_refusals_are_errors_of_one_tree(client: DurableClient, shop: str, free_port: int) -> None:
    """What the API refuses, what is not an API and what does not answer are each an error that says so."""
    with pytest.raises(NotFoundError, match="no-such-run") as missing:
        client.get_run("no-such-run")
    assert missing.value.status == 404
    with pytest.raises(BadRequestError, match="limit"):
        client.list_runs(limit=0)
    with DurableClient(shop) as not_the_dashboard, pytest.raises(NotFoundError):
        not_the_dashboard.get_health()
    with DurableClient(f"http://127.0.0.1:{free_port}/durable") as nobody, pytest.raises(ConnectionFailedError):
        nobody.get_health()


def test_an_answer_of_something_else_is_named() -> None:
    """A page, a redirect to a login and JSON of another shape are protocol errors, not half-read values."""
    answers = {
        "/api/health": httpx.Response(200, html="<h1>Welcome</h1>"),
        "/api/config": httpx.Response(302, headers={"Location": "/login"}),
        "/api/workers": httpx.Response(200, json=[{"group": 7}]),
        "/api/stream": httpx.Response(200, html="<h1>Welcome</h1>"),
    }
    transport = httpx.MockTransport(lambda request: answers[request.url.path])
    with DurableClient("http://example.test", transport=transport) as client:
        for ask in (client.get_health, client.get_config, client.list_workers, lambda: next(client.stream_runs())):
            with pytest.raises(ProtocolError, match="base URL"):
                ask()


IDS = [
    "a/b",
    "a//b",
    ".",
    "..",
    "a/../b",
    "./a",
    "naïve 日本",
    "a b",
    "a?b#c&d=e",
    "%2F",
    "50%",
    "a;b",
    "a\\b",
    "a'\"<b>",
    "a:b",
]


@pytest.mark.parametrize("served", ["in this process", "by a server"])
def test_a_run_is_read_whatever_its_id_is_made_of(served: str) -> None:
    """Slashes, dots, percent signs and what else a URL has a meaning for are part of the id."""
    store = MemoryStateStore()
    for run_id in IDS:
        store.put_run(make_run(run_id))
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(store, ledger=MemoryLedger(), caretaker=False), url_prefix="/durable")
    with contextlib.ExitStack() as stack:
        if served == "by a server":
            server = make_server("127.0.0.1", 0, app, threaded=True)
            threading.Thread(target=server.serve_forever, name="read-server", daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            client = DurableClient(f"http://127.0.0.1:{server.port}/durable")
        else:
            client = DurableClient("http://localhost/durable", transport=AppTransport(app))
        stack.enter_context(client)
        assert [client.get_run(run_id).run.id for run_id in IDS] == IDS


@pytest.mark.asyncio
async def test_the_asynchronous_client_reads_the_same(base_url: str, shop: str) -> None:
    """Pages, details and errors are the synchronous client's."""
    run_id = place_order(shop)
    async with AsyncDurableClient(base_url) as client:
        ids = [run.id async for run in client.iter_runs(page_size=3)]
        assert run_id in ids
        assert (await client.get_run(run_id)).run.id == run_id
        with pytest.raises(NotFoundError):
            await client.get_run("no-such-run")
