"""The service itself: configuration, health, metrics, and the run of a trace."""

from __future__ import annotations

from typing import Any

from flask import Response, redirect

from dashboard.errors import Unavailable
from dashboard.http.admission import can_stream
from dashboard.http.auth import PUBLIC_ACTOR, is_admitted
from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read import fleet, service, traces
from dashboard.read.prometheus import CONTENT_TYPE, metrics_text
from dashboard.wire.fleet import (
    ConfigView,
    HealthView,
    PublicHealthView,
)
from otel_bridge.codec import mask_bytes
from otel_bridge.errors import BridgeError

routes = RouteTable()


@routes.get("trace/<trace_id>", summary="The run of a trace", answers={302: None}, problems=(404,), tag="fleet")
def run_of_trace(ctx: RequestContext, *, trace_id: str) -> Any:
    """Redirects to the run's page."""
    return redirect(f"{ctx.base}/runs/{fleet.quoted(traces.run_of_trace(ctx.services, trace_id))}", 302)


@routes.get("config", summary="What the page needs to start", answers={200: ConfigView}, tag="service")
def get_config(ctx: RequestContext) -> ConfigView:
    """Also in the page itself."""
    return service.config(ctx.services, ctx.actor, ctx.base, streams=can_stream(ctx.request.environ, ctx.settings))


@routes.get("health", summary="Can the store be read?", answers={200: HealthView}, tag="service")
def get_health(ctx: RequestContext) -> HealthView | PublicHealthView:
    """503 when the store cannot be read; 200 and ``degraded`` for what else is wrong."""
    if ctx.actor is not PUBLIC_ACTOR or is_admitted(ctx.request, ctx.settings.auth):
        return service.health(ctx.services)
    try:
        return PublicHealthView(status=service.health(ctx.services).status)
    except BridgeError as error:
        # Which database, on which host, and why not, is for those who are signed in.
        raise Unavailable("The store cannot be read.") from error


@routes.get("metrics", summary="Prometheus metrics", answers={200: str}, media_type="text/plain", tag="service")
def get_metrics(ctx: RequestContext) -> Response:
    """Queue depth per live worker among them, to scale by."""
    return Response(mask_bytes(metrics_text(ctx.services)), content_type=CONTENT_TYPE)
