"""Names that worker and control plane agree on. Pure data and pure functions; imports nothing of the engine."""

from __future__ import annotations

from collections.abc import Iterable

from otel_bridge.model.names import COMPENSATE_PREFIX, PLAN_STEP, STUCK_STEP, UNDO_WORKFLOW, WAIT_EVENT_KEY
from otel_bridge.model.runs import WaitingOn

__all__ = ["COMPENSATE_PREFIX", "PLAN_STEP", "STUCK_STEP", "UNDO_WORKFLOW", "WAIT_EVENT_KEY"]

WORK_QUEUE = "durable.work"
"""Queue of this product's own workflows. It is in no table: only processes that imported ``dashboard.workflow``
poll it, so a worker without those workflows cannot swallow one."""
FAST_QUEUE = "durable.fast"
"""Queue, registered in the engine's table, onto which actions put runs that have no queue of their own."""
FAST_POLLING_S = 0.1

BULK_WORKFLOW = "durable.bulk"
BULK_PLAN_STEP = "durable.bulk_plan"
BULK_APPLY_STEP = "durable.bulk_apply"
BULK_CANARY_STEP = "durable.bulk_canary"
"""Waits until it is known what became of the runs that were taken first."""
BULK_CHECK_STEP = "durable.bulk_check"
"""Looks whether one of the runs taken so far failed again."""
BULK_END_STEP = "durable.bulk_end"
ALERT_WORKFLOW = "durable.alert"
ALERT_STEP = "durable.alert_send"
ALERT_PREFIX = "alert:"
"""Of the run that sends a message about an incident."""
DEAD_LETTER_WORKFLOW = "durable.dead_letter"
"""A handler is announced as ``durable.dead_letter:<workflow>=<its name>``; ``*`` stands for every other workflow. It
runs under its own name."""

UNDO_EVENT_PREFIX = "durable.undo."
"""Event ``durable.undo.<seq>``: what the compensated step ``seq`` was given, published before its body runs."""

QUIET_STEP = "durable.quiet"
RETRY_STEP = "durable.retry"
WEBHOOK_STEP = "durable.webhook"

MAX_TOPIC_CHARS = 200
MAX_ASK_CHARS = 1_000

WAKE = {"durable.wake": True}
"""Sent to a wait of ours when its run is cancelled. The engine notices a cancellation between steps only, so without it
the cancelled run would occupy its worker's thread until the wait's timeout. A run that is resumed ignores it."""


def wait_topic(on: WaitingOn, name: str, seq: int) -> str:
    """Return the topic on which one wait listens.

    A plain signal listens on its own name, so that ``DBOS.send`` from anywhere reaches it. Every other wait has a
    topic of its own, ended by the wait's number in the run: what comes too late for one wait can never release the
    next one of the same name, and no signal can pose as an update.

    Args:
        seq: number of the receiving step in its run; the same under every replay.
    """
    return name if on == "signal" else f"durable.{on}:{name}#{seq}"


def dead_letter_announcement(workflow: str | None, handler: str) -> str:
    """Return the name by which a worker announces its handler for ``workflow`` (None: for every other).

    Example:
        >>> dead_letter_announcement("order", "order_died")
        'durable.dead_letter:order=order_died'
    """
    return f"{_announced(workflow)}{handler}"


def announced_handler(workflow: str, names: Iterable[str]) -> str | None:
    """Return the handler of a workflow among the names that workers report: its own, else that of every other.

    Example:
        >>> announced_handler("order", ["durable.dead_letter:*=bury", "durable.dead_letter:order=order_died"])
        'order_died'
    """
    found = sorted(name for name in names if name.startswith(f"{DEAD_LETTER_WORKFLOW}:"))
    for start in (_announced(workflow), _announced(None)):
        for name in found:
            if name.startswith(start):
                return name[len(start) :]
    return None


def _announced(workflow: str | None) -> str:
    return f"{DEAD_LETTER_WORKFLOW}:{workflow or '*'}="


def undo_event_seq(key: str) -> int | None:
    """Return the step number of an event ``durable.undo.<seq>``; None for any other key, no matter who published it.

    Example:
        >>> undo_event_seq("durable.undo.12"), undo_event_seq("durable.undo.x"), undo_event_seq("price")
        (12, None, None)
    """
    number = key.removeprefix(UNDO_EVENT_PREFIX)
    digits = number != key and number.isascii() and number.isdigit() and len(number) <= 10
    return int(number) if digits else None
