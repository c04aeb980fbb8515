"""What the web server under the dashboard can carry: whether it may stream, how much, and whether it is stopping.

Pure, but for a look at this process's SIGTERM handler, by which gunicorn's worker is found.

A stream holds one of the server's threads for minutes. So it needs a server that has threads to spare, and one that
shows its sockets: without a socket nobody can notice that a viewer has left, and its thread would be lost.
"""

from __future__ import annotations

import signal
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

Environ = Mapping[str, Any]
PEER_KEY = "durable.peer"
"""In the environment, put there by ``dashboard.asgi``: a ``Peer`` for a server that tells when a viewer leaves."""
SOCKET_KEYS = ("werkzeug.socket", "gunicorn.socket")
THREAD_PER_REQUEST_STREAMS = 1000
"""Where each connection gets a thread of its own (werkzeug): what one process can reasonably carry."""
UNKNOWN_SERVER_STREAMS = 2
"""Where threads are shared and their number cannot be found out."""
LEAST_FOR_REQUESTS = 2
NO_SOCKET = (
    "Live streams are off: this web server ({server}) does not hand its sockets to applications, so nobody could "
    "notice that a viewer has left. The page polls instead. Serve the app with gunicorn --threads 16 to have them."
)
ONE_AT_A_TIME = (
    "Live streams are off: this web server ({server}) handles one request at a time in each process, and a stream "
    "would stop all others. The page polls instead. Give it threads, as with gunicorn --threads 16."
)
FEW_THREADS = (
    "Live streams are off: this web server ({server}) has {threads} threads, which requests need. The page polls "
    "instead. Give it more, as with gunicorn --threads 16."
)
STOPPING = "This server process is stopping; connect again."


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many streams a process may hold. ``reason`` says why there can be none, ``stopping`` that it will pass."""

    streams: int
    reason: str | None = None
    stopping: bool = False


class Peer(Protocol):
    """The viewer at the other end, where something else than a socket says whether it is still there."""

    def has_left(self) -> bool:
        """Say whether the connection is over."""


class GunicornWorker(Protocol):
    """What is read of ``gunicorn.workers.base.Worker``; its server hooks get the same object."""

    alive: bool
    cfg: Any


def _is_worker(owner: object) -> TypeGuard[GunicornWorker]:
    return hasattr(owner, "alive") and hasattr(getattr(owner, "cfg", None), "worker_connections")


def gunicorn_worker() -> GunicornWorker | None:
    """Return the gunicorn worker that this process is, or None.

    Source: gunicorn, ``Worker.init_signals``: a bound method of the worker handles SIGTERM.
    """
    owner = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return owner if _is_worker(owner) else None


def is_stopping() -> bool:
    """Say whether the server process has been asked to end, and only waits for its requests.

    Source: uvicorn, ``Server.capture_signals``: a bound method of the server handles SIGTERM, and sets ``should_exit``.
    """
    worker = gunicorn_worker()
    if worker is not None:
        return not worker.alive
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "should_exit", False) is True


def socket_of(environ: Environ) -> socket.socket | None:
    """Return the connection's socket, where the server shows it."""
    for key in SOCKET_KEYS:
        if isinstance(sock := environ.get(key), (socket.socket, ssl.SSLSocket)):
            return sock
    return None


def for_streams(threads: int) -> int:
    """Return how many of a server's threads streams may hold; a quarter, and at least two, are left to requests.

    >>> [for_streams(threads) for threads in (1, 2, 4, 16, 1000)]
    [0, 0, 2, 12, 750]
    """
    return max(0, threads - max(LEAST_FOR_REQUESTS, threads // 4))


def stream_capacity(environ: Environ, worker: GunicornWorker | None) -> Capacity:
    """Return how many streams this process may hold at once.

    Args:
        environ: a request's WSGI environment.
        worker: ``gunicorn_worker()``.
    """
    if PEER_KEY in environ:
        return Capacity(THREAD_PER_REQUEST_STREAMS)
    server = str(environ.get("SERVER_SOFTWARE") or "unknown")[:40]
    if socket_of(environ) is None:
        return Capacity(0, NO_SOCKET.format(server=server))
    if not environ.get("wsgi.multithread"):
        return Capacity(0, ONE_AT_A_TIME.format(server=server))
    if "gunicorn.socket" not in environ:
        return Capacity(THREAD_PER_REQUEST_STREAMS)
    if worker is None:  # somebody else took SIGTERM over
        return Capacity(UNKNOWN_SERVER_STREAMS)
    if not worker.alive:
        return Capacity(0, STOPPING, stopping=True)
    # The threaded worker has a pool of threads; the greenlet workers have a greenlet for each connection.
    threads = int(worker.cfg.threads if hasattr(worker, "tpool") else worker.cfg.worker_connections)
    streams = for_streams(threads)
    return Capacity(streams, None if streams else FEW_THREADS.format(server=server, threads=threads))
