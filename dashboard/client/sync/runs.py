"""The routes that read runs, and their streams. One method per route, named like its operation in OpenAPI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal, cast

from typing_extensions import Unpack

from dashboard.client.call import (
    Call,
    RunFilter,
    as_json,
    as_page,
    as_run_id,
    as_text,
    path_of,
    query_of,
    rows_of,
)
from dashboard.client.results import Rows, RunListPage, RunReport
from dashboard.client.stream import Follower, ListMessage, RunMessage, ends_run
from dashboard.client.sync.connection import Connection
from dashboard.wire.actions import UndoView
from dashboard.wire.base import Json
from dashboard.wire.compare import CompareView
from dashboard.wire.fleet import PublishedView, StreamEntryView, StreamView
from dashboard.wire.graph import Graph
from dashboard.wire.runs import ActivityView, FacetView, RunRow, StepView
from dashboard.wire.timing import TimingView
from dashboard.wire.usage import By, RunUsage, UsageView
from otel_bridge.model.values import PayloadName


class RunRoutes(Connection):
    """Runs: listed, counted, opened and followed."""

    def list_runs(self, *, limit: int = 50, cursor: str | None = None, **filters: Unpack[RunFilter]) -> RunListPage:
        """Return one page of runs, newest first."""
        return self._send(Call("GET", "runs", as_page, query_of(**filters, limit=limit, cursor=cursor)))

    def iter_runs(self, *, page_size: int = 100, **filters: Unpack[RunFilter]) -> Iterator[RunRow]:
        """Yield every run of the filter, newest first, page by page."""
        cursor: str | None = None
        while True:
            page = self.list_runs(limit=page_size, cursor=cursor, **filters)
            for run in page.runs:  # noqa: UP028 - an asynchronous generator has no `yield from`
                yield run
            if (cursor := page.next_cursor) is None:
                return

    def run_facets(
        self, *, by: Literal["status", "workflow"] = "status", exact: bool = False, **filters: Unpack[RunFilter]
    ) -> Rows[FacetView]:
        """Count runs by status, or by status and workflow; ``exact`` counts to the last run, however long it takes."""
        query = query_of(**filters, by=by, exact=exact or None)
        return self._send(Call("GET", "runs/facets", rows_of(FacetView), query))

    def activity(self, *, buckets: int = 60, **filters: Unpack[RunFilter]) -> ActivityView:
        """Count runs by when they were created and status; of the last day, unless the filter says ``since``."""
        return self._send(Call("GET", "activity", ActivityView, query_of(**filters, buckets=buckets)))

    def get_run(
        self,
        run_id: str,
        *,
        start: int | None = None,
        limit: int | None = None,
        fold: bool = False,
        q: str | None = None,
        children: int | None = None,
    ) -> RunReport:
        """Return a run, its timeline, children and lineage.

        Args:
            start: the ``seq`` to begin with, ``next_step`` of the part before: long timelines come in parts.
            limit: how many steps at most; the server allows 5,000.
            fold: loops and long stretches as ``folds``, with the steps that matter.
            q: only steps whose name or error holds this.
            children: how many children at most; the server allows 2,000.
        """
        query = {"from": start, "limit": limit, "fold": fold or None, "q": q, "children": children}
        return self._send(Call("GET", path_of("runs", run_id), RunReport, query_of(**query)))

    def run_by_id(
        self,
        id_: str,
        *,
        start: int | None = None,
        limit: int | None = None,
        fold: bool = False,
        q: str | None = None,
        children: int | None = None,
    ) -> RunReport:
        """Return what ``get_run`` does, by the id as a parameter."""
        query = {"from": start, "limit": limit, "fold": fold or None, "q": q, "children": children}
        return self._send(Call("GET", "runs/by-id", RunReport, query_of(id=id_, **query)))

    def run_graph(self, run_id: str, *, expand: Iterable[str] = (), children: Iterable[str] = ()) -> Graph:
        """Return a run as nodes and edges.

        Args:
            expand: groups to unfold, by their ids; or ``all``.
            children: runs below it to draw as lanes, by their ids.
        """
        query = query_of(expand=list(expand), child=list(children))
        return self._send(Call("GET", path_of("runs", run_id, "graph"), Graph, query))

    def run_timing(self, run_id: str) -> TimingView:
        """Return where a run's time went, and how long its like usually take."""
        return self._send(Call("GET", path_of("runs", run_id, "timing"), TimingView))

    def compare_runs(
        self, run_id: str, other: str | None = None, *, attempt: int | None = None, step: int | None = None
    ) -> CompareView:
        """Return a run beside another: by default beside the last success of its workflow.

        Args:
            other: another run's id.
            attempt: an earlier attempt of ``other``; without that, of the run itself.
            step: ``seq`` of a step whose output is compared too.
        """
        query = {"with": other, "attempt": attempt, "step": step}
        return self._send(Call("GET", path_of("runs", run_id, "compare"), CompareView, query_of(**query)))

    def run_report(self, run_id: str, *, steps: int | None = None) -> str:
        """Return a run as Markdown, for a bug report; ``steps``: how many of its last ones."""
        return self._send(Call("GET", path_of("runs", run_id, "report"), as_text, query_of(steps=steps)))

    def run_test(self, run_id: str, *, module: str | None = None) -> str:
        """Return a pytest file that replays the run's recorded steps.

        Args:
            module: the module that registers the workflow; without it, the file says where to fill it in.
        """
        return self._send(Call("GET", path_of("runs", run_id, "test"), as_text, query_of(module=module)))

    def run_usage(self, run_id: str) -> RunUsage:
        """Return what the model calls of a run used: tokens, and cost where the server has a price table."""
        return self._send(Call("GET", path_of("runs", run_id, "usage"), RunUsage))

    def usage(
        self,
        *,
        by: Sequence[By] = ("workflow",),
        workflow: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int | None = None,
    ) -> UsageView:
        """Return what model calls used, summed up by workflow, version, day or run; of the last seven days at first."""
        query = query_of(by=list(by), workflow=workflow, since=since, until=until, limit=limit)
        return self._send(Call("GET", "usage", UsageView, query))

    def get_step(self, run_id: str, seq: int, *, full: bool = False) -> StepView:
        """Return a step with its payloads; ``full`` does not cut large ones."""
        return self._send(Call("GET", path_of("runs", run_id, "steps", seq), StepView, query_of(full=full or None)))

    def get_payload(self, run_id: str, name: PayloadName, *, exact: bool = False) -> Json:
        """Return a run's whole input, output or error, decoded; ``exact``: long integers as numbers, not as texts."""
        return self._send(Call("GET", path_of("runs", run_id, "payload", name), as_json, query_of(exact=exact or None)))

    def get_payload_text(self, run_id: str, name: PayloadName) -> str:
        """Return a run's whole input, output or error, as the engine stored it."""
        return self._send(Call("GET", path_of("runs", run_id, "payload", name), as_text, query_of(raw=True)))

    def list_events(self, run_id: str) -> Rows[PublishedView]:
        """Return the values that a run published."""
        return self._send(Call("GET", path_of("runs", run_id, "events"), rows_of(PublishedView)))

    def get_event(self, run_id: str, key: str) -> Json:
        """Return one value that a run published; None when it published none under this key."""
        return self._send(Call("GET", path_of("runs", run_id, "events", key), as_json))

    def list_streams(self, run_id: str) -> Rows[StreamView]:
        """Return the streams that a run writes to, with the number of values in each."""
        return self._send(Call("GET", path_of("runs", run_id, "streams"), rows_of(StreamView)))

    def get_stream(self, run_id: str, key: str, *, after: int = -1, limit: int = 200) -> Rows[StreamEntryView]:
        """Return the values of one stream behind the offset ``after``; -1 begins at the first."""
        query = query_of(after=after, limit=limit)
        return self._send(Call("GET", path_of("runs", run_id, "streams", key), rows_of(StreamEntryView), query))

    def undo(self, run_id: str) -> UndoView:
        """Return what an undo of the run would do, does or did, in order. Undoes nothing: see ``cancel``."""
        return self._send(Call("GET", path_of("runs", run_id, "undo"), UndoView))

    def run_of_trace(self, trace_id: str) -> str:
        """Return the id of the run whose trace this is."""
        return self._send(Call("GET", path_of("trace", trace_id), as_run_id, redirects=True))

    # -- streams --------------------------------------------------------------------------------------------------

    def stream_run(
        self,
        run_id: str,
        *,
        last_event_id: int | None = None,
        until_end: bool = True,
        heartbeats: bool = False,
        give_up_after_s: float | None = None,
    ) -> Iterator[RunMessage]:
        """Yield a snapshot of the run, then what happens to it.

        A connection that breaks is made again from the last message, so that nothing is missed.

        Args:
            last_event_id: continue after this message, without a snapshot where the server still remembers it.
            until_end: end when the run has ended; otherwise continue, because somebody may retry it.
            heartbeats: yield them too.
            give_up_after_s: raise when no connection could be made for so long; None tries for ever.

        Raises:
            NotFoundError: there is no such run.
            ConnectionFailedError: see ``give_up_after_s``; and when the very first connection fails.
        """
        path = path_of("runs", run_id, "stream")
        for message in self._follow(path, [], Follower(last_event_id), give_up_after_s):
            if heartbeats or message.type != "heartbeat":
                yield cast("RunMessage", message)
            if until_end and ends_run(message):
                return

    def stream_runs(
        self,
        *,
        last_event_id: int | None = None,
        limit: int = 50,
        heartbeats: bool = False,
        give_up_after_s: float | None = None,
        **filters: Unpack[RunFilter],
    ) -> Iterator[ListMessage]:
        """Yield the newest runs of the filter, then every change among them. Reconnects like ``stream_run``."""
        query = query_of(**filters, limit=limit)
        for message in self._follow("stream", query, Follower(last_event_id), give_up_after_s):
            if heartbeats or message.type != "heartbeat":
                yield cast("ListMessage", message)
