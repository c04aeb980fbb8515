"""Inside a step, the current span is the step's own, as the bridge will export it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from dbos import DBOS, SetWorkflowID
from opentelemetry import trace

from otel_bridge.instrumentation import DBOSInstrumentor

from .conftest import Tracing, in_body, in_step

Instrument = Callable[..., DBOSInstrumentor]
Construct = Callable[..., DBOS]


def test_what_a_step_does_nests_under_the_step_in_the_trace_of_its_run(worker: Instrument, tracing: Tracing) -> None:
    """A span made by any tracer inside a step has the step's span as parent; in the body, the run's root."""
    before = trace.get_current_span()
    worker()

    @DBOS.step()
    def charge() -> int:
        with tracing.tracer.start_as_current_span("POST /charge"):
            return 1

    @DBOS.workflow()
    def order() -> int:
        with tracing.tracer.start_as_current_span("prepare"):
            charge_result = charge()
        with tracing.tracer.start_as_current_span("finish"):
            return charge_result

    DBOS.launch()
    with SetWorkflowID("order-1"):
        assert order() == 1

    assert tracing.parent("POST /charge") == in_step("order-1", 1)
    assert tracing.parent("prepare") == in_body("order-1")
    assert tracing.parent("finish") == in_body("order-1")
    assert trace.get_current_span() is before
    assert len(tracing.exporter.get_finished_spans()) == 3


def test_async_steps_and_threads_that_asyncio_starts_nest_too(worker: Instrument, tracing: Tracing) -> None:
    """Concurrent async steps keep apart; ``asyncio.to_thread`` carries the step into its thread."""
    worker()

    def blocking(name: str) -> None:
        with tracing.tracer.start_as_current_span(f"thread {name}"):
            pass

    @DBOS.step()
    async def fetch(name: str) -> str:
        await asyncio.sleep(0)
        with tracing.tracer.start_as_current_span(f"GET {name}"):
            await asyncio.to_thread(blocking, name)
        return name

    @DBOS.workflow()
    async def crawl() -> list[str]:
        return list(await asyncio.gather(fetch("a"), fetch("b"), fetch("c")))

    async def main() -> Any:
        with SetWorkflowID("crawl-1"):
            return await crawl()

    DBOS.launch()
    assert asyncio.run(main()) == ["a", "b", "c"]
    for seq, name in enumerate("abc", start=1):
        assert tracing.parent(f"GET {name}") == in_step("crawl-1", seq)
        assert tracing.span(f"thread {name}").parent == tracing.span(f"GET {name}").context
