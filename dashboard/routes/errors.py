"""Errors, what their failures share, and what people decide about them and about runs."""

from __future__ import annotations

from urllib.parse import urlencode

from dashboard.errors import Refused
from dashboard.http.routing import Reply, RequestContext, RouteTable
from dashboard.read import errors as reading
from dashboard.read.seen_errors import permit_decision
from dashboard.routes.answers import RUN, actions_of
from dashboard.wire.errors import DecisionBody, ErrorDetail, ErrorGroupView, ErrorsQuery, ErrorsView, WindowQuery
from dashboard.wire.runs import RunRow
from otel_bridge.ledger.base import Disposition, DispositionKind
from otel_bridge.model.status import UNSUCCESSFUL_STATUSES

routes = RouteTable()


@routes.get("errors", summary="Failures by what they have in common", query=ErrorsQuery, answers={200: ErrorsView})
def list_errors(ctx: RequestContext, *, query: ErrorsQuery) -> Reply:
    """The last seen first. The next page is in the Link header."""
    found, cursor = reading.errors(ctx.services, query)
    if cursor is None:
        return Reply(found)
    kept = [(key, value) for key, value in ctx.request.args.items(multi=True) if key != "cursor"]
    following = urlencode([*kept, ("cursor", cursor)])
    return Reply(found, headers={"Link": f'<{ctx.base}/api/errors?{following}>; rel="next"'})


@routes.get(
    "errors/<fingerprint>",
    summary="An error, and what its failures share",
    query=WindowQuery,
    answers={200: ErrorDetail},
    problems=(404,),
)
def get_error(ctx: RequestContext, *, query: WindowQuery, fingerprint: str) -> ErrorDetail:
    """Values that its failures have more often than runs of the same workflows that completed, by how much."""
    return reading.error_detail(ctx.services, fingerprint, query)


@routes.post(
    "errors/<fingerprint>",
    summary="Say that an error is dealt with",
    body=DecisionBody,
    answers={200: ErrorGroupView},
    problems=(404,),
)
def decide_error(ctx: RequestContext, *, body: DecisionBody, fingerprint: str) -> ErrorGroupView:
    """It covers the failures so far: one that comes after it is open again."""
    window = reading.window_of(ctx.services, WindowQuery.model_validate({}))
    reading.error_group(ctx.services, fingerprint, window)  # raises where there is none
    permit_decision(ctx.services, fingerprint, since_ms=window.since_ms, until_ms=window.until_ms)
    with actions_of(ctx).audited(
        ctx.actor.name, f"error.{body.state}", None, error=fingerprint, note=body.note or None
    ):
        _decide(ctx, "error", fingerprint, body)
    return reading.error_group(ctx.services, fingerprint, window)


@routes.post(
    f"{RUN}/decision",
    summary="Say that a run's failure is dealt with",
    body=DecisionBody,
    answers={200: RunRow},
    problems=(404, 409),
)
def decide_run(ctx: RequestContext, *, body: DecisionBody, run_id: str) -> RunRow:
    """Of a run that failed, died or was cancelled; one that fails again after it is open again."""
    actions = actions_of(ctx)
    run = actions.run(run_id)
    action = f"run.{body.state}"
    actions.permission.require("decide", run)
    with actions.audited(ctx.actor.name, action, run_id, note=body.note or None):
        if run.status not in UNSUCCESSFUL_STATUSES:
            raise Refused(f"Run {run_id[:200]!r} is {run.status}: nothing about it needs to be dealt with.")
        _decide(ctx, "run", run_id, body)
    return ctx.services.row(run)


def _decide(ctx: RequestContext, kind: DispositionKind, subject: str, body: DecisionBody) -> None:
    ctx.ledger.dispose(
        Disposition(kind=kind, subject=subject, state=body.state, actor=ctx.actor.name, at_ms=0, note=body.note)
    )
