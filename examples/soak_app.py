"""The application that ``soak.py`` runs and kills: ``soak_app.py URL NAME DIRECTORY``.

It starts workflows until a file "stop" is in the directory, and stays until a file "done" is there.
"""

from __future__ import annotations

import os
import random
import sys
import time
from concurrent.futures import Future
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def work(url: str, name: str, directory: Path) -> None:
    """Run workflows until told to stop by a file, or until killed."""
    from dbos import DBOS, Queue, SetWorkflowID
    from opentelemetry.trace import get_current_span

    from otel_bridge import DBOSInstrumentor

    DBOSInstrumentor().instrument(presence=False)
    parents = (directory / "parents" / str(os.getpid())).open("a", buffering=1)

    def call() -> None:
        """What a library does that makes a span: ask for its parent."""
        parent = get_current_span().get_span_context()
        parents.write(f"{parent.trace_id:032x} {parent.span_id:016x} {DBOS.workflow_id} {DBOS.step_id}\n")

    queues: Future[Queue] = Future()  # recovered runs begin while the application is still launching

    @DBOS.step(name="note")
    def note(number: int) -> int:
        time.sleep(random.uniform(0, 0.02))
        call()
        return number

    @DBOS.step(name="fail_once")
    def fail_once(run_id: str) -> str:
        call()
        marker = directory / "mended" / run_id
        if not marker.exists():
            raise ValueError(f"{run_id} is not mended yet")
        return "mended"

    @DBOS.workflow(name="child")
    def child(number: int) -> int:
        return note(number) + note(number)

    @DBOS.workflow(name="order")
    def order(number: int) -> int:
        note(1)
        handles = [queues.result(30).enqueue(child, index) for index in range(3)]
        DBOS.sleep(random.uniform(0.05, 0.3))
        note(2)
        return sum(handle.get_result() for handle in handles)

    @DBOS.workflow(name="brittle")
    def brittle(run_id: str) -> str:
        note(1)
        note(2)
        fail_once(run_id)
        note(3)
        return run_id

    DBOS(
        config={
            "name": "soak",
            "system_database_url": url,
            "application_version": "v1",
            "executor_id": name,
            "log_level": "CRITICAL",
            "sys_db_pool_size": 8,  # a PostgreSQL server gives out 100 connections as it comes
        }
    )
    DBOS.launch()
    queues.set_result(DBOS.register_queue("soak", polling_interval_sec=0.2, worker_concurrency=5))
    number = 0
    while not (directory / "stop").exists():
        number += 1
        run_id = f"{name}-{os.getpid()}-{number}"
        with SetWorkflowID(run_id):
            if number % 4 == 0:
                DBOS.start_workflow(brittle, run_id)
            else:
                DBOS.start_workflow(order, number)
        time.sleep(random.uniform(0.2, 0.6))
    while not (directory / "done").exists():
        time.sleep(0.2)
    DBOS.destroy()
    os._exit(0)


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
