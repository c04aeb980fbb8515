"""The ledger's schema, as numbered scripts: one a dialect for each step. Reads the files of this package.

A migration that was released is never changed; a change is a new one at the end, for both dialects.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

_FILE = re.compile(r"(\d{4}_\w+)\.(sqlite|postgres)\.sql\Z")


@cache
def scripts(dialect: Literal["sqlite", "postgres"]) -> Mapping[str, str]:
    """Return the scripts in order, by name. Those for Postgres name the schema as ``{schema}``.

    >>> list(scripts("sqlite"))[0]
    '0001_initial'
    """
    found = {}
    for entry in resources.files(__name__).iterdir():
        match = _FILE.match(entry.name)
        if match and match[2] == dialect:
            found[match[1]] = entry.read_text("utf-8")
    return dict(sorted(found.items()))
