"""Bounds of every request under the blueprint, before anything else looks at it. Reads the request and its socket."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import unquote

from flask import Request
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge

from dashboard.errors import BadRequest, TooLarge
from dashboard.http.server import socket_of

MAX_PATH_CHARS = 2_048
MAX_QUERY_BYTES = 16 * 1024
MAX_PARAMETERS = 200
MAX_HEADER_CHARS = 16 * 1024
MAX_DROPPED_BYTES = 16 * 1024 * 1024
"""So much of a body that is refused for its size is read first, so that its sender can hear why."""
BODY_S = 30.0
"""A body that takes longer is given up: its sender would hold the thread for as long as it likes."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DOTS = re.compile(r"(^|[/\\])\.{1,2}($|[/\\])")


def refuse_control_characters(path: str) -> None:
    """Raises:
    BadRequest: there is one in the path.
    """
    if _CONTROL.search(path):
        raise BadRequest("The path holds a control character; no name does.")


def check(request: Request) -> None:
    """Refuse what no client of ours sends.

    A path with ``.`` or ``..`` as a segment, written out or encoded, means one resource to a proxy that resolves it
    and another to a server that takes it as it is: the proxy's rules would apply to the wrong one.

    Raises:
        BadRequest: the path, the query string or a header is too long or malformed.
    """
    path = request.path
    sent = str(request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or "").partition("?")[0]
    if len(path) > MAX_PATH_CHARS:
        raise BadRequest(f"The path has {len(path)} characters; at most {MAX_PATH_CHARS} are accepted.")
    refuse_control_characters(path)
    if _DOTS.search(path) or _DOTS.search(unquote(sent)):
        raise BadRequest("The path holds '.' or '..' as a segment.")
    if len(request.query_string) > MAX_QUERY_BYTES:
        raise BadRequest(
            f"The query string has {len(request.query_string)} bytes; at most {MAX_QUERY_BYTES} are accepted."
        )
    if request.query_string.count(b"&") >= MAX_PARAMETERS:
        raise BadRequest(f"The query string has more than {MAX_PARAMETERS} parameters.")
    for name, value in request.headers:
        if len(value) > MAX_HEADER_CHARS:
            raise BadRequest(f"Header {name} has {len(value)} characters; at most {MAX_HEADER_CHARS} are accepted.")


def read_body(request: Request, max_bytes: int, *, within_s: float = BODY_S) -> bytes:
    """Return the body, which has to come whole, and soon where the server shows its socket.

    Raises:
        TooLarge: it is larger than ``max_bytes``.
        BadRequest: it did not come.
    """
    with _read_within(request, within_s):
        bound_body(request, max_bytes)
        try:
            return request.get_data(cache=True)
        except RequestEntityTooLarge as error:
            raise TooLarge(f"The body is larger than the {max_bytes} bytes accepted.") from error
        except ClientDisconnected as error:
            raise BadRequest(f"The body did not come whole within {within_s:g} s. Send it again.") from error


@contextmanager
def _read_within(request: Request, seconds: float) -> Iterator[None]:
    sock = socket_of(request.environ)
    if sock is None or not (request.content_length or request.environ.get("wsgi.input_terminated")):
        yield
        return
    # The base class's: that of a TLS socket would send the answer unencrypted. A time-out of the socket would do for
    # one that sends nothing, not for one that sends a byte at a time.
    timer = threading.Timer(seconds, _stop_reading, (sock,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _stop_reading(sock: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RD)


def drop_rest(request: Request, *, within_s: float = BODY_S) -> None:
    """Read and drop what was sent of a body that nobody read: where a route takes none, or refused before it.

    A server that closes a connection with unread bytes resets it, and a proxy in front answers 502 in place of ours.
    """
    if request.content_length and not getattr(request.stream, "is_exhausted", False):
        with _read_within(request, within_s):
            _drop(request)


def _drop(request: Request) -> None:
    request.max_content_length = None
    with suppress(HTTPException, OSError):
        left = min(request.content_length or 0, MAX_DROPPED_BYTES)
        while left > 0 and (chunk := request.stream.read(min(left, 65_536))):
            left -= len(chunk)


def bound_body(request: Request, max_bytes: int) -> None:
    """Refuse a body that says to be larger; make reading one that says nothing end there.

    Raises:
        TooLarge: with its size. What was sent of it is read and dropped first, up to a bound: see ``drop_rest``.
    """
    size = request.content_length or 0
    if size > max_bytes:
        _drop(request)
        raise TooLarge(f"The body has {size} bytes; at most {max_bytes} are accepted.")
    request.max_content_length = max_bytes
