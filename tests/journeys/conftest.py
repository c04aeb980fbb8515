"""The busy shop in a process of its own, and a hand that counts what it clicks."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser.conftest import CHROMIUM_ARGS, ROOT, START_S, _answers, _free_port, browser
from tests.databases import make_wal
from tests.waiting import until

__all__ = ["CHROMIUM_ARGS", "browser"]

TABLE = ROOT / "docs" / "journeys.md"


def documented() -> dict[str, int]:
    """Return how many clicks each journey takes, as the documentation has it."""
    rows = re.findall(r"^\| ([^|]+?) \| (\d+) \|", TABLE.read_text(), re.MULTILINE)
    return {name: int(clicks) for name, clicks in rows}


@dataclass
class Hand:
    """A person's hand at a page: counts clicks, choices from a list and drags; typing is no click."""

    page: Page
    clicks: int = 0
    done: dict[str, int] = field(default_factory=dict)

    def click(self, target: Locator) -> None:
        """Click once."""
        self.clicks += 1
        target.click()

    def choose(self, target: Locator, label: str) -> None:
        """Choose from a list: opening it is the click."""
        self.clicks += 1
        target.select_option(label=label)

    def drag(self, target: Locator, first: float, last: float) -> None:
        """Drag across a part of it, from share to share of its width."""
        self.clicks += 1
        box = target.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + box["width"] * first, middle)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + box["width"] * last, middle, steps=5)
        self.page.mouse.up()

    def arrive(self, journey: str) -> None:
        """Hold the clicks since the last arrival to what the documentation says of the journey."""
        self.done[journey] = self.clicks
        assert self.clicks == documented()[journey], journey
        self.clicks = 0


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The busy shop; its page's address."""
    folder = tmp_path_factory.mktemp("busy")
    port = _free_port()
    arguments = [sys.executable, "-m", "tests.journeys.busy", str(port), make_wal(folder / "app.sqlite")]
    with (folder / "app.log").open("wb") as log:
        process = subprocess.Popen(arguments, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:

            def answers() -> bool:
                if process.poll() is not None:
                    pytest.fail("The app did not start:\n" + Path(folder / "app.log").read_text()[-3000:])
                return _answers(f"http://127.0.0.1:{port}/durable/api/runs")

            until(answers, what="the app to answer", timeout_s=START_S, every_s=0.1)
            yield f"http://127.0.0.1:{port}/durable"
        finally:
            process.kill()
            process.wait(timeout=20)


@pytest.fixture
def mend(busy: str) -> Callable[[], None]:
    """What brings the payment provider back."""

    def send() -> None:
        address = busy.removesuffix("/durable") + "/mend"
        with urllib.request.urlopen(urllib.request.Request(address, method="POST"), timeout=30) as answer:
            assert answer.status == 200

    return send


@pytest.fixture
def hand(browser: Browser, busy: str) -> Iterator[Hand]:
    """A hand at the run list, where every journey begins."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(f"{busy}/")
    yield Hand(page)
    context.close()
