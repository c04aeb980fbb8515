"""The statuses of a run. Pure data."""

from __future__ import annotations

from typing import Literal, get_args

RunStatus = Literal[
    "pending", "running", "suspended", "cancelling", "completed", "failed", "cancelled", "dead", "blocked"
]
RUN_STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)
TERMINAL_STATUSES: frozenset[RunStatus] = frozenset({"completed", "failed", "cancelled", "dead"})
