"""The two stream routes, each as a websocket (flask-sock) and as Server-Sent Events. One thread per open stream."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from flask import Response, stream_with_context
from simple_websocket import ConnectionClosed, Server
from wsproto.events import TextMessage

from dashboard import details
from dashboard.errors import BadRequest, NotAcceptable, Problem
from dashboard.http.routing import RequestContext, RouteTable
from dashboard.listing import page_of
from dashboard.live import LiveHub, Subscription
from dashboard.wire.base import Wire
from dashboard.wire.convert import run_row
from dashboard.wire.filters import ListStreamQuery, RunStreamQuery
from dashboard.wire.json import to_json
from dashboard.wire.stream import Changed, EventView, Heartbeat, ListSnapshot, RunSnapshot
from otel_bridge.errors import BridgeError

routes = RouteTable()

EVENT_STREAM = "text/event-stream"
SEND_TIMEOUT_S = 10
LEFT_S = 2.0
"""How often to ask whether a peer has left that could not say so."""
TRY_AGAIN_LATER, SERVER_ERROR = 1013, 1011


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a stream. ``event`` is its SSE name; None for lifecycle events, which ``onmessage`` gets."""

    event: Literal["snapshot", "heartbeat", "changed", "dropped"] | None
    id: int
    text: str


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream route hands to its transport: where the viewer is, and how to make its snapshot."""

    hub: LiveHub
    subscribe: Callable[[], tuple[Subscription, bool]]
    snapshot: Callable[[Subscription], Wire]
    heartbeat_s: float

    def frames(self, wake: Any = None, *, has_left: Callable[[], bool] | None = None) -> Generator[Frame, None, None]:
        """Yield frames until the hub drops the viewer, the peer has left, or the transport closes this generator.

        Args:
            wake: an event that the transport also sets, when its peer goes away.
            has_left: for a transport that cannot do that: asked now and then, so that a stream whose peer has left
                does not hold its thread until the next heartbeat fails.
        """
        subscription, resumed = self.subscribe()
        if wake is not None:
            subscription.listen_to(wake)
        try:
            if not resumed:
                self.hub.wait_until_watching()
                yield Frame("snapshot", subscription.last_id, to_json(self.snapshot(subscription)))
            beat_at = time.monotonic() + self.heartbeat_s
            while True:
                wait_s = max(0.0, beat_at - time.monotonic())
                messages = subscription.take(wait_s if has_left is None else min(wait_s, LEFT_S))
                for message in messages:
                    yield Frame("changed" if message.type == "changed" else None, message.id, message.json)
                if subscription.closed is not None:
                    yield Frame("dropped", subscription.last_id, subscription.closed)
                    return
                if has_left is not None and not messages:
                    if has_left():
                        return
                    if time.monotonic() < beat_at:
                        continue
                beat_at = time.monotonic() + self.heartbeat_s
                if not messages:
                    beat = self.hub.heartbeat(subscription)
                    yield Frame("heartbeat", beat.id, to_json(beat))
        except (BridgeError, Problem) as error:
            yield Frame("dropped", subscription.last_id, str(error))
        finally:
            self.hub.unsubscribe(subscription)


def _last_event_id(ctx: RequestContext, given: int | None) -> int | None:
    """Return where the viewer was: the query's word, else the header that EventSource sends on reconnect."""
    header = ctx.request.headers.get("Last-Event-ID")
    if given is not None or not header:
        return given
    if not (header.isascii() and header.isdigit() and len(header) <= 19):
        raise BadRequest(f"Header Last-Event-ID must be a number, not {header[:40]!r}.")
    return int(header)


@routes.get(
    "runs/<path:run_id>/stream",
    summary="Follow one run",
    query=RunStreamQuery,
    answers={200: RunSnapshot | EventView | Changed | Heartbeat},
    problems=(404, 406),
    media_type=EVENT_STREAM,
    stream=True,
)
def stream_run(ctx: RequestContext, *, query: RunStreamQuery, run_id: str) -> Stream:
    """A snapshot, then events as they happen, heartbeats when quiet. Websocket, or SSE for ``text/event-stream``."""
    details.get_run(ctx.services, run_id)
    last_event_id, hub = _last_event_id(ctx, query.last_event_id), ctx.services.hub

    def snapshot(subscription: Subscription) -> Wire:
        return RunSnapshot(id=subscription.last_id, detail=details.run_detail(ctx.services, run_id))

    return Stream(
        hub,
        lambda: hub.subscribe(run_id=run_id, last_event_id=last_event_id),
        snapshot,
        ctx.settings.heartbeat_s,
    )


@routes.get(
    "stream",
    summary="Follow the run list",
    query=ListStreamQuery,
    answers={200: ListSnapshot | EventView | Changed | Heartbeat},
    problems=(406,),
    media_type=EVENT_STREAM,
    stream=True,
)
def stream_runs(ctx: RequestContext, *, query: ListStreamQuery) -> Stream:
    """Events of runs (not of their steps) that pass the filter; a run that leaves it is sent once more."""
    ctx.store.change_token()
    last_event_id, hub = _last_event_id(ctx, query.last_event_id), ctx.services.hub
    wanted = query.to_query()

    def snapshot(subscription: Subscription) -> Wire:
        runs = [] if query.matches_nothing else page_of(ctx.services, query.to_query(limit=query.limit)).runs
        subscription.note_listed(run.id for run in runs)
        rows = [run_row(run, namespace=ctx.settings.namespace) for run in runs]
        return ListSnapshot(id=subscription.last_id, runs=rows)

    return Stream(
        hub, lambda: hub.subscribe(query=wanted, last_event_id=last_event_id), snapshot, ctx.settings.heartbeat_s
    )


# -- transports -------------------------------------------------------------------------------------------------


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
