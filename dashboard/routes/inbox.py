"""The inbox: what waits for a person, and who is to answer it. Answers go to the run's own routes."""

from __future__ import annotations

from dashboard.errors import Refused
from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read.inbox import entries_of, inbox
from dashboard.routes.answers import RUN, actions_of
from dashboard.wire.inbox import AssignBody, InboxEntry, InboxQuery, InboxView
from otel_bridge.ledger.base import Assignment

routes = RouteTable()


@routes.get("inbox", summary="What waits for a person", query=InboxQuery, answers={200: InboxView}, tag="runs")
def get_inbox(ctx: RequestContext, *, query: InboxQuery) -> InboxView:
    """Oldest first, over all open runs: breakpoints, and signals and updates that say what they ask.

    Answer at ``runs/{runId}/continue``, ``signals/{topic}`` or ``updates/{name}``.
    """
    return inbox(ctx.services, query)


@routes.post(
    f"{RUN}/waits/<int(signed=True):seq>/assign",
    summary="Say who is to answer a wait",
    body=AssignBody,
    answers={200: InboxEntry},
    problems=(404, 409),
    tag="runs",
)
def assign(ctx: RequestContext, *, body: AssignBody, run_id: str, seq: int) -> InboxEntry:
    """Of a wait that a person is to answer. Without ``assignee`` nobody is."""
    actions = actions_of(ctx)
    run = actions.run(run_id)
    actions.permission.require("assign", run)
    with actions.audited(ctx.actor.name, "assign", run_id, seq=seq, assignee=body.assignee):
        found = [one for one in actions.store.questions(run_ids=[run_id])[0] if one.wait.seq == seq]
        if not found:
            raise Refused(f"Run {run_id[:200]!r} does not wait for a person at step {seq} (any more).")
        if body.assignee is None:
            ctx.ledger.unassign(run_id, seq)
            assigned = {}
        else:
            given = Assignment(run_id=run_id, seq=seq, assignee=body.assignee, actor=ctx.actor.name)
            assigned = {(run_id, seq): ctx.ledger.assign(given)}
    entries = entries_of(ctx.services, found, assigned)
    if not entries:
        raise Refused(f"Run {run_id[:200]!r} has ended.")
    return entries[0]
