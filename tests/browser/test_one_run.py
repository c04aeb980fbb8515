"""One run, understood: where its time went, how it differs from another."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, Shop


def test_a_retried_run_says_where_its_time_went_and_what_was_different_before(open_page: OpenPage, shop: Shop) -> None:
    """From the run two clicks lead to the step that failed in the earlier attempt, and back."""
    run_id = shop.start("order", "order-understood")
    page = open_page(f"/runs/{run_id}")
    page.get_by_role("button", name="Retry", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.get_by_text(re.compile("^Completed in"))).to_be_visible()
    where = page.get_by_role("region", name="Where time went")
    expect(where).to_contain_text("at work")
    expect(where).to_contain_text("Longest")
    where.get_by_role("button", name="pay").click()
    expect(page.get_by_test_id("step-panel")).to_contain_text("pay")
    page.keyboard.press("Escape")
    page.get_by_role("region", name="Attempts").get_by_role("link", name="compare").click()
    expect(page).to_have_url(re.compile(r"/compare\?attempt=1$"))
    expect(page.get_by_text("First difference: pay is completed, in the other failed.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("region", name="This run").get_by_role("link").click()
    expect(page.get_by_role("heading", name="order", exact=True)).to_be_visible()
