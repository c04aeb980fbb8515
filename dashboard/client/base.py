"""What the two clients share: URLs, and answers -> values or errors. Touches no socket itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from dashboard.client.call import NO_BODY, Answer, Call, path_of
from dashboard.client.errors import ConnectionFailedError, MalformedRequestError, ProtocolError, api_error
from otel_bridge.credentials import public_url, without

T = TypeVar("T")

Auth = tuple[str, str] | httpx.Auth | Callable[[httpx.Request], httpx.Request] | None
"""How to authenticate, as httpx takes it."""

DEFAULT_TIMEOUT_S = 30.0
STREAM_SILENCE_S = 60.0
"""A stream sends a heartbeat well within this; without one the connection is taken for lost."""
MAX_WAIT_S = 30.0
FORM = "Write http://host:8000/durable, and percent-encode special characters in a password."


class ClientBase:
    """Where the API is.

    Args:
        base_url: where the dashboard is mounted: ``http://127.0.0.1:8000/durable``.

    Raises:
        MalformedRequestError: it is not an http:// or https:// URL.
    """

    def __init__(self, base_url: str) -> None:
        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL:
            # Neither the URL nor httpx's words: a piece of a password may stand where a port should.
            raise MalformedRequestError(f"The dashboard's URL is malformed. {FORM}") from None
        if url.scheme not in ("http", "https") or not url.host or "@" in url.path or url.query or url.fragment:
            raise MalformedRequestError(f"{public_url(base_url)!r} is not a dashboard's URL. {FORM}")
        self.base_url = base_url.rstrip("/")
        self.public_url = public_url(self.base_url)
        """The same for people: without user and password."""

    def run_url(self, run_id: str) -> str:
        """Return the address of a run's page, for people."""
        return f"{self.public_url}/{path_of('runs', run_id)}"

    def _url(self, path: str) -> str:
        return f"{self.base_url}/api/{path}"

    def _request(self, client: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
        headers = {"Accept": "application/json, */*;q=0.1", **call.headers}
        content = None
        if call.body is not NO_BODY:
            content = json.dumps(call.body).encode()
            headers["Content-Type"] = "application/json"
        try:
            return client.build_request(
                call.method, self._url(call.path), params=call.query, content=content, headers=headers
            )
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise MalformedRequestError(f"{call.method} {call.path[:80]} cannot be sent: {error}") from error

    def _read(self, call: Call[T], response: httpx.Response) -> T:
        """Return the answer's value.

        Raises:
            ApiError: the API said no.
            ProtocolError: the answer is not the API's.
        """
        url = str(response.request.url)
        if response.is_error:
            raise api_error(response.status_code, problem_of(response))
        if response.is_redirect and not call.redirects:
            raise ProtocolError(url, f"it redirects to {public_url(response.headers.get('Location', '?'))!r}")
        is_json = "json" in response.headers.get("Content-Type", "")
        try:
            body = response.json() if is_json else None
            return call.parse(Answer(body, response.headers, response.text))
        except (ValueError, KeyError) as error:
            raise ProtocolError(url, str(error)[:300]) from error


def problem_of(response: httpx.Response) -> dict[str, Any]:
    """Return the problem document of an error answer; one made from the status if it has none."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if isinstance(document, dict):
        return document
    # Not the API's words but a proxy's, which may repeat the token that it did not like.
    sent = response.request.headers.get("Authorization", "")
    detail = without(response.text[:1000], [sent, sent.partition(" ")[2]])[:300]
    return {"title": response.reason_phrase, "status": response.status_code, "detail": detail}


def connection_failed(error: httpx.HTTPError, url: str) -> ConnectionFailedError:
    """Return our error of the transport's."""
    return ConnectionFailedError(url, str(error) or type(error).__name__)


def headers_of(given: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers of every request.

    Raises:
        MalformedRequestError: a value is not printable ASCII, so that no header can hold it.
    """
    for name, value in (given or {}).items():
        if not (value.isascii() and value.isprintable()):
            raise MalformedRequestError(
                f"The header {name} cannot hold what it was given: only printable ASCII can be sent."
            )
    return {"User-Agent": "durable-dashboard-client", **(given or {})}
