"""Webhook tokens: sealed and bound to one wait of one run. Pure but for the random bytes in each.

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
    """What a token is bound to. ``expires_ms`` is Unix milliseconds, or None."""

    run_id: str
    name: str
    seq: int
    expires_ms: int | None = None


def _fernet(secret: str) -> Fernet:
    # The secret may be any text: Fernet wants exactly 32 bytes, and keys of other uses must not be the same.
    key = hmac.new(secret.encode(), b"durable-webhook-v2", hashlib.sha256).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def seal(token: WebhookToken, secret: str) -> str:
    """Return the token's text: URL-safe, no padding, different each time.

    Example:
        >>> unseal(seal(WebhookToken("run-1", "payment", 3), "secret"), "secret").name
        'payment'
    """
    content = json.dumps([token.run_id, token.name, token.seq, token.expires_ms], separators=(",", ":")).encode()
    # The time in a Fernet token is legible, so it is left at zero: when a wait began is nobody's business.
    return PREFIX + _fernet(secret).encrypt_at_time(content, 0).decode().rstrip("=")


def unseal(text: str, secret: str) -> WebhookToken:
    """Return what a token is bound to.

    Raises:
        InvalidTokenError: forged, damaged, or sealed under another secret.
    """
    try:
        if not text.startswith(PREFIX):
            raise ValueError("no prefix")
        sealed = text[len(PREFIX) :].encode("ascii")
        run_id, name, seq, expires_ms = json.loads(_fernet(secret).decrypt(sealed + b"=" * (-len(sealed) % 4)))
    except (InvalidToken, ValueError, TypeError) as error:
        raise InvalidTokenError("This webhook token is not valid.") from error
    return WebhookToken(run_id, name, seq, expires_ms)
