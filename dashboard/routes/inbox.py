"""The inbox: what waits for a person, and who is to answer it. Answers go to the run's own routes."""

from __future__ import annotations

import time

from dashboard.errors import NotFound, Refused
from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read.inbox import assignments_of, entries_of, inbox
from dashboard.routes.answers import RUN, actions_of
from dashboard.wire.base import iso
from dashboard.wire.inbox import AssignBody, InboxEntry, InboxQuery, InboxView, LinkBody, OpenWaitView, QuestionLink
from dashboard.workflow.tokens import InvalidTokenError, WebhookToken, seal_question, unseal_question
from dashboard.workflow.webhooks import webhook_secret
from otel_bridge.ledger.base import Assignment
from otel_bridge.model.runs import Question

routes = RouteTable()


@routes.get("inbox", summary="What waits for a person", query=InboxQuery, answers={200: InboxView}, tag="runs")
def get_inbox(ctx: RequestContext, *, query: InboxQuery) -> InboxView:
    """Oldest first, over all open runs: breakpoints, and signals and updates that say what they ask.

    Answer at ``runs/{runId}/continue``, ``signals/{topic}`` or ``updates/{name}``.
    """
    return inbox(ctx.services, query)


@routes.get(
    f"{RUN}/waits", summary="What a run waits for", answers={200: list[OpenWaitView]}, problems=(404,), tag="runs"
)
def list_waits(ctx: RequestContext, *, run_id: str) -> list[OpenWaitView]:
    """Waits of ``dashboard.workflow``, side by side, each with what it asks and takes."""
    actions_of(ctx).run(run_id)  # raises where there is none
    return [
        OpenWaitView(
            seq=one.seq,
            on=one.on,
            name=one.name,
            ask=one.ask,
            schema=None if one.schema is None else dict(one.schema),
        )
        for one in ctx.store.open_waits(run_id)
    ]


@routes.post(
    f"{RUN}/waits/<int(signed=True):seq>/link",
    summary="Make a link to a wait, for chat and mail",
    body=LinkBody,
    answers={200: QuestionLink},
    problems=(404, 409),
    tag="runs",
)
def link_question(ctx: RequestContext, *, body: LinkBody, run_id: str, seq: int) -> QuestionLink:
    """Signed, bound to this wait, and good for a time. Who opens it signs in, and answers only what they may."""
    actions = actions_of(ctx)
    actions.run(run_id)
    with actions.audited(ctx.actor.name, "link", run_id, seq=seq, expiresInS=body.expires_in_s):
        name = _question(ctx, run_id, seq).wait.name
        expires_ms = int(time.time() * 1000) + body.expires_in_s * 1000
        token = seal_question(WebhookToken(run_id, name, seq, expires_ms), _secret(ctx))
    url = f"{ctx.origin}{ctx.base}/inbox/{token}"
    return QuestionLink(url=url, token=token, expires_at=iso(expires_ms) or "")


@routes.get(
    "inbox/<token>",
    summary="What a signed link asks",
    answers={200: InboxEntry},
    problems=(404, 409),
    tag="runs",
)
def get_question(ctx: RequestContext, *, token: str) -> InboxEntry:
    """As the inbox shows it, to whom may see its run. Answer as the inbox says."""
    try:
        meant = unseal_question(token, _secret(ctx))
    except InvalidTokenError as error:
        raise NotFound("This link is not one of ours. Open the inbox for what waits.") from error
    if meant.expires_ms is not None and meant.expires_ms < time.time() * 1000:
        raise NotFound("This link has expired. Open the inbox for what waits, or ask for another link.")
    actions_of(ctx).run(meant.run_id)  # raises where the caller may not see it
    found = _question(ctx, meant.run_id, meant.seq)
    if found.wait.name != meant.name:
        raise _over(meant.run_id, meant.seq)
    entries = entries_of(ctx.services, [found], assignments_of(ctx.services, [found]))
    if not entries:
        raise _over(meant.run_id, meant.seq)
    return entries[0]


def _question(ctx: RequestContext, run_id: str, seq: int) -> Question:
    """Return the wait of a run that a person is to answer."""
    for one in ctx.store.questions(run_ids=[run_id])[0]:
        if one.wait.seq == seq:
            return one
    raise _over(run_id, seq)


def _over(run_id: str, seq: int) -> Refused:
    return Refused(f"Run {run_id[:200]!r} does not wait for a person at step {seq} (any more).")


def _secret(ctx: RequestContext) -> str:
    return webhook_secret(ctx.ledger, actions_of(ctx).webhook_secret)


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
        found = _question(ctx, run_id, seq)
        if body.assignee is None:
            ctx.ledger.unassign(run_id, seq)
            assigned = {}
        else:
            given = Assignment(run_id=run_id, seq=seq, assignee=body.assignee, actor=ctx.actor.name)
            assigned = {(run_id, seq): ctx.ledger.assign(given)}
    entries = entries_of(ctx.services, [found], assigned)
    if not entries:
        raise Refused(f"Run {run_id[:200]!r} has ended.")
    return entries[0]
