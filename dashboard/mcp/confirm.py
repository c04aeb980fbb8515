"""What was previewed and waits to be confirmed. In memory: a token lives as long as its server, ten minutes at most."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dashboard.wire.base import Json

TTL_S = 600.0
MOST = 1_000


class NotConfirmedError(Exception):
    """The token is not the one of this action on these runs as they were previewed."""


@dataclass(frozen=True, slots=True)
class _Previewed:
    what: str
    state: str
    until_s: float


class Confirmations:
    """Gives out a token for a preview, and takes it once, for the same action while the runs are as they were.

    Args:
        clock: seconds that only grow; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: OrderedDict[str, _Previewed] = OrderedDict()

    def issue(self, action: str, arguments: Mapping[str, Json], state: Json) -> str:
        """Return the token for what was previewed.

        Args:
            state: what the preview showed; another state later needs another preview.
        """
        token = secrets.token_urlsafe(12)
        with self._lock:
            self._open[token] = _Previewed(_text([action, dict(arguments)]), _text(state), self._clock() + TTL_S)
            while len(self._open) > MOST:
                self._open.popitem(last=False)
        return token

    def take(self, token: str, action: str, arguments: Mapping[str, Json], state: Json) -> None:
        """Use a token up.

        Raises:
            NotConfirmedError: it is unknown, used, old, of something else, or what it is about has changed.
        """
        with self._lock:
            found = self._open.pop(token, None)
        if found is None or found.until_s < self._clock():
            raise NotConfirmedError("This confirm token is unknown, used or older than ten minutes. Preview again.")
        if found.what != _text([action, dict(arguments)]):
            raise NotConfirmedError(
                "This confirm token was given for another action or other arguments. Preview again."
            )
        if found.state != _text(state):
            raise NotConfirmedError("What was previewed has changed since. Preview again, and look at it.")


def _text(value: Json) -> str:
    return json.dumps(value, sort_keys=True, default=str)
