"""One app and one browser for all browser tests. Starts a process and headless Chromium."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.databases import make_wal
from tests.programs import Program, running
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_ARGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-dev-shm-usage"]
START_S = 120.0
WAIT_MS = 20_000
"""For what comes at once on an idle machine; a busy one is not a failure."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here that asks for a page drives a browser."""
    for item in items:
        if "page" in getattr(item, "fixturenames", ()) or "open_page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True)
class Shop:
    """The app under test."""

    origin: str
    database: Path

    @property
    def page(self) -> str:
        """The dashboard for operators."""
        return f"{self.origin}/ops/durable"

    @property
    def look(self) -> str:
        """The dashboard for viewers."""
        return f"{self.origin}/look"

    def post(self, path: str, body: bytes = b"{}") -> int:
        """Send a request as a person's script would; return the status."""
        request = urllib.request.Request(
            f"{self.origin}{path}", data=body, headers={"Content-Type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def start(self, workflow: str, run_id: str, queue: str = "") -> str:
        """Start a run and return its id."""
        assert self.post(f"/start/{workflow}/{run_id}" + (f"/{queue}" if queue else "")) == 200
        return run_id

    @contextmanager
    def fated_worker(self, workflow: str, run_id: str) -> Iterator[Program]:
        """Run a run in a worker of its own that does not last."""
        arguments = ("-m", "tests.browser.fated_worker", f"sqlite:///{self.database}", workflow, run_id)
        with running(*arguments) as program:
            yield program

    def until_completed(self, run_id: str) -> None:
        """Wait until a run is completed."""

        def status() -> object:
            with urllib.request.urlopen(f"{self.page}/api/runs/{run_id}", timeout=10) as answer:
                return json.load(answer)["run"]["status"]

        until(status, lambda now: now == "completed", what=f"{run_id} to complete", timeout_s=START_S, every_s=0.05)

    def widen(self, run_id: str, children: int) -> None:
        """Give a completed fan-out of one child many more, by copying the rows that the engine wrote for the one."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection, connection:
            connection.row_factory = sqlite3.Row
            tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
            for table in tables:
                columns = [column["name"] for column in connection.execute(f'pragma table_info("{table}")')]
                if "workflow_uuid" not in columns:
                    continue
                rows = connection.execute(
                    f'select * from "{table}" where workflow_uuid in (?, ?)', (run_id, f"{run_id}-1")
                ).fetchall()
                copies = [copy for row in rows for copy in _copies(dict(row), run_id, children)]
                if table == "operation_outputs":
                    connection.execute("delete from operation_outputs where workflow_uuid = ?", (run_id,))
                names = ", ".join(f'"{column}"' for column in columns)
                marks = ", ".join("?" for _ in columns)
                connection.executemany(
                    f'insert into "{table}" ({names}) values ({marks})', [[c[name] for name in columns] for c in copies]
                )


def _copies(row: dict[str, Any], run_id: str, children: int) -> Iterator[dict[str, Any]]:
    """A child's row for every child but the first; a parent's step (start, result) for every child."""
    is_parent = row["workflow_uuid"] == run_id
    if is_parent and "function_id" not in row:
        return
    for number in range(1 if is_parent else 2, children + 1):
        child = f"{run_id}-{number}"
        if not is_parent:
            yield {**row, "workflow_uuid": child}
        else:
            shift = number if row["function_id"] == 1 else children + number
            yield {**row, "function_id": shift, "child_workflow_id": child}


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The app in a process of its own, on a fresh database."""
    folder = tmp_path_factory.mktemp("shop")
    url = make_wal(folder / "app.sqlite")
    origin = f"http://127.0.0.1:{_free_port()}"
    with running("-m", "tests.browser.shop_app", origin.rsplit(":", 1)[1], url) as app:
        runs = f"{origin}/ops/durable/api/runs"
        up = until(lambda: _answers(runs) or app.ended, what="the app to answer", timeout_s=START_S, every_s=0.1)
        if not up or app.ended:
            pytest.fail(f"The app did not start:\n{app.text[-3000:]}")
        yield Shop(origin, folder / "app.sqlite")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless Chromium, the machine's own.

    Of this folder alone: while Playwright's loop runs in the main thread, every asyncio test elsewhere fails.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("The browser tests need Chromium: apt-get install chromium")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()


@dataclass
class Watch:
    """What a page did that it must not do."""

    origin: str
    left: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def attach(self, page: Page) -> None:
        """Listen to requests, to the console and to uncaught errors."""
        page.on("request", lambda request: self._requested(request.url))
        page.on("websocket", lambda socket: self._requested(socket.url))
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on(
            "console",
            lambda message: self.complaints.append(message.text) if "Content Security Policy" in message.text else None,
        )

    def _requested(self, url: str) -> None:
        if not url.startswith((self.origin, self.origin.replace("http", "ws", 1), "blob:", "data:")):
            self.left.append(url)


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, shop: Shop) -> Iterator[OpenPage]:
    """Open a page in a context of its own; afterwards hold every page to the rules that hold for all.

    Nothing leaves the origin, the content security policy is never violated, no error is uncaught.
    """
    contexts: list[BrowserContext] = []
    watch = Watch(shop.origin)

    def opener(path: str = "/", *, base: str | None = None, width: int = 1440, dark: bool = False) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        watch.attach(page)
        page.goto(f"{base or shop.page}{path}")
        return page

    yield opener
    for context in contexts:
        context.close()
    assert watch.left == []
    assert watch.complaints == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """The run list, wide and light."""
    return open_page("/")
