"""Runs and steps as spans. Pure: no clock, database or network; the same rows always give the same spans."""

from otel_bridge.spans.lives import DueStep
from otel_bridge.spans.model import (
    AttributeValue,
    SpanData,
    SpanError,
    SpanEvent,
    SpanKind,
    SpanLink,
    SpanSettings,
)
from otel_bridge.spans.past import life_to_keep, plan_past, present_generation
from otel_bridge.spans.plan import Plan, decode_span_error, plan_deleted, plan_run, root_span, step_span
from otel_bridge.spans.traces import Relatives, Traces, caller_context, child_seq

__all__ = [
    "AttributeValue",
    "DueStep",
    "Plan",
    "Relatives",
    "SpanData",
    "SpanError",
    "SpanEvent",
    "SpanKind",
    "SpanLink",
    "SpanSettings",
    "Traces",
    "caller_context",
    "child_seq",
    "decode_span_error",
    "life_to_keep",
    "plan_deleted",
    "plan_past",
    "plan_run",
    "present_generation",
    "root_span",
    "step_span",
]
