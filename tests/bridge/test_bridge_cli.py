"""The command: export until told to stop, backfill, doctor; exit codes say how it went."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from examples.fake_collector import FakeCollector, Fault, attributes
from otel_bridge import cli
from otel_bridge.bridge.backfill import BACKFILL_LEASE, backfill
from otel_bridge.ledger import open_ledger
from otel_bridge.otlp import Delivery
from otel_bridge.spans import SpanSettings
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run, make_step
from otel_bridge.testing.engine_schema import ENGINE_SCHEMA
from tests.otlp.samples import ListTransport

CREATED = 1_700_000_000_000


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variable of this machine counts; logging and signals are put back."""
    for name in list(os.environ):
        if name.startswith(("OTEL_", "DBOS_", "DURABLE_")):
            monkeypatch.delenv(name)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A system database with twenty completed runs of one step, a day apart, and one that is open."""
    db = Database(tmp_path / "app.sqlite")
    db.conn.executescript(ENGINE_SCHEMA)
    for number in range(21):
        at = CREATED + number * 86_400_000
        status = "SUCCESS" if number < 20 else "PENDING"
        ended = at + 1_000 if number < 20 else None
        columns = {"workflow_uuid": f"r{number}", "status": status, "name": "order", "created_at": at}
        columns |= {"updated_at": at, "started_at_epoch_ms": at, "completed_at": ended, "recovery_attempts": 1}
        db["workflow_status"].insert(columns)
        step = {"workflow_uuid": f"r{number}", "function_id": 1, "function_name": "charge", "output": "1"}
        step |= {"started_at_epoch_ms": at, "completed_at_epoch_ms": at + 10, "retention_timestamp": at}
        db["operation_outputs"].insert(step)
    db.close()
    return f"sqlite:///{tmp_path / 'app.sqlite'}"


def run(*arguments: str) -> int:
    return cli.main(list(arguments))


def test_export_once_sends_what_is_due(
    database: str, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Every option can come from the environment."""
    monkeypatch.setenv("DBOS_SYSTEM_DATABASE_URL", database)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("DURABLE_DASHBOARD_URL", "https://ops.example.com/durable")
    monkeypatch.setenv("DURABLE_START_FROM", "beginning")
    assert run("export", "--once") == 0
    assert "41 spans exported" in capsys.readouterr().out
    assert len(collector.spans) == 41
    key = next(iter(collector.spans))
    assert collector.resources[key]["service.name"] == "shop"
    assert str(attributes(collector.spans[key])["durable.run.url"]).startswith("https://ops.example.com/durable/runs/r")


def test_export_stops_gracefully_on_sigterm(database: str, collector: FakeCollector):
    """A container that is told to stop flushes and ends with 0, and the next takes over at once."""
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url}
    command = [sys.executable, "-m", "otel_bridge.cli", "export", "--system-database-url", database]
    command += ["--start-from", "beginning"]
    process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE)
    collector.wait(lambda seen: len(seen.copies) == 41, 60)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"Traceback" not in errors
    ledger = open_ledger(database)
    assert ledger.lease_holder("otel-bridge") is None
    ledger.close()


@pytest.mark.parametrize("command", ["export", "backfill"])
def test_without_a_collector_there_is_nothing_to_do(database: str, command: str, capsys: pytest.CaptureFixture[str]):
    """Exit code 2 and a sentence that names the variable."""
    assert run(command, "--system-database-url", database) == 2
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in capsys.readouterr().err


def test_without_a_database_it_says_which_option(capsys: pytest.CaptureFixture[str]):
    """Exit code 2."""
    assert run("doctor") == 2
    assert "DBOS_SYSTEM_DATABASE_URL" in capsys.readouterr().err


def test_a_database_that_is_not_there_is_exit_code_3(
    tmp_path: Path, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The message names it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    url = f"sqlite:///{tmp_path / 'missing.sqlite'}"
    assert run("export", "--once", "--system-database-url", url) == 3
    assert run("backfill", "--system-database-url", url) == 3
    assert capsys.readouterr().err.count("missing.sqlite") >= 2


def test_backfill_takes_a_span_of_time(
    database: str, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Dry first, then for good, then nothing is left; open runs are the bridge's."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    window = ("--since", "2023-11-17", "--until", "2023-11-20T00:00:00Z", "--system-database-url", database)
    assert run("backfill", "--dry-run", *window) == 0
    assert "6 spans of 3 runs would be sent" in capsys.readouterr().out
    assert not collector.spans
    for expected in ("6 spans of 3 runs sent", "0 spans of 3 runs sent"):
        assert run("backfill", *window) == 0
        assert expected in capsys.readouterr().out
    assert len(collector.spans) == 6
    assert run("backfill", "--system-database-url", database) == 0
    assert "34 spans of 21 runs sent; 1 runs are open" in capsys.readouterr().out


def test_backfill_that_is_stopped_says_so(
    database: str, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Exit code 1; starting it again goes on where it was."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)

    def stop_at_first(request: object) -> Fault:
        os.kill(os.getpid(), signal.SIGTERM)
        return Fault(status=503)

    collector.decide = stop_at_first
    assert run("backfill", "--system-database-url", database) == 1
    assert "go on where it was" in capsys.readouterr().err
    collector.decide = lambda request: None
    assert run("backfill", "--system-database-url", database) == 0
    assert len(collector.spans) == 40


def test_two_backfills_do_not_run_at_once(
    database: str, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The second says who is at it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    ledger = open_ledger(database)
    ledger.acquire_lease(BACKFILL_LEASE, "host:1:abc", ttl_s=60)
    assert run("backfill", "--system-database-url", database) == 2
    assert "host:1:abc" in capsys.readouterr().err
    ledger.close()


def test_backfill_reports_progress():
    """After each chunk: how far, how many."""
    clock = FakeClock()
    store = MemoryStateStore(clock=clock)
    for number in range(600):
        store.put_run(make_run(f"r{number}", status="completed", created_at_ms=clock() + number))
        store.put_step(make_step(f"r{number}", 1, started_at_ms=clock() + number))
    seen: list[tuple[int, int]] = []
    transport = ListTransport()
    done = backfill(
        store,
        MemoryLedger(),
        Delivery(transport),
        settings=SpanSettings(),
        on_progress=lambda progress: seen.append((progress.seen, progress.spans)),
    )
    assert seen == [(250, 500), (500, 1000), (600, 1200)]
    assert (done.total, done.exported) == (600, 600)
    assert len(transport.spans) == 1200
    store.close()


def test_doctor_is_content_when_all_is_well(
    database: str, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Every line ok, exit code 0, and a test span has arrived."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    assert run("export", "--once", "--start-from", "beginning", "--system-database-url", database) == 0
    ledger = open_ledger(database)
    ledger.acquire_lease("otel-bridge", "host:1:abc", ttl_s=60)
    capsys.readouterr()
    assert run("doctor", "--system-database-url", database) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", what] for what in ("store", "ledger", "bridge", "lag", "refused", "collector")
    ]
    assert "otel-bridge doctor" in {span.name for span in collector.spans.values()}
    ledger.close()


def test_doctor_says_what_to_do(
    database: str,
    collector: FakeCollector,
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """One line for each thing that is wrong; exit code 1."""
    assert run("doctor", "--system-database-url", database) == 1
    out = capsys.readouterr().out
    assert "FIX  bridge     none is at work. Start one" in out
    assert "nothing was exported yet" in out
    assert "none is configured" in out
    for endpoint in (f"http://127.0.0.1:{free_port}", collector.http_url, "collector"):
        collector.decide = lambda request: Fault(rejected=1, message="tenant unknown")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        assert run("doctor", "--system-database-url", database) == 1
    out = capsys.readouterr().out
    assert "cannot be reached" in out
    assert "rejected a test span: tenant unknown" in out
    assert "is not a URL" in out


def test_doctor_looks_on_when_the_store_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The collector is examined all the same."""
    assert run("doctor", "--system-database-url", f"sqlite:///{tmp_path / 'x.sqlite'}") == 1
    out = capsys.readouterr().out
    assert "FIX  store" in out
    assert "FIX  collector" in out


def test_doctor_shows_lag_and_refused_spans(database: str, capsys: pytest.CaptureFixture[str]):
    """What waits, since when; and the last span that the collector would not have."""
    ledger = open_ledger(database)
    lease = ledger.acquire_lease("otel-bridge", "host:1:abc", ttl_s=60)
    assert lease is not None
    from otel_bridge.ledger.base import Cursor

    ledger.record_export(lease, cursor=Cursor(steps_ms=CREATED, runs_ms=CREATED), runs=())
    rejection = {"span_id": "ab" * 8, "run_id": "r1", "reason": "too large"}
    ledger.put_value("bridge.stats", {"setAside": 1, "partial": 0, "rejections": [rejection]})
    ledger.close()
    assert run("doctor", "--system-database-url", database) == 1
    out = capsys.readouterr().out
    assert "runs wait, the oldest for" in out
    assert f"span {'ab' * 8} of run r1: too large" in out


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2023-11-14", 1_699_920_000_000),
        ("2023-11-14T22:13:20Z", CREATED),
        ("2023-11-14T23:13:20+01:00", CREATED),
        ("90m", (10_000_000 - 5_400) * 1000),
        ("1d", (10_000_000 - 86_400) * 1000),
    ],
)
def test_times_are_dates_or_spans_before_now(text: str, ms: int):
    """UTC unless said otherwise."""
    assert cli.parse_time(text, now_s=lambda: 10_000_000.0) == ms


def test_a_malformed_time_is_refused():
    """With an example of what it may be."""
    with pytest.raises(argparse.ArgumentTypeError, match="12h"):
        cli.parse_time("yesterday")


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """And a line now and then elsewhere."""
    from otel_bridge.bridge.backfill import BackfillProgress

    class Terminal:
        def __init__(self) -> None:
            self.text = ""

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> Any:
            self.text += text

        def flush(self) -> None:
            pass

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = cli._Bar(threading.Event())
    bar.show(BackfillProgress(total=10, seen=5, spans=50))
    bar.end()
    assert "[###############...............]  50%" in terminal.text
