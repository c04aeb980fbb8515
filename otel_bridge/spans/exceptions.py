"""Why a run or a step failed, as OpenTelemetry's ``exception`` event. Pure: no clock, database or network.

Source: https://opentelemetry.io/docs/specs/semconv/exceptions/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from otel_bridge.spans import semconv
from otel_bridge.spans.model import SpanError, SpanEvent

OPT_IN = "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN"
MAX_STACK_CHARS = 16_000
MAX_MESSAGE_CHARS = 4_000

ExceptionSignal = Literal["events", "logs", "both"]


def exception_signal(environ: Mapping[str, str]) -> ExceptionSignal:
    """Return how exceptions are reported: as events of spans, which is deprecated, as log records, or as both.

    >>> exception_signal({"OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN": "logs/dup"})
    'both'
    """
    wanted = {part.strip().lower() for part in environ.get(OPT_IN, "").split(",")}
    return "both" if "logs/dup" in wanted else "logs" if "logs" in wanted else "events"


def with_stack(error: SpanError | None, stack: str | None) -> SpanError | None:
    """Return an error with a stack from elsewhere, where it has none of its own."""
    return error if error is None or error.stack is not None else replace(error, stack=stack)


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
