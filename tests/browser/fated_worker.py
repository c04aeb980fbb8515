"""A worker that does not last: ``fated_worker.py SQLITE_URL WORKFLOW RUN_ID``. Not a test.

It starts the run, or recovers it, and is killed in ``mill`` or kills itself in ``poison``. Of another version for
``poison``, so that the shop's own worker does not take that run over.
"""

from __future__ import annotations

import os
import sys

from dbos import DBOS, SetWorkflowID

from otel_bridge import DBOSInstrumentor
from tests.browser import shop_app


def main() -> None:
    """Run one run, until death."""
    url, workflow, run_id = sys.argv[1:]
    os.environ[shop_app.FATED] = "1"
    if workflow == "mill":
        DBOSInstrumentor().instrument(presence_interval_s=0.3)
    shop_app.configure(url, executor=f"fated-{workflow}", version="v1" if workflow == "mill" else "v0")
    DBOS.listen_queues([])
    DBOS.launch()
    with SetWorkflowID(run_id):
        DBOS.start_workflow(shop_app.WORKFLOWS[workflow], "stone").get_result()  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
