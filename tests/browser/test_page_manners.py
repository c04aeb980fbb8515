"""What holds for every page: widths, themes, roles, keys, addresses, and states other than the happy one."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, WebSocketRoute, expect

from tests.browser.conftest import OpenPage, Shop

PAGES = ("/", "/runs/brief-manners", "/workers", "/schedules", "/topology", "/audit", "/nowhere")


@pytest.fixture
def brief(shop: Shop) -> str:
    """A run to look at."""
    return shop.start("brief", "brief-manners")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_is_wider_than_its_window(open_page: OpenPage, shop: Shop, brief: str, width: int, dark: bool) -> None:
    """Nothing is cut off and nothing scrolls sideways, on a phone or a desk."""
    page = open_page("/", width=width, dark=dark)
    for path in PAGES:
        page.goto(f"{shop.page}{path}")
        page.locator("main h1, main h2, .run-row").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_the_theme_follows_the_system_until_it_is_chosen(open_page: OpenPage) -> None:
    """The choice is kept in this browser."""
    page = open_page("/", dark=True)

    def background() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    dark = background()
    page.get_by_role("button", name=re.compile("^Theme")).click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert background() != dark
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_a_viewer_sees_everything_and_is_told_why_nothing_can_be_pressed(open_page: OpenPage, shop: Shop) -> None:
    """Buttons stay where they are, disabled, with a reason."""
    shop.start("order", "order-viewed")
    page = open_page("/runs/order-viewed", base=shop.look)
    expect(page.get_by_text("View only")).to_be_visible()
    retry = page.get_by_role("button", name="Retry", exact=True)
    expect(retry).to_be_disabled()
    expect(retry).to_have_attribute("title", re.compile("operator"))
    page.get_by_role("button", name="More actions").click()
    expect(page.get_by_role("menuitem").first).to_have_attribute("aria-disabled", "true")


def test_the_filter_is_in_the_address(open_page: OpenPage, shop: Shop, brief: str) -> None:
    """What one sees can be sent to somebody else, and survives a reload."""
    page = open_page("/")
    page.get_by_role("button", name=re.compile("^Completed")).click()
    page.get_by_label("Search runs by id or workflow").fill("brief-man")
    expect(page).to_have_url(re.compile("status=completed&q=brief-man"))
    expect(page.locator(f'[data-run="{brief}"]')).to_be_visible()
    page.reload()
    expect(page.locator(f'[data-run="{brief}"]')).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Completed"))).to_have_attribute("aria-pressed", "true")


def test_the_keyboard_is_enough(open_page: OpenPage, shop: Shop, brief: str) -> None:
    """Search, move, open, step through, go back: no pointer."""
    page = open_page("/")
    page.locator(".run-row").first.wait_for()
    page.keyboard.press("/")
    page.keyboard.type("brief-manners")
    page.keyboard.press("Enter")
    expect(page.locator(".run-row")).to_have_count(1)
    page.keyboard.press("j")
    expect(page.locator(".run-row")).to_have_attribute("data-current", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="brief", exact=True)).to_be_visible()
    page.keyboard.press("3")
    expect(page.get_by_role("tab", name="Timeline")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("j")
    expect(page.get_by_test_id("step-panel")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(".runs-page")).to_be_visible()


def test_a_run_that_does_not_exist_is_said_to_be_missing(open_page: OpenPage) -> None:
    """In the server's words, with a way back; nothing loads for ever."""
    page = open_page("/runs/no-such-run")
    expect(page.get_by_role("heading", name="No such run")).to_be_visible()
    expect(page.get_by_text("no-such-run")).to_be_visible()
    page.get_by_role("link", name="All runs", exact=True).click()
    expect(page.locator(".runs-page")).to_be_visible()


def test_a_failed_read_says_why_and_can_be_repeated(open_page: OpenPage, shop: Shop, brief: str) -> None:
    """An error is a sentence and a button, never an endless skeleton."""
    page = open_page("/workers")
    detail = "The database is locked by a backup. Try again in a minute."

    def refuse(route: Route) -> None:
        route.fulfill(
            status=409,
            content_type="application/problem+json",
            json={"title": "Locked", "status": 409, "detail": detail},
        )

    page.route("**/api/runs?*", refuse)
    page.goto(f"{shop.page}/?q={brief}")
    expect(page.get_by_role("alert")).to_contain_text(detail)
    page.unroute("**/api/runs?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(f'[data-run="{brief}"]')).to_be_visible()


def test_a_lost_server_is_noticed_and_the_page_continues_when_it_is_back(open_page: OpenPage, shop: Shop) -> None:
    """Offline is said; afterwards the list is right again without reload."""
    page = open_page("/workers")
    down = False
    sockets: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if down:
            socket.close()
        else:
            socket.connect_to_server()

    page.route_web_socket("**/stream*", connect)
    page.goto(f"{shop.page}/?q=after-outage")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    down = True
    page.route("**/api/**", lambda route: route.abort())
    sockets[-1].close()
    expect(page.locator(".notice", has_text="Reconnecting")).to_be_visible()
    shop.start("brief", "after-outage-1")
    down = False
    page.unroute("**/api/**")
    expect(page.locator('[data-run="after-outage-1"]')).to_have_attribute("data-status", "completed")
    expect(page.locator(".notice", has_text="Reconnecting")).to_have_count(0)
