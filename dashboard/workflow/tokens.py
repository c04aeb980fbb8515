"""Tokens of webhooks and of links to questions: sealed and bound to one wait of one run. Pure but for random bytes.

A token is what a third party holds, so it reads as noise. It is a Fernet token (AES-128-CBC and HMAC-SHA256, of the
``cryptography`` package): sealed, so that nothing about the run is readable from it, and authenticated, so that none
can be made up. A ledger row for each opaque token would do as well, but the ledger may be deleted, and a URL that was
handed out outlives it where ``webhook_secret`` is given. The prefix lets ``codec`` find tokens and hide them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken

from otel_bridge.model.names import WEBHOOK_TOKEN_PREFIX as PREFIX


class InvalidTokenError(ValueError):
    """The token is not one of ours. Says no more, on purpose."""


@dataclass(frozen=True, slots=True)
class WebhookToken:
    """The wait that a token is bound to. ``expires_ms`` is Unix milliseconds, or None."""

    run_id: str
    name: str
    seq: int
    expires_ms: int | None = None


WEBHOOK_USE, INBOX_USE = b"durable-webhook-v2", b"durable-inbox-v1"
"""A token of one use is none of another: each has its own key."""


def _fernet(secret: str, use: bytes) -> Fernet:
    # The secret may be any text: Fernet wants exactly 32 bytes, and keys of other uses must not be the same.
    key = hmac.new(secret.encode(), use, hashlib.sha256).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def seal(token: WebhookToken, secret: str) -> str:
    """Return the token's text: URL-safe, no padding, different each time.

    Example:
        >>> unseal(seal(WebhookToken("run-1", "payment", 3), "secret"), "secret").name
        'payment'
    """
    return PREFIX + _sealed(token, secret, WEBHOOK_USE)


def _sealed(token: WebhookToken, secret: str, use: bytes) -> str:
    content = json.dumps([token.run_id, token.name, token.seq, token.expires_ms], separators=(",", ":")).encode()
    # The time in a Fernet token is legible, so it is left at zero: when a wait began is nobody's business.
    return _fernet(secret, use).encrypt_at_time(content, 0).decode().rstrip("=")


def unseal(text: str, secret: str) -> WebhookToken:
    """Return what a token is bound to.

    Raises:
        InvalidTokenError: forged, damaged, or sealed under another secret.
    """
    if not text.startswith(PREFIX):
        raise InvalidTokenError("This webhook token is not valid.")
    return _unsealed(text[len(PREFIX) :], secret, WEBHOOK_USE)


def _unsealed(text: str, secret: str, use: bytes) -> WebhookToken:
    try:
        sealed = text.encode("ascii")
        run_id, name, seq, expires_ms = json.loads(_fernet(secret, use).decrypt(sealed + b"=" * (-len(sealed) % 4)))
    except (InvalidToken, ValueError, TypeError) as error:
        raise InvalidTokenError("This token is not valid.") from error
    return WebhookToken(run_id, name, seq, expires_ms)


def seal_question(token: WebhookToken, secret: str) -> str:
    """Return what a link to a question in the inbox ends with. It says which wait is meant, and allows nothing.

    Example:
        >>> unseal_question(seal_question(WebhookToken("run-1", "refund", 3), "secret"), "secret").seq
        3
    """
    return _sealed(token, secret, INBOX_USE)


def unseal_question(text: str, secret: str) -> WebhookToken:
    """Return which wait a link to a question means.

    Raises:
        InvalidTokenError: forged, damaged, or sealed under another secret or for another use.
    """
    return _unsealed(text, secret, INBOX_USE)
