"""Registers this product's own workflows in the process's DBOS. Happens when ``dashboard.workflow`` is imported."""

from __future__ import annotations

from dashboard.workflow import engine
from dashboard.workflow.alerting import register_sender
from dashboard.workflow.bulk import bulk_run
from dashboard.workflow.deadletters import register_handlers
from dashboard.workflow.names import BULK_WORKFLOW, UNDO_WORKFLOW
from dashboard.workflow.undo import undo_run


def register() -> None:
    """Register the undo and bulk workflows, every declared dead-letter handler, the sender of alerts
    where this process has targets, and the queue that carries them.

    Importing ``dashboard.workflow`` does this once. Call it again after ``DBOS.destroy(destroy_registry=True)``.
    Idempotent. A process that registers them and never launches DBOS runs nothing.
    """
    engine.register_workflow(UNDO_WORKFLOW, undo_run)
    engine.register_workflow(BULK_WORKFLOW, bulk_run)
    register_handlers()
    register_sender()
    engine.listen_to_work_queue()
