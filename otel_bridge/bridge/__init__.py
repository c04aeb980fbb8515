"""The bridge: the state store, tailed under a lease, as spans at a collector."""

from otel_bridge.bridge.bridge import NO_COLLECTOR, OTelBridge
from otel_bridge.bridge.exporter import Progress, RunExporter
from otel_bridge.bridge.lease import LeaseKeeper
from otel_bridge.bridge.session import LEASE_NAME, STATS_KEY, ExportSession

__all__ = [
    "LEASE_NAME",
    "NO_COLLECTOR",
    "STATS_KEY",
    "ExportSession",
    "LeaseKeeper",
    "OTelBridge",
    "Progress",
    "RunExporter",
]
