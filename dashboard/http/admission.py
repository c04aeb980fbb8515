"""Who may hold a live stream, and whether that is still so minutes later. Calls the host application's hooks."""

from __future__ import annotations

import contextvars
import io
import logging
from collections.abc import Callable

from flask import Flask, Request

from dashboard.actor import Actor
from dashboard.config import Settings
from dashboard.errors import NoStreams, Problem
from dashboard.http.auth import authenticate
from dashboard.http.server import Environ, gunicorn_worker, stream_capacity
from dashboard.live.places import PROCESS, StreamPlace

log = logging.getLogger(__name__)

_KEPT = frozenset(
    """REQUEST_METHOD SCRIPT_NAME PATH_INFO QUERY_STRING RAW_URI REQUEST_URI SERVER_NAME SERVER_PORT SERVER_PROTOCOL
    REMOTE_ADDR REMOTE_PORT REMOTE_USER AUTH_TYPE""".split()  # noqa: SIM905
)
"""Identifies a request besides its headers; its socket and body do not."""
_reported: set[str] = set()
"""Why this process's server carries no streams, as far as the log has it: once a process is enough."""


def can_stream(environ: Environ, settings: Settings) -> bool:
    """Say whether the server behind this request carries streams at all, so that a page need not try.

    One that is stopping carries none now: the page that it serves last finds another process, which may.
    """
    capacity = stream_capacity(environ, gunicorn_worker())
    return settings.max_streams != 0 and (capacity.streams > 0 or capacity.stopping)


def take_place(environ: Environ, settings: Settings, actor: Actor) -> StreamPlace:
    """Return a place for one stream of this actor; who ends the stream gives it back.

    Raises:
        NoStreams: the server cannot carry any, or they are switched off.
        TooManyStreams: as many are open as the process, or this actor, may hold.
    """
    if settings.max_streams == 0:  # it was asked for: nothing to warn about
        raise NoStreams("Live streams are switched off here (max_streams=0). Poll instead.")
    capacity = stream_capacity(environ, gunicorn_worker())
    if capacity.reason is not None:
        if not capacity.stopping and capacity.reason not in _reported:
            _reported.add(capacity.reason)
            log.warning("%s", capacity.reason)
        raise NoStreams(capacity.reason)
    most = capacity.streams if settings.max_streams is None else settings.max_streams
    each = settings.max_streams_per_viewer
    if each is None:
        each = max(2, (most + 1) // 2)
    return PROCESS.take(f"{settings.name}/{actor.name}", most=most, most_per_viewer=each)


def still_admitted(app: Flask, request: Request, settings: Settings, actor: Actor) -> Callable[[], bool]:
    """Return a question for later: would the same request still be let in, as the same actor?

    It is asked as though the viewer sent the request again: in a context of its own, so that nothing which an
    extension keeps for the length of a request (Flask-Login's user) answers for it, and through the app's
    ``before_request`` functions, on which a hook may depend.
    """
    kept = {
        key: value
        for key, value in request.environ.items()
        if key in _KEPT or key.startswith(("HTTP_", "wsgi.", "asgi."))
    }

    def ask() -> bool:
        with app.request_context({**kept, "wsgi.input": io.BytesIO()}) as context:
            if app.preprocess_request() is not None:
                return False
            return authenticate(context.request, settings.auth) == actor

    def admitted() -> bool:
        try:
            return contextvars.Context().run(ask)
        except Problem:
            return False
        except Exception:
            log.exception("auth failed for an open stream; the stream ends")
            return False

    return admitted
