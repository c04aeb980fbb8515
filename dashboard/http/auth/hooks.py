"""Ready ``auth`` hooks: a proxy's header, HTTP basic, Flask-Login. Each returns a callable for ``create_blueprint``.

Bearer tokens are in ``tokens``.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Collection, Mapping

from flask import Request, Response
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response as AnyResponse

from dashboard.actor import Actor
from dashboard.http.auth import AuthHook

MIN_SECRET_CHARS = 16
_NOBODY = generate_password_hash("nobody has this password")


def _actor(name: str, operators: Collection[str]) -> Actor:
    return Actor(name, "operator" if name in operators else "viewer")


def proxy_header(
    header: str,
    *,
    operators: Collection[str] = (),
    secret_header: str | None = None,
    secret: str | None = None,
    trusted_peers: Collection[str] = (),
) -> AuthHook:
    """Believe the name that a proxy puts into a header, as oauth2-proxy (OIDC), Authelia and nginx do.

    Anybody who reaches the application past the proxy could send the header too. So the name counts only together
    with a secret that the proxy sends, or from the proxy's own address, or both.

    Args:
        header: ``X-Forwarded-User``, ``X-Auth-Request-Email``, ...
        operators: names that may act; all others look.
        secret_header, secret: a header that the proxy sets, and its value, of 16 characters or more.
        trusted_peers: addresses or networks (``10.0.0.0/8``) that the proxy connects from. With ProxyFix in between,
            the connection's own address is used, not the client's.

    Raises:
        ValueError: there is neither a secret nor a peer, the secret is short, or a peer is not an address.

    Example::

        auth = proxy_header("X-Forwarded-User", operators={"ada"}, secret_header="X-Proxy-Secret", secret=SECRET)
    """
    networks = [ipaddress.ip_network(peer) for peer in trusted_peers]
    if (secret_header is None) != (secret is None):
        raise ValueError("Give both secret_header and secret, or neither.")
    if secret is not None and len(secret) < MIN_SECRET_CHARS:
        raise ValueError(f"The proxy's secret has {len(secret)} characters; use {MIN_SECRET_CHARS} or more.")
    if secret is None and not networks:
        raise ValueError("Anybody can send a header: give a secret with secret_header, or trusted_peers.")

    def hook(request: Request) -> Actor | None:
        if networks and not _is_from(request, networks):
            return None
        if secret is not None and secret_header is not None:
            sent = request.headers.getlist(secret_header)
            if len(sent) != 1 or not hmac.compare_digest(sent[0].encode(), secret.encode()):
                return None
        names = request.headers.getlist(header)
        # Twice, or with a comma where a server joined two: whose is it?
        if len(names) != 1 or "," in names[0] or not names[0].strip():
            return None
        return _actor(names[0].strip(), operators)

    return hook


def _is_from(request: Request, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    original = request.environ.get("werkzeug.proxy_fix.orig", {})
    address = original.get("REMOTE_ADDR") or request.remote_addr
    try:
        peer = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    peer = getattr(peer, "ipv4_mapped", None) or peer
    return any(peer in network for network in networks if peer.version == network.version)


def basic(
    users: Mapping[str, str], *, operators: Collection[str] = (), realm: str = "Durable"
) -> Callable[[Request], Actor | Response]:
    """HTTP basic authentication against hashed passwords. Serve it over TLS only.

    Args:
        users: name -> hash, made by ``werkzeug.security.generate_password_hash``.
        operators: names that may act; all others look.

    Raises:
        ValueError: a password is not hashed.

    Example::

        auth = basic({"ada": "scrypt:32768:8:1$..."}, operators={"ada"})
    """
    for name, hashed in users.items():
        if hashed.count("$") < 2 or not hashed.startswith(("scrypt:", "pbkdf2:")):
            raise ValueError(f"The password of {name!r} is not hashed. Use werkzeug.security.generate_password_hash.")

    def hook(request: Request) -> Actor | Response:
        given = request.authorization
        if given is not None and given.type == "basic" and given.username is not None:
            # An unknown name costs what a known one does.
            hashed = users.get(given.username, _NOBODY)
            if check_password_hash(hashed, given.password or "") and given.username in users:
                return _actor(given.username, operators)
        return Response("Sign in.\n", 401, {"WWW-Authenticate": f'Basic realm="{realm}", charset="UTF-8"'})

    return hook


def flask_login(*, operators: Callable[[object], bool], login: Callable[[], AnyResponse] | None = None) -> AuthHook:
    """Let in whom Flask-Login has signed in.

    Args:
        operators: says whether a user may act; all others look.
        login: answers a page request of somebody who is not signed in, as with a redirect to the login.

    Example::

        auth = flask_login(operators=lambda user: user.is_admin, login=lambda: redirect(url_for("login")))
    """

    def hook(request: Request) -> Actor | AnyResponse | None:
        from flask_login import current_user

        if not current_user.is_authenticated:
            return None if login is None else login()
        user = current_user._get_current_object()
        return Actor(str(user.get_id()), "operator" if operators(user) else "viewer")

    return hook
