"""``<dashboard>/mcp``: the tools over streamable HTTP, for callers that ``auth`` admits. Needs the extra ``mcp``.

Each request is answered by itself, with JSON: nothing is kept between two of them, so any process of any web server can
answer the next one, and none holds a thread. Tools ask the dashboard's own API in this process as the caller, so roles,
scopes, ``may``, redaction and the audit log are those of the page. The protocol is the ``mcp`` package's, which is
imported by the first request.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Request, Response

from dashboard.actor import Actor
from dashboard.errors import MethodNotAllowed, NotInstalled, Unavailable
from dashboard.http.auth import AuthHook
from dashboard.http.body import read_json
from dashboard.http.bounds import read_body
from dashboard.http.pipeline import admit, problem_response
from dashboard.read.service import package_version
from dashboard.read.services import Services
from dashboard.wire.actions import VIA_HEADER
from otel_bridge.extras import MissingExtraError

if TYPE_CHECKING:
    from mcp.server import MCPServer

INNER_URL = "http://localhost/durable"
ANSWER_S = 60.0
SECRET_KEY = "mcp.secret"
_PASSED_ON = ("accept", "content-type", "user-agent")
_CALLER: ContextVar[Actor] = ContextVar("durable_mcp_caller")
_ONE_LOOP = threading.Lock()

Message = MutableMapping[str, Any]


class McpEndpoint:
    """Answers agents. Makes its server at the first request; ``close`` forgets it.

    Args:
        within: makes a dashboard over the same store whose callers an ``auth`` hook names.
    """

    def __init__(self, services: Services, within: Callable[[AuthHook], Blueprint]) -> None:
        self._services, self._within = services, within
        self._lock = threading.Lock()
        self._servers: dict[bool, MCPServer] = {}
        self._secret: str | None = None

    def answer(self, request: Request) -> Response:
        """Answer one message of an agent.

        Raises:
            Unauthorized, Forbidden: see ``dashboard.http.auth``; another site's page sent it.
            BadRequest, TooLarge: the body is no JSON, or too large.
            NotInstalled: the extra is not there.
            Unavailable: it took too long.
        """
        if request.method != "POST":
            refused = problem_response(
                MethodNotAllowed("Only POST is possible here: each message is answered by itself.")
            )
            refused.headers["Allow"] = "POST"
            return refused
        actor = admit(request, self._services, "viewer", writes=True)
        body = read_body(request, self._services.settings.max_body_bytes)
        read_json(body, unique_names=True)
        server = self._server(acts=self._services.acts and actor.role == "operator")
        context = copy_context()
        context.run(_CALLER.set, actor)
        with _loop_of_its_own():
            return context.run(asyncio.run, _exchange(server, request, body))

    def close(self) -> None:
        """Forget what was made; the next request makes it again."""
        with self._lock:
            self._servers = {}

    def _server(self, *, acts: bool) -> MCPServer:
        with self._lock:
            if acts not in self._servers:
                self._servers[acts] = self._made(acts)
            return self._servers[acts]

    def _made(self, acts: bool) -> MCPServer:
        try:
            from dashboard.client import AppTransport, DurableClient
            from dashboard.mcp.confirm import Confirmations
            from dashboard.mcp.server import create_server
        except MissingExtraError as error:
            raise NotInstalled(str(error.within("mcp"))) from error
        app = Flask("durable", static_folder=None)
        app.register_blueprint(self._within(lambda request: _CALLER.get()), url_prefix="/durable")
        client = DurableClient(INNER_URL, headers={VIA_HEADER: "mcp"}, transport=AppTransport(app))
        confirmations = Confirmations(
            secret=self._sealing_secret, is_first_use=self._is_first_use, who=lambda: _CALLER.get().name
        )
        return create_server(client, acts=acts, version=package_version(), confirmations=confirmations)

    def _sealing_secret(self) -> str:
        if self._secret is None:
            made = secrets.token_urlsafe(32)
            self._secret = str(self._services.ledger.put_value(SECRET_KEY, made, only_if_absent=True))
        return self._secret

    def _is_first_use(self, nonce: str) -> bool:
        return self._services.ledger.bump_count(f"mcp.{nonce}", "confirmed") == 1


@contextmanager
def _loop_of_its_own() -> Iterator[None]:
    """Wait where a thread can have one event loop only: all greenlets of gevent's share one."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        yield
        return
    with _ONE_LOOP:
        yield


async def _exchange(server: MCPServer, request: Request, body: bytes) -> Response:
    """Hand one request to the protocol's own transport, and return what it answers."""
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    sent: list[Message] = []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()  # the caller is there until it is answered
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    # One for each request, as it has a task group; ``MCPServer.session_manager`` is one for all.
    manager = StreamableHTTPSessionManager(server._lowlevel_server, json_response=True, stateless=True)
    try:
        async with manager.run():
            await asyncio.wait_for(manager.handle_request(_scope(request), receive, send), ANSWER_S)
    except (TimeoutError, asyncio.TimeoutError) as error:  # two classes before Python 3.11
        raise Unavailable(f"The tool did not answer within {ANSWER_S:g} s. Ask for less, or try again.") from error
    return _response(sent)


def _scope(request: Request) -> dict[str, Any]:
    """Return the request as ASGI has it; of its headers only those that the protocol reads: no credentials."""
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in request.headers
        if name.lower() in _PASSED_ON or name.lower().startswith("mcp-")
    ]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": "/mcp",
        "raw_path": b"/mcp",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": None,
        "server": None,
    }


def _response(sent: list[Message]) -> Response:
    start = next((message for message in sent if message["type"] == "http.response.start"), None)
    if start is None:
        raise Unavailable("The tool gave no answer. Try again.")
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    response = Response(body, status=int(start["status"]))
    response.headers.remove("Content-Type")
    for name, value in start["headers"]:
        if name.lower() != b"content-length":
            response.headers.add(name.decode("latin-1"), value.decode("latin-1"))
    return response
