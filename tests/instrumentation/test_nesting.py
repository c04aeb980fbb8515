"""Where the bridge puts a child into its parent's trace, or a run into its caller's, workers do the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from dbos import DBOS, PropagateOtelContext, SetWorkflowID
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from otel_bridge.instrumentation import DBOSInstrumentor
from otel_bridge.spans import Relatives, SpanSettings, Traces, ids
from otel_bridge.store import open_store

from .conftest import Tracing, in_step

Instrument = Callable[..., DBOSInstrumentor]
Construct = Callable[..., DBOS]
CALLER = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0x00F067AA0BA902B7, False, TraceFlags(1))


@pytest.mark.parametrize("how", ["called", "started", "enqueued"])
@pytest.mark.parametrize("children", ["link", "nest"])
def test_children_are_where_the_bridge_will_put_them(
    worker: Instrument, how: str, children: str, tracing: Tracing, sqlite_url: str
) -> None:
    """However a grandchild was started, its step's spans are in the trace that the bridge computes from the rows."""
    worker(children=children, namespace="test")

    @DBOS.step()
    def step() -> None:
        with tracing.tracer.start_as_current_span("call"):
            pass

    @DBOS.workflow()
    def grandchild() -> None:
        step()

    def call(function: Callable[[], None]) -> None:
        if how == "called":
            function()
        elif how == "started":
            DBOS.start_workflow(function).get_result()
        else:
            DBOS.enqueue_workflow("q", function).get_result()

    @DBOS.workflow()
    def child() -> None:
        call(grandchild)

    @DBOS.workflow()
    def top() -> None:
        call(child)

    DBOS.launch()
    DBOS.register_queue("q", polling_interval_sec=0.05)
    with SetWorkflowID("top-1"):
        top()
    owner = "top-1" if children == "nest" else "top-1-1-1"
    assert tracing.parent("call") == (
        ids.trace_id(owner, namespace="test"),
        ids.step_span_id("top-1-1-1", 1, namespace="test"),
    )
    store = open_store(sqlite_url)
    try:
        runs = store.get_runs(["top-1", "top-1-1", "top-1-1-1"])
    finally:
        store.close()
    settings = SpanSettings(children=children, namespace="test")  # type: ignore[arg-type]
    assert Traces(settings, Relatives(runs=runs)).trace_id("top-1-1-1") == tracing.parent("call")[0]


@pytest.mark.parametrize("enable_otlp", [False, True])
@pytest.mark.parametrize("how", ["called", "enqueued"])
def test_a_run_adopts_the_trace_of_the_caller_that_passed_its_context_on(
    worker: Instrument, how: str, enable_otlp: bool, tracing: Tracing
) -> None:
    """``parent="adopt"``: the caller's trace id, the run's own span ids."""
    worker(config={"enable_otlp": enable_otlp}, parent="adopt")

    @DBOS.step()
    def step() -> None:
        with tracing.tracer.start_as_current_span("call"):
            pass

    @DBOS.workflow()
    def job() -> None:
        step()

    DBOS.launch()
    DBOS.register_queue("q", polling_interval_sec=0.05)
    with use_span(NonRecordingSpan(CALLER)), PropagateOtelContext(), SetWorkflowID("job-1"):
        if how == "called":
            job()
        else:
            DBOS.enqueue_workflow("q", job).get_result()
    assert tracing.parent("call") == (CALLER.trace_id.to_bytes(16, "big"), in_step("job-1", 1)[1])


def test_a_run_without_a_caller_keeps_its_own_trace(worker: Instrument, tracing: Tracing) -> None:
    """Nothing was passed on, nothing is adopted."""
    worker(parent="adopt", children="nest")

    @DBOS.workflow()
    def job() -> None:
        with tracing.tracer.start_as_current_span("call"):
            pass

    DBOS.launch()
    with SetWorkflowID("job-1"):
        job()
    assert tracing.parent("call")[0] == ids.trace_id("job-1")
