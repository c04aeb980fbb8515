"""Runs of DBOS for TypeScript on the same database are listed, drawn, tailed, traced and acted on like any other.

A real worker under Node (``worker.mjs``). Needs node and npm; npm fetches the SDK into a folder of the test's.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from dashboard import create_blueprint
from otel_bridge import OTelBridge
from otel_bridge.spans import ids
from otel_bridge.store import open_store
from otel_bridge.tail.changes import ChangeTail
from tests.programs import Program, running
from tests.waiting import until

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(
        not (shutil.which("node") and shutil.which("npm")), reason="a real TypeScript worker needs Node"
    ),
]


def said(worker: Program, key: str) -> Any:
    """Return the value of the next line of JSON that has ``key``."""
    while not (line := worker.wait_for(f'"{key}"')).startswith("{"):
        pass
    return json.loads(line)[key]


@pytest.fixture(scope="module")
def sdk_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typescript")
    for name in ("package.json", "worker.mjs"):
        shutil.copy(HERE / name, folder / name)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True, timeout=150)
    return folder


@pytest.fixture
def worker(sdk_folder: Path, postgres_url: str) -> Iterator[Program]:
    host = postgres_url.split("host=")[1]
    name = postgres_url.split("?")[0].rsplit("/", 1)[1]
    url = f"postgresql://postgres@localhost/{name}?host={host}"
    with running("worker.mjs", url, executable="node", cwd=sdk_folder, commanded=True) as worker:
        said(worker, "launched")
        said(worker, "failed")
        yield worker


@pytest.fixture
def client(worker: Program, postgres_url: str) -> Iterator[FlaskClient]:
    app = Flask(__name__)
    blueprint = create_blueprint(postgres_url)
    app.register_blueprint(blueprint, url_prefix="/durable")
    yield app.test_client()
    blueprint.close()


def get(client: FlaskClient, path: str) -> Any:
    answer = client.get(f"/durable/api/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json


def post(client: FlaskClient, path: str, body: Any = None) -> Any:
    answer = client.post(f"/durable/api/{path}", json=body if body is not None else {})
    assert answer.status_code in (200, 202), answer.text
    return answer.json


def test_a_typescript_run_is_listed_drawn_tailed_acted_on_and_traced(
    worker: Program, client: FlaskClient, postgres_url: str
):
    """Steps count from 0, payloads are superjson, messages must be portable: none of it shows to a person."""
    store = open_store(postgres_url)
    tail = ChangeTail(store, since_ms=0)
    exporter = InMemorySpanExporter()

    def waiting() -> bool:
        rows = {row["id"]: row for row in get(client, "runs")}
        return rows["ts-order"]["status"] == "suspended" and rows["ts-fragile"]["status"] == "failed"  # type: ignore[no-any-return]

    until(waiting, what="the order to wait for its approval")
    detail = get(client, "runs/ts-order")
    steps = {step["seq"]: step for step in detail["timeline"]}
    assert [(seq, step["kind"]) for seq, step in sorted(steps.items())] == [
        (0, "local"),
        (1, "sleep"),
        (2, "remote"),
        (4, "signal"),
    ]
    assert detail["run"]["input"] == {"args": [42], "kwargs": {}}
    assert detail["children"] == ["ts-order-2"]
    receipt = get(client, "runs/ts-order/steps/0")["output"]
    assert receipt == {"charged": 42, "at": "1970-01-01T00:00:00.000Z", "tags": {"$set": ["a"]}}
    nodes = get(client, "runs/ts-order/graph")["nodes"]
    assert {0, 1, 2, 4} <= {node.get("seq") for node in nodes}
    fragile = get(client, "runs/ts-fragile")
    assert "the till is jammed" in fragile["run"]["error"]["message"]

    post(client, "runs/ts-order/signals/approval", {"approved": True})
    post(client, "runs/ts-fragile/retry")
    assert said(worker, "finished")["approval"] == {"approved": True}
    until(
        lambda: {row["status"] for row in get(client, "runs")} == {"completed"},
        what="every run to complete, the retried one under its own id",
    )

    reported = {(event.run_id, event.type, event.seq) for change in tail.poll() for event in change.events}
    assert ("ts-order", "step.completed", 0) in reported
    assert ("ts-fragile", "run.completed", None) in reported

    with OTelBridge(store, exporter=exporter, start_from="beginning") as bridge:
        until(lambda: len(roots(exporter)) == 3, what="three roots")
        bridge.stop()
    for run_id in ("ts-order", "ts-order-2", "ts-fragile"):
        trace_id = int.from_bytes(ids.trace_id(run_id), "big")
        spans = [span for span in exporter.get_finished_spans() if span.context.trace_id == trace_id]
        assert len([span for span in spans if span.parent is None]) == 1
        assert len({span.context.span_id for span in spans}) == len(spans)
    store.close()


def roots(exporter: InMemorySpanExporter) -> list[Any]:
    return [span for span in exporter.get_finished_spans() if span.parent is None]
