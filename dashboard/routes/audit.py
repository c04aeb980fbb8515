"""The audit log."""

from __future__ import annotations

from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read.relatives import json_without_unseen
from dashboard.read.seen import MOST_LOOKS
from dashboard.wire.actions import (
    AuditQuery,
    AuditView,
)
from dashboard.wire.base import iso
from otel_bridge.ledger.base import AuditEntry
from otel_bridge.model.names import BULK_PREFIX

routes = RouteTable()


@routes.get(
    "audit", summary="Who did what", query=AuditQuery, answers={200: list[AuditView]}, role="operator", tag="audit"
)
def audit(ctx: RequestContext, *, query: AuditQuery) -> list[AuditView]:
    """Newest first, refusals included."""
    entries = _visible(ctx, query) if ctx.settings.may is not None else _page(ctx, query, query.before)
    return [
        AuditView(
            id=entry.id or 0,
            at=iso(entry.at_ms) or "",
            actor=entry.actor,
            action=entry.action,
            run_id=entry.run_id,
            outcome=entry.outcome,
            detail=entry.detail,
            params=json_without_unseen(ctx.services, entry.params),
        )
        for entry in entries
    ]


def _page(ctx: RequestContext, query: AuditQuery, before: int | None) -> list[AuditEntry]:
    return ctx.ledger.audit(
        run_id=query.run,
        actor=query.actor,
        action=query.action,
        outcome=query.outcome,
        before_id=before,
        limit=query.limit,
    )


def _visible(ctx: RequestContext, query: AuditQuery) -> list[AuditEntry]:
    """Return the entries of runs that the actor may see, and its own of no run; reads on until the page is full."""
    found: list[AuditEntry] = []
    before = query.before
    for _ in range(MOST_LOOKS):
        page = _page(ctx, query, before)
        seen = ctx.services.visible_ids(list({entry.run_id for entry in page if entry.run_id is not None}))
        found += (
            entry
            for entry in page
            if entry.run_id in seen or (entry.actor == ctx.actor.name and is_of_no_run(entry.run_id))
        )
        if len(page) < query.limit or len(found) >= query.limit:
            break
        before = page[-1].id
    return found[: query.limit]


def is_of_no_run(run_id: str | None) -> bool:
    """Say whether an entry is about no run of a workflow: a schedule, or a bulk action. Pure."""
    return run_id is None or run_id.startswith(BULK_PREFIX)
