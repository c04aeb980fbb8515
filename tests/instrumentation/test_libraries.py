"""Spans of instrumented libraries nest under the step that uses them; the engine's own statements make none.

Real instrumentors from PyPI, a real HTTP server, a real SQLAlchemy engine. DBOS uses SQLAlchemy too.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from dbos import DBOS, DBOSClient, SetWorkflowID
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

from otel_bridge import DBOSInstrumentor, OTelBridge
from tests.waiting import until

from .conftest import Tracing, in_body, in_step

Instrument = Callable[..., DBOSInstrumentor]
Construct = Callable[..., DBOS]
WORKER = Path(__file__).with_name("library_worker.py")


class Shop:
    """A server that notes the traceparent of each request by its path, and a database."""

    def __init__(self, directory: Path) -> None:
        headers = self.headers = {}  # type: dict[str, str]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers[self.path.strip("/")] = self.headers.get("traceparent", "")
                self.send_response(204)
                self.end_headers()

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, name="shop", daemon=True).start()
        self.engine = sa.create_engine(f"sqlite:///{directory}/shop.sqlite")

    def use(self, name: str) -> None:
        """One request, one statement."""
        requests.get(f"{self.url}/{name}", timeout=10)
        with self.engine.begin() as connection:
            connection.execute(sa.text(f"SELECT '{name}'"))

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.engine.dispose()


@pytest.fixture
def shop(tracing: Tracing, tmp_path: Path) -> Iterator[Shop]:
    """The libraries are instrumented before any engine is made, as ``opentelemetry-instrument`` does it."""
    RequestsInstrumentor().instrument(tracer_provider=tracing.provider)
    # This version's check knows SQLAlchemy below 2.1 only; what it hooks is there all the same.
    SQLAlchemyInstrumentor().instrument(tracer_provider=tracing.provider, skip_dep_check=True)
    made = Shop(tmp_path)
    yield made
    made.close()
    SQLAlchemyInstrumentor().uninstrument()
    RequestsInstrumentor().uninstrument()


def parents(tracing: Tracing) -> Counter[tuple[bytes, bytes] | None]:
    """Count spans by their parents."""
    return Counter(
        None
        if span.parent is None
        else (span.parent.trace_id.to_bytes(16, "big"), span.parent.span_id.to_bytes(8, "big"))
        for span in tracing.exporter.get_finished_spans()
    )


USED = 3
"""Spans of one ``Shop.use``: GET, connect, SELECT."""


def test_requests_and_statements_nest_under_the_step_that_makes_them_and_nothing_else_does(
    shop: Shop, instrument: Instrument, dbos: Construct, tracing: Tracing
) -> None:
    """In bodies and steps, sync and async, in threads that DBOS or a step starts, and in queued children."""
    instrument()
    dbos()

    @DBOS.step()
    def plain(name: str) -> None:
        shop.use(name)

    @DBOS.step()
    async def direct(name: str) -> None:
        shop.use(name)

    @DBOS.step()
    async def in_thread(name: str) -> None:
        await asyncio.to_thread(shop.use, name)

    @DBOS.step()
    def failing(name: str) -> None:
        shop.use(name)
        raise ValueError(name)

    @DBOS.workflow()
    def child(name: str) -> None:
        plain(name)

    @DBOS.workflow()
    def parent() -> None:
        shop.use("body")
        plain("plain")
        with pytest.raises(ValueError):
            failing("failing")
        DBOS.start_workflow(child, "started").get_result()
        DBOS.enqueue_workflow("q", child, "queued").get_result()
        DBOS.set_event("progress", 1)
        DBOS.sleep(0.01)

    @DBOS.workflow()
    async def async_parent() -> None:
        await direct("direct")
        await in_thread("in thread")

    DBOS.launch()
    DBOS.register_queue("q", polling_interval_sec=0.05)
    with SetWorkflowID("p"):
        parent()
    with SetWorkflowID("a"):
        asyncio.run(async_parent())
    wanted = {
        "body": in_body("p"), "plain": in_step("p", 1), "failing": in_step("p", 2), "started": in_step("p-3", 1),
        "queued": in_step("p-5", 1), "direct": in_step("a", 1), "in thread": in_step("a", 2),
    }  # fmt: skip
    assert parents(tracing) == dict.fromkeys(wanted.values(), USED)
    assert {header.split("-")[1] for header in shop.headers.values()} == {trace.hex() for trace, _ in wanted.values()}


def test_without_us_the_engines_statements_are_spans_again(
    shop: Shop, instrument: Instrument, dbos: Construct, tracing: Tracing
) -> None:
    """What is instrumented is left to others, once we are switched off: an engine made afterwards is theirs."""
    instrument().uninstrument()
    dbos()

    @DBOS.workflow()
    def job() -> str:
        return "done"

    DBOS.launch()
    assert job() == "done"
    assert any("workflow_status" in str(span.attributes) for span in tracing.exporter.get_finished_spans())


def test_what_the_bridge_and_we_do_ourselves_is_not_a_span(
    shop: Shop, instrument: Instrument, dbos: Construct, tracing: Tracing, sqlite_url: str
) -> None:
    """An export is an HTTP request, and must not be exported in its turn."""
    instrument(presence_interval_s=0.05)
    dbos()

    @DBOS.workflow()
    def job() -> None: ...

    DBOS.launch()
    job()
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": shop.url}
    bridge = OTelBridge(sqlite_url, start_from="beginning", environ=environ, poll_interval_s=0.05)
    with bridge:
        until(lambda: "v1/traces" in shop.headers)
    assert tracing.exporter.get_finished_spans() == ()


def test_a_queued_child_on_another_process_is_in_its_own_trace_there_too(
    shop: Shop, sqlite_url: str, tmp_path: Path
) -> None:
    """The parent's process enqueues, the child's executes; each library span is under the step that used it."""

    def worker(queue: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(WORKER), sqlite_url, queue, shop.url]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    near, far = worker("near"), worker("far")
    client = None
    try:
        for process in (near, far):
            assert process.stdout is not None
            assert "launched" in process.stdout.readline()
        client = DBOSClient(system_database_url=sqlite_url)
        client.enqueue({"workflow_name": "parent", "queue_name": "near", "workflow_id": "p"})
        assert client.retrieve_workflow("p").get_result() != client.retrieve_workflow("p-2").get_result()
    finally:
        if client is not None:
            client.destroy()
        reported = [process.communicate("", timeout=60)[0] for process in (near, far)]
    found = [[json.loads(line) for line in text.splitlines() if line.startswith("{")] for text in reported]
    for spans, (trace_id, span_id) in zip(found, (in_step("p", 1), in_step("p-2", 1)), strict=True):
        assert len(spans) == USED
        assert {span["parent_id"] for span in spans} == {f"0x{span_id.hex()}"}
        assert {span["context"]["trace_id"] for span in spans} == {f"0x{trace_id.hex()}"}
