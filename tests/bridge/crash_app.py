"""A DBOS application to kill: ``crash_app.py <database url> <command> <run id> <marker> [schema]``.

Runs as a process of its own. ``story`` and ``brittle`` begin the run and wait for it; ``recover`` only launches, so
that the engine picks up what was left.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from concurrent.futures import Future
from pathlib import Path

from dbos import DBOS, DBOSConfig, Queue, SetWorkflowID

QUEUES: Future[Queue] = Future()
"""A recovered run begins while the application is still launching."""


@DBOS.step()
def quick(number: int) -> int:
    return number


@DBOS.step()
def linger(marker: str) -> str:
    """Take until the marker file says go."""
    Path(marker + ".lingering").touch()
    while not Path(marker + ".go").exists():
        time.sleep(0.01)
    return "done"


@DBOS.step()
def flaky(marker: str) -> str:
    if not Path(marker + ".mended").exists():
        raise ValueError("not mended yet")
    return "mended"


@DBOS.workflow()
def child(number: int) -> int:
    return quick(number)


@DBOS.workflow()
def story(marker: str) -> str:
    quick(1)
    handles = [QUEUES.result(30).enqueue(child, number) for number in range(2)]
    for handle in handles:
        handle.get_result()
    DBOS.sleep(0.2)
    linger(marker)
    return quick_end(marker)


@DBOS.step()
def quick_end(marker: str) -> str:
    return "end"


@DBOS.workflow()
def brittle(marker: str) -> str:
    quick(1)
    flaky(marker)
    return "ok"


def main() -> None:
    url, command, run_id, marker, *schema = sys.argv[1:]
    config: DBOSConfig = {"name": "crash-app", "system_database_url": url, "application_version": "v1"}
    if schema:
        config["dbos_system_schema"] = schema[0]
    DBOS(config=config)
    DBOS.launch()
    QUEUES.set_result(DBOS.register_queue("q", polling_interval_sec=0.05))
    if command in ("story", "brittle"):
        with SetWorkflowID(run_id):
            handle = DBOS.start_workflow({"story": story, "brittle": brittle}[command], marker)
    else:
        handle = DBOS.retrieve_workflow(run_id)
    with contextlib.suppress(ValueError):
        handle.get_result()
    DBOS.destroy()
    os._exit(0)


if __name__ == "__main__":
    main()
