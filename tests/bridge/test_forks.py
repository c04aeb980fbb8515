"""Processes that fork: every child starts afresh, one of all bridges exports, and nobody waits for a lock for ever."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from dbos import run_dbos_database_migrations

from examples.fake_collector import FakeCollector
from otel_bridge.forks import pause_at_fork
from otel_bridge.testing import MemoryStateStore, make_run, make_step
from tests.bridge.rows import Bridges, put_ended
from tests.otlp.samples import ListTransport
from tests.programs import ROOT, running
from tests.waiting import until

RUNS = 6
ERROR = '{"name": "ValueError", "message": "declined"}'
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database file with ended runs of each kind that makes the bridge load something."""
    store = MemoryStateStore()
    at = store.now_ms() - 60_000
    for number in range(RUNS):
        failed = number == 0
        store.put_run(
            make_run(
                f"run-{number}",
                status="failed" if failed else "completed",
                created_at_ms=at,
                finished_at_ms=at + 100,
                parent_id="run-0" if number == 1 else None,
                queue="fast",
            )
        )
        if failed:
            store.put_payload(f"run-{number}", "error", ERROR)
        store.put_step(make_step(f"run-{number}", 1, started_at_ms=at, status="failed" if failed else "completed"))
    path = tmp_path / "app.sqlite"
    with closing(sqlite3.connect(path)) as file:
        store._connection.backup(file)
    store.close()
    return f"sqlite:///{path}"


def python(script: str, *arguments: str, collector: FakeCollector, protocol: str = "http/protobuf") -> list[str]:
    """Run a script that has ``URL`` and ``make()``, which makes a bridge; return the lines that it printed."""
    preamble = """
        import os, sys, threading, time
        from contextlib import closing
        from otel_bridge import OTelBridge
        from otel_bridge.ledger import open_ledger
        from otel_bridge.ledger.pending import EXPORT_LEASE
        from tests.waiting import until
        URL = sys.argv[1]
        def make(**options):
            return OTelBridge(URL, start_from="beginning", poll_interval_s=0.05, lease_ttl_s=2.0, **options)
    """
    endpoint = collector.grpc_url if protocol == "grpc" else collector.http_url
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(preamble) + textwrap.dedent(script), *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        },
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_nothing_is_imported_once_the_thread_is_there(collector: FakeCollector, url: str, protocol: str):
    """A fork in the middle of an import leaves its lock held in the child, where every later import waits for ever."""
    script = """
        bridge = make()
        start = threading.Thread.start
        before = set()
        def noting(thread):
            if thread.name == "otel-bridge":
                before.update(sys.modules)
            start(thread)
        threading.Thread.start = noting
        bridge.start()
        until(lambda: bridge.stats.exported >= int(sys.argv[2]))
        bridge.stop()
        for name in sorted(set(sys.modules) - before):
            print(name)
    """
    assert python(script, url, str(2 * RUNS), collector=collector, protocol=protocol) == []


@pytest.mark.postgres
def test_nothing_is_imported_once_the_thread_is_there_on_postgres(collector: FakeCollector, postgres_url: str):
    """Its driver loads much."""
    run_dbos_database_migrations(postgres_url)
    script = """
        bridge = make()
        start = threading.Thread.start
        before = set()
        def noting(thread):
            if thread.name == "otel-bridge":
                before.update(sys.modules)
            start(thread)
        threading.Thread.start = noting
        bridge.start()
        until(lambda: bridge.exporting)
        bridge.stop()
        for name in sorted(set(sys.modules) - before):
            print(name)
    """
    assert python(script, postgres_url, collector=collector) == []


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_of_several_forked_children_one_exports(collector: FakeCollector, url: str, protocol: str):
    """Made at import time and started in each worker, it has an owner's name of its own in each."""
    script = """
        bridge, folder = make(), sys.argv[3]
        def said(what):
            return [name for name in os.listdir(folder) if name.startswith(what)]
        children = []
        for number in range(3):
            child = os.fork()
            if not child:
                bridge.start()
                until(lambda: said("sent") or bridge.stats.exported >= int(sys.argv[2]))
                open(f"{folder}/sent-{number}", "w").close()
                open(f"{folder}/{bridge.exporting}-{number}", "w").close()
                until(lambda: len(said("True")) + len(said("False")) == 3)
                bridge.stop()
                os._exit(0)
            children.append(child)
        assert all(os.waitpid(child, 0)[1] == 0 for child in children)
        print(len(said("True")), "of 3")
    """
    folder = Path(url.removeprefix("sqlite:///")).with_name("said")
    folder.mkdir()
    lines = python(script, url, str(2 * RUNS), str(folder), collector=collector, protocol=protocol)
    assert lines == ["1 of 3"]
    assert len(collector.spans) == 2 * RUNS
    assert set(collector.copies.values()) == {1}


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_child_of_a_working_bridge_can_start_its_own(collector: FakeCollector, url: str, protocol: str):
    """Started before the fork (gunicorn ``--preload``) and again in the child: the child stands by, and takes over."""
    script = """
        bridge = make().start()
        until(lambda: bridge.stats.exported >= int(sys.argv[2]))
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.write(1, f"inherited {bridge.exporting}\\n".encode())
            bridge.start()
            until(lambda: bridge.exporting)
            os.write(1, b"took over\\n")
            bridge.stop()
            os._exit(0)
        bridge.stop()
        assert os.waitpid(child, 0)[1] == 0
    """
    lines = python(script, url, str(2 * RUNS), collector=collector, protocol=protocol)
    assert lines == ["inherited False", "took over"]
    assert set(collector.copies.values()) == {1}


def test_a_child_that_stops_what_it_inherited_leaves_the_parent_alone(collector: FakeCollector, url: str):
    """``atexit`` and ``with`` run in children too."""
    script = """
        bridge = make().start()
        until(lambda: bridge.exporting)
        child = os.fork()
        if not child:
            bridge.stop()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        with closing(open_ledger(URL)) as ledger:
            before = ledger.lease_holder(EXPORT_LEASE)
            holder = lambda: ledger.lease_holder(EXPORT_LEASE)
            until(lambda: not bridge.exporting or holder().expires_at_ms > before.expires_at_ms + 2000)
            assert bridge.exporting and holder().token == before.token
        bridge.stop()
    """
    python(script, url, collector=collector)
    assert set(collector.copies.values()) == {1}


def test_a_bridge_whose_thread_died_lets_another_take_over(
    store: MemoryStateStore, bridges: Bridges, transport: ListTransport, monkeypatch: pytest.MonkeyPatch
):
    """It says that it does not export, and its lease is not renewed for ever."""
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    first, second = bridges(), bridges()
    first.start()
    until(lambda: first.exporting)

    def die() -> int:
        raise SystemExit

    store.now_ms = die  # type: ignore[method-assign]
    put_ended_at = 1_700_000_000_000
    store.put_run(make_run(status="completed", created_at_ms=put_ended_at, finished_at_ms=put_ended_at))
    until(lambda: not first.exporting)
    del store.now_ms
    second.start()
    until(lambda: second.exporting)
    put_ended(store, "run-2")
    until(lambda: "run-2" in {span.run_id for span in transport.spans})


class Holder:
    """Notes what is asked of it; ``makes`` joins while it pauses, as the ledger of a bridge's thread does."""

    def __init__(self, makes: Holder | None = None) -> None:
        self.seen: list[str] = []
        self._makes = makes

    def pause(self) -> None:
        self.seen.append("paused")
        if self._makes:
            pause_at_fork(self._makes)

    def resume(self) -> None:
        self.seen.append("resumed")

    def forget(self) -> None:
        self.seen.append("forgotten")


def test_what_joins_while_others_pause_is_paused_too():
    """A ledger that was opened in between would hand its locks to the child, where nobody ever lets go of them."""
    late = Holder()
    early = Holder(makes=late)
    pause_at_fork(early)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, repr((early.seen, late.seen)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1000).decode() == "(['paused', 'forgotten'], ['paused', 'forgotten'])"
    assert (early.seen, late.seen) == (["paused", "resumed"], ["paused", "resumed"])
    os.close(read)
    os.close(write)


def test_threads_that_fork_at_once_take_turns():
    """Each resumes what it paused itself."""
    holder = Holder()
    pause_at_fork(holder)

    def fork() -> None:
        for _ in range(5):
            child = os.fork()
            if not child:
                os._exit(0)
            os.waitpid(child, 0)

    threads = [threading.Thread(target=fork) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert holder.seen == ["paused", "resumed"] * 20


GUNICORN_APP = """
import os
from flask import Flask
from dashboard import create_blueprint
from otel_bridge import OTelBridge

URL = os.environ["SYSTEM_DATABASE"]
app = Flask(__name__)
app.register_blueprint(create_blueprint(URL), url_prefix="/durable")
OTelBridge(URL, start_from="beginning").start()


@app.get("/pid")
def pid():
    return str(os.getpid())
"""


def test_gunicorn_with_preload_serves_and_exports_once(collector: FakeCollector, url: str, tmp_path: Path):
    """The README's module-level bridge, in the parent of three workers: every request is answered."""
    (tmp_path / "preloaded.py").write_text(GUNICORN_APP)
    environ = {
        **os.environ,
        "SYSTEM_DATABASE": url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url,
        "PYTHONPATH": f"{ROOT}:{tmp_path}",
    }
    options = ("--preload", "--workers", "3", "--bind", "127.0.0.1:0", "--timeout", "60")
    with running("-m", "gunicorn", *options, "preloaded:app", environ=environ) as program:
        base = "http:" + program.wait_for("Listening at").partition("http:")[2].split()[0]
        pids = set()
        for _ in range(30):
            assert httpx.get(f"{base}/durable/api/runs", timeout=60).status_code == 200
            pids.add(httpx.get(f"{base}/pid", timeout=60).text)
        collector.wait(lambda sink: len(sink.spans) >= 2 * RUNS, 60)
        assert program.stop() == 0
    assert len(pids) > 1
    assert len(collector.spans) == 2 * RUNS
    assert set(collector.copies.values()) == {1}
