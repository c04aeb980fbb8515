"""Incidents as they are shown. Reads the ledger."""

from __future__ import annotations

from dashboard.read.services import Services
from dashboard.wire.alerts import AlertsQuery, AlertState, AlertsView, AlertView
from dashboard.wire.base import iso
from otel_bridge.ledger.base import Incident

_OF_THE_FLEET = frozenset({"queue_age", "silent_worker", "overdue_schedule", "test"})
SHOWN_MS = 14 * 24 * 3600 * 1000
STATE_KEY = "alerts"
"""In the ledger, written by the caretaker: which rules are looked at, where messages go, and when that was last."""


def alerts(services: Services, query: AlertsQuery) -> AlertsView:
    """Return incidents, open ones first."""
    ledger = services.ledger
    now_ms = ledger.now_ms()
    known = ledger.incidents(since_ms=now_ms - SHOWN_MS)
    views = [alert_view(one, now_ms) for one in known if may_see(services, one)]
    found = ledger.get_value(STATE_KEY)
    state = found if isinstance(found, dict) else {}
    at = state.get("at")
    return AlertsView(
        alerts=[one for one in views if query.state in (None, one.state)][: query.limit],
        open=sum(one.state == "open" for one in views),
        rules=_texts(state.get("rules")),
        targets=_texts(state.get("targets")),
        looked_at=iso(at) if isinstance(at, int) else None,
    )


def may_see(services: Services, one: Incident) -> bool:
    """Say whether the actor may see an incident: where a policy limits it, none that counts the runs of a workflow."""
    return services.settings.may is None or one.kind in _OF_THE_FLEET


def alert_view(one: Incident, now_ms: int) -> AlertView:
    """Return one incident."""
    return AlertView(
        id=one.id,
        rule=one.rule,
        kind=one.kind,
        subject=one.subject,
        state=_state(one, now_ms),
        summary=one.summary,
        link=one.link,
        opened_at=iso(one.opened_ms) or "",
        seen_at=iso(one.seen_ms) or "",
        ended_at=iso(one.ended_ms),
        ended_by=one.ended_by,
        snoozed_until=iso(one.snoozed_until_ms) if one.is_snoozed(now_ms) else None,
        acknowledged_by=one.acknowledged_by,
        note=one.note or None,
        reopened=one.reopened,
        sent_at=iso(one.ended_sent_ms or one.opened_sent_ms),
        sent_by=one.sent_by,
        problem=one.problem,
    )


def _state(one: Incident, now_ms: int) -> AlertState:
    if not one.is_open:
        return "ended"
    return "snoozed" if one.is_snoozed(now_ms) else "open"


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
