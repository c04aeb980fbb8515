"""Names of runs, steps, events and queues: our own, and those of the engine that decide something. Pure."""

from __future__ import annotations

UNDO_PREFIX = "undo:"
"""Run id of the undo of a run: ``undo:<run_id>``."""
DEAD_LETTER_PREFIX = "dlq:"
"""Run id of the dead-letter handler of a run: ``dlq:<run_id>``."""
BULK_PREFIX = "bulk:"
"""Run id of a bulk action: ``bulk:<random>``."""
GET_RESULT = "DBOS.getResult"
"""Of a step that took another run's result: one that the run started in a step before, or any other."""
UNDO_WORKFLOW = "durable.undo"
PLAN_STEP, STUCK_STEP, COMPENSATE_PREFIX = "durable.plan", "durable.stuck", "compensate:"
"""Steps of an undo: its plan, a compensation of one entry, and what is said when some are stuck."""
WEBHOOK_TOKEN_PREFIX = "durable_whk_"
"""What our own webhook tokens begin with, so that they are recognised wherever they appear."""
WAIT_EVENT_KEY = "durable.wait"
"""Event that ``dashboard.workflow`` publishes in the step before a wait: ``{"on", "name", "until"?}``."""
INTERNAL_QUEUE = "_dbos_internal_queue"
"""The engine's own queue, which every worker polls."""


def bulk_run_id(text: str) -> str:
    """Return the id of a bulk action, given with its prefix or without.

    >>> bulk_run_id("nightly"), bulk_run_id("bulk:nightly")
    ('bulk:nightly', 'bulk:nightly')
    """
    return text if text.startswith(BULK_PREFIX) else f"{BULK_PREFIX}{text}"
