"""Lives whose end nobody saw, as spans made of what was exported of them. Pure: no clock, database or network."""

from __future__ import annotations

from otel_bridge.ledger.base import ExportedRun
from otel_bridge.model.runs import Run
from otel_bridge.spans import ids, semconv
from otel_bridge.spans.build import OUTCOME_NAME
from otel_bridge.spans.model import AttributeValue, SpanData, SpanEvent, SpanKind, SpanSettings
from otel_bridge.spans.times import span_times
from otel_bridge.spans.traces import Relatives, Traces


def unseen_life(life: ExportedRun, settings: SpanSettings, relatives: Relatives, run: Run | None) -> SpanData:
    """Return the span of a life whose end nobody saw: all that is known of it is what was exported.

    The run was deleted, or retried, before the bridge saw it end. Where its beginning was sent, this is its outcome.
    """
    traces = Traces(settings, relatives, run)
    ends = [end_ms for end_ms, generation in life.steps.values() if generation == life.generation]
    end_ms = max(ends, default=life.created_at_ms or 0)
    start_ms = life.ended_at_ms if life.generation else life.created_at_ms
    start_ns, end_ns = span_times(min(end_ms, start_ms if start_ms is not None else end_ms), end_ms)
    attributes: dict[str, AttributeValue] = {semconv.RUN_ID: life.run_id, semconv.RUN_STATUS: "unknown"}
    for name, value in ((semconv.WORKFLOW_NAME, life.workflow), (semconv.RUN_URL, traces.url(life.run_id))):
        if value is not None:
            attributes[name] = value
    span_id, parent_id, name = _place(life, traces)
    return SpanData(
        traces.trace_id(life.run_id),
        span_id,
        parent_id,
        name,
        SpanKind.INTERNAL,
        start_ns,
        end_ns,
        attributes,
        (SpanEvent(semconv.EVENT_END_UNSEEN, end_ns),),
        run_id=life.run_id,
        service=run.namespace if run is not None else None,
    )


def _place(life: ExportedRun, traces: Traces) -> tuple[bytes, bytes | None, str]:
    """Return the span's id, its parent's, and its name."""
    own = traces.life_id(life.run_id, life.generation)
    if life.anchored == life.generation:
        return traces.outcome_id(life.run_id, life.generation), own, OUTCOME_NAME
    if life.generation > 0:
        return own, traces.root_id(life.run_id), f"retry {life.generation}"
    undone = ids.traced_run_id(life.run_id)
    return own, traces.root_id(undone) if undone != life.run_id else None, life.workflow or "run"
