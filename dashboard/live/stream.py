"""One viewer's stream: a snapshot, then messages, then heartbeats."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal

from dashboard.errors import Problem
from dashboard.live.hub import LiveHub, Subscription
from dashboard.wire.base import Wire
from dashboard.wire.json import to_json
from otel_bridge.errors import BridgeError

LEFT_S = 2.0
"""How often to ask whether a peer has left that could not say so."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a stream. ``event`` is its SSE name; None for lifecycle events, which ``onmessage`` gets."""

    event: Literal["snapshot", "heartbeat", "changed", "dropped"] | None
    id: int
    text: str


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream route hands to its transport: where the viewer is, and how to make its snapshot."""

    hub: LiveHub
    subscribe: Callable[[], tuple[Subscription, bool]]
    snapshot: Callable[[Subscription], Wire]
    heartbeat_s: float

    def frames(self, wake: Any = None, *, has_left: Callable[[], bool] | None = None) -> Generator[Frame, None, None]:
        """Yield frames until the hub drops the viewer, the peer has left, or the transport closes this generator.

        Args:
            wake: an event that the transport also sets, when its peer goes away.
            has_left: for a transport that cannot do that: asked now and then, so that a stream whose peer has left
                does not hold its thread until the next heartbeat fails.
        """
        subscription, resumed = self.subscribe()
        if wake is not None:
            subscription.listen_to(wake)
        try:
            if not resumed:
                self.hub.wait_until_watching()
                yield Frame("snapshot", subscription.last_id, to_json(self.snapshot(subscription)))
            beat_at = time.monotonic() + self.heartbeat_s
            while True:
                wait_s = max(0.0, beat_at - time.monotonic())
                messages = subscription.take(wait_s if has_left is None else min(wait_s, LEFT_S))
                for message in messages:
                    yield Frame("changed" if message.type == "changed" else None, message.id, message.json)
                if subscription.closed is not None:
                    yield Frame("dropped", subscription.last_id, subscription.closed)
                    return
                if has_left is not None and not messages:
                    if has_left():
                        return
                    if time.monotonic() < beat_at:
                        continue
                beat_at = time.monotonic() + self.heartbeat_s
                if not messages:
                    beat = self.hub.heartbeat(subscription)
                    yield Frame("heartbeat", beat.id, to_json(beat))
        except (BridgeError, Problem) as error:
            yield Frame("dropped", subscription.last_id, str(error))
        finally:
            self.hub.unsubscribe(subscription)
