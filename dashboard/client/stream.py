"""Server-Sent Events -> messages, and the state that a reconnect needs. Pure: ``httpx_sse`` reads the lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from httpx_sse import ServerSentEvent
from pydantic import TypeAdapter

from dashboard.client.errors import ProtocolError
from dashboard.wire.stream import Changed, EventView, Heartbeat, ListSnapshot, RunSnapshot
from otel_bridge.model.status import TERMINAL_STATUSES

T = TypeVar("T")

RunMessage = RunSnapshot | EventView | Changed | Heartbeat
"""What a run's stream yields."""
ListMessage = ListSnapshot | EventView | Changed | Heartbeat
"""What the list's stream yields."""
StreamMessage = RunSnapshot | ListSnapshot | EventView | Changed | Heartbeat

ENDS = frozenset({"run.completed", "run.failed", "run.cancelled", "run.dead"})
"""Events after which a run sends no more, unless somebody acts on it."""

_MODELS: dict[str, TypeAdapter[StreamMessage]] = {
    "heartbeat": TypeAdapter(Heartbeat),
    "changed": TypeAdapter(Changed),
    "message": TypeAdapter(EventView),
}
_DROPPED: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])
_SNAPSHOT: TypeAdapter[StreamMessage] = TypeAdapter(RunSnapshot | ListSnapshot)


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

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the next connection."""
        resumed = {} if self.last_event_id is None else {"Last-Event-ID": str(self.last_event_id)}
        return {"Accept": "text/event-stream", "Cache-Control": "no-store", **resumed}

    def wait_as_asked(self, retry_after: str | None) -> None:
        """Take the seconds of a refusal's ``Retry-After`` for the next wait; a date, or none, changes nothing."""
        if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
            self.retry_s = float(retry_after)

    def read(self, sent: ServerSentEvent) -> StreamMessage | None:
        """Return the message of one event; None for what carries none, such as a ``retry`` alone.

        Raises:
            ProtocolError: a message that no version of the API sends.
        """
        if sent.retry is not None:
            self.retry_s = sent.retry / 1000
        if sent.event == "dropped":
            self.dropped = _parsed(_DROPPED, sent).get("reason")
        elif sent.data and (sent.event in _MODELS or sent.event == "snapshot"):
            message = _parsed(_MODELS.get(sent.event, _SNAPSHOT), sent)
            self.last_event_id = message.id
            return message
        return None


def _parsed(model: TypeAdapter[T], sent: ServerSentEvent) -> T:
    try:
        return model.validate_json(sent.data)
    except ValueError as error:
        raise ProtocolError("the stream", f"{sent.event!r} message not understood ({str(error)[:200]})") from error


def ends_run(message: StreamMessage) -> bool:
    """Return whether the run has ended with this message."""
    if isinstance(message, RunSnapshot):
        return message.detail.run.status in TERMINAL_STATUSES
    if isinstance(message, Changed):
        return message.run.status in TERMINAL_STATUSES
    return isinstance(message, EventView) and message.type in ENDS
