"""How many viewers one process carries: ``python -m examples.bench_live --viewers 500 --browser``.

Three processes: a DBOS worker that starts runs, a server with the dashboard (a thread or greenlet per viewer), and
this one, which opens the websockets and reads them. Prints memory and CPU of the server, whether every viewer got every
event, and how long a change took from before the engine's commit to the viewers; with ``--browser`` also to the row in
the page of a real Chromium, which is the target: 300 ms on Postgres and 100 ms on SQLite, in the median.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import logging
import os
import resource
import selectors
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import make_server

from dashboard import create_blueprint
from examples.bench_fill import postgres_server
from examples.bench_process import cpu_s, rss_mb


def work(url: str, runs: int, every_s: float) -> None:
    """Start runs and print when each began. A process of its own."""
    from dbos import DBOS, SetWorkflowID

    DBOS(config={"name": "bench", "system_database_url": url, "application_version": "v1"})

    @DBOS.step()
    def step() -> int:
        return 1

    @DBOS.workflow()
    def job() -> int:
        return step() + step()

    DBOS.launch()
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(runs):
        began = time.time()
        with SetWorkflowID(f"bench-{number}-{os.getpid()}"):
            handle = DBOS.start_workflow(job)
        print(json.dumps({"id": handle.workflow_id, "began": began}), flush=True)
        time.sleep(max(0.0, every_s - (time.time() - began)))
    time.sleep(1)
    sys.stdout.flush()
    os._exit(0)


def make_app(url: str) -> Flask:
    """Return the app that is measured; gunicorn calls it too."""
    app = Flask("bench")
    app.register_blueprint(create_blueprint(url, caretaker=False), url_prefix="/durable")
    return app


def serve(url: str) -> None:
    """Serve the dashboard and print the port. A process of its own."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, make_app(url), threaded=True)
    server.socket.listen(1024)
    print(server.server_port, flush=True)
    server.serve_forever()


@dataclass(slots=True)
class Viewer:
    """One websocket: unmasked text frames of a server, split by hand."""

    sock: socket.socket
    buffer: bytearray = field(default_factory=bytearray)
    ids: list[int] = field(default_factory=list)
    done: int = 0

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield the messages that are complete."""
        while len(self.buffer) >= 2:
            size, start = self.buffer[1] & 127, 2
            if size == 126:
                size, start = int.from_bytes(self.buffer[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(self.buffer[2:10], "big"), 10
            if len(self.buffer) < start + size:
                return
            opcode, body = self.buffer[0] & 15, bytes(self.buffer[start : start + size])
            del self.buffer[: start + size]
            if opcode == 8:
                raise SystemExit(f"a viewer was dropped: {body[2:].decode()}")
            if opcode == 1:
                yield json.loads(body)


def connect(port: int, path: str) -> Viewer:
    """Open one websocket."""
    sock = socket.create_connection(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET /durable/api/{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = bytearray()
    while b"\r\n\r\n" not in head:
        head += sock.recv(4096)
    if b" 101 " not in head.split(b"\r\n", 1)[0]:
        raise SystemExit(f"refused: {bytes(head[:300])!r}")
    sock.setblocking(False)
    return Viewer(sock, bytearray(head.split(b"\r\n\r\n", 1)[1]))


def start_server(kind: str, url: str, viewers: int) -> tuple[subprocess.Popen[str], int, int]:
    """Start a server; return it, its port, and the process that does the work."""
    if kind == "werkzeug":
        server = child("--serve", url)
        assert server.stdout is not None
        return server, int(server.stdout.readline()), server.pid
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    size = ["--threads", str(viewers + 8)] if kind == "gthread" else ["--worker-connections", str(viewers + 8)]
    where = [f"examples.bench_live:make_app({url!r})", "--bind", f"127.0.0.1:{port}", "--log-level", "error"]
    server = subprocess.Popen([sys.executable, "-m", "gunicorn", *where, "--worker-class", kind, *size], text=True)
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    time.sleep(1)
    workers = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return server, port, int(workers[0])


def child(*arguments: str) -> subprocess.Popen[str]:
    """Start this script in another role."""
    return subprocess.Popen(
        [sys.executable, "-m", "examples.bench_live", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def watch(viewers: list[Viewer], runs: int, within_s: float) -> dict[str, float]:
    """Read until every viewer saw every run complete; return when the first viewer and all saw each run first."""
    selector = selectors.DefaultSelector()
    for viewer in viewers:
        selector.register(viewer.sock, selectors.EVENT_READ, viewer)
    seen: dict[str, list[float]] = {}
    deadline = time.monotonic() + within_s
    while any(viewer.done < runs for viewer in viewers) and time.monotonic() < deadline:
        for key, _ in selector.select(0.5):
            viewer = key.data
            viewer.buffer += viewer.sock.recv(262_144)
            for message in viewer.messages():
                if not message["type"].startswith("run."):
                    continue
                viewer.ids.append(message["id"])
                if message["type"] == "run.completed":
                    viewer.done += 1
                if message["type"] in ("run.pending", "run.started"):
                    first = seen.setdefault(message["runId"], [])
                    if message["type"] == "run.pending" or len(first) < len(viewers):
                        first.append(time.time())
    selector.close()
    return {f"{run}|{kind}": value for run, times in seen.items() for kind, value in _edges(times, len(viewers))}


def _edges(times: list[float], viewers: int) -> list[tuple[str, float]]:
    times = sorted(times)[:viewers]
    return [("first", times[0]), ("median", times[len(times) // 2]), ("last", times[-1])]


WATCH_ROWS = """
window.seenRuns = {};
new MutationObserver(() => {
    const rows = document.querySelectorAll('[data-run^="bench-"]');
    for (const row of rows) window.seenRuns[row.dataset.run] ??= Date.now();
}).observe(document, { childList: true, subtree: true, attributes: true });
"""


class Browser:
    """A real page with the list of runs; its own script notes when each run's row is there."""

    def __init__(self, port: int) -> None:
        from playwright.sync_api import sync_playwright

        names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
        path = next(filter(None, map(shutil.which, filter(None, names))), None)
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        self._page = self._browser.new_page()
        self._page.add_init_script(WATCH_ROWS)
        with self._page.expect_websocket(lambda ws: ws.wait_for_event("framereceived") is not None):
            self._page.goto(f"http://127.0.0.1:{port}/durable/")

    def seen(self) -> dict[str, float]:
        """Return when each run's row was there first, in seconds since the epoch."""
        found: dict[str, float] = self._page.evaluate("window.seenRuns")
        return {run_id: at_ms / 1000 for run_id, at_ms in found.items()}

    def close(self) -> None:
        """End the browser."""
        self._browser.close()
        self._playwright.stop()


def bench(options: argparse.Namespace, url: str) -> None:
    """Run it and print."""
    server, port, pid = start_server(options.server, url, options.viewers)
    worker = browser = None
    try:
        worker = child("--work", url, "--runs", str(options.runs), "--every-s", str(options.every_s))
        assert worker.stdout is not None
        assert worker.stdin is not None
        worker.stdout.readline()
        time.sleep(1)
        one = connect(port, "stream?limit=1")
        empty_mb = rss_mb(pid)
        before = time.monotonic()
        viewers = [one, *(connect(port, "stream?limit=1") for _ in range(options.viewers - 1))]
        opened_s = time.monotonic() - before
        browser = Browser(port) if options.browser else None
        time.sleep(2)
        cpu_0, idle_mb = cpu_s(pid), rss_mb(pid)
        time.sleep(5)
        cpu_1 = cpu_s(pid)
        began = time.monotonic()
        worker.stdin.write("go\n")
        worker.stdin.flush()
        seen = watch(viewers, options.runs, within_s=options.runs * options.every_s + 60)
        took_s = time.monotonic() - began
        cpu_2, busy_mb = cpu_s(pid), rss_mb(pid)
        starts = {entry["id"]: entry["began"] for entry in map(json.loads, worker.stdout)}
        if browser is not None:
            seen |= {f"{run_id}|browser": at for run_id, at in browser.seen().items()}
        report(options, url, viewers, seen, starts, took_s)
        print(f"opened in           {opened_s:.1f} s")
        print(
            f"memory              {empty_mb:.0f} MB with one viewer, {idle_mb:.0f} MB with all, {busy_mb:.0f} MB after"
        )
        print(f"CPU                 {(cpu_1 - cpu_0) / 5:.1%} of a core idle, {(cpu_2 - cpu_1) / took_s:.1%} busy")
        for viewer in viewers:
            viewer.sock.close()
    finally:
        if browser is not None:
            browser.close()
        for process in (server, worker):
            if process is not None:
                process.terminate()
                process.wait()


def report(
    options: argparse.Namespace,
    url: str,
    viewers: list[Viewer],
    seen: dict[str, float],
    starts: dict[str, float],
    took_s: float,
) -> None:
    """Print what was delivered, and how fast."""
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"server              {options.server}, {url.split(':')[0]}, {load}")
    complete = sum(viewer.done == options.runs for viewer in viewers)
    ordered = all(viewer.ids == sorted(set(viewer.ids)) for viewer in viewers)
    events = sum(len(viewer.ids) for viewer in viewers)
    print(f"viewers             {options.viewers}; {complete} of them saw all {options.runs} runs complete")
    print(f"messages            {events}, {events / took_s:.0f} a second, each viewer's in order: {ordered}")
    for kind in ("first", "median", "last", "browser"):
        delays = [1000 * (seen[f"{run}|{kind}"] - began) for run, began in starts.items() if f"{run}|{kind}" in seen]
        if not delays:
            continue
        middle, high = statistics.median(delays), statistics.quantiles(delays, n=20)[-1]
        bound = (100 if url.startswith("sqlite") else 300) if kind == "browser" else None
        met = "" if bound is None else f"; target {bound} ms, {'met' if middle <= bound else 'NOT MET'}"
        known = f" of {len(delays)}" if kind == "browser" else ""
        print(f"change to {kind:<9} {middle:.0f} ms in the median{known}, {high:.0f} ms at the 95th percentile{met}")


@contextlib.contextmanager
def database(options: argparse.Namespace) -> Iterator[str]:
    """Lend the database that was named, or a new one: a SQLite file in WAL mode, or on a PostgreSQL of our own."""
    if options.url:
        yield options.url
        return
    with tempfile.TemporaryDirectory(prefix="bench-live-") as folder:
        if options.backend == "postgres":
            with postgres_server(None, Path(folder)) as url:
                yield url
            return
        path = Path(folder) / "bench.sqlite"
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        yield f"sqlite:///{path}"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m examples.bench_live", description=__doc__)
    parser.add_argument("--viewers", type=int, default=500)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--every-s", type=float, default=0.2, help="seconds between runs (default: 0.2)")
    servers = ("werkzeug", "gthread", "gevent")
    parser.add_argument("--server", choices=servers, default="werkzeug", help="gthread and gevent need gunicorn")
    parser.add_argument("--backend", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--url", help="system database; default: a new one")
    parser.add_argument("--browser", action="store_true", help="measure up to a real Chromium's page as well")
    parser.add_argument("--serve", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--work", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    if options.serve:
        serve(options.serve)
    elif options.work:
        work(options.work, options.runs, options.every_s)
    else:
        with database(options) as url:
            bench(options, url)


if __name__ == "__main__":
    main()
