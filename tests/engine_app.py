"""A real DBOS application for the dashboard's tests, run as a process of its own.

``python engine_app.py URL story``: make runs of every kind, print ``ready`` when they are all there, and exit.
``python engine_app.py URL serve``: print ``ready``, then obey lines on stdin: ``start WORKFLOW ID [ARG]``,
``send ID TOPIC``, ``quit``; answer each with ``done``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from dbos import DBOS, SetWorkflowID

from tests.waiting import until

URL, MODE = sys.argv[1], sys.argv[2]
VERSION = "v1"
DBOS(config={"name": "shop", "system_database_url": URL, "application_version": VERSION, "run_admin_server": False})  # type: ignore[typeddict-unknown-key]


@DBOS.step()
def add(a: int, b: int) -> int:
    return a + b


@DBOS.step()
def break_down() -> None:
    raise ValueError("the card was declined")


@DBOS.step()
async def wait_a_little(number: int) -> int:
    await asyncio.sleep(0.15)
    return number


@DBOS.step()
def big() -> str:
    return "x" * 300_000


@DBOS.step()
def slow(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@DBOS.workflow()
def simple(n: int = 1) -> int:
    return add(add(n, 1), 2)


@DBOS.workflow()
def failing() -> None:
    add(1, 1)
    break_down()


@DBOS.workflow()
async def gathering() -> list[int]:
    add(1, 1)
    return list(await asyncio.gather(*(wait_a_little(number) for number in range(3))))


@DBOS.workflow()
def child(n: int) -> int:
    return add(n, n)


@DBOS.workflow()
def fan_out(width: int) -> int:
    handles = [DBOS.enqueue_workflow("children", child, number) for number in range(width)]
    return sum(handle.get_result() for handle in handles)


@DBOS.workflow()
def waiting() -> Any:
    DBOS.set_event("stage", {"waits": True})
    return DBOS.recv("approval", timeout_seconds=600)


@DBOS.workflow()
def sleeping(seconds: float) -> str:
    DBOS.sleep(seconds)
    return "rested"


@DBOS.workflow()
def large() -> int:
    return len(big())


@DBOS.workflow()
def slowly(seconds: float) -> float:
    return slow(seconds)


WORKFLOWS = {w.__name__: w for w in (simple, failing, gathering, fan_out, waiting, sleeping, large, slowly)}


def start(name: str, run_id: str, *args: Any) -> Any:
    with SetWorkflowID(run_id):
        return DBOS.start_workflow(WORKFLOWS[name], *args)


def story() -> None:
    start("simple", "simple-1", 5).get_result()
    start("failing", "failing-1")
    start("gathering", "gathering-1")
    start("fan_out", "fan-1", 12)
    start("large", "large-1").get_result()
    start("simple", "with/slash", 1).get_result()
    start("waiting", "waiting-1")
    start("sleeping", "sleeping-1", 3_000.0)
    DBOS.enqueue_workflow("nobody", child, 1)
    start("waiting", "cancelled-1")
    until(lambda: DBOS.get_event("cancelled-1", "stage", timeout_seconds=5), what="cancelled-1 to wait")
    DBOS.cancel_workflow("cancelled-1")
    wanted = {"failing-1": "ERROR", "gathering-1": "SUCCESS", "fan-1": "SUCCESS", "cancelled-1": "CANCELLED"}
    until(lambda: all(DBOS.get_workflow_status(i).status == s for i, s in wanted.items()), what="all runs to end")
    DBOS.fork_workflow("simple-1", 2)
    until(lambda: len(DBOS.list_workflow_steps("waiting-1")) >= 2, what="waiting-1 to wait")
    until(lambda: len(DBOS.list_workflow_steps("sleeping-1")) >= 1, what="sleeping-1 to sleep")
    until(
        lambda: all(w.status not in ("PENDING", "ENQUEUED") for w in DBOS.list_workflows(name="simple")),
        what="the fork to end",
    )


def serve() -> None:
    for line in sys.stdin:
        words = line.split()
        if not words or words[0] == "quit":
            break
        if words[0] == "start":
            start(words[1], words[2], *(float(w) if "." in w else int(w) for w in words[3:]))
        elif words[0] == "send":
            DBOS.send(words[1], {"approved": True}, words[2])
        print("done", flush=True)


DBOS.launch()
DBOS.register_queue("children", polling_interval_sec=0.1)
DBOS.register_queue("nobody", concurrency=0)
if MODE == "story":
    story()
    print("ready", flush=True)
else:
    print("ready", flush=True)
    serve()
sys.stdout.flush()
os._exit(0)
