"""Why a run or a step failed, as OpenTelemetry's ``exception`` event. Pure: no clock, database or network.

Source: https://opentelemetry.io/docs/specs/semconv/exceptions/
"""

from __future__ import annotations

from otel_bridge.spans import semconv
from otel_bridge.spans.model import SpanError, SpanEvent

MAX_STACK_CHARS = 16_000
MAX_MESSAGE_CHARS = 4_000


def exception_event(error: SpanError, time_ns: int) -> SpanEvent:
    """Return the ``exception`` event of a failed span."""
    return SpanEvent(semconv.EVENT_EXCEPTION, time_ns, exception_attributes(error))


def exception_attributes(error: SpanError) -> dict[str, str]:
    """Return ``exception.*``: type, message and stack, as much of them as a backend will take."""
    attributes = {
        semconv.EXCEPTION_TYPE: error.type,
        semconv.EXCEPTION_MESSAGE: error.message[:MAX_MESSAGE_CHARS],
    }
    if error.stack:
        attributes[semconv.EXCEPTION_STACKTRACE] = error.stack[-MAX_STACK_CHARS:]
    return attributes
