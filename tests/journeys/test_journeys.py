"""Fourteen things that people come for in an incident, and an approval, from the run list; the clicks are counted.

Each ends where ``docs/journeys.md`` says, after as many clicks as it says. ``tox -e journeys``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Hand, documented
from tests.journeys.past import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.browser]

GATEWAY = KINDS["gateway"]
FAILED = sum(KINDS.values())


def open_group(hand: Hand, name: str) -> None:
    """From anywhere to a kind of failure."""
    hand.click(hand.page.get_by_role("link", name="Errors", exact=True))
    hand.click(hand.page.get_by_role("link", name=name))
    expect(hand.page.get_by_role("heading", name=name)).to_be_visible()


def test_find_the_window(hand: Hand) -> None:
    """The red bars say when; a drag across them asks for that time, and what the list then counts are all 103."""
    page = hand.page
    band = page.get_by_role("slider", name="Runs over time")
    reds = band.locator("rect[data-kind='failed']")
    expect(reds.first).to_be_attached()
    whole = band.bounding_box()
    boxes = [box for red in reds.all() if (box := red.bounding_box())]
    assert whole is not None
    assert len(boxes) < 10, "the failures stand out: few of 96 bars have any"
    first, last = min(box["x"] for box in boxes), max(box["x"] + box["width"] for box in boxes)
    hand.drag(band, (first - whole["x"]) / whole["width"] + 0.002, (last - whole["x"]) / whole["width"] - 0.002)
    expect(page).to_have_url(re.compile("since=.*&until="))
    expect(page.get_by_role("button", name=re.compile(rf"Failed\s*{FAILED}$"))).to_be_visible()
    hand.arrive("Find the window")


def test_say_why(hand: Hand) -> None:
    """The list says of each failed run which error, in which step, and the first line of its message."""
    hand.click(hand.page.get_by_role("button", name=re.compile("^Failed")))
    reason = hand.page.locator("[data-run^='checkout-'] .note-reason").first
    expect(reason).to_contain_text("GatewayTimeout · charge")
    expect(reason).to_contain_text("psp.example did not answer within 30 s")
    hand.arrive("Say why")


def test_what_they_share(hand: Hand) -> None:
    """The kind's page sets these failures against the successes: the version and the region, and no worker or queue."""
    open_group(hand, "GatewayTimeout in charge")
    expect(hand.page.get_by_role("row", name=re.compile("version v2"))).to_contain_text("100 %")
    expect(hand.page.get_by_role("row", name=re.compile("region eu-west"))).to_be_visible()
    expect(hand.page.get_by_role("row", name=re.compile("region us-east"))).to_have_count(0)
    hand.arrive("What they share")


def test_where_time_went(hand: Hand) -> None:
    """A run's four parts and its longest steps stand above its timeline."""
    hand.page.get_by_role("searchbox", name="Search runs").fill("checkout-slow")
    hand.click(hand.page.locator("[data-run='checkout-slow'] .run-link"))
    where = hand.page.get_by_role("region", name="Where time went")
    expect(where).to_contain_text("at work")
    expect(where.locator("p", has_text="Longest").get_by_role("button").first).to_have_text("charge")
    hand.arrive("Where time went")


def test_slower_than_usual(hand: Hand) -> None:
    """Of runs of over a second the one that stands out is opened; the step that took long says what is usual."""
    hand.choose(hand.page.get_by_role("combobox", name="Duration"), "Over 1 s")
    hand.page.get_by_role("searchbox", name="Search runs").fill("checkout-s")
    hand.click(hand.page.locator("[data-run='checkout-slow'] .run-link"))
    expect(hand.page.locator(".run-head")).to_contain_text("usually")
    expect(hand.page.locator("[data-slow]").first).to_be_visible()
    hand.arrive("Slower than usual")


def test_why_not_moving(hand: Hand) -> None:
    """Blocked runs say whom they miss; the run says what to do."""
    hand.click(hand.page.get_by_role("button", name=re.compile("^Blocked")))
    row = hand.page.locator("[data-run='checkout-stranded']")
    expect(row.locator(".note-reason")).to_contain_text("v0")
    hand.click(row.locator(".run-link"))
    expect(hand.page.get_by_text("No live worker has its version")).to_be_visible()
    expect(hand.page.get_by_role("button", name="Move to a version")).to_be_visible()
    hand.arrive("Why not moving")


def test_every_wait_says_what_it_waits_for(hand: Hand) -> None:
    """In the list, without a click on the run."""
    hand.click(hand.page.get_by_role("button", name=re.compile("^Suspended")))
    for run, words in {
        "courier-1": "signal collected",
        "bank-1": "webhook paid",
        "quantity-1": "update pieces",
        "nap-1": "sleeping · wakes in 23 h",
        "errand-1": "child run courier",
        "discount-1": "breakpoint discount",
    }.items():
        expect(hand.page.locator(f"[data-run='{run}'] .note-wait")).to_contain_text(words)


def test_pool_backed_up(hand: Hand) -> None:
    """The queue's line says how many wait, how many run, and which limit that is; its name leads to them."""
    hand.click(hand.page.get_by_role("link", name="Workers", exact=True))
    row = hand.page.get_by_role("row", name=re.compile("crunchers"))
    expect(row).to_contain_text("41")
    expect(row).to_contain_text("2 at once")
    hand.click(row.get_by_role("link", name="crunchers"))
    expect(hand.page.locator("[data-run^='batch-']").first).to_be_visible()
    hand.arrive("Pool backed up")


def test_customer_4711(hand: Hand) -> None:
    """Ctrl-K and the attribute: all runs of one customer, failed, completed and waiting."""
    hand.page.keyboard.press("Control+k")
    hand.page.get_by_role("combobox", name="Find a run").fill("customer=4711")
    hand.page.keyboard.press("Enter")
    expect(hand.page.locator("[data-run]")).to_have_count(4)
    statuses = {row.get_attribute("data-status") for row in hand.page.locator("[data-run]").all()}
    assert statuses == {"failed", "completed", "suspended"}
    hand.arrive("Customer 4711")


def test_compare_with_the_last_success(hand: Hand) -> None:
    """Side by side: the step that differs, and the versions."""
    hand.click(hand.page.get_by_role("button", name=re.compile("^Failed")))
    hand.click(hand.page.locator("[data-run^='checkout-'] .run-link").first)
    hand.click(hand.page.get_by_role("link", name="Compare with the last success"))
    expect(hand.page.get_by_text("First difference: charge is failed, in the other completed.")).to_be_visible()
    hand.arrive("Compare with the last success")


def test_which_runs_did_v2_break(hand: Hand) -> None:
    """The version's line sets its failures against the version before; the figure leads to the runs."""
    hand.click(hand.page.get_by_role("link", name="Versions", exact=True))
    row = hand.page.get_by_role("row", name=re.compile("^v2"))
    expect(row.get_by_role("cell").nth(4)).to_contain_text("was < 1 %")
    hand.click(row.get_by_role("link", name=re.compile("of runs")))
    expect(hand.page.get_by_role("button", name=re.compile(rf"Failed\s*{FAILED}$"))).to_be_visible()
    expect(hand.page.locator("[data-run][data-status='failed']").first).to_be_visible()
    expect(hand.page.locator("[data-run]:not([data-status='failed'])")).to_have_count(0)
    hand.arrive("Which runs did v2 break")


def test_bug_report(hand: Hand) -> None:
    """A run as Markdown in the clipboard: what failed, where, on which version, with its steps."""
    hand.click(hand.page.get_by_role("button", name=re.compile("^Failed")))
    hand.click(hand.page.locator("[data-run^='checkout-'] .run-link").first)
    hand.click(hand.page.get_by_role("button", name="More actions"))
    hand.click(hand.page.get_by_role("menuitem", name="Copy report"))
    expect(hand.page.get_by_text("Copied the report as Markdown.").first).to_be_visible()
    report = hand.page.evaluate("navigator.clipboard.readText()")
    for words in (
        "GatewayTimeout",
        "psp.example did not answer",
        "charge",
        "v2",
        "/durable/runs/checkout-",
    ):
        assert words in report
    hand.arrive("Bug report")


def test_where_in_its_children_it_failed(hand: Hand) -> None:
    """Five runs deep, one click: the step that failed and its error."""
    hand.page.goto(hand.page.url.rstrip("/") + "/runs/tour-1?view=timeline")
    hand.click(hand.page.get_by_role("button", name="Where it failed"))
    book = hand.page.locator("[data-depth='4'][data-step='2']")
    expect(book).to_contain_text("book")
    book.click()
    expect(hand.page.get_by_test_id("step-panel")).to_contain_text("no seat is left on the last leg")
    assert hand.clicks == 1


def test_approve_with_a_comment(hand: Hand) -> None:
    """The inbox asks what the workflow asked, and takes a comment; the run goes on with both."""
    hand.click(hand.page.get_by_role("link", name="Inbox"))
    entry = hand.page.get_by_role("listitem").filter(has_text="Give 20 % to customer 4711?")
    hand.click(entry.get_by_role("checkbox"))
    entry.get_by_role("textbox").fill("A loyal one.")
    hand.click(entry.get_by_role("button", name="Continue"))
    expect(entry).to_have_count(0)
    hand.arrive("Approve with a comment")


def test_dealt_with(hand: Hand) -> None:
    """A kind of failure is marked, with a note; its failures count as open no more."""
    open_group(hand, "PermissionError in transfer")
    hand.click(hand.page.get_by_role("button", name="Dealt with"))
    hand.page.get_by_role("dialog").get_by_role("textbox").fill("The bank unfroze it.")
    hand.click(hand.page.get_by_role("dialog").get_by_role("button", name="Dealt with"))
    expect(hand.page.get_by_text("The bank unfroze it.")).to_be_visible()
    hand.arrive("Dealt with")
    hand.page.goto(hand.page.url.split("/errors")[0] + "/?status=failed&q=payout")
    expect(hand.page.locator("[data-run]").first).to_contain_text("dealt with")


def test_retry_only_one_kind_and_verify(hand: Hand, mend: Callable[[], None]) -> None:
    """After the provider is back: its failures alone, a part first; then what became of each."""
    mend()
    open_group(hand, "GatewayTimeout in charge")
    hand.click(hand.page.get_by_role("button", name="Retry all"))
    dialog = hand.page.get_by_role("dialog")
    expect(dialog.get_by_role("checkbox", name="Try a part first")).to_be_checked()
    hand.click(dialog.get_by_role("button", name=f"Retry {GATEWAY} runs"))
    hand.arrive("Retry only one kind")
    hand.click(dialog.get_by_role("link", name="What became of them"))
    expect(hand.page.get_by_role("link", name=f"{GATEWAY} Succeeded")).to_be_visible(timeout=90_000)
    hand.arrive("Verify")
    hand.page.get_by_role("link", name="Runs", exact=True).click()
    hand.page.get_by_role("button", name=re.compile("^Failed")).click()
    expect(hand.page.locator("[data-run^='invoice-']").first).to_be_visible()
    expect(hand.page.locator("[data-run^='checkout-']")).to_have_count(0)


def test_every_documented_journey_is_driven_here() -> None:
    """The table has fourteen and an approval, and a test arrives at each."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert set(re.findall(r'arrive\("([^"]+)"\)', source)) == set(documented())
    assert len(documented()) == 15
