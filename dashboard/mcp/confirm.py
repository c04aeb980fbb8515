"""What was previewed and waits to be confirmed: tokens that say so by themselves, and are good once.

A token is sealed with a secret, so that any process which shares the secret takes it: behind a server with several
workers the confirmation seldom comes to the one that gave the preview. That it was used is noted where they all look.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from binascii import Error as NotBase64Error
from collections.abc import Callable, Mapping

from dashboard.wire.base import Json

TTL_S = 600
MOST = 1_000
_NONCE_BYTES, _UNTIL_BYTES, _DIGEST_BYTES, _SEAL_BYTES = 6, 6, 6, 12
_TOKEN_BYTES = _NONCE_BYTES + _UNTIL_BYTES + 2 * _DIGEST_BYTES + _SEAL_BYTES
_OLD = "This confirm token is unknown, used or older than ten minutes. Preview again."


class NotConfirmedError(Exception):
    """The token is not the one of this action on these runs as they were previewed."""


class UsedTokens:
    """Which tokens were used, in this process: the newest ``MOST``."""

    def __init__(self) -> None:
        self._used: dict[str, None] = {}

    def __call__(self, nonce: str) -> bool:
        """Note a token; say whether it is the first time."""
        first = nonce not in self._used
        self._used[nonce] = None
        while len(self._used) > MOST:
            self._used.pop(next(iter(self._used)))
        return first


class Confirmations:
    """Gives out a token for a preview, and takes it once, for the same action while the runs are as they were.

    Args:
        secret: what tokens are sealed with; default: this process's own.
        is_first_use: notes that a token was used, and says whether nobody did before; default: this process remembers.
        who: for whom a token is, and who alone may use it.
        clock: seconds since 1970; for tests.
    """

    def __init__(
        self,
        *,
        secret: Callable[[], str] | None = None,
        is_first_use: Callable[[str], bool] | None = None,
        who: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        own = secrets.token_urlsafe(32)
        self._secret = secret or (lambda: own)
        self._is_first_use = is_first_use or UsedTokens()
        self._who, self._clock = who, clock

    def issue(self, action: str, arguments: Mapping[str, Json], state: Json) -> str:
        """Return the token for what was previewed.

        Args:
            state: what the preview showed; another state later needs another preview.
        """
        until = int(self._clock() + TTL_S).to_bytes(_UNTIL_BYTES, "big")
        body = secrets.token_bytes(_NONCE_BYTES) + until + self._what(action, arguments) + self._state(state)
        return base64.urlsafe_b64encode(body + self._seal(body)).decode().rstrip("=")

    def take(self, token: str, action: str, arguments: Mapping[str, Json], state: Json) -> None:
        """Use a token up.

        Raises:
            NotConfirmedError: it is unknown, used, old, of something else, or what it is about has changed.
        """
        body = self._opened(token)
        nonce, rest = body[:_NONCE_BYTES], body[_NONCE_BYTES:]
        until, what = rest[:_UNTIL_BYTES], rest[_UNTIL_BYTES : _UNTIL_BYTES + _DIGEST_BYTES]
        if int.from_bytes(until, "big") < self._clock() or not self._is_first_use(nonce.hex()):
            raise NotConfirmedError(_OLD)
        if not hmac.compare_digest(what, self._what(action, arguments)):
            raise NotConfirmedError(
                "This confirm token was given for another action or other arguments. Preview again."
            )
        if not hmac.compare_digest(rest[-_DIGEST_BYTES:], self._state(state)):
            raise NotConfirmedError("What was previewed has changed since. Preview again, and look at it.")

    def _opened(self, token: str) -> bytes:
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (NotBase64Error, ValueError) as error:
            raise NotConfirmedError(_OLD) from error
        body, seal = raw[:-_SEAL_BYTES], raw[-_SEAL_BYTES:]
        if len(raw) != _TOKEN_BYTES or not hmac.compare_digest(seal, self._seal(body)):
            raise NotConfirmedError(_OLD)
        return body

    def _what(self, action: str, arguments: Mapping[str, Json]) -> bytes:
        return self._digest(f"what {_text([action, dict(arguments)])}", _DIGEST_BYTES)

    def _state(self, state: Json) -> bytes:
        return self._digest(f"state {_text(state)}", _DIGEST_BYTES)

    def _seal(self, body: bytes) -> bytes:
        return self._digest(f"seal {body.hex()} {self._who()}", _SEAL_BYTES)

    def _digest(self, text: str, size: int) -> bytes:
        """Keyed, so that nobody can look for another action of the same digest without asking here."""
        return hmac.digest(self._secret().encode(), text.encode(errors="surrogatepass"), "sha256")[:size]


def _text(value: Json) -> str:
    return json.dumps(value, sort_keys=True, default=str)
