"""Step context and presence for DBOS workers: ``DBOSInstrumentor().instrument()`` before ``DBOS.launch()``.

Inside a step, the current OpenTelemetry context is the step's own span as the bridge will export it, so that what
a step does (HTTP, SQL, LLM calls, logs) nests under it, whichever process ran it. This package emits no span.
Optional: the bridge and the dashboard work without it.
"""

from otel_bridge.instrumentation.instrumentor import DBOSInstrumentor
from otel_bridge.instrumentation.settings import InstrumentorSettings

__all__ = ["DBOSInstrumentor", "InstrumentorSettings"]
