"""What can be said of a run beyond its parts: where its time went."""

from __future__ import annotations

from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read import timing
from dashboard.routes.runs import RUN
from dashboard.wire.timing import TimingView

routes = RouteTable()


@routes.get(f"{RUN}/timing", summary="Where a run's time went", answers={200: TimingView}, problems=(404,))
def run_timing(ctx: RequestContext, *, run_id: str) -> TimingView:
    """In a queue, at work, waiting, between steps; its longest steps; beside the workflow's last completed runs."""
    return timing.run_timing(ctx.services, run_id)
