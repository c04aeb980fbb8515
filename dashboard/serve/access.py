"""Who may look and act at a standalone dashboard: tokens in a header or from a sign-in page. Keeps nothing on disk.

A token makes its bearer an operator or a viewer. Clients send ``Authorization: Bearer``; people sign in once with a
token and the name that the audit log shall have, and get a signed cookie. A request from this machine with neither is a
viewer, unless viewers have a token too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta
from html import escape
from typing import Literal
from urllib.parse import quote

from flask import Flask, Request, Response, redirect, request, session
from werkzeug.wrappers import Response as Answer

from dashboard.actor import Actor
from dashboard.errors import Forbidden, Problem
from dashboard.http.auth import loopback_only
from dashboard.http.auth.origin import require_same_origin
from dashboard.serve.settings import ServeSettings

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
SIGNED_IN_FOR = timedelta(hours=12)
MAX_NAME_CHARS = 80

_STYLE = (
    "body{font:16px system-ui;max-width:24rem;margin:4rem auto;padding:0 1rem;color-scheme:light dark}"
    "input,button{font:inherit;width:100%;box-sizing:border-box;margin:.25rem 0 1rem;padding:.5rem}"
)
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in</title>
<meta name="viewport" content="width=device-width"><style>{style}</style></head><body><h1>{title}</h1>
<p role="alert">{says}</p><form method="post"><label>Your name, for the audit log
<input name="name" autocomplete="username" maxlength="80"></label><label>Token
<input name="token" type="password" autocomplete="current-password" required autofocus></label>
<button>Sign in</button></form></body></html>"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_REFUSED = "This token is not known here. It is the one that the server was started with."


class TokenAccess:
    """The ``auth`` hook of a standalone dashboard that has tokens, or nothing at all."""

    def __init__(self, settings: ServeSettings) -> None:
        self._operator, self._viewer = settings.operator_token, settings.viewer_token
        self._title, self._home = settings.title, f"{settings.prefix}/"

    def role_of(self, token: str) -> Literal["operator", "viewer"] | None:
        """Return what a token's bearer may do; None for a token that is not ours."""
        given = token.encode()
        # Both are compared, so that the time tells nothing.
        operator = self._operator is not None and hmac.compare_digest(given, self._operator.encode())
        viewer = self._viewer is not None and hmac.compare_digest(given, self._viewer.encode())
        return "operator" if operator else "viewer" if viewer else None

    def __call__(self, request: Request) -> Actor | Response | None:
        """Say who asks: see ``dashboard.http.auth``."""
        given = request.authorization
        if given is not None and given.type == "bearer":
            role = self.role_of(given.token or "")
            return None if role is None else Actor(f"{role} token", role)
        signed_in = self._signed_in()
        if signed_in is not None:
            return signed_in
        if self._viewer is None:
            try:
                loopback_only(request)
            except Forbidden:
                if self._operator is None:
                    raise
            else:
                return Actor("local", "viewer")
        return redirect_to_sign_in(request)

    def _signed_in(self) -> Actor | None:
        """Return whom a cookie of ours names.

        Cookies are signed with the tokens. Without an operator's token every viewer could sign one, and without any
        everybody: so a cookie is good for a role that has a token, and for no other.
        """
        role = session.get("role")
        if (role == "operator" and self._operator is not None) or (role == "viewer" and self._viewer is not None):
            return Actor(str(session.get("name")), role)
        return None

    def register(self, app: Flask) -> None:
        """Give an app the sign-in page, and sessions that end when a token changes."""
        secrets = f"{self._operator}\0{self._viewer}".encode()
        app.secret_key = hmac.new(secrets, b"durable-serve-session-v1", hashlib.sha256).digest()
        app.config.update(
            SESSION_COOKIE_NAME="durable_session",
            SESSION_COOKIE_HTTPONLY=True,
            SESSION_COOKIE_SAMESITE="Lax",  # Strict would sign everybody out who comes by a link from Jaeger
            PERMANENT_SESSION_LIFETIME=SIGNED_IN_FOR,
        )
        app.add_url_rule(SIGN_IN, "sign_in", self._sign_in, methods=["GET", "POST"])
        app.add_url_rule(SIGN_OUT, "sign_out", self._sign_out, methods=["POST"])

    def _sign_in(self) -> Answer:
        if request.method == "GET":
            return self._page("Sign in with a token to look at runs or to act on them.")
        try:
            require_same_origin(request)
        except Problem as problem:
            return self._page(problem.detail, status=403)
        role = self.role_of(request.form.get("token", ""))
        if role is None:
            return self._page(_REFUSED, status=403)
        name = "".join(c for c in request.form.get("name", "") if c.isprintable()).strip()
        session.clear()
        session.permanent = True
        session.update(role=role, name=name[:MAX_NAME_CHARS] or role)
        return redirect(self._wanted(request.args.get("next", "")), 303)

    def _sign_out(self) -> Answer:
        try:
            require_same_origin(request)
        except Problem as problem:
            return self._page(problem.detail, status=403)
        session.clear()
        return redirect(f"{request.script_root}{self._home}", 303)

    def _wanted(self, next_: str) -> str:
        """Return where to go after signing in: a path of this server, never another site's."""
        is_path = next_.startswith("/") and not next_.startswith("//") and "\\" not in next_ and next_.isprintable()
        return next_ if is_path else f"{request.script_root}{self._home}"

    def _page(self, says: str, *, status: int = 200) -> Response:
        body = _PAGE.format(style=_STYLE, title=escape(self._title), says=escape(says))
        response = Response(body, status=status, content_type="text/html; charset=utf-8")
        response.headers.update({"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"})
        response.headers.update({"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"})
        return response


def redirect_to_sign_in(request: Request) -> Response:
    """Return the way to the sign-in page and back; the API makes a plain 401 of it."""
    # As it was sent, where the server tells: a run's id may hold an encoded slash.
    asked = str(request.environ.get("RAW_URI") or request.full_path.rstrip("?"))
    here = quote(f"{request.script_root}{asked}", safe="")
    return Response(status=303, headers={"Location": f"{request.script_root}{SIGN_IN}?next={here}"})
