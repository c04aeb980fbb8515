"""Who sends a body slowly, or without a token, holds no thread; what a viewer sends over ASGI is bounded."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

import pytest
from flask import Flask, request

from dashboard.actor import Actor
from dashboard.asgi import AsgiDashboard, _within, create_app
from dashboard.errors import BadRequest
from dashboard.http import bounds
from dashboard.http.auth.hooks import proxy_header
from dashboard.http.viewer_socket import MAX_BYTES, MAX_FRAMES
from otel_bridge.testing import MemoryLedger, MemoryStateStore
from tests.story import mounted

SECRET = "a secret of the proxy"


class Unread:
    """A body that nobody may read."""

    def read(self, *_: object) -> bytes:
        raise AssertionError("The body is read.")


def test_a_webhook_without_a_token_is_refused_before_its_body_is_read() -> None:
    """Its sender is nobody, and would hold a thread for as long as it likes."""
    with mounted(MemoryStateStore(), ledger=MemoryLedger()) as app:
        answer = app.test_client().post(
            "/durable/api/webhooks/forged", environ_overrides={"wsgi.input": Unread(), "CONTENT_LENGTH": "1000"}
        )
    assert answer.status_code == 404


def test_a_body_that_does_not_come_is_given_up() -> None:
    """A byte now and then does not help: the time is the whole body's."""
    client, server = socket.socketpair()
    with client, server, server.makefile("rb") as body:
        client.sendall(b"{")
        environ = {"werkzeug.socket": server, "wsgi.input": body, "CONTENT_LENGTH": "1000", "REQUEST_METHOD": "POST"}
        with (
            Flask("host").test_request_context("/", environ_overrides=environ),
            pytest.raises(BadRequest, match="did not come whole within"),
        ):
            bounds.read_body(request, 10_000, within_s=0.05)
        server.sendall(b"answered")
        assert client.recv(8) == b"answered"


def test_a_body_that_does_not_come_over_asgi_has_ended() -> None:
    """A thread waits for it there, too."""

    async def nothing() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def received() -> Any:
        return await _within(nothing, 0.05)()

    assert asyncio.run(received()) == {"type": "http.disconnect"}


def ask(dashboard: AsgiDashboard, scope: dict[str, Any], received: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what an ASGI application sends to a client that sends this, and then waits."""
    sent: list[dict[str, Any]] = []
    waiting = iter(received)

    async def receive() -> dict[str, Any]:
        for message in waiting:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    whole = {"path": "/api/config", "query_string": b"", "http_version": "1.1", "client": ("127.0.0.1", 9), **scope}
    try:
        asyncio.run(asyncio.wait_for(dashboard(whole, receive, send), 60))
    finally:
        dashboard.blueprint.close()
    return sent


def board(**options: Any) -> AsgiDashboard:
    return create_app(MemoryStateStore(), ledger=MemoryLedger(), caretaker=False, **options)


@pytest.mark.parametrize(("name", "status"), [(b"x-forwarded-user", 200), (b"x_forwarded_user", 401)])
def test_a_header_with_an_underscore_is_not_the_proxys(name: bytes, status: int) -> None:
    """A proxy sets, or removes, X-Forwarded-User; WSGI would take X_Forwarded_User for the same."""
    auth = proxy_header("X-Forwarded-User", secret_header="X-Proxy-Secret", secret=SECRET)
    headers = [(b"host", b"localhost"), (b"x-proxy-secret", SECRET.encode()), (name, b"ada")]
    sent = ask(board(auth=auth), {"type": "http", "method": "GET", "headers": headers}, [])
    assert sent[0]["status"] == status


@pytest.mark.parametrize(
    "flood",
    [
        [{"type": "websocket.receive", "text": "x"}] * (MAX_FRAMES + 1),
        [{"type": "websocket.receive", "bytes": bytes(MAX_BYTES // 2)}] * 3,
    ],
    ids=["one-byte messages", "large messages"],
)
def test_a_viewer_that_floods_over_asgi_is_disconnected_with_a_reason(flood: list[dict[str, Any]]) -> None:
    """1008, as where the dashboard reads the socket itself; a stream that is left gives its place back."""
    scope = {"type": "websocket", "scheme": "ws", "path": "/api/stream", "headers": [(b"host", b"localhost")]}
    sent = ask(board(auth=lambda _: Actor("vic", "viewer")), scope, [{"type": "websocket.connect"}, *flood])
    assert sent[0] == {"type": "websocket.accept"}
    assert sent[-1] == {"type": "websocket.close", "code": 1008, "reason": "This stream takes no messages."}
