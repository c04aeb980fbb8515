"""The routes about workers, schedules and the dashboard itself. Methods are named like operations in OpenAPI."""

from __future__ import annotations

from dashboard.client.call import Call, as_json, as_text, query_of, rows_of
from dashboard.client.results import Rows
from dashboard.client.sync.connection import Connection
from dashboard.wire.actions import AuditView
from dashboard.wire.base import Json
from dashboard.wire.fleet import ConfigView, ExecutorView, HealthView, ScheduleView, Topology, VersionView, WorkerGroup


class FleetRoutes(Connection):
    """Who works, when runs are scheduled, who did what, and whether all is well."""

    def list_workers(self) -> Rows[WorkerGroup]:
        """Return the worker groups and their backlog."""
        return self._send(Call("GET", "workers", rows_of(WorkerGroup)))

    def list_executors(self) -> Rows[ExecutorView]:
        """Return the worker processes that report presence."""
        return self._send(Call("GET", "executors", rows_of(ExecutorView)))

    def list_schedules(self) -> Rows[ScheduleView]:
        """Return the cron schedules."""
        return self._send(Call("GET", "schedules", rows_of(ScheduleView)))

    def list_versions(self) -> Rows[VersionView]:
        """Return the application's versions: what is open under each, and how it does beside the one before."""
        return self._send(Call("GET", "versions", rows_of(VersionView)))

    def get_topology(self) -> Topology:
        """Return which workflows run where."""
        return self._send(Call("GET", "topology", Topology))

    def audit(
        self,
        *,
        run: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        outcome: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Rows[AuditView]:
        """Return who did what, newest first; ``before`` is the id of the last entry seen."""
        query = query_of(run=run, actor=actor, action=action, outcome=outcome, before=before, limit=limit)
        return self._send(Call("GET", "audit", rows_of(AuditView), query))

    def get_config(self) -> ConfigView:
        """Return the caller's role here, and what the dashboard can do."""
        return self._send(Call("GET", "config", ConfigView))

    def get_health(self) -> HealthView:
        """Return whether the state store can be read."""
        return self._send(Call("GET", "health", HealthView))

    def get_metrics(self) -> str:
        """Return the metrics, as Prometheus reads them."""
        return self._send(Call("GET", "metrics", as_text))

    def get_openapi(self) -> dict[str, Json]:
        """Return the OpenAPI document."""
        return self._send(Call("GET", "openapi.json", as_json))
