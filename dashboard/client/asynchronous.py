"""``AsyncDurableClient``: the dashboard's API for asyncio. Made by ``_make_async``: edit ``sync.py``.

Touches sockets, and sleeps between attempts to reconnect a stream.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, TypeVar, cast

import httpx
from httpx_sse import EventSource
from typing_extensions import Unpack

from dashboard.client import calls
from dashboard.client.base import (
    DEFAULT_TIMEOUT_S,
    MAX_WAIT_S,
    STREAM_SILENCE_S,
    ClientBase,
    connection_failed,
    headers_of,
    problem_of,
)
from dashboard.client.calls import Call, Params, RunFilter, RunListPage
from dashboard.client.errors import ConnectionFailedError, ProtocolError, api_error
from dashboard.client.sse import Follower, ListMessage, RunMessage, StreamMessage, ends_run
from dashboard.wire.actions import (
    ActionAnswer,
    AuditView,
    BulkAnswer,
    BulkStatus,
    NewRun,
    RedispatchAnswer,
    ScheduleAnswer,
    UndoView,
    UpdateAnswer,
    WebhookAnswer,
)
from dashboard.wire.base import Json
from dashboard.wire.fleet import (
    ConfigView,
    ExecutorView,
    HealthView,
    PublishedView,
    ScheduleView,
    Topology,
    WorkerGroup,
)
from dashboard.wire.graph import Graph
from dashboard.wire.runs import FacetView, RunDetail, RunRow, StepView
from otel_bridge.model.values import PayloadName

T = TypeVar("T")


class AsyncDurableClient(ClientBase):
    """The dashboard's API. Every method raises what ``dashboard.client.errors`` draws.

    Args:
        base_url: where the dashboard is mounted: ``http://127.0.0.1:8000/durable``.
        auth: as httpx takes it: ``("user", "password")``, or an ``httpx.Auth``.
        headers: sent with every request, such as ``{"Authorization": "Bearer ..."}``.
        transport: of httpx, such as ``httpx.ASGITransport(app)`` to talk to an app in the same process.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(base_url)
        self._http = httpx.AsyncClient(auth=auth, headers=headers_of(headers), timeout=timeout_s, transport=transport)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncDurableClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(self, call: Call[T]) -> T:
        request = self._request(self._http, call)
        try:
            response = await self._http.send(request)
        except httpx.HTTPError as error:
            raise connection_failed(error, str(request.url)) from error
        return self._read(call, response)

    # -- runs -----------------------------------------------------------------------------------------------------

    async def list_runs(
        self, *, limit: int = 50, cursor: str | None = None, **filters: Unpack[RunFilter]
    ) -> RunListPage:
        """Return one page of runs, newest first."""
        return await self._send(calls.list_runs(limit=limit, cursor=cursor, filters=filters))

    async def iter_runs(self, *, page_size: int = 100, **filters: Unpack[RunFilter]) -> AsyncIterator[RunRow]:
        """Yield every run of the filter, newest first, page by page."""
        cursor: str | None = None
        while True:
            page = await self.list_runs(limit=page_size, cursor=cursor, **filters)
            for run in page.runs:
                yield run
            if (cursor := page.next_cursor) is None:
                return

    async def run_facets(
        self, *, by: Literal["status", "workflow"] = "status", **filters: Unpack[RunFilter]
    ) -> list[FacetView]:
        """Count runs by status, or by status and workflow."""
        return await self._send(calls.run_facets(by=by, filters=filters))

    async def get_run(self, run_id: str) -> RunDetail:
        """Return a run, its timeline, children and lineage."""
        return await self._send(calls.get_run(run_id))

    async def run_graph(self, run_id: str, *, expand: Iterable[str] = ()) -> Graph:
        """Return a run as nodes and edges; ``expand`` unfolds groups by their ids, or ``all``."""
        return await self._send(calls.run_graph(run_id, expand=expand))

    async def get_step(self, run_id: str, seq: int) -> StepView:
        """Return a step with its payloads."""
        return await self._send(calls.get_step(run_id, seq))

    async def get_payload(self, run_id: str, name: PayloadName) -> Json:
        """Return a run's whole input, output or error, decoded."""
        return await self._send(calls.get_payload(run_id, name))

    async def get_payload_text(self, run_id: str, name: PayloadName) -> str:
        """Return a run's whole input, output or error, as the engine stored it."""
        return await self._send(calls.get_payload_text(run_id, name))

    async def list_events(self, run_id: str) -> list[PublishedView]:
        """Return the values that a run published."""
        return await self._send(calls.list_events(run_id))

    async def get_event(self, run_id: str, key: str) -> Json:
        """Return one value that a run published; None when it published none under this key."""
        return await self._send(calls.get_event(run_id, key))

    # -- acting on one run ----------------------------------------------------------------------------------------

    async def retry(self, run_id: str, *, queue: str | None = None) -> ActionAnswer:
        """Retry a run from the step that failed, under the same id; ``queue`` moves it.

        Raises:
            RefusedError: it completed, was undone, or no live worker can run it.
        """
        return await self._send(calls.retry(run_id, queue=queue))

    async def cancel(self, run_id: str, *, compensate: bool = False, children: bool = False) -> ActionAnswer:
        """Cancel a run; ``compensate`` undoes what it did, ``children`` cancels the runs it started."""
        return await self._send(calls.cancel(run_id, compensate=compensate, children=children))

    async def undo(self, run_id: str) -> UndoView:
        """Return what an undo of the run would do, does or did, in order. Undoes nothing: see ``cancel``."""
        return await self._send(calls.undo(run_id))

    async def continue_run(self, run_id: str) -> ActionAnswer:
        """Release a run from its breakpoint."""
        return await self._send(calls.continue_run(run_id))

    async def redispatch(self, run_id: str, *, force: bool = False) -> RedispatchAnswer:
        """Put a run back on its queue that a lost executor held."""
        return await self._send(calls.redispatch(run_id, force=force))

    async def fork(self, run_id: str, from_seq: int) -> NewRun:
        """Start a run that shares the steps before ``from_seq``."""
        return await self._send(calls.fork(run_id, from_seq))

    async def retry_with_input(self, run_id: str, input_: Json) -> NewRun:
        """Start a run anew with another input."""
        return await self._send(calls.retry_with_input(run_id, input_))

    async def send_signal(
        self, run_id: str, topic: str, message: Json, *, idempotency_key: str | None = None
    ) -> ActionAnswer:
        """Send a message to a run. The same ``idempotency_key`` twice delivers once."""
        return await self._send(calls.send_signal(run_id, topic, message, idempotency_key=idempotency_key))

    async def send_update(
        self, run_id: str, name: str, argument: Json = None, *, idempotency_key: str | None = None
    ) -> UpdateAnswer:
        """Send an update to a run that waits for it.

        Raises:
            RejectedError: a validator said no; the run is untouched.
            RefusedError: the run does not wait for it.
        """
        return await self._send(calls.send_update(run_id, name, argument, idempotency_key=idempotency_key))

    async def deliver_webhook(self, token: str, body: Json = None) -> WebhookAnswer:
        """Call a webhook of a run, as a third party would."""
        return await self._send(calls.deliver_webhook(token, body))

    # -- new runs, many runs, schedules, audit --------------------------------------------------------------------

    async def start_run(
        self,
        workflow: str,
        input_: Json = None,
        *,
        run_id: str | None = None,
        queue: str | None = None,
        attributes: Mapping[str, Json] | None = None,
    ) -> NewRun:
        """Start a run of a workflow; the same ``run_id`` twice starts one."""
        return await self._send(calls.start_run(workflow, input_, run_id=run_id, queue=queue, attributes=attributes))

    async def preview_bulk(self, action: Literal["retry", "cancel"], **filters: Unpack[RunFilter]) -> BulkAnswer:
        """Return what a bulk action over the filter would touch; hand its ``bound_ms`` to ``bulk_action``."""
        return await self._send(
            calls.bulk_action(action, dry_run=True, bound_ms=None, ids=None, bulk_id=None, options={}, filters=filters)
        )

    async def bulk_action(
        self,
        action: Literal["retry", "cancel"],
        *,
        bound_ms: int | None = None,
        ids: Iterable[str] | None = None,
        bulk_id: str | None = None,
        to_queue: str | None = None,
        compensate: bool = False,
        children: bool = False,
        **filters: Unpack[RunFilter],
    ) -> BulkAnswer:
        """Retry or cancel every run of the filter, as previewed; a large one goes on as the run ``bulk_id``.

        Args:
            bound_ms: from ``preview_bulk``: nothing newer is touched.
            ids: touch these of the filter only.
            bulk_id: the same twice is one action.
            to_queue: retry: move the runs to this queue.
            compensate, children: cancel: see ``cancel``.
        """
        options = {"to_queue": to_queue, "compensate": compensate or None, "children": children or None}
        return await self._send(
            calls.bulk_action(
                action, dry_run=False, bound_ms=bound_ms, ids=ids, bulk_id=bulk_id, options=options, filters=filters
            )
        )

    async def bulk_status(self, bulk_id: str) -> BulkStatus:
        """Return how far a bulk action is, with a result per run."""
        return await self._send(calls.bulk_status(bulk_id))

    async def switch_schedule(self, name: str, action: Literal["pause", "resume"]) -> ScheduleAnswer:
        """Pause or resume a schedule."""
        return await self._send(calls.switch_schedule(name, action))

    async def trigger_schedule(self, name: str) -> NewRun:
        """Start a schedule's run now."""
        return await self._send(calls.trigger_schedule(name))

    async def audit(self, *, run: str | None = None, before: int | None = None, limit: int = 100) -> list[AuditView]:
        """Return who did what, newest first; ``before`` is the id of the last entry seen."""
        return await self._send(calls.audit(run=run, before=before, limit=limit))

    # -- the fleet ------------------------------------------------------------------------------------------------

    async def list_workers(self) -> list[WorkerGroup]:
        """Return the worker groups and their backlog."""
        return await self._send(calls.list_workers())

    async def list_executors(self) -> list[ExecutorView]:
        """Return the worker processes that report presence."""
        return await self._send(calls.list_executors())

    async def list_schedules(self) -> list[ScheduleView]:
        """Return the cron schedules."""
        return await self._send(calls.list_schedules())

    async def get_topology(self) -> Topology:
        """Return which workflows run where."""
        return await self._send(calls.get_topology())

    async def run_of_trace(self, trace_id: str) -> str:
        """Return the id of the run whose trace this is."""
        return await self._send(calls.run_of_trace(trace_id))

    async def get_config(self) -> ConfigView:
        """Return who we are to the dashboard, and what it can do."""
        return await self._send(calls.get_config())

    async def get_health(self) -> HealthView:
        """Return whether the state store can be read."""
        return await self._send(calls.get_health())

    async def get_metrics(self) -> str:
        """Return the metrics, as Prometheus reads them."""
        return await self._send(calls.get_metrics())

    async def get_openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        return await self._send(calls.get_openapi())

    # -- streams --------------------------------------------------------------------------------------------------

    async def stream_run(
        self,
        run_id: str,
        *,
        last_event_id: int | None = None,
        until_end: bool = True,
        heartbeats: bool = False,
        give_up_after_s: float | None = None,
    ) -> AsyncIterator[RunMessage]:
        """Yield a snapshot of the run, then what happens to it.

        A connection that breaks is made again from the last message, so that nothing is missed.

        Args:
            last_event_id: go on from here, without a snapshot where the server still remembers.
            until_end: end when the run has ended; else go on, for somebody may retry it.
            heartbeats: yield them too.
            give_up_after_s: raise when no connection could be made for so long; None tries for ever.

        Raises:
            NotFoundError: there is no such run.
            ConnectionFailedError: see ``give_up_after_s``; and when the very first connection fails.
        """
        path = calls.run_path(run_id, "stream")
        async for message in self._follow(path, [], Follower(last_event_id), give_up_after_s):
            if heartbeats or message.type != "heartbeat":
                yield cast("RunMessage", message)
            if until_end and ends_run(message):
                return

    async def stream_runs(
        self,
        *,
        last_event_id: int | None = None,
        limit: int = 50,
        heartbeats: bool = False,
        give_up_after_s: float | None = None,
        **filters: Unpack[RunFilter],
    ) -> AsyncIterator[ListMessage]:
        """Yield the newest runs of the filter, then every change among them. Reconnects like ``stream_run``."""
        query = calls.query_of({**filters, "limit": limit})
        async for message in self._follow("stream", query, Follower(last_event_id), give_up_after_s):
            if heartbeats or message.type != "heartbeat":
                yield cast("ListMessage", message)

    async def _follow(
        self, path: str, query: Params, follower: Follower, give_up_after_s: float | None
    ) -> AsyncIterator[StreamMessage]:
        failing_since: float | None = None
        connected = False
        failures = 0
        while True:
            try:
                async for message in self._connection(path, query, follower):
                    connected, failing_since, failures = True, None, 0
                    yield message
            except ConnectionFailedError:
                if not connected:
                    raise
                failing_since = failing_since or time.monotonic()
                if give_up_after_s is not None and time.monotonic() - failing_since >= give_up_after_s:
                    raise
            await asyncio.sleep(min(follower.retry_s * 2**failures, MAX_WAIT_S))
            failures = min(failures + 1, 10)

    async def _connection(self, path: str, query: Params, follower: Follower) -> AsyncIterator[StreamMessage]:
        url = self._url(path)
        timeout = httpx.Timeout(DEFAULT_TIMEOUT_S, read=STREAM_SILENCE_S)
        try:
            async with self._http.stream(
                "GET", url, params=query, headers=follower.headers, timeout=timeout
            ) as response:
                if response.status_code in (502, 503, 504) and follower.last_event_id is not None:
                    raise ConnectionFailedError(url, f"HTTP {response.status_code}")
                if response.is_error:
                    await response.aread()
                    raise api_error(response.status_code, problem_of(response))
                if "text/event-stream" not in response.headers.get("Content-Type", ""):
                    raise ProtocolError(url, "it is no event stream")
                async for sent in EventSource(response).aiter_sse():
                    if (message := follower.read(sent)) is not None:
                        yield message
        except httpx.HTTPError as error:
            raise connection_failed(error, url) from error
