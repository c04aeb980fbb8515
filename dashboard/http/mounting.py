"""Whether the blueprint can work where it is registered, and what it needs of its host there. Runs at registration."""

from __future__ import annotations

from typing import Protocol

from flask import current_app, request
from flask.sansio.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response as Answer

from dashboard.errors import Problem
from dashboard.http import bounds, escapes
from dashboard.http.headers import secured
from dashboard.http.pipeline import problem_response
from dashboard.wire.ids import id_of_segment

CSRF_EXTENSION = "csrf"


class _CSRFProtect(Protocol):
    """The part of ``flask_wtf.CSRFProtect`` that is used."""

    def exempt(self, view: object) -> object: ...


def check(state: BlueprintSetupState) -> None:
    """Refuse a mount whose every request would fail.

    Raises:
        ValueError: the prefix has variables, or the app matches hosts and none is given.
    """
    if "<" in (state.url_prefix or ""):
        raise ValueError(
            f"url_prefix={state.url_prefix!r} has variables, which the dashboard's links cannot fill. Give a fixed one."
        )
    if state.app.url_map.host_matching and not (state.options.get("host") or state.url_defaults.get("host")):
        raise ValueError(
            "The app was made with host_matching=True, and no host is known for the dashboard. Serve it from an app of "
            "its own, as with werkzeug's DispatcherMiddleware."
        )


def refuse_unroutable(state: BlueprintSetupState) -> None:
    """Answer for paths of ours that no rule matches, as one with a line's end: Flask's own 404 is a page."""
    below = f"{state.url_prefix or ''}/api/"

    def refuse() -> Answer | None:
        if request.endpoint is not None or not request.path.startswith(below):
            return None
        try:
            bounds.refuse_control_characters(request.path)
        except Problem as problem:
            return secured(problem_response(problem))
        return None

    state.app.before_request(refuse)


def read_ids_of_paths(state: BlueprintSetupState) -> None:
    """Have requests routed by what was sent where an id in their path holds a slash, and read ids written in hex.

    See ``escapes`` and ``wire.ids``. Before anything else asks for which run the request is.
    """
    below = f"{state.url_prefix or ''}/api/"

    def route_again() -> None:
        adapter = current_app.create_url_adapter(request) if request.path.startswith(below) else None
        if adapter is not None:
            escapes.keep_slashes(request, adapter)
            run_id = (request.view_args or {}).get("run_id")
            if request.view_args is not None and isinstance(run_id, str):
                request.view_args["run_id"] = id_of_segment(run_id)

    state.app.before_request(route_again)


def exempt_from_csrf(state: BlueprintSetupState) -> None:
    """Take the blueprint out of Flask-WTF's ``CSRFProtect``: it checks the origin of each request itself.

    Where ``CSRFProtect(app)`` comes after the registration, the app has to say ``csrf.exempt(blueprint)``.
    """
    protect: _CSRFProtect | None = state.app.extensions.get(CSRF_EXTENSION)
    if protect is not None and hasattr(protect, "exempt"):
        protect.exempt(state.blueprint)
