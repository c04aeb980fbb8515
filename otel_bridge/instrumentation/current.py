"""The spans that are current inside runs and steps. They are never recorded: the bridge exports the real ones.

Ids are computed when somebody asks for them, that is when user code makes a span or logs inside the step; a run
that nobody traces into pays for an object and a context variable. Touches no clock, file or database itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import context as otel_context
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
)

from otel_bridge.instrumentation.guesses import Guess
from otel_bridge.spans import ids

if TYPE_CHECKING:
    from otel_bridge.instrumentation.bodies import Body

RUN_KEY = otel_context.create_key("durable-run")
"""Under it the current context holds the ``LiveRun`` whose body or step is executing."""
STEP_KEY = otel_context.create_key("durable-step")
"""Under it, what the current step's log records are kept with; nothing outside of steps."""
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_STATELESS = TraceState()


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an execution of a run belongs: its trace, and which of its lives this is."""

    trace_id: bytes
    generation: int = 0


class LiveRun:
    """One execution of a run in this process. ``placement`` is None until the answer is there, and then stays.

    ``body`` is what is known of the spans that its body opens; None until the first of them. ``guess`` is what was
    computed before the placement was known; None where nobody asked so early.
    """

    __slots__ = ("__weakref__", "_settle", "asked", "body", "guess", "missed", "namespace", "placement", "run_id")

    def __init__(self, run_id: str, settle: Callable[[LiveRun], Placement], *, namespace: str = "") -> None:
        self.run_id = run_id
        self.namespace = namespace
        self.body: Body | None = None
        self.guess: Guess | None = None
        self.placement: Placement | None = None
        self.asked = 0
        self.missed = False
        self._settle = settle

    def settled(self) -> Placement:
        """Return the placement, waiting shortly for it when it was not looked up yet; else the first life's."""
        return self.placement or self._settle(self)

    def guessed(self, placement: Placement) -> Guess | None:
        """Return where to note what is computed for a placement that ``settled`` returned; None: it is no guess."""
        return None if placement is self.placement else self.guess


class DurableSpan(NonRecordingSpan):
    """The span of a run's body (``seq`` None) or of one of its steps, known by its ids alone."""

    def __init__(
        self, run: LiveRun, seq: int | None, *, namespace: str, on_error: Callable[[str, BaseException], None]
    ) -> None:
        self._run, self._seq, self._namespace, self._on_error = run, seq, namespace, on_error
        self._known: SpanContext | None = None
        self._is_guess = False

    def get_span_context(self) -> SpanContext:
        """Return the context that the bridge's span of this run or step will have. Never raises."""
        if self._known is None or (self._is_guess and self._run.placement is not None):
            try:
                self._known = self._compute()
            except Exception as error:  # noqa: BLE001 - asked by user code inside a step
                self._on_error("computing a span's ids", error)
                return INVALID_SPAN_CONTEXT
        return self._known

    def _compute(self) -> SpanContext:
        placement = self._run.settled()
        guess = self._run.guessed(placement)
        span_id = self._span_id(placement)
        self._is_guess = guess is not None
        if guess is not None:
            guess.span_ids[span_id] = self._span_id
        return SpanContext(
            trace_id=int.from_bytes(placement.trace_id, "big"),
            span_id=span_id,
            is_remote=True,
            trace_flags=_SAMPLED,
            trace_state=_STATELESS,
        )

    def _span_id(self, placement: Placement) -> int:
        run_id, generation = self._run.run_id, placement.generation
        if self._seq is not None:
            span_id = ids.step_span_id(run_id, self._seq, generation=generation, namespace=self._namespace)
        elif generation:
            span_id = ids.retry_span_id(run_id, generation, namespace=self._namespace)
        else:
            span_id = ids.root_span_id(run_id, namespace=self._namespace)
        return int.from_bytes(span_id, "big")

    def __repr__(self) -> str:
        return f"DurableSpan(run_id={self._run.run_id!r}, seq={self._seq!r})"
