"""Ids that hold a slash: ``runs/x%2Fstream`` is the run ``x/stream``, not the stream of run ``x``.

WSGI hands over the path without its escapes, so ``%2F`` and ``/`` look alike in it, and Flask chooses a route by that.
Most servers also tell what was sent. Where they do, the route is chosen again, with each escaped slash as a letter.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from flask import Request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, RequestRedirect

_SLASH = re.compile("%2f", re.IGNORECASE)
_LETTERS = tuple(map(chr, range(0xE000, 0xE010)))
"""For private use: no id of a person's holds all of them."""


def escaped_path(request: Request) -> tuple[str, str] | None:
    """Return the request's path with its escaped slashes as a letter, and that letter; None where it has none.

    None also where the server does not tell what was sent, or something between it and us has changed the path.
    """
    sent = str(request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or "").partition("?")[0]
    letter = next((letter for letter in _LETTERS if letter not in request.path), None)
    if letter is None or not _SLASH.search(sent):
        return None
    whole = unquote(sent)
    if not whole.endswith(request.path):
        return None
    path = unquote(_SLASH.sub(quote(letter), sent))[len(whole) - len(request.path) :]
    return (path, letter) if letter in path else None


def keep_slashes(request: Request, adapter: MapAdapter) -> None:
    """Choose the request's route again where an id in its path holds a slash; one that fits none keeps its route."""
    found = escaped_path(request)
    if found is None:
        return
    path, letter = found
    try:
        rule, values = adapter.match(path, return_rule=True)
    except (HTTPException, RequestRedirect):
        return
    if _owner(rule.endpoint) != _owner(request.endpoint):
        return
    request.url_rule = rule
    request.view_args = {
        name: value.replace(letter, "/") if isinstance(value, str) else value for name, value in values.items()
    }


def _owner(endpoint: object) -> str:
    return str(endpoint).rpartition(".")[0]
