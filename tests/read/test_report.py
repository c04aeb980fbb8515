"""A run as Markdown for a bug report: what it holds, for whom, and that nothing stored leaves its place."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import Actor, create_blueprint
from dashboard.wire.report import MOST_BYTES
from otel_bridge.codec import redact_keys
from otel_bridge.ledger.base import AuditEntry
from otel_bridge.model.runs import Run
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step

T = 1_700_000_000_000


@pytest.fixture
def store() -> MemoryStateStore:
    """A failed order with a child, an input and forty steps."""
    store = MemoryStateStore()
    store.put_run(make_run("order-1", workflow="order", workflow_version="v2", status="failed", created_at_ms=T))
    store.put_run(make_run("child-1", workflow="pack", status="failed", parent_id="order-1", created_at_ms=T + 5))
    for seq in range(1, 41):
        store.put_step(make_step("order-1", seq, name=f"step-{seq}", status="completed"))
    put_input(store, "order-1", {"args": [{"card": "4111", "to": "ann"}], "kwargs": {}})
    store.put_row(
        "workflow_output", workflow_uuid="order-1",
        error=json.dumps({"name": "GatewayTimeout", "message": "no answer", "stack": "at charge\nat order"}),
    )  # fmt: skip
    return store


def put_input(store: MemoryStateStore, run_id: str, value: Any) -> None:
    store.put_row("workflow_input", workflow_uuid=run_id, inputs=json.dumps(value))


def client_of(store: MemoryStateStore, ledger: MemoryLedger | None = None, **options: Any) -> FlaskClient:
    app = Flask(__name__)
    blueprint = create_blueprint(store, ledger=ledger or MemoryLedger(), actions=False, **options)
    app.register_blueprint(blueprint, url_prefix="/durable")
    return app.test_client()


def report(client: FlaskClient, run_id: str = "order-1", **query: Any) -> str:
    answer = client.get(f"/durable/api/runs/{run_id}/report", query_string=query)
    assert (answer.status_code, answer.mimetype) == (200, "text/markdown"), answer.text
    return answer.text


def test_a_report_says_what_the_run_is_how_it_failed_and_who_did_what(store: MemoryStateStore) -> None:
    """Link, version, error with stack, children, last steps, redacted input, audit."""
    ledger = MemoryLedger()
    ledger.add_audit(
        AuditEntry(at_ms=T, actor="ada", action="retry", run_id="order-1", outcome="refused", detail="no | pipe")
    )  # fmt: skip
    client = client_of(store, ledger, public_url="https://ops.example.com/d", redact=redact_keys(["card"]))
    text = report(client, steps=3)
    assert text.startswith("# order failed: GatewayTimeout\n")
    assert "- Run: [order-1](https://ops.example.com/d/runs/order-1)" in text
    assert "- Version: `v2`" in text
    assert "GatewayTimeout: no answer\n\nat charge\nat order" in text
    assert "- Child: `child-1` (pack, failed)" in text
    assert "3 of 40" in text
    assert [n for n in range(1, 41) if re.search(rf"^\| {n} \| step-{n} ", text, re.MULTILINE)] == [38, 39, 40]
    assert '"to": "ann"' in text
    assert "4111" not in text
    assert r"| ada | retry | refused | no \| pipe |" in text


def test_a_viewer_reads_no_audit_and_sees_no_run_that_may_not_be_seen(store: MemoryStateStore) -> None:
    """What the routes hide, the report hides."""
    ledger = MemoryLedger()
    ledger.add_audit(AuditEntry(at_ms=T, actor="ada", action="retry", run_id="order-1", outcome="done"))

    def may(actor: Actor, action: str, run: Run) -> bool:
        return run.id != "child-1"

    client = client_of(store, ledger, auth=lambda request: Actor("eve", "viewer"), may=may)
    text = report(client)
    assert "## Who did what" not in text
    assert "child-1" not in text
    assert client.get("/durable/api/runs/child-1/report").status_code == 404
    assert client.get("/durable/api/runs/child-1/test").status_code == 404


def test_a_report_is_bounded_and_its_blocks_and_tables_end(store: MemoryStateStore) -> None:
    """Long inputs, stacks and names are cut; no fence stays open, no row has more cells than its head."""
    put_input(store, "order-1", {"args": ["```\n# not a heading\n" + "é" * 500_000], "kwargs": {}})
    store.put_row(
        "workflow_output", workflow_uuid="order-1",
        error=json.dumps({"name": "Odd|`Error`", "message": "````\n" + "語" * 300_000}),
    )  # fmt: skip
    for seq in range(1, 301):
        store.put_step(make_step("order-1", seq, name=f"{seq}|`x`\n" + "語" * 400, status="completed"))
    text = report(client_of(store), steps=200)
    assert len(text.encode()) <= MOST_BYTES
    outside = re.sub(r"^(`{3,})[a-z]*\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "# not a heading" not in outside
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}
