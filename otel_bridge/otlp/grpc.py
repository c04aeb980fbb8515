"""OTLP over gRPC. Opens sockets. Batches are encoded here, so that the channel carries plain bytes.

Source: https://opentelemetry.io/docs/specs/otlp/#failures
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
from google.rpc import error_details_pb2, status_pb2

from otel_bridge.errors import RejectedBatchError, RetryableDeliveryError
from otel_bridge.otlp.encode import ResourceSettings, encode_request
from otel_bridge.otlp.settings import OtlpSettings
from otel_bridge.otlp.transport import Accepted, parse_answer
from otel_bridge.spans.model import SpanData

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
RETRYABLE_CODES = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"})
MISCONFIGURED_CODES = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"})


class GrpcTransport:
    """Sends batches over one channel."""

    def __init__(self, settings: OtlpSettings, resource: ResourceSettings) -> None:
        self._settings, self._resource = settings, resource
        compression = grpc.Compression.Gzip if settings.gzip else grpc.Compression.NoCompression
        address = _address(settings.endpoint)
        options = [("grpc.enable_retries", 0), ("grpc.max_send_message_length", -1)]
        if settings.insecure:
            self._channel = grpc.insecure_channel(address, options=options, compression=compression)
        else:
            self._channel = grpc.secure_channel(
                address, _credentials(settings), options=options, compression=compression
            )
        self._export = self._channel.unary_unary(METHOD)
        self._metadata = tuple((key.lower(), value) for key, value in settings.headers.items())

    @property
    def target(self) -> str:
        """The endpoint, without credentials."""
        return self._settings.target

    def send(self, spans: Sequence[SpanData]) -> Accepted:
        """Send one batch."""
        body = encode_request(spans, self._resource)
        try:
            return parse_answer(self._export(body, timeout=self._settings.timeout_s, metadata=self._metadata))
        except grpc.RpcError as error:
            raise self._translate(error) from error

    def _translate(self, error: Any) -> RetryableDeliveryError | RejectedBatchError:
        code = error.code().name
        message = f"{self.target} answered {code}: {error.details()}."
        wish = retry_info_s(error)
        if code in RETRYABLE_CODES or (code == "RESOURCE_EXHAUSTED" and wish is not None):
            return RetryableDeliveryError(message, retry_after_s=wish)
        if code in MISCONFIGURED_CODES:
            return RetryableDeliveryError(message + " Correct the endpoint or its headers; the spans are kept.")
        return RejectedBatchError(message, code=code)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def retry_info_s(error: Any) -> float | None:
    """Return the delay that a ``RetryInfo`` in the error's details asks for."""
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(value).details:
            info = error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                return float(info.retry_delay.seconds) + float(info.retry_delay.nanos) / 1e9
    return None


def _address(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return parts.netloc.rpartition("@")[2] if parts.scheme in ("http", "https") else endpoint


def _credentials(settings: OtlpSettings) -> Any:
    def read(path: str | None) -> bytes | None:
        return Path(path).read_bytes() if path else None

    return grpc.ssl_channel_credentials(
        root_certificates=read(settings.certificate),
        private_key=read(settings.client_key),
        certificate_chain=read(settings.client_certificate),
    )
