"""Where people and third parties reach the dashboard: kept in the ledger, for the URLs that workers hand out.

A worker that makes a webhook's URL knows no request. It reads what ``create_blueprint(public_url=)`` said, or, where
that was not given, how an operator reached the dashboard. Reads requests; writes the ledger in a thread of its own.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Request

from dashboard.actor import Actor
from dashboard.http.auth.origin import is_own, parse_origin
from dashboard.read.services import Services
from dashboard.workflow.address import KeptAddress, better, keep_address, kept_address
from otel_bridge.errors import BridgeError

log = logging.getLogger(__name__)
AGAIN_S = 30.0
"""So often, at most, is the ledger asked: it may be away, and operators may come by several names."""


def check_public_url(url: str | None) -> str | None:
    """Return the setting without a slash at its end.

    Raises:
        ValueError: it is not an absolute http(s) URL of a mounted dashboard.

    Example:
        >>> check_public_url("https://ops.example.com/durable/")
        'https://ops.example.com/durable'
    """
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or "@" in url:
        raise ValueError(
            "public_url is where others reach the dashboard, such as https://ops.example.com/durable: an absolute "
            "http or https URL without a query and without credentials."
        )
    return url.rstrip("/")


def check_allowed_hosts(hosts: Collection[str]) -> frozenset[str]:
    """Return the hosts in lower case.

    Raises:
        ValueError: one is not a host, such as a URL or a wildcard.
    """
    for host in hosts:
        if parse_origin(f"https://{host}") is None or "*" in host:
            raise ValueError(
                "allowed_hosts holds what is not a host. One is a name, maybe with a port: ops.example.com:8443."
            )
    return frozenset(host.lower() for host in hosts)


def learnt_from(
    request: Request, actor: Actor, base: str, hosts: Collection[str], *, shared: bool = False
) -> str | None:
    """Return the address that a request came to, if it may be believed; None otherwise.

    Anybody can send any Host header. Believed is one of ``hosts``; where none are named, the one that an authenticated
    operator used, with no page of another site behind the request. The webhooks of every run lead there, so an operator
    of some runs, or a token for some actions, is believed about named hosts alone.

    Args:
        shared: a policy limits operators to runs of their own.
    """
    origin = request.headers.get("Origin")
    if not actor.may("operator") or (origin is not None and not is_own(request, parse_origin(origin))):
        return None
    if request.host.lower() not in hosts if hosts else shared or actor.scopes:
        return None
    found = parse_origin(f"{request.scheme}://{request.host}")
    return None if found is None else f"{request.scheme}://{request.host.lower()}{base}"


class PublicAddress:
    """Keeps the dashboard's address in the ledger.

    Args:
        given: ``public_url``.
        hosts: ``allowed_hosts``.
    """

    def __init__(self, services: Services, *, given: str | None, hosts: frozenset[str]) -> None:
        self._services, self._given, self._hosts = services, given, hosts
        self._done: tuple[int, KeptAddress] | None = None
        self._next_try_s = 0.0
        self._lock = threading.Lock()

    def publish(self) -> None:
        """Write the given address, once a process, in a thread: called before any request of the host application."""
        if self._given is not None:
            self._keep_in_background(KeptAddress(self._given, given=True))

    def note(self, request: Request, actor: Actor, base: str) -> None:
        """Learn from a request that was admitted."""
        if self._given is None and self._services.acts:
            shared = self._services.settings.may is not None
            url = learnt_from(request, actor, base, self._hosts, shared=shared)
            if url is not None:
                self._keep_in_background(KeptAddress(url, given=False))

    def _keep_in_background(self, seen: KeptAddress) -> None:
        with self._lock:
            if self._done == (os.getpid(), seen) or time.monotonic() < self._next_try_s:
                return
            self._next_try_s = time.monotonic() + AGAIN_S
        threading.Thread(target=self._keep, args=(seen,), name="durable-address", daemon=True).start()

    def _keep(self, seen: KeptAddress) -> None:
        try:
            ledger = self._services.ledger
            if better(kept_address(ledger), seen):
                keep_address(ledger, seen)
                log.info("Webhooks of this application are reached at %s.", seen.url)
        except BridgeError as error:
            log.debug("The dashboard's address could not be kept in the ledger yet: %s", error)
            return
        self._done = (os.getpid(), seen)
