"""A real DBOS app whose runs show every state that a store must tell apart. Run as a script: ``story_app.py URL``.

Prints ``ready`` once every run is where the tests want it, then waits for its standard input to close and dies
without saying goodbye, so that what hangs stays as it is in the database.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, SetEnqueueOptions, SetWorkflowAttributes, SetWorkflowID, WorkflowSerializationFormat

from tests.waiting import until

url, schema = sys.argv[1], sys.argv[2]
hold = threading.Event()
config: dict[str, Any] = {
    "name": "story",
    "system_database_url": url,
    "application_version": "v7",
    "executor_id": "exec-1",
    "notification_listener_polling_interval_sec": 0.02,
}
if schema != "dbos":
    config["dbos_system_schema"] = schema
DBOS(config=config)  # type: ignore[arg-type]


@DBOS.step()
def reserve(x: int) -> int:
    return x + 1


@DBOS.step()
def hold_on() -> None:
    hold.wait()


@DBOS.step()
def boom() -> None:
    raise ValueError("card declined")


@DBOS.workflow()
def charge(x: int) -> int:
    return reserve(x)


@DBOS.workflow()
def broken_charge() -> None:
    boom()


@DBOS.workflow()
def nap() -> None:
    DBOS.sleep(3600)


@DBOS.workflow()
def order() -> str:
    reserve(1)
    handle = billing.enqueue(charge, 1)
    DBOS.set_event("progress", 50)
    handle.get_result()
    DBOS.sleep(0.05)
    announce("webhook", "payment", topic="payment")
    DBOS.recv("payment", timeout_seconds=600)
    charge(2)
    DBOS.get_event("nobody", "key", timeout_seconds=0)
    handle.get_result()
    DBOS.send("done-1", "note", "later")
    return "shipped"


def announce(on: str, name: str, *, topic: str) -> None:
    value = {"on": on, "name": name, "topic": topic}
    DBOS.set_event("durable.wait", value, serialization_type=WorkflowSerializationFormat.PORTABLE)


@DBOS.workflow()
def doomed() -> None:
    reserve(1)
    boom()


@DBOS.workflow()
def waits_for_message() -> None:
    DBOS.recv("approval", timeout_seconds=3600)


@DBOS.workflow()
def waits_at_breakpoint() -> None:
    reserve(1)
    announce("breakpoint", "before shipping", topic="durable.continue")
    DBOS.recv("durable.continue", timeout_seconds=3600)


@DBOS.workflow()
def waits_for_child() -> None:
    billing.enqueue(nap).get_result()


@DBOS.workflow()
def fails_by_child() -> None:
    broken_charge()


@DBOS.workflow()
def busy() -> None:
    reserve(1)
    hold_on()


@DBOS.workflow()
def fan_out() -> None:
    for handle in [billing.enqueue(charge, n) for n in range(5)]:
        handle.get_result()


@DBOS.workflow()
def talks() -> Any:
    for value in ("to", "ken"):
        DBOS.write_stream("tokens", value)
    DBOS.close_stream("tokens")
    DBOS.set_event("phase", "one")
    DBOS.set_event("phase", "two")
    return DBOS.recv("approve", timeout_seconds=60)


@DBOS.workflow()
def tick(at: Any, context: Any) -> None: ...


def start(run_id: str, workflow: Callable[[], Any], **attributes: Any) -> Any:
    with SetWorkflowID(run_id), SetWorkflowAttributes(attributes or None):
        return DBOS.start_workflow(workflow)


def rows_of(run_id: str) -> int:
    return len(DBOS.list_workflow_steps(run_id))


DBOS.launch()
billing = DBOS.register_queue("billing", polling_interval_sec=0.02, concurrency=20)
done = start("done-1", order, tags=["vip", "eu"], region="eu", amount=120, **{"weird \"key'": "x"})
until(lambda: rows_of("done-1") >= 7)
DBOS.send("done-1", {"paid": True}, "payment")
done.get_result()
for run_id, workflow in (("failed-1", doomed), ("failed-2", fails_by_child)):
    try:
        start(run_id, workflow, region="us", amount=9).get_result()
    except ValueError as error:
        print(run_id, type(error).__name__)
start("fan-1", fan_out).get_result()
talking = start("talks-1", talks)
DBOS.send("talks-1", {"by": "ada"}, "approve")
talking.get_result()
start("asleep-1", nap)
start("waits-1", waits_for_message)
start("breakpoint-1", waits_at_breakpoint)
start("parent-1", waits_for_child)
start("busy-1", busy)
cancelled = start("cancelled-1", nap)
start("undone-1", nap)
start("undo:undone-1", nap)
start("dlq:dead-1", nap)
start("dead-1", busy)
until(lambda: rows_of("undone-1") > 0 and rows_of("cancelled-1") > 0 and rows_of("dead-1") > 0)
DBOS.cancel_workflow("cancelled-1")
DBOS.cancel_workflow("undone-1")
with SetWorkflowID("queued-1"):
    DBOS.enqueue_workflow("nobody", charge, 3)
with SetWorkflowID("delayed-1"), SetEnqueueOptions(delay_seconds=3600):
    DBOS.enqueue_workflow("nobody", charge, 3)
until(lambda: DBOS.fork_workflow("done-1", 5).workflow_id != "")
DBOS.create_schedule(schedule_name="hourly", workflow_fn=tick, schedule="0 * * * *")
expected = {"asleep-1": 1, "waits-1": 1, "breakpoint-1": 3, "parent-1": 1, "busy-1": 1, "dlq:dead-1": 1}
until(lambda: all(rows_of(run_id) >= count for run_id, count in expected.items()))
until(lambda: rows_of("undo:undone-1") > 0)
children = DBOS.list_workflows(parent_workflow_id="parent-1")
until(lambda: bool(rows_of(children[0].workflow_id)))
# dead-lettering takes many crashes; its last write is this one (DBOS 3.4.0, _sys_db.py, dead_letter)
engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
table = f'"{schema}".workflow_status' if url.startswith("postgres") else "workflow_status"
with engine.begin() as connection:
    connection.execute(
        sa.text(
            f"UPDATE {table} SET status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED', queue_name = NULL, "
            "started_at_epoch_ms = NULL, owner_xid = NULL, deduplication_id = NULL, completed_at = updated_at "
            "WHERE workflow_uuid = 'dead-1'"
        )
    )
print("ready", flush=True)
sys.stdin.read()
os._exit(0)
