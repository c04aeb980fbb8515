"""Options of ``durable serve``. Pure, but for the import of a hook that was named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from dashboard.caretaker.alerts import AlertSettings
from dashboard.http.auth import AuthHook, is_loopback_host
from dashboard.http.auth.hooks import MIN_SECRET_CHARS
from dashboard.serve import DEFAULT_PORT, DEFAULT_THREADS
from otel_bridge.codec import Redact, Serializer
from otel_bridge.errors import ConfigurationError
from otel_bridge.loading import load_named
from otel_bridge.runs.prices import PriceTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """One standalone dashboard.

    Args:
        database_url: the engine's system database; ``schema``: where its tables are, on Postgres.
        ledger, ledger_schema: where the ledger is; default beside the database, by schema and namespace.
        host, port: what to listen on; port 0 takes any free one.
        prefix: path below which the dashboard is; empty for the root.
        public_url: how browsers reach it, for links on spans and in webhooks; default: what it listens on.
        threads: of the web server; each open page holds one.
        proxies: how many proxies stand before it whose ``X-Forwarded-*`` headers are believed.
        operator_token: its bearer may act. Without it and ``auth`` the dashboard is read-only.
        viewer_token: its bearer may look; without it everybody on this machine may.
        auth: a hook as for ``create_blueprint``, instead of tokens.
        caretaker, recover: run the caretaker; let it recover the runs of lost workers.
        alerts: what the caretaker tells people about; None: nothing.
        bridge: export traces where a collector is configured.
        gen_ai: have the bridge read what models used; ``prices``: what their tokens cost.

    Raises:
        ConfigurationError: a token is short, tokens and ``auth`` are both given, or it would listen beyond this machine
            without either.

    >>> ServeSettings(database_url="sqlite:///app.sqlite").acts
    False
    """

    database_url: str = field(repr=False)
    schema: str = "dbos"
    ledger: str | None = field(default=None, repr=False)
    ledger_schema: str | None = None
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    prefix: str = "/durable"
    public_url: str | None = None
    threads: int = DEFAULT_THREADS
    proxies: int = 0
    operator_token: str | None = field(default=None, repr=False)
    viewer_token: str | None = field(default=None, repr=False)
    auth: AuthHook | None = None
    caretaker: bool = True
    recover: bool = False
    alerts: AlertSettings | None = None
    bridge: bool = True
    title: str = "Durable"
    namespace: str = ""
    trace_url: str | None = None
    redact: Redact | None = None
    serializer: Serializer | None = None
    prices: PriceTable | None = None
    gen_ai: bool = False

    def __post_init__(self) -> None:
        tokens = {"operator token": self.operator_token, "viewer token": self.viewer_token}
        for name, token in tokens.items():
            if token is not None and len(token) < MIN_SECRET_CHARS:
                raise ConfigurationError(
                    f"The {name} has {len(token)} characters; use {MIN_SECRET_CHARS} or more. "
                    'One is made by: python -c "import secrets; print(secrets.token_urlsafe(32))"'
                )
        if self.operator_token is not None and self.operator_token == self.viewer_token:
            raise ConfigurationError("The operator token and the viewer token are the same: every viewer could act.")
        if self.auth is not None and any(tokens.values()):
            raise ConfigurationError("Give tokens or an auth hook, not both.")
        if not is_loopback_host(bracketed(self.host)) and self.auth is None and not any(tokens.values()):
            raise ConfigurationError(
                f"Listening on {self.host} lets other machines in, and nothing says who may look or act. Give "
                "--operator-token, --viewer-token or --auth, or leave --host out to serve this machine only."
            )
        if self.prefix and (not self.prefix.startswith("/") or self.prefix.endswith("/") or "<" in self.prefix):
            raise ConfigurationError(f"The prefix {self.prefix!r} is not a path. Write it like /durable, or empty.")

    @property
    def acts(self) -> bool:
        """Whether anybody can be an operator here."""
        return self.auth is not None or self.operator_token is not None

    def url(self, port: int) -> str:
        """Return where browsers find the dashboard, without the slash at its end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        everywhere = self.host in ("0.0.0.0", "::", "")
        return f"http://{'127.0.0.1' if everywhere else bracketed(self.host)}:{port}{self.prefix}"


def bracketed(host: str) -> str:
    """Return a host as URLs write it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def load_auth(place: str) -> AuthHook:
    """Return the auth hook that a command line names: ``load_auth("shop.login:who")``.

    The module is imported, from the working directory too.

    Raises:
        ConfigurationError: there is no such module or object, or it cannot be called.
    """
    found = load_named(place, what="The auth hook", form="module:function")
    if not callable(found):
        raise ConfigurationError(f"The auth hook {place!r} is not a function: it is {type(found).__name__}.")
    return cast(AuthHook, found)
