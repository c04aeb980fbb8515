"""A busy shop for the journeys of ``test_journeys``: real DBOS, a day of history, an incident. Not a test.

``python -m tests.journeys.busy PORT SQLITE_URL``. Twenty workflows on version v2, whose deploy broke some of them: 103
failures of six kinds among 1,600 runs, a loop, children five deep, every kind of wait, a queue that is backed up, a run
whose version is gone. ``tests.journeys.past`` multiplies what the engine recorded; the same seed, the same day.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from dbos import DBOS, SetWorkflowAttributes, SetWorkflowID
from flask import Flask

from dashboard import create_blueprint
from dashboard.workflow import breakpoint, on_update, wait_for_signal, webhook
from otel_bridge import DBOSInstrumentor
from tests.journeys import past

Order = dict[str, Any]

CATALOGUE: dict[str, tuple[str, ...]] = {
    "checkout": ("reserve", "charge", "pack", "notify"),
    "refund": ("look_up", "reverse", "notify"),
    "invoice": ("collect", "render", "send"),
    "shipment": ("label", "hand_over"),
    "restock": ("count", "order_more"),
    "pricing": ("fetch", "rank", "publish"),
    "image_resize": ("download", "resize", "upload"),
    "newsletter": ("segment", "write", "mail"),
    "signup": ("verify", "create", "welcome"),
    "payout": ("balance", "transfer"),
    "report": ("query", "draw"),
}
TURNS = 120
LEVELS = 5
BACKLOG = 40


class GatewayTimeout(Exception):
    """The payment provider did not answer."""


FAILURES: dict[str, tuple[str, str, Callable[[], Exception]]] = {
    "gateway": ("checkout", "charge", lambda: GatewayTimeout("psp.example did not answer within 30 s")),
    "refused": ("invoice", "send", lambda: ConnectionRefusedError("mail.example refused the connection")),
    "key": ("pricing", "rank", lambda: KeyError("discount_rate")),
    "value": ("signup", "verify", lambda: ValueError("the country code is empty")),
    "memory": ("image_resize", "resize", lambda: MemoryError("cannot allocate 4 GiB")),
    "permission": ("payout", "transfer", lambda: PermissionError("the account is frozen")),
}
"""The six kinds: in which step of which workflow, and the exception."""

_mended = threading.Event()
_batch_done = threading.Event()


def _fail(kind: str) -> None:
    if not (kind == "gateway" and _mended.is_set()):
        raise FAILURES[kind][2]()


def _ordinary(name: str, steps: tuple[str, ...]) -> Callable[[Order], Any]:
    def workflow(order: Order) -> Order:
        for step in steps:
            work(step, order)
        return {"done": name, "customer": order["customer"]}

    def work(step: str, order: Order) -> str:
        kind = order.get("fails")
        if kind is not None and FAILURES[kind][:2] == (name, step):
            DBOS.run_step({"name": step}, _fail, kind)
        return DBOS.run_step({"name": step}, lambda: f"{step} done")

    return DBOS.workflow(name=name)(workflow)


WORKFLOWS = {name: _ordinary(name, steps) for name, steps in CATALOGUE.items()}


@DBOS.workflow(name="migration")
def migration(turns: int) -> int:
    """A long loop."""
    for _ in range(turns):
        for step in ("extract", "transform", "load"):
            DBOS.run_step({"name": step}, lambda: None)
    return turns


def _no_seat() -> None:
    raise LookupError("no seat is left on the last leg")


@DBOS.workflow(name="tour")
def tour(level: int) -> str:
    """A child of a child of a child; the deepest fails."""
    DBOS.run_step({"name": "plan"}, lambda: f"leg {level}")
    if level == LEVELS:
        DBOS.run_step({"name": "book"}, _no_seat)
    with SetWorkflowID(f"tour-{level + 1}"):
        return DBOS.start_workflow(tour, level + 1).get_result()


@DBOS.workflow(name="discount")
def discount(percent: int) -> Any:
    """Asks a person."""
    answer = breakpoint("discount", ask=f"Give {percent} % to customer 4711?", type=bool)
    return [answer.comment, answer.payload]


@DBOS.workflow(name="courier")
def courier() -> Any:
    """Waits for a signal."""
    return wait_for_signal("collected")


@DBOS.workflow(name="bank")
def bank() -> Any:
    """Waits for a webhook."""
    return webhook("paid").wait()


@DBOS.workflow(name="quantity")
def quantity() -> Any:
    """Waits for an update."""
    return on_update("pieces", type=int)


@DBOS.workflow(name="nap")
def nap() -> None:
    """Sleeps for a day."""
    DBOS.sleep(86_400)


@DBOS.workflow(name="batch")
def batch(number: int) -> int:
    """Occupies its queue until the test ends."""
    DBOS.run_step({"name": "crunch"}, _batch_done.wait)
    return number


@DBOS.workflow(name="errand")
def errand() -> Any:
    """Waits for a child."""
    with SetWorkflowID("errand-1-courier"):
        return DBOS.start_workflow(courier).get_result()


def _record_templates() -> None:
    """Let the engine run one of each, which ``past`` multiplies."""
    for name, workflow in WORKFLOWS.items():
        with SetWorkflowID(f"template-{name}"):
            DBOS.start_workflow(workflow, {"customer": 4000}).get_result()
    for kind, (name, _, _) in FAILURES.items():
        with SetWorkflowID(f"template-{kind}"):
            _ended(DBOS.start_workflow(WORKFLOWS[name], {"customer": 4000, "fails": kind}))
    with SetWorkflowID("migration-1"):
        DBOS.start_workflow(migration, TURNS).get_result()
    with SetWorkflowID("tour-1"):
        _ended(DBOS.start_workflow(tour, 1))


def _ended(handle: Any) -> None:
    """Wait for a run that fails: that is what it is for."""
    with contextlib.suppress(Exception):
        handle.get_result()


def _start_waits() -> None:
    """Every kind of wait, and a queue that two runs occupy."""
    waits: list[tuple[str, Callable[[], Any]]] = [
        ("courier-1", lambda: DBOS.start_workflow(courier)),
        ("bank-1", lambda: DBOS.start_workflow(bank)),
        ("quantity-1", lambda: DBOS.start_workflow(quantity)),
        ("nap-1", lambda: DBOS.start_workflow(nap)),
        ("errand-1", lambda: DBOS.start_workflow(errand)),
    ]
    for run_id, start in waits:
        with SetWorkflowID(run_id):
            start()
    with SetWorkflowID("discount-1"), SetWorkflowAttributes({"customer": 4711}):
        DBOS.start_workflow(discount, 20)
    for number in range(BACKLOG + 2):
        with SetWorkflowID(f"batch-{number}"):
            DBOS.enqueue_workflow("crunchers", batch, number)


def create_app(url: str) -> Flask:
    """Return the app; ``POST /mend`` brings the payment provider back."""
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(url), url_prefix="/durable")

    @app.post("/mend")
    def mend() -> str:
        _mended.set()
        return "mended"

    return app


def main() -> None:
    """Run until killed."""
    port, url = int(sys.argv[1]), sys.argv[2]
    os.environ["DBOS__VMID"] = "shop-1"
    DBOSInstrumentor().instrument()
    DBOS(
        config={
            "name": "shop",
            "system_database_url": url,
            "application_version": "v2",
            "executor_id": "shop-1",
            "log_level": "CRITICAL",
            "notification_listener_polling_interval_sec": 0.05,
        }
    )
    DBOS.launch()
    DBOS.register_queue("crunchers", concurrency=2, polling_interval_sec=0.1)
    _record_templates()
    past.write(url.removeprefix("sqlite:///"), now_ms=int(time.time() * 1000))
    _start_waits()
    create_app(url).run("127.0.0.1", port, threaded=True)


if __name__ == "__main__":
    main()
