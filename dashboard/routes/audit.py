"""The audit log."""

from __future__ import annotations

from dashboard.http.routing import RequestContext, RouteTable
from dashboard.wire.actions import (
    AuditQuery,
    AuditView,
)
from dashboard.wire.base import iso

routes = RouteTable()


@routes.get(
    "audit", summary="Who did what", query=AuditQuery, answers={200: list[AuditView]}, role="operator", tag="audit"
)
def audit(ctx: RequestContext, *, query: AuditQuery) -> list[AuditView]:
    """Newest first, refusals included."""
    entries = ctx.ledger.audit(run_id=query.run, before_id=query.before, limit=query.limit)
    return [
        AuditView(
            id=entry.id or 0,
            at=iso(entry.at_ms) or "",
            actor=entry.actor,
            action=entry.action,
            run_id=entry.run_id,
            outcome=entry.outcome,
            detail=entry.detail,
            params=dict(entry.params),
        )
        for entry in entries
    ]
