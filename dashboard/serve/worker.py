"""gunicorn's threaded worker, for a server that stands before strangers: nobody holds a thread by sending slowly.

gunicorn waits for the head of a request with a thread, for as long as its sender likes, and leaves such senders to a
proxy in front (``durable serve`` needs none). Bodies are bounded by ``dashboard.http.bounds``. Watches sockets.

Source: gunicorn, ``workers/gthread.py``: ``handle`` reads a request in a thread of the pool and passes it to
``handle_request``; ``murder_keepalived`` is called each second by the main thread.
"""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

HEAD_S = 10.0
"""So long may the head of a request take, line by line or byte by byte."""
SEND_S = 30
"""So long may an answer wait for a client that takes none of it."""


class PublicWorker(ThreadWorker):  # type: ignore[misc]
    """Gives up requests whose head does not come, and clients that do not read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._awaited: dict[Any, float] = {}

    def handle(self, conn: Any) -> Any:
        """Read a request, answer it. Called in a thread of the pool."""
        self._awaited[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            self._awaited.pop(conn, None)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request whose head has come."""
        self._awaited.pop(conn, None)
        with suppress(OSError):
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_S, 0))
        return super().handle_request(req, conn)

    def murder_keepalived(self, *args: Any, **kwargs: Any) -> Any:
        """End what has lasted too long. Called each second, and by some releases at the end."""
        now = time.monotonic()
        for conn, since in list(self._awaited.items()):
            if now - since > HEAD_S:
                with suppress(OSError):  # its thread reads the end of the connection, and is free
                    conn.sock.shutdown(socket.SHUT_RD)
        return super().murder_keepalived(*args, **kwargs)
