"""The application that faults happen around: ``python -m tests.chaos.app URL PREFIX COUNT``.

Plain DBOS workflows of two steps, every fifth of which fails. It knows nothing of this product. The last line it prints
is ``passed N of COUNT``. ``--schema`` and ``--pause`` (seconds between two workflows) are optional; with ``--pooled``
it connects as DBOS wants it behind a transaction pooler.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine


def main() -> None:
    """Run the workflows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("prefix")
    parser.add_argument("count", type=int)
    parser.add_argument("--schema")
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--pooled", action="store_true")
    arguments = parser.parse_args()

    from dbos import DBOS, DBOSConfig, SetWorkflowID

    config: DBOSConfig = {
        "name": "chaos",
        "application_version": "1",
        "executor_id": arguments.prefix,
        "log_level": "ERROR",
    }
    if arguments.schema:
        config["dbos_system_schema"] = arguments.schema
    if arguments.pooled:  # statements are prepared, and notifications listened to, on a session that the pool shares
        config["system_database_engine"] = _pooled_engine(arguments.url)
        config["use_listen_notify"] = False
    else:
        config["system_database_url"] = arguments.url
    DBOS(config=config)

    @DBOS.step(name="reserve")
    def reserve(number: int) -> int:
        return number

    @DBOS.step(name="charge")
    def charge(number: int) -> str:
        if number % 5 == 0:
            raise ValueError(f"card {number} declined")
        return "x" * 50

    @DBOS.workflow(name="order")
    def order(number: int) -> int:
        reserve(number)
        charge(number)
        return number

    DBOS.launch()
    passed = 0
    for number in range(arguments.count):
        try:
            with SetWorkflowID(f"{arguments.prefix}-{number}"):
                passed += order(number) == number
        except ValueError as error:
            passed += number % 5 == 0 and str(error) == f"card {number} declined"
        except Exception as error:  # noqa: BLE001 - whatever the engine met is what the table wants to know
            print(f"workflow {number}: {error!r}"[:300], flush=True)
        if arguments.pause:  # libfaketime refuses to sleep for no time at all
            time.sleep(arguments.pause)
    print(f"passed {passed} of {arguments.count}", flush=True)
    os._exit(0)


def _pooled_engine(url: str) -> Engine:
    import sqlalchemy

    driver_url = url.replace("postgresql://", "postgresql+psycopg://")
    return sqlalchemy.create_engine(driver_url, connect_args={"prepare_threshold": None})


if __name__ == "__main__":
    main()
