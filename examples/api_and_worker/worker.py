"""The worker: runs workflows, serves no HTTP. Start as many as you like."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from examples.newer_sqlite import use_newer_sqlite

use_newer_sqlite()

from dbos import DBOS  # noqa: E402

from dashboard.workflow import Compensation, breakpoint, compensated_by  # noqa: E402
from otel_bridge import DBOSInstrumentor  # noqa: E402

QUEUE = "exports"


def delete_report(undo: Compensation) -> str:
    """Take the report back."""
    return f"deleted {undo.output}"


@DBOS.step()
@compensated_by(delete_report)
def write_report(month: str) -> str:
    """Write the report to where the customer finds it."""
    time.sleep(0.2)
    return f"report-{month}.pdf"


@DBOS.step()
def mail_report(name: str, executor: str) -> str:
    """Mail it."""
    return f"mailed {name} from {executor}"


@DBOS.workflow(name="monthly_report")
def monthly_report(month: str) -> str:
    """A report that somebody looks at before it goes out."""
    name = write_report(month)
    breakpoint("proofread")
    return mail_report(name, DBOS.executor_id)


def main() -> None:
    """Run until SIGTERM or ctrl-C."""
    url = os.environ["DBOS_SYSTEM_DATABASE_URL"]
    DBOS(
        config={
            "name": "reports",
            "system_database_url": url,
            "application_version": os.environ.get("DBOS__APPVERSION", "1"),
            "executor_id": os.environ.get("HOSTNAME", "worker"),
            "log_level": "WARNING",
            "notification_listener_polling_interval_sec": 0.1,
        }
    )
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    DBOSInstrumentor().instrument()
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=4, polling_interval_sec=0.1)
    print("Worker is at work.", flush=True)
    stopping.wait()
    DBOS.destroy()
    sys.stdout.flush()
    os._exit(0)  # a waiting run holds a thread of the engine's; another worker, or the next start, takes it up


if __name__ == "__main__":
    main()
