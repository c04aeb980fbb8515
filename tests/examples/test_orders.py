"""The demo runs as the README says, and shows what it promises."""

from __future__ import annotations

import gzip
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dashboard.client import DurableClient
from tests.programs import running, running_shop
from tests.waiting import until


def test_the_demo_shows_every_kind_of_run_by_itself(tmp_path: Path) -> None:
    """Completed, failed, suspended in several ways, undone, dead with its letter; ctrl-C ends it with 0."""
    with running_shop(tmp_path, "--trickle-s", "0.2") as (address, program):
        page = httpx.get(f"{address}/durable/")
        assert page.status_code == 200
        assert "durable-config" in page.text
        assert httpx.get(address).status_code == 200
        with DurableClient(f"{address}/durable") as client:

            def shown() -> bool:
                found = {facet.status for facet in client.run_facets()}
                assert found >= {"completed", "failed", "suspended", "cancelled", "dead"}
                waiting = {r.waiting.on for r in client.iter_runs(status="suspended") if r.waiting}
                assert waiting >= {"signal", "breakpoint", "webhook", "sleep"}
                assert {run.workflow for run in client.iter_runs()} >= {"durable.undo", "pack_item"}
                return True

            until(shown, timeout_s=60)
            dead = client.list_runs(status="dead").runs[0]
            assert until(lambda: client.get_run(dead.id).run.dead_letter_id) == f"dlq:{dead.id}"
            assert client.retry(dead.id).id == dead.id
            until(lambda: client.get_run(dead.id).run.status == "completed")
        assert any("No collector is configured" in line for line in program.lines)
        assert program.stop(signal.SIGINT) == 0
        assert not [line for line in program.lines if "Traceback" in line]


def test_runs_go_on_where_the_demo_left_them(tmp_path: Path) -> None:
    """A run that waits when the demo ends waits again after the next start, under the same id."""
    with running_shop(tmp_path, "--no-trickle") as (address, program):
        ordered = httpx.post(f"{address}/orders", data={"items": "lamp", "total": "900"})
        run_id = ordered.headers["X-Run-Id"]
        with DurableClient(f"{address}/durable") as client:
            until(lambda: client.list_runs(q=run_id, status="suspended").runs)
        assert program.stop() == 0
    with running_shop(tmp_path, "--no-trickle") as (address, _), DurableClient(f"{address}/durable") as client:
        until(lambda: client.get_run(run_id).run.recovery_attempts == 2)
        client.continue_run(run_id)
        until(lambda: [r.waiting for r in client.list_runs(q=run_id).runs if r.waiting and r.waiting.on == "signal"])


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    """Exit code 2, and what to do."""
    with running_shop(tmp_path / "a", "--no-trickle") as (address, _):
        port = address.rpartition(":")[2]
        with running("-m", "examples.orders", "--port", port, "--db", str(tmp_path / "b"), "--no-trickle") as second:
            second.wait_for("--port 0")
            assert second.process.wait(30) == 2


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP and keeps the spans."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.spans: list[Span] = []


class _Take(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path.endswith("/v1/traces"):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.server.spans += [span for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_traces_of_the_demo_are_whole(tmp_path: Path) -> None:
    """With a collector configured, a run's trace has one root, its steps hang under it, and it leads to the run."""
    with Collector() as collector:
        threading.Thread(target=collector.serve_forever, args=(0.05,), name="collector", daemon=True).start()
        environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
        command = ["-m", "examples.orders", "--port", "0", "--db", str(tmp_path), "--no-trickle"]
        with running(*command, environ=environ) as program:
            address = program.wait_for("Orders: ").split()[-1].rstrip("/")
            program.wait_for("Open for business")
            with DurableClient(f"{address}/durable") as client:
                run_id = client.start_run("refund_order", ["order-1", 5]).run_id
                trace_id = until(lambda: client.list_runs(q=run_id).runs)[0].trace_id

                def exported() -> list[Span]:
                    spans = [span for span in collector.spans if span.trace_id.hex() == trace_id]
                    return spans if any(not span.parent_span_id for span in spans) else []

                spans = until(exported)
            assert program.stop() == 0
        collector.shutdown()
    (root,) = [span for span in spans if not span.parent_span_id]
    steps = [span for span in spans if span.parent_span_id == root.span_id]
    assert {span.name for span in steps} >= {"look_up_payment", "pay_back"}
    links = {item.value.string_value for item in root.attributes if item.key == "durable.run.url"}
    assert links == {f"{address}/durable/runs/{run_id}"}
