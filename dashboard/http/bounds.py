"""Bounds of every request under the blueprint, before anything else looks at it. Pure, but for the request."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import unquote

from flask import Request
from werkzeug.exceptions import HTTPException

from dashboard.errors import BadRequest, TooLarge

MAX_PATH_CHARS = 2_048
MAX_QUERY_BYTES = 16 * 1024
MAX_PARAMETERS = 200
MAX_HEADER_CHARS = 16 * 1024
MAX_DROPPED_BYTES = 16 * 1024 * 1024
"""So much of a body that is refused for its size is read first, so that its sender can hear why."""
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
    and another to whoever takes it as it is: the proxy's rules would be asked about the wrong one.

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


def bound_body(request: Request, max_bytes: int) -> None:
    """Refuse a body that says to be larger; make reading one that says nothing end there.

    Raises:
        TooLarge: with its size. What was sent of it is read and dropped first, up to a bound: a server that closes a
            connection with unread bytes resets it, and a proxy in front answers 502 in place of the reason.
    """
    size = request.content_length or 0
    if size > max_bytes:
        request.max_content_length = None
        with suppress(HTTPException, OSError):
            left = min(size, MAX_DROPPED_BYTES)
            while left > 0 and (chunk := request.stream.read(min(left, 65_536))):
                left -= len(chunk)
        raise TooLarge(f"The body has {size} bytes; at most {max_bytes} are accepted.")
    request.max_content_length = max_bytes
