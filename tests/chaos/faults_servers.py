"""Web servers with viewers that leave, reload and stop: the host application is served, nothing is kept."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
from simple_websocket import Client, ConnectionClosed

from tests.chaos.scene import Scene, free_port, vitals
from tests.chaos.table import Row, Vitals, fault
from tests.http.test_servers import POLLING, STREAMING, DaemonThread, Host, has_printed, serving
from tests.waiting import until

VIEWERS = 10
RELOAD_S = 20.0
"""A reload with viewers took a minute. A busy machine may need some seconds to start a worker."""


UWSGI = shutil.which("uwsgi", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
_EXECUTED = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"


def _workers(host: Host) -> list[int]:
    """Return the processes that serve: a gunicorn master's children, or the server itself."""
    pid = host.program.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children] or [pid]


def _vitals(host: Host) -> Vitals:
    """Return what all of the workers hold together."""
    all_of_them = [vitals(pid) for pid in _workers(host)]
    return Vitals(*(sum(getattr(one, name) for one in all_of_them) for name in ("threads", "descriptors", "memory_mb")))


def _left(scene: Scene, command: tuple[str, ...]) -> Row:
    """Viewers over both transports come, and leave without a word; the host's own route continues."""
    row = scene.row_so_far
    with serving(command, free_port()) as host:
        for _ in range(20):  # whatever the server starts lazily
            host.hello()
        codes = _come_and_leave(host, VIEWERS)  # pools of threads grow by use, and keep what they have
        until(lambda: [host.viewers() for _ in range(4)], lambda seen: not any(seen), what="the first lot to be gone")
        before = _vitals(host)
        codes += _come_and_leave(host, VIEWERS)
        row.asked, row.passed = 40, 0
        for _ in range(row.asked):
            host.hello()
            row.passed += 1
        until(lambda: [host.viewers() for _ in range(4)], lambda seen: not any(seen), what="the viewers to be gone")
        row.before, row.after = before, _settled(host, before)
        scene.must(not has_printed(host, "Traceback"), "the server printed a traceback")
        row.note = f"streams answered {', '.join(map(str, sorted(set(codes))))}"
    return row


def _settled(host: Host, before: Vitals) -> Vitals:
    """Return the vitals once threads have ended, or after a while."""
    with suppress(AssertionError):  # the row shows what is too much
        until(
            lambda: _vitals(host),
            lambda now: now.threads <= before.threads and now.descriptors <= before.descriptors,
            timeout_s=10,
        )
    return _vitals(host)


def _come_and_leave(host: Host, count: int) -> list[int]:
    with ExitStack() as stack:
        codes = [host.event_stream(stack).status_code for _ in range(count)]
        if 200 not in codes:
            return codes
        sockets = [host.websocket() for _ in range(count)]
    for client in sockets:
        client.sock.shutdown(socket.SHUT_RDWR)
    return codes


def _reload(scene: Scene, command: tuple[str, ...], how: signal.Signals) -> Row:
    """Twenty viewers, then a signal: each gets the close at once, and the old workers end by themselves."""
    row = scene.row_so_far
    codes: list[object] = []
    with serving(command, free_port()) as host:
        old = _workers(host)
        viewers = [host.websocket() for _ in range(2 * VIEWERS)]

        def watch(client: Client) -> None:
            try:
                while client.receive(timeout=90) is not None:
                    continue
            except ConnectionClosed as closed:
                codes.append(closed.reason)

        threads = [DaemonThread(lambda client=client: watch(client)) for client in viewers]  # type: ignore[misc]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        host.program.process.send_signal(how)
        for thread in threads:
            thread.join(90)
        until(lambda: not any(_serves(pid) for pid in old), what="the old workers to end", timeout_s=90)
        took = time.monotonic() - began
        if how == signal.SIGHUP:
            row.asked, row.passed = 10, 0
            until(lambda: _hello(host), what="the new workers")
            for _ in range(row.asked):
                row.passed += _hello(host)
        scene.must(codes == [1001] * len(viewers), f"viewers got {codes}")
        scene.must(took < RELOAD_S, f"the old workers stayed for {took:.0f} s")
        scene.must(not has_printed(host, "SIGKILL"), "a worker was killed")
        row.note = f"{len(viewers)} viewers got 1001, old workers gone after {took:.1f} s"
    return row


def _serves(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _hello(host: Host) -> bool:
    try:
        return httpx.get(f"{host.base}/hello", timeout=20).text == "hello"
    except httpx.TransportError:
        return False


@fault("servers", database=None)
def viewers_that_left_gunicorn_sync(scene: Scene) -> Row:
    """gunicorn, sync workers: a stream would take the only thread; it is refused, the page polls."""
    return _left(scene, POLLING["sync"])


@fault("servers", database=None)
def viewers_that_left_gunicorn_two_threads(scene: Scene) -> Row:
    """gunicorn --threads 2: too few for streams."""
    return _left(scene, POLLING["two threads"])


@fault("servers", database=None)
def viewers_that_left_gunicorn_gthread(scene: Scene) -> Row:
    """gunicorn --threads 64: ten viewers leave, their threads come back."""
    return _left(scene, STREAMING["gthread"])


@fault("servers", database=None)
def viewers_that_left_gunicorn_preload(scene: Scene) -> Row:
    """gunicorn --preload with two workers."""
    return _left(scene, STREAMING["gthread, preloaded"])


@fault("servers", database=None)
def viewers_that_left_gunicorn_gevent(scene: Scene) -> Row:
    """gunicorn with gevent workers."""
    return _left(scene, STREAMING["gevent"])


@fault("servers", database=None)
def viewers_that_left_waitress(scene: Scene) -> Row:
    """waitress with four threads: five pages stopped it."""
    return _left(scene, POLLING["waitress"])


@fault("servers", database=None)
def viewers_that_left_uvicorn_with_a2wsgi(scene: Scene) -> Row:
    """uvicorn with a2wsgi: ten viewers that had left blocked the application for good."""
    return _left(scene, POLLING["uvicorn with a2wsgi"])


@fault("servers", database=None)
def viewers_that_left_hypercorn(scene: Scene) -> Row:
    """hypercorn: the same."""
    return _left(scene, POLLING["hypercorn"])


if UWSGI is not None:  # it is built from C where it is installed: not everywhere

    @fault("servers", database=None)
    def viewers_that_left_uwsgi(scene: Scene) -> Row:
        """uwsgi with eight threads: it shows no socket; streams are refused, the page polls."""
        options = ("--master", "--die-on-term", "--need-app", "--enable-threads", "--lazy-apps", "--threads=8")
        return _left(scene, ("-c", _EXECUTED, str(UWSGI), f"--virtualenv={sys.prefix}", *options))


@fault("servers", database=None)
def a_reload_of_gthread_with_viewers(scene: Scene) -> Row:
    """HUP to gunicorn gthread with 20 viewers took 64 s."""
    return _reload(scene, STREAMING["gthread"], signal.SIGHUP)


@fault("servers", database=None)
def a_reload_of_gevent_with_viewers(scene: Scene) -> Row:
    """HUP to gunicorn gevent with 20 viewers."""
    return _reload(scene, STREAMING["gevent"], signal.SIGHUP)


@fault("servers", database=None)
def a_stop_of_gevent_with_viewers(scene: Scene) -> Row:
    """SIGTERM to gunicorn gevent with 20 viewers."""
    return _reload(scene, STREAMING["gevent"], signal.SIGTERM)


@fault("servers", database=None)
def a_stop_of_gthread_with_viewers(scene: Scene) -> Row:
    """SIGTERM to gunicorn gthread with 20 viewers."""
    return _reload(scene, STREAMING["gthread"], signal.SIGTERM)
