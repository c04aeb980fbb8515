"""What models used, and what that cost."""

from __future__ import annotations

from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read import usage as reading
from dashboard.routes.answers import RUN
from dashboard.wire.usage import RunUsage, UsageQuery, UsageView

routes = RouteTable()


@routes.get("usage", summary="Tokens and cost of model calls", query=UsageQuery, answers={200: UsageView})
def usage(ctx: RequestContext, *, query: UsageQuery) -> UsageView:
    """By workflow unless said otherwise. From what the bridge read of recorded steps, with ``gen_ai`` on."""
    return reading.usage(ctx.services, query)


@routes.get(f"{RUN}/usage", summary="Tokens and cost of a run", answers={200: RunUsage}, problems=(404,))
def run_usage(ctx: RequestContext, *, run_id: str) -> RunUsage:
    """Of the model calls in its steps, over all its attempts; not of its children."""
    return reading.run_usage(ctx.services, run_id)
