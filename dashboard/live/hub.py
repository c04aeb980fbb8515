"""The live tail: one watcher thread per blueprint, however many viewers. Reads the store; starts one thread.

The watcher starts with the first viewer and stops a little after the last, so that a reconnect finds its place.
Every viewer has a bounded queue; one that reads too slowly is dropped with a reason and never holds up another.
A viewer that names the last id it saw gets what followed, if the ring still has it (``ring``); else a fresh snapshot.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from dashboard.live.marks import WatchMarks
from dashboard.live.ring import Ring
from dashboard.live.subscription import Message, Subscription
from dashboard.read.loading import undo_of
from dashboard.read.services import Services
from dashboard.wire.base import Wire
from dashboard.wire.convert import event_view, step_view
from dashboard.wire.json import to_json
from dashboard.wire.runs import RunRow, StepView
from dashboard.wire.stream import Changed, Heartbeat
from otel_bridge.errors import BridgeError
from otel_bridge.forks import forget_after_fork
from otel_bridge.model.events import LifecycleEvent
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.tail.changes import ChangeTail, RunChange

log = logging.getLogger(__name__)

RING_EVENTS = 20_000
LINGER_S = 10.0
READY_S = 3.0
FAST_S, SLOW_S, IDLE_S, SLOWEST_S, FAILED_S = 0.04, 0.1, 0.3, 0.3, 1.0
REST_FACTOR = 20
"""The watcher rests for so many times the time that its last look took: looking is a small part of its life."""
ACTIVE_FOR_S, SLOW_FOR_S = 5.0, 30.0
STOPPED_REASON = "The server is going away; connect again."


def rest_s(*, took_s: float, quiet_s: float) -> float:
    """Return how long the watcher rests after a look: longer where looks are slow, and where nothing happens.

    Example:
        >>> rest_s(took_s=0.001, quiet_s=0), rest_s(took_s=0.001, quiet_s=10), rest_s(took_s=0.001, quiet_s=60)
        (0.04, 0.1, 0.3)
        >>> rest_s(took_s=2, quiet_s=0)
        0.3
    """
    least_s = FAST_S if quiet_s < ACTIVE_FOR_S else SLOW_S if quiet_s < SLOW_FOR_S else IDLE_S
    return min(max(least_s, REST_FACTOR * took_s), SLOWEST_S)


def _tail_of(services: Services) -> ChangeTail:
    return ChangeTail(services.store, ledger=services.ledger_or_none(), codec=services.settings.codec)


class LiveHub:
    """One watcher for all viewers of a blueprint.

    Args:
        new_tail: makes the change tail when the watcher starts (again).
        is_stopping: says whether the server is ending; then every stream ends, before the server loses patience.
    """

    def __init__(
        self,
        services: Services,
        *,
        new_tail: Callable[[Services], ChangeTail] | None = None,
        linger_s: float = LINGER_S,
        ring_events: int = RING_EVENTS,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._services = services
        self._new_tail = new_tail or _tail_of
        self._linger_s = linger_s
        self._is_stopping = is_stopping
        self.forget()
        self._ring = Ring(ring_events)
        forget_after_fork(self)

    def forget(self) -> None:
        """Begin without viewers and without a watcher: the parent's threads are not in this process."""
        self._lock = threading.Lock()
        self._subscriptions: set[Subscription] = set()
        self._by_run: dict[str, set[Subscription]] = {}
        self._lists: set[Subscription] = set()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._impatient = False
        self.problem: str | None = None
        """Why the store could not be read at the last try, for heartbeats and health."""

    @property
    def viewers(self) -> int:
        """How many streams are open."""
        return len(self._subscriptions)

    @property
    def last_id(self) -> int:
        """The newest id issued."""
        return self._ring.last_id

    def subscribe(
        self,
        *,
        run_id: str | None = None,
        query: RunQuery | None = None,
        last_event_id: int | None = None,
        view: Callable[[Message], Message | None] | None = None,
    ) -> tuple[Subscription, bool]:
        """Add a viewer of one run, or of the list.

        Args:
            view: what the viewer may see of a message; None: all of it.

        Returns:
            The subscription, and True when it continues from ``last_event_id`` (else: send a snapshot first, whose
            id is the subscription's ``last_id``).
        """
        subscription = Subscription(run_id, query, self._services.settings.stream_queue, view)
        with self._lock:
            self._ensure_watching()
            resumed = last_event_id is not None and self._ring.remembers(last_event_id)
            subscription.last_id = last_event_id if resumed and last_event_id is not None else self._ring.last_id
            self._subscriptions.add(subscription)
            if run_id is None:
                self._lists.add(subscription)
            else:
                self._by_run.setdefault(run_id, set()).add(subscription)
            if resumed:
                subscription.offer(self._ring.after(subscription.last_id))
        return subscription, resumed

    def unsubscribe(self, subscription: Subscription) -> None:
        """Remove a viewer. Idempotent."""
        with self._lock:
            self._subscriptions.discard(subscription)
            self._lists.discard(subscription)
            if subscription.run_id is not None:
                others = self._by_run.get(subscription.run_id, set())
                others.discard(subscription)
                if not others:
                    self._by_run.pop(subscription.run_id, None)

    def stop(self, *, timeout_s: float = 5.0) -> None:
        """End every stream and the watcher. Idempotent; a later viewer starts it again."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stop.set()
        self._end_streams(STOPPED_REASON)
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _end_streams(self, reason: str) -> None:
        with self._lock:
            for subscription in self._subscriptions:
                subscription.close(reason)

    def wait_until_watching(self, timeout_s: float = READY_S) -> bool:
        """Wait for the watcher's first look: a snapshot read after it and the events that follow leave no gap."""
        if self._ready.wait(timeout_s):
            return True
        self._impatient = True
        return False

    def heartbeat(self, subscription: Subscription) -> Heartbeat:
        """Return what to send when nothing happened. Like an event's id, its id is a place to resume from."""
        with self._lock:
            if not subscription.has_messages:
                subscription.last_id = self._ring.last_id
        return Heartbeat(id=subscription.last_id, problem=self.problem)

    # -- the watcher ------------------------------------------------------------------------------------------

    def _ensure_watching(self) -> None:
        if self._thread is None:
            self._ring.restart()
            self._stop = threading.Event()
            self._ready.clear()
            self._impatient = False
            self._thread = threading.Thread(target=self._watch, args=(self._stop,), name="durable-live", daemon=True)
            self._thread.start()

    def _watch(self, stop: threading.Event) -> None:
        tail: ChangeTail | None = None
        quiet_since = last_viewer = time.monotonic()
        marks = WatchMarks(self._services)
        while not stop.is_set():
            now = time.monotonic()
            marks.mark(list(self._by_run), now)
            if self._subscriptions and self._is_stopping():
                self._end_streams(STOPPED_REASON)
            if self._subscriptions:
                last_viewer = now
            elif now - last_viewer > self._linger_s and self._retire(stop):
                return
            tail, changes = self._look(tail)
            if changes is None:
                stop.wait(FAILED_S)
                continue
            if changes:
                quiet_since = now
                self._publish(changes)
            stop.wait(rest_s(took_s=time.monotonic() - now, quiet_s=now - quiet_since))

    def _look(self, tail: ChangeTail | None) -> tuple[ChangeTail | None, list[RunChange] | None]:
        """Poll once, with a new tail where there is none; the changes are None where the look failed."""
        try:
            first = tail is None
            tail = tail or self._new_tail(self._services)
            changes = tail.poll(watch=list(self._by_run))
            if first and not self._impatient:
                changes = []  # all of it precedes the snapshots, which wait for this look
            self.problem = None
            self._ready.set()
            self._services.outages.works()
        except BridgeError as error:
            if self._services.outages.is_new(error):
                log.warning("The live tail cannot read the store; it tries again every second: %s", error)
            self.problem = str(error)
            return tail, None
        except Exception as error:
            # A bug must not end everybody's streams: log it once and continue.
            if self._services.outages.is_new(error):
                log.exception("Unexpected error in the live watcher; continuing")
            self.problem = "The live watcher failed. The details are in the server log."
            return tail, None
        return tail, changes

    def _retire(self, stop: threading.Event) -> bool:
        """End the watcher unless a viewer came meanwhile."""
        with self._lock:
            if self._subscriptions:
                return False
            if self._stop is stop:
                self._thread = None
            return True

    def _publish(self, changes: list[RunChange]) -> None:
        runs = self._services.with_bulks(self._services.with_errors([change.run for change in changes]))
        changes = [replace(change, run=run) for change, run in zip(changes, runs, strict=True)]
        rows = self._services.rows(runs, just_now=True)
        with self._lock:
            messages = [
                message for change, row in zip(changes, rows, strict=True) for message in self._messages(change, row)
            ]
            for change in changes:
                self._ring.note(change.run, self._services.store.now_ms())
            self._ring.add(messages)
            for subscription in self._lists:
                subscription.offer(messages)
            for run_id in {message.shown_in for message in messages} & self._by_run.keys():
                for subscription in self._by_run[run_id]:
                    subscription.offer(messages)

    def _messages(self, change: RunChange, row: RunRow) -> Iterable[Message]:
        settings = self._services.settings
        namespace = settings.namespace
        if not change.events:
            yield self._issue("changed", change.run, change.run.id, lambda id_: Changed(id=id_, run_id=row.id, run=row))
            return
        steps = {step.seq: step for step in change.steps}
        for event in change.events:
            step = steps.get(event.seq) if event.seq is not None else None
            view = None if step is None else step_view(step, namespace=namespace)
            yield self._event(event, change.run, row if event.seq is None else None, view)
        if change.run.undoes_id is None:
            return
        for source, shown in undo_of(self._services.store, change.run.id, change.steps):
            for event in change.events:
                if source is not None and event.seq == source.seq:
                    view = step_view(shown, namespace=namespace, source=(source.run_id, source.seq))
                    yield self._event(replace(event, run_id=shown.run_id, seq=shown.seq), change.run, None, view)

    def _event(self, event: LifecycleEvent, run: Run, row: RunRow | None, step: StepView | None) -> Message:
        if event.type == "run.started" and row is not None:
            event = replace(event, queue_ms=row.queue_ms)
        return self._issue(event.type, run, event.run_id, lambda id_: event_view(event, id_, run=row, step=step))

    def _issue(self, kind: str, run: Run, shown_in: str, make: Callable[[int], Wire]) -> Message:
        id_ = self._ring.issue()
        at_ms = self._services.store.now_ms()
        return Message(id_, kind, to_json(make(id_)), run, shown_in, at_ms, self._ring.before(run.id))
