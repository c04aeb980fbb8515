"""Streams over websockets and as Server-Sent Events: how a stream's frames reach its viewer."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from typing import Any

from flask import Flask, Response, current_app, g, request, stream_with_context
from flask.sansio.blueprints import BlueprintSetupState
from simple_websocket import ConnectionClosed, Server
from wsproto.events import TextMessage

from dashboard.errors import NotAcceptable
from dashboard.http.admission import still_admitted, take_place
from dashboard.http.routing import RequestContext
from dashboard.http.server import PEER_KEY, SOCKET_KEYS, Environ, Peer, socket_of
from dashboard.http.viewer_socket import ViewerSocket
from dashboard.live.places import StreamPlace
from dashboard.live.stream import Stream
from dashboard.wire.json import to_json

EVENT_STREAM = "text/event-stream"
SEND_TIMEOUT_S = 10
SERVER_ERROR = 1011
SOCKET_OPTIONS = "SOCK_SERVER_OPTIONS"
MAX_REASON_BYTES = 120
_HAS_LEFT = getattr(select, "POLLRDHUP", 0) | getattr(select, "POLLHUP", 0)


def peer_has_left(sock: socket.socket) -> bool:
    """Say whether the other side has closed the connection; what it may have sent stays to be read."""
    if isinstance(sock, ssl.SSLSocket):  # takes no flags; a goodbye of its own would hide the end from a peek
        poll = select.poll()
        poll.register(sock.fileno(), _HAS_LEFT)
        return bool(poll.poll(0))
    plain = getattr(sock, "_sock", sock)  # gevent's own recv would wait
    try:
        return bool(plain.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"")
    except (BlockingIOError, InterruptedError, TimeoutError):
        return False
    except OSError:
        return True


def can_look(sock: socket.socket) -> bool:
    """Say whether ``peer_has_left`` works here."""
    if isinstance(sock, ssl.SSLSocket):
        return hasattr(select, "POLLRDHUP") and hasattr(select, "poll")
    return hasattr(socket, "MSG_DONTWAIT")


def limit_sends(environ: Environ) -> None:
    """Make a send to a peer that does not read fail after a while, where the server shows its socket."""
    sock = socket_of(environ)
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_TIMEOUT_S, 0))


def drop_what_viewers_send(environ: MutableMapping[str, Any]) -> None:
    """Put a ``ViewerSocket`` where simple-websocket takes the connection's socket from."""
    for key in SOCKET_KEYS:
        if key in environ:
            environ[key] = ViewerSocket(environ[key])


def admitted_later(ctx: RequestContext) -> Callable[[], bool]:
    """Return whether the current request would be let in again: asked at each heartbeat, in another thread."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return still_admitted(app, ctx.request, ctx.settings, ctx.actor)


def _leaving(environ: Environ) -> Callable[[], bool] | None:
    """Return how to find out that the viewer has left; None where nothing tells."""
    peer: Peer | None = environ.get(PEER_KEY)
    if peer is not None:
        return peer.has_left
    sock = socket_of(environ)
    return partial(peer_has_left, sock) if sock is not None and can_look(sock) else None


def as_sse(stream: Stream, ctx: RequestContext) -> Response:
    """Answer with Server-Sent Events.

    Raises:
        NotAcceptable: the client takes no event stream.
        Unavailable: the server carries no stream, or not one more.
    """
    if not ctx.request.accept_mimetypes.quality(EVENT_STREAM):
        raise NotAcceptable(f"This is a stream: connect with a websocket, or ask with Accept: {EVENT_STREAM}.")
    limit_sends(ctx.request.environ)
    has_left = _leaving(ctx.request.environ)
    admitted = admitted_later(ctx)

    def lines() -> Iterator[str]:
        yield "retry: 2000\n\n"
        for frame in stream.frames(has_left=has_left, still_admitted=admitted):
            name = "" if frame.event is None else f"event: {frame.event}\n"
            text = frame.text if frame.event != "dropped" else to_json({"reason": frame.text, "code": frame.code})
            yield f"{name}id: {frame.id}\ndata: {text}\n\n"

    response = Response(stream_with_context(lines()), mimetype=EVENT_STREAM)
    place = take_place(ctx.request.environ, ctx.settings, ctx.actor)
    # Not in the generator: one that is closed before its first line never runs at all.
    response.call_on_close(place.leave)
    response.headers["Cache-Control"] = "no-store, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response


class SocketRoute:
    """Stands in for a blueprint where flask-sock registers a view: it puts a check before the upgrade.

    Args:
        add_url_rule: the blueprint's.
        open_stream: makes the stream of the current request; returns a refusal, a plain HTTP answer, instead.
    """

    def __init__(
        self,
        add_url_rule: Callable[..., None],
        open_stream: Callable[[dict[str, Any]], tuple[RequestContext, Stream] | Response],
    ) -> None:
        self._add_url_rule, self._open_stream = add_url_rule, open_stream

    def route(self, rule: str, **options: object) -> Callable[[Callable[..., Response]], None]:
        """Register flask-sock's view, as ``Blueprint.route`` does."""

        def register(upgrade: Callable[..., Response]) -> None:
            def view(**values: object) -> Response:
                opened = self._open_stream(values)
                if isinstance(opened, Response):
                    return opened
                ctx, stream = opened
                place: StreamPlace = g.durable_place
                try:
                    g.durable_stream = stream, admitted_later(ctx)
                    # Compression would cost each viewer a window of its own, and the same work again and again.
                    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
                    limit_sends(request.environ)
                    drop_what_viewers_send(request.environ)
                    return upgrade()
                finally:
                    place.leave()

            self._add_url_rule(rule, view_func=view, **options)

        return register


def reserve(ctx: RequestContext) -> None:
    """Take a place for the websocket that the current request becomes.

    Raises:
        Unavailable: the server carries no stream, or not one more.
    """
    g.durable_place = take_place(ctx.request.environ, ctx.settings, ctx.actor)


def talk(ws: Server) -> None:
    """Send the current request's stream over its websocket: the view that flask-sock calls."""
    stream, admitted = g.durable_stream
    over_websocket(stream, ws, admitted)


def over_websocket(stream: Stream, ws: Server, still_admitted: Callable[[], bool]) -> None:
    """Send a stream's frames until either side ends it."""
    frames = stream.frames(ws.event, has_left=lambda: not ws.connected, still_admitted=still_admitted)
    try:
        for frame in frames:
            if not ws.connected:
                return
            if frame.event == "dropped":
                ws.close(frame.code, frame.text.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))
                return
            _send(ws, frame.text)
    except OSError as error:
        raise ConnectionClosed(SERVER_ERROR, "The peer does not read.") from error
    finally:
        frames.close()


def _send(ws: Server, text: str) -> None:
    """Send the whole text: simple-websocket's own ``send`` may send a part of a long one."""
    if not ws.connected:
        raise ConnectionClosed(ws.close_reason, ws.close_message)
    ws.sock.sendall(ws.ws.send(TextMessage(data=text)))


class ReaderThread(threading.Thread):
    """A websocket's reading thread. Ours does not keep the process alive; the host's own are as they were."""

    def __init__(self, target: Callable[[], object]) -> None:
        super().__init__(target=target)
        if isinstance(getattr(getattr(target, "__self__", None), "sock", None), ViewerSocket):
            self.daemon = True


def set_thread_class(state: BlueprintSetupState) -> None:
    """Have flask-sock start ``ReaderThread``; whatever else the host set, and a thread class of its own, stays."""
    state.app.config[SOCKET_OPTIONS] = {"thread_class": ReaderThread, **state.app.config.get(SOCKET_OPTIONS, {})}
