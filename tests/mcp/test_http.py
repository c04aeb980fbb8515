"""``<dashboard>/mcp`` as an agent has it: the official client over streamable HTTP, both kinds of the protocol."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

import httpx
import httpx2
import pytest
from flask import Flask, Request
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from dashboard.actor import Actor
from dashboard.client import DurableClient
from dashboard.config import Policy
from dashboard.mcp.http import McpEndpoint
from otel_bridge.codec import redact_keys
from otel_bridge.ledger import MemoryLedger
from otel_bridge.model.runs import Run
from tests.client.conftest import base_url, client, shop
from tests.client.test_acting import wait_for
from tests.http.test_servers import STREAMING, has_printed, serving
from tests.mcp.test_server import ACT, READ, ask, refusal
from tests.story import mounted, served

__all__ = ["base_url", "client", "shop"]

Mode = Literal["legacy", "auto"]
ASK = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
LISTEN = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "subscriptions/listen",
    "params": {
        "notifications": {"toolsListChanged": True},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    },
}
"""Answered by servers of changing tools with a stream that never ends."""
HEADERS = {"Host": "localhost", "Accept": "application/json, text/event-stream"}


@asynccontextmanager
async def agent(url: str, *, mode: Mode = "auto", user: str | None = None) -> AsyncIterator[Client]:
    """An agent's client at a dashboard."""
    headers = {} if user is None else {"X-User": user}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        async with Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as connected:
            yield connected


def users(request: Request) -> Actor | None:
    """An ``auth`` hook: who the header names; eve looks, all others act."""
    user = request.headers.get("X-User")
    return None if user is None else Actor(user, "viewer" if user == "eve" else "operator")


@contextmanager
def dashboard(store: str, **options: Any) -> Iterator[str]:
    """A dashboard that is served; its address."""
    with mounted(store, **options) as app, served(app) as port:
        yield f"http://127.0.0.1:{port}/durable"


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_an_agent_retries_a_failure_over_http(base_url: str, client: DurableClient, mode: Mode) -> None:
    """Looks, previews, confirms; the audit log says by what."""
    run_id = client.start_run("refund_order", ["order-1", 12]).run_id
    wait_for(client, run_id, "failed")
    async with agent(base_url, mode=mode) as connected:
        assert {tool.name for tool in (await connected.list_tools()).tools} == READ | ACT
        assert run_id in [run["id"] for run in (await ask(connected, "list_runs", status="failed"))["runs"]]
        assert "bank" in (await ask(connected, "show_run", run_id=run_id))["error"]["message"]
        preview = await ask(connected, "retry_run", run_id=run_id)
        assert client.get_run(run_id).run.status == "failed"
        assert (await ask(connected, "retry_run", run_id=run_id, confirm=preview["confirm"]))["done"] == "retry"
        wait_for(client, run_id, "completed")
        assert client.audit(run=run_id)[0].actor == "local via mcp"
        assert "used" in await refusal(connected, "retry_run", run_id=run_id, confirm=preview["confirm"])
        assert "There is no run" in await refusal(connected, "show_run", run_id="none")


@pytest.mark.asyncio
async def test_a_confirm_token_works_in_another_process_once_and_for_its_owner_alone(story_url: str) -> None:
    """Behind a server with several workers the confirmation comes to any of them."""
    ledger = MemoryLedger()
    with (
        dashboard(story_url, auth=users, ledger=ledger) as one,
        dashboard(story_url, auth=users, ledger=ledger) as two,
    ):
        async with agent(one, user="ada") as ada, agent(two, user="ada") as ada_there, agent(two, user="bob") as bob:
            runs = (await ask(ada, "list_runs", status="suspended"))["runs"]
            call = {"run_id": runs[0]["id"], "topic": "go", "message": 1}
            token = {"confirm": (await ask(ada, "send_signal", **call))["confirm"]}
            assert "unknown" in await refusal(bob, "send_signal", **call, **token)
            assert (await ask(ada_there, "send_signal", **call, **token))["done"] == "signal"
            assert "used" in await refusal(ada, "send_signal", **call, **token)


@pytest.mark.asyncio
async def test_an_agent_sees_and_does_what_its_user_may(story_url: str) -> None:
    """Role, ``may`` and redaction are those of the page: asked for each call, whoever called before."""

    def may(actor: Actor, action: str, run: Run) -> bool:
        return actor.name != "bob" or (run.status == "failed" and action == "see")

    with dashboard(story_url, auth=users, may=may, redact=redact_keys(["args"])) as url:
        async with agent(url, user="eve") as eve, agent(url, user="bob") as bob, agent(url, user="ada") as ada:
            assert {tool.name for tool in (await eve.list_tools()).tools} == READ
            assert "Unknown tool" in await refusal(eve, "retry_run", run_id="x")
            everything = (await ask(ada, "list_runs", limit=50))["runs"]
            seen = (await ask(bob, "list_runs", limit=50))["runs"]
            assert {run["status"] for run in seen} == {"failed"}
            assert len(everything) > len(seen)
            hidden = next(run["id"] for run in everything if run["status"] == "completed")
            assert "There is no run" in await refusal(bob, "show_run", run_id=hidden)
            preview = await ask(bob, "cancel_run", run_id=seen[0]["id"])
            refused = await refusal(bob, "cancel_run", run_id=seen[0]["id"], confirm=preview["confirm"])
            assert "not allowed" in refused
            shown = await ask(ada, "show_payload", run_id=hidden, which="input")
            assert "redacted" in str(shown).lower() or "•" in str(shown)


def post(app: Flask, body: Any = ASK, **headers: str) -> Any:
    """Send one message as it is; return the response."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {**HEADERS, "Content-Type": "application/json", **headers}
    return app.test_client().post("/durable/mcp", data=data, headers=sent)


@pytest.mark.parametrize(
    ("headers", "status", "says"),
    [
        ({"Origin": "https://evil.example"}, 403, "another origin"),
        ({"Origin": "null"}, 403, "another origin"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "another site"),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403, "only Host localhost"),
        ({"X-Forwarded-For": "203.0.113.9"}, 403, "a proxy says"),
        ({"Origin": "http://localhost"}, 200, "overview"),
        ({}, 200, "overview"),
    ],
)
def test_another_sites_page_gets_nothing(story_app: Flask, headers: dict[str, str], status: int, says: str) -> None:
    """Not by a form, not by a script, not by a name that was pointed at this machine (DNS rebinding)."""
    answer = post(story_app, **headers)
    assert (answer.status_code, says in answer.get_data(as_text=True)) == (status, True), answer.data


def test_nobody_is_told_what_there_is(story_url: str) -> None:
    """401 without credentials, whatever the message says, and before it is read."""
    with mounted(story_url, auth=users) as app:
        for body in (ASK, b"{", b"x" * 5_000_000):
            assert post(app, body).status_code == 401
        assert post(app, **{"X-User": "eve"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"\xff", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "method": "tools/call"}', {}, 400),
        ([ASK, ASK], {}, 400),
        (b"x" * 5_000_000, {}, 413),
        (ASK, {"Content-Type": "text/plain"}, 400),
        (ASK, {"Accept": "text/html"}, 406),
        (LISTEN, {"MCP-Protocol-Version": "2026-07-28", "MCP-Method": "subscriptions/listen"}, 404),
        ({**ASK, "id": None}, {}, 202),
        ({**ASK, "method": "tools/call", "params": {"name": "overview", "arguments": []}}, {}, 200),
    ],
)
def test_what_is_no_message_is_refused(story_app: Flask, body: Any, headers: dict[str, str], status: int) -> None:
    """Never a server's error, and never a request that waits for ever."""
    answer = post(story_app, body, **headers)
    assert answer.status_code == status, answer.data
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_there_is_no_stream_to_hold_a_thread(story_app: Flask) -> None:
    """GET and DELETE, by which others keep sessions: 405 and what is possible."""
    for method in ("get", "delete"):
        answer = getattr(story_app.test_client(), method)("/durable/mcp", headers=HEADERS)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("server", ["gthread, preloaded", "gevent"])
def test_many_agents_at_once_are_answered_by_production_servers(server: str, free_port: int) -> None:
    """Threads have an event loop each; greenlets, which share one, take turns; forked workers make their own."""
    call = {**ASK, "method": "tools/call", "params": {"name": "list_runs", "arguments": {}}}
    with serving(STREAMING[server], free_port) as host:

        def ask_once(number: int) -> tuple[int, bool]:
            answer = httpx.post(
                f"{host.base}/durable/mcp", json=call, headers={"Accept": HEADERS["Accept"]}, timeout=60
            )
            return answer.status_code, "structuredContent" in answer.json()["result"]

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask_once, range(24))) == {(200, True)}
        assert has_printed(host, "Traceback") == 0, host.program.lines


def test_without_its_extra_it_says_what_to_install(story_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """501: the page and the API are served all the same."""
    for name in [name for name in sys.modules if name.startswith("dashboard.mcp.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    with mounted(story_url) as app:
        answer = post(app)
        assert (answer.status_code, "durable-dashboard[mcp]" in answer.get_data(as_text=True)) == (501, True)


def test_a_dashboard_that_was_closed_answers_again(story_url: str) -> None:
    """As its other routes do."""
    with mounted(story_url) as app:
        assert post(app).status_code == 200
        app.extensions["durable"].close()
        assert post(app).status_code == 200


def test_policies_and_endpoints_are_each_dashboards_own(story_url: str) -> None:
    """Two dashboards in one app: the agent of one is not let in by the other."""
    hides_all: Policy = lambda actor, action, run: False  # noqa: E731
    with mounted(story_url) as open_to_all, mounted(story_url, may=hides_all) as closed:
        call = {**ASK, "method": "tools/call", "params": {"name": "list_runs", "arguments": {}}}
        both = [
            json.loads(post(app, call).data)["result"]["structuredContent"]["runs"] for app in (open_to_all, closed)
        ]
        assert (len(both[0]) > 1, both[1]) == (True, [])
        assert isinstance(open_to_all.extensions["durable"]._mcp, McpEndpoint)
