"""Page cursors as they are handed out where the host gave a policy: sealed, for they name the run that was read last.

That may be one that the actor may not see. All processes share the key through the ledger, so that any of them
continues where another stopped. Reads the ledger once.
"""

from __future__ import annotations

import base64
import hashlib
import secrets

from cryptography.fernet import Fernet, InvalidToken

from dashboard.read.seen import SeenServices
from dashboard.read.services import Services
from otel_bridge.errors import InvalidCursorError, LedgerError

KEY = "cursor.key"


def sealed(services: Services, cursor: str) -> str:
    """Return a cursor as this actor may have it: as it is, where there is no policy."""
    if not _is_limited(services):
        return cursor
    return _fernet(services.whole).encrypt_at_time(cursor.encode(), 0).decode().rstrip("=")


def opened(services: Services, text: str) -> str:
    """Return the cursor that was ``sealed``.

    Raises:
        InvalidCursorError: it is not one that was handed out here.
    """
    if not _is_limited(services):
        return text
    try:
        return _fernet(services.whole).decrypt(text.encode("ascii") + b"=" * (-len(text) % 4)).decode()
    except (InvalidToken, ValueError) as error:
        raise InvalidCursorError(text) from error


def _is_limited(services: Services) -> bool:
    return isinstance(services, SeenServices) and services.settings.may is not None


def _fernet(whole: Services) -> Fernet:
    if whole.cursor_key is None:
        made = secrets.token_urlsafe(32)
        try:
            whole.cursor_key = str(whole.ledger.put_value(KEY, made, only_if_absent=True))
        except LedgerError:  # it may only be read: the key is this process's own
            whole.cursor_key = made
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(whole.cursor_key.encode()).digest()))
