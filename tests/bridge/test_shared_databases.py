"""Applications that share a database, and namespaces: each has a ledger, a lease and a cursor of its own."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from examples.fake_collector import FakeCollector
from otel_bridge import OTelBridge
from otel_bridge.bridge.backfill import backfill
from otel_bridge.bridge.standby import FRESH_MS, note_standby, standing_by
from otel_bridge.errors import SharedLedgerError
from otel_bridge.ledger import ledger_schema, open_ledger, sidecar_path
from otel_bridge.otlp import Delivery
from otel_bridge.spans import SpanSettings, ids
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run
from tests.bridge.rows import Bridges
from tests.bridge.test_bridge_cli import run
from tests.otlp.samples import ListTransport
from tests.waiting import until

APP = Path(__file__).with_name("crash_app.py")


def work(url: str, run_id: str, marker: Path, *schema: str) -> None:
    """Run the application once, to its end."""
    arguments = [sys.executable, str(APP), url, "brittle", run_id, str(marker), *schema]
    assert subprocess.run(arguments, capture_output=True, timeout=120, check=False).returncode == 0


def names(collector: FakeCollector, run_id: str, namespace: str = "") -> Counter[str]:
    return Counter(span.name for span in collector.trace(ids.trace_id(run_id, namespace=namespace)))


def test_two_applications_in_one_postgres_are_both_exported(
    collector: FakeCollector, postgres_url: str, tmp_path: Path
) -> None:
    """Real engines in the schemas ``one`` and ``two``, a bridge for each at the same time: nobody stands by."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url}
    (tmp_path / "marker.mended").touch()
    for schema in ("one", "two"):
        work(postgres_url, f"run-{schema}", tmp_path / "marker", schema)
    with ExitStack() as running:
        bridges = [
            running.enter_context(
                OTelBridge(postgres_url, schema=schema, start_from="beginning", poll_interval_s=0.05, environ=environ)
            )
            for schema in ("one", "two")
        ]
        until(lambda: all(bridge.exporting for bridge in bridges))
        collector.wait(lambda seen: len(seen.spans) == 6)
    for schema in ("one", "two"):
        assert names(collector, f"run-{schema}") == {"brittle": 1, "quick": 1, "flaky": 1}
        ledger = open_ledger(postgres_url, engine_schema=schema)
        assert ledger.exported(["run-one", "run-two"]).keys() == {f"run-{schema}"}
        ledger.close()


def test_two_namespaces_of_one_database_are_both_exported(
    collector: FakeCollector, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command line: each has its own sidecar, and its doctor looks there."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    (tmp_path / "marker.mended").touch()
    work(sqlite_url, "run", tmp_path / "marker")
    for options in ((), ("--namespace", "staging")):
        place = ("--system-database-url", sqlite_url, *options)
        assert "3 spans exported" in run("export", "--once", "--start-from", "beginning", *place).out
        assert "everything is exported" in run("doctor", *place).out
    assert names(collector, "run") == names(collector, "run", "staging") == {"brittle": 1, "quick": 1, "flaky": 1}
    assert "nothing was exported yet" in run("doctor", "--system-database-url", sqlite_url, "--namespace", "x").out


@pytest.mark.parametrize("mistake", ["schema", "namespace"])
def test_a_ledger_that_two_were_given_by_hand_is_refused_to_the_second(
    mistake: str, store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would export nothing and say nothing; the error names both and what to do."""
    bridges().run_once()
    bridges().run_once()
    options: dict[str, Any] = {"namespace": "staging"} if mistake == "namespace" else {}
    if mistake == "schema":
        monkeypatch.setattr(type(store), "engine_schema", "two")
    with pytest.raises(SharedLedgerError, match=r"schema 'dbos', and this bridge .*Give each a ledger of its own"):
        bridges(**options).run_once()
    settings = SpanSettings(**options)
    with pytest.raises(SharedLedgerError):
        backfill(store, ledger, Delivery(ListTransport()), settings=settings)
    assert backfill(store, ledger, None, settings=settings).seen == 0  # a dry run writes nothing


def places(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [ledger_schema(schema, namespace) for schema, namespace in pairs]


def test_no_two_pairs_of_schema_and_namespace_share_a_ledger() -> None:
    """Whatever characters they hold, and however long they are; each is a plain name of at most 63 characters."""
    words = ["", "dbos", "one", "ONE", "a b", "a_b", "a-b", "é", "日本", "x" * 200, "x" * 201, '"; DROP', "durable"]
    pairs = [(schema, namespace) for schema in words if schema for namespace in words]
    made = places(pairs)
    assert len(set(made)) == len(pairs)
    assert all(name.isascii() and name.replace("_", "a").isalnum() and len(name) <= 63 for name in made)
    assert [pair for pair, name in zip(pairs, made, strict=True) if name == "durable"] == [("dbos", "")]
    files = {sidecar_path("/data/app.sqlite", namespace=word) for word in words}
    assert len(files) == len(words)
    assert {path.parent for path in files} == {Path("/data")}


def test_the_doctor_names_who_exports_and_who_stands_by(
    sqlite_url: str, tmp_path: Path, collector: FakeCollector
) -> None:
    """A bridge that waits for another is at work, and is not forgotten."""
    (tmp_path / "marker.mended").touch()
    work(sqlite_url, "run", tmp_path / "marker")
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url}
    ledger = open_ledger(sqlite_url)
    options = {"poll_interval_s": 0.05, "environ": environ}
    with OTelBridge(sqlite_url, **options) as first:  # type: ignore[arg-type]
        until(lambda: first.exporting)
        with OTelBridge(sqlite_url, **options):  # type: ignore[arg-type]
            until(lambda: standing_by(ledger))
            (other,) = standing_by(ledger)
            holder = ledger.lease_holder("otel-bridge")
            assert holder is not None
            assert (
                f"{holder.owner} exports; {other} stands by" in run("doctor", "--system-database-url", sqlite_url).out
            )
        assert standing_by(ledger) == []
    ledger.close()


def test_a_bridge_that_stood_by_and_died_is_forgotten() -> None:
    """After a minute of silence; one that takes over says so at once."""
    clock = FakeClock()
    ledger = MemoryLedger(clock=clock)
    note_standby(ledger, "a", stands_by=True)
    note_standby(ledger, "b", stands_by=True)
    assert standing_by(ledger) == ["a", "b"]
    note_standby(ledger, "a", stands_by=False)
    assert standing_by(ledger) == ["b"]
    clock.advance(ms=FRESH_MS + 1)
    assert standing_by(ledger) == []
    ledger.put_value("bridge.standby", "damaged")
    assert standing_by(ledger) == []


def test_what_stands_by_takes_over_and_is_not_named_any_more(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges
) -> None:
    """The word that it left goes with the first export."""
    store.put_run(make_run("r", status="completed"))
    other = ledger.acquire_lease("otel-bridge", "host:1:abc", ttl_s=60)
    assert other is not None
    bridge = bridges()
    assert bridge.run_once() == 0
    assert len(standing_by(ledger)) == 1
    ledger.release_lease(other)
    assert bridge.run_once() == 1
    assert standing_by(ledger) == []
