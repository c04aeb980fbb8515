"""The two stream routes, each as a websocket and as Server-Sent Events."""

from __future__ import annotations

from dataclasses import replace

from dashboard.errors import BadRequest
from dashboard.http.routing import RequestContext, RouteTable
from dashboard.http.transports import EVENT_STREAM
from dashboard.live.hub import LiveHub
from dashboard.live.seen import view_of
from dashboard.live.stream import Stream
from dashboard.live.subscription import Subscription
from dashboard.read import run
from dashboard.read.loading import get_run
from dashboard.read.relatives import without_unseen
from dashboard.read.timeline import FOLDED_RUN, WHOLE_RUN
from dashboard.read.traces import by_trace
from dashboard.wire.base import Wire
from dashboard.wire.filters import ListStreamQuery, RunStreamQuery
from dashboard.wire.stream import Changed, EventView, Heartbeat, ListSnapshot, RunSnapshot

routes = RouteTable()


def _hub(ctx: RequestContext) -> LiveHub:
    hub = ctx.services.hub
    assert isinstance(hub, LiveHub)  # the blueprint makes no other
    return hub


def _last_event_id(ctx: RequestContext, given: int | None) -> int | None:
    """Return where the viewer was: the query's word, else the header that EventSource sends on reconnect."""
    header = ctx.request.headers.get("Last-Event-ID")
    if given is not None or not header:
        return given
    if not (header.isascii() and header.isdigit() and len(header) <= 19):
        raise BadRequest(f"Header Last-Event-ID must be a number, not {header[:40]!r}.")
    return int(header)


@routes.get(
    "runs/<path:run_id>/stream",
    summary="Follow one run",
    query=RunStreamQuery,
    answers={200: RunSnapshot | EventView | Changed | Heartbeat},
    problems=(404, 406),
    media_type=EVENT_STREAM,
    stream=True,
)
def stream_run(ctx: RequestContext, *, query: RunStreamQuery, run_id: str) -> Stream:
    """A snapshot, then events as they happen, heartbeats when quiet. Websocket, or SSE for ``text/event-stream``."""
    get_run(ctx.services, run_id)
    last_event_id, hub, codec = _last_event_id(ctx, query.last_event_id), _hub(ctx), ctx.codec
    view = view_of(ctx.services)
    part = FOLDED_RUN if query.fold else WHOLE_RUN

    def snapshot(subscription: Subscription) -> Wire:
        detail = run.run_detail(ctx.services, run_id, codec=codec, part=part)
        return RunSnapshot(id=subscription.last_id, detail=without_unseen(ctx.services, detail))

    return Stream(
        hub,
        lambda: hub.subscribe(run_id=run_id, last_event_id=last_event_id, view=view),
        snapshot,
        ctx.settings.heartbeat_s,
        ctx.settings.stream_max_age_s,
        hides_tokens=not ctx.codec.shows_tokens,
    )


@routes.get(
    "stream",
    summary="Follow the run list",
    query=ListStreamQuery,
    answers={200: ListSnapshot | EventView | Changed | Heartbeat},
    problems=(406,),
    media_type=EVENT_STREAM,
    stream=True,
)
def stream_runs(ctx: RequestContext, *, query: ListStreamQuery) -> Stream:
    """Events of runs (not of their steps) that pass the filter, and with ``left`` of those that may have passed it."""
    ctx.store.change_token()
    last_event_id, hub = _last_event_id(ctx, query.last_event_id), _hub(ctx)
    wanted, view = by_trace(ctx.services, query.to_query()), view_of(ctx.services)

    def snapshot(subscription: Subscription) -> Wire:
        runs = ctx.services.runs.page(replace(wanted, limit=query.limit)).runs
        rows = without_unseen(ctx.services, ctx.services.rows(runs))
        return ListSnapshot(id=subscription.last_id, runs=rows)

    return Stream(
        hub,
        lambda: hub.subscribe(query=wanted, last_event_id=last_event_id, view=view),
        snapshot,
        ctx.settings.heartbeat_s,
        ctx.settings.stream_max_age_s,
        hides_tokens=not ctx.codec.shows_tokens,
    )
