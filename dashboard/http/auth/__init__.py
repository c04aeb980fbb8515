"""Authentication and roles. Reads the current request's headers and address; touches no database, file or clock.

With no ``auth`` given only loopback clients are served, under a Host that names this machine (against DNS
rebinding). ``auth`` is a callable: request -> ``Actor``, a role's name, or None for "nobody". ``hooks`` has ready ones.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Request
from werkzeug.wrappers import Response

from dashboard.actor import Actor, RequiredRole, Role
from dashboard.errors import Forbidden, Unauthorized

AuthHook = Callable[[Request], Actor | Role | str | Response | None]


class LoginAnswer(Unauthorized):
    """The hook answers the page itself, as with a redirect to a login; the API says 401."""

    def __init__(self, response: Response) -> None:
        self.response = response
        super().__init__("Sign in: the request is not authenticated.")


PUBLIC_ACTOR = Actor("public", "viewer")
_UNIX_SOCKET = frozenset({"<local>", "localhost", "unix:"})
"""REMOTE_ADDR of a Unix socket: werkzeug's, waitress', NGINX Unit's. gunicorn and hypercorn give none."""
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def _host_name(host: str) -> str:
    """Return the name in a Host header, without port and brackets, lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def is_loopback_host(host: str) -> bool:
    """True when a Host header names this machine: no other site's name can point a browser here."""
    name = _host_name(host)
    return name in _LOOPBACK_NAMES or name.endswith(".localhost")


def is_loopback_address(address: str | None) -> bool:
    """True for 127.0.0.0/8, ::1 and a Unix socket, whose client has no address: servers give it none, or a word."""
    if not address or address in _UNIX_SOCKET:
        return True
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_loopback


FORWARDED = tuple(
    """Via X-Forwarded-Host X-Forwarded-Server X-Forwarded-Proto X-Forwarded-Prefix X-Forwarded-Port X-Original-Host
    X-Original-URL X-Rewrite-URL X-Envoy-External-Address CDN-Loop""".split()  # noqa: SIM905
)
"""Headers that only a proxy sends."""
FORWARDED_FOR = tuple(
    """X-Real-IP X-Forwarded-For X-Client-IP X-Cluster-Client-IP True-Client-IP CF-Connecting-IP CF-Connecting-IPv6
    Fastly-Client-IP Fly-Client-IP X-Azure-ClientIP""".split()  # noqa: SIM905
)
"""Headers in which proxies name the client."""


def forwarded_for(request: Request) -> list[str]:
    """Return the clients that proxies on the way name. Anybody can name one: a good one proves nothing."""
    named = [name for header in FORWARDED_FOR for name in ",".join(request.headers.getlist(header)).split(",")]
    named += re.findall(r"for=\"?\[?([^\]\";,]+)", ",".join(request.headers.getlist("Forwarded")), re.IGNORECASE)
    return [name.strip() for name in named if name.strip()]


def loopback_only(request: Request) -> Actor:
    """The default ``auth``: an operator on this machine; everybody else is refused.

    Raises:
        Forbidden: the client, one whom a proxy names, or the Host header is not of this machine.
    """
    if not is_loopback_address(request.remote_addr):
        raise Forbidden(
            f"Without an auth setting only clients on this machine are served, and {request.remote_addr} is not. "
            "Pass auth=... to create_blueprint to let others in."
        )
    strangers = [client for client in forwarded_for(request) if not is_loopback_address(client)]
    if strangers:
        raise Forbidden(
            "Without an auth setting only clients on this machine are served, and a proxy says that "
            f"{strangers[0][:80]} asks. Pass auth=... to create_blueprint to let others in."
        )
    forwarded = next((header for header in FORWARDED if header in request.headers), None)
    if forwarded is not None:
        raise Forbidden(
            f"Without an auth setting only clients on this machine are served, and the header {forwarded} says that a "
            "proxy stands between. Pass auth=... to create_blueprint to let others in."
        )
    if not is_loopback_host(request.host):
        raise Forbidden(
            f"Without an auth setting only Host localhost or 127.0.0.1 is served, and this request names "
            f"{request.host[:80]!r}. Pass auth=... to create_blueprint to serve other names."
        )
    return Actor("local", "operator")


def authenticate(request: Request, hook: AuthHook | None) -> Actor:
    """Return who asks.

    Raises:
        Unauthorized: the hook knows nobody.
        Forbidden: the default is in force and the client is not of this machine.
        TypeError: the hook returned something else than an Actor, a role or None.
    """
    if hook is None:
        return loopback_only(request)
    found = hook(request)
    if found is None:
        raise Unauthorized("Sign in: the request is not authenticated.")
    if isinstance(found, Actor):
        return found
    if isinstance(found, Response):
        raise LoginAnswer(found)
    if found == "viewer" or found == "operator":
        return Actor(found, found)  # type: ignore[arg-type]
    raise TypeError(f"auth returned {found!r}. Return a dashboard.actor.Actor, 'viewer', 'operator' or None.")


def is_admitted(request: Request, hook: AuthHook | None) -> bool:
    """Say whether the caller is somebody, on a route that also serves nobody."""
    try:
        authenticate(request, hook)
    except (Unauthorized, Forbidden):
        return False
    return True


def require_role(actor: Actor, required: RequiredRole) -> None:
    """Raises:
    Forbidden: the actor's role does not cover ``required``.
    """
    if not actor.may(required):
        raise Forbidden(f"{actor.name} is a {actor.role}; this needs the role {required}.")
