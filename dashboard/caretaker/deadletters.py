"""Dead letters: finds runs that the engine gave up on and hands each to its handler, once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from dbos import EnqueueOptions, WorkflowSerializationFormat

from dashboard.actions.context import ActionContext
from dashboard.workflow.names import FAST_QUEUE, WORK_QUEUE, announced_handler
from otel_bridge.codec import WHOLE, decode_error, decode_input
from otel_bridge.model.names import BULK_PREFIX, DEAD_LETTER_PREFIX, UNDO_PREFIX
from otel_bridge.model.runs import Run
from otel_bridge.model.values import ERROR_CAP_BYTES
from otel_bridge.runs.presence import Presence

log = logging.getLogger(__name__)

OnDead = Callable[[Mapping[str, Any]], Any]
Handlers = str | Mapping[str, str] | None
"""Handler workflow's name for every dead run; or by workflow, ``*`` for the others; None: what workers declared."""


def handle(
    ctx: ActionContext, run: Run, handlers: Handlers, seen: Presence, *, on_dead: OnDead | None = None
) -> str | None:
    """Hand a dead run to its handler; return the handler run's id, or None when there is none (or is one already).

    Args:
        seen: who is alive, read once for all dead runs of a look.
        on_dead: the host's hook, called once per death.
    """
    if run.status != "dead" or run.id.startswith((DEAD_LETTER_PREFIX, UNDO_PREFIX, BULK_PREFIX)):
        return None
    payload: dict[str, Any] | None = None
    if on_dead is not None:
        first = ctx.ledger.bump_count(run.id, f"on_dead.{ctx.ledger.count(run.id, 'revived')}") == 1
        if first:
            payload = payload_of(ctx, run)
            _call(on_dead, run, payload)
    if run.dead_letter_id is not None:
        return None
    workflow, ours = handler_of(run, handlers, seen)
    if workflow is None:
        return None
    version = ctx.version_for_ours(workflow, run)[0] if ours else _version(ctx, workflow, run, seen)
    options: EnqueueOptions = {
        "workflow_name": workflow,
        "queue_name": WORK_QUEUE if ours else FAST_QUEUE,
        "workflow_id": f"{DEAD_LETTER_PREFIX}{run.id}",
        "serialization_type": WorkflowSerializationFormat.PORTABLE,
        "application_name": run.namespace,
    }
    if version is not None:
        options["app_version"] = version
    with ctx.audited("caretaker", "dead-letter", run.id, handler=workflow), ctx.engine.use(fast_queue=True) as client:
        client.enqueue(options, payload or payload_of(ctx, run))
    return f"{DEAD_LETTER_PREFIX}{run.id}"


def _version(ctx: ActionContext, workflow: str, run: Run, seen: Presence) -> str | None:
    return ctx.version_for(workflow, namespace=run.namespace, current=None, seen=seen)[0]


def handler_of(run: Run, handlers: Handlers, seen: Presence) -> tuple[str | None, bool]:
    """Return the workflow that handles this run's death, and whether it was declared with ``@dead_letter``. Pure."""
    if isinstance(handlers, str):
        return handlers, False
    found = None if handlers is None else handlers.get(run.workflow, handlers.get("*"))
    if found is not None:
        return found, False
    return announced_handler(run.workflow, {name for executor in seen.live for name in executor.workflows}), True


def payload_of(ctx: ActionContext, run: Run) -> dict[str, Any]:
    """Return what a handler receives: ``{deadRunId, workflow, input, error}``."""
    stored_input = ctx.store.get_payload(run.id, "input", cap_bytes=None)
    stored_error = ctx.store.get_payload(run.id, "error", cap_bytes=ERROR_CAP_BYTES)
    error: dict[str, Any] | None = None
    if stored_error is not None:
        shown = decode_error(stored_error)
        error = {"message": shown.message, "type": shown.type, "code": shown.code}
    return {
        "deadRunId": run.id,
        "workflow": run.workflow,
        "input": decode_input(stored_input, limits=WHOLE).json if stored_input is not None else None,
        "error": error
        or {"message": f"The engine gave up after {run.recovery_attempts} executions.", "type": None, "code": None},
    }


def _call(on_dead: OnDead, run: Run, payload: Mapping[str, object]) -> None:
    try:
        on_dead(payload)
    except Exception:  # the host's hook must not stop the caretaker
        log.exception("The on_dead hook failed for run %s", run.id)
