"""Runs and their parts: list, facets, detail, graph, steps, payloads, published values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from flask import Response
from pydantic import Field

from dashboard.errors import BadRequest, Forbidden, NotAcceptable, NotFound
from dashboard.http.routing import Reply, RequestContext, RouteTable
from dashboard.read import loading, payloads, run
from dashboard.read.cursors import opened, sealed
from dashboard.read.graph_children import MAX_CHILDREN
from dashboard.read.run_graph import run_graph as read_graph
from dashboard.read.timeline import CHILDREN_SHOWN, STEPS_SHOWN, Part
from dashboard.read.traces import by_trace
from dashboard.wire.base import Json, Query, at_most, iso
from dashboard.wire.convert import activity_view, facet_view
from dashboard.wire.filters import ActivityQuery, FacetsQuery, RunsQuery
from dashboard.wire.fleet import PublishedView, StreamEntryView, StreamView
from dashboard.wire.graph import Graph
from dashboard.wire.runs import ActivityView, FacetView, RunDetail, RunRow, StepView
from dashboard.wire.sizes import ANSWER_BYTES, within
from otel_bridge.codec import WHOLE, holds_token
from otel_bridge.errors import InvalidCursorError
from otel_bridge.model.values import PayloadName, PublishedEvent, StoredValue

routes = RouteTable()

RUN = "runs/<path:run_id>"
LIST_BYTES = 1_000_000
"""Of one page of runs: 500 ordinary rows have a third of it."""
ENTRIES_AT_ONCE = 50
LEAST_VALUE_BYTES = 200
"""Of each of very many values."""
VIEW_BYTES = 100
"""For a value's key and what is around it."""


class GraphQuery(Query):
    """Which groups of the graph to draw as a grid of their steps."""

    expand: list[str] = []
    child: list[str] = Field(
        [], max_length=MAX_CHILDREN, description="Children, and children of theirs to four levels, to draw as lanes."
    )


class StepQuery(Query):
    """How much of a step's payloads to send."""

    full: bool = False


class PayloadQuery(Query):
    """How to send a payload."""

    raw: bool = False
    exact: bool = Field(
        False, description="Long integers as numbers; `X-Payload-Plain` says whether the value is plain JSON."
    )


@routes.get("runs", summary="List runs, newest first", query=RunsQuery, answers={200: list[RunRow]})
def list_runs(ctx: RequestContext, *, query: RunsQuery) -> Reply:
    """The next page is in the Link header; a page may hold fewer rows than asked, or none, and still have one.

    ``X-Scanned-To`` then says how far back a filter that matches rarely was searched: follow Link to search on. With
    ``q``, runs found by id come before older ones found by name; each page is newest first.
    """
    limit, rows, shown = query.limit, list[RunRow](), list[RunRow]()
    try:
        cursor = None if query.cursor is None else opened(ctx.services, query.cursor)
        while not shown or len(shown) < len(rows):
            wanted = query.to_query(limit=limit, cursor=cursor, offset=query.offset)
            page = ctx.services.runs.page(by_trace(ctx.services, wanted))
            rows = ctx.services.rows(page.runs)
            shown = within(rows, LIST_BYTES, least=1)
            limit = len(shown)  # of longer rows fewer are read again, so that the next page begins behind them
            if not rows:
                break
    except InvalidCursorError as error:
        raise BadRequest(str(error), parameter="cursor") from error
    headers: dict[str, str] = {}
    if page.next_cursor is not None:
        kept = [(k, v) for k, v in ctx.request.args.items(multi=True) if k not in ("cursor", "offset")]
        following = urlencode([*kept, ("cursor", sealed(ctx.services, page.next_cursor))])
        headers["Link"] = f'<{ctx.base}/api/runs?{following}>; rel="next"'
    scanned_to = iso(page.scanned_to_ms)
    if scanned_to is not None:
        headers["X-Scanned-To"] = scanned_to
    return Reply(shown, headers=headers)


@routes.get("runs/facets", summary="Count runs by status", query=FacetsQuery, answers={200: list[FacetView]})
def run_facets(ctx: RequestContext, *, query: FacetsQuery) -> list[FacetView]:
    """The filter's own statuses are left out of the count: each says how many the list would show.

    Failed, cancelled and dead runs are counted to the last. Where ``exact`` is false there are as many or more.
    """
    found = ctx.services.runs.facets(
        by_trace(ctx.services, query.to_query()), by_workflow=query.by == "workflow", exact=query.exact
    )
    return [facet_view(facet) for facet in found]


@routes.get("activity", summary="Count runs by time and status", query=ActivityQuery, answers={200: ActivityView})
def activity(ctx: RequestContext, *, query: ActivityQuery) -> ActivityView:
    """Runs by when they were created, in up to 500 buckets. Failed, cancelled and dead ones are counted to the last.

    A bucket that is not ``exact`` holds as many runs or more: of a filter that no index answers, completed runs are
    counted among the newest.
    """
    try:
        grid = query.grid(ctx.store.now_ms())
    except ValueError as error:
        raise BadRequest(f"Query parameter 'since' {error}.", parameter="since") from error
    return activity_view(ctx.services.runs.activity(by_trace(ctx.services, query.to_query()), grid))


class TimelineQuery(Query):
    """Which part of a long timeline."""

    start: int | None = Field(
        None, alias="from", ge=0, le=2**63 - 1, description="The `seq` to begin with: `nextStep` of the part before."
    )
    limit: Annotated[int, Field(ge=1, description="At most 5,000."), at_most(STEPS_SHOWN)] = STEPS_SHOWN
    fold: bool = Field(
        False,
        description="Loops and long stretches as `folds`, less most of their steps, whatever `from` and `limit`.",
    )
    q: str | None = Field(
        None, min_length=1, max_length=200, description="Only steps whose name or error holds this, in either case."
    )
    children: Annotated[
        int, Field(ge=1, description="How many children at most; at most 2,000."), at_most(CHILDREN_SHOWN)
    ] = CHILDREN_SHOWN

    def part(self) -> Part:
        """Return what is asked for."""
        return Part(start=self.start, limit=self.limit, fold=self.fold, text=self.q, children=self.children)


class RunIdQuery(TimelineQuery):
    """A run by its id, whatever that is made of."""

    id: str = Field(min_length=1, max_length=500)


@routes.get(
    "runs/by-id", summary="A run whose id cannot be a path", query=RunIdQuery, answers={200: RunDetail}, problems=(404,)
)
def run_by_id(ctx: RequestContext, *, query: RunIdQuery) -> RunDetail:
    """The same as ``runs/{id}``, for ids that proxies would read as a path of their own, such as ``a/../b``."""
    return _detail(ctx, query.id, query)


@routes.get(
    RUN,
    summary="A run, its timeline, children and lineage",
    query=TimelineQuery,
    answers={200: RunDetail},
    problems=(404,),
)
def get_run(ctx: RequestContext, *, query: TimelineQuery, run_id: str) -> RunDetail:
    """Payloads are cut to a cap; the payload routes give them whole.

    Of a timeline of more than 5,000 steps this is a part: ``nextStep`` is the ``from`` of the next one.
    """
    return _detail(ctx, run_id, query)


def _detail(ctx: RequestContext, run_id: str, query: TimelineQuery) -> RunDetail:
    return run.run_detail(ctx.services, run_id, codec=ctx.codec, part=query.part())


@routes.get(f"{RUN}/graph", summary="A run as a graph", query=GraphQuery, answers={200: Graph}, problems=(404,))
def run_graph(ctx: RequestContext, *, query: GraphQuery, run_id: str) -> Graph:
    """Nodes and edges, placed left to right. ``expand=<group id>`` (or ``all``) unfolds stacked steps.

    Earlier attempts of a retried, redispatched or moved run are lanes below it: their nodes carry ``attempt``. So are
    the runs named by ``child``: their nodes carry ``ofRun``. An id that no step of what is drawn started is ignored.
    """
    return read_graph(ctx.services, run_id, expand=frozenset(query.expand), children=frozenset(query.child))


@routes.get(
    f"{RUN}/steps/<int(signed=True):seq>",
    summary="A step with its payloads",
    query=StepQuery,
    answers={200: StepView},
    problems=(404,),
)
def get_step(ctx: RequestContext, *, query: StepQuery, run_id: str, seq: int) -> StepView:
    """A negative ``seq`` is a compensation. Large payloads are cut, unless ``full=true``."""
    return run.step_detail(ctx.services, run_id, seq, codec=ctx.codec, full=query.full)


@routes.get(
    f"{RUN}/payload/<any(input, output, error):name>",
    summary="A whole payload",
    query=PayloadQuery,
    answers={200: Json},
    problems=(404,),
)
def get_payload(ctx: RequestContext, *, query: PayloadQuery, run_id: str, name: PayloadName) -> Any:
    """The bare value, decoded, its stored form named by ``X-Payload-Format``; ``raw=true``: the text as stored.

    ``X-Payload-Truncated`` and ``X-Payload-Problem`` say what could not be shown. Where payloads are redacted, the raw
    text is not given. To send a value back ask for ``exact=true``: what is not plain JSON would change its type.
    """
    value = ctx.store.get_payload(run_id, name, cap_bytes=None)
    if value is None:
        loading.get_run(ctx.services, run_id)
        raise NotFound(f"Run {run_id[:200]!r} has no {name}.")
    if query.raw:
        raw = Response(_as_stored(ctx, value), content_type="text/plain; charset=utf-8")
        raw.headers["Content-Disposition"] = f'attachment; filename="{name}.txt"'
        return raw
    if name == "error":
        error = payloads.show_error(value, codec=ctx.codec)
        return Reply(error, headers={"X-Payload-Format": value.serialization or "text"})
    shown = payloads.show(value, what=name, codec=ctx.codec, limits=replace(WHOLE, exact=query.exact))
    headers = {"X-Payload-Format": shown.format, "X-Payload-Bytes": str(shown.bytes)}
    if query.exact:
        headers["X-Payload-Plain"] = str(shown.plain).lower()
    if shown.truncated:
        headers["X-Payload-Truncated"] = "true"
    if shown.problem is not None:
        headers["X-Payload-Problem"] = shown.problem
    return Reply(shown.value, headers=headers)


def _as_stored(ctx: RequestContext, value: StoredValue) -> str:
    """Return the stored text itself, where nothing in it has to be hidden from this actor.

    Raises:
        Forbidden: payloads are redacted, or this one holds a webhook token and the actor is not an operator.
    """
    if ctx.codec.redact is not None:
        raise Forbidden("Payloads are redacted here, so they are not given as stored. Ask without raw=true.")
    if not ctx.codec.shows_tokens and holds_token(value.text):
        raise Forbidden("This payload holds a webhook token, which is for operators to see. Ask without raw=true.")
    return value.text


@routes.get(f"{RUN}/events", summary="Values the run published", answers={200: list[PublishedView]}, problems=(404,))
def list_events(ctx: RequestContext, *, run_id: str) -> Reply:
    """By key; of many or long values the beginnings (``truncated``). ``X-Total-Count`` says how many there are."""
    loading.get_run(ctx.services, run_id)
    found = ctx.store.published_events(run_id, cap_bytes=ctx.settings.payload_cap_bytes)
    most = max(LEAST_VALUE_BYTES, min(payloads.PREVIEW_BYTES, ANSWER_BYTES // max(1, len(found)) - VIEW_BYTES))
    views = within((_published(ctx, item, most) for item in found), ANSWER_BYTES)
    return Reply(views, headers={"X-Total-Count": str(len(found))})


def _published(ctx: RequestContext, item: PublishedEvent, most_bytes: int) -> PublishedView:
    shown = payloads.preview_published(item, codec=ctx.codec, most_bytes=most_bytes)
    return PublishedView(key=item.key, value=shown.value, truncated=shown.truncated or None)


@routes.get(f"{RUN}/events/<path:key>", summary="One value the run published", answers={200: Json}, problems=(404,))
def get_event(ctx: RequestContext, *, run_id: str, key: str) -> Any:
    """The bare value; ``null`` for a key that was never published."""
    found = ctx.store.published_event(run_id, key, cap_bytes=None)
    if found is None:
        loading.get_run(ctx.services, run_id)
        return Reply(None)
    return Reply(payloads.show_published(found, codec=ctx.codec).value)


class StreamQuery(Query):
    """Which part of a stream."""

    after: int = Field(-1, ge=-1, le=2**31 - 1, description="Values behind this offset; -1 begins at the first.")
    limit: Annotated[int, Field(ge=1, description="At most 1,000."), at_most(1_000)] = 200


@routes.get(f"{RUN}/streams", summary="Streams the run writes to", answers={200: list[StreamView]}, problems=(404,))
def list_streams(ctx: RequestContext, *, run_id: str) -> list[StreamView]:
    """By name, with the number of values each holds."""
    loading.get_run(ctx.services, run_id)
    return [
        StreamView(key=key, count=count, closed=closed) for key, (count, closed) in ctx.store.streams(run_id).items()
    ]


@routes.get(
    f"{RUN}/streams/<path:key>",
    summary="Values of one stream",
    query=StreamQuery,
    answers={200: list[StreamEntryView]},
    problems=(404, 406),
)
def get_stream(ctx: RequestContext, *, query: StreamQuery, run_id: str, key: str) -> list[StreamEntryView]:
    """In order, as many as have room. Ask for what is behind the last offset received, until none comes."""
    accepted = ctx.request.accept_mimetypes
    if accepted and not accepted.accept_json:
        raise NotAcceptable(
            "The values of a stream are JSON. To follow them, ask again with after= and the last offset received; the "
            f"run's events as they come are at runs/{run_id}/stream."
        )
    loading.get_run(ctx.services, run_id)
    return within(_entries(ctx, query, run_id, key), ANSWER_BYTES, least=1)


def _entries(ctx: RequestContext, query: StreamQuery, run_id: str, key: str) -> Iterator[StreamEntryView]:
    """Yield entries, read a few at a time: each may be as long as a payload."""
    after, left, cap = query.after, query.limit, ctx.settings.payload_cap_bytes
    while left > 0:
        limit = min(left, ENTRIES_AT_ONCE)
        entries = ctx.store.stream_entries(run_id, key, after=after, limit=limit, cap_bytes=cap)
        for entry in entries:
            event = None if entry.value is None else PublishedEvent(run_id, key, entry.value)  # its name is its key
            shown = None if event is None else payloads.preview_published(event, codec=ctx.codec)
            yield StreamEntryView(
                offset=entry.offset,
                seq=entry.seq,
                closes=shown is None,
                value=None if shown is None else shown.value,
                truncated=(shown is not None and shown.truncated) or None,
            )
        if len(entries) < limit:
            return
        after, left = entries[-1].offset, left - limit
