"""For workflow code: waits that the dashboard shows and releases, published values, compensation, dead letters.

On the engine's own primitives, deterministic under replay. Loads no web framework. Importing it registers this
product's own workflows (undo, bulk) in the process's DBOS, so that this worker can run them; see ``register``.
"""

from __future__ import annotations

from dashboard.workflow.alerting import alert_sender
from dashboard.workflow.compensation import (
    Compensation,
    UndeclaredUndoError,
    UnrecordableInputError,
    compensated_by,
)
from dashboard.workflow.deadletters import DeadLetter, dead_letter
from dashboard.workflow.engine import NotInWorkflowError
from dashboard.workflow.failure import undo_on_failure
from dashboard.workflow.published import set_event, set_event_async
from dashboard.workflow.registration import register
from dashboard.workflow.undo import UndoStuckError
from dashboard.workflow.validators import UpdateRejectedError, validator
from dashboard.workflow.waits import (
    Continued,
    WaitTimeoutError,
    Woken,
    breakpoint,
    breakpoint_async,
    on_update,
    on_update_async,
    sleep,
    sleep_async,
    wait_for_signal,
    wait_for_signal_async,
)
from dashboard.workflow.webhooks import Webhook, webhook, webhook_async

__all__ = [
    "Compensation",
    "Continued",
    "DeadLetter",
    "NotInWorkflowError",
    "UndeclaredUndoError",
    "UndoStuckError",
    "UnrecordableInputError",
    "UpdateRejectedError",
    "WaitTimeoutError",
    "Webhook",
    "Woken",
    "alert_sender",
    "breakpoint",
    "breakpoint_async",
    "compensated_by",
    "dead_letter",
    "on_update",
    "on_update_async",
    "register",
    "set_event",
    "set_event_async",
    "sleep",
    "sleep_async",
    "undo_on_failure",
    "validator",
    "wait_for_signal",
    "wait_for_signal_async",
    "webhook",
    "webhook_async",
]

register()
