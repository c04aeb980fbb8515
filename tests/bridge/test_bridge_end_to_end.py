"""A real engine, real processes, a real receiver: one trace, one root, each step exactly once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings

from examples.fake_collector import FakeCollector, attributes, tree
from otel_bridge import OTelBridge
from otel_bridge.spans import ids
from otel_bridge.store import open_store
from tests.waiting import until

APP = Path(__file__).with_name("crash_app.py")


class Tap:
    """OtelTap, a receiver that we did not write, in a thread of its own."""

    def __init__(self, port: int) -> None:
        self.spans: list[Any] = []
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        async with OtelTapHttpProtobufReceiver(OtelTapHttpProtobufReceiverSettings(self._port)) as receiver:
            reading = asyncio.ensure_future(self._read(receiver))
            self._ready.set()
            await self._stopping.wait()
            reading.cancel()

    async def _read(self, receiver: OtelTapHttpProtobufReceiver) -> None:
        async for span in receiver.stream_traces():
            self.spans.append(span)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def tap(free_port: int) -> Iterator[Tap]:
    receiver = Tap(free_port)
    yield receiver
    receiver.close()


@pytest.fixture
def worker(sqlite_url: str, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts worker processes; kills what is left of them."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: str, run_id: str, url: str = sqlite_url) -> subprocess.Popen[bytes]:
        arguments = [sys.executable, str(APP), url, command, run_id, str(tmp_path / "marker")]
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_worker_killed_in_mid_run_leaves_one_trace(
    tap: Tap, worker: Callable[..., subprocess.Popen[bytes]], sqlite_url: str, tmp_path: Path
):
    """kill -9 and a restart: the run completes; one root, each step exactly once, all below it."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": tap.url}
    first = worker("story", "run")
    with OTelBridge(sqlite_url, start_from="beginning", poll_interval_s=0.05, environ=environ):
        until((tmp_path / "marker.lingering").exists)
        until(lambda: "DBOS.sleep" in {span.name for span in tap.spans})
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        (tmp_path / "marker.go").touch()
        assert worker("recover", "run").wait(60) == 0
        until(lambda: "story" in {span.name for span in tap.spans})
    spans = [span for span in tap.spans if span.trace_id == ids.trace_id("run")]
    assert Counter(span.name for span in spans) == {
        "story": 1, "quick": 1, "child": 2, "DBOS.sleep": 1, "linger": 1, "quick_end": 1,
    }  # fmt: skip
    (root,) = [span for span in spans if not span.parent_span_id]
    assert root.name == "story"
    assert all(span.parent_span_id == root.span_id for span in spans if span is not root)
    assert attributes(root)["durable.run.recoveries"] == 1
    for number in (2, 3):
        child = [span for span in tap.spans if span.trace_id == ids.trace_id(f"run-{number}")]
        assert sorted(span.name for span in child) == ["child", "quick"]


def test_a_run_that_is_retried_continues_its_trace(
    collector: FakeCollector, worker: Callable[..., subprocess.Popen[bytes]], sqlite_url: str, tmp_path: Path
):
    """The engine's own rewind, without any word from a dashboard: the bridge notices by itself."""
    from dbos import DBOSClient

    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
    trace_id = ids.trace_id("run")
    with OTelBridge(sqlite_url, start_from="beginning", poll_interval_s=0.05, environ=environ):
        assert worker("brittle", "run").wait(60) == 0
        collector.wait(lambda seen: any(span.name == "brittle" for span in seen.trace(trace_id)))
        (tmp_path / "marker.mended").touch()
        client = DBOSClient(system_database_url=sqlite_url)
        client.rewind_workflow("run", start_step=2)
        client.destroy()
        assert worker("recover", "run").wait(60) == 0
        collector.wait(lambda seen: any(span.name == "retry 1" for span in seen.trace(trace_id)))
    reported = [("  " * depth + span.name, span.status.code) for depth, span in tree(collector.trace(trace_id))]
    assert reported == [("brittle", 2), ("  quick", 0), ("  flaky", 2), ("  retry 1", 0), ("    flaky", 0)]
    assert set(collector.copies.values()) == {1}


def test_a_bridge_that_died_is_taken_over_without_loss(
    collector: FakeCollector, worker: Callable[..., subprocess.Popen[bytes]], sqlite_url: str, tmp_path: Path
):
    """kill -9 of the exporting process: the stand-by continues within the lease's time, and repeats identically."""
    (tmp_path / "marker.go").touch()
    until_made = worker("story", "run")
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url}
    command = [sys.executable, "-m", "otel_bridge.cli", "export", "--start-from", "beginning"]
    command += ["--system-database-url", sqlite_url]
    dying = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    try:
        collector.wait(lambda seen: bool(seen.copies), 60)
        dying.kill()
        dying.wait()
        bridge = OTelBridge(sqlite_url, poll_interval_s=0.05, lease_ttl_s=1.0, environ=environ)
        assert bridge.run_once() == 0
        with bridge:
            assert until_made.wait(60) == 0
            collector.wait(lambda seen: any(span.name == "story" for span in seen.trace(ids.trace_id("run"))))
    finally:
        dying.kill()
        dying.wait()
    assert len(collector.trace(ids.trace_id("run"))) == 7
    assert {len(contents) for contents in collector.contents.values()} == {1}


@pytest.mark.postgres
def test_the_same_holds_on_postgres(
    collector: FakeCollector, worker: Callable[..., subprocess.Popen[bytes]], postgres_url: str, tmp_path: Path
):
    """Another engine room, the same trace."""
    (tmp_path / "marker.go").touch()
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.grpc_url, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert worker("story", "run", postgres_url).wait(60) == 0
    bridge = OTelBridge(postgres_url, start_from="beginning", environ=environ)
    assert bridge.run_once() > 0
    assert bridge.run_once() == 0
    bridge.stop()
    names = Counter(span.name for span in collector.trace(ids.trace_id("run")))
    assert names == {"story": 1, "quick": 1, "child": 2, "DBOS.sleep": 1, "linger": 1, "quick_end": 1}


def test_what_the_dashboard_looks_up_is_there(worker: Callable[..., subprocess.Popen[bytes]], sqlite_url: str):
    """A trace id leads to its run through the ledger, and the store still holds the run."""
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from otel_bridge.ledger import open_ledger

    assert worker("brittle", "run").wait(60) == 0
    exporter = InMemorySpanExporter()
    bridge = OTelBridge(sqlite_url, exporter=exporter, start_from="beginning", environ={})
    bridge.run_once()
    bridge.stop()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    root = spans["brittle"]
    assert root.status.description == "not mended yet"
    assert root.attributes is not None
    assert root.attributes["error.type"] == "ValueError"
    ledger, store = open_ledger(sqlite_url), open_store(sqlite_url)
    assert root.context is not None
    assert ledger.run_of_trace(f"{root.context.trace_id:032x}") == "run"
    ledger.close()
    store.close()


def test_a_bridge_records_failures_and_that_a_retry_made_them_good(
    collector: FakeCollector, worker: Callable[..., subprocess.Popen[bytes]], sqlite_url: str, tmp_path: Path
):
    """A real engine deletes the error when the run is rewound; the ledger still says which it was."""
    from dbos import DBOSClient

    from otel_bridge.ledger import open_ledger

    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url}
    ledger = open_ledger(sqlite_url)
    with OTelBridge(sqlite_url, start_from="beginning", poll_interval_s=0.05, environ=environ):
        assert worker("brittle", "run").wait(60) == 0
        (failure,) = until(lambda: ledger.failures_of(["run"]).get("run"))  # type: ignore[misc]
        signature = failure.signature
        assert (signature.type, signature.step, failure.message) == ("ValueError", "flaky", "not mended yet")
        assert (failure.workflow, failure.version, failure.settled) == ("brittle", "v1", None)
        (tmp_path / "marker.mended").touch()
        client = DBOSClient(system_database_url=sqlite_url)
        client.rewind_workflow("run", start_step=2)
        client.destroy()
        assert ledger.failures_of(["run"])["run"] == [failure]
        assert worker("recover", "run").wait(60) == 0
        until(lambda: ledger.failures_of(["run"])["run"][0].settled == "completed")
    assert [key.run_id for key in ledger.runs_of_error(signature.fingerprint)] == ["run"]
    ledger.close()
