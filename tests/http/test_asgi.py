"""The dashboard in ASGI applications, under the servers that people use, with real clients."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from simple_websocket import ConnectionClosed

from dashboard.asgi import mount
from dashboard.client import DurableClient
from tests.http.asgi_hosts import options
from tests.http.test_servers import Host, _answers, has_printed
from tests.programs import running
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)

HOSTS = ("fastapi", "starlette", "litestar", "django")
UVICORN = ("-m", "uvicorn", "--log-level", "warning", "--factory")
HYPERCORN = ("-m", "hypercorn")
CASES = [(name, UVICORN) for name in HOSTS] + [("fastapi", HYPERCORN)]


@contextmanager
def serving(name: str, server: tuple[str, ...], port: int, **environ: str) -> Iterator[Host]:
    """Run a host application under an ASGI server."""
    app = f"tests.http.asgi_hosts:{name}_app"
    where = (f"--port={port}", app) if server is UVICORN else (f"--bind=127.0.0.1:{port}", f"{app}()")
    with running(*server, *where, environ={**os.environ, **environ}) as program:
        host = Host(port, program)
        until(lambda: _answers(host), what="the server")
        try:
            yield host
        finally:
            program.stop(timeout_s=60)  # a master that is killed leaves its workers behind


@pytest.mark.parametrize(("name", "server"), CASES, ids=[f"{name} {server[1]}" for name, server in CASES])
def test_page_api_and_both_kinds_of_stream(name: str, server: tuple[str, ...], free_port: int, story_url: str) -> None:
    """In every framework: the host's own route, page, API, websockets, SSE; viewers who left are noticed."""
    with serving(name, server, free_port, DURABLE_TEST_DATABASE=story_url) as host:
        base = f"{host.base}/durable"
        assert '<base href="/durable/">' in httpx.get(f"{base}/runs/x?tab=graph").text
        assert "stream" in httpx.get(f"{base}/api/config").json()["capabilities"]
        with DurableClient(base) as client:
            run = client.list_runs(status="failed").runs[0]
            assert client.get_run(run.id).run.id == run.id
            assert next(client.stream_run(run.id)).type == "snapshot"
        assert httpx.get(f"{base}/api/nothing").status_code == 404
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accept = {"Accept": "application/json, text/event-stream"}
        tools = httpx.post(f"{base}/mcp", json=message, headers=accept, timeout=60)
        assert len(tools.json()["result"]["tools"]) > 5
        assert httpx.get(f"{host.base}/elsewhere").status_code == 404
        sockets = [host.websocket() for _ in range(3)]
        with ExitStack() as stack:
            lines = [open_events(host, stack) for _ in range(3)]
            until(host.viewers, lambda count: count == 6, what="the client's own stream to be gone")
            host.hello()
            del lines
        for viewer in sockets:
            viewer.sock.shutdown(socket.SHUT_RDWR)
        until(host.viewers, lambda count: count == 0, what="the viewers to be gone")
        assert has_printed(host, "Traceback") == 0, host.program.lines


def open_events(host: Host, stack: ExitStack) -> Iterator[str]:
    """Return the lines of an event stream whose snapshot has come; httpx hangs up once nobody holds them."""
    wanted = {"Accept": "text/event-stream"}
    response = stack.enter_context(httpx.stream("GET", f"{host.base}/durable/api/stream", headers=wanted, timeout=30))
    lines = response.iter_lines()
    assert next(line for line in lines if line.startswith("event:")) == "event: snapshot"
    return lines


def test_a_handshake_is_refused_in_words(free_port: int) -> None:
    """Another site's page gets 403, a run that is not there 404, and no place is taken."""
    with serving("fastapi", UVICORN, free_port) as host:
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        foreign = httpx.get(f"{host.base}/durable/api/stream", headers={**upgrade, "Origin": "https://evil.test"})
        assert (foreign.status_code, "another origin" in foreign.json()["detail"]) == (403, True)
        assert httpx.get(f"{host.base}/durable/api/runs/none/stream", headers=upgrade).status_code == 404
        assert httpx.get(f"{host.base}/durable/api/nothing", headers=upgrade).status_code in (403, 404)
        assert host.viewers() == 0


def test_a_server_that_stops_ends_its_streams(free_port: int) -> None:
    """uvicorn waits for open answers: SSE ends by itself, a websocket is closed, the process ends."""
    codes: list[int] = []
    with serving("fastapi", UVICORN, free_port) as host, ExitStack() as stack:
        viewer = host.websocket()
        events = open_events(host, stack)

        def watch() -> None:
            try:
                while viewer.receive(timeout=60) is not None:
                    continue
            except ConnectionClosed as closed:
                codes.append(closed.reason)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        host.program.process.send_signal(signal.SIGTERM)
        thread.join(30)
        assert codes
        assert codes[0] in (1001, 1012), "going away, or service restart, which uvicorn says itself"
        with contextlib.suppress(httpx.RemoteProtocolError):  # a server may cut it short
            list(events)
        host.program.process.wait(30)


def test_a_path_that_is_none_is_refused() -> None:
    """At once, not at the first request."""
    for path in ("durable", "/durable/", "/", ""):
        with pytest.raises(ValueError, match="/durable"):
            mount(lambda *_: None, path=path, **options())  # type: ignore[arg-type,return-value]
