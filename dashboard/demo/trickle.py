"""Customers, a courier and a manager, played by one thread, so that the page is alive."""

from __future__ import annotations

import itertools
import logging
import random
import secrets
import threading
import time
from collections.abc import Callable

import httpx
from dbos import DBOS, SetWorkflowAttributes, SetWorkflowID

from dashboard.client import ApiError, DurableClient
from dashboard.demo import workflows as shop

CUSTOMERS = ("Ada", "Barbara", "Edsger", "Grace", "Katherine", "Leslie", "Tony")
ITEMS = ("lamp", "desk", "chair", "kettle", "clock", "atlas", "radio")
LEFT_WAITING = 3
"""So many orders of each kind are left for you to continue; older ones are served after a while."""

logger = logging.getLogger(__name__)


class Trickle:
    """Places an order every few seconds, and now and then does something rarer. Stops on request.

    Args:
        client: of the shop's own dashboard: the manager and the customers who change their mind use it.
    """

    def __init__(self, client: DurableClient, every_s: float = 4.0) -> None:
        self._client, self._every_s = client, every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orders-trickle", daemon=True)
        self._awaiting: dict[str, list[tuple[float, str]]] = {"courier": [], "manager": [], "bank": []}

    def start(self) -> None:
        """Begin. The first few orders come at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop and wait for the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        opening: list[Callable[[], object]] = [
            self.order, self.refund, self.big_order, self.inventory, self.changed_mind, self.invoice, self.order,
        ]  # fmt: skip
        usual: list[Callable[[], object]] = [
            self.order, self.order, self.refund, self.order, self.changed_mind, self.order, self.invoice,
            self.big_order, self.order, self.refund_that_works_out,
        ]  # fmt: skip
        for number, act in enumerate(itertools.chain(opening, itertools.cycle(usual))):
            try:
                act()
                self.serve()
                if number % 60 == 59:
                    self.inventory()
            except Exception:
                logger.exception("The trickle of orders stumbled and continues")
            if self._stopping.wait(0.3 if number < len(opening) else self._every_s):
                return

    def order(self, *, total_eur: int | None = None) -> str:
        """Place one order and return its run id."""
        order = shop.Order(
            customer=random.choice(CUSTOMERS),
            items=random.sample(ITEMS, k=random.randint(1, 4)),
            total_eur=total_eur or random.randint(10, shop.MANAGER_LIMIT_EUR),
        )
        run_id = place_order(order)
        self._awaiting["courier"].append((time.monotonic() + random.uniform(8, 20), run_id))
        return run_id

    def big_order(self) -> str:
        """Place an order that a manager must approve."""
        run_id = self.order(total_eur=random.randint(shop.MANAGER_LIMIT_EUR + 1, 4000))
        self._awaiting["manager"].append((time.monotonic() + random.uniform(30, 60), run_id))
        return run_id

    def refund(self) -> str:
        """Ask for a refund, which fails until it is retried; return its run id."""
        run_id = f"refund-{secrets.token_hex(4)}"
        with SetWorkflowID(run_id):
            DBOS.start_workflow(shop.refund_order, f"order-{secrets.token_hex(4)}", random.randint(5, 90))
        return run_id

    def inventory(self) -> None:
        """Start a run that mostly sleeps."""
        with SetWorkflowID(f"inventory-{secrets.token_hex(4)}"):
            DBOS.start_workflow(shop.weekly_inventory, ["north", "south", "cellar"])

    def refund_that_works_out(self) -> None:
        """Ask for a refund, and retry it when it failed."""
        run_id = self.refund()
        self._awaiting["bank"].append((time.monotonic() + 2, run_id))

    def invoice(self) -> None:
        """Send an invoice; the bank calls back when it is paid."""
        run_id = f"invoice-{secrets.token_hex(4)}"
        with SetWorkflowID(run_id):
            DBOS.start_workflow(shop.invoice_customer, random.choice(CUSTOMERS), random.randint(10, 900))
        self._awaiting["bank"].append((time.monotonic() + random.uniform(15, 40), run_id))

    def changed_mind(self) -> None:
        """Place an order, and have it cancelled and undone a moment later."""
        run_id = self.order()
        if not self._stopping.wait(2.0):
            self._client.cancel(run_id, compensate=True, children=True)

    def serve(self) -> None:
        """Let courier, manager and bank come for those who waited long, but leave some for you."""
        for who, waiting in self._awaiting.items():
            due = [pair for pair in waiting if pair[0] < time.monotonic()]
            for pair in due[: max(0, len(waiting) - LEFT_WAITING)]:
                waiting.remove(pair)
                try:
                    self._come(who, pair[1])
                except ApiError as error:
                    logger.debug("The %s came in vain: %s", who, error)

    def _come(self, who: str, run_id: str) -> None:
        if who == "manager":
            self._client.continue_run(run_id)
        elif who == "courier":
            self._client.send_signal(run_id, "courier", {"name": random.choice(CUSTOMERS)})
        elif run_id.startswith("refund-"):
            self._client.retry(run_id)
        else:
            httpx.post(self._client.get_event(run_id, "callback"), json={"paid": True}).raise_for_status()


def place_order(order: shop.Order) -> str:
    """Start the workflow of one order and return its run id."""
    run_id = f"order-{secrets.token_hex(4)}"
    size = "large" if order["total_eur"] > shop.MANAGER_LIMIT_EUR else "small"
    attributes = {"tags": [size], "customer": order["customer"], "total_eur": order["total_eur"]}
    with SetWorkflowID(run_id), SetWorkflowAttributes(attributes):
        DBOS.start_workflow(shop.fulfil_order, order)
    return run_id
