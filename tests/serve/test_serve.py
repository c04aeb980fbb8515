"""``durable serve`` as users run it: a process, found by what it prints, asked by real clients, stopped by a signal."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from simple_websocket import Client, ConnectionClosed

from dashboard.client import DurableClient, ForbiddenError
from examples.fake_collector import FakeCollector
from tests.cli.conftest import run_durable
from tests.databases import make_wal
from tests.programs import ROOT, Program, running
from tests.waiting import until

TOKEN = "an-operator-token-for-tests"
OURS = ("DURABLE_", "DBOS_", "OTEL_")


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment less what the command reads, and more."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | more


@contextmanager
def serving(url: str, *options: str, **environ: str) -> Iterator[tuple[str, Program]]:
    """Serve a database on a free port; yield the dashboard's URL once it answers."""
    command = ("-m", "dashboard", "serve", "--system-database-url", url, "--port", "0", *options)
    with running(*command, environ=environment(**environ)) as program:
        base = program.wait_for("Dashboard:").split()[1].rstrip("/")
        program.wait_for("Database:")
        until(lambda: answers(base), what="the server")
        yield base, program
        assert program.stop() == 0, program.lines
        assert not [line for line in program.lines if "Traceback" in line], program.lines


def answers(base: str) -> bool:
    """Say whether the process serves."""
    try:
        return httpx.get(httpx.URL(base).join("/healthz")).text == "ok\n"
    except httpx.TransportError:
        return False


def test_a_database_is_served_read_only_until_somebody_may_act(story_url: str) -> None:
    """Page, API and streams for this machine; no action, no caretaker; ``/`` leads to the page."""
    with serving(story_url) as (base, program):
        assert httpx.get(httpx.URL(base).join("/"), follow_redirects=True).url == f"{base}/"
        assert "durable-config" in httpx.get(f"{base}/").text
        with DurableClient(base) as client:
            assert client.get_config().role == "viewer"
            assert "actions" not in client.get_config().capabilities
            run = client.list_runs(status="failed").runs[0]
            with pytest.raises(ForbiddenError):
                client.retry(run.id)
            assert next(client.stream_runs(limit=1)).type == "snapshot"
        assert any("read-only" in line for line in program.lines)


@pytest.mark.parametrize("how", ["production server", "without the extra"])
def test_its_streams_end_with_1001_when_it_is_stopped(story_url: str, how: str, tmp_path: Path) -> None:
    """SIGTERM is answered at once, by gunicorn and by the server that comes with Flask."""
    options: dict[str, str] = {}
    if how == "without the extra":
        (tmp_path / "sitecustomize.py").write_text(
            "import importlib.util as u\nfound = u.find_spec\n"
            "u.find_spec = lambda name, *rest: None if name == 'gunicorn' else found(name, *rest)\n"
        )
        options["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(ROOT)])
    codes: list[int] = []
    with serving(story_url, **options) as (base, program):
        assert any("durable-dashboard[serve]" in line for line in program.lines) == (how == "without the extra")
        viewer = Client.connect(f"ws://{base.removeprefix('http://')}/api/stream")
        assert '"snapshot"' in viewer.receive(timeout=30)

        def watch() -> None:
            try:
                while viewer.receive(timeout=60) is not None:
                    continue
            except ConnectionClosed as closed:
                codes.append(closed.reason)

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        assert program.stop(signal.SIGTERM) == 0
        watching.join(30)
    assert codes == [1001]


def test_an_operator_acts_with_the_token(migrated: Path, tmp_path: Path) -> None:
    """As a bearer from the command line's client; the audit log says so. Others look."""
    shutil.copy(migrated, tmp_path / "app.sqlite")
    url = make_wal(tmp_path / "app.sqlite")
    with serving(url, DURABLE_OPERATOR_TOKEN=TOKEN) as (base, program):
        assert any("/sign-in" in line for line in program.lines)
        with DurableClient(base, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            started = client.start_run("somewhere_else", [1], format_="python")
            assert client.get_run(started.run_id).run.status == "pending"
            assert client.audit()[0].actor == "operator token"
        with DurableClient(base) as viewer, pytest.raises(ForbiddenError):
            viewer.cancel(started.run_id)


def test_links_for_others_are_made_from_the_public_url(story_url: str, free_port: int) -> None:
    """What a report, a message or a webhook links to is where browsers find it, not where it listens."""
    here, there = f"http://127.0.0.1:{free_port}", "https://ops.example.com/durable"
    command = ("serve", "--system-database-url", story_url, "--port", str(free_port), "--public-url", there)
    with running("-m", "dashboard", *command, environ=environment()) as program:
        until(lambda: answers(here), what="the server")
        run_id = httpx.get(f"{here}/durable/api/runs").json()[0]["id"]
        assert f"{there}/runs/{run_id}" in httpx.get(f"{here}/durable/api/runs/{run_id}/report").text
        assert program.stop() == 0, program.lines


def test_a_database_that_comes_later_is_shown_then(tmp_path: Path, migrated: Path) -> None:
    """Missing, then without tables, then empty: each is said in words, and the page continues by itself."""
    path = tmp_path / "later.sqlite"
    with serving(f"sqlite:///{path}") as (base, program):
        assert "does not exist" in program.lines[-1]
        assert "durable-config" in httpx.get(f"{base}/").text
        assert "does not exist" in httpx.get(f"{base}/api/runs").json()["detail"]
        assert not path.exists()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE of_somebody_else (id)")
        until(lambda: "DBOS" in httpx.get(f"{base}/api/runs").json()["detail"], what="the word that it is not DBOS's")
        path.write_bytes(migrated.read_bytes())
        until(lambda: httpx.get(f"{base}/api/runs").json() == [], what="the empty list")


def test_runs_are_exported_where_a_collector_is_configured(story_url: str, tmp_path: Path) -> None:
    """The bridge is in the same process; spans lead to the address that was printed."""
    with FakeCollector() as collector:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url,
            "DURABLE_LEDGER": f"sqlite:///{tmp_path}/l.sqlite",
        }
        with serving(story_url, **environ) as (base, _):
            open_runs = until(lambda: collector.spans, what="spans of open runs")
        links = {
            a.value.string_value for span in open_runs.values() for a in span.attributes if a.key == "durable.run.url"
        }
        assert links
        assert all(link.startswith(f"{base}/runs/") for link in links)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--host", "0.0.0.0"), "--operator-token"),
        (("--operator-token", "short"), "16 or more"),
        (("--operator-token", TOKEN, "--viewer-token", TOKEN), "the same"),
        (("--operator-token", TOKEN, "--auth", "os:getcwd"), "not both"),
        (("--auth", "nowhere:who"), "cannot be loaded"),
        (("--prefix", "durable"), "/durable"),
        (("--trace-url", "nonsense"), "trace_url"),
        (("--system-database-url", "mysql://x/y"), "mysql"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(options: tuple[str, ...], says: str) -> None:
    """Exit code 2, what to do, no traceback, and nothing served."""
    done = run_durable("serve", "--system-database-url", "sqlite:///none.sqlite", "--port", "0", *options)
    assert done.code == 2
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_taken_port_is_said_in_one_line(free_port: int) -> None:
    """Before a server starts that would try again and again."""
    with socket.create_server(("127.0.0.1", free_port)):
        command = [sys.executable, "-m", "dashboard", "serve", "--system-database-url", "sqlite:///none.sqlite"]
        done = subprocess.run(
            [*command, "--port", str(free_port)],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


HASTY = "import dashboard.serve.worker as w; w.HEAD_S = 0.5; from dashboard.cli.main import main; main()"
"""The command, with less patience."""


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
def test_senders_of_half_a_head_hold_no_thread(story_url: str) -> None:
    """As many as there are threads, and more; whoever comes after them is served."""
    command = ("-c", HASTY, "serve", "--system-database-url", story_url, "--port", "0", "--threads", "4")
    with running(*command, environ=environment()) as program:
        base = program.wait_for("Dashboard:").split()[1].rstrip("/")
        until(lambda: answers(base), what="the server")
        address = httpx.URL(base).host, httpx.URL(base).port or 0
        slow = [socket.create_connection(address) for _ in range(8)]
        for sock in slow:
            sock.sendall(b"GET /durable/ HTTP/1.1\r\nHost: local")
        assert httpx.get(httpx.URL(base).join("/healthz"), timeout=60).text == "ok\n"
        for sock in slow:
            sock.settimeout(60)
            assert sock.recv(1) == b"", "the server hung up"
            sock.close()
        assert program.stop() == 0, program.lines
        assert not [line for line in program.lines if "Traceback" in line], program.lines
