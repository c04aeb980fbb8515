"""A deadline for a whole HTTP request, and an end to it when the process stops. Reads the clock; wraps sockets.

``requests`` bounds each read of a socket, not the request: a server that sends a byte a second holds its client for
ever. Here every read and write waits in short slices until the deadline of the request, and gives up when asked to
stop; connecting and TLS have what is left of the same deadline.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from otel_bridge.http_answers import FinalAnswer

SLICE_S = 0.1
"""How soon a request under way notices that it is to stop."""


class Deadline:
    """When the request under way must be over; one request at a time.

    Args:
        stop: ends a request before its deadline.
    """

    def __init__(self, stop: threading.Event, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._stop, self._monotonic = stop, monotonic
        self._timeout_s = self._ends_at = 0.0

    def begin(self, timeout_s: float) -> None:
        """Begin a request that may take so long."""
        self._timeout_s, self._ends_at = timeout_s, self._monotonic() + timeout_s

    def slice_s(self) -> float:
        """Return for how long to wait next.

        Raises:
            TimeoutError: the deadline has passed.
            ConnectionAbortedError: the process is stopping.
        """
        return min(SLICE_S, self.left_s())

    def left_s(self) -> float:
        """Return how much of the time is left, for what cannot wait in slices: connecting, and TLS.

        Raises:
            TimeoutError: none is.
            ConnectionAbortedError: the process is stopping.
        """
        if self._stop.is_set():
            raise ConnectionAbortedError("stopped while waiting for the answer")
        left_s = self._ends_at - self._monotonic()
        if left_s <= 0:
            raise TimeoutError(f"no whole answer within {self._timeout_s:g} s")
        return left_s


class DeadlineAdapter(HTTPAdapter):
    """Makes connections, direct or through a proxy, whose reads keep a deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._pools = _pools(deadline)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """See ``HTTPAdapter``."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: object) -> Any:
        """See ``HTTPAdapter``."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(deadline: Deadline) -> dict[str, Any]:
    """Return urllib3's pools, by scheme, with connections that keep the deadline."""

    def watched(pool: Any) -> Any:
        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            response_class = FinalAnswer

            def _new_conn(self) -> Any:
                self.timeout = deadline.left_s()
                sock = super()._new_conn()
                sock.settimeout(deadline.left_s())  # the handshake of TLS has what connecting has left
                return sock

            def connect(self) -> None:
                super().connect()
                connected: Any = self.sock  # type: ignore[has-type]
                self.sock = _Socket(connected, deadline)

        return type(f"Deadline{pool.__name__}", (pool,), {"ConnectionCls": Connection})

    return {"http": watched(HTTPConnectionPool), "https": watched(HTTPSConnectionPool)}


class _Socket:
    """A socket whose files keep a deadline; everything else is the socket's own."""

    def __init__(self, sock: object, deadline: Deadline) -> None:
        self._sock, self._deadline = sock, deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, mode: str, *_: object, **__: object) -> io.BufferedReader:
        """Return a file to read an answer from."""
        return io.BufferedReader(_File(self._sock, self._deadline))

    def sendall(self, data: Any) -> None:
        """Send everything, in slices: a server that does not read must not hold up a stop, nor a request for ever."""
        sock: Any = self._sock
        left = memoryview(data).cast("B")
        while left:
            sock.settimeout(self._deadline.slice_s())
            try:
                left = left[sock.send(left) :]
            except TimeoutError:
                continue


class _File(io.RawIOBase):
    """Reads a socket in slices. Holds it open, as ``socket.makefile`` does, until it is closed itself."""

    def __init__(self, sock: Any, deadline: Deadline) -> None:
        self._sock, self._deadline, self._hold = sock, deadline, sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            self._sock.settimeout(self._deadline.slice_s())
            try:
                return int(self._sock.recv_into(buffer))
            except TimeoutError:
                continue

    def close(self) -> None:
        if not self.closed:
            self._hold.close()
            super().close()
