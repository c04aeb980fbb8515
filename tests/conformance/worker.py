"""The recorded application: ``python -m tests.conformance.worker URL DIR``; files in ``DIR`` steer it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["DBOS__VMID"] = "worker"
from dbos import DBOS

from dashboard.workflow import Compensation, compensated_by
from otel_bridge import DBOSInstrumentor
from tests.waiting import until

YEARS_S = 50 * 365 * 86_400
"""What waits in a recording still waits when it is read."""
url, here = sys.argv[1], Path(sys.argv[2])
DBOSInstrumentor().instrument(presence_interval_s=0.3)
config: Any = {
    "name": "conformance",
    "system_database_url": url,
    "application_version": "v1",
    "executor_id": "worker",
    "notification_listener_polling_interval_sec": 0.05,
}
DBOS(config=config)


def wait_for(name: str) -> None:
    """Wait until the recorder makes a file."""
    until((here / name).exists, what=name, timeout_s=600.0, every_s=0.02)


@DBOS.step()
def work(name: str) -> str:
    """Fail while ``mended`` is not there, where its name says so; set the clock back by an hour, likewise."""
    if name == "fragile" and not (here / "mended").exists():
        raise ValueError("the card was declined")
    if name == "hour":
        real = time.time
        time.time = lambda: real() - 3600  # DBOS stamps steps by it
    return name


@DBOS.step()
def linger(name: str) -> str:
    """Execute until the recorder says go: the process is killed in here."""
    (here / f"in-{name}-{os.getpid()}").touch()
    wait_for(f"go-{name}")
    return name


@DBOS.step(retries_allowed=True, interval_seconds=0.01, max_attempts=3)
def flaky() -> int:
    """Succeed at the third attempt."""
    status = DBOS.step_status
    if status is None or (status.current_attempt or 0) < 2:
        raise ConnectionError("no answer")
    return 3


def cancel_booking(compensation: Compensation) -> None:
    """Undo a booking."""


@DBOS.step()
@compensated_by(cancel_booking)
def book(name: str) -> str:
    """A step with an effect."""
    return name


@DBOS.workflow()
def crash(name: str) -> str:
    work("before")
    linger(name)
    return work("after")


@DBOS.workflow(max_recovery_attempts=1)
def doomed() -> None:
    work("before")
    linger("never")


@DBOS.workflow()
def fails() -> str:
    work("first")
    work("fragile")
    return work("last")


@DBOS.workflow()
def simple() -> str:
    for name in ("one", "two", "three"):
        work(name)
    return "done"


@DBOS.workflow()
def retried_step() -> int:
    return flaky()


@DBOS.workflow()
def leaf(number: int) -> int:
    work(str(number))
    return number


@DBOS.workflow()
def middle(number: int) -> int:
    return leaf(number) + 1


@DBOS.workflow()
def family() -> int:
    queued = DBOS.enqueue_workflow("conformance", middle, 1)
    called = leaf(2)
    return int(queued.get_result()) + called


@DBOS.workflow()
def suspended() -> Any:
    work("ask")
    answer = DBOS.recv("approval", timeout_seconds=YEARS_S)
    DBOS.set_event("answer", answer)
    DBOS.sleep(0.05)
    return answer


@DBOS.workflow()
def asleep() -> None:
    work("once")
    DBOS.sleep(YEARS_S)


@DBOS.workflow()
def saga() -> None:
    book("flight")
    work("tell")
    book("hotel")
    DBOS.recv("forever", timeout_seconds=YEARS_S)


@DBOS.workflow()
def clock_jumps() -> None:
    work("on time")
    work("hour")
    work("an hour before")


DBOS.launch()
DBOS.register_queue("conformance", polling_interval_sec=0.05)
(here / f"ready-{os.getpid()}").touch()
sys.stdin.read()
