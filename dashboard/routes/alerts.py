"""Alerts: what is wrong now, and what people do about it. The rules and their messages are the caretaker's."""

from __future__ import annotations

import uuid

from dashboard.actions.context import ActionContext
from dashboard.errors import Forbidden, NotFound, Refused
from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read.alerts import alert_view, may_see
from dashboard.read.alerts import alerts as read_alerts
from dashboard.routes.answers import actions_of
from dashboard.wire.alerts import AlertsQuery, AlertsView, AlertView, ResolveBody, SnoozeBody
from otel_bridge.ledger.base import Incident

routes = RouteTable()


@routes.get("alerts", summary="What is wrong", query=AlertsQuery, answers={200: AlertsView}, tag="alerts")
def list_alerts(ctx: RequestContext, *, query: AlertsQuery) -> AlertsView:
    """Incidents that alert rules found: open ones first, then those that ended within two weeks.

    Where a policy limits what is seen, those about a workflow's runs are left out: their counts are everybody's.
    """
    return read_alerts(ctx.services, query)


@routes.post(
    "alerts/<alert_id>/snooze",
    summary="Put an incident off",
    body=SnoozeBody,
    answers={200: AlertView},
    problems=(404, 409),
    tag="alerts",
)
def snooze_alert(ctx: RequestContext, *, body: SnoozeBody, alert_id: str) -> AlertView:
    """No message is sent about it until then. Who did it is shown as having acknowledged it."""
    actions = _permitted(ctx, alert_id)
    with actions.audited(ctx.actor.name, "snooze-alert", None, alert=alert_id[:100], minutes=body.minutes):
        ms = body.minutes * 60_000
        found = ctx.ledger.snooze_incident(alert_id, for_ms=ms, actor=ctx.actor.name, note=body.note)
        return _view(ctx, found, alert_id)


@routes.post(
    "alerts/<alert_id>/resolve",
    summary="Say that an incident is dealt with",
    body=ResolveBody,
    answers={200: AlertView},
    problems=(404, 409),
    tag="alerts",
)
def resolve_alert(ctx: RequestContext, *, body: ResolveBody, alert_id: str) -> AlertView:
    """It opens again only after its rule found nothing for a while, and then something again."""
    actions = _permitted(ctx, alert_id)
    with actions.audited(ctx.actor.name, "resolve-alert", None, alert=alert_id[:100]):
        found = ctx.ledger.resolve_incident(alert_id, actor=ctx.actor.name, note=body.note)
        return _view(ctx, found, alert_id)


@routes.post("alerts/test", summary="Open an incident that tests the way", answers={200: AlertView}, tag="alerts")
def test_alerts(ctx: RequestContext) -> AlertView:
    """Its message goes where all go, at the caretaker's next look; it ends by itself."""
    actions = _permitted(ctx, None)
    with actions.audited(ctx.actor.name, "test-alerts", None):
        now_ms = ctx.ledger.now_ms()
        one = Incident(
            id=uuid.uuid4().hex[:16],
            rule="test",
            kind="test",
            subject=ctx.actor.name,
            summary=f"A test of alerts by {ctx.actor.name}.",
            link="/alerts",
            opened_ms=now_ms,
            seen_ms=now_ms,
        )
        ctx.ledger.open_incident(one)
        return _view(ctx, ctx.ledger.incident(one.id), one.id, what="A test of yours is open already.")


def _permitted(ctx: RequestContext, alert_id: str | None) -> ActionContext:
    """Return what acts, for whoever may decide about an incident, and sees it.

    Raises:
        Forbidden: the token is for other actions. NotFound: there is no such incident for this actor.
    """
    actions = actions_of(ctx)
    if ctx.actor.scopes and "decide" not in ctx.actor.scopes:
        raise Forbidden("This token is not for decisions. Use one with the scope 'decide'.")
    if alert_id is not None:
        found = ctx.ledger.incident(alert_id)
        if found is None or not may_see(ctx.services, found):
            raise NotFound(f"There is no incident {alert_id[:100]!r}.")
    return actions


def _view(ctx: RequestContext, found: Incident | None, alert_id: str, *, what: str | None = None) -> AlertView:
    """Return what became of it.

    Raises:
        Refused: it is not open.
    """
    if found is None:
        raise Refused(what or f"Incident {alert_id[:100]!r} has ended.")
    return alert_view(found, ctx.ledger.now_ms())
