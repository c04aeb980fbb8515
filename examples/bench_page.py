"""What the page costs a browser at size: first row, first bar, elements, memory, long tasks, bytes.

    python -m examples.bench_page --runs 100000

Makes a database as ``bench_fill`` does, with runs of 200 and of 10,000 steps, of 20 and of 1,000 children, and opens
each page in Chromium in turns, ``--rounds`` times, a new browser context each. Printed are the medians and how often
the small one's they are: what does not grow is near 1. Chromium and playwright are needed.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from dashboard import create_blueprint
from examples.bench_fill import RUN_COLUMNS, STEP_COLUMNS, fill_sqlite

SMALL_STEPS, LARGE_STEPS = 200, 10_000
SMALL_CHILDREN, LARGE_CHILDREN = 20, 1_000
OUTPUT = "gASVCgAAAAAAAAB9lIwBeJRLAXMu"
WATCH = """
window.__long = [];
new PerformanceObserver((list) => window.__long.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({ type: "longtask", buffered: true });
"""
PAGES = {
    "list": ("/", "[data-run]"),
    "list, small": ("/?q=bench-", "[data-run]"),
    f"{SMALL_STEPS} steps": (f"/runs/bench-steps-{SMALL_STEPS}?view=timeline", "[data-step]"),
    f"{LARGE_STEPS} steps": (f"/runs/bench-steps-{LARGE_STEPS}?view=timeline", "[data-step]"),
    f"graph of {SMALL_STEPS} steps": (f"/runs/bench-steps-{SMALL_STEPS}?view=graph", ".react-flow__node"),
    f"graph of {LARGE_STEPS} steps": (f"/runs/bench-steps-{LARGE_STEPS}?view=graph", ".react-flow__node"),
    f"{SMALL_CHILDREN} children": (f"/runs/bench-children-{SMALL_CHILDREN}", ".react-flow__node"),
    f"{LARGE_CHILDREN} children": (f"/runs/bench-children-{LARGE_CHILDREN}", ".react-flow__node"),
}
BESIDE = {large: small for small, large in zip(list(PAGES)[2::2], list(PAGES)[3::2], strict=True)} | {
    "list": "list, small"
}
"""Which page each is measured against."""
FIGURES = ("first ms", "elements", "heap MB", "long tasks ms", "kB")


def add_runs(path: Path) -> None:
    """Write the long runs: steps one after the other of three names, or children of one."""
    now_ms = int(time.time() * 1000)
    with closing(sqlite3.connect(path)) as connection, connection:
        for count in (SMALL_STEPS, LARGE_STEPS):
            _insert(connection, [_run(f"bench-steps-{count}", now_ms, count)], list(_steps(count, now_ms)))
        for count in (SMALL_CHILDREN, LARGE_CHILDREN):
            parent = f"bench-children-{count}"
            children = [_run(f"{parent}-{n}", now_ms, 1, parent=parent) for n in range(count)]
            _insert(connection, [_run(parent, now_ms, count), *children], list(_children(parent, count, now_ms)))


def _run(run_id: str, now_ms: int, steps: int, *, parent: str | None = None) -> dict[str, Any]:
    begun = now_ms - steps * 10 - 1_000
    return {
        **dict.fromkeys(RUN_COLUMNS),
        "workflow_uuid": run_id,
        "status": "SUCCESS",
        "name": "long" if parent is None else "child",
        "executor_id": "exec-1",
        "created_at": begun,
        "updated_at": now_ms,
        "started_at_epoch_ms": begun,
        "completed_at": now_ms,
        "application_version": "v3",
        "recovery_attempts": 1,
        "priority": 0,
        "parent_workflow_id": parent,
        "serialization": "py_pickle",
        "was_forked_from": False,
        "rate_limited": False,
        "is_debounced": False,
    }


def _step(run_id: str, seq: int, name: str, at: int) -> dict[str, Any]:
    values = (run_id, seq, name, OUTPUT, at, at + 8, "py_pickle", None, at + 8)
    return dict(zip(STEP_COLUMNS, values, strict=True))


def _steps(count: int, now_ms: int) -> Iterator[dict[str, Any]]:
    names = ("extract", "transform", "load")
    for seq in range(1, count + 1):
        yield _step(f"bench-steps-{count}", seq, names[seq % 3], now_ms - (count - seq) * 10 - 100)


def _children(parent: str, count: int, now_ms: int) -> Iterator[dict[str, Any]]:
    for n in range(count):
        started = {**_step(parent, n + 1, "child", now_ms - 900), "child_workflow_id": f"{parent}-{n}"}
        yield {**started, "output": None, "completed_at_epoch_ms": None}
        ended = _step(parent, count + n + 1, "DBOS.getResult", now_ms - 100)
        yield {**ended, "child_workflow_id": f"{parent}-{n}"}


def _insert(connection: sqlite3.Connection, runs: list[dict[str, Any]], steps: list[dict[str, Any]]) -> None:
    for table, rows in (("workflow_status", runs), ("operation_outputs", steps)):
        for row in rows:
            names, marks = ", ".join(row), ", ".join("?" for _ in row)
            connection.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", list(row.values()))


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(url: str) -> Iterator[str]:
    """Serve the dashboard, and lend its address."""
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(url), url_prefix="/durable")
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/durable"
    finally:
        server.shutdown()


def measure(browser: Browser, address: str, selector: str) -> tuple[float, ...]:
    """Open a page in a new context; return its figures once it has been quiet for a second."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.add_init_script(WATCH)
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    received: list[int] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    begun = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(selector, timeout=120_000)
    first_ms = (time.perf_counter() - begun) * 1000
    page.wait_for_timeout(1_000)
    elements, long_ms = _asked(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    context.close()
    return first_ms, elements, heap, long_ms, sum(received) / 1000


def _asked(page: Page) -> tuple[float, float]:
    elements = page.evaluate("document.getElementsByTagName('*').length")
    return elements, page.evaluate("window.__long.reduce((sum, ms) => sum + ms, 0)")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="keep the database here")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is needed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        path = (options.dir or Path(scratch)) / f"page-{options.runs}.sqlite"
        url = fill_sqlite(path, options.runs)
        add_runs(path)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        found: dict[str, list[tuple[float, ...]]] = {name: [] for name in PAGES}
        with served(url) as base:
            for place, selector in PAGES.values():  # what is read for the first time is cold
                measure(browser, base + place, selector)
            for _ in range(options.rounds):
                for name, (place, selector) in PAGES.items():
                    found[name].append(measure(browser, base + place, selector))
        browser.close()
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}
    print(f"| {options.runs:,} runs | {' | '.join(FIGURES)} |")
    print("|---|" + "---:|" * len(FIGURES))
    for name, values in medians.items():
        beside = medians.get(BESIDE.get(name, ""))
        ratios = [f" (×{a / b:.1f})" if b else "" for a, b in zip(values, beside, strict=True)] if beside else [""] * 5
        cells = [f"{value:,.0f}{ratio}" for value, ratio in zip(values, ratios, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
