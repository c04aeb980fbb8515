"""Delivery over HTTP and gRPC: nothing lost, nothing sent that was refused, whatever the collector answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import grpc
import pytest

from examples.fake_collector import FakeCollector, Fault, attributes
from otel_bridge.errors import LeaseLostError
from otel_bridge.otlp import (
    Delivery,
    DeliveryStoppedError,
    OtlpSettings,
    ResourceSettings,
    open_transport,
    settings_from_env,
)
from otel_bridge.otlp.answer import retry_after_s
from otel_bridge.otlp.batches import batches
from otel_bridge.otlp.delivery import backoff_s
from tests.otlp.samples import full_span, sample_span

PROTOCOLS = ("http/protobuf", "grpc")
Deliverer = Callable[..., Delivery]


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    """Each rule holds for both."""
    return str(request.param)


@pytest.fixture
def deliverer(collector: FakeCollector, protocol: str) -> Iterator[Deliverer]:
    """Makes deliveries to the collector with quick retries; closes them."""
    opened = []

    def make(*, batch_spans: int = 1_000, stop: threading.Event | None = None, **environ: str) -> Delivery:
        url = collector.grpc_url if protocol == "grpc" else collector.http_url
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, **environ}
        settings = settings_from_env(variables)
        assert settings is not None
        transport = open_transport(settings, ResourceSettings(environ=variables))
        delivery = Delivery(transport, stop=stop, batch_spans=batch_spans, first_backoff_s=0.001, jitter=lambda: 0.0)
        opened.append(delivery)
        return delivery

    yield make
    for delivery in opened:
        delivery.close()


def fault(protocol: str, status: int, code: str, **fields: object) -> Fault:
    if protocol == "grpc":
        return Fault(grpc_code=grpc.StatusCode[code], **fields)  # type: ignore[arg-type]
    return Fault(status=status, **fields)  # type: ignore[arg-type]


def test_a_span_arrives_whole(collector: FakeCollector, deliverer: Deliverer):
    """Ids, times, attributes of every type, events, links, status, resource."""
    deliverer().deliver([full_span()])
    (span,) = collector.spans.values()
    assert (span.trace_id, span.span_id, span.parent_span_id) == (b"t" * 16, b"s" * 8, b"p" * 8)
    assert (span.name, span.kind) == ("charge ☕", span.SPAN_KIND_PRODUCER)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (10**18, 10**18 + 7)
    expected = {"s": "text", "b": True, "i": -5, "f": 1.5, "l": ["a", "b"], "big": str(2**70)}
    assert attributes(span) == expected
    assert attributes(span.events[0]) == {"exception.type": "E"}
    assert (span.links[0].trace_id, span.links[0].span_id) == (b"T" * 16, b"S" * 8)
    assert (span.status.code, span.status.message) == (span.status.STATUS_CODE_ERROR, "it ? broke")
    assert span.flags & 0x301 == 0x301
    (resource,) = collector.resources.values()
    assert resource["service.name"] == "shop"
    assert resource["host.name"]


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_compression_and_headers_are_sent(
    collector: FakeCollector, deliverer: Deliverer, protocol: str, compression: str
):
    """As the variables say."""
    deliverer(
        OTEL_EXPORTER_OTLP_COMPRESSION=compression, OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20t"
    ).deliver([sample_span()])
    (request,) = collector.requests
    assert request.headers["authorization"] == "Bearer t"
    if protocol != "grpc":
        assert request.headers.get("content-encoding", "none") == compression
        assert request.headers["content-type"] == "application/x-protobuf"
        assert request.path == "/v1/traces"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (503, "UNAVAILABLE"),
        (502, "ABORTED"),
        (504, "DEADLINE_EXCEEDED"),
        (429, "DATA_LOSS"),
        (500, "INTERNAL"),
        (520, "UNKNOWN"),
        (408, "CANCELLED"),
        (425, "OUT_OF_RANGE"),
    ],
)
def test_a_retryable_answer_is_retried_until_it_is_accepted(
    collector: FakeCollector, deliverer: Deliverer, protocol: str, status: int, code: str
):
    """There is no deadline: eight refusals are eight retries."""
    collector.script(*[fault(protocol, status, code)] * 8)
    delivery = deliverer()
    delivery.deliver([sample_span()])
    assert len(collector.requests) == 9
    assert delivery.stats.exported == 1
    assert delivery.stats.retries == 8
    assert not delivery.stats.failing


def test_a_connection_that_breaks_is_retried(collector: FakeCollector, deliverer: Deliverer, protocol: str):
    """The answer may have been lost: the same bytes are sent again."""
    collector.script(fault(protocol, 200, "UNAVAILABLE", keep=True, hang_up=protocol != "grpc"))
    deliverer().deliver([sample_span()])
    assert list(collector.copies.values()) == [2]
    assert [len(contents) for contents in collector.contents.values()] == [1]


def test_a_collector_that_is_slow_is_tried_again(collector: FakeCollector, deliverer: Deliverer):
    """A timeout is not a loss."""
    collector.script(Fault(delay_s=1.0))
    deliverer(OTEL_EXPORTER_OTLP_TIMEOUT="0.2").deliver([sample_span()])
    assert set(collector.copies.values()) <= {1, 2}
    assert len(collector.spans) == 1


def test_a_redirect_is_a_failure_and_loses_nothing(collector: FakeCollector):
    """The SDK's exporter counts a 302 as success, and the spans are gone."""
    collector.script(Fault(status=302, headers={"Location": "https://elsewhere/"}), Fault(status=307))
    settings = OtlpSettings(endpoint=collector.http_url)
    delivery = Delivery(open_transport(settings, ResourceSettings(environ={})), first_backoff_s=0.001)
    delivery.deliver([sample_span()])
    delivery.close()
    assert len(collector.requests) == 3
    assert delivery.stats.last_error is not None
    assert "redirects" in delivery.stats.last_error


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "UNIMPLEMENTED"),
        (415, "FAILED_PRECONDITION"),
        (410, "NOT_FOUND"),
    ],
)
def test_spans_wait_for_a_wrong_setting_to_be_corrected(
    collector: FakeCollector, deliverer: Deliverer, protocol: str, status: int, code: str
):
    """A missing token or a wrong path says nothing about the spans."""
    collector.script(fault(protocol, status, code, body="no"))
    delivery = deliverer()
    delivery.deliver([sample_span()])
    assert delivery.stats.exported == 1
    assert delivery.stats.set_aside == 0


def test_the_one_bad_span_is_found_and_set_aside(
    collector: FakeCollector, deliverer: Deliverer, protocol: str, caplog: pytest.LogCaptureFixture
):
    """A batch that is refused is split until one span is left; all others arrive."""

    def refuse_poison(request: object) -> Fault | None:
        names = [
            span.name
            for group in request.message.resource_spans  # type: ignore[attr-defined]
            for scope in group.scope_spans
            for span in scope.spans
        ]
        return fault(protocol, 400, "INVALID_ARGUMENT", body="poison") if "poison" in names else None

    collector.decide = refuse_poison
    spans = [sample_span(number, name="poison" if number == 37 else f"s{number}") for number in range(100)]
    delivery = deliverer()
    delivery.deliver(spans)
    assert len(collector.spans) == 99
    assert (delivery.stats.exported, delivery.stats.set_aside) == (99, 1)
    (rejection,) = delivery.stats.rejections
    assert (rejection.run_id, rejection.span_id) == ("run-37", spans[37].span_id_hex)
    assert rejection.span_id in caplog.text
    assert len(collector.requests) < 30


def test_a_collector_that_refuses_everything_makes_spans_wait(
    collector: FakeCollector, deliverer: Deliverer, protocol: str
):
    """An answer that would be final for one span is an outage when even an empty request gets it."""
    collector.script(*[fault(protocol, 400, "INVALID_ARGUMENT")] * 40)
    delivery = deliverer()
    delivery.deliver([sample_span(number) for number in range(8)])
    assert len(collector.spans) == 8
    assert delivery.stats.set_aside == 0


@pytest.mark.parametrize("spans", [2, 8, 300])
def test_a_fresh_bridge_sets_nothing_aside_where_only_empty_requests_are_taken(
    collector: FakeCollector, deliverer: Deliverer, protocol: str, spans: int
):
    """A collector whose storage is down may refuse spans and take empty requests: that is not a verdict on any span."""
    refusals = 0

    def refuse(request: Any) -> Fault | None:
        nonlocal refusals
        if not request.message.resource_spans or refusals >= 20:
            return None
        refusals += 1
        return fault(protocol, 400, "INVALID_ARGUMENT", body="storage is down")

    collector.decide = refuse
    delivery = deliverer()
    delivery.deliver([sample_span(number) for number in range(spans)])
    assert (delivery.stats.exported, delivery.stats.set_aside) == (spans, 0)


def test_a_few_spans_that_are_refused_for_long_are_looked_at_one_by_one(
    collector: FakeCollector, deliverer: Deliverer, protocol: str
):
    """They may be all there is, and bad: what comes after them must not wait for ever."""

    def refuse_poison(request: Any) -> Fault | None:
        groups = request.message.resource_spans
        names = {span.name for group in groups for scope in group.scope_spans for span in scope.spans}
        return fault(protocol, 400, "INVALID_ARGUMENT") if "poison" in names else None

    collector.decide = refuse_poison
    delivery = deliverer()
    delivery.deliver([sample_span(number, name="poison") for number in range(3)])
    delivery.deliver([sample_span(9)])
    assert (delivery.stats.exported, delivery.stats.set_aside) == (1, 3)


def test_a_collector_that_refuses_empty_requests_is_asked_with_a_span_it_took(
    collector: FakeCollector, deliverer: Deliverer, protocol: str
):
    """Whether it is the span or the collector that is out of order must be found out all the same."""

    def refuse(request: Any) -> Fault | None:
        groups = request.message.resource_spans
        names = {span.name for group in groups for scope in group.scope_spans for span in scope.spans}
        return fault(protocol, 400, "INVALID_ARGUMENT") if not names or "poison" in names else None

    collector.decide = refuse
    delivery = deliverer()
    delivery.deliver([sample_span(1)])
    delivery.deliver([sample_span(2, name="poison"), sample_span(3)])
    assert (delivery.stats.exported, delivery.stats.set_aside) == (2, 1)
    assert {len(contents) for contents in collector.contents.values()} == {1}


def test_a_span_refused_by_chance_is_tried_again_before_it_is_set_aside(
    collector: FakeCollector, deliverer: Deliverer, protocol: str
):
    """One odd answer is not a verdict."""
    collector.script(fault(protocol, 400, "INVALID_ARGUMENT"))
    delivery = deliverer()
    delivery.deliver([sample_span()])
    assert (delivery.stats.exported, delivery.stats.set_aside) == (1, 0)


def test_a_partial_success_is_counted_and_never_sent_again(
    collector: FakeCollector, deliverer: Deliverer, caplog: pytest.LogCaptureFixture
):
    """The collector took what it wanted; the specification forbids a retry."""
    collector.script(Fault(rejected=2, message="too old"))
    delivery = deliverer()
    delivery.deliver([sample_span(number) for number in range(5)])
    assert len(collector.requests) == 1
    assert (delivery.stats.exported, delivery.stats.partial) == (3, 2)
    assert "rejected 2 of 5 spans: too old" in caplog.text


def test_a_partial_success_counts_no_more_than_was_sent(collector: FakeCollector, deliverer: Deliverer):
    """Whatever the collector says: what was not sent was not lost."""
    collector.script(Fault(rejected=1_000, message="quota"))
    delivery = deliverer()
    delivery.deliver([sample_span(number) for number in range(5)])
    assert (delivery.stats.exported, delivery.stats.partial) == (0, 5)


def test_the_same_complaint_is_logged_once(
    collector: FakeCollector, deliverer: Deliverer, caplog: pytest.LogCaptureFixture
):
    """A collector over its quota says so with each request."""
    collector.script(*[Fault(rejected=1, message="quota")] * 4, None, Fault(rejected=1, message="quota"))
    deliverer(batch_spans=2).deliver([sample_span(number) for number in range(12)])
    assert caplog.text.count("rejected 1 of 2 spans: quota") == 2


def test_a_warning_of_the_collector_is_logged(
    collector: FakeCollector, deliverer: Deliverer, caplog: pytest.LogCaptureFixture
):
    """A partial success that rejects nothing is a warning."""
    collector.script(Fault(message="use the new endpoint"))
    deliverer().deliver([sample_span()])
    assert "use the new endpoint" in caplog.text


def test_an_outage_is_said_once_and_its_end_too(
    collector: FakeCollector, deliverer: Deliverer, protocol: str, caplog: pytest.LogCaptureFixture
):
    """A log line per retry would bury the rest."""
    caplog.set_level(logging.INFO, "otel_bridge")
    collector.script(*[fault(protocol, 503, "UNAVAILABLE")] * 5)
    deliverer().deliver([sample_span()])
    assert caplog.text.count("Spans wait") == 1
    assert caplog.text.count("accepts spans again") == 1


def test_an_outage_that_comes_and_goes_is_logged_once_a_minute(
    collector: FakeCollector, protocol: str, caplog: pytest.LogCaptureFixture
):
    """Behind a load balancer every other request may fail."""
    caplog.set_level(logging.INFO, "otel_bridge")
    now = 0.0
    url = collector.grpc_url if protocol == "grpc" else collector.http_url
    settings = OtlpSettings(endpoint=url, protocol=protocol, insecure=True)  # type: ignore[arg-type]
    transport = open_transport(settings, ResourceSettings(environ={}))
    delivery = Delivery(transport, first_backoff_s=0.001, monotonic=lambda: now)
    for minute in range(3):
        now = 61.0 * minute
        for number in range(4):
            collector.script(fault(protocol, 503, "UNAVAILABLE"))
            delivery.deliver([sample_span(number)])
    delivery.close()
    assert caplog.text.count("Spans wait") == 3


def test_the_wish_to_be_left_alone_is_honoured(collector: FakeCollector, protocol: str, deliverer: Deliverer):
    """``Retry-After`` and ``RetryInfo``: the delivery pauses that long, and not longer."""
    pause = 0.4
    if protocol == "grpc":
        collector.script(Fault(grpc_code=grpc.StatusCode.RESOURCE_EXHAUSTED, retry_info_s=pause, body="slow down"))
    else:
        collector.script(Fault(status=429, headers={"Retry-After": str(pause)}))
    waits: list[float] = []

    class Recording(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return False

    deliverer(stop=Recording()).deliver([sample_span()])
    assert [round(wait, 2) for wait in waits] == [pause]


def test_exhausted_without_a_wish_is_final(collector: FakeCollector):
    """gRPC's RESOURCE_EXHAUSTED is retryable only with ``RetryInfo``: the batch is too large, and is split."""
    settings = OtlpSettings(endpoint=collector.grpc_url, protocol="grpc", insecure=True)
    delivery = Delivery(open_transport(settings, ResourceSettings(environ={})), first_backoff_s=0.001)
    collector.script(Fault(grpc_code=grpc.StatusCode.RESOURCE_EXHAUSTED, body="too large"))
    delivery.deliver([sample_span(1), sample_span(2)])
    delivery.close()
    assert len(collector.requests) == 3
    assert delivery.stats.exported == 2


def test_a_stop_ends_the_wait_at_once(collector: FakeCollector, deliverer: Deliverer, protocol: str):
    """Nothing is acknowledged, so nothing is lost: the spans are sent after a restart."""
    stop = threading.Event()
    stop.set()
    collector.script(fault(protocol, 503, "UNAVAILABLE"))
    with pytest.raises(DeliveryStoppedError, match="sent after a restart"):
        deliverer(stop=stop).deliver([sample_span()])


def test_a_lost_lease_ends_the_delivery(collector: FakeCollector, deliverer: Deliverer, protocol: str):
    """A bridge that was put to sleep must not go on as if nothing had happened."""
    delivery = deliverer()

    def lost() -> None:
        raise LeaseLostError("otel-bridge", "me")

    delivery.alive = lost
    with pytest.raises(LeaseLostError):
        delivery.deliver([sample_span()])
    assert collector.requests == []


def test_a_collector_that_is_down_is_retried(free_port: int, protocol: str):
    """Refused connections are outages like any other."""
    stop = threading.Event()
    url = f"http://127.0.0.1:{free_port}"
    settings = OtlpSettings(endpoint=url, protocol=protocol, insecure=True, timeout_s=2.0)  # type: ignore[arg-type]
    delivery = Delivery(open_transport(settings, ResourceSettings(environ={})), stop=stop, first_backoff_s=0.001)

    def stop_after_three() -> None:
        if delivery.stats.retries >= 3:
            stop.set()

    delivery.alive = stop_after_three
    with pytest.raises(DeliveryStoppedError):
        delivery.deliver([sample_span()])
    delivery.close()
    assert delivery.stats.failing


def test_spans_are_sent_in_bounded_batches(collector: FakeCollector, deliverer: Deliverer):
    """By number and by weight, in order."""
    deliverer(batch_spans=3).deliver(sample_span(number) for number in range(8))
    sizes = [len(request.message.resource_spans[0].scope_spans[0].spans) for request in collector.requests]
    assert sizes == [3, 3, 2]
    heavy = full_span()
    big = [sample_span(n, events=(type(heavy.events[0])("e", 1, {"x": "y" * 900_000}),)) for n in range(5)]
    assert [len(batch) for batch in batches(big, 1_000)] == [2, 2, 1]


def test_backoff_doubles_up_to_a_bound():
    """With jitter, so that bridges which failed together do not come back together."""
    assert [backoff_s(n, None, 0.5, 0.0) for n in (0, 1, 2, 50)] == [0.25, 0.5, 1.0, 15.0]
    assert backoff_s(0, None, 0.5, 0.999) < 0.5
    assert all(backoff_s(n, None, 0.5, 0.0) < backoff_s(n + 1, None, 0.5, 0.0) for n in range(5))


@pytest.mark.parametrize(
    ("attempt", "wish_s", "pause_s"),
    [(3, 7.0, 7.0), (3, 10**9, 300.0), (0, 0.0, 0.25), (3, 0.0, 2.0), (50, 1.0, 15.0), (3, float("inf"), 300.0)],
)
def test_the_collector_may_ask_for_more_patience_never_for_less(attempt: int, wish_s: float, pause_s: float):
    """``Retry-After: 0`` in an outage must not make the bridge hammer the collector."""
    assert backoff_s(attempt, wish_s, 0.5, 0.0) == pause_s


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("nan", None),
        ("inf", float("inf")),
        ("999999999999", 999_999_999_999.0),
        (formatdate(1_000, usegmt=True), 10.0),
        (formatdate(100, usegmt=True), 0.0),
        ("soon", None),
        ("Fri, 99 Foo 99999 99:99:99 ZZZ", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nonsense(header: str | None, seconds: float | None):
    """Nonsense is ignored: the bridge has a back-off of its own."""
    assert retry_after_s(header, 990.0) == seconds
