"""Collectors that are out of order, and servers that are no collectors."""

from __future__ import annotations

import contextlib
import time
from typing import BinaryIO

from examples.fake_collector import Fault
from tests.chaos.scene import Scene
from tests.chaos.table import Row, fault
from tests.waiting import until

RUNS = 40
LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Guest wifi</title></head><body>Please sign in.</body></html>"
STOP_S = 5.0
"""Within this the bridge stops, whatever the collector does; a busy machine may take as much again to notice."""


def _meets(scene: Scene, answer: Fault, *, requests: int = 2) -> Row:
    """Let a bridge meet an answer some times, stop it in the middle, and let the collector recover."""
    scene.work(RUNS)
    scene.collector.decide = lambda request: answer
    bridge = scene.bridge()
    with contextlib.suppress(AssertionError):  # one that takes the answer for acceptance does not ask again
        until(lambda: len(scene.collector.requests) >= requests, timeout_s=20)
    began = time.monotonic()
    bridge.stop()
    stopped_s = time.monotonic() - began
    scene.must(stopped_s < 2 * STOP_S, f"the bridge took {stopped_s:.1f} s to stop")
    scene.collector.decide = lambda request: None
    again = scene.bridge()
    scene.settle()
    again.stop()
    set_aside = bridge.count("set aside") + again.count("set aside")
    scene.must(not set_aside, f"{set_aside} spans were set aside")
    scene.must(bridge.count("WARNING") <= 2, f"{bridge.count('WARNING')} warnings in one outage")
    return scene.row(f"stopped in {stopped_s:.1f} s")


@fault("collector")
def html_with_status_200(scene: Scene) -> Row:
    """A captive portal answers 200 with its login page: spans wait."""
    return _meets(scene, Fault(raw=LOGIN_PAGE, content_type="text/html; charset=utf-8"))


@fault("collector")
def garbage_with_status_200(scene: Scene) -> Row:
    """Something answers 200 with bytes that are no OTLP message: spans wait."""
    return _meets(scene, Fault(raw=scene.random.randbytes(200)))


@fault("collector")
def an_error_with_status_200(scene: Scene) -> Row:
    """A gateway answers 200 with an error in JSON: spans wait."""
    return _meets(scene, Fault(raw=b'{"error": "tenant unknown"}', content_type="application/json"))


@fault("collector")
def status_500_for_everything(scene: Scene) -> Row:
    """The collector's storage is down from the bridge's start: spans wait."""
    return _meets(scene, Fault(status=500, body="storage is down"))


@fault("collector")
def status_500_for_spans_only(scene: Scene) -> Row:
    """A fresh bridge meets a collector that takes empty requests and answers 500 to spans: none is set aside."""
    scene.work(RUNS)
    scene.collector.decide = lambda request: Fault(status=500) if request.message.resource_spans else None
    bridge = scene.bridge()
    until(lambda: len(scene.collector.requests) >= 3, what="requests")
    scene.collector.decide = lambda request: None
    scene.settle()
    bridge.stop()
    return scene.row()


@fault("collector")
def an_answer_a_byte_at_a_time(scene: Scene) -> Row:
    """The collector trickles its answer for ever: the request has a deadline, and the bridge stops when told."""

    def trickle(out: BinaryIO) -> None:
        out.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(300):
            out.write(b"x")
            out.flush()
            time.sleep(0.2)

    return _meets(scene, Fault(write=trickle), requests=2)


@fault("collector")
def an_answer_without_end(scene: Scene) -> Row:
    """The collector answers with a stream that never ends: it is read up to a bound."""

    def flood(out: BinaryIO) -> None:
        out.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            out.write(b"10000\r\n" + b"z" * 65536 + b"\r\n")

    return _meets(scene, Fault(write=flood))
