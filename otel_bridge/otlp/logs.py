"""Log records over OTLP: what they are, and how they get to a collector. ``LogSender`` opens sockets."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otel_bridge.otlp.encode import ResourceSettings, clean
from otel_bridge.otlp.settings import OtlpSettings
from otel_bridge.otlp.transport import Accepted
from otel_bridge.spans import semconv

INFO, WARN, ERROR = (
    SeverityNumber.SEVERITY_NUMBER_INFO,
    SeverityNumber.SEVERITY_NUMBER_WARN,
    SeverityNumber.SEVERITY_NUMBER_ERROR,
)
_SEVERITY_TEXT = {INFO: "INFO", WARN: "WARN", ERROR: "ERROR"}
_SAMPLED = 1
MAX_RECORDS = 500
"""Records of one request."""


class LogData(NamedTuple):
    """One record. The same record always has the same ``uid``: so duplicates can be recognised.

    Args:
        name: the event's name, as ``durable.run.started``.
        body: the same in words.
        service: application that the run belongs to.
        instance: executor whose resource it is sent under, where each has its own.
    """

    uid: str
    name: str
    at_ms: int
    body: str
    attributes: Mapping[str, str | int]
    severity: SeverityNumber.ValueType = INFO
    trace_id: bytes = b""
    span_id: bytes = b""
    service: str | None = None
    instance: str | None = None


def record_uid(*parts: object) -> str:
    """Return an id of 32 hex digits that follows from ``parts``.

    >>> record_uid("run-1", "durable.run.started", 1_000) == record_uid("run-1", "durable.run.started", 1_000)
    True
    """
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def encode_logs(records: Sequence[LogData], resource: ResourceSettings, *, observed_ns: int) -> bytes:
    """Return the bytes of an ``ExportLogsServiceRequest``; records keep their order within an application."""
    groups: dict[tuple[str, str | None], list[LogData]] = {}
    for record in records:
        groups.setdefault((resource.key(record.service), record.instance), []).append(record)
    request = ExportLogsServiceRequest()
    for source, group in groups.items():
        scope = ScopeLogs(log_records=[_record(one, observed_ns) for one in group])
        scope.scope.name = semconv.SCOPE_NAME
        held = Resource(attributes=_pairs(resource.of(*source)))
        request.resource_logs.append(ResourceLogs(resource=held, scope_logs=[scope]))
    return bytes(request.SerializeToString())


def _record(given: LogData, observed_ns: int) -> LogRecord:
    attributes = {semconv.LOG_RECORD_UID: given.uid, **given.attributes}
    record = LogRecord(
        time_unix_nano=max(0, given.at_ms) * 1_000_000,
        observed_time_unix_nano=observed_ns,
        severity_number=given.severity,
        severity_text=_SEVERITY_TEXT[given.severity],
        body=AnyValue(string_value=clean(given.body)),
        attributes=_pairs(attributes),
        trace_id=given.trace_id,
        span_id=given.span_id,
        flags=_SAMPLED,
    )
    if "event_name" in LogRecord.DESCRIPTOR.fields_by_name:  # since opentelemetry-proto 1.30
        record.event_name = given.name
    else:
        record.attributes.extend(_pairs({"event.name": given.name}))
    return record


def _pairs(values: Mapping[str, str | int]) -> list[KeyValue]:
    return [
        KeyValue(
            key=key,
            value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=clean(value)),
        )
        for key, value in values.items()
    ]


class _Poster(Protocol):
    def post(self, body: bytes) -> Accepted: ...

    def close(self) -> None: ...


class LogSender:
    """Sends records, once each time it is called."""

    def __init__(self, settings: OtlpSettings, resource: ResourceSettings, *, stop: threading.Event) -> None:
        self._resource = resource
        self._transport: _Poster
        if settings.protocol == "grpc":
            from otel_bridge.otlp.grpc import LOGS_METHOD, GrpcTransport

            self._transport = GrpcTransport(settings, resource, stop=stop, method=LOGS_METHOD)
        else:
            from otel_bridge.otlp.http import HttpTransport

            self._transport = HttpTransport(settings, resource, stop=stop)
        self.target = settings.target

    def send(self, records: Sequence[LogData], *, observed_ns: int) -> Accepted:
        """Send a batch once.

        Raises:
            RetryableDeliveryError: the same batch may be accepted later.
            RejectedBatchError: this batch never will be.
        """
        return self._transport.post(encode_logs(records, self._resource, observed_ns=observed_ns))

    def close(self) -> None:
        """Release connections. Idempotent."""
        self._transport.close()
