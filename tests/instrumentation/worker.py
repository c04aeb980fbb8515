"""A worker process for tests: ``worker.py URL``. Prints a JSON line for each span that user code makes."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from dbos import DBOS
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from otel_bridge.instrumentation import DBOSInstrumentor


class Lines(SpanExporter):
    """Spans on standard output."""

    def export(self, spans: object) -> SpanExportResult:
        for span in spans:  # type: ignore[attr-defined]
            assert isinstance(span, ReadableSpan)
            assert span.parent is not None
            line = {"name": span.name, "trace": f"{span.parent.trace_id:032x}", "parent": f"{span.parent.span_id:016x}"}
            print(json.dumps(line), flush=True)
        return SpanExportResult.SUCCESS


provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Lines()))
tracer = provider.get_tracer("user")
url, gate = sys.argv[1], Path(sys.argv[2])

DBOSInstrumentor().instrument()
DBOS(config={"name": "worker", "system_database_url": url, "application_version": "v1", "executor_id": "w1"})


@DBOS.step()
def first() -> None:
    with tracer.start_as_current_span("first"):
        pass


@DBOS.step()
def second() -> None:
    with tracer.start_as_current_span("second"):
        pass
    while not gate.exists():
        threading.Event().wait(0.02)


@DBOS.workflow(name="job")
def job() -> int:
    first()
    second()
    return os.getpid()


DBOS.launch()
print(json.dumps({"name": "launched"}), flush=True)
sys.stdin.read()
DBOS.destroy()
