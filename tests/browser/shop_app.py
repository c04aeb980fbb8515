"""A real app for the browser tests: DBOS, workers and the dashboard in one process. Not a test.

``python -m tests.browser.shop_app PORT SQLITE_URL``. The dashboard is mounted twice: ``/ops/durable`` for operators,
``/look`` for viewers.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from dbos import DBOS, SetWorkflowID
from flask import Flask, Request, request

from dashboard import create_blueprint
from dashboard.workflow import Compensation, breakpoint, compensated_by, set_event, wait_for_signal
from otel_bridge import DBOSInstrumentor

_asked: dict[str, int] = {}


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


def viewer(_: Request) -> str:
    """Everybody looks, nobody acts."""
    return "viewer"


WORKFLOWS = {"order": order, "approval": approval, "hold": hold, "brief": brief, "fan_out": fan_out}


def create_app(url: str) -> Flask:
    """Return the app; ``POST /start/<workflow>/<run id>`` starts a run, on the one-at-a-time queue if ``?queue``."""
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(url, name="operators"), url_prefix="/ops/durable")
    app.register_blueprint(create_blueprint(url, name="viewers", auth=viewer), url_prefix="/look")

    @app.post("/start/<name>/<run_id>")
    @app.post("/start/<name>/<run_id>/<queue>")
    def start(name: str, run_id: str, queue: str | None = None) -> str:
        arguments: tuple[Any, ...] = (
            () if name == "hold" else (int(request.args.get("count", 1)) if name == "fan_out" else "lamp",)
        )
        with SetWorkflowID(run_id):
            if queue:
                DBOS.enqueue_workflow(queue, WORKFLOWS[name], *arguments)
            else:
                DBOS.start_workflow(WORKFLOWS[name], *arguments)
        return run_id

    return app


def main() -> None:
    """Run until killed."""
    port, url = int(sys.argv[1]), sys.argv[2]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    DBOSInstrumentor().instrument()
    DBOS(
        config={
            "name": "shop",
            "system_database_url": url,
            "application_version": "v1",
            "log_level": "CRITICAL",
            "notification_listener_polling_interval_sec": 0.05,
        }
    )
    DBOS.launch()
    DBOS.register_queue("one", concurrency=1, polling_interval_sec=0.05)
    DBOS.register_queue("wide", polling_interval_sec=0.05)
    create_app(url).run("127.0.0.1", port, threaded=True)


if __name__ == "__main__":
    main()
