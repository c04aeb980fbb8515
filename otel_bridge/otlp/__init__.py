"""Delivery of spans over OTLP, by HTTP or gRPC, or through any exporter of the SDK."""

from __future__ import annotations

import threading

from otel_bridge.otlp.delivery import Delivery, DeliveryStats, DeliveryStoppedError, Rejection
from otel_bridge.otlp.encode import ResourceSettings, encode_request
from otel_bridge.otlp.settings import OtlpSettings, sdk_disabled, settings_from_env
from otel_bridge.otlp.transport import Accepted, Transport

__all__ = [
    "Accepted",
    "Delivery",
    "DeliveryStats",
    "DeliveryStoppedError",
    "OtlpSettings",
    "Rejection",
    "ResourceSettings",
    "Transport",
    "encode_request",
    "open_transport",
    "sdk_disabled",
    "settings_from_env",
]


def open_transport(
    settings: OtlpSettings, resource: ResourceSettings, *, stop: threading.Event | None = None
) -> Transport:
    """Return the transport of the settings' protocol; gRPC is imported only when it is used.

    Args:
        stop: ends a request under way within a tenth of a second.
    """
    if settings.protocol == "grpc":
        from otel_bridge.otlp.grpc import GrpcTransport

        return GrpcTransport(settings, resource, stop=stop)
    from otel_bridge.otlp.http import HttpTransport

    return HttpTransport(settings, resource, stop=stop)
