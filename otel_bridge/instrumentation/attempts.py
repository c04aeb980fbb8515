"""A span for each attempt of a step that DBOS retries, for attempts that failed and those that came after one.

The engine stores a step's outcome alone; that it took three attempts, and why the first two failed, only its worker
sees. Spans go to the application's own tracer provider, as children of the step's span; without an SDK none are made. A
step that succeeds at once costs two clock readings, one that is not retried nothing. Reads a clock.
"""

from __future__ import annotations

import time
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode

from otel_bridge.instrumentation.heartbeat import Scope
from otel_bridge.spans import semconv
from otel_bridge.spans.exceptions import MAX_MESSAGE_CHARS

BEGAN = "_durable_began_ns"
"""Attribute of the engine's object of an attempt: when it was entered."""


def begin(attempt: object) -> None:
    """Note when an attempt begins."""
    setattr(attempt, BEGAN, time.time_ns())


def end(attempt: Any, error: BaseException | None, scope: Scope | None, provider: object) -> None:
    """Export the span of an attempt that is over, where it tells anything.

    Args:
        scope: the step that is executing here; None where that is not known.
        provider: the tracer provider; None for the global one.
    """
    began_ns, number = getattr(attempt, BEGAN, None), int(attempt.current_attempt) + 1
    if began_ns is None or scope is None or scope.seq is None or (error is None and number == 1):
        return
    attributes: dict[str, str | int] = {
        semconv.RUN_ID: scope.run_id,
        semconv.STEP_SEQ: scope.seq,
        semconv.STEP_NAME: scope.name,
        semconv.STEP_ATTEMPT: number,
        semconv.STEP_ATTEMPTS_MOST: int(attempt.max_attempts),
    }
    tracer = trace.get_tracer(semconv.SCOPE_NAME, tracer_provider=provider)  # type: ignore[arg-type]
    span = tracer.start_span(f"attempt {number}", start_time=began_ns, attributes=attributes)
    if error is not None:
        span.set_attribute(semconv.ERROR_TYPE, type(error).__qualname__)
        span.set_status(Status(StatusCode.ERROR, str(error)[:MAX_MESSAGE_CHARS]))
    span.end()
