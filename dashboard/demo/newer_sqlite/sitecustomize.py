"""Python imports this at start when its folder is on ``PYTHONPATH``: see ``dashboard.demo.newer_sqlite``."""

from __future__ import annotations

import sys


def swap() -> None:
    """Make ``import sqlite3`` mean ``pysqlite3``."""
    import pysqlite3
    from pysqlite3 import dbapi2

    sys.modules["sqlite3"] = pysqlite3
    sys.modules["sqlite3.dbapi2"] = dbapi2


if __name__ == "sitecustomize":
    swap()
