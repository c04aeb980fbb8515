"""What the routes that act share: their answers, and the key that makes a request safe to repeat."""

from __future__ import annotations

from dataclasses import replace

from dashboard.actions import ActionContext, Outcome
from dashboard.actions.permission import Permission
from dashboard.errors import BadRequest
from dashboard.http.routing import Reply, RequestContext
from dashboard.read.seen import SeenServices
from dashboard.read.services import Services
from dashboard.wire.actions import VIA_HEADER, ActionAnswer, NewRun

RUN = "runs/<path:run_id>"
IDEMPOTENCY_HEADER = "Idempotency-Key"
MAX_KEY_CHARS = 200


def actions_of(ctx: RequestContext) -> ActionContext:
    """Return what the actions of this blueprint work with.

    Raises:
        Forbidden: this dashboard is read-only.
    """
    found, services = actions_in(ctx.services), ctx.services
    if ctx.request.headers.get(VIA_HEADER) == "mcp":
        found = replace(found, via="mcp")
    if not isinstance(services, SeenServices):
        return found
    return replace(found, store=services.store, permission=Permission(services.allows, services.whole.store))


def actions_in(services: Services) -> ActionContext:
    """``actions_of`` outside a request."""
    found = services.actions
    assert isinstance(found, ActionContext)  # the blueprint makes no other
    return found


def acted(ctx: RequestContext, outcome: Outcome) -> ActionAnswer:
    row = ctx.services.row(outcome.run, requeue=outcome.audited, failure=outcome.failure)
    return ActionAnswer(**row.model_dump(), run_id=outcome.run.id, notes=list(outcome.notes) or None)


def started(ctx: RequestContext, outcome: Outcome) -> Reply:
    answer = NewRun(run_id=outcome.run.id, run=ctx.services.row(outcome.run), notes=list(outcome.notes) or None)
    return Reply(answer, status=201)


def idempotency_key(ctx: RequestContext) -> str | None:
    key = ctx.request.headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARS and key.isprintable()):
        raise BadRequest(
            f"{IDEMPOTENCY_HEADER} has 1 to {MAX_KEY_CHARS} printable characters; this one has {len(key)} characters."
        )
    return key
