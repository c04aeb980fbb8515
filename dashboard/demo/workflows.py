"""The shop's workflows. Each step says what it does by taking about as long as the real thing would."""

from __future__ import annotations

import random
import time
from typing import TypedDict

from dbos import DBOS

from dashboard.workflow import (
    Compensation,
    DeadLetter,
    breakpoint,
    compensated_by,
    dead_letter,
    set_event,
    wait_for_signal,
    webhook,
)

WAREHOUSE = "warehouse"
"""Queue that the warehouse's workers serve."""
MANAGER_LIMIT_EUR = 500
"""Orders above this wait for a manager."""


class Order(TypedDict):
    """What a customer asked for."""

    customer: str
    items: list[str]
    total_eur: int


class BankUnreachable(Exception):
    """The bank did not answer; later it may."""


class Bank:
    """The outside world: it refuses the first time, as the world does, and remembers whom it has paid."""

    def __init__(self) -> None:
        self._asked: dict[str, int] = {}

    def ask(self, key: str, *, failures: int) -> str:
        """Return a payment reference, after ``failures`` refusals under the same key."""
        self._asked[key] = self._asked.get(key, 0) + 1
        if self._asked[key] <= failures:
            raise BankUnreachable(f"No answer from the bank within 5 s (attempt {self._asked[key]} for {key}).")
        return f"PAY-{abs(hash(key)) % 10**8:08d}"


bank = Bank()


def _work(about_s: float) -> None:
    time.sleep(about_s * random.uniform(0.6, 1.4))


def release_stock(undo: Compensation) -> str:
    """Put what was reserved back on its shelf."""
    _work(0.3)
    return f"released {undo.output}"


@DBOS.step()
@compensated_by(release_stock)
def reserve_stock(items: list[str]) -> str:
    """Set the items aside and return the reservation."""
    _work(0.15)
    return f"R-{random.randint(1000, 9999)}"


def give_back(undo: Compensation) -> str:
    """Return the money. The idempotency key makes the bank ignore a second request after a crash."""
    _work(0.4)
    return f"gave back {undo.output} ({undo.idempotency_key})"


@DBOS.step(retries_allowed=True, max_attempts=3, interval_seconds=0.3)
@compensated_by(give_back)
def charge_card(order: Order) -> str:
    """Take the money. The bank fails the first call; the engine tries again."""
    _work(0.3)
    return bank.ask(f"{DBOS.workflow_id}", failures=1)


@DBOS.step()
def pick(item: str) -> str:
    """Fetch one item from its shelf."""
    _work(0.5)
    return f"shelf {random.randint(1, 90)}"


@DBOS.step()
def wrap(item: str) -> str:
    """Put it in a box."""
    _work(0.4)
    return f"box-{random.randint(1000, 9999)}"


@DBOS.workflow()
def pack_item(item: str) -> dict[str, str]:
    """One item of an order, packed by whichever warehouse worker is free."""
    return {"item": item, "from": pick(item), "box": wrap(item)}


@DBOS.step()
def print_label(order: Order) -> str:
    """Ask the carrier for a parcel label."""
    _work(0.2)
    return f"1Z{random.randint(10**9, 10**10 - 1)}"


@DBOS.step()
def send_receipt(customer: str, payment: str) -> None:
    """Mail the receipt."""
    _work(0.1)


@DBOS.workflow()
def fulfil_order(order: Order) -> dict[str, object]:
    """An order, from the click to the doorstep."""
    reserve_stock(order["items"])
    payment = charge_card(order)
    if order["total_eur"] > MANAGER_LIMIT_EUR:
        breakpoint("manager approves")
    packing = [DBOS.enqueue_workflow(WAREHOUSE, pack_item, item) for item in order["items"]]
    boxes = [handle.get_result() for handle in packing]
    label = print_label(order)
    set_event("label", label)
    DBOS.sleep(3)  # the carrier collects parcels at its own pace
    collected = wait_for_signal("courier")
    send_receipt(order["customer"], payment)
    return {"payment": payment, "boxes": boxes, "label": label, "collected": collected}


@DBOS.step()
def look_up_payment(order_id: str) -> str:
    """Find the payment to give back."""
    _work(0.1)
    return f"payment of {order_id}"


@DBOS.step()
def pay_back(payment: str, amount_eur: int) -> str:
    """Return the money. The bank is down the first time; press Retry."""
    _work(0.3)
    return bank.ask(f"{DBOS.workflow_id}", failures=1)


@DBOS.workflow()
def refund_order(order_id: str, amount_eur: int) -> str:
    """Fails at its second step until somebody retries it."""
    return pay_back(look_up_payment(order_id), amount_eur)


@DBOS.step()
def take_inventory(room: str) -> int:
    """Count one room."""
    _work(0.8)
    return random.randint(100, 999)


@DBOS.workflow()
def weekly_inventory(rooms: list[str]) -> dict[str, int]:
    """Counts a room, sleeps until the next is free, and so on: long-lived, mostly asleep."""
    counted = {}
    for room in rooms:
        counted[room] = take_inventory(room)
        DBOS.sleep(45)
    return counted


@DBOS.step()
def send_invoice(customer: str, callback: str) -> str:
    """Mail the invoice; the bank will call ``callback`` when it is paid."""
    _work(0.2)
    return f"INV-{random.randint(1000, 9999)}"


@DBOS.workflow()
def invoice_customer(customer: str, amount_eur: int) -> dict[str, object]:
    """Sends an invoice and waits for the bank's callback."""
    paid = webhook("bank")
    set_event("callback", paid.url)
    invoice = send_invoice(customer, paid.url)
    return {"invoice": invoice, "amount_eur": amount_eur, "paid": paid.wait()}


@DBOS.step()
def page_somebody(text: str) -> str:
    """Wake the person on call."""
    _work(0.2)
    return f"paged: {text}"


@dead_letter()
def somebody_must_look(letter: DeadLetter) -> str:
    """What happens to a run that the engine gave up on."""
    return page_somebody(f"{letter.workflow} {letter.dead_run_id} is dead")
