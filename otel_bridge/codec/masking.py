"""Hides our own webhook tokens: who has one may answer a run's wait. Pure.

Tokens begin with a prefix of their own, so they are found in any text or bytes, whole or cut, without the secret.
"""

from __future__ import annotations

import base64
import re

from otel_bridge.model.names import WEBHOOK_TOKEN_PREFIX

MASKED_TOKEN = f"{WEBHOOK_TOKEN_PREFIX}[hidden]"
_TOKEN = re.compile(re.escape(WEBHOOK_TOKEN_PREFIX) + r"(?:\[hidden\]|[A-Za-z0-9_.~%-]*)")
_IN_BASE64 = tuple(base64.b64encode(bytes(shift) + WEBHOOK_TOKEN_PREFIX.encode())[4:16].decode() for shift in range(3))
"""What stays the same of the prefix in base64, wherever in three bytes it begins."""
_PREFIX_BYTES = WEBHOOK_TOKEN_PREFIX.encode()
_TOKEN_BYTES = re.compile(_TOKEN.pattern.encode())


def mask_text(text: str) -> str:
    """Return ``text`` with webhook tokens cut to their prefix."""
    return _TOKEN.sub(MASKED_TOKEN, text) if WEBHOOK_TOKEN_PREFIX in text else text


def holds_token(text: str) -> bool:
    """True when a stored text holds a token: as it stands, or in base64, as pickles are stored."""
    return WEBHOOK_TOKEN_PREFIX in text or any(part in text for part in _IN_BASE64)


def mask_bytes(data: bytes) -> bytes:
    """Return ``data`` with webhook tokens cut to their prefix."""
    return _TOKEN_BYTES.sub(MASKED_TOKEN.encode(), data) if _PREFIX_BYTES in data else data
