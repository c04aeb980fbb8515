"""A clock that stands still until a test moves it."""

from __future__ import annotations

DEFAULT_TIME_MS = 1_700_000_000_000


class FakeClock:
    """A clock that moves only when a test says so. Call it to read it, in Unix milliseconds."""

    def __init__(self, now_ms: int = DEFAULT_TIME_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ms

    def advance(self, *, ms: int = 0, s: float = 0) -> int:
        """Move on; return the new time."""
        self.now_ms += ms + round(s * 1000)
        return self.now_ms
