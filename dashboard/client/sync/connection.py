"""What the synchronous client's routes stand on: one connection pool, requests, and streams that reconnect.

Touches sockets, and sleeps between attempts to reconnect a stream.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TypeVar

import httpx
from httpx_sse import EventSource
from typing_extensions import Self

from dashboard.client.base import (
    DEFAULT_TIMEOUT_S,
    MAX_WAIT_S,
    STREAM_SILENCE_S,
    Auth,
    ClientBase,
    connection_failed,
    headers_of,
    problem_of,
)
from dashboard.client.call import Call, Params
from dashboard.client.errors import ConnectionFailedError, ProtocolError, api_error
from dashboard.client.stream import Follower, StreamMessage

T = TypeVar("T")


class Connection(ClientBase):
    """A connection pool to one dashboard. The routes are in its subclasses.

    Args:
        base_url: where the dashboard is mounted: ``http://127.0.0.1:8000/durable``.
        auth: as httpx takes it: ``("user", "password")``, or an ``httpx.Auth``.
        headers: sent with every request, such as ``{"Authorization": "Bearer ..."}``.
        timeout_s: how long one request may take to connect, and between two parts of its answer.
        transport: of httpx, such as ``AppTransport(app)`` to talk to an app in the same process.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Auth = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(base_url)
        self._http = httpx.Client(auth=auth, headers=headers_of(headers), timeout=timeout_s, transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, call: Call[T]) -> T:
        request = self._request(self._http, call)
        try:
            response = self._http.send(request)
        except httpx.HTTPError as error:
            raise connection_failed(error, str(request.url)) from error
        return self._read(call, response)

    def _follow(
        self, path: str, query: Params, follower: Follower, give_up_after_s: float | None
    ) -> Iterator[StreamMessage]:
        failing_since: float | None = None
        connected = False
        failures = 0
        while True:
            try:
                for message in self._connect(path, query, follower):
                    connected, failing_since, failures = True, None, 0
                    yield message
            except ConnectionFailedError:
                if not connected:
                    raise
                failing_since = failing_since or time.monotonic()
                if give_up_after_s is not None and time.monotonic() - failing_since >= give_up_after_s:
                    raise
            time.sleep(min(follower.retry_s * 2**failures, MAX_WAIT_S))
            failures = min(failures + 1, 10)

    def _connect(self, path: str, query: Params, follower: Follower) -> Iterator[StreamMessage]:
        url = self._url(path)
        timeout = httpx.Timeout(DEFAULT_TIMEOUT_S, read=STREAM_SILENCE_S)
        try:
            with self._http.stream("GET", url, params=query, headers=follower.headers, timeout=timeout) as response:
                if response.status_code in (502, 503, 504) and follower.last_event_id is not None:
                    follower.wait_as_asked(response.headers.get("Retry-After"))
                    raise ConnectionFailedError(url, f"HTTP {response.status_code}")
                if response.is_error:
                    response.read()
                    raise api_error(response.status_code, problem_of(response))
                if "text/event-stream" not in response.headers.get("Content-Type", ""):
                    raise ProtocolError(url, "it is not an event stream")
                for sent in EventSource(response).iter_sse():
                    if (message := follower.read(sent)) is not None:
                        yield message
        except httpx.HTTPError as error:
            raise connection_failed(error, url) from error
