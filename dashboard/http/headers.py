"""The headers of every answer of ours, and answers in plain text. Pure, but for the request."""

from __future__ import annotations

from flask import Request, Response

from dashboard.errors import Problem

API_POLICY = "default-src 'none'; frame-ancestors 'none'"


def plain(problem: Problem) -> Response:
    """Return a problem for people who see no page."""
    return Response(f"{problem.title}\n\n{problem.detail}\n", status=problem.status, mimetype="text/plain")


def page_policy(request: Request) -> str:
    """Return the page's content security policy: nothing is loaded from elsewhere."""
    host = request.host if all(c.isalnum() or c in ".-:[]" for c in request.host) else ""
    sockets = f" ws://{host} wss://{host}" if host else ""
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'{sockets}; manifest-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
    )


def secured(response: Response) -> Response:
    """Return an answer that is taken for nothing else, gives no address away, and is kept by no cache."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cache-Control", "no-store")
    return response
