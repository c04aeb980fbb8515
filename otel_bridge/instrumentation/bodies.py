"""Spans that code opens in a workflow's body: the same ids at every execution, and none twice that is known to be out.

DBOS executes a body from its beginning after every crash, and answers its recorded steps from the database. What the
body does between them happens again, spans included. Two things make that harmless. Such a span's id is computed from
where the body stands, so a second copy has the first one's id. And a span that ends before the last recorded step
begins has ended in the earlier execution too, because that went on to this step: it is not exported again.

What is open at the last recorded step, or begins after it, may or may not have been exported before the crash; nothing
recorded tells. It is exported, marked ``durable.replayed``. Spans inside steps are left alone: a step that is executed
twice did its work twice. One read of the engine's database for each execution that opens a span in its body, on its
first; touches no clock.
"""

from __future__ import annotations

import logging
import threading
from typing import NamedTuple

from opentelemetry import context as otel_context
from opentelemetry import trace

from otel_bridge.instrumentation import engine
from otel_bridge.instrumentation.current import RUN_KEY, LiveRun, Placement
from otel_bridge.instrumentation.guard import Guard, untraced
from otel_bridge.spans import ids, semconv

_making = threading.Lock()
guard = Guard()
"""Of the process, as providers are: it outlives an instrumented period."""


class History(NamedTuple):
    """What earlier executions have left when the body opens its first span."""

    recovered: bool
    last_seq: int


class Body:
    """One execution of a workflow's body: how many spans it opened where, and what was recorded before it."""

    __slots__ = ("_counts", "_history", "_lock", "_seq", "run", "unflushed")

    def __init__(self, run: LiveRun) -> None:
        self.run = run
        self.unflushed = False
        self._lock = threading.Lock()
        self._seq = 0
        self._counts: dict[int, int] = {}
        self._history: History | None = None

    def history(self, seq: int) -> History:
        """Return what was recorded; read once. Rows of this execution itself never lie beyond ``seq``."""
        if self._history is None:
            self._history = History(False, 0)  # for good where reading fails, which is not tried at every span
            with untraced():
                last_seq, executions = engine.recorded_history(self.run.run_id)
            self._history = History(executions > 1 or last_seq > seq, last_seq)
        return self._history

    def span_id(self, seq: int, parent: int) -> int:
        """Return the id of the span that the body opens now under ``parent``."""
        placement = self.run.settled()
        nth = self._count(seq, parent, placement)

        def compute(placement: Placement) -> int:
            raw = ids.body_span_id(
                self.run.run_id,
                seq,
                nth,
                parent=self._right(parent, placement),
                generation=placement.generation,
                namespace=self.run.namespace,
            )
            return int.from_bytes(raw, "big")

        span_id, guess = compute(placement), self.run.guessed(placement)
        if guess is not None:
            guess.span_ids[span_id] = compute
        return span_id

    def trace_id(self, seq: int) -> int:
        """Return the id of the trace that the body begins now apart from its run's."""
        placement = self.run.settled()
        nth = self._count(seq, -1, placement)

        def compute(placement: Placement) -> int:
            raw = ids.body_trace_id(
                self.run.run_id, seq, nth, generation=placement.generation, namespace=self.run.namespace
            )
            return int.from_bytes(raw, "big")

        trace_id, guess = compute(placement), self.run.guessed(placement)
        if guess is not None:
            guess.trace_ids[trace_id] = compute
        return trace_id

    def _right(self, span_id: int, placement: Placement) -> int:
        """Return what an id that may have been guessed is with this placement."""
        return span_id if self.run.guess is None else self.run.guess.span_id(span_id, placement)

    def _count(self, seq: int, parent: int, placement: Placement) -> int:
        with self._lock:
            if seq != self._seq:  # a body never goes back: the counts of earlier places are done with
                self._seq = seq
                self._counts.clear()
            # A parent whose id was a guess is the same parent when the answer is there.
            self._counts = {self._right(known, placement): nth for known, nth in self._counts.items()}
            parent = self._right(parent, placement)
            nth = self._counts.get(parent, 0)
            self._counts[parent] = nth + 1
            return nth


class BodyPlace(NamedTuple):
    """Where the calling code stands: in a body, after having begun step ``seq``."""

    body: Body
    seq: int


def current_place() -> BodyPlace | None:
    """Return the place of the calling code; None outside of bodies, as inside a step."""
    run = otel_context.get_value(RUN_KEY)
    if not isinstance(run, LiveRun):
        return None
    seq = engine.body_position(run.run_id)
    if seq is None:
        return None
    if run.body is None:
        with _making:
            run.body = run.body or Body(run)
    return BodyPlace(run.body, seq)


def forget() -> None:
    """In a forked child: the locks may be held by threads that are not there."""
    global _making
    _making = threading.Lock()
    guard.forget()


def current_parent() -> int:
    """Return the id of the current span; 0 for none."""
    return trace.get_current_span().get_span_context().span_id


def replaying() -> bool:
    """Return whether the calling workflow body repeats what an earlier execution of its run has done.

    False in steps, outside of workflows, and from the last recorded step on, whose aftermath nobody knows. For what
    OpenTelemetry cannot take back: metrics, and other effects in a body that should happen once. Never raises.

    Example::

        if not replaying():
            tokens.add(usage.total)
    """
    try:
        place = current_place()
        if place is None:
            return False
        history = place.body.history(place.seq)
        return history.recovered and place.seq < history.last_seq
    except Exception as error:  # noqa: BLE001 - called by workflow code
        guard.caught("finding out whether a body is replayed", error)
        return False


class SkipReplayed(logging.Filter):
    """Keeps the records of a body from being written again at each recovery.

    Example::

        handler.addFilter(SkipReplayed())
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to handle the record."""
        return not replaying()


class RunContext(logging.Filter):
    """Says on log records of workflows and steps whose they are: ``durable.run.id``, ``durable.step.seq`` and, where
    the step is retried, ``durable.step.attempt``.

    OpenTelemetry's handler sends them as attributes, beside the trace and span that it takes from the context; a
    formatter of one's own finds them on the record. Records from elsewhere pass as they are.

    Example::

        handler.addFilter(RunContext())
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add what is known; never raises, and handles every record."""
        try:
            found = engine.position()
            if found is not None:
                for name, value in zip((semconv.RUN_ID, semconv.STEP_SEQ, semconv.STEP_ATTEMPT), found, strict=True):
                    if value is not None:
                        record.__dict__.setdefault(name, value)
        except Exception as error:  # noqa: BLE001 - called by workflow code
            guard.caught("finding out whose a log record is", error)
        return True
