"""A newer SQLite where Python's own is too old for DBOS. The demo and the tests both begin here.

DBOS on Python 3.12 and later asks SQLite for ``unixepoch('subsec')``, which came with SQLite 3.42; Debian 12,
for one, has 3.40. There, ``pysqlite3-binary`` (a wheel that bundles its own SQLite) takes the place of the
standard library's ``sqlite3`` for this process and, through ``sitecustomize``, for those it starts.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

FIRST_WITH_SUBSECONDS = (3, 42)


def use_newer_sqlite() -> bool:
    """Put ``pysqlite3`` in the place of ``sqlite3`` if DBOS needs it here. Return whether it did.

    Call it before anything imports ``dbos``, ``sqlalchemy`` or ``sqlite_utils``.

    Raises:
        ModuleNotFoundError: it is needed and not installed (``pip install pysqlite3-binary``).
    """
    if sys.version_info < (3, 12) or sqlite3.sqlite_version_info >= FIRST_WITH_SUBSECONDS:
        return False
    here = str(Path(__file__).parent)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if here not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([here, *filter(None, paths)])
    from dashboard.demo.newer_sqlite.sitecustomize import swap

    swap()
    return True
