"""One viewer of the live tail: what of the messages belongs in its stream, in a bounded queue. No I/O."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from otel_bridge.model.matching import matches
from otel_bridge.model.runs import Run, RunQuery

SLOW_REASON = "This client is too slow to keep up. Reconnect to get a fresh snapshot."


@dataclass(frozen=True, slots=True)
class Message:
    """One event, serialized once for all viewers. ``run`` is the run as of then, for list filters."""

    id: int
    type: str
    json: str
    run: Run
    shown_in: str
    """The run in whose stream it belongs."""
    at_ms: int
    """The store's clock then: open runs lasted until now."""
    before: Before | None = None
    """The run as of its message before, if there was one lately: what a viewer may have in its list."""

    def leaving(self) -> Message:
        """Return the message for a viewer whose filter the run does not pass, or not any more."""
        body = self.json[:-1]
        return replace(self, json=body + ("," if len(body) > 1 else "") + '"left":true}')


class Before(NamedTuple):
    """A run as an earlier message showed it."""

    run: Run
    at_ms: int


def may_leave(message: Message, query: RunQuery) -> bool:
    """Say whether a run that does not pass a filter may be in the list of a viewer who shows it.

    A message says so (``left``), and the page takes the run out, if it had it. Nothing is kept for each viewer, so that
    a list may have any length and a stream be resumed. A run of which no message came lately may have been anything.

    Example:
        >>> from otel_bridge.testing import make_run
        >>> message = Message(1, "run.completed", "", make_run(status="completed"), "r", 0)
        >>> may_leave(message, RunQuery(statuses=frozenset({"running"})))
        True
    """
    if message.before is not None:
        return matches(message.before.run, query, now_ms=message.before.at_ms)
    return matches(message.run, replace(query, **_CHANGEABLE), now_ms=message.at_ms)


_CHANGEABLE: Mapping[str, Any] = {
    "statuses": frozenset(),
    "queue": None,
    "executor": None,
    "version": None,
    "tags": (),
    "attributes": (),
    "min_duration_ms": None,
    "error": None,
    "bulk": None,
    "bulk_part": None,
}
"""Conditions on what may change while a run lives, as none."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One viewer. ``wake`` is set when there is something to send, and when the viewer must go."""

    run_id: str | None
    query: RunQuery | None
    capacity: int
    view: Callable[[Message], Message | None] | None = None
    """What this viewer may see of a message; None: all of it."""
    wake: threading.Event = field(default_factory=threading.Event)
    closed: str | None = None
    """Why the hub dropped this viewer."""
    last_id: int = 0
    _queue: deque[Message] = field(default_factory=deque)
    _everything: bool = False

    def __post_init__(self) -> None:
        self._everything = self.query == RunQuery()

    def listen_to(self, wake: threading.Event) -> None:
        """Use the transport's own event, which it also sets when its peer goes away."""
        self.wake = wake
        if self._queue or self.closed is not None:
            wake.set()

    def for_viewer(self, message: Message) -> Message | None:
        """Return what of a message belongs in this stream; None when it does not."""
        wanted = self._wanted(message)
        return wanted if wanted is None or self.view is None else self.view(wanted)

    def _wanted(self, message: Message) -> Message | None:
        if self.run_id is not None:
            return message if message.shown_in == self.run_id else None
        if message.type.startswith("step.") or self.query is None:
            return None
        if self._everything or matches(message.run, self.query, now_ms=message.at_ms):
            return message
        return message.leaving() if may_leave(message, self.query) else None

    def offer(self, messages: Iterable[Message]) -> None:
        """Queue what belongs here; drop a viewer whose queue is full. A burst may go beyond: that is not slowness."""
        offered = (self.for_viewer(message) for message in messages if message.id > self.last_id)
        wanted = [message for message in offered if message is not None]
        if not wanted or self.closed is not None:
            return
        if len(self._queue) >= self.capacity:
            self.close(SLOW_REASON)
            return
        self._queue.extend(wanted)
        self.wake.set()

    @property
    def has_messages(self) -> bool:
        """True while something waits to be sent."""
        return bool(self._queue)

    def close(self, reason: str) -> None:
        """Tell the viewer's thread to end its stream."""
        self.closed = reason
        self._queue.clear()
        self.wake.set()

    def take(self, timeout_s: float) -> list[Message]:
        """Wait for messages; an empty list after ``timeout_s``, or when something else woke the thread."""
        if not self._queue and self.closed is None:
            self.wake.wait(timeout_s)
        self.wake.clear()
        taken: list[Message] = []
        while self._queue:
            taken.append(self._queue.popleft())
        if taken:
            self.last_id = taken[-1].id
        return taken
