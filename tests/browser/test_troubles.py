"""What goes wrong and what is planned: stuck, lost, dead and many; schedules, updates and children."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, Shop

BULK = 30
"""More than the API does at once: a durable run of its own does them."""
PATIENT_MS = 120_000
"""A lost worker must be silent for a while, many runs take theirs."""


def test_a_schedule_is_paused_resumed_and_run_at_once(open_page: OpenPage) -> None:
    """Its next time shows while it is active; its name leads to its runs."""
    page = open_page("/schedules")
    row = page.locator("tbody tr", has_text="yearly")
    next_run = row.locator('[data-label="Next run"]')
    expect(row).to_contain_text("Active")
    expect(next_run).to_contain_text("in ")
    for verb, state, following in (("Pause", "Paused", "–"), ("Resume", "Active", "in ")):
        row.get_by_role("button", name=verb).click()
        page.get_by_role("dialog").get_by_role("button", name=verb, exact=True).click()
        expect(row).to_contain_text(state)
        expect(next_run).to_contain_text(following)
    row.get_by_role("button", name="Run now").click()
    page.get_by_role("dialog").get_by_role("button", name="Run now").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    row.get_by_role("link", name="yearly").click()
    expect(page.locator('[data-run^="sched-yearly-"]').first).to_have_attribute("data-status", "completed")


def test_an_update_is_checked_before_it_reaches_the_run(open_page: OpenPage, shop: Shop) -> None:
    """What the type or the workflow's validator rejects is said at once, and the run waits on."""
    shop.start("amend", "amend-1")
    page = open_page("/runs/amend-1")
    form = page.get_by_role("form", name="Answer quantity")
    message = form.get_by_role("textbox")
    message.fill("many")
    form.get_by_role("button", name="Send").click()
    expect(page.locator(".field-error")).to_have_text("This takes a whole number.")
    message.fill("0")
    form.get_by_role("button", name="Send").click()
    expect(page.locator(".field-error")).to_contain_text("0 is not a quantity")
    expect(page.locator(".badge")).to_have_text("Suspended")
    message.fill("3")
    form.get_by_role("button", name="Send").click()
    expect(page.locator(".badge")).to_have_text("Completed")
    page.get_by_role("tab", name="Payloads").click()
    expect(page.get_by_role("group", name="Output")).to_have_text("3")


def test_a_run_that_waits_for_a_child_leads_to_it(open_page: OpenPage, shop: Shop) -> None:
    """By the child's id, not by its workflow's name."""
    shop.start("errand", "errand-1")
    page = open_page("/runs/errand-1")
    expect(page.locator(".notice", has_text="Waiting for child run hold")).to_be_visible()
    page.get_by_role("link", name="Open the child run").click()
    expect(page).to_have_url(re.compile("/runs/errand-1-1$"))
    expect(page.get_by_role("heading", name="hold", exact=True)).to_be_visible()


def test_more_runs_than_fit_a_request_are_retried_by_a_run_of_its_own(open_page: OpenPage, shop: Shop) -> None:
    """The dialog follows it to its end and links to it."""
    for number in range(BULK):
        shop.start("order", f"flood-{number:02}")
    page = open_page("/?q=flood-&status=failed")
    expect(page.locator(".runs-foot")).to_contain_text(f"{BULK} runs, all shown")
    page.get_by_role("button", name="Retry all").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=f"Retry {BULK} runs").click()
    expect(dialog).to_contain_text(f"{BULK} of {BULK} retried", timeout=PATIENT_MS)
    dialog.get_by_role("link", name="What became of them").click()
    expect(page.get_by_role("heading", name=re.compile(r"^Retry of"))).to_be_visible()
    page.goto(f"{shop.page}/?q=flood-&status=completed")
    expect(page.locator(".runs-foot")).to_contain_text(f"{BULK} runs, all shown")


def test_a_stuck_undo_says_what_failed_and_continues_when_it_is_mended(open_page: OpenPage, shop: Shop) -> None:
    """The notice has the error and the way on; nothing that was undone is undone again."""
    shop.start("shipment", "shipment-1")
    page = open_page("/runs/shipment-1")
    expect(page.locator(".badge")).to_have_text("Suspended")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Cancel and undo").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel and undo").click()
    notice = page.locator(".notice", has_text="The undo is stuck")
    expect(notice).to_contain_text("0 of 1 compensations done, 1 failed")
    expect(notice).to_contain_text("the carrier is closed")
    assert shop.post("/open-the-carrier") == 200
    notice.get_by_role("button", name="Retry the undo").click()
    expect(page.locator(".notice", has_text="It cannot be retried")).to_contain_text("1 of 1 compensations done")


def test_the_run_of_a_lost_worker_is_blocked_until_it_is_re_dispatched(open_page: OpenPage, shop: Shop) -> None:
    """kill -9: the page says whose worker is lost, and another continues after the last completed step."""
    with shop.fated_worker("mill", "mill-1") as worker:
        worker.wait_for("grinding")
        page = open_page("/workers")
        expect(page.locator(".worker", has_text="fated-mill")).to_contain_text("grind")
        worker.kill()
        page.goto(f"{shop.page}/?q=mill-1")
        row = page.locator('[data-run="mill-1"]')
        expect(row).to_have_attribute("data-status", "blocked", timeout=PATIENT_MS)
        expect(page.locator(".notice", has_text="Worker fated-mill stopped responding")).to_be_visible(
            timeout=PATIENT_MS
        )
        page.get_by_role("link", name="mill", exact=True).click()
        expect(page.locator(".notice", has_text="Its worker is lost")).to_contain_text("fated-mill")
        page.get_by_role("tab", name="Graph").click()
        expect(page.locator('.react-flow__node [data-status="blocked"]').first).to_contain_text("interrupted")
        page.get_by_role("button", name="Re-dispatch").click()
        page.get_by_role("dialog").get_by_role("button", name="Re-dispatch").click()
        expect(page.locator(".badge")).to_have_text("Completed")
        page.get_by_role("tab", name="Payloads").click()
        expect(page.get_by_role("group", name="Output")).to_have_text('"ground stone"')


def test_a_dead_run_leads_to_its_handler_and_back(open_page: OpenPage, shop: Shop) -> None:
    """The engine gave it up; its dead letter is one click away."""
    for _ in range(2):
        with shop.fated_worker("poison", "poison-1") as worker:
            worker.wait(60)
    page = open_page("/runs/poison-1")
    expect(page.locator(".badge")).to_have_text("Dead")
    expect(page.locator(".notice", has_text="it crashed its worker too often")).to_be_visible()
    page.get_by_role("link", name="See its dead-letter handler").click(timeout=PATIENT_MS)
    expect(page.locator(".badge")).to_have_text("Completed")
    expect(page.locator(".relatives")).to_contain_text("Handles dead run")
    page.get_by_role("tab", name="Payloads").click()
    expect(page.get_by_role("group", name="Output")).to_have_text('"buried poison-1"')
