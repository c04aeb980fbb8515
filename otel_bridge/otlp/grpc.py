"""OTLP over gRPC. Opens sockets. Batches are encoded here, so that the channel carries plain bytes.

Source: https://opentelemetry.io/docs/specs/otlp/#failures
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
from google.rpc import error_details_pb2, status_pb2

from otel_bridge.credentials import without
from otel_bridge.errors import BridgeError, RejectedBatchError, RetryableDeliveryError
from otel_bridge.otlp.answer import CONTENT_CODES, MAX_ANSWER_BYTES, TRANSIENT_CODES, NotOtlpError, read_answer
from otel_bridge.otlp.deadline import SLICE_S
from otel_bridge.otlp.encode import ResourceSettings, encode_request
from otel_bridge.otlp.settings import OtlpSettings
from otel_bridge.otlp.transport import Accepted, unreadable_answer
from otel_bridge.spans.model import SpanData

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS_METHOD = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


class GrpcTransport:
    """Sends batches over one channel.

    Args:
        stop: ends a call under way.
        method: what is called, with requests that ``post`` gets encoded.
    """

    def __init__(
        self,
        settings: OtlpSettings,
        resource: ResourceSettings,
        *,
        stop: threading.Event | None = None,
        method: str = METHOD,
    ) -> None:
        self._settings, self._resource = settings, resource
        self._secrets = settings.secrets
        self._stop = stop or threading.Event()
        compression = compression_of(settings)
        address = _address(settings.endpoint)
        options = [
            ("grpc.enable_retries", 0),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        ]
        if settings.insecure:
            self._channel = grpc.insecure_channel(address, options=options, compression=compression)
        else:
            self._channel = grpc.secure_channel(
                address, credentials_of(settings), options=options, compression=compression
            )
        self._export = self._channel.unary_unary(method)
        self._metadata = tuple((key.lower(), value) for key, value in settings.headers.items())

    @property
    def target(self) -> str:
        """The endpoint, without credentials."""
        return self._settings.target

    def send(self, spans: Sequence[SpanData]) -> Accepted:
        """Send one batch; the answer must be there within the timeout."""
        return self.post(encode_request(spans, self._resource))

    def post(self, body: bytes) -> Accepted:
        """Send one encoded request; see ``send``."""
        try:
            call = self._export.future(body, timeout=self._settings.timeout_s, metadata=self._metadata)
            accepted = read_answer(self._result(call))
            return replace(accepted, message=without(accepted.message, self._secrets))
        except NotOtlpError as error:
            raise RetryableDeliveryError(
                f"{self.target} answered with {error}: that is not an OTLP collector. "
                "Correct the endpoint; the spans are kept."
            ) from error
        except grpc.RpcError as error:
            raise self._translate(error) from None  # gRPC's own words repeat the server's
        except BridgeError:
            raise
        except Exception as error:  # noqa: BLE001 - the body is encoded by now: the answer is at fault, and no span
            raise unreadable_answer(self.target, without(str(error), self._secrets)) from None

    def _result(self, call: Any) -> bytes:
        """Return the answer of a call; gRPC keeps its deadline, ``stop`` ends it before."""
        while True:
            try:
                return bytes(call.result(timeout=SLICE_S))
            except grpc.FutureTimeoutError:
                if self._stop.is_set():
                    call.cancel()
                    raise RetryableDeliveryError(f"Stopped while waiting for {self.target}.") from None

    def _translate(self, error: Any) -> RetryableDeliveryError | RejectedBatchError:
        code = error.code().name
        message = f"{self.target} answered {code}: {without(str(error.details()), self._secrets)}."
        wish = retry_info_s(error)
        if code in CONTENT_CODES and wish is None:
            return RejectedBatchError(message, code=code)
        if code in TRANSIENT_CODES:
            return RetryableDeliveryError(message, retry_after_s=wish)
        return RetryableDeliveryError(message + " Correct the endpoint or its headers; the spans are kept.")

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def retry_info_s(error: Any) -> float | None:
    """Return the delay that a ``RetryInfo`` in the error's details asks for, if there is one that makes sense."""
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        info = error_details_pb2.RetryInfo()
        try:
            if any(detail.Unpack(info) for detail in status_pb2.Status.FromString(value).details):
                return max(0.0, float(info.retry_delay.seconds) + float(info.retry_delay.nanos) / 1e9)
        except Exception:  # noqa: BLE001 - protobuf's DecodeError differs between its implementations
            return None
    return None


def _address(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return (parts.netloc if parts.scheme in ("http", "https") else endpoint).rpartition("@")[2]


def compression_of(settings: OtlpSettings) -> grpc.Compression:
    """Return gRPC's word for the settings' compression."""
    return grpc.Compression.Gzip if settings.gzip else grpc.Compression.NoCompression


def credentials_of(settings: OtlpSettings) -> Any:
    """Return the certificates and the key that the settings name, as gRPC takes them."""

    def read(path: str | None) -> bytes | None:
        return Path(path).read_bytes() if path else None

    return grpc.ssl_channel_credentials(
        root_certificates=read(settings.certificate),
        private_key=read(settings.client_key),
        certificate_chain=read(settings.client_certificate),
    )
