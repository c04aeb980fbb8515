"""Live streams under the web servers that people use, each a process of its own. Streams never take the host app's."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from simple_websocket import Client, ConnectionClosed

from tests.http.test_viewer_socket import BINARY, frame
from tests.programs import Program, running
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)

GUNICORN = ("-m", "gunicorn", "--graceful-timeout", "20", "--timeout", "30")
APP = "tests.http.host_app:app"
THREADED = (*GUNICORN, "-k", "gthread", "--threads", "64")
STREAMING = {
    "gthread": THREADED,
    "gthread, preloaded": (*THREADED, "--preload", "--workers", "2"),
    "gevent": (*GUNICORN, "-k", "gevent"),
}
POLLING = {
    "sync": GUNICORN,
    "two threads": (*GUNICORN, "-k", "gthread", "--threads", "2"),
    "waitress": ("-m", "waitress", "--threads", "4"),
    "uvicorn with a2wsgi": ("-m", "uvicorn", "--log-level", "warning"),
    "hypercorn": ("-m", "hypercorn"),
}


class DaemonThread(threading.Thread):
    """A viewer's reading thread, which must not outlive a test that failed."""

    def __init__(self, target: Callable[[], object]) -> None:
        super().__init__(target=target, daemon=True)


@dataclass(frozen=True)
class Host:
    """A host application with the dashboard in it, under some server."""

    port: int
    program: Program

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hello(self) -> None:
        """The host's own route answers."""
        assert httpx.get(f"{self.base}/hello", timeout=20).text == "hello"

    def viewers(self) -> int:
        """How many streams the dashboard counts in the process that answers."""
        return int(httpx.get(f"{self.base}/durable/api/health", timeout=20).json()["viewers"])

    def websocket(self) -> Client:
        """A viewer whose snapshot has come.

        This client shows a message that came together with the answer to its handshake only with the next one, which
        may be a heartbeat.
        """
        client = Client.connect(f"ws://127.0.0.1:{self.port}/durable/api/stream", thread_class=DaemonThread)
        assert '"snapshot"' in client.receive(timeout=30)
        return client

    def event_stream(self, stack: ExitStack) -> httpx.Response:
        """A viewer over SSE whose snapshot has come and who stays until the stack ends, or a refusal."""
        response = stack.enter_context(
            httpx.stream("GET", f"{self.base}/durable/api/stream", headers={"Accept": "text/event-stream"}, timeout=30)
        )
        if response.status_code == 200:
            # httpx closes the connection as soon as nobody holds what reads it: the viewer would have left.
            lines = stack.enter_context(contextlib.closing(response.iter_lines()))  # type: ignore[type-var]
            next(line for line in lines if line == "event: snapshot")
        return response


@contextmanager
def serving(command: tuple[str, ...], port: int) -> Iterator[Host]:
    """Run a server until the end of the block."""
    address = f"127.0.0.1:{port}"
    target = {
        "waitress": (f"--listen={address}", APP),
        "uvicorn": (f"--port={port}", f"{APP.replace(':app', ':asgi')}"),
        "hypercorn": (f"--bind={address}", f"wsgi:{APP}"),
        "-c": (f"--http-socket={address}", f"--module={APP}"),
    }.get(command[1] if command[0] == "-m" else "-c", ("--bind", address, APP))
    with running(*command, *target, environ=dict(os.environ)) as program:
        host = Host(port, program)
        until(lambda: _answers(host), what="the server")
        try:
            yield host
        finally:
            program.stop(timeout_s=60)  # a master that is killed leaves its workers behind


def _answers(host: Host) -> bool:
    try:
        host.hello()
    except httpx.TransportError:
        return False
    return True


def has_printed(host: Host, text: str) -> int:
    """How often the server has printed a text."""
    return host.program.count(text)


@pytest.mark.parametrize("server", STREAMING)
def test_viewers_that_left_give_their_threads_back(server: str, free_port: int) -> None:
    """Ten over websockets and ten over SSE, gone without a word: the host application is served, nobody is counted."""
    with serving(STREAMING[server], free_port) as host:
        with ExitStack() as stack:
            sockets = [host.websocket() for _ in range(10)]
            for _ in range(10):
                assert host.event_stream(stack).status_code == 200
            host.hello()
        for client in sockets:
            client.sock.shutdown(socket.SHUT_RDWR)
        until(lambda: [host.viewers() for _ in range(6)], lambda seen: not any(seen), what="the viewers to be gone")
        assert has_printed(host, "Traceback") == 0


@pytest.mark.parametrize("server", STREAMING)
@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM], ids=["HUP", "TERM"])
def test_a_server_that_stops_says_so_to_its_viewers(server: str, how: signal.Signals, free_port: int) -> None:
    """Every websocket is closed with 1001 long before the server's own patience ends, and no worker is killed."""
    codes: list[int] = []
    with serving(STREAMING[server], free_port) as host:
        viewers = [host.websocket() for _ in range(20)]

        def watch(client: Client) -> None:
            try:
                while client.receive(timeout=60) is not None:
                    continue
            except ConnectionClosed as closed:
                codes.append(closed.reason)

        threads = [threading.Thread(target=watch, args=(client,), daemon=True) for client in viewers]
        for thread in threads:
            thread.start()
        host.program.process.send_signal(how)
        for thread in threads:
            thread.join(60)
        assert codes == [1001] * 20
        if how == signal.SIGHUP:
            until(lambda: _answers(host), what="the new worker")
            until(lambda: _streams(host), what="a stream from the new worker")  # the old one refuses while it stops
        else:
            host.program.process.wait(60)
        assert has_printed(host, "graceful timeout") == 0
        assert has_printed(host, "SIGKILL") == 0


def _streams(host: Host) -> bool:
    """Say whether the process that answers opens a stream; one that stops may reset the connection."""
    headers = {"Accept": "text/event-stream"}
    try:
        with httpx.stream("GET", f"{host.base}/durable/api/stream", headers=headers, timeout=20) as answer:
            return answer.status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("server", POLLING)
def test_a_server_that_cannot_stream_refuses_politely_and_says_so_once(server: str, free_port: int) -> None:
    """503 with Retry-After for both transports; the page must not try; one warning, no traceback."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    with serving(POLLING[server], free_port) as host:
        for _ in range(10):
            with ExitStack() as stack:
                response = host.event_stream(stack)
                assert response.status_code == 503
                assert response.headers["Retry-After"] == "600"
                response.read()
                assert "Live streams are off" in response.json()["detail"]
        for _ in range(3):
            refused = httpx.get(f"{host.base}/durable/api/stream", headers=upgrade, timeout=20)
            assert refused.status_code in (400, 403, 404, 500, 503), "an ASGI server may refuse the upgrade itself"
        assert "stream" not in httpx.get(f"{host.base}/durable/api/config", timeout=20).json()["capabilities"]
        host.hello()
        assert has_printed(host, "Traceback") == 0, host.program.lines
        assert has_printed(host, "Live streams are off") == 1, host.program.lines


def test_more_viewers_than_threads_are_turned_away_and_the_host_is_served(free_port: int) -> None:
    """Of eight threads six may stream; half of those for one viewer. The rest are told to poll."""
    with serving((*GUNICORN, "-k", "gthread", "--threads", "8"), free_port) as host, ExitStack() as stack:
        answers = [host.event_stream(stack).status_code for _ in range(12)]
        assert answers == [200] * 3 + [503] * 9
        host.hello()


@pytest.mark.parametrize("server", ["gthread", "gevent"])
def test_a_viewer_that_floods_a_production_server_takes_no_memory(server: str, free_port: int) -> None:
    """It never reads, and sends as much as it can: the connection ends, the worker is no larger than before."""

    def worker_bytes() -> int:
        pids = Path(f"/proc/{host.program.process.pid}/task/{host.program.process.pid}/children").read_text().split()
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") for pid in pids)

    with serving(STREAMING[server], free_port) as host:
        client = host.websocket()
        before = worker_bytes()
        client.sock.settimeout(60)
        flood = frame(BINARY, b"x" * 65_000) * 4
        with contextlib.suppress(OSError):
            for _ in range(2_000):
                client.sock.sendall(flood)
            pytest.fail("520 MB were taken")
        assert worker_bytes() - before < 30_000_000
        until(host.viewers, lambda count: count == 0, what="the viewer to be gone")
