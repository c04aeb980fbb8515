"""Where a route goes: one module for each resource."""

from __future__ import annotations

from dataclasses import replace

from dashboard.config import Settings
from dashboard.http.routing import Route
from dashboard.routes import (
    alerts,
    audit,
    bulk,
    errors,
    fleet,
    inbox,
    queues,
    run_actions,
    run_analysis,
    runs,
    schedules,
    service,
    streams,
    usage,
    views,
    webhooks,
)
from dashboard.wire.fleet import HealthView, PublicHealthView


def all_routes() -> list[Route]:
    """Return every route of the API."""
    modules = (
        runs,
        run_analysis,
        usage,
        errors,
        fleet,
        service,
        streams,
        run_actions,
        inbox,
        alerts,
        webhooks,
        bulk,
        queues,
        schedules,
        views,
        audit,
    )
    return [route for module in modules for route in module.routes.routes]


def published(route: Route, settings: Settings) -> Route:
    """Return a route as its blueprint serves it: metrics and health are public where the settings say so."""
    if route.path == "metrics" and settings.public_metrics:
        return replace(route, role="public")
    if route.path == "health" and settings.public_health:
        return replace(route, role="public", answers={200: HealthView | PublicHealthView})
    return route
