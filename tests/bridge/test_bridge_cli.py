"""The command: export until told to stop, backfill, doctor; exit codes say how it went."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlite_utils import Database

from examples.fake_collector import FakeCollector, Fault, attributes
from otel_bridge.bridge import OTelBridge
from otel_bridge.bridge.backfill import BackfillProgress, backfill
from otel_bridge.bridge.doctor import examine
from otel_bridge.cli import commands, otel_bridge
from otel_bridge.ledger import SqliteLedger, open_ledger
from otel_bridge.ledger.pending import BACKFILL_LEASE
from otel_bridge.model.moments import parse_moment
from otel_bridge.otlp import Delivery, DeliveryStoppedError
from otel_bridge.spans import SpanSettings
from otel_bridge.store import open_store
from otel_bridge.store.engine_schema import ENGINE_SCHEMA
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run, make_step
from tests.otlp.samples import ListTransport
from tests.programs import ROOT

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


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed where."""

    code: int
    out: str
    err: str


def run(*arguments: str) -> Done:
    """Run the command in this process; what it raises besides an exit is the test's failure."""
    result = CliRunner().invoke(otel_bridge, arguments, prog_name="otel-bridge")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


def test_export_once_sends_what_is_due(database: str, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch):
    """Every option can come from the environment."""
    monkeypatch.setenv("DBOS_SYSTEM_DATABASE_URL", database)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("DURABLE_DASHBOARD_URL", "https://ops.example.com/durable")
    monkeypatch.setenv("DURABLE_START_FROM", "beginning")
    done = run("export", "--once")
    assert (done.code, "41 spans exported" in done.out) == (0, True)
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
def test_without_a_collector_there_is_nothing_to_do(database: str, command: str):
    """Exit code 2 and a sentence that names the variable."""
    done = run(command, "--system-database-url", database)
    assert (done.code, "OTEL_EXPORTER_OTLP_ENDPOINT" in done.err) == (2, True)


def test_without_a_database_it_says_which_option():
    """Exit code 2."""
    done = run("doctor")
    assert (done.code, "DBOS_SYSTEM_DATABASE_URL" in done.err) == (2, True)


def test_a_database_that_is_not_there_is_exit_code_3(
    tmp_path: Path, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
):
    """The message names it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    url = f"sqlite:///{tmp_path / 'missing.sqlite'}"
    for command in (("export", "--once"), ("backfill",)):
        done = run(*command, "--system-database-url", url)
        assert (done.code, "missing.sqlite" in done.err) == (3, True)


def test_backfill_takes_a_span_of_time(database: str, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch):
    """Dry first, then for good, then nothing is left; open runs are the bridge's."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    window = ("--since", "2023-11-17", "--until", "2023-11-20T00:00:00Z", "--system-database-url", database)
    done = run("backfill", "--dry-run", *window)
    assert (done.code, "6 spans of 3 runs would be sent" in done.out) == (0, True)
    assert not collector.spans
    for expected in ("6 spans of 3 runs sent", "0 spans of 3 runs sent"):
        done = run("backfill", *window)
        assert (done.code, expected in done.out) == (0, True)
    assert len(collector.spans) == 6
    done = run("backfill", "--system-database-url", database)
    assert (done.code, "34 spans of 21 runs sent; 1 runs are open" in done.out) == (0, True)


def test_backfill_that_is_stopped_says_so(database: str, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch):
    """Exit code 1; starting it again continues where it was."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)

    def stop_at_first(request: object) -> Fault:
        os.kill(os.getpid(), signal.SIGTERM)
        return Fault(status=503)

    collector.decide = stop_at_first
    done = run("backfill", "--system-database-url", database)
    assert (done.code, "continue where it stopped" in done.err) == (1, True)
    collector.decide = lambda request: None
    assert run("backfill", "--system-database-url", database).code == 0
    assert len(collector.spans) == 40


def test_two_backfills_do_not_run_at_once(database: str, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch):
    """The second says who is at it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    ledger = open_ledger(database)
    ledger.acquire_lease(BACKFILL_LEASE, "host:1:abc", ttl_s=60)
    done = run("backfill", "--system-database-url", database)
    assert (done.code, "host:1:abc" in done.err) == (2, True)
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


def test_doctor_is_content_when_all_is_well(database: str, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch):
    """Every line ok, exit code 0, and a test span has arrived."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    assert run("export", "--once", "--start-from", "beginning", "--system-database-url", database).code == 0
    ledger = open_ledger(database)
    ledger.acquire_lease("otel-bridge", "host:1:abc", ttl_s=60)
    done = run("doctor", "--system-database-url", database)
    assert done.code == 0
    lines = done.out.splitlines()
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
):
    """One line for each thing that is wrong; exit code 1."""
    done = run("doctor", "--system-database-url", database)
    assert done.code == 1
    out = done.out
    assert "FIX  bridge     none is at work. Start one" in out
    assert "nothing was exported yet" in out
    assert "none is configured" in out
    collector.decide = lambda request: Fault(rejected=1, message="tenant unknown")
    for endpoint, says in (
        (f"http://127.0.0.1:{free_port}", "cannot be reached"),
        (collector.http_url, "rejected a test span: tenant unknown"),
        ("collector", "is not a URL"),
    ):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        done = run("doctor", "--system-database-url", database)
        assert (done.code, says in done.out) == (1, True)


def test_doctor_looks_on_when_the_store_is_missing(tmp_path: Path):
    """The collector is examined all the same."""
    done = run("doctor", "--system-database-url", f"sqlite:///{tmp_path / 'x.sqlite'}")
    assert done.code == 1
    out = done.out
    assert "FIX  store" in out
    assert "FIX  collector" in out


def test_doctor_shows_lag_and_refused_spans(database: str):
    """What waits, since when; and the last span that the collector would not have."""
    ledger = open_ledger(database)
    lease = ledger.acquire_lease("otel-bridge", "host:1:abc", ttl_s=60)
    assert lease is not None
    from otel_bridge.ledger.base import Cursor

    ledger.record_export(lease, cursor=Cursor(steps_ms=CREATED, runs_ms=CREATED), runs=())
    rejection = {"span_id": "ab" * 8, "run_id": "r1", "reason": "too large"}
    ledger.put_value("bridge.stats", {"setAside": 1, "partial": 0, "rejections": [rejection]})
    ledger.close()
    done = run("doctor", "--system-database-url", database)
    assert done.code == 1
    out = done.out
    assert "runs wait, the oldest for" in out
    assert f"span {'ab' * 8} of run r1: too large" in out


def test_doctor_is_not_content_with_a_ledger_that_can_only_be_read(database: str):
    """A full or read-only disk can be read very well, and a bridge must write: what waits would wait for ever."""

    class ReadOnly(SqliteLedger):
        def _open(self) -> Database:
            opened = super()._open()
            opened.execute("PRAGMA query_only = ON")
            return opened

    path = Path(f"{database.removeprefix('sqlite:///')}.ledger")
    with contextlib.closing(open_store(database)) as store:
        findings = {found.what: found for found in examine(lambda: store, lambda _: ReadOnly(path), lambda: None)}
    assert not findings["ledger"].ok
    assert "readonly database. Let this process write to the file" in findings["ledger"].says


def test_doctor_speaks_json(database: str):
    """The same findings, for programs; the exit code is the same too."""
    done = run("doctor", "--json", "--system-database-url", database)
    findings = {finding["what"]: finding for finding in json.loads(done.out)}
    assert (done.code, findings["store"]["ok"], findings["collector"]["ok"]) == (1, True, False)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in findings["collector"]["says"]


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("mute", ["database", "collector"])
def test_doctor_ends_although_something_never_answers(database: str, mute: str, mute_port: int):
    """It says how far it came, and the process ends with what holds it still held."""
    url = f"postgresql://127.0.0.1:{mute_port}/app" if mute == "database" else database
    endpoint = f"http://127.0.0.1:{mute_port}" if mute == "collector" else ""
    code = "from otel_bridge.cli import commands, main; commands.DOCTOR_S = 1.0; main()"
    command = [sys.executable, "-c", code, "doctor", "--json", "--system-database-url", url]
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": "600000"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    last = json.loads(done.stdout)[-1]
    assert (last["what"], "no answer within 1 s" in last["says"]) == ("time", True)


def test_the_ledger_can_be_elsewhere(
    database: str, tmp_path: Path, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
):
    """Every command finds it there, and none is made beside the store."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    elsewhere = tmp_path / "elsewhere" / "kept.durable.sqlite"
    elsewhere.parent.mkdir()
    monkeypatch.setenv("DURABLE_LEDGER", str(elsewhere))
    assert run("export", "--once", "--start-from", "beginning", "--system-database-url", database).code == 0
    assert "0 spans of 21 runs sent" in run("backfill", "--system-database-url", database).out
    assert '"everything is exported"' in run("doctor", "--json", "--system-database-url", database).out
    assert elsewhere.exists()
    assert not (tmp_path / "app.durable.sqlite").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--retention-days", "nan"),
        ("--retention-days", "-1"),
        ("--retention-days", "inf"),
        ("--flush-timeout", "soon"),
        ("--children", "both"),
        ("--start-from", "yesterday"),
    ],
)
def test_a_malformed_option_is_exit_code_2(database: str, option: str, value: str):
    """Named, with what it may be; from the environment too."""
    done = run("export", "--once", option, value, "--system-database-url", database)
    assert (done.code, option in done.err) == (2, True)


def test_the_options_of_the_command_reach_the_bridge(
    database: str, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
):
    """How long the ledger remembers, and how long the last delivery may take."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
    monkeypatch.setenv("DURABLE_FLUSH_TIMEOUT", "1.5")
    reported: dict[str, Any] = {}

    class Told(OTelBridge):
        def __init__(self, store: str, **settings: Any) -> None:
            reported.update(settings)
            super().__init__(store, **settings)

    monkeypatch.setattr(commands, "OTelBridge", Told)
    assert run("export", "--once", "--retention-days", "7", "--system-database-url", database).code == 0
    assert (reported["retention_days"], reported["flush_timeout_s"]) == (7.0, 1.5)


def test_a_postgres_database_without_its_driver_is_exit_code_2():
    """The sentence names the extra; no command ends in a traceback."""
    code = (
        "import sys; sys.modules['psycopg'] = sys.modules['psycopg_pool'] = None\n"
        "from otel_bridge.cli import main; main()"
    )
    for arguments in (("export", "--once"), ("backfill", "--dry-run"), ("doctor",)):
        command = [sys.executable, "-c", code, *arguments, "--system-database-url", "postgresql://localhost/app"]
        environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)
        said = done.stdout + done.stderr
        assert done.returncode == (1 if "doctor" in arguments else 2), said
        assert "pip install 'durable-dashboard[postgres]'" in said
        assert "Traceback" not in said


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
    assert parse_moment(text, now_s=lambda: 10_000_000.0) == ms


@pytest.mark.parametrize("text", ["yesterday", "", "12", "²h", "99999999999999999999d", "2023-13-01", "-1h"])
def test_a_malformed_time_is_refused(text: str):
    """With an example of what it may be."""
    with pytest.raises(ValueError, match="12h"):
        parse_moment(text)


def test_a_backfill_says_how_far_it_is(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """A line of the log now and then where there is no terminal; a signal ends it."""
    monkeypatch.setattr(commands, "LOG_EVERY_S", 0.0)
    stop = threading.Event()
    with caplog.at_level(logging.INFO), commands.progress_bar(stop) as show:
        show(BackfillProgress(total=10, seen=5, spans=50))
        stop.set()
        with pytest.raises(DeliveryStoppedError):
            show(BackfillProgress(total=10, seen=6, spans=60))
    (message,) = caplog.messages
    assert message.startswith("5 of 10 runs, 50 spans, ")


@pytest.mark.parametrize(
    ("progress", "elapsed_s", "words"),
    [
        (BackfillProgress(total=1_000, seen=250, spans=2_500), 10, "25 runs/s, 250 spans/s, about 30 s left"),
        (BackfillProgress(total=100_000, seen=1_000), 10, "100 runs/s, 0 spans/s, about 16 min left"),
        (BackfillProgress(total=1_000_000, seen=1_000), 10, "100 runs/s, 0 spans/s, about 2.8 h left"),
        (BackfillProgress(total=10, seen=10, spans=50), 5, "10 of 10 runs, 50 spans, 2 runs/s, 10 spans/s"),
        (BackfillProgress(seen=10, spans=50), 5, "10 runs, 50 spans, 2 runs/s, 10 spans/s"),
        (BackfillProgress(total=10), 0, "0 of 10 runs, 0 spans"),
    ],
)
def test_a_backfill_says_how_fast_it_is_and_how_long_it_will_take(
    progress: BackfillProgress, elapsed_s: float, words: str
) -> None:
    """Where the number of runs is known; nothing is guessed at the beginning or the end."""
    assert progress.words(elapsed_s).endswith(words)


def test_a_backfill_draws_a_bar_on_a_terminal(database: str, collector: FakeCollector):
    """On standard error, so that standard output is the result alone."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "otel_bridge.cli", "backfill", "--system-database-url", database]
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url, "TERM": "xterm"}
    with open(ours, "rb", buffering=0) as screen:
        done = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=theirs, timeout=60)
        os.close(theirs)
        drawn = b""
        with contextlib.suppress(OSError):  # Linux says so when the other side is gone
            while chunk := screen.read(4096):
                drawn += chunk
    assert (done.returncode, b"40 spans of 21 runs sent" in done.stdout) == (0, True)
    assert b"21/21" in drawn
    assert b"40 spans" in drawn
