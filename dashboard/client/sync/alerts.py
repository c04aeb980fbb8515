"""The routes about alerts: what is wrong, and what people do about it."""

from __future__ import annotations

from dashboard.client.call import Call, members, path_of, query_of
from dashboard.client.sync.connection import Connection
from dashboard.wire.alerts import AlertState, AlertsView, AlertView


class AlertRoutes(Connection):
    """Incidents."""

    def list_alerts(self, *, state: AlertState | None = None, limit: int = 100) -> AlertsView:
        """Return incidents, open ones first, then those that ended lately."""
        return self._send(Call("GET", "alerts", AlertsView, query_of(state=state, limit=limit)))

    def snooze_alert(self, alert_id: str, *, minutes: int = 60, note: str = "") -> AlertView:
        """Put an incident off: no message is sent about it until then."""
        path = path_of("alerts", alert_id, "snooze")
        return self._send(Call("POST", path, AlertView, body=members(minutes=minutes, note=note)))

    def resolve_alert(self, alert_id: str, *, note: str = "") -> AlertView:
        """Say that an incident is dealt with."""
        return self._send(Call("POST", path_of("alerts", alert_id, "resolve"), AlertView, body=members(note=note)))

    def test_alerts(self) -> AlertView:
        """Open an incident whose message shows that messages arrive."""
        return self._send(Call("POST", "alerts/test", AlertView))
