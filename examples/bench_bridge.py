"""Spans per second: the bridge against OpenTelemetry's BatchSpanProcessor, in the same run, to the same collector.

    python examples/bench_bridge.py                        a minute or two
    python examples/bench_bridge.py --backfill 1000000     also watches memory over a long backfill

Four ways, the same spans (a run of nine steps: ten spans, seven attributes each), OTLP/HTTP, a collector in a process
of its own that decodes and counts. Processor time is this process's own, and steadier than the clock on a busy machine.

  sdk        start_span ... end, BatchSpanProcessor, OTLPSpanExporter, as fast as the application can
  sdk, slow  the same, held back so that the processor's queue never overflows: what it can do without loss
  delivery   SpanData to the collector: what replaces the SDK's exporter
  bridge     all of it: rows from SQLite, what the ledger knows, spans, delivery, ledger
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

STEPS = 9
SPANS_PER_RUN = STEPS + 1
START_MS = 1_700_000_000_000


# -- the collector: counts ----------------------------------------------------------------------------------------


def collect(pipe: Connection) -> None:
    """Serve OTLP/HTTP; tell how many spans arrived when asked."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    counts = {"spans": 0}
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            spans = sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)
            with lock:
                counts["spans"] += spans
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_address[1])
    while pipe.recv() == "count":
        with lock:
            pipe.send(counts["spans"])
            counts["spans"] = 0
    server.shutdown()


class Collector:
    """The counting process, seen from here."""

    def __init__(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=collect, args=(theirs,), daemon=True)
        self._process.start()
        self.url = f"http://127.0.0.1:{self._pipe.recv()}/v1/traces"

    def count(self) -> int:
        """Return how many spans arrived since the last look."""
        self._pipe.send("count")
        return int(self._pipe.recv())

    def close(self) -> None:
        self._pipe.send("stop")
        self._process.join()


# -- the same spans, four ways ---------------------------------------------------------------------------------------


class Result(NamedTuple):
    """Spans that arrived per second, per second of processor time, and those that did not."""

    rate: float
    lean: float
    lost: int


class Stopwatch:
    """Seconds, and seconds of this process's processor time."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self._began[0], time.process_time() - self._began[1]


def attributes(run: int, step: int) -> dict[str, Any]:
    """Return what a step's span carries."""
    return {
        "durable.run.id": f"run-{run}",
        "durable.workflow.name": "order",
        "durable.run.url": f"https://ops.example.com/durable/runs/run-{run}",
        "durable.step.seq": step,
        "durable.step.name": f"step_{step}",
        "durable.step.kind": "local",
        "durable.step.status": "completed",
    }


def sdk(url: str, spans: int, *, lossless: bool) -> tuple[float, float]:
    """Send ``spans`` through the SDK; return seconds until everything was flushed."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(shutdown_on_exit=False)
    processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=url))
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("bench")
    watch = Stopwatch()
    for run in range(spans // SPANS_PER_RUN):
        with tracer.start_as_current_span("order", attributes=attributes(run, 0)):
            for step in range(1, STEPS + 1):
                tracer.start_span(f"step_{step}", attributes=attributes(run, step)).end()
        if lossless and run % 100 == 99:
            provider.force_flush(60_000)
    provider.force_flush(60_000)
    took = watch.read()
    provider.shutdown()
    return took


def delivery(url: str, spans: int) -> tuple[float, float]:
    """Send ``spans`` made from rows in memory; return seconds."""
    from otel_bridge.model.runs import Run
    from otel_bridge.model.steps import Step
    from otel_bridge.otlp import Delivery, OtlpSettings, ResourceSettings, open_transport
    from otel_bridge.spans import SpanSettings, plan_run

    settings = SpanSettings(dashboard_url="https://ops.example.com/durable")
    made: list[Any] = []
    for number in range(spans // SPANS_PER_RUN):
        run_id = f"run-{number}"
        run = Run(
            id=run_id, workflow="order", status="completed", created_at_ms=START_MS, updated_at_ms=START_MS,
            started_at_ms=START_MS, finished_at_ms=START_MS + 500,
        )  # fmt: skip
        steps = [
            Step(
                run_id=run_id, seq=seq, name=f"step_{seq}", kind="local", status="completed",
                started_at_ms=START_MS + seq, finished_at_ms=START_MS + seq + 5,
            )
            for seq in range(1, STEPS + 1)
        ]  # fmt: skip
        made += plan_run(run, steps, None, settings=settings, now_ms=START_MS).spans
    sender = Delivery(open_transport(OtlpSettings(endpoint=url), ResourceSettings()))
    watch = Stopwatch()
    sender.deliver(made)
    took = watch.read()
    sender.close()
    return took


def bridge(url: str, database: Path) -> tuple[float, float]:
    """Export a whole database from the beginning; return seconds."""
    from otel_bridge import OTelBridge
    from otel_bridge.otlp import OtlpSettings

    made = OTelBridge(
        database,
        exporter=OtlpSettings(endpoint=url),
        start_from="beginning",
        dashboard_url="https://ops.example.com/durable",
    )
    watch = Stopwatch()
    made.run_once()
    took = watch.read()
    made.stop()
    return took


def backfill(url: str, database: Path, report: Any) -> float:
    """Backfill a whole database, memory being watched; return seconds."""
    from otel_bridge.bridge.backfill import BackfillProgress
    from otel_bridge.bridge.backfill import backfill as fill
    from otel_bridge.ledger import open_ledger
    from otel_bridge.otlp import Delivery, OtlpSettings, ResourceSettings, open_transport
    from otel_bridge.spans import SpanSettings
    from otel_bridge.store import open_store

    store = open_store(database)
    ledger = open_ledger(store.url)
    sender = Delivery(open_transport(OtlpSettings(endpoint=url), ResourceSettings()))
    seen = {"next": 0}

    def on_progress(progress: BackfillProgress) -> None:
        if progress.spans >= seen["next"]:
            report(progress.spans, memory_mb())
            seen["next"] += max(1, (progress.total or 0) * SPANS_PER_RUN // 10)

    began = time.perf_counter()
    settings = SpanSettings(dashboard_url="https://ops.example.com/durable")
    fill(store, ledger, sender, settings=settings, on_progress=on_progress)
    took = time.perf_counter() - began
    sender.close()
    ledger.close()
    store.close()
    return took


def memory_mb() -> float:
    """Return this process's resident memory now (its peak, where the system does not tell)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


@contextmanager
def database_of(runs: int) -> Iterator[Path]:
    """A system database as DBOS writes it, with completed runs."""
    from otel_bridge.store.engine_schema import ENGINE_SCHEMA

    with tempfile.TemporaryDirectory(prefix="durable-bench-") as directory:
        path = Path(directory) / "bench.sqlite"
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(ENGINE_SCHEMA)
        connection.executemany(
            "INSERT INTO workflow_status (workflow_uuid, status, name, created_at, updated_at, started_at_epoch_ms,"
            " completed_at, recovery_attempts) VALUES (?, 'SUCCESS', 'order', ?, ?, ?, ?, 1)",
            ((f"run-{run}", at, at + 100, at, at + 100) for run in range(runs) for at in (START_MS + run * 10,)),
        )
        connection.executemany(
            "INSERT INTO operation_outputs (workflow_uuid, function_id, function_name, output, started_at_epoch_ms,"
            " completed_at_epoch_ms, retention_timestamp) VALUES (?, ?, ?, '1', ?, ?, ?)",
            (
                (f"run-{run}", step, f"step_{step}", at, at + 5, at + 5)
                for run in range(runs)
                for step in range(1, STEPS + 1)
                for at in (START_MS + run * 10 + step * 10,)
            ),
        )
        connection.commit()
        connection.close()
        yield path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--backfill", type=int, default=0, metavar="SPANS")
    arguments = parser.parse_args()
    spans = arguments.spans // SPANS_PER_RUN * SPANS_PER_RUN
    collector = Collector()
    best: dict[str, Result] = {}

    def note(name: str, result: tuple[float, float]) -> None:
        took, processor = result
        arrived = collector.count()
        rate, lean = arrived / took, arrived / processor
        known = best.get(name, Result(0.0, 0.0, 0))
        best[name] = Result(max(rate, known.rate), max(lean, known.lean), max(spans - arrived, known.lost))
        if arrived > spans:
            raise SystemExit(f"{name}: {arrived - spans} spans arrived that nobody owed")

    with database_of(spans // SPANS_PER_RUN) as database:
        for _ in range(arguments.rounds):
            note("sdk", sdk(collector.url, spans, lossless=False))
            note("sdk, slow", sdk(collector.url, spans, lossless=True))
            note("delivery", delivery(collector.url, spans))
            note("bridge", bridge(collector.url, database))
            for left in database.parent.glob("*.durable.sqlite*"):
                left.unlink()
    print(f"{spans} spans, best of {arguments.rounds}")
    print("  times the SDK as it is, and times the SDK held back until it loses nothing")
    asis, slow = best["sdk"], best["sdk, slow"]
    for name, result in best.items():
        clock = f"{result.rate / asis.rate:4.1f} x, {result.rate / slow.rate:4.1f} x"
        processor = f"{result.lean / asis.lean:4.1f} x, {result.lean / slow.lean:4.1f} x"
        print(
            f"  {name:<10} {result.rate:>9,.0f} spans/s ({clock})"
            f"   {result.lean:>9,.0f} per processor second ({processor})   lost {result.lost:,}"
        )
    if arguments.backfill:
        runs = arguments.backfill // SPANS_PER_RUN
        with database_of(runs) as database:
            print(f"backfill of {runs * SPANS_PER_RUN:,} spans")
            took = backfill(
                collector.url,
                database,
                lambda sent, used: print(f"  {sent:>9,} spans sent  {used:6.1f} MB resident", flush=True),
            )
        arrived = collector.count()
        print(f"  {arrived:,} arrived, {runs * SPANS_PER_RUN - arrived} lost, {arrived / took:,.0f} spans/s")
    collector.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
