"""What counts as an acceptance: a collector's answer, and nothing else that says 200."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from typing import Any, BinaryIO

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from examples.fake_collector import FakeCollector, Fault
from otel_bridge.errors import RejectedBatchError, RetryableDeliveryError
from otel_bridge.otlp import Accepted, OtlpSettings, ResourceSettings, Transport, open_transport
from otel_bridge.otlp.answer import MAX_ANSWER_BYTES, NotOtlpError, decoded, read_answer
from otel_bridge.otlp.deadline import Deadline
from otel_bridge.otlp.grpc import retry_info_s
from otel_bridge.otlp.http import HttpTransport
from tests.otlp.samples import sample_span
from tests.waiting import until

PARTIAL = ExportTraceServiceResponse(
    partial_success=ExportTracePartialSuccess(rejected_spans=2, error_message="too old")
).SerializeToString()
HTML = b"<!DOCTYPE html><html><body>Please sign in to the guest wifi</body></html>"


@pytest.mark.parametrize(
    ("body", "kind", "accepted"),
    [
        (b"", "application/x-protobuf", Accepted()),
        (b"", "", Accepted()),
        (PARTIAL, "application/x-protobuf", Accepted(2, "too old")),
        (PARTIAL, "Application/X-Protobuf; charset=utf-8", Accepted(2, "too old")),
        (PARTIAL, "application/octet-stream", Accepted(2, "too old")),
        (PARTIAL, "", Accepted(2, "too old")),
        (PARTIAL + b"\x12\x02hi", "application/x-protobuf", Accepted(2, "too old")),
        (b"", "application/json", Accepted()),
        (b"{}", "application/json", Accepted()),
        (b'{"partialSuccess": {}}', "application/json; charset=utf-8", Accepted()),
        (b'{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "q"}}', "application/json", Accepted(3, "q")),
        (b'{"partial_success": {"rejected_spans": 3}}', "application/json", Accepted(3)),
        (b'{"partialSuccess": {"rejectedSpans": -3}}', "application/json", Accepted()),
    ],
)
def test_an_otlp_message_is_an_acceptance(body: bytes, kind: str, accepted: Accepted):
    """In protobuf or JSON; fields that a later version may add are left alone."""
    assert read_answer(body, kind) == accepted


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (HTML, "text/html"),
        (HTML, "application/x-protobuf"),
        (HTML, ""),
        (b"", "text/html; charset=utf-8"),
        (b"", "text/plain"),
        (b"OK", "text/plain"),
        (b"OK", ""),
        (PARTIAL, "text/html"),
        (bytes(range(1, 201)), "application/x-protobuf"),
        (b"\xff" * 50, "application/x-protobuf"),
        (b"\xc0\x3e\x01", "application/x-protobuf"),
        (PARTIAL[:-1], "application/x-protobuf"),
        (b'{"error": "tenant unknown"}', "application/json"),
        (b'{"partialSuccess": {"rejectedSpans": "many"}}', "application/json"),
        (b'{"partialSuccess": "no"}', "application/json"),
        (b'{"partialSuccess": {"rejectedSpans": 1e400}}', "application/json"),
        (b'{"partialSuccess": {"rejectedSpans": NaN}}', "application/json"),
        (b"[]", "application/json"),
        (b"{", "application/json"),
        (b"[" * 60_000, "application/json"),
        (b"\xff", "application/json"),
        (b"x" * (MAX_ANSWER_BYTES + 1), "application/x-protobuf"),
    ],
)
def test_anything_else_is_not_a_collector(body: bytes, kind: str):
    """HTML, garbage, an error in JSON, the wrong content type, an answer without end."""
    with pytest.raises(NotOtlpError):
        read_answer(body, kind)


def test_a_compressed_answer_is_read_up_to_a_bound():
    """None was asked for; a zip bomb takes no memory."""
    assert decoded(gzip.compress(PARTIAL), "gzip") == PARTIAL
    assert decoded(PARTIAL, "identity") == PARTIAL
    assert len(decoded(gzip.compress(b"x" * 50_000_000), "gzip")) == MAX_ANSWER_BYTES + 1
    for body, encoding in ((b"not gzip", "gzip"), (b"", "br")):
        with pytest.raises(NotOtlpError):
            decoded(body, encoding)


def transport_to(collector: FakeCollector, *, timeout_s: float = 10.0) -> Transport:
    settings = OtlpSettings(endpoint=collector.http_url, timeout_s=timeout_s)
    return open_transport(settings, ResourceSettings(environ={}))


@pytest.mark.parametrize(
    "answer",
    [
        Fault(raw=HTML, content_type="text/html"),
        Fault(status=202, raw=HTML, content_type="text/html"),
        Fault(raw=b"\xff" * 200),
        Fault(raw=json.dumps({"error": "x"}).encode(), content_type="application/json"),
        Fault(raw=b"not gzip", headers={"Content-Encoding": "gzip"}),
        Fault(raw=b"x" * 1_000_000),
    ],
)
def test_spans_are_kept_where_no_collector_answers_200(collector: FakeCollector, answer: Fault):
    """Such an answer can be tried again; it says what to correct."""
    collector.script(answer)
    transport = transport_to(collector)
    with pytest.raises(RetryableDeliveryError, match=r"not an OTLP collector\. Correct the endpoint"):
        transport.send([sample_span()])
    transport.close()
    assert collector.copies == {}


@pytest.mark.parametrize(("status", "final"), [(400, True), (413, True), (422, True), (418, False), (500, False)])
def test_only_statuses_about_the_content_count_against_spans(collector: FakeCollector, status: int, final: bool):
    """Everything else is the server's failure or a setting's."""
    collector.script(Fault(status=status))
    transport = transport_to(collector)
    with pytest.raises(RejectedBatchError if final else RetryableDeliveryError):
        transport.send([sample_span()])
    transport.close()


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_only_codes_about_the_content_count_against_spans(collector: FakeCollector, code: grpc.StatusCode):
    """INTERNAL and UNKNOWN are a server's failures."""
    collector.script(Fault(grpc_code=code))
    settings = OtlpSettings(endpoint=collector.grpc_url, protocol="grpc", insecure=True)
    transport = open_transport(settings, ResourceSettings(environ={}))
    final = code.name in ("INVALID_ARGUMENT", "ALREADY_EXISTS", "RESOURCE_EXHAUSTED")
    with pytest.raises(RejectedBatchError if final else RetryableDeliveryError):
        transport.send([sample_span()])
    transport.close()


def dribble(head: bytes, ended: threading.Event) -> Fault:
    """Answer with ``head`` and then a byte at a time, until the other side has had enough."""

    def write(out: BinaryIO) -> None:
        try:
            out.write(head)
            while not ended.wait(0.02):
                out.write(b"x")
        except OSError:
            ended.set()

    return Fault(write=write)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Padding: ",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["body", "headers", "status line", "body without length"],
)
def test_an_answer_that_trickles_in_ends_at_the_deadline(collector: FakeCollector, head: bytes):
    """The deadline is the request's, not each read's: a byte a second would hold the bridge for ever."""
    ended = threading.Event()
    collector.script(dribble(head, ended))
    transport = transport_to(collector, timeout_s=0.5)
    with pytest.raises(RetryableDeliveryError, match=r"no whole answer within 0\.5 s|read timeout=0\.5"):
        transport.send([sample_span()])
    transport.close()
    until(ended.is_set, what="the connection to be closed")


def test_an_answer_without_end_is_not_read_to_its_end(collector: FakeCollector):
    """Nor kept in memory."""
    ended = threading.Event()

    def flood(out: BinaryIO) -> None:
        out.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                out.write(b"10000\r\n" + b"z" * 65536 + b"\r\n")
        except OSError:
            ended.set()

    collector.script(Fault(write=flood))
    transport = transport_to(collector)
    with pytest.raises(RetryableDeliveryError, match="more than 64 KB"):
        transport.send([sample_span()])
    transport.close()
    until(ended.is_set, what="the connection to be closed")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_stop_ends_a_request_under_way(collector: FakeCollector, protocol: str):
    """A collector that does not answer holds up a stop no longer than a moment, whatever the timeout."""
    stop, release = threading.Event(), threading.Event()

    def hang(request: object) -> Fault | None:
        stop.set()
        release.wait(30)
        return None

    collector.decide = hang
    url = collector.grpc_url if protocol == "grpc" else collector.http_url
    settings = OtlpSettings(endpoint=url, protocol=protocol, insecure=True, timeout_s=3600)  # type: ignore[arg-type]
    transport = open_transport(settings, ResourceSettings(environ={}), stop=stop)
    began = time.monotonic()
    with pytest.raises(RetryableDeliveryError, match=r"(?i)stopped while waiting"):
        transport.send([sample_span()])
    assert time.monotonic() - began < 3600, "it waited for the timeout"
    release.set()
    transport.close()


def test_a_stop_ends_a_request_that_nobody_reads():
    """A collector that takes the connection and not the spans: writing is watched as reading is."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = OtlpSettings(endpoint=f"http://127.0.0.1:{server.getsockname()[1]}", timeout_s=60.0)
        transport = HttpTransport(settings, ResourceSettings(environ={}), stop=stop)
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(RetryableDeliveryError, match="stopped while waiting"):
            transport.post(bytes(50_000_000))
        transport.close()


def test_connecting_and_reading_share_a_deadline():
    """What one has used up the other does not have."""
    now_s, stop = [0.0], threading.Event()
    deadline = Deadline(stop, monotonic=lambda: now_s[0])
    deadline.begin(10.0)
    assert deadline.left_s() == 10.0
    now_s[0] = 9.95
    assert (round(deadline.left_s(), 2), round(deadline.slice_s(), 2)) == (0.05, 0.05)
    now_s[0] = 10.0
    with pytest.raises(TimeoutError, match="no whole answer within 10 s"):
        deadline.left_s()
    stop.set()
    with pytest.raises(ConnectionAbortedError):
        deadline.left_s()


EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
FINAL = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n%s" % (
    len(PARTIAL),
    PARTIAL,
)


@pytest.mark.parametrize(
    "before",
    [
        CONTINUE,
        EARLY,
        EARLY * 3,
        CONTINUE + EARLY + CONTINUE,
        b"HTTP/1.1 102 Processing\r\n\r\n" + EARLY,
        b"HTTP/1.1 199 What\r\nContent-Length: 5\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_a_server_says_before_its_answer_is_not_the_answer(before: bytes):
    """The spans were taken: to send them again would double them. The connection is good for the next request."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rwb") as file:
                for _ in range(2):
                    head = b"".join(iter(file.readline, b"\r\n"))
                    file.read(int(head.lower().partition(b"content-length:")[2].split()[0]))
                    file.write(before + FINAL)
                    file.flush()

        threading.Thread(target=serve, daemon=True).start()
        settings = OtlpSettings(endpoint=f"http://127.0.0.1:{server.getsockname()[1]}", timeout_s=60.0)
        transport = open_transport(settings, ResourceSettings(environ={}))
        assert [transport.send([sample_span()]) for _ in range(2)] == [Accepted(2, "too old")] * 2
        transport.close()


@pytest.mark.parametrize("say", [EARLY, CONTINUE])
def test_a_server_that_never_comes_to_its_answer_ends_at_the_deadline(collector: FakeCollector, say: bytes):
    """However quickly it says that it is about to."""
    ended = threading.Event()

    def promise(out: BinaryIO) -> None:
        try:
            while not ended.wait(0.001):
                out.write(say)
        except OSError:
            ended.set()

    collector.script(Fault(write=promise))
    transport = transport_to(collector, timeout_s=0.5)
    with pytest.raises(RetryableDeliveryError, match=r"no whole answer within 0\.5 s"):
        transport.send([sample_span()])
    transport.close()
    until(ended.is_set, what="the connection to be closed")


def test_a_server_that_switches_to_another_protocol_has_answered(collector: FakeCollector):
    """Nothing follows in this one; what was sent is kept."""

    def switch(out: BinaryIO) -> None:
        out.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")

    collector.script(Fault(write=switch))
    transport = transport_to(collector)
    with pytest.raises(RetryableDeliveryError, match="answered 101"):
        transport.send([sample_span()])
    transport.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (OK + b"Content-Len", "ended within the head"),
        (OK, "ended within the head"),
        (b"HTTP/1.1 200 OK\r\n", "ended within the head"),
        (OK + b"Content-Length: 50\r\n\r\n", "IncompleteRead|broke off"),
        (OK + b"Content-Length: 500\r\n\r\n" + PARTIAL, "broke off"),
        (OK.replace(b"x-protobuf", b"json") + b"Content-Length: 50\r\n\r\n{}", "broke off"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 200\r\n\r\n" + gzip.compress(PARTIAL)[:10], "broke off"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(PARTIAL)[:10], "breaks off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n0\r\n\r\n", "cannot be re"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc\r\n0\r\n\r\n", "cannot be re"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://[login]/x\r\nContent-Length: 0\r\n\r\n", "cannot be re"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n", "cannot be re"),
    ],
)
def test_an_answer_that_breaks_off_or_cannot_be_read_blames_no_span(
    collector: FakeCollector, answer: bytes, says: str
) -> None:
    """What is there of it says 200, or makes a library fail: the spans are kept, and sent again."""

    def write(out: BinaryIO) -> None:
        out.write(answer)

    collector.script(Fault(write=write))
    transport = transport_to(collector)
    with pytest.raises(RetryableDeliveryError, match=says):
        transport.send([sample_span()])
    transport.close()
    assert collector.copies == {}


def test_details_of_a_grpc_error_that_cannot_be_read_wish_for_nothing() -> None:
    """A server that writes them wrongly is still a server that fails."""

    class Told:
        def trailing_metadata(self) -> list[tuple[str, bytes]]:
            cut = any_pb2.Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"\x0a\x02\x08")
            return [("grpc-status-details-bin", status_pb2.Status(details=[cut]).SerializeToString())]

    assert retry_info_s(Told()) is None


def test_what_a_call_makes_fail_blames_no_span(collector: FakeCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is: by then the spans are bytes."""
    settings = OtlpSettings(endpoint=collector.grpc_url, protocol="grpc", insecure=True)
    transport = open_transport(settings, ResourceSettings(environ={}))

    def fail(body: bytes, content_type: str = "") -> Accepted:
        raise OverflowError("cannot convert float infinity to integer")

    monkeypatch.setattr("otel_bridge.otlp.grpc.read_answer", fail)
    with pytest.raises(RetryableDeliveryError, match=r"cannot be read \(cannot convert float infinity"):
        transport.send([sample_span()])
    transport.close()


def test_a_collector_whose_name_is_unknown_for_a_while_gets_its_spans(
    collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
):
    """Each try asks for the address again: also after a connection, for the name may move."""
    known, resolve = [False], socket.getaddrinfo

    def getaddrinfo(host: str, *rest: Any, **more: Any) -> Any:
        if not known[0]:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve("127.0.0.1" if host == "collector.test" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    settings = OtlpSettings(endpoint=collector.http_url.replace("127.0.0.1", "collector.test"), timeout_s=60.0)
    transport = open_transport(settings, ResourceSettings(environ={}))
    for is_known in (False, True, False, True):
        known[0] = is_known
        collector.script(Fault(hang_up=True))
        with pytest.raises(RetryableDeliveryError, match="cannot be reached"):
            transport.send([sample_span()])
    assert len(collector.requests) == 2
    collector.script()
    assert transport.send([sample_span()]) == Accepted()
    transport.close()
