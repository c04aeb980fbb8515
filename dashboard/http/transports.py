"""Streams over websockets and as Server-Sent Events."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from functools import partial
from typing import Any

from flask import Response, stream_with_context
from simple_websocket import ConnectionClosed, Server
from wsproto.events import TextMessage

from dashboard.errors import NotAcceptable
from dashboard.http.routing import RequestContext
from dashboard.live.stream import Stream
from dashboard.wire.json import to_json

EVENT_STREAM = "text/event-stream"
SEND_TIMEOUT_S = 10
TRY_AGAIN_LATER, SERVER_ERROR = 1013, 1011


def _socket_of(environ: dict[str, Any]) -> socket.socket | None:
    sock = environ.get("werkzeug.socket") or environ.get("gunicorn.socket")
    return sock if isinstance(sock, socket.socket) else None


def peer_has_left(sock: socket.socket) -> bool:
    """Say whether the other side has closed the connection; what it may have sent stays to be read."""
    plain = getattr(sock, "_sock", sock)  # gevent's own recv would wait
    try:
        return bool(plain.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"")
    except (BlockingIOError, InterruptedError, TimeoutError):
        return False
    except OSError:
        return True


def limit_sends(environ: dict[str, Any]) -> None:
    """Make a send to a peer that does not read fail after a while, where the server shows its socket."""
    sock = _socket_of(environ)
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_TIMEOUT_S, 0))


def as_sse(stream: Stream, ctx: RequestContext) -> Response:
    """Answer with Server-Sent Events.

    Raises:
        NotAcceptable: the client takes no event stream.
    """
    if not ctx.request.accept_mimetypes.quality(EVENT_STREAM):
        raise NotAcceptable(f"This is a stream: connect with a websocket, or ask with Accept: {EVENT_STREAM}.")
    limit_sends(ctx.request.environ)
    sock = _socket_of(ctx.request.environ)
    can_look = sock is not None and not isinstance(sock, ssl.SSLSocket) and hasattr(socket, "MSG_DONTWAIT")
    has_left = partial(peer_has_left, sock) if sock is not None and can_look else None

    def lines() -> Iterator[str]:
        yield "retry: 2000\n\n"
        for frame in stream.frames(has_left=has_left):
            name = "" if frame.event is None else f"event: {frame.event}\n"
            text = frame.text if frame.event != "dropped" else to_json({"reason": frame.text})
            yield f"{name}id: {frame.id}\ndata: {text}\n\n"

    response = Response(stream_with_context(lines()), mimetype=EVENT_STREAM)
    response.headers["Cache-Control"] = "no-store, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def over_websocket(stream: Stream, ws: Server) -> None:
    """Send a stream's frames until either side ends it."""
    frames = stream.frames(ws.event)
    try:
        for frame in frames:
            if not ws.connected:
                return
            if frame.event == "dropped":
                ws.close(TRY_AGAIN_LATER, frame.text.encode()[:120].decode(errors="ignore"))
                return
            _send(ws, frame.text)
            ws.input_buffer.clear()
    except OSError as error:
        raise ConnectionClosed(SERVER_ERROR, "The peer does not read.") from error
    finally:
        frames.close()


def _send(ws: Server, text: str) -> None:
    """Send the whole text: simple-websocket's own ``send`` may send a part of a long one."""
    if not ws.connected:
        raise ConnectionClosed(ws.close_reason, ws.close_message)
    ws.sock.sendall(ws.ws.send(TextMessage(data=text)))
