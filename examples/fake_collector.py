"""A collector in memory, for tests and scripts: OTLP over HTTP and gRPC, and every fault a real one has.

It understands gzip, keeps resources, links and raw bytes of every span it accepted, and counts every copy it was sent.
Not for production: it keeps everything.
"""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SpanKey = tuple[bytes, bytes]
"""Trace id and span id."""


@dataclass(frozen=True)
class Fault:
    """How to answer one request instead of accepting it.

    Args:
        status: HTTP status; 200 with ``rejected`` is a partial success.
        raw: answer with these bytes instead of an OTLP message: what no collector would say. The spans are not taken.
        content_type: of the answer.
        write: writes whatever it likes to the connection, status line included, and then hangs up.
        grpc_code: what a gRPC client gets instead.
        delay_s: how long to think first; with ``status=200`` the request is then accepted.
        hang_up: close the connection without an answer.
        keep: take the spans although the answer says otherwise (an answer that got lost).
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    raw: bytes | None = None
    content_type: str | None = None
    write: Callable[[BinaryIO], None] | None = None
    rejected: int = 0
    message: str = ""
    delay_s: float = 0.0
    hang_up: bool = False
    keep: bool = False
    grpc_code: grpc.StatusCode | None = None
    retry_info_s: float | None = None

    @property
    def accepts(self) -> bool:
        """True when the collector has the spans after this answer."""
        answers_otlp = self.raw is None and self.write is None and not self.hang_up
        return self.keep or (self.status == 200 and self.grpc_code is None and answers_otlp)


@dataclass(frozen=True)
class Request:
    """What arrived: headers in lower case, path (or gRPC method) and the decoded message."""

    path: str
    headers: dict[str, str]
    message: ExportTraceServiceRequest


class FakeCollector:
    """Serves OTLP/HTTP on ``http_url`` and OTLP/gRPC on ``grpc_url``, both on loopback.

    Args:
        decide: asked for each request, under a lock; returns a fault, or None to accept.
        keep_bytes: keep the serialized spans of every copy, to compare them.
        tls: serve HTTPS.
    """

    def __init__(
        self,
        decide: Callable[[Request], Fault | None] | None = None,
        *,
        keep_bytes: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.decide = decide or (lambda request: None)
        self.keep_bytes = keep_bytes
        self.requests: list[Request] = []
        self.spans: dict[SpanKey, Span] = {}
        self.resources: dict[SpanKey, dict[str, str]] = {}
        self.copies: Counter[SpanKey] = Counter()
        self.contents: defaultdict[SpanKey, set[bytes]] = defaultdict(set)
        self.faults: list[Fault] = []
        self.refused_keys: set[SpanKey] = set()
        self.logs: list[LogRecord] = []
        self.log_resources: list[dict[str, Any]] = []
        self.logs_status = 200
        self._changed = threading.Condition()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._scheme = "http"
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.02,), name="fake-collector", daemon=True
        )
        self._thread.start()
        self._grpc: grpc.Server | None = None
        self._grpc_port = 0

    @property
    def http_url(self) -> str:
        """Base URL for OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}"

    @property
    def grpc_url(self) -> str:
        """The same for gRPC; the server starts when first asked for."""
        return f"http://127.0.0.1:{self.serve_grpc()}"

    def serve_grpc(self, credentials: grpc.ServerCredentials | None = None, *, port: int = 0) -> int:
        """Start the gRPC server; return its port."""
        if self._grpc is None:
            handler = grpc.unary_unary_rpc_method_handler(
                self._answer_grpc,
                request_deserializer=ExportTraceServiceRequest.FromString,
                response_serializer=ExportTraceServiceResponse.SerializeToString,
            )
            logs = grpc.unary_unary_rpc_method_handler(
                self._answer_grpc_logs,
                request_deserializer=ExportLogsServiceRequest.FromString,
                response_serializer=ExportLogsServiceResponse.SerializeToString,
            )
            services = [
                grpc.method_handlers_generic_handler(f"opentelemetry.proto.collector.{name}", {"Export": one})
                for name, one in (("trace.v1.TraceService", handler), ("logs.v1.LogsService", logs))
            ]
            self._grpc = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
            self._grpc.add_generic_rpc_handlers(tuple(services))
            address = f"127.0.0.1:{port}"
            add = self._grpc.add_secure_port if credentials else self._grpc.add_insecure_port
            self._grpc_port = add(address, credentials) if credentials else add(address)
            self._grpc.start()
        return self._grpc_port

    def restart_grpc(self) -> None:
        """End the gRPC server, whose clients get GOAWAY, and serve on the same port again."""
        assert self._grpc is not None
        self._grpc.stop(None).wait()
        self._grpc = None
        self.serve_grpc(port=self._grpc_port)

    @property
    def seen(self) -> set[SpanKey]:
        """Spans that arrived, those that a partial success refused included."""
        with self._changed:
            return self.refused_keys | set(self.copies)

    def script(self, *faults: Fault | None) -> None:
        """Answer the next requests like this, in order; then accept."""
        left = list(faults)
        self.decide = lambda request: left.pop(0) if left else None

    def take(self, request: Request) -> Fault | None:
        """Record a request; return how to answer it."""
        with self._changed:
            self.requests.append(request)
            fault = self.decide(request)
            if fault is not None:
                self.faults.append(fault)
            if fault is None or fault.accepts:
                self._keep(request.message, skip=fault.rejected if fault is not None else 0)
            self._changed.notify_all()
        if fault is not None and fault.delay_s:
            time.sleep(fault.delay_s)
        return fault

    def take_logs(self, message: ExportLogsServiceRequest) -> int:
        """Record log records; return the status to answer with: ``logs_status``. gRPC has its own words for it."""
        with self._changed:
            if self.logs_status == 200:
                for group in message.resource_logs:
                    records = [record for scope in group.scope_logs for record in scope.log_records]
                    self.logs += records
                    self.log_resources += [attributes(group.resource)] * len(records)
            self._changed.notify_all()
            return self.logs_status

    def _keep(self, message: ExportTraceServiceRequest, *, skip: int) -> None:
        for group in message.resource_spans:
            resource = {pair.key: pair.value.string_value for pair in group.resource.attributes}
            for span in (span for scope in group.scope_spans for span in scope.spans):
                key = (span.trace_id, span.span_id)
                if skip:
                    skip -= 1
                    self.refused_keys.add(key)
                    continue
                self.copies[key] += 1
                if self.keep_bytes:
                    self.contents[key].add(span.SerializeToString(deterministic=True))
                    self.spans[key], self.resources[key] = span, resource

    def wait(self, ready: Callable[[FakeCollector], bool], timeout_s: float = 20.0) -> None:
        """Return once ``ready(self)``; raise TimeoutError otherwise."""
        with self._changed:
            if not self._changed.wait_for(lambda: ready(self), timeout_s):
                names = Counter(span.name for span in self.spans.values())
                raise TimeoutError(f"The collector holds {dict(names)} after {timeout_s} s.")

    def trace(self, trace_id: bytes) -> list[Span]:
        """Return a trace's spans by start."""
        found = [span for (owner, _), span in self.spans.items() if owner == trace_id]
        return sorted(found, key=lambda span: (span.start_time_unix_nano, -span.end_time_unix_nano))

    def clear(self) -> None:
        """Forget everything received."""
        with self._changed:
            for kept in (self.requests, self.spans, self.resources, self.copies, self.contents, self.faults):
                kept.clear()

    def close(self) -> None:
        """Stop serving."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        if self._grpc is not None:
            self._grpc.stop(None).wait()
            self._grpc = None

    def __enter__(self) -> FakeCollector:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _answer_grpc(
        self, message: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        fault = self.take(Request("grpc", headers, message))
        if fault is None or fault.grpc_code is None:
            return _answer(fault)
        if fault.retry_info_s is not None:
            info = error_details_pb2.RetryInfo(
                retry_delay=duration_pb2.Duration(
                    seconds=int(fault.retry_info_s), nanos=int(fault.retry_info_s % 1 * 1e9)
                )
            )
            detail = any_pb2.Any()
            detail.Pack(info)
            status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message=fault.body, details=[detail])
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(fault.grpc_code, fault.body)
        raise AssertionError("abort raises")

    def _answer_grpc_logs(
        self, message: ExportLogsServiceRequest, context: grpc.ServicerContext
    ) -> ExportLogsServiceResponse:
        if self.take_logs(message) != 200:
            context.abort(grpc.StatusCode.UNAVAILABLE, "no logs now")
        return ExportLogsServiceResponse()


def event_name(record: LogRecord) -> str:
    """Return the name of a log record's event: a field since opentelemetry-proto 1.30, an attribute before."""
    return str(getattr(record, "event_name", "") or attributes(record).get("event.name", ""))


def attributes(span: Any) -> dict[str, Any]:
    """Return the attributes of a span, event, link or resource as plain values."""
    return {pair.key: _plain(pair.value) for pair in span.attributes}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


def _answer(fault: Fault | None) -> ExportTraceServiceResponse:
    if fault is None or not (fault.rejected or fault.message):
        return ExportTraceServiceResponse()
    partial = ExportTracePartialSuccess(rejected_spans=fault.rejected, error_message=fault.message)
    return ExportTraceServiceResponse(partial_success=partial)


def _http_body(fault: Fault | None) -> tuple[bytes, str]:
    """Return the body of an answer and its content type."""
    if fault is not None and fault.raw is not None:
        body, kind = fault.raw, "application/x-protobuf"
    elif fault is None or fault.status == 200:
        body, kind = _answer(fault).SerializeToString(), "application/x-protobuf"
    else:
        body, kind = fault.body.encode(), "text/plain"
    return body, kind if fault is None or fault.content_type is None else fault.content_type


def _handler(collector: FakeCollector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            headers = {key.lower(): value for key, value in self.headers.items()}
            if self.path.endswith("/v1/logs"):
                self._answer_logs(body)
                return
            fault = collector.take(Request(self.path, headers, ExportTraceServiceRequest.FromString(body)))
            if fault is not None and (fault.hang_up or fault.write is not None):
                self.close_connection = True
                if fault.write is not None:
                    fault.write(self.wfile)  # type: ignore[arg-type]
                return
            status = fault.status if fault is not None else 200
            payload, content_type = _http_body(fault)
            self.send_response(status)
            headers = {"Content-Length": str(len(payload)), **(fault.headers if fault is not None else {})}
            for name, value in {"Content-Type": content_type, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        def _answer_logs(self, body: bytes) -> None:
            status = collector.take_logs(ExportLogsServiceRequest.FromString(body))
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

    return Handler


def tree(spans: list[Span]) -> Iterator[tuple[int, Span]]:
    """Yield (depth, span) of one trace, parents before children, in order of time."""
    by_parent: defaultdict[bytes, list[Span]] = defaultdict(list)
    known = {span.span_id for span in spans}
    for span in sorted(spans, key=lambda span: (span.start_time_unix_nano, -span.end_time_unix_nano)):
        by_parent[span.parent_span_id if span.parent_span_id in known else b""].append(span)

    def walk(parent: bytes, depth: int) -> Iterator[tuple[int, Span]]:
        for span in by_parent[parent]:
            yield depth, span
            yield from walk(span.span_id, depth + 1)

    yield from walk(b"", 0)
