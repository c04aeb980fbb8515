"""Every page by axe-core, light and dark."""

from __future__ import annotations

from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, Shop

GRAVE = ("serious", "critical")
PAGES = (
    "/",
    "/workers",
    "/inbox",
    "/inbox/none",
    "/errors",
    "/errors/none",
    "/versions",
    "/bulk",
    "/alerts",
    "/bulk/none",
    "/schedules",
    "/topology",
    "/audit",
    "/nowhere",
    "/runs/none",
    "/runs/seen-1/compare",
    "/runs/seen-1",
)


def violations(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical on the page as it is."""
    found = page.evaluate("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations")
    return [
        f"{rule['id']}: {entry['html'][:200]}" for rule in found if rule["impact"] in GRAVE for entry in rule["nodes"]
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_keeps_anybody_out(open_page: OpenPage, shop: Shop, dark: bool) -> None:
    """Names, roles, contrast: nothing serious on any page, nor in a dialog."""
    shop.start("approval", "seen-1")
    page = open_page("/", dark=dark)
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    for path in PAGES:
        page.goto(f"{shop.page}{path}")
        page.locator("main h1").first.wait_for(state="attached")
        expect(page.locator(".skeleton")).to_have_count(0)
        page.evaluate(axe)
        assert violations(page) == [], path
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Cancel and undo").click()
    expect(page.get_by_role("dialog")).to_contain_text("Undo reserve")
    assert violations(page) == []
