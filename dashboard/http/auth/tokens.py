"""Bearer tokens for programs: made by ``durable token create``, kept as hashes in the ledger.

A token has a role, and may be limited to actions (its scopes) and in time. Its secret is 256 random bits, so its hash
needs no salt and no slow function, and is looked up as it is. Each request looks again: a token that is revoked is
worthless at once, in every process.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Collection

from flask import Request
from werkzeug.wrappers import Response

from dashboard.actor import SCOPES, Actor, Role
from dashboard.http.auth import AuthHook
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Ledger, Token

PREFIX = "durable_tok_"
"""Begins every token, so that scanners of repositories and logs recognise one."""
NOTED_EVERY_S = 60.0


def make_token(
    ledger: Ledger,
    name: str,
    *,
    role: Role = "viewer",
    scopes: Collection[str] = (),
    expires_at_ms: int | None = None,
    created_by: str = "",
) -> tuple[Token, str]:
    """Return a new token and its secret, which is nowhere else: it cannot be shown again.

    Args:
        name: whose it is, for the audit log.
        scopes: the actions that it is limited to; none: all that its role may.

    Raises:
        ValueError: a scope or the role is not one of ours, or the name is empty or too long.

    Example::

        token, secret = make_token(ledger, "deploy pipeline", role="operator", scopes=["retry", "cancel"])
    """
    unknown = sorted(set(scopes) - SCOPES)
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not an action. Use {', '.join(sorted(SCOPES))}.")
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise ValueError("A token's name has 1 to 200 printable characters.")
    Actor(name, role)  # raises for a role that is none
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token(
        id=secrets.token_hex(8),
        name=name,
        role=role,
        scopes=tuple(sorted(set(scopes))),
        created_by=created_by,
        expires_at_ms=expires_at_ms,
    )
    return ledger.add_token(token, secret_hash=hash_of(secret)), secret


def hash_of(secret: str) -> bytes:
    """Return what the ledger keeps of a secret."""
    return hashlib.sha256(secret.encode()).digest()


class BearerTokens:
    """See ``bearer_tokens``."""

    def __init__(self, open_ledger: Callable[[], Ledger] | None, otherwise: AuthHook | None) -> None:
        self._open_ledger, self._otherwise = open_ledger, otherwise
        self._noted: dict[str, float] = {}

    def with_ledger(self, open_ledger: Callable[[], Ledger]) -> BearerTokens:
        """Return the same hook over a blueprint's ledger, unless it was given one."""
        return self if self._open_ledger is not None else BearerTokens(open_ledger, self._otherwise)

    def __call__(self, request: Request) -> Actor | Role | str | Response | None:
        """Return who asks.

        Raises:
            LedgerError: the tokens cannot be read now: nobody is let in, and the answer is 503.
        """
        given = request.headers.getlist("Authorization")
        if len(given) != 1 or not given[0].lower().startswith("bearer "):
            return None if self._otherwise is None else self._otherwise(request)
        secret = given[0][len("bearer ") :].strip()
        # A token of another kind is the other hook's to judge; one of ours never is.
        if not secret.startswith(PREFIX):
            return None if self._otherwise is None else self._otherwise(request)
        return self._actor(secret)

    def _actor(self, secret: str) -> Actor | None:
        if self._open_ledger is None:
            raise RuntimeError("bearer_tokens() has no ledger. Pass it as auth= to create_blueprint, or give it one.")
        ledger = self._open_ledger()
        token = ledger.token_of(hash_of(secret))
        if token is None or not token.is_good(int(time.time() * 1000)):
            return None
        self._note(ledger, token)
        return Actor(f"token {token.name}", token.role, frozenset(token.scopes))  # type: ignore[arg-type]

    def _note(self, ledger: Ledger, token: Token) -> None:
        now = time.monotonic()
        if now - self._noted.get(token.id, float("-inf")) < NOTED_EVERY_S:
            return
        self._noted[token.id] = now
        try:
            ledger.note_token_use(token)
        except LedgerError:  # one that may only be read: the token is good all the same
            return


def bearer_tokens(*, ledger: Ledger | None = None, otherwise: AuthHook | None = None) -> BearerTokens:
    """Let in who shows a token of ``durable token create`` as ``Authorization: Bearer ...``.

    Args:
        ledger: where the tokens are; default: the blueprint's.
        otherwise: the hook for requests without such a token, as for people behind a proxy; default: nobody.

    Example::

        create_blueprint(url, auth=bearer_tokens(otherwise=proxy_header("X-Forwarded-User", ...)))
    """
    return BearerTokens(None if ledger is None else lambda: ledger, otherwise)
