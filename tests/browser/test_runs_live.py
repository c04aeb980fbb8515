"""The run list and a run, watched while real workflows run."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, Shop


def status_is(page: Page, run_id: str, status: str) -> None:
    """The run's row comes to show this status."""
    expect(page.locator(f'[data-run="{run_id}"]')).to_have_attribute("data-status", status)


def test_a_run_goes_from_pending_to_completed_before_the_readers_eyes(open_page: OpenPage, shop: Shop) -> None:
    """Nothing is reloaded: the row changes by itself as the engine moves."""
    page = open_page("/?queue=one")
    expect(page.get_by_text("No run matches this filter")).to_be_visible()
    shop.start("hold", "hold-1", "one")
    shop.start("brief", "brief-1", "one")
    status_is(page, "hold-1", "suspended")
    status_is(page, "brief-1", "pending")
    page.evaluate("window.sameDocument = true")
    assert shop.post("/ops/durable/api/runs/hold-1/signals/go", b'"go"') == 200
    status_is(page, "hold-1", "completed")
    status_is(page, "brief-1", "completed")
    assert page.evaluate("window.sameDocument") is True


def test_a_failed_run_is_retried_and_completes_under_its_id(open_page: OpenPage, shop: Shop) -> None:
    """The page says where it failed, asks before it acts, and shows the end without reload."""
    shop.start("order", "order-1")
    page = open_page("/runs/order-1")
    expect(page.locator(".badge")).to_have_text("Failed")
    expect(page.get_by_role("alert")).to_contain_text("the bank did not answer")
    page.get_by_role("button", name="Retry", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("under the same id from pay")
    dialog.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator(".badge")).to_have_text("Completed")
    expect(page.get_by_role("button", name="Retry", exact=True)).to_have_count(0)
    page.get_by_role("tab", name="Payloads").click()
    expect(page.get_by_role("group", name="Output")).to_have_text('"paid"')
    page.get_by_role("tab", name="Audit").click()
    expect(page.locator("tbody tr").first).to_contain_text("retry")


def test_a_step_opens_with_its_timings_and_payload(open_page: OpenPage, shop: Shop) -> None:
    """What a payload holds is drawn as text, whatever it looks like."""
    shop.start("brief", "brief-2")
    page = open_page("/runs/brief-2?view=timeline")
    page.locator('[data-step="1"]').click()
    panel = page.get_by_test_id("step-panel")
    expect(panel.get_by_role("heading", name="reserve")).to_be_focused()
    expect(panel).to_contain_text("Duration")
    expect(panel.get_by_role("group", name="Output")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("img").count() == 0
    expect(page).to_have_url(re.compile("step=1"))
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


def test_a_step_opens_from_the_graph(open_page: OpenPage, shop: Shop) -> None:
    """The graph is drawn from start to end; its boxes are buttons, for the keyboard too."""
    shop.start("brief", "brief-3")
    page = open_page("/runs/brief-3?view=graph")
    expect(page.locator(".react-flow__node-start")).to_be_visible()
    expect(page.locator(".react-flow__node-end")).to_contain_text("completed")
    page.locator(".react-flow__node-step").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("step-panel")).to_contain_text("reserve")


def test_a_refusal_is_shown_in_the_servers_words(open_page: OpenPage, shop: Shop) -> None:
    """Somebody else was quicker: the dialog stays and says why nothing was done."""
    shop.start("order", "order-2")
    page = open_page("/runs/order-2")
    page.get_by_role("button", name="Retry", exact=True).click()
    assert shop.post("/ops/durable/api/runs/order-2/retry") == 200
    expect(page.locator(".badge")).to_have_text("Completed")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Retry", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("Refused")
    expect(dialog.get_by_role("alert")).to_contain_text("completed")


def test_a_breakpoint_is_continued_and_a_signal_sent_from_the_page(open_page: OpenPage, shop: Shop) -> None:
    """A suspended run says what it waits for and offers just that."""
    shop.start("approval", "approval-1")
    page = open_page("/runs/approval-1")
    expect(page.locator(".notice", has_text="Waiting for breakpoint manager")).to_be_visible()
    page.get_by_role("form", name="Answer manager").get_by_role("button", name="Continue").click()
    expect(page.locator(".notice", has_text="Waiting for signal courier")).to_be_visible()
    form = page.get_by_role("form", name="Answer courier")
    form.get_by_role("textbox").fill("{not json")
    form.get_by_role("button", name="Send").click()
    expect(page.get_by_text("This is not JSON")).to_be_visible()
    form.get_by_role("textbox").fill('{"van": 7}')
    form.get_by_role("button", name="Send").click()
    expect(page.locator(".badge")).to_have_text("Completed")
    page.get_by_role("tab", name="Published").click()
    expect(page.get_by_role("heading", name="progress")).to_be_visible()


def test_an_undo_is_previewed_and_then_followed(open_page: OpenPage, shop: Shop) -> None:
    """The dialog lists what will be undone; afterwards the run is cancelled, its compensations in its timeline."""
    shop.start("approval", "approval-2")
    page = open_page("/runs/approval-2?view=timeline")
    expect(page.locator(".badge")).to_have_text("Suspended")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Cancel and undo").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Undo reserve")
    expect(dialog.get_by_role("group", name="Output of reserve")).to_be_visible()
    dialog.get_by_role("button", name="Cancel and undo").click()
    expect(page.locator(".badge")).to_have_text("Cancelled")
    expect(page.locator(".notice", has_text="1 of 1 compensations done")).to_be_visible()
    expect(page.locator("[data-undo]").first).to_be_visible()


def test_many_runs_are_retried_after_a_look_at_which(open_page: OpenPage, shop: Shop) -> None:
    """Bulk shows a dry run first; completed runs are not part of it."""
    for number in range(3):
        shop.start("order", f"bulk-order-{number}")
    page = open_page("/?q=bulk-order-")
    for number in range(3):
        status_is(page, f"bulk-order-{number}", "failed")
    page.get_by_role("button", name="Retry all").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Retry 3 runs").click()
    expect(dialog).to_contain_text("3 of 3 retried")
    dialog.get_by_role("button", name="Close").last.click()
    for number in range(3):
        status_is(page, f"bulk-order-{number}", "completed")


def test_without_websockets_the_page_is_live_by_server_sent_events(open_page: OpenPage, shop: Shop) -> None:
    """A proxy that blocks websockets costs nothing that the reader would see."""
    page = open_page("/workers")
    page.context.add_init_script("delete window.WebSocket")
    page.goto(f"{shop.page}/?q=sse-")
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    shop.start("brief", "sse-1")
    status_is(page, "sse-1", "completed")


def test_a_fork_and_a_new_run_are_started_from_the_page(open_page: OpenPage, shop: Shop) -> None:
    """Both lead to the run that they started; the fork names the run that it came from."""
    shop.start("brief", "brief-forked")
    page = open_page("/runs/brief-forked?view=timeline&step=1")
    page.get_by_role("button", name="Fork from here").click()
    page.get_by_role("dialog").get_by_role("button", name="Fork", exact=True).click()
    expect(page.locator(".relatives")).to_contain_text("Forked from")
    expect(page.locator(".badge")).to_have_text("Completed")
    page.goto(f"{shop.page}/")
    page.get_by_role("button", name="Start a run").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Workflow").fill("brief")
    dialog.get_by_label("Input").fill('["desk"]')
    dialog.get_by_label("Run id").fill("brief-from-page")
    dialog.get_by_role("button", name="Start", exact=True).click()
    expect(page).to_have_url(re.compile("/runs/brief-from-page"))
    expect(page.locator(".badge")).to_have_text("Completed")


def test_new_runs_wait_above_while_somebody_reads_further_down(open_page: OpenPage, shop: Shop) -> None:
    """The list does not jump under the pointer; a press shows what is new."""
    for number in range(12):
        shop.start("brief", f"pill-{number:02}")
    page = open_page("/?q=pill-")
    page.set_viewport_size({"width": 1440, "height": 420})
    expect(page.locator('[data-run="pill-11"]')).to_have_attribute("data-status", "completed")
    page.locator(".runs-scroll").evaluate("element => element.scrollTo(0, 120)")
    page.wait_for_function("document.querySelector('.runs-scroll').scrollTop > 100")
    shop.start("brief", "pill-99")
    page.get_by_role("button", name="1 new run").click()
    expect(page.locator('[data-run="pill-99"]')).to_be_visible()
    assert page.locator(".runs-scroll").evaluate("element => element.scrollTop") == 0


def test_tabs_share_one_stream_and_hand_it_on(open_page: OpenPage, shop: Shop) -> None:
    """Three tabs on the list open one stream; when the tab that has it closes, another opens it and misses nothing."""
    first = open_page("/workers")
    streams: list[str] = []
    first.context.on("page", lambda tab: tab.on("websocket", lambda socket: streams.append(socket.url)))
    tabs = []
    for _ in range(3):
        tab = first.context.new_page()
        tab.goto(f"{shop.page}/?q=shared-")
        expect(tab.get_by_role("status").filter(has_text="Live")).to_be_visible()
        tabs.append(tab)
    assert len(streams) == 1
    shop.start("brief", "shared-1")
    for tab in tabs:
        status_is(tab, "shared-1", "completed")
    tabs[0].close()
    shop.start("brief", "shared-2")
    for tab in tabs[1:]:
        status_is(tab, "shared-2", "completed")
    assert len(streams) == 2
