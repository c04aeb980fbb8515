"""The page in Firefox: from the list to a run to an action, the graph, every page. ``tox -e firefox``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.browser.conftest import Shop
from tests.browser.firefox import Firefox, firefox

pytestmark = [pytest.mark.slow]
BINARY = shutil.which("firefox-esr") or shutil.which("firefox")


@pytest.fixture(scope="module")
def fox() -> Iterator[Firefox]:
    """The machine's Firefox."""
    if BINARY is None:
        pytest.skip("There is no Firefox on this machine: apt-get install firefox-esr")
    with firefox(BINARY) as found:
        yield found
        assert found.complaints == []


def test_from_the_list_to_a_run_to_an_action(fox: Firefox, shop: Shop) -> None:
    """A failed run is found by its status, opened, its step looked at, retried, and seen to complete."""
    shop.start("order", "fox-order")
    fox.open(f"{shop.page}/?q=fox-order")
    fox.find("[data-run='fox-order'][data-status='failed']", "ConnectionError · pay")
    fox.click(".chip", "Failed")
    fox.click(".run-link", "order")
    fox.find(".badge", "Failed")
    fox.click("button.tl-row", "pay")
    fox.find("[data-testid='step-panel']", "the bank did not answer")
    fox.click("button.btn", "Retry")
    fox.find("dialog", "Retry")
    fox.click("dialog button[data-tone='primary']", "Retry")
    fox.find(".badge", "Completed")
    assert "/runs/fox-order" in fox.address()


def test_the_graph_is_drawn_and_a_child_opens_in_it(fox: Firefox, shop: Shop) -> None:
    """Nodes, the button in a node, and a lane below."""
    shop.start("errand", "fox-errand")
    fox.open(f"{shop.page}/?q=fox-errand")
    fox.find("[data-run='fox-errand'][data-status='suspended']")
    fox.open(f"{shop.page}/runs/fox-errand?view=graph")
    fox.click("button.node-child")
    fox.find(".react-flow__node.of-child", "go")
    assert "open=" in fox.address()


def test_every_page_is_drawn(fox: Firefox, shop: Shop) -> None:
    """By its heading; and the key for help opens it."""
    for path in ("errors", "inbox", "versions", "workers", "schedules", "topology", "audit"):
        fox.open(f"{shop.page}/{path}")
        fox.find("h1", path.capitalize())
    fox.press("?")
    fox.find("dialog", "Go to Workers")
