"""A real application whose runs become tests; ``main(url)`` makes them. Imported, it starts nothing.

``CHANGED`` is set where a later version of the code is wanted.
"""

from __future__ import annotations

import asyncio
import datetime
import decimal
import enum
import os
import sys
import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSConfiguredInstance, SetWorkflowID
from flask import Flask
from pydantic import BaseModel

from dashboard import create_blueprint
from dashboard.workflow import breakpoint, set_event, wait_for_signal
from tests.waiting import until

CHANGED = ""
REPLAYING = "pytest" in sys.modules


class Colour(enum.Enum):
    """An enum among the values."""

    RED = "red"


@dataclass
class Parcel:
    """A dataclass among the values."""

    weight: decimal.Decimal
    tags: tuple[str, ...]


class Label(BaseModel):
    """A model among the values."""

    number: int
    sent: datetime.datetime


class DeclinedError(Exception):
    """An error with arguments of its own."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason, code)
        self.code = code


@DBOS.step()
def add(a: int, b: int) -> int:
    """Add; a replay never gets here."""
    assert not REPLAYING
    return a + b


@DBOS.step()
def make() -> dict[Any, Any]:
    """Return values of every kind."""
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    return {
        "parcel": Parcel(decimal.Decimal("9.90"), ("a", 'b"""')),
        "label": Label(number=2**70, sent=when),
        "colour": Colour.RED,
        "set": {1, 2},
        "bytes": b"\x00\n'",
        "id": uuid.UUID(int=7),
        "day": when.date(),
        "span": datetime.timedelta(hours=1),
        (1, "two"): float("inf"),
        "line": "one\n# two\r'''\u2028",
    }


@DBOS.step()
def decline() -> None:
    """Fail with an error of our own."""
    raise DeclinedError("no funds\nimport os", 402)


@DBOS.step(retries_allowed=True, max_attempts=2, interval_seconds=0.01)
def flaky() -> None:
    """Fail until the retries are used up."""
    raise ValueError("down")


@DBOS.step()
def pay() -> str:
    """Fail until the environment says that the bank is back."""
    if os.environ.get("BANK") != "up":
        raise ConnectionError("no bank")
    return "PAY-1"


@DBOS.step()
async def wait_a_little(number: int) -> int:
    """One of several side by side."""
    await asyncio.sleep(0.01 * (3 - number))
    return number


@DBOS.workflow()
def values() -> Any:
    """Return what its step made."""
    return make()


@DBOS.workflow()
def arithmetic(first: int, *, second: int = 2) -> int:
    """Two steps; the later code has others."""
    if CHANGED == "renamed":
        return len(make())
    total = add(first, second)
    if CHANGED == "shorter":
        return total
    total = add(total, 10)
    return add(total, 1) if CHANGED == "longer" else total + (CHANGED == "result")


@DBOS.workflow()
def refused() -> None:
    """Fail as its step does."""
    add(1, 1)
    decline()


@DBOS.workflow()
def handled() -> str:
    """Handle what its step raises, by its class."""
    try:
        decline()
    except DeclinedError as error:
        return f"declined with {error.code}"
    return "never"


@DBOS.workflow()
def exhausted() -> None:
    """Fail after its step's retries."""
    flaky()


@DBOS.workflow()
def paying() -> str:
    """Fail at the second step, and complete after a retry."""
    add(1, 1)
    return pay()


@DBOS.workflow()
def child(number: int) -> int:
    """Started in three ways."""
    return add(number, number)


@DBOS.workflow()
def parent() -> list[int]:
    """Start children directly, in the background and through a queue."""
    direct = child(1)
    background = DBOS.start_workflow(child, 2)
    queued = DBOS.enqueue_workflow("children", child, 3)
    return [direct, background.get_result(), queued.get_result()]


@DBOS.workflow()
def asking() -> Any:
    """Sleep, publish, wait for a message, for an approval and for a signal."""
    DBOS.sleep(0.05)
    set_event("stage", "asked")
    message = DBOS.recv("answer", timeout_seconds=60)
    approval = breakpoint("approve")
    return [message, approval is not None, wait_for_signal("go")]


@DBOS.workflow()
async def gathering() -> list[int]:
    """Run steps side by side."""
    return list(await asyncio.gather(*(wait_a_little(number) for number in range(3))))


@DBOS.workflow()
def open_ended() -> Any:
    """Wait for what never comes."""
    add(1, 1)
    return DBOS.recv("never", timeout_seconds=3600)


@DBOS.dbos_class()
class Till(DBOSConfiguredInstance):
    """A configured instance whose method is a workflow."""

    def __init__(self, name: str) -> None:
        super().__init__(config_name=name)

    @DBOS.workflow()
    def ring(self, amount: int) -> int:
        """Add to the amount."""
        return add(amount, 1)


till = Till("front")


def main(url: str) -> None:
    """Make the runs, one of each kind, and end."""
    config: DBOSConfig = {"name": "replays", "system_database_url": url, "application_version": "v1"}
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue("children", polling_interval_sec=0.05)

    def start(run_id: str, workflow: Any, *args: Any, **kwargs: Any) -> None:
        with SetWorkflowID(run_id):
            DBOS.start_workflow(workflow, *args, **kwargs)

    start("arithmetic", arithmetic, 1, second=4)
    for workflow in (values, refused, handled, exhausted, paying, parent, asking, gathering, open_ended):
        start(workflow.__name__, workflow)
    start("cancelled", open_ended)
    start("till", till.ring, 7)

    def is_(run_id: str, status: str) -> bool:
        found = DBOS.get_workflow_status(run_id)
        return found is not None and found.status == status

    app = Flask(__name__)
    app.register_blueprint(create_blueprint(url), url_prefix="/durable")
    http = app.test_client()
    until(lambda: is_("paying", "ERROR"), what="paying to fail")
    os.environ["BANK"] = "up"
    assert http.post("/durable/api/runs/paying/retry").status_code == 200
    until(lambda: len(DBOS.list_workflow_steps("cancelled")) >= 2, what="cancelled to wait")
    DBOS.cancel_workflow("cancelled")
    DBOS.send("asking", {"yes": 1}, "answer")
    until(lambda: http.post("/durable/api/runs/asking/continue").status_code == 200, what="the breakpoint")
    assert http.post("/durable/api/runs/asking/signals/go", json=[1, 2]).status_code == 200
    for run_id in ("arithmetic", "values", "handled", "paying", "parent", "asking", "gathering", "till"):
        until(partial(is_, run_id, "SUCCESS"), what=f"{run_id} to complete")
    until(lambda: is_("refused", "ERROR") and is_("exhausted", "ERROR"), what="the others to fail")
    print("ready", flush=True)
    os._exit(0)
