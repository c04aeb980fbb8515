"""Server-Sent Events: lines -> messages, and the state that a reconnect needs. Pure.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from dashboard.client.errors import ProtocolError
from dashboard.schemas import Changed, EventView, Heartbeat, ListSnapshot, RunSnapshot

RunMessage = RunSnapshot | EventView | Changed | Heartbeat
"""What a run's stream yields."""
ListMessage = ListSnapshot | EventView | Changed | Heartbeat
"""What the list's stream yields."""
StreamMessage = RunSnapshot | ListSnapshot | EventView | Changed | Heartbeat

ENDS = frozenset({"run.completed", "run.failed", "run.cancelled", "run.dead"})
"""Events after which a run sends no more, unless somebody acts on it."""
ENDED = frozenset({"completed", "failed", "cancelled", "dead"})

_MODELS: dict[str, TypeAdapter[Any]] = {
    "heartbeat": TypeAdapter(Heartbeat),
    "changed": TypeAdapter(Changed),
    "message": TypeAdapter(EventView),
}
_SNAPSHOT: TypeAdapter[RunSnapshot | ListSnapshot] = TypeAdapter(RunSnapshot | ListSnapshot)


@dataclass
class Follower:
    """Reads one stream over as many connections as it takes.

    Args:
        last_event_id: of the last message that was read; sent when connecting again, so that nothing is missed.
        retry_s: how long the server asks us to wait before that.
        dropped: why the server closed the stream, where it said so.
    """

    last_event_id: int | None = None
    retry_s: float = 2.0
    dropped: str | None = None
    _event: str = ""
    _data: list[str] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the next connection."""
        resumed = {} if self.last_event_id is None else {"Last-Event-ID": str(self.last_event_id)}
        return {"Accept": "text/event-stream", **resumed}

    def begin(self) -> None:
        """Forget the half of a message that a broken connection left."""
        self._event, self._data = "", []

    def feed(self, line: str) -> Iterator[StreamMessage]:
        """Take one line, without its line end; yield the message that it completes, if it does.

        Raises:
            ProtocolError: a message that no version of the API sends.
        """
        if line:
            name, _, value = line.partition(":")
            self._field(name, value.removeprefix(" "))
            return
        event, data = self._event or "message", "\n".join(self._data)
        self.begin()
        if event == "dropped":
            self.dropped = str(json.loads(data).get("reason"))
        elif data and (event in _MODELS or event == "snapshot"):
            yield self._parse(event, data)

    def _field(self, name: str, value: str) -> None:
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "retry" and value.isdigit():
            self.retry_s = int(value) / 1000

    def _parse(self, event: str, data: str) -> StreamMessage:
        try:
            message: StreamMessage = _MODELS.get(event, _SNAPSHOT).validate_json(data)
        except ValueError as error:
            raise ProtocolError("the stream", f"{event!r} message not understood ({str(error)[:200]})") from error
        self.last_event_id = message.id
        return message


def ends_run(message: StreamMessage) -> bool:
    """Return whether the run has ended with this message."""
    if isinstance(message, RunSnapshot):
        return message.detail.run.status in ENDED
    if isinstance(message, Changed):
        return message.run.status in ENDED
    return isinstance(message, EventView) and message.type in ENDS
