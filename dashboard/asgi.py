"""The dashboard in an ASGI application: FastAPI, Starlette, Litestar, Django, or none. Needs the extra ``asgi``.

Requests go to the Flask app through a2wsgi, in threads. Streams are carried here: websockets, which no bridge of WSGI
knows, and Server-Sent Events, whose reader may leave without WSGI noticing. Each open stream holds a thread of its
own, as it does elsewhere; the event loop only passes its messages on.

Example::

    app = FastAPI()
    mount(app, "postgresql://...")                                      # FastAPI and Starlette: they mount it

    application = mount(get_asgi_application(), "postgresql://...")     # Django, Litestar, ...: put before them
"""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotTakenError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from dashboard.blueprint import create_blueprint
from dashboard.http.bounds import BODY_S
from dashboard.http.server import PEER_KEY, THREAD_PER_REQUEST_STREAMS
from dashboard.http.transports import MAX_REASON_BYTES, SEND_TIMEOUT_S, admitted_later
from dashboard.http.viewer_socket import FLOOD_REASON, MAX_BYTES, MAX_FRAMES, POLICY_VIOLATION, WINDOW_S
from dashboard.live.places import StreamPlace
from dashboard.live.stream import Frame, Stream
from otel_bridge.extras import missing_extra

try:
    from a2wsgi import WSGIMiddleware
    from a2wsgi.wsgi import Body, build_environ
except ImportError as error:
    raise missing_extra(error) or error from error

if TYPE_CHECKING:
    from sqlite_utils import Database

    from otel_bridge.store.base import StateStore

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

REQUEST_THREADS = 16
AHEAD = 16
"""So many messages of a stream wait for a viewer that reads slowly; then its thread waits."""
DONE = 1000


@dataclass(slots=True)
class AsgiPeer:
    """The viewer of one request; ``leave`` wakes the thread of its stream."""

    wake: threading.Event = field(default_factory=threading.Event)
    floods: bool = False
    """It sent more than a viewer has to say, and was left for it."""
    _left: bool = False

    def has_left(self) -> bool:
        """Say whether the connection is over."""
        return self._left

    def leave(self) -> None:
        """Note that it is."""
        self._left = True
        self.wake.set()


def create_app(store: str | Path | Database | StateStore, **options: object) -> AsgiDashboard:
    """Return the dashboard as an ASGI application, to be mounted under any path.

    Args:
        store: as for ``create_blueprint``, like every option. An ``auth`` hook gets a Flask request;
            ``request.environ["asgi.scope"]`` is the scope, with the session or user that middleware put there.

    Example::

        app = Starlette(routes=[Mount("/durable", create_app("postgresql://..."))])
    """
    return AsgiDashboard(store, **options)


def mount(
    app: AsgiApp, store: str | Path | Database | StateStore, *, path: str = "/durable", **options: object
) -> AsgiApp:
    """Put the dashboard under a path of an ASGI application, and return what is to be served.

    An application that mounts others by itself (FastAPI, Starlette) does so and is returned; before any other stands
    one that passes on what is not below the path.

    Args:
        options: of ``create_blueprint``.

    Raises:
        ValueError: the path does not begin with a slash, or ends with one.
    """
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError(f"The dashboard cannot be mounted at {path!r}. Write a path like /durable.")
    dashboard = create_app(store, **options)
    their_mount = getattr(app, "mount", None)
    if callable(their_mount):
        their_mount(path, dashboard)
        return app
    return _Before(app, dashboard, path)


class _Before:
    """Passes what is below a path to the dashboard, everything else to the application."""

    def __init__(self, app: AsgiApp, dashboard: AsgiDashboard, path: str) -> None:
        self._app, self._dashboard, self._path = app, dashboard, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "lifespan" and (asked == self._path or asked.startswith(f"{self._path}/")):
            inner = {**scope, "root_path": scope.get("root_path", "") + self._path}
            await self._dashboard(inner, receive, send)
            return
        await self._app(scope, receive, send)


class AsgiDashboard:
    """The ASGI application. ``blueprint.close`` ends its streams and connections."""

    def __init__(self, store: str | Path | Database | StateStore, **options: Any) -> None:
        self.blueprint = create_blueprint(store, **options)
        self.flask = Flask("durable", static_folder=None)
        self.flask.register_blueprint(self.blueprint)
        wsgi: Any = self._wsgi  # a2wsgi has types of its own for what PEP 3333 describes
        self._requests: AsgiApp = WSGIMiddleware(wsgi, workers=REQUEST_THREADS)
        self._streams: AsgiApp = WSGIMiddleware(wsgi, workers=THREAD_PER_REQUEST_STREAMS, send_queue_size=AHEAD)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, websocket or lifespan."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send, self.blueprint.close)
            return
        # WSGI has one name for X_Forwarded_User and X-Forwarded-User, of which a proxy sets or removes the second.
        scope = {**scope, "headers": [pair for pair in scope["headers"] if b"_" not in pair[0]]}
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._http({**scope, PEER_KEY: AsgiPeer()}, receive, send)

    def _wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ[PEER_KEY] = environ["asgi.scope"][PEER_KEY]
        return self.flask.wsgi_app(environ, start_response)

    # -- requests and Server-Sent Events --------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_stream(scope):
            await self._requests(scope, _within(receive, BODY_S), send)
            return
        peer: AsgiPeer = scope[PEER_KEY]
        watching = asyncio.ensure_future(_until_gone(receive, peer))
        try:
            await self._streams(scope, _nothing_more, _bounded(send, peer))
        finally:
            peer.leave()
            watching.cancel()

    def _is_stream(self, scope: Scope) -> bool:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        try:
            endpoint, _ = self.flask.url_map.bind("localhost").match(path or "/", method=scope["method"])
        except HTTPException:
            return False
        streams = {f"{self.blueprint.name}.api_get_{route.name}" for route in self.blueprint.routes if route.stream}
        return endpoint in streams

    # -- websockets -----------------------------------------------------------------------------------------------

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # the handshake
        peer = AsgiPeer()
        opened = await asyncio.to_thread(self._open, scope, peer)
        if isinstance(opened, Response):
            await _refuse(opened, scope, send)
            return
        try:
            await send({"type": "websocket.accept"})
            watching = asyncio.ensure_future(_until_gone(receive, peer))
            try:
                await _talk(opened, peer, _bounded(send, peer))
            finally:
                watching.cancel()
            if peer.floods:
                await _hang_up(send)
        finally:
            peer.leave()
            opened.place.leave()

    def _open(self, scope: Scope, peer: AsgiPeer) -> _Opened | Response:
        """Let Flask decide about the handshake, as about a request."""
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        request_scope: Any = {**scope, "method": "GET", "scheme": scheme}
        environ: dict[str, Any] = dict(build_environ(request_scope, Body(None, None)))  # type: ignore[arg-type]
        environ.update({PEER_KEY: peer, "wsgi.input": io.BytesIO()})
        environ.update(HTTP_CONNECTION="Upgrade", HTTP_UPGRADE="websocket")  # HTTP/2 has no such headers
        with self.flask.request_context(environ):
            early = self.flask.preprocess_request()
            if early is not None:
                return self.flask.make_response(early)
            name = (request.endpoint or "").rpartition(".")[2].removeprefix("ws_")
            route = next((route for route in self.blueprint.routes if route.stream and route.name == name), None)
            if route is None:
                return Response("There is no stream here.\n", 404, mimetype="text/plain")
            opened = self.blueprint.open_stream(route, request.view_args or {})
            if isinstance(opened, Response):
                return opened
            ctx, stream = opened
            return _Opened(stream, admitted_later(ctx), g.durable_place)


@dataclass(frozen=True, slots=True)
class _Opened:
    stream: Stream
    admitted: Callable[[], bool]
    place: StreamPlace


async def _talk(opened: _Opened, peer: AsgiPeer, send: Send) -> None:
    async for frame in _frames(opened, peer):
        if frame.event == "dropped":
            reason = frame.text.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
            await send({"type": "websocket.close", "code": frame.code, "reason": reason})
            return
        await send({"type": "websocket.send", "text": frame.text})
    await send({"type": "websocket.close", "code": DONE})


async def _frames(opened: _Opened, peer: AsgiPeer) -> AsyncIterator[Frame]:
    """Yield a stream's frames, which a thread of its own makes."""
    loop = asyncio.get_running_loop()
    ahead: asyncio.Queue[Frame | Exception | None] = asyncio.Queue(AHEAD)

    def put(item: Frame | Exception | None) -> None:
        asyncio.run_coroutine_threadsafe(ahead.put(item), loop).result(SEND_TIMEOUT_S)

    def make() -> None:
        # A loop that is closed, or a viewer that reads no more, takes nothing: the thread ends with its stream.
        with suppress(RuntimeError, NotTakenError, CancelledError):
            frames = opened.stream.frames(peer.wake, has_left=peer.has_left, still_admitted=opened.admitted)
            try:
                for frame in frames:
                    put(frame)
                put(None)
            except Exception as error:  # noqa: BLE001 - raised again in the event loop
                put(error)
            finally:
                frames.close()

    threading.Thread(target=make, name="durable-asgi-stream", daemon=True).start()
    while not peer.has_left():
        item = await ahead.get()
        if item is None:
            return
        if isinstance(item, Exception):
            raise item
        yield item


async def _until_gone(receive: Receive, peer: AsgiPeer) -> None:
    """Drop what a viewer sends, until it leaves, or has to: see ``viewer_socket``."""
    messages = sent_bytes = 0
    window_ends_at = time.monotonic() + WINDOW_S
    while not peer.floods and (message := await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        if time.monotonic() > window_ends_at:
            messages = sent_bytes = 0
            window_ends_at = time.monotonic() + WINDOW_S
        messages += 1
        sent_bytes += len(message.get("bytes") or message.get("text") or message.get("body") or "")
        peer.floods = messages > MAX_FRAMES or sent_bytes > MAX_BYTES
    peer.leave()


def _within(receive: Receive, seconds: float) -> Receive:
    """Return a ``receive`` for which a body that takes longer has ended: a thread waits for it."""
    ends_at = time.monotonic() + seconds

    async def receive_soon() -> Message:
        try:
            return await asyncio.wait_for(receive(), max(0.0, ends_at - time.monotonic()))
        except (TimeoutError, asyncio.TimeoutError):  # two classes before Python 3.11
            return {"type": "http.disconnect"}

    return receive_soon


async def _hang_up(send: Send) -> None:
    """Disconnect a viewer that floods, in words where it still reads."""
    with suppress(TimeoutError, asyncio.TimeoutError, OSError):
        close = {"type": "websocket.close", "code": POLICY_VIOLATION, "reason": FLOOD_REASON.decode()}
        await asyncio.wait_for(send(close), SEND_TIMEOUT_S)


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _bounded(send: Send, peer: AsgiPeer) -> Send:
    """Return a ``send`` that takes a viewer who does not read for one who has left."""

    async def send_soon(message: Message) -> None:
        if peer.has_left():
            return
        try:
            await asyncio.wait_for(send(message), SEND_TIMEOUT_S)
        except (TimeoutError, asyncio.TimeoutError, OSError):  # two classes before Python 3.11
            peer.leave()

    return send_soon


async def _refuse(response: Response, scope: Scope, send: Send) -> None:
    """Answer a handshake with HTTP, where the server can; else the server says 403."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "websocket.http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": response.get_data()})


async def _lifespan(receive: Receive, send: Send, close: Callable[[], None]) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await asyncio.to_thread(close)
            await send({"type": "lifespan.shutdown.complete"})
            return
