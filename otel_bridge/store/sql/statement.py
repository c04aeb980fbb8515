"""A statement's name, what it is for, and the index that must answer it. Pure.

A statement's text is built for the columns that a database has, so it is written where it runs; what is said here of
it holds whatever the text. ``tests/store/test_plans.py`` asks SQLite and Postgres for the plan of every one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PRIMARY_KEY: Final = "primary key"
BY_CREATION: Final = "workflow_status_created_at_index"
BY_START: Final = "idx_workflow_status_started_at"
BY_COMPLETION: Final = "idx_workflow_status_completed_at"
PENDING: Final = "idx_workflow_status_pending"
IN_FLIGHT: Final = "idx_workflow_status_in_flight_v2"
DELAYED: Final = "idx_workflow_status_delayed"
FAILED: Final = "idx_workflow_status_failed"
BY_PARENT: Final = "idx_workflow_status_parent_workflow_id"
BY_ORIGINAL: Final = "idx_workflow_status_forked_from"
ATTRIBUTES: Final = "idx_workflow_status_attributes"
"""DBOS's GIN index, on Postgres only."""
STEPS_RECORDED: Final = "idx_operation_outputs_retention"
STEPS_COMPLETED: Final = "idx_operation_outputs_completed_at_function_name_v2"
MESSAGES: Final = "idx_workflow_topic"
OPEN_RUNS: Final = (PENDING, IN_FLIGHT, DELAYED)
"""Whichever says soonest which runs are open: their number does not grow with the history."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement over the engine's tables.

    Args:
        name: stands in a comment before the text, so that a database's own list of statements tells whose it is.
        purpose: what it is for, in a sentence.
        indexes: of which its plan must use one at least; ``PRIMARY_KEY`` is that of any of the tables. Empty: the
            statement reads a small table (queues, schedules) whole, or the end of a tree.
    """

    name: str
    purpose: str
    indexes: tuple[str, ...]

    def text(self, sql: str) -> str:
        """Return the text with the statement's name before it."""
        return f"/* {self.name} */ {sql}"
