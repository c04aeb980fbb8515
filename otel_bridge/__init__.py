"""OpenTelemetry bridge for durable workflows on DBOS: one trace per run, one span per step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otel_bridge.bridge import OTelBridge
    from otel_bridge.instrumentation import DBOSInstrumentor, DurableIdGenerator, RunContext, SkipReplayed, replaying

__all__ = ["DBOSInstrumentor", "DurableIdGenerator", "OTelBridge", "RunContext", "SkipReplayed", "replaying"]

_HOMES = {
    "OTelBridge": "otel_bridge.bridge",
    "DBOSInstrumentor": "otel_bridge.instrumentation",
    "DurableIdGenerator": "otel_bridge.instrumentation",
    "RunContext": "otel_bridge.instrumentation",
    "SkipReplayed": "otel_bridge.instrumentation",
    "replaying": "otel_bridge.instrumentation",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for: a worker needs no bridge."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
