"""Step context and presence for DBOS workers: ``DBOSInstrumentor().instrument()`` before ``DBOS.launch()``.

Inside a step, the current OpenTelemetry context is the step's own span as the bridge will export it, so that what
a step does (HTTP, SQL, LLM calls, logs) nests under it, whichever process ran it. The spans that it emits are those of
attempts, which the engine does not record. Optional: the bridge and the dashboard work without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_bridge.instrumentation.bodies import RunContext, SkipReplayed, replaying
from otel_bridge.instrumentation.instrumentor import DBOSInstrumentor
from otel_bridge.instrumentation.settings import InstrumentorSettings

if TYPE_CHECKING:
    from otel_bridge.instrumentation.providers import DurableIdGenerator

__all__ = ["DBOSInstrumentor", "DurableIdGenerator", "InstrumentorSettings", "RunContext", "SkipReplayed", "replaying"]


def __getattr__(name: str) -> Any:
    """Load the SDK for the one name that needs it."""
    if name != "DurableIdGenerator":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from otel_bridge.instrumentation.providers import DurableIdGenerator

    return DurableIdGenerator
