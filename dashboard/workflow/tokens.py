"""Webhook tokens: signed, sealed, bound to one wait of one run. Pure but for the random nonce.

A token is what a third party holds, so it reads as noise: its content is enciphered with a key stream of
HMAC-SHA256 in counter mode and then signed (itsdangerous), each under a key of its own derived from the secret.
It begins with a prefix of its own, by which ``codec`` finds and hides it in whatever a viewer is shown.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass

from itsdangerous import BadSignature, Signer

from otel_bridge.model.names import WEBHOOK_TOKEN_PREFIX

_NONCE_BYTES = 16


class InvalidTokenError(ValueError):
    """The token is not one of ours. Says no more, on purpose."""


@dataclass(frozen=True, slots=True)
class WebhookToken:
    """What a token is bound to. ``expires_ms`` is Unix milliseconds, or None."""

    run_id: str
    name: str
    seq: int
    expires_ms: int | None = None


def _key(secret: str, use: str) -> bytes:
    return hmac.new(secret.encode(), f"durable-webhook-v1/{use}".encode(), hashlib.sha256).digest()


def _stream(key: bytes, nonce: bytes, data: bytes) -> bytes:
    blocks = (
        hmac.new(key, nonce + counter.to_bytes(4, "big"), hashlib.sha256).digest()
        for counter in range(-(-len(data) // 32))
    )
    return bytes(a ^ b for a, b in zip(data, b"".join(blocks), strict=False))


def _signer(secret: str) -> Signer:
    return Signer(_key(secret, "sign"), salt=b"durable.webhook", digest_method=hashlib.sha256)


def seal(token: WebhookToken, secret: str) -> str:
    """Return the token's text: URL-safe, no padding, different each time."""
    content = json.dumps([token.run_id, token.name, token.seq, token.expires_ms], separators=(",", ":")).encode()
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + _stream(_key(secret, "seal"), nonce, content)
    return WEBHOOK_TOKEN_PREFIX + _signer(secret).sign(base64.urlsafe_b64encode(sealed).rstrip(b"=")).decode()


def unseal(text: str, secret: str) -> WebhookToken:
    """Return what a token is bound to.

    Raises:
        InvalidTokenError: forged, damaged, or sealed under another secret.
    """
    try:
        if not text.startswith(WEBHOOK_TOKEN_PREFIX):
            raise InvalidTokenError("This webhook token is not valid.")
        raw = _signer(secret).unsign(text.removeprefix(WEBHOOK_TOKEN_PREFIX).encode())
        sealed = base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
        nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        run_id, name, seq, expires_ms = json.loads(_stream(_key(secret, "seal"), nonce, content))
    except (BadSignature, ValueError, UnicodeError) as error:
        raise InvalidTokenError("This webhook token is not valid.") from error
    return WebhookToken(run_id, name, seq, expires_ms)
