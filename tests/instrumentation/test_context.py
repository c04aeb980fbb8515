"""What else travels in the context: logs find the step, baggage passes, undo runs are where they belong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from dbos import DBOS, SetWorkflowID
from opentelemetry import baggage
from opentelemetry import context as otel_context
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_bridge.instrumentation import DBOSInstrumentor
from otel_bridge.instrumentation.session import _MAX_STRAYS, Session
from otel_bridge.instrumentation.settings import InstrumentorSettings
from otel_bridge.ledger import MemoryLedger
from otel_bridge.spans import ids

from .conftest import Tracing, in_body, in_step

Instrument = Callable[..., DBOSInstrumentor]
Construct = Callable[..., DBOS]


@pytest.fixture
def correlated_logs() -> Iterator[None]:
    """OpenTelemetry's own log correlation."""
    LoggingInstrumentor().instrument(inject_trace_context=True, enable_log_auto_instrumentation=False)
    yield
    LoggingInstrumentor().uninstrument()


def test_log_records_carry_the_trace_and_the_step(
    worker: Instrument, correlated_logs: None, caplog: pytest.LogCaptureFixture
) -> None:
    """A record logged in a step has the step's span id, one logged in the body the root's."""
    worker()
    log = logging.getLogger("app")

    @DBOS.step()
    def step() -> None:
        log.warning("in step")

    @DBOS.workflow()
    def job() -> None:
        log.warning("in body")
        step()

    DBOS.launch()
    with SetWorkflowID("job-1"):
        job()
    found = {
        record.getMessage(): (bytes.fromhex(record.otelTraceID), bytes.fromhex(record.otelSpanID))  # type: ignore[attr-defined]
        for record in caplog.records
        if record.name == "app"
    }
    assert found == {"in step": in_step("job-1", 1), "in body": in_body("job-1")}


def test_requests_made_in_a_step_carry_its_traceparent(worker: Instrument) -> None:
    """What a propagator injects into outgoing headers is the step, sampled."""
    worker()

    @DBOS.step()
    def step() -> str:
        headers: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(headers)
        return headers["traceparent"]

    @DBOS.workflow()
    def job() -> str:
        return step()

    DBOS.launch()
    with SetWorkflowID("job-1"):
        trace_id, span_id = in_step("job-1", 1)
        assert job() == f"00-{trace_id.hex()}-{span_id.hex()}-01"


def test_baggage_reaches_the_step_and_the_caller_gets_its_context_back(worker: Instrument) -> None:
    """Only the span is ours; everything else in the context is left as it was."""
    worker()

    @DBOS.step()
    def step() -> object:
        return baggage.get_baggage("tenant")

    @DBOS.workflow()
    def job() -> object:
        return step()

    DBOS.launch()
    token = otel_context.attach(baggage.set_baggage("tenant", "acme"))
    try:
        before = otel_context.get_current()
        assert job() == "acme"
        assert otel_context.get_current() == before
    finally:
        otel_context.detach(token)


def test_a_failed_step_leaves_its_context_too(worker: Instrument) -> None:
    """An exception, or a base exception, ends the step's context like a return does."""
    worker()

    @DBOS.step()
    def step() -> None:
        raise KeyboardInterrupt

    @DBOS.workflow()
    def job() -> tuple[bytes, bytes]:
        with pytest.raises(KeyboardInterrupt):
            step()
        current = get_current_span().get_span_context()
        return current.trace_id.to_bytes(16, "big"), current.span_id.to_bytes(8, "big")

    DBOS.launch()
    with SetWorkflowID("job-1"):
        assert job() == in_body("job-1")
    assert not get_current_span().get_span_context().is_valid


def test_an_undo_is_in_the_trace_of_the_run_that_it_undoes(worker: Instrument, tracing: Tracing) -> None:
    """Run id ``undo:<run_id>``: the original's trace, its own spans."""
    worker()

    @DBOS.workflow()
    def undo() -> None:
        with tracing.tracer.start_as_current_span("refund"):
            pass

    DBOS.launch()
    with SetWorkflowID("undo:order-1"):
        undo()
    assert tracing.parent("refund") == (ids.trace_id("order-1"), ids.root_span_id("undo:order-1"))


def test_a_namespace_is_part_of_every_id(worker: Instrument, tracing: Tracing) -> None:
    """As on the bridge, so that two environments with the same run ids do not meet."""
    worker(namespace="staging")

    @DBOS.workflow()
    def job() -> None:
        with tracing.tracer.start_as_current_span("call"):
            pass

    DBOS.launch()
    with SetWorkflowID("job-1"):
        job()
    assert tracing.parent("call") == (
        ids.trace_id("job-1", namespace="staging"),
        ids.root_span_id("job-1", namespace="staging"),
    )


def test_runs_begun_before_us_are_remembered_a_little_and_never_hoarded(ledger: MemoryLedger) -> None:
    """Steps of such runs share one look-up; the oldest run is forgotten first."""

    class Context:
        workflow_id = ""
        curr_step_function_id = 1

    session = Session(InstrumentorSettings(ledger=ledger))
    context = Context()
    for number in range(_MAX_STRAYS + 10):
        context.workflow_id = f"run-{number}"
        for _ in range(2):
            session.leave(session.enter(context, {"name": "step", "operationType": "step"}))
    assert len(session._strays) == _MAX_STRAYS
    assert session.in_flight == {}
    session.stop()
