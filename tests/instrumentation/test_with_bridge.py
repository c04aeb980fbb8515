"""The instrumentor and the bridge meet in the collector: user spans hang under the spans that the bridge exports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dbos import DBOS, SetWorkflowID
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_bridge import DBOSInstrumentor, OTelBridge
from tests.waiting import until

from .conftest import Tracing

Instrument = Callable[..., DBOSInstrumentor]
Construct = Callable[..., DBOS]
Exported = Callable[[], dict[tuple[int, int], str]]


@pytest.fixture
def bridge(sqlite_url: str) -> Iterator[Callable[..., Exported]]:
    """Starts a bridge; gives a function that returns the names of the exported spans by trace and span id."""
    running: list[OTelBridge] = []

    def start(**options: Any) -> Exported:
        exporter = InMemorySpanExporter()
        started = OTelBridge(
            sqlite_url, exporter=exporter, start_from="beginning", poll_interval_s=0.05, environ={}, **options
        )
        running.append(started.start())

        def exported() -> dict[tuple[int, int], str]:
            spans: tuple[ReadableSpan, ...] = exporter.get_finished_spans()
            return {(span.context.trace_id, span.context.span_id): span.name for span in spans}

        return exported

    yield start
    for started in running:
        started.stop()


@pytest.mark.parametrize("children", ["link", "nest"])
def test_every_user_span_hangs_under_a_span_that_the_bridge_exports(
    children: str, bridge: Callable[..., Exported], instrument: Instrument, dbos: Construct, tracing: Tracing
) -> None:
    """Steps, bodies, a queued child, and the steps and body of a retry, each by the name of what it ran in."""
    dbos()
    instrument(children=children)
    tries: list[int] = []

    def call(name: str) -> None:
        with tracing.tracer.start_as_current_span(name):
            pass

    @DBOS.step(name="reserve")
    def reserve() -> None:
        call("in reserve")

    @DBOS.step(name="pack")
    def pack() -> None:
        call("in pack")

    @DBOS.step(name="ship")
    def ship() -> None:
        tries.append(1)
        call(f"in ship {len(tries)}")
        if len(tries) == 1:
            raise ValueError("no van")

    @DBOS.workflow(name="packing")
    def packing() -> None:
        call("in packing")
        pack()

    @DBOS.workflow(name="order")
    def order() -> str:
        call(f"in order {len(tries) + 1}")
        reserve()
        DBOS.enqueue_workflow("q", packing).get_result()
        ship()
        return "shipped"

    DBOS.launch()
    DBOS.register_queue("q", polling_interval_sec=0.05)
    exported = bridge(children=children)
    with SetWorkflowID("order-1"), pytest.raises(ValueError):
        order()
    until(lambda: {"order", "packing", "ship"} <= set(exported().values()), what="the first life's export")
    assert DBOS.rewind_workflow("order-1", start_step=4).get_result() == "shipped"
    until(lambda: "retry 1" in exported().values(), what="the second life's export")

    by_ids = exported()
    found = {}
    for span in tracing.exporter.get_finished_spans():
        assert span.parent is not None
        found[span.name] = by_ids.get((span.parent.trace_id, span.parent.span_id))
    assert found == {
        "in order 1": "order",
        "in reserve": "reserve",
        "in packing": "packing",
        "in pack": "pack",
        "in ship 1": "ship",
        "in order 2": "retry 1",
        "in ship 2": "ship",
    }
    traces = {trace_id for trace_id, _ in by_ids}
    assert len(traces) == (1 if children == "nest" else 2)
    assert tracing.span("in ship 1").parent != tracing.span("in ship 2").parent
