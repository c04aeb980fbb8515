"""What each web server can carry, as a table."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard.http.server import STOPPING, THREAD_PER_REQUEST_STREAMS, UNKNOWN_SERVER_STREAMS, stream_capacity


def worker(threads: int | None = None, connections: int = 1000, *, alive: bool = True) -> Any:
    """A gunicorn worker; with threads a threaded one."""
    pool = {} if threads is None else {"tpool": object()}
    return SimpleNamespace(alive=alive, cfg=SimpleNamespace(threads=threads, worker_connections=connections), **pool)


@pytest.mark.parametrize(
    ("key", "multithread", "worker_", "streams", "said"),
    [
        ("werkzeug.socket", True, None, THREAD_PER_REQUEST_STREAMS, None),
        ("werkzeug.socket", False, None, 0, "one request at a time"),
        ("gunicorn.socket", False, worker(1), 0, "one request at a time"),
        ("gunicorn.socket", True, worker(1), 0, "has 1 threads"),
        ("gunicorn.socket", True, worker(2), 0, "has 2 threads"),
        ("gunicorn.socket", True, worker(4), 2, None),
        ("gunicorn.socket", True, worker(1000), 750, None),
        ("gunicorn.socket", True, worker(connections=400), 300, None),
        ("gunicorn.socket", True, None, UNKNOWN_SERVER_STREAMS, None),
        ("gunicorn.socket", True, worker(16, alive=False), 0, STOPPING),
        ("waitress.client_disconnected", True, None, 0, "does not hand its sockets"),
    ],
)
def test_a_server_carries_what_leaves_requests_their_threads(
    key: str, multithread: bool, worker_: Any, streams: int, said: str | None
) -> None:
    """Streams hold threads: never all of them, and none where a lost viewer could not be noticed."""
    with socket.socket() as sock:
        capacity = stream_capacity({key: sock, "wsgi.multithread": multithread, "SERVER_SOFTWARE": "x"}, worker_)
    assert capacity.streams == streams
    assert (said or "") in (capacity.reason or "")
    assert (capacity.reason is None) == (streams > 0)
