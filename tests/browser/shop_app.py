"""A real app for the browser tests: DBOS, workers and the dashboard in one process. Not a test.

``python -m tests.browser.shop_app PORT SQLITE_URL``. The dashboard is mounted twice: ``/ops/durable`` for operators,
``/look`` for viewers. ``fated_worker`` runs the same workflows in processes that do not last.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from dataclasses import dataclass
from typing import Any

from dbos import DBOS, SetWorkflowID
from flask import Flask, Request, request

from dashboard import create_blueprint
from dashboard.workflow import (
    Compensation,
    DeadLetter,
    breakpoint,
    compensated_by,
    dead_letter,
    on_update,
    set_event,
    validator,
    wait_for_signal,
)
from otel_bridge import DBOSInstrumentor

FATED = "FATED_WORKER"
"""Environment variable of a process whose steps never end, or end it."""
_asked: dict[str, int] = {}
_carrier_open = threading.Event()
_gateway_open = threading.Event()


def release(undo: Compensation) -> str:
    """Undo of ``reserve``."""
    return f"released {undo.output}"


@DBOS.step()
@compensated_by(release)
def reserve(item: str) -> dict[str, Any]:
    """A step with something to look at."""
    return {"item": item, "shelf": 17, "note": "<img src=x onerror=alert(1)>"}


@DBOS.step()
def pay(run_id: str) -> str:
    """Fails the first time it is asked for a run."""
    _asked[run_id] = _asked.get(run_id, 0) + 1
    if _asked[run_id] == 1:
        raise ConnectionError("the bank did not answer")
    return "paid"


@DBOS.workflow()
def order(item: str) -> str:
    """Two steps; the second fails once."""
    reserve(item)
    return pay(DBOS.workflow_id or "")


@DBOS.workflow()
def approval(item: str) -> Any:
    """Waits for a manager, then for a signal."""
    reserve(item)
    set_event("progress", {"percent": 50})
    breakpoint("manager")
    return wait_for_signal("courier")


@dataclass
class Refund:
    """What comes with an approval."""

    approved: bool


@DBOS.workflow()
def refund(item: str) -> Any:
    """Asks a person, and returns what was answered."""
    answer = breakpoint("refund", ask=f"Refund the {item}?", type=Refund)
    return [answer.comment, answer.payload.approved]


@DBOS.step()
def charge(card: str) -> str:
    """Fails while the gateway is down; one kind of card always does."""
    if card == "stolen":
        raise PermissionError(f"card {card} is blocked")
    if not _gateway_open.is_set():
        raise TimeoutError("the gateway did not answer")
    return "charged"


@DBOS.workflow()
def checkout(card: str) -> str:
    """One step, which may fail in two ways."""
    return charge(card)


@DBOS.workflow()
def hold() -> Any:
    """Occupies its queue until told to go."""
    return wait_for_signal("go")


@DBOS.workflow()
def brief(item: str) -> str:
    """One step."""
    return str(reserve(item)["item"])


@DBOS.step()
def number(n: int) -> int:
    """Work of a child."""
    return n


@DBOS.workflow()
def child(n: int) -> int:
    """One of many."""
    return number(n)


@DBOS.workflow()
def fan_out(count: int) -> int:
    """Many children in parallel."""
    handles = [DBOS.enqueue_workflow("wide", child, n) for n in range(count)]
    return sum(handle.get_result() for handle in handles)


def recall(undo: Compensation) -> str:
    """Undo of ``ship``: stuck until the carrier opens."""
    if not _carrier_open.is_set():
        raise ConnectionError("the carrier is closed")
    return f"recalled {undo.output}"


@DBOS.step()
@compensated_by(recall, max_attempts=1)
def ship(item: str) -> str:
    """A step whose undo can fail."""
    return f"parcel with a {item}"


@DBOS.workflow()
def shipment(item: str) -> Any:
    """Shipped, then waits."""
    ship(item)
    return wait_for_signal("delivered")


@validator("amend", "quantity")  # type: ignore[untyped-decorator]
def at_least_one(quantity: Any) -> str | None:
    """Reject what cannot be packed."""
    return None if isinstance(quantity, int) and quantity > 0 else f"{quantity!r} is not a quantity"


@DBOS.workflow()
def amend(item: str) -> Any:
    """Waits for an update."""
    return on_update("quantity", type=int)


@DBOS.workflow()
def errand() -> Any:
    """Waits for a child."""
    return DBOS.start_workflow(hold).get_result()


@DBOS.step()
def grind(item: str) -> str:
    """Never ends in a fated process."""
    if os.environ.get(FATED):
        print("grinding", flush=True)
        threading.Event().wait()
    return f"ground {item}"


@DBOS.workflow()
def mill(item: str) -> str:
    """A step, then one in which its worker may be lost."""
    reserve(item)
    return grind(item)


@DBOS.step()
def swallow(item: str) -> str:
    """Ends a fated process, as the kernel would."""
    if os.environ.get(FATED):
        os._exit(137)
    return f"swallowed {item}"


@DBOS.workflow(max_recovery_attempts=0)
def poison(item: str) -> str:
    """Kills its worker."""
    return swallow(item)


@dead_letter("poison")
def bury(letter: DeadLetter) -> str:
    """The dead-letter handler."""
    return f"buried {letter.dead_run_id}"


@DBOS.workflow()
def report(at: Any, context: Any) -> str:
    """Fired by a schedule."""
    return f"report of {context}"


def viewer(_: Request) -> str:
    """Everybody looks, nobody acts."""
    return "viewer"


WORKFLOWS = {
    function.__name__: function
    for function in (order, approval, refund, checkout, hold, brief, fan_out, shipment, amend, errand, mill, poison)
}
WITHOUT_ITEM = ("hold", "errand")


def create_app(url: str) -> Flask:
    """Return the app; ``POST /start/<workflow>/<run id>`` starts a run, on the one-at-a-time queue if ``?queue``."""
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(url, name="operators"), url_prefix="/ops/durable")
    app.register_blueprint(create_blueprint(url, name="viewers", auth=viewer), url_prefix="/look")

    @app.post("/start/<name>/<run_id>")
    @app.post("/start/<name>/<run_id>/<queue>")
    def start(name: str, run_id: str, queue: str | None = None) -> str:
        arguments: tuple[Any, ...] = (
            ()
            if name in WITHOUT_ITEM
            else (int(request.args.get("count", 1)) if name == "fan_out" else request.args.get("item", "lamp"),)
        )
        with SetWorkflowID(run_id):
            if queue:
                DBOS.enqueue_workflow(queue, WORKFLOWS[name], *arguments)
            else:
                DBOS.start_workflow(WORKFLOWS[name], *arguments)
        return run_id

    @app.post("/open-the-gateway")
    def open_the_gateway() -> str:
        _gateway_open.set()
        return "open"

    @app.post("/open-the-carrier")
    def open_the_carrier() -> str:
        _carrier_open.set()
        return "open"

    return app


def configure(url: str, *, executor: str = "local", version: str = "v1") -> None:
    """Tell the engine who and where this process is."""
    os.environ["DBOS__VMID"] = executor
    DBOS(
        config={
            "name": "shop",
            "system_database_url": url,
            "application_version": version,
            "executor_id": executor,
            "log_level": "CRITICAL",
            "notification_listener_polling_interval_sec": 0.05,
        }
    )


def main() -> None:
    """Run until killed."""
    port, url = int(sys.argv[1]), sys.argv[2]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    DBOSInstrumentor().instrument()
    configure(url)
    DBOS.launch()
    DBOS.register_queue("one", concurrency=1, polling_interval_sec=0.05)
    DBOS.register_queue("wide", polling_interval_sec=0.05)
    DBOS.create_schedule(schedule_name="yearly", workflow_fn=report, schedule="0 0 1 1 *", context="the year")  # type: ignore[arg-type]
    create_app(url).run("127.0.0.1", port, threaded=True)


if __name__ == "__main__":
    main()
