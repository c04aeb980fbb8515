"""How many streams are open in this process and for each viewer, and who is turned away. Touches nothing outside."""

from __future__ import annotations

import threading
from collections import Counter

from dashboard.errors import TooManyStreams
from otel_bridge.forks import forget_after_fork


class StreamPlace:
    """One open stream's place; ``leave`` gives it back, once however often it is called."""

    def __init__(self, places: StreamPlaces, viewer: str) -> None:
        self._places, self._viewer = places, viewer
        self._held = True

    def leave(self) -> None:
        """Give the place back."""
        if self._held:
            self._held = False
            self._places.give_back(self._viewer)


class StreamPlaces:
    """The streams that hold a thread of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_viewer: Counter[str] = Counter()
        forget_after_fork(self)

    def forget(self) -> None:
        """The parent's streams are the parent's."""
        self._lock, self._by_viewer = threading.Lock(), Counter()

    @property
    def taken(self) -> int:
        """How many streams are open."""
        return self._by_viewer.total()

    def take(self, viewer: str, *, most: int, most_per_viewer: int) -> StreamPlace:
        """Return a place for one stream.

        Raises:
            TooManyStreams: none is left, in the process or for this viewer.
        """
        with self._lock:
            if self._by_viewer.total() >= most:
                raise TooManyStreams(
                    f"This server process has {most} live streams open, as many as it may hold. Ask again later, or "
                    "poll; more threads or a larger max_streams let more in."
                )
            if self._by_viewer[viewer] >= most_per_viewer:
                raise TooManyStreams(
                    f"You have {most_per_viewer} live streams open here, as many as one viewer may hold. Close some."
                )
            self._by_viewer[viewer] += 1
        return StreamPlace(self, viewer)

    def give_back(self, viewer: str) -> None:
        """Count one stream less."""
        with self._lock:
            self._by_viewer[viewer] -= 1
            if self._by_viewer[viewer] <= 0:
                del self._by_viewer[viewer]


PROCESS = StreamPlaces()
"""Of all blueprints in the process: they share its threads."""
