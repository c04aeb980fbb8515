"""What is answered to somebody who signed in is kept by no cache on the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run
from tests.http.test_bad_input import path_of, rules
from tests.story import mounted


@pytest.fixture
def app() -> Iterator[Flask]:
    store = MemoryStateStore()
    store.put_run(make_run("r", status="failed"))
    store.put_payload("r", "input", '"secret"')
    with mounted(store, ledger=MemoryLedger()) as made:
        yield made


def test_no_cache_keeps_an_answer(app: Flask) -> None:
    """Of any route, page or error, whoever asks: only the page's own files are everybody's."""
    client, asked = app.test_client(), 0
    for method, rule in rules(app):
        if method != "GET" or rule.rule.endswith("/stream"):
            continue
        for path in (path_of(rule, "r"), path_of(rule, "none")):
            answer = client.get(path)
            assert "no-store" in answer.headers.get("Cache-Control", ""), f"{path}: {answer.status}"
            asked += 1
    raw = client.get("/durable/api/runs/r/payload/input?raw=true")
    assert (raw.text, raw.headers["Cache-Control"]) == ('"secret"', "no-store")
    assert asked > 40
