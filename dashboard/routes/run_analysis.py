"""What can be said of a run beyond its parts: where its time went, how it differs from another."""

from __future__ import annotations

from typing import Annotated

from flask import Response
from pydantic import Field

from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read import as_test, compare, report, timing
from dashboard.read.fleet import quoted
from dashboard.read.links import public_base
from dashboard.routes.runs import RUN
from dashboard.wire.base import Query, at_most
from dashboard.wire.compare import CompareQuery, CompareView
from dashboard.wire.report import MOST_STEPS
from dashboard.wire.timing import TimingView

routes = RouteTable()


class ReportQuery(Query):
    """How much of a run a report holds."""

    steps: Annotated[int, Field(ge=0, description="How many of its last steps; at most 200."), at_most(MOST_STEPS)] = 20


class RunTestQuery(Query):
    """What a test of a run has to know."""

    module: str | None = Field(
        None,
        max_length=200,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$",
        description="The module that registers the workflow; without it, the test says where to fill it in.",
    )


def _page_of(ctx: RequestContext, run_id: str) -> str:
    return f"{public_base(ctx.services) or ctx.origin + ctx.base}/runs/{quoted(run_id)}"


@routes.get(
    f"{RUN}/report",
    summary="A run as Markdown, for a bug report",
    query=ReportQuery,
    answers={200: str},
    problems=(404,),
    media_type="text/markdown",
)
def run_report(ctx: RequestContext, *, query: ReportQuery, run_id: str) -> Response:
    """Links, versions, error, steps, input and output as they may be seen, and for operators who did what."""
    text = report.run_report(ctx.services, run_id, actor=ctx.actor, page_url=_page_of(ctx, run_id), last=query.steps)
    return Response(text, content_type="text/markdown; charset=utf-8")


@routes.get(
    f"{RUN}/test",
    summary="A run as a test that replays it",
    query=RunTestQuery,
    answers={200: str},
    problems=(404,),
    media_type="text/x-python",
)
def run_test(ctx: RequestContext, *, query: RunTestQuery, run_id: str) -> Response:
    """A pytest file: the workflow's code against the recorded steps, in the same order, to the same end."""
    text = as_test.run_test(ctx.services, run_id, codec=ctx.codec, page_url=_page_of(ctx, run_id), module=query.module)
    return Response(text, content_type="text/x-python; charset=utf-8")


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
