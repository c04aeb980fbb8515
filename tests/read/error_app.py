"""A real application whose runs fail with errors of given sizes: ``python -m tests.read.error_app URL``. It ends."""

from __future__ import annotations

import sys

from dbos import DBOS, DBOSConfig, SetWorkflowID

SIZES = (63 * 1024, 65 * 1024, 1024 * 1024, 5 * 1024 * 1024)
CODE = 402


class DeclinedError(Exception):
    """Its words come first in a pickle, its code last."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = CODE


@DBOS.step()
def charge(size: int) -> None:
    """Fail, at length."""
    raise DeclinedError("no funds; " + "x" * (size - 10))


@DBOS.workflow()
def long_order(size: int) -> None:
    """Fail as its step did."""
    charge(size)


def main(url: str) -> None:
    """Run one order for each size."""
    config: DBOSConfig = {"name": "errors", "system_database_url": url, "enable_otlp": False}
    DBOS(config=config)
    DBOS.launch()
    for size in SIZES:
        with SetWorkflowID(f"fails-{size}"):
            handle = DBOS.start_workflow(long_order, size)
        try:
            handle.get_result()
        except DeclinedError:
            continue
    DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1])
