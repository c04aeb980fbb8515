"""Which pages may act here: the dashboard's own, and those of origins that the host names. Reads the request alone."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Request, Response

from dashboard.errors import Forbidden
from otel_bridge.credentials import public_url

PORTS = {"http": 80, "https": 443}
Origin = tuple[str, str, int]


def parse_origin(text: str) -> Origin | None:
    """Return scheme, host and port of an origin; None if it is not an origin (``null``, another scheme, a path).

    >>> parse_origin("https://Ops.example.com")
    ('https', 'ops.example.com', 443)
    """
    try:
        parts = urlsplit(text)
        port = PORTS.get(parts.scheme) if parts.port is None else parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname or port is None or parts.path or parts.query or parts.fragment:
        return None
    return None if "@" in parts.netloc else (parts.scheme, parts.hostname.lower(), port)


def allowed_origins_of(texts: Collection[str]) -> frozenset[Origin]:
    """Return an allow-list.

    Raises:
        ValueError: one is not an origin, as a wildcard is not.
    """
    found: set[Origin] = set()
    for text in texts:
        origin = parse_origin(text)
        if origin is None:
            raise ValueError(
                f"allowed_origins holds {public_url(text)!r}. An origin is scheme, host and port: https://ops.example.com."
            )
        found.add(origin)
    return frozenset(found)


def is_own(request: Request, origin: Origin | None) -> bool:
    """Say whether an origin is this server's, as its clients see it."""
    return origin is not None and origin == parse_origin(f"{request.scheme}://{request.host}")


def require_same_origin(request: Request, allowed: Collection[Origin] = frozenset()) -> None:
    """Refuse what another site's page sent. A request without browser headers (curl, a client) passes.

    Raises:
        Forbidden: ``Origin`` or ``Sec-Fetch-Site`` says that another site sent it.
    """
    header = request.headers.get("Origin")
    if header is not None:
        origin = parse_origin(header)
        if origin not in allowed and not is_own(request, origin):
            raise Forbidden(
                f"This request came from another origin ({header[:80]!r}); this one is "
                f"{request.scheme}://{request.host}. Behind a proxy, pass the original host and scheme on "
                "(X-Forwarded-Host and X-Forwarded-Proto, with ProxyFix). Name other dashboards' origins in "
                "allowed_origins."
            )
    elif request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Forbidden(
            "This request came from another site. Use the dashboard's own page, or a client that is not a browser."
        )


def share_with(request: Request, response: Response, allowed: Collection[Origin]) -> Response:
    """Let an allowed origin's page read the answer, credentials included; to all others it stays closed.

    Source: https://fetch.spec.whatwg.org/#http-cors-protocol
    """
    if not allowed:
        return response
    response.vary.add("Origin")
    header = request.headers.get("Origin", "")
    if parse_origin(header) in allowed:
        response.headers["Access-Control-Allow-Origin"] = header
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Access-Control-Expose-Headers"] = "Link, Retry-After"
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, DELETE"
            response.headers["Access-Control-Allow-Headers"] = (
                "Content-Type, Authorization, Idempotency-Key, Last-Event-ID"
            )
            response.headers["Access-Control-Max-Age"] = "600"
    return response
