"""One viewer's stream: a snapshot, then messages, then heartbeats. Ends after a while: a viewer connects again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Literal

from dashboard.errors import Problem
from dashboard.live.hub import STOPPED_REASON, LiveHub
from dashboard.live.subscription import Subscription
from dashboard.wire.base import Wire
from dashboard.wire.json import to_json
from otel_bridge.codec import mask_text
from otel_bridge.errors import BridgeError

LEFT_S = 2.0
"""How often to ask whether a peer has left that could not say so."""
GOING_AWAY, NOT_ADMITTED, TRY_AGAIN_LATER = 1001, 1008, 1013
"""Websocket close codes. Source: RFC 6455, section 7.4.1, and its registry."""
NOT_ADMITTED_REASON = "Your sign-in has ended or changed. Sign in again."


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a stream. ``event`` is its SSE name; None for lifecycle events, which ``onmessage`` gets.

    A frame "dropped" is the last one: its text is the reason, its code what a websocket is closed with.
    """

    event: Literal["snapshot", "heartbeat", "changed", "dropped"] | None
    id: int
    text: str
    code: int = TRY_AGAIN_LATER


@dataclass(slots=True)
class _Schedule:
    """When a stream beats, when it asks again who is looking, and when it has lasted long enough."""

    heartbeat_s: float
    max_age_s: float
    beat_at: float = field(init=False)
    check_at: float = field(init=False)
    end_at: float = field(init=False)

    def __post_init__(self) -> None:
        now = time.monotonic()
        self.beat_at = self.check_at = now + self.heartbeat_s
        # Streams that began together, as after a restart, do not all come back together.
        self.end_at = now + self.max_age_s * random.uniform(0.9, 1.1)

    def wait_s(self, at_most_s: float | None) -> float:
        """Return how long there is nothing to do but wait for messages."""
        wait_s = min(self.beat_at, self.check_at, self.end_at) - time.monotonic()
        return max(0.0, wait_s if at_most_s is None else min(wait_s, at_most_s))


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream route hands to its transport: where the viewer is, and how to make its snapshot."""

    hub: LiveHub
    subscribe: Callable[[], tuple[Subscription, bool]]
    snapshot: Callable[[Subscription], Wire]
    heartbeat_s: float
    max_age_s: float
    hides_tokens: bool = False
    """The viewer may see no webhook token: messages are made for everybody, and names are in them as they are."""

    def _text(self, text: str) -> str:
        return mask_text(text) if self.hides_tokens else text

    def frames(
        self,
        wake: threading.Event | None = None,
        *,
        has_left: Callable[[], bool] | None = None,
        still_admitted: Callable[[], bool] = lambda: True,
    ) -> Generator[Frame, None, None]:
        """Yield frames until the stream is old, the viewer dropped or gone, or the transport closes this generator.

        Args:
            wake: an event that the transport also sets, when its peer goes away.
            has_left: asked when there was nothing to send. Without ``wake`` every two seconds, so that a stream whose
                peer has left does not hold its thread until the next heartbeat fails.
            still_admitted: asked at every heartbeat's time, quiet or not, and before the stream ends of age.
        """
        subscription, resumed = self.subscribe()
        if wake is not None:
            subscription.listen_to(wake)
        try:
            if not resumed:
                self.hub.wait_until_watching()
                yield Frame("snapshot", subscription.last_id, self._text(to_json(self.snapshot(subscription))))
            polls = has_left is not None and wake is None
            yield from self._follow(subscription, has_left, still_admitted, polls=polls, resumed=resumed)
        except (BridgeError, Problem) as error:
            yield Frame("dropped", subscription.last_id, str(error))
        finally:
            self.hub.unsubscribe(subscription)

    def _follow(
        self,
        subscription: Subscription,
        has_left: Callable[[], bool] | None,
        still_admitted: Callable[[], bool],
        *,
        polls: bool,
        resumed: bool,
    ) -> Generator[Frame, None, None]:
        schedule = _Schedule(self.heartbeat_s, self.max_age_s)
        if resumed:
            schedule.beat_at = (
                time.monotonic()
            )  # a first word: a connection that passes nothing on would look just the same
        while True:
            messages = subscription.take(schedule.wait_s(LEFT_S if polls else None))
            for message in messages:
                yield Frame("changed" if message.type == "changed" else None, message.id, self._text(message.json))
            if subscription.closed is not None:
                code = GOING_AWAY if subscription.closed == STOPPED_REASON else TRY_AGAIN_LATER
                yield Frame("dropped", subscription.last_id, subscription.closed, code)
                return
            now = time.monotonic()
            if not messages and has_left is not None and has_left():
                return
            if now >= min(schedule.check_at, schedule.end_at):
                schedule.check_at = now + self.heartbeat_s
                if not still_admitted():
                    yield Frame("dropped", subscription.last_id, NOT_ADMITTED_REASON, NOT_ADMITTED)
                    return
            if messages:
                schedule.beat_at = now + self.heartbeat_s
            if now >= min(schedule.beat_at, schedule.end_at):
                # Also the last word of a stream that ends of age: its id is where the viewer continues.
                beat = self.hub.heartbeat(subscription)
                yield Frame("heartbeat", beat.id, to_json(beat))
                schedule.beat_at = now + self.heartbeat_s
            if now >= schedule.end_at:
                return
