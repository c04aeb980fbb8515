"""An error of any size says the same wherever it is shown: list, detail, step, stream, span."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from otel_bridge import OTelBridge
from otel_bridge.model.values import ERROR_CAP_BYTES
from otel_bridge.store import open_store
from otel_bridge.tail.changes import ChangeTail
from otel_bridge.testing import MemoryLedger
from tests.databases import make_wal
from tests.otlp.samples import ListTransport
from tests.story import mounted

from .error_app import CODE, SIZES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A system database in which the application's runs have failed."""
    if request.param == "sqlite":
        made = make_wal(tmp_path_factory.mktemp("errors") / "app.sqlite")
    else:
        import psycopg

        server = request.getfixturevalue("postgres_server_url")
        name = f"errors_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{name}"')
        base, _, query = server.partition("?")
        made = base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
    subprocess.run(
        [sys.executable, "-m", "tests.read.error_app", made], cwd=ROOT, check=True, timeout=120, capture_output=True
    )
    return made


@pytest.mark.parametrize("size", SIZES)
def test_an_error_says_the_same_everywhere(url: str, size: int) -> None:
    """Its type, its first words and, unless it is longer than what is read of one, its code."""
    run_id = f"fails-{size}"
    with mounted(url, ledger=MemoryLedger()) as app:
        get = app.test_client().get
        detail = get(f"/durable/api/runs/{run_id}").get_json()
        step = get(f"/durable/api/runs/{run_id}/steps/1").get_json()
        whole = get(f"/durable/api/runs/{run_id}/payload/error").get_json()
    of_run = dict(detail["run"]["error"])
    assert (of_run.pop("step"), len(of_run.pop("fingerprint"))) == ("charge", 16)
    said = [of_run, detail["timeline"][0]["error"], step["error"], whole]
    store = open_store(url)
    try:
        tail = ChangeTail(store, since_ms=0)
        reported = [e.error for c in tail.poll() for e in c.events if e.run_id == run_id and e.error is not None]
    finally:
        store.close()
    expected = "no funds; " + "x" * (8 * 1024 - 10)
    code = str(CODE) if size < ERROR_CAP_BYTES * 3 // 4 else None
    shown = said[0]
    assert (shown["type"], shown.get("code")) == ("__main__.DeclinedError", code)
    assert shown["message"].startswith(expected)
    assert shown["message"].partition("… [cut: ")[2] in (f"{size} characters]", f"{size} bytes]")
    assert said[0] == said[1] == said[2]
    assert (whole["type"], whole["message"], whole["code"]) == (said[0]["type"], said[0]["message"], str(CODE))
    assert reported == [said[0]["message"]] * 2, "the step's event and the run's"


def test_spans_say_what_the_page_says(url: str) -> None:
    """Type and first words, of steps and runs alike."""
    transport = ListTransport()
    bridge = OTelBridge(url, ledger=MemoryLedger(), exporter=transport, start_from="beginning", environ={})
    bridge.run_once()
    bridge.stop()
    failed = [span for span in transport.spans if span.error is not None]
    assert len(failed) == 2 * len(SIZES)
    for span in failed:
        assert str(span.attributes["error.type"]).endswith(".DeclinedError")
        assert span.error is not None
        assert span.error.startswith("no funds; xxx")
        assert len(span.error) <= 4_000
