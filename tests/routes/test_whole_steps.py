"""Large payloads of steps, cut and whole; how far back a rare filter was searched."""

from __future__ import annotations

import json

from flask import Flask

from dashboard import create_blueprint
from otel_bridge.model.runs import RunPage
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run

START = 1_700_000_000_000


def serve(store: MemoryStateStore) -> Flask:
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(store, ledger=MemoryLedger(), actions=False), url_prefix="/durable")
    return app


def test_a_large_output_is_cut_and_given_whole_on_request():
    """The panel shows the beginning and links the whole."""
    store = MemoryStateStore()
    store.put_run(make_run("a"))
    store.put_row(
        "operation_outputs",
        workflow_uuid="a",
        function_id=1,
        function_name="read",
        output=json.dumps("x" * 100_000),
        serialization="portable_json",
        started_at_epoch_ms=START,
        completed_at_epoch_ms=START + 1,
        retention_timestamp=START + 1,
    )
    client = serve(store).test_client()
    cut = client.get("/durable/api/runs/a/steps/1").json
    whole = client.get("/durable/api/runs/a/steps/1?full=true").json
    assert cut["truncated"] == {"bytes": 100_002, "fields": ["output"]}
    assert len(whole["output"]) == 100_000
    assert "truncated" not in whole  # type: ignore[operator]


def test_a_partly_searched_page_says_how_far_back_it_looked():
    """A filter that matches rarely is searched within a budget; the page can say from when on."""
    store = MemoryStateStore()
    store.list_runs = lambda query: RunPage([], "next", START)  # type: ignore[method-assign]
    answer = serve(store).test_client().get("/durable/api/runs?tag=rare")
    assert answer.headers["X-Scanned-To"] == "2023-11-14T22:13:20.000Z"
    assert 'rel="next"' in answer.headers["Link"]
