"""What people come to the page for, from the first click to the last; the clicks are counted."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage, Shop


class Hand:
    """A person's hand at a page: counts what it clicks."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, target: Locator) -> None:
        """Click once."""
        self.clicks += 1
        target.click()


def test_only_one_kind_of_failure_is_retried_a_part_first_and_looked_at_afterwards(
    open_page: OpenPage, shop: Shop
) -> None:
    """Many failed, of two kinds; one was mended. From the list to what became of each retried run: five clicks."""
    for number in range(4):
        shop.start("checkout", f"checkout-{number}")
    shop.post("/start/checkout/checkout-stolen?item=stolen")
    page = open_page("/?q=checkout-")
    for row in ("checkout-0", "checkout-1", "checkout-2", "checkout-3", "checkout-stolen"):
        expect(page.locator(f"[data-run='{row}']")).to_have_attribute("data-status", "failed")
    shop.post("/open-the-gateway")
    hand = Hand(page)
    hand.click(page.get_by_role("link", name="Errors", exact=True))
    hand.click(page.get_by_role("link", name="TimeoutError"))
    hand.click(page.get_by_role("button", name="Retry all"))
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("checkbox", name="Try a part first")).to_be_checked()
    hand.click(dialog.get_by_role("button", name="Retry 4 runs"))
    hand.click(dialog.get_by_role("link", name="What became of them"))
    expect(page.get_by_role("heading", name="Retry of 4 runs")).to_be_visible()
    expect(page.get_by_role("link", name="4 Succeeded")).to_be_visible()
    assert hand.clicks == 5
    hand.click(page.get_by_role("link", name="4 Succeeded"))
    expect(page.locator("[data-run]")).to_have_count(4)
    expect(page.get_by_text("succeeded since")).to_be_visible()
    page.goto(f"{shop.page}/?q=checkout-stolen")
    expect(page.locator("[data-run='checkout-stolen']")).to_have_attribute("data-status", "failed")


def test_a_question_is_answered_from_the_inbox_with_a_comment(open_page: OpenPage, shop: Shop) -> None:
    """Somebody approves: three clicks, and the run goes on with what was said."""
    shop.start("refund", "refund-1")
    page = open_page("/")
    hand = Hand(page)
    hand.click(page.get_by_role("link", name="Inbox"))
    entry = page.get_by_role("listitem").filter(has_text="Refund the lamp?")
    hand.click(entry.get_by_role("checkbox", name="Approved"))
    entry.get_by_role("textbox").fill("Checked the order.")
    hand.click(entry.get_by_role("button", name="Continue"))
    expect(entry).to_have_count(0)
    assert hand.clicks == 3
    for view in ("payloads", "audit"):  # what the workflow was handed it returned; the log keeps it too
        page.goto(f"{shop.page}/runs/refund-1?view={view}")
        expect(page.locator(".badge")).to_have_text("Completed")
        expect(page.get_by_text("Checked the order.").first).to_be_visible()
