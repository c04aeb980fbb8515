"""What models used: on the spans of steps that called them, and as rows to sum. Reads the store: one read a step."""

from __future__ import annotations

from dataclasses import replace

from otel_bridge.codec import Codec
from otel_bridge.ledger.base import ModelCall
from otel_bridge.model.runs import Run
from otel_bridge.spans import Plan, SpanData
from otel_bridge.spans.genai import INPUT_TOKENS, OPERATION, OUTPUT_TOKENS, RESPONSE_MODEL, model_call
from otel_bridge.spans.model import NS_PER_MS
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


def calls_of(run: Run, plan: Plan) -> list[ModelCall]:
    """Return the model calls that a plan's spans tell of."""
    return [
        ModelCall(
            run_id=run.id,
            seq=span.seq,
            ended_at_ms=span.end_ns // NS_PER_MS,
            workflow=run.workflow,
            version=run.workflow_version,
            model=str(span.attributes.get(RESPONSE_MODEL, "")),
            input_tokens=tokens(span, INPUT_TOKENS),
            output_tokens=tokens(span, OUTPUT_TOKENS),
        )
        for span in plan.spans
        if span.seq is not None and OPERATION in span.attributes
    ]


def tokens(span: SpanData, name: str) -> int:
    """Return a count of tokens; 0 where the answer has none, or one that nobody could have counted."""
    count = span.attributes.get(name, 0)
    return count if isinstance(count, int) and 0 <= count < 2**40 else 0
