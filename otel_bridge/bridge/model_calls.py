"""Puts what models used on the spans of the steps that called them. Reads the store: one read for each step."""

from __future__ import annotations

from dataclasses import replace

from otel_bridge.codec import Codec
from otel_bridge.spans import Plan
from otel_bridge.spans.genai import model_call
from otel_bridge.store.base import StateStore

LONGEST_ANSWER_BYTES = 1024 * 1024
"""A longer result is cut; what the codec cannot read then is not a model call."""


def with_model_calls(plan: Plan, store: StateStore, codec: Codec) -> Plan:
    """Return the plan, with ``gen_ai.*`` on the spans of steps that called a model and succeeded.

    Raises:
        StoreUnavailableError: the store cannot be read now.
    """
    answered = {
        due.step.seq
        for due in plan.due
        if due.step.kind == "local"
        and due.step.status == "completed"
        and not due.unfinished
        and not due.step.housekeeping
    }
    spans = []
    for span in plan.spans:
        if span.seq in answered:
            step = store.get_step(span.run_id, span.seq, cap_bytes=LONGEST_ANSWER_BYTES)
            output = step.output if step is not None else None
            found = model_call(codec.decode(output).json) if output is not None else {}
            if found:
                span = span._replace(attributes={**span.attributes, **found})
        spans.append(span)
    return replace(plan, spans=tuple(spans))
