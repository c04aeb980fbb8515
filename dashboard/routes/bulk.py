"""Bulk actions over a filter, and what came of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dashboard.actions import bulk
from dashboard.actions.bulk_status import actor_of, status
from dashboard.actions.bulk_work import BulkAction
from dashboard.errors import BadRequest
from dashboard.http.routing import Reply, RequestContext, RouteTable
from dashboard.read.bulks import bulk_view, bulks, group_view, now_of
from dashboard.read.traces import by_trace
from dashboard.routes.answers import actions_in, actions_of
from dashboard.wire.bulk import BulkAnswer, BulkBody, BulkQuery, BulksQuery, BulkStatus, BulkStatusQuery, BulkView
from otel_bridge.errors import LedgerError
from otel_bridge.model.names import bulk_run_id
from otel_bridge.model.runs import RunQuery

routes = RouteTable()


def is_unfiltered(query: RunQuery) -> bool:
    """Say whether a query means every run of the store: its page apart, nothing is asked. Pure."""
    return replace(query, limit=0, cursor=None, offset=0) == RunQuery(limit=0)


@routes.post(
    "bulk/<any(retry, cancel, move):action>",
    summary="Retry, cancel or move every run of a filter",
    query=BulkQuery,
    body=BulkBody,
    answers={200: BulkAnswer, 202: BulkAnswer},
    problems=(404, 405, 409, 422),
    tag="bulk",
)
def bulk_action(ctx: RequestContext, *, query: BulkQuery, body: BulkBody, action: BulkAction) -> Reply:
    """``dryRun=true`` tells what would be touched; the real one takes its ``boundMs`` so that nothing newer is."""
    wanted = by_trace(ctx.services, query.to_query())
    if not (query.all or query.dry_run) and body.ids is None and is_unfiltered(wanted):
        raise BadRequest(
            "There is no filter, so this would touch every run of the store. Give a filter, or all=true to mean that.",
            parameter="all",
        )
    if query.canary and action == "cancel":
        raise BadRequest(
            "canary is for a retry: a cancelled run does not show how others will fare.", parameter="canary"
        )
    if query.dry_run:
        return Reply(_preview(ctx, action, wanted, body))
    done = bulk.apply(
        actions_of(ctx),
        action,
        wanted,
        actor=ctx.actor.name,
        params=_params(action, query),
        chosen=bulk.Chosen(body.bound_ms, body.ids, body.errors),
        bulk_id=body.bulk_id,
        canary=query.canary,
    )
    answer = BulkAnswer(matched=done.matched, applied=done.applied, bulk_id=done.bulk_id, results=done.results)
    return Reply(answer, status=202 if done.results is None else 200)


def _preview(ctx: RequestContext, action: BulkAction, wanted: RunQuery, body: BulkBody) -> BulkAnswer:
    actions = actions_of(ctx)
    seen = bulk.preview(actions, action, wanted, bound_ms=body.bound_ms, ids=body.ids)
    groups = (
        [group_view(one.error, one.count) for one in bulk.by_error(actions, seen.runs)] if action == "retry" else None
    )
    return BulkAnswer(
        matched=len(seen.runs),
        skipped=seen.skipped,
        by_status=seen.by_status,
        groups=groups,
        sample=ctx.services.rows(seen.sample),
        digest=seen.digest,
        bound_ms=seen.bound_ms,
    )


def _params(action: BulkAction, query: BulkQuery) -> dict[str, Any]:
    """Return what of the query is this action's."""
    given: dict[BulkAction, dict[str, Any]] = {
        "retry": {"queue": query.to_queue},
        "move": {"version": query.to_version},
        "cancel": {"compensate": query.compensate, "children": query.children},
    }
    return {key: value for key, value in given[action].items() if value}


@routes.get(
    "bulk", summary="Bulk actions", query=BulksQuery, answers={200: list[BulkView]}, problems=(404,), tag="bulk"
)
def list_bulks(ctx: RequestContext, *, query: BulksQuery) -> list[BulkView]:
    """Newest first. Under a policy, one's own."""
    actor = ctx.actor.name if ctx.settings.may is not None else None
    return bulks(ctx.services, limit=query.limit, before=query.before, actor=actor)


@routes.get(
    "bulk/<path:bulk_id>",
    summary="A bulk action's progress and results, and how its runs stand since",
    query=BulkStatusQuery,
    answers={200: BulkStatus},
    problems=(404,),
    tag="bulk",
)
def bulk_status(ctx: RequestContext, *, query: BulkStatusQuery, bulk_id: str) -> BulkStatus:
    """A result per run, as far as it got. With ``from`` only those from that one on."""
    whole = actions_in(ctx.services)
    # A policy is about people's runs: the person who started a bulk action may see its outcome.
    is_own = ctx.settings.may is None or actor_of(whole, bulk_id) == ctx.actor.name
    found = status(whole if is_own else actions_of(ctx), bulk_id, first=query.from_, noted=is_own)
    run_id = bulk_run_id(bulk_id)
    try:
        known = ctx.ledger.bulk(run_id)
        now = None if known is None or not query.now else now_of(ctx.services, run_id)
    except LedgerError:
        return BulkStatus.model_validate(found)
    asked = (
        {}
        if known is None
        else bulk_view(known).model_dump(exclude={"matched"} if found["matched"] is not None else set())
    )
    return BulkStatus.model_validate({**asked, **found, "now": now})
