"""Bulk actions over a filter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field

from dashboard.actions import bulk
from dashboard.errors import BadRequest
from dashboard.http.routing import Reply, RequestContext, RouteTable
from dashboard.routes.answers import actions_in, actions_of
from dashboard.wire.actions import (
    BulkAnswer,
    BulkStatus,
)
from dashboard.wire.base import Body, Query
from dashboard.wire.filters import RunFilter
from otel_bridge.model.runs import RunQuery

routes = RouteTable()


class BulkQuery(RunFilter):
    """The filter of the run list, and how to act on it."""

    dry_run: bool = Field(False, description="Only tell what would be touched.")
    compensate: bool = Field(False, description="cancel: undo too.")
    children: bool = Field(False, description="cancel: the runs that they started too.")
    to_queue: str | None = Field(None, description="retry: move the runs to this queue.")
    to_version: str | None = Field(None, description="move: to this version; left out, the newest live one.")
    all: bool = Field(False, description="Needed where no filter is given: every run of the store is meant.")


class BulkStatusQuery(Query):
    """Which results to send."""

    from_: int = Field(0, alias="from", ge=0, le=bulk.RUNS_MAX, description="Number of the first result wanted.")


def is_unfiltered(query: RunQuery) -> bool:
    """Say whether a query means every run of the store: its page apart, nothing is asked. Pure."""
    return replace(query, limit=0, cursor=None, offset=0) == RunQuery(limit=0)


class BulkBody(Body):
    """What was previewed, so that nothing else is touched."""

    bound_ms: int | None = Field(None, ge=0, le=2**53, description="``boundMs`` of the dry run.")
    ids: list[str] | None = Field(None, max_length=bulk.RUNS_MAX)
    bulk_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_.:-]{1,100}$", description="The same twice is one bulk.")


@routes.post(
    "bulk/<any(retry, cancel, move):action>",
    summary="Retry, cancel or move every run of a filter",
    query=BulkQuery,
    body=BulkBody,
    answers={200: BulkAnswer, 202: BulkAnswer},
    problems=(404, 405, 409, 422),
    tag="bulk",
)
def bulk_action(ctx: RequestContext, *, query: BulkQuery, body: BulkBody, action: bulk.BulkAction) -> Reply:
    """``dryRun=true`` tells what would be touched; the real one takes its ``boundMs`` so that nothing newer is."""
    actions = actions_of(ctx)
    wanted = query.to_query()
    if not (query.all or query.dry_run) and body.ids is None and is_unfiltered(wanted):
        raise BadRequest(
            "There is no filter, so this would touch every run of the store. Give a filter, or all=true to mean that.",
            parameter="all",
        )
    if query.dry_run:
        seen = bulk.preview(actions, action, wanted, bound_ms=body.bound_ms)
        return Reply(
            BulkAnswer(
                matched=len(seen.ids),
                skipped=seen.skipped,
                by_status=seen.by_status,
                sample=ctx.services.rows(seen.sample),
                bound_ms=seen.bound_ms,
            )
        )
    params: dict[str, Any] = {"queue": query.to_queue} if action == "retry" else {}
    if action == "move":
        params = {"version": query.to_version}
    if action == "cancel":
        params = {"compensate": query.compensate, "children": query.children}
    done = bulk.apply(
        actions,
        action,
        wanted,
        actor=ctx.actor.name,
        params={key: value for key, value in params.items() if value},
        bound_ms=body.bound_ms,
        ids=body.ids,
        bulk_id=body.bulk_id,
    )
    answer = BulkAnswer(
        matched=done.matched,
        applied=done.applied,
        bulk_id=done.bulk_id,
        results=done.results if not done.bulk_id else None,
    )
    return Reply(answer, status=202 if done.bulk_id else 200)


@routes.get(
    "bulk/<path:bulk_id>",
    summary="A bulk action's progress and results",
    query=BulkStatusQuery,
    answers={200: BulkStatus},
    problems=(404,),
    tag="bulk",
)
def bulk_status(ctx: RequestContext, *, query: BulkStatusQuery, bulk_id: str) -> BulkStatus:
    """A result per run, as far as it got. With ``from`` only those from that one on."""
    whole = actions_in(ctx.services)
    # A policy is about people's runs: whoever started a bulk action may see what became of it.
    is_own = ctx.settings.may is not None and bulk.actor_of(whole, bulk_id) == ctx.actor.name
    return BulkStatus.model_validate(bulk.status(whole if is_own else actions_of(ctx), bulk_id, first=query.from_))
