"""The web servers under ``durable serve``. Each runs in the main thread until SIGTERM or SIGINT. Opens one socket.

On POSIX it is gunicorn with one process of threads (``gthread``). It shows its sockets, so that a viewer who left
gives a stream's thread back; it tells its worker that it is stopping, so that streams end with 1001 and their viewers
connect again; and it needs no monkey patching under drivers and background threads, as gevent does. One process,
because the caretaker, the bridge and the hub behind the streams are one each.

On Windows, which gunicorn does not run on, it is waitress: maintained, pure Python, the same everywhere. It hides its
sockets, so the page polls there.

Without the extra ``serve`` this machine alone is served, by werkzeug's threaded server, which comes with Flask: enough
for one person, and so ``uvx durable-dashboard serve`` works as it is. Its authors call it a development server.
"""

from __future__ import annotations

import importlib.util
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from dashboard.serve.app import Standalone
from otel_bridge.errors import ConfigurationError
from otel_bridge.extras import EXTRAS, MissingExtraError

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

Server = Literal["gunicorn", "waitress", "werkzeug"]
GRACEFUL_S = 15
BACKLOG = 128
WAITRESS_THREADS = 32
"""At most: waitress starts all of its threads at once, and none of them holds a stream."""


def choose_server(*, loopback: bool) -> Server:
    """Return which server runs the dashboard here.

    Raises:
        MissingExtraError: others are to be let in, and no production server is installed.
    """
    wanted: Server = "waitress" if sys.platform == "win32" else "gunicorn"
    if importlib.util.find_spec(wanted) is not None:
        return wanted
    if not loopback:
        raise MissingExtraError(EXTRAS["serve"][0], wanted, "pip install 'durable-dashboard[serve]'")
    return "werkzeug"


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; the servers take it over, so that a taken port is known before anything starts.

    Raises:
        ConfigurationError: the address is taken, or does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}. Choose another with --port; 0 takes any "
            "that is free."
        ) from error
    return sock


def run(server: Server, sock: socket.socket, make: Callable[[], Standalone], *, threads: int) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        make: makes the dashboard, in the process that serves it.
    """
    runner = {"gunicorn": _run_gunicorn, "waitress": _run_waitress, "werkzeug": _run_werkzeug}[server]
    runner(sock, make, threads)


def _run_gunicorn(sock: socket.socket, make: Callable[[], Standalone], threads: int) -> None:
    from gunicorn.app.base import BaseApplication

    running: list[Standalone] = []

    def close(arbiter: object, worker: object) -> None:
        while running:
            running.pop().close()

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            options: dict[str, Any] = {
                "bind": f"fd://{sock.fileno()}",
                "workers": 1,
                "worker_class": "dashboard.serve.worker.PublicWorker",
                "threads": threads,
                "worker_connections": threads * 2,  # what is more than threads may be kept alive
                "timeout": 60,
                "graceful_timeout": GRACEFUL_S,
                "keepalive": 75,
                "loglevel": "warning",
                "proc_name": "durable serve",
                "worker_exit": close,
                "control_socket_disable": True,
            }
            for name, value in options.items():
                if name in self.cfg.settings:  # older ones have no control socket
                    self.cfg.set(name, value)

        def load(self) -> Callable[..., Any]:
            standalone = make()
            running.append(standalone)
            standalone.start()
            return standalone.app

    Application().run()


def _run_waitress(sock: socket.socket, make: Callable[[], Standalone], threads: int) -> None:
    import waitress

    standalone = make()
    standalone.start()
    server = waitress.create_server(standalone.app, sockets=[sock], threads=min(threads, WAITRESS_THREADS))
    _on_signals(server.close)
    try:
        server.run()
    finally:
        standalone.close()


def _run_werkzeug(sock: socket.socket, make: Callable[[], Standalone], threads: int) -> None:
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    standalone = make()
    standalone.start()
    host, port = sock.getsockname()[:2]
    server: BaseWSGIServer = make_server(host, port, standalone.app, threaded=True, fd=sock.fileno())
    stopping = threading.Event()
    _on_signals(stopping.set)
    threading.Thread(target=server.serve_forever, name="durable-http", daemon=True).start()
    stopping.wait()
    standalone.close()  # first, so that streams end with a word
    server.shutdown()


def _on_signals(stop: Callable[[], object]) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
