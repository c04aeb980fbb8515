"""A run that kills whatever process executes it, and how it becomes a dead letter.

``bury_a_run`` runs it in worker processes of its own, before the shop opens, until the engine dead-letters it. The
shop's process has memory enough: there the same run, retried from the dashboard, completes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from dbos import DBOS, SetWorkflowID

SMALL_WORKER = "ORDERS_WORKER_WITH_TOO_LITTLE_MEMORY"
"""Environment variable that tells a process that it is one."""
EXECUTIONS = 3
"""First execution, one recovery, and the start that finds the limit reached."""


@DBOS.step()
def read_supplier_file(name: str) -> int:
    """In a small worker: die as a process dies that the kernel takes out, without exception or farewell."""
    if os.environ.get(SMALL_WORKER):
        os._exit(137)
    return 1 << 20


@DBOS.workflow(max_recovery_attempts=1)
def import_catalogue(name: str) -> int:
    """Needs more memory than a small worker has."""
    return read_supplier_file(name)


def bury_a_run(url: str, run_id: str, stopping: threading.Event) -> None:
    """Start a small worker again each time it dies of the run, until the run is a dead letter."""
    for _ in range(EXECUTIONS):
        if stopping.is_set():
            return
        subprocess.run(
            [sys.executable, "-m", "dashboard.demo.poison", url, run_id],
            env={**os.environ, SMALL_WORKER: "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )


def main(url: str, run_id: str) -> None:
    """Be the small worker: recover what the one before it left, or begin."""
    from dashboard.demo.app import configure_dbos

    configure_dbos(url)
    DBOS.listen_queues([])
    DBOS.launch()
    with SetWorkflowID(run_id):
        handle = DBOS.start_workflow(import_catalogue, "supplier-7.csv")
    handle.get_result()


if __name__ == "__main__":
    from dashboard.demo.newer_sqlite import use_newer_sqlite

    use_newer_sqlite()
    main(*sys.argv[1:])
