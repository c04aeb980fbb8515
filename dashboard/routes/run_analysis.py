"""What can be said of a run beyond its parts: where its time went, how it differs from another."""

from __future__ import annotations

from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read import compare, timing
from dashboard.routes.runs import RUN
from dashboard.wire.compare import CompareQuery, CompareView
from dashboard.wire.timing import TimingView

routes = RouteTable()


@routes.get(f"{RUN}/timing", summary="Where a run's time went", answers={200: TimingView}, problems=(404,))
def run_timing(ctx: RequestContext, *, run_id: str) -> TimingView:
    """In a queue, at work, waiting, between steps; its longest steps; beside the workflow's last completed runs."""
    return timing.run_timing(ctx.services, run_id)


@routes.get(
    f"{RUN}/compare",
    summary="A run beside another",
    query=CompareQuery,
    answers={200: CompareView},
    problems=(404,),
)
def compare_runs(ctx: RequestContext, *, query: CompareQuery, run_id: str) -> CompareView:
    """The last success of its workflow, any run, or an earlier attempt: steps aligned, what differs, payloads."""
    return compare.compare(
        ctx.services, run_id, codec=ctx.codec, other=query.other, attempt=query.attempt, step=query.step
    )
