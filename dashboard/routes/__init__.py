"""Where a route goes: one module for each resource."""

from __future__ import annotations

from dashboard.http.routing import Route
from dashboard.routes import (
    audit,
    bulk,
    errors,
    fleet,
    run_actions,
    run_analysis,
    runs,
    schedules,
    service,
    streams,
    webhooks,
)


def all_routes() -> list[Route]:
    """Return every route of the API."""
    modules = (runs, run_analysis, errors, fleet, service, streams, run_actions, webhooks, bulk, schedules, audit)
    return [route for module in modules for route in module.routes.routes]
