"""A fan-out of 1,000 children: list, graph and timeline."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, Shop

CHILDREN = 1000
ENOUGH_MS = 120_000


def run_for_real(shop: Shop, run_id: str) -> None:
    """The engine runs every child: minutes on a busy machine."""
    assert shop.post(f"/start/fan_out/{run_id}?count={CHILDREN}") == 200


def run_one_and_copy(shop: Shop, run_id: str) -> None:
    """The engine runs one child, and its rows are copied."""
    shop.start("fan_out", run_id)
    shop.until_completed(run_id)
    shop.widen(run_id, CHILDREN)


@pytest.mark.parametrize("prepare", [run_one_and_copy, pytest.param(run_for_real, marks=pytest.mark.slow)])
def test_a_thousand_children_stay_usable(open_page: OpenPage, shop: Shop, prepare: Callable[[Shop, str], None]) -> None:
    """Each draws what is in view; in the graph the fan-out is one box that unfolds. Prints when it is there."""
    run_id = f"wide-{prepare.__name__}"
    prepare(shop, run_id)
    page = open_page(f"/?q={run_id}&workflow=fan_out")
    expect(page.locator(f'[data-run="{run_id}"]')).to_have_attribute("data-status", "completed", timeout=ENOUGH_MS)
    page.goto(f"{shop.page}/runs/{run_id}?view=graph")
    group = page.locator(".react-flow__node-stack")
    group.wait_for()
    print(f"\nfan-out of {CHILDREN:,}: first node after {page.evaluate('performance.now()'):.0f} ms")
    expect(group).to_contain_text("×1,000")
    group.click()
    expect(page.locator(".node-cell").first).to_be_visible()

    page.get_by_role("tab", name="Timeline").click()
    expect(page.locator(".tl-row").first).to_be_visible()
    assert page.locator(".tl-row").count() < 120
    fold = page.get_by_role("button", name="×1,000")
    expect(fold).to_contain_text("each")
    fold.click()
    expect(fold).to_have_attribute("aria-expanded", "true")
    page.locator(".tl-scroll").evaluate("element => element.scrollTo(0, 190 * 30)")
    expect(page.locator('[data-step="200"]')).to_have_count(1)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator('[data-step="201"]')).to_have_count(1)
    assert page.locator(".tl-row").count() < 120

    page.goto(f"{shop.page}/?parent={run_id}")
    expect(page.locator(".run-row").first).to_be_visible()
    page.wait_for_function(
        """() => {
          const list = document.querySelector(".runs-scroll");
          list.scrollTo(0, list.scrollHeight);
          return document.querySelector(".runs-foot").textContent.includes("1,000 runs, all shown");
        }"""
    )
    assert page.locator(".run-row").count() < 120
