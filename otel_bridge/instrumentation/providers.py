"""What makes an SDK tracer provider replay-safe: an id generator, and a span processor. See ``bodies``, ``guesses``.

Both ask for the current context only; they cost nothing outside of workflows, and work while nobody instruments.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import (
    ReadableSpan,
    Span,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import SpanContext

from otel_bridge.instrumentation.bodies import Body, current_parent, current_place, guard
from otel_bridge.instrumentation.current import RUN_KEY, DurableSpan, LiveRun
from otel_bridge.instrumentation.guesses import kept
from otel_bridge.spans import semconv

_prepared: weakref.WeakSet[TracerProvider] = weakref.WeakSet()


class DurableIdGenerator(IdGenerator):
    """Gives a span that a workflow's body opens the same id at every execution; any other has the inner generator's.

    The instrumentor puts it into the global tracer provider, or into the one given as ``tracer_provider``. Tracers
    keep the generator that their provider had when they were made, so where some are made before ``instrument()``,
    give it to the provider itself::

        TracerProvider(id_generator=DurableIdGenerator())
    """

    def __init__(self, inner: IdGenerator | None = None) -> None:
        self.inner = inner or RandomIdGenerator()

    def generate_span_id(self) -> int:
        """Return a span id. Never raises more than the inner generator."""
        try:
            place = current_place()
            if place is not None:
                return place.body.span_id(place.seq, current_parent())
        except Exception as error:  # noqa: BLE001 - called by user code in a workflow
            guard.caught("computing the id of a span in a workflow's body", error)
        return self.inner.generate_span_id()

    def generate_trace_id(self) -> int:
        """Return a trace id. Never raises more than the inner generator."""
        try:
            place = current_place()
            if place is not None:
                return place.body.trace_id(place.seq)
        except Exception as error:  # noqa: BLE001 - called by user code in a workflow
            guard.caught("computing the id of a trace in a workflow's body", error)
        return self.inner.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """Return what the inner generator says: a hash is as random as its."""
        return bool(getattr(self.inner, "is_trace_id_random", lambda: True)())


class ReplayProcessor(SpanProcessor):
    """Keeps the spans of a replayed body from the other processors, and those under a guessed id until it is known.

    Args:
        flush: whether to note on the body that a span of it has ended, for ``flush_before_steps``.
    """

    def __init__(self, *, flush: bool = False) -> None:
        self._flush = flush

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Mark a span that may be a second copy, and have its end judged."""
        try:
            run = _guessing(span, parent_context)
            if run is not None:
                # The SDK hands an ended span to what it was made with, and offers no way to withhold it.
                span._span_processor = _Keeper(span._span_processor, run)
            place = current_place()
            if place is None:
                return
            history = place.body.history(place.seq)
            if history.recovered and place.seq <= history.last_seq:
                span.set_attribute(semconv.REPLAYED, True)
                span._span_processor = _Judge(span._span_processor, place.body, history.last_seq)
        except Exception as error:  # noqa: BLE001 - called by user code in a workflow
            guard.caught("judging a span of a workflow's body", error)

    def on_end(self, span: ReadableSpan) -> None:
        """Note that the body has a span to flush."""
        if self._flush:
            place = current_place()
            if place is not None:
                place.body.unflushed = True

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what was kept back as it is."""
        kept.release_all()
        return True

    def shutdown(self) -> None:
        """Send what was kept back as it is."""
        kept.release_all()


def _guessing(span: Span, parent_context: Context | None) -> LiveRun | None:
    """Return the run whose placement was guessed for the trace that a span is in; None where nothing was."""
    run = _run_of(trace.get_current_span(parent_context)) or otel_context.get_value(RUN_KEY, parent_context)
    if not isinstance(run, LiveRun) or run.guess is None or span.context is None:
        return None
    return run if span.context.trace_id in run.guess.trace_ids else None


def _run_of(parent: trace.Span) -> LiveRun | None:
    """Return the run that a parent belongs to, as far as it shows that itself: code may pass a context of its own."""
    if isinstance(parent, DurableSpan):
        return parent._run
    processor = getattr(parent, "_span_processor", None)
    if isinstance(processor, _Judge):
        processor = processor._inner
    return processor._run if isinstance(processor, _Keeper) else None


class _Keeper(SpanProcessor):
    """Passes a span on when its run's placement is known, under the right ids."""

    def __init__(self, inner: Any, run: LiveRun) -> None:
        self._inner, self._run = inner, run

    def _on_ending(self, span: Span) -> None:
        getattr(self._inner, "_on_ending", lambda _: None)(span)

    def on_end(self, span: ReadableSpan) -> None:
        if not kept.keep(self._run, partial(self._send, span)):
            self._send(span)

    def _send(self, span: ReadableSpan) -> None:
        try:
            span._context, span._parent = self._right(span.context), self._right(span.parent)
        except Exception as error:  # noqa: BLE001 - called by user code, or by the thread that looks runs up
            guard.caught("correcting the ids of a span", error)
        self._inner.on_end(span)

    def _right(self, context: SpanContext | None) -> SpanContext | None:
        placement, guess = self._run.placement, self._run.guess
        if context is None or placement is None or guess is None:
            return context
        trace_id = guess.trace_id(context.trace_id, placement)
        span_id = guess.span_id(context.span_id, placement)
        return SpanContext(trace_id, span_id, context.is_remote, context.trace_flags, context.trace_state)


class _Judge(SpanProcessor):
    """Passes a span on when it ends, unless the earlier execution has ended it too."""

    def __init__(self, inner: Any, body: Body, last_seq: int) -> None:
        self._inner, self._body, self._last_seq = inner, body, last_seq

    def _ended_before(self) -> bool:
        place = current_place()
        return place is not None and place.body is self._body and place.seq < self._last_seq

    def _on_ending(self, span: Span) -> None:
        if not self._ended_before():
            getattr(self._inner, "_on_ending", lambda _: None)(span)

    def on_end(self, span: ReadableSpan) -> None:
        if not self._ended_before():
            self._inner.on_end(span)


def prepare(provider: object, *, flush: bool = False) -> TracerProvider | None:
    """Make a provider replay-safe, once; return it, or None where it is not the SDK's.

    Args:
        provider: None for the global one.
    """
    found = trace.get_tracer_provider() if provider is None else provider
    if not isinstance(found, TracerProvider):
        return None
    if not isinstance(found.id_generator, DurableIdGenerator):
        inner: IdGenerator = found.id_generator
        setattr(found, "id_generator", DurableIdGenerator(inner))  # noqa: B010 - the SDK declares its default's type
    if found not in _prepared:
        _prepared.add(found)
        found.add_span_processor(ReplayProcessor(flush=flush))
        _put_first(found)
    return found


def _put_first(provider: TracerProvider) -> None:
    """Have what was kept back flushed before the processors that export it: they are flushed and shut down in order."""
    processors = provider._active_span_processor
    if isinstance(processors, SynchronousMultiSpanProcessor):
        with processors._lock:
            *others, ours = processors._span_processors
            processors._span_processors = (ours, *others)
