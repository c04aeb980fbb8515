"""One function per route: what to ask, and how to read the answer. Pure; the clients send.

Function names are the operation ids of the OpenAPI document; a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import TypeAdapter
from typing_extensions import TypedDict

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
from otel_bridge.model.status import RunStatus
from otel_bridge.model.values import PayloadName

T = TypeVar("T")
Params = list[tuple[str, str | int | float | bool | None]]
"""A query string."""


class RunFilter(TypedDict, total=False):
    """The filter of a run listing. Several statuses mean any of them; several tags or attributes, all.

    ``attr`` is ``key:op:value`` with op eq, ne, gt, gte, lt or lte; times are datetimes or ISO 8601.
    """

    status: RunStatus | Iterable[RunStatus]
    workflow: str
    q: str
    queue: str
    executor: str
    version: str
    tag: str | Iterable[str]
    attr: str | Iterable[str]
    since: datetime | str
    until: datetime | str
    parent: str
    namespace: str
    min_duration_ms: int


@dataclass(frozen=True)
class RunListPage:
    """One page of runs, newest first. ``next_cursor`` is None on the last one."""

    runs: list[RunRow]
    next_cursor: str | None


@dataclass(frozen=True)
class Answer:
    """What came back, less the transport."""

    json: Any
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and the type of its answer: a type, or a function of the answer."""

    method: str
    path: str
    read: Any
    query: Params = field(default_factory=list)
    body: Any = None
    has_body: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    redirects: bool = False

    def parse(self, answer: Answer) -> T:
        """Return the answer as its type.

        Raises:
            ValueError: it is not of that type.
        """
        if isinstance(self.read, type) or hasattr(self.read, "__origin__") or self.read is Any:
            result: T = TypeAdapter(self.read).validate_python(answer.json)
            return result
        read: T = self.read(answer)
        return read


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match.group(1).upper(), name)


def query_of(values: Mapping[str, Any]) -> Params:
    """Return parameters as pairs: camelCase, None left out, lists repeated."""
    pairs: Params = []
    for name, value in values.items():
        many = isinstance(value, Iterable) and not isinstance(value, str)
        pairs += [(_camel(name), _text(item)) for item in (value if many else [value]) if item is not None]
    return pairs


def run_path(run_id: str, *rest: str) -> str:
    """Return the path of a run; a slash in its id stays one."""
    return "/".join(["runs", quote(run_id, safe="/:"), *(quote(part, safe="") for part in rest)])


def _next_cursor(link: str | None) -> str | None:
    found = re.search(r'<([^>]+)>;\s*rel="next"', link or "")
    return parse_qs(urlsplit(found.group(1)).query).get("cursor", [None])[0] if found else None


def _page(answer: Answer) -> RunListPage:
    runs = TypeAdapter(list[RunRow]).validate_python(answer.json)
    return RunListPage(runs, _next_cursor(answer.headers.get("Link")))


# -- reading ------------------------------------------------------------------------------------------------------


def list_runs(*, limit: int, cursor: str | None, filters: RunFilter) -> Call[RunListPage]:
    """``GET runs``"""
    return Call("GET", "runs", _page, query_of({**filters, "limit": limit, "cursor": cursor}))


def run_facets(*, by: str, filters: RunFilter) -> Call[list[FacetView]]:
    """``GET runs/facets``"""
    return Call("GET", "runs/facets", list[FacetView], query_of({**filters, "by": by}))


def get_run(run_id: str) -> Call[RunDetail]:
    """``GET runs/{id}``"""
    return Call("GET", run_path(run_id), RunDetail)


def run_graph(run_id: str, *, expand: Iterable[str]) -> Call[Graph]:
    """``GET runs/{id}/graph``"""
    return Call("GET", run_path(run_id, "graph"), Graph, query_of({"expand": list(expand)}))


def get_step(run_id: str, seq: int) -> Call[StepView]:
    """``GET runs/{id}/steps/{seq}``"""
    return Call("GET", run_path(run_id, "steps", str(seq)), StepView)


def get_payload(run_id: str, name: PayloadName) -> Call[Json]:
    """``GET runs/{id}/payload/{name}``"""
    return Call("GET", run_path(run_id, "payload", name), Any)


def get_payload_text(run_id: str, name: PayloadName) -> Call[str]:
    """``GET runs/{id}/payload/{name}?raw=true``"""
    return Call("GET", run_path(run_id, "payload", name), lambda answer: answer.text, query_of({"raw": True}))


def list_events(run_id: str) -> Call[list[PublishedView]]:
    """``GET runs/{id}/events``"""
    return Call("GET", run_path(run_id, "events"), list[PublishedView])


def get_event(run_id: str, key: str) -> Call[Json]:
    """``GET runs/{id}/events/{key}``"""
    return Call("GET", run_path(run_id, "events") + "/" + quote(key, safe="/"), Any)


def list_workers() -> Call[list[WorkerGroup]]:
    """``GET workers``"""
    return Call("GET", "workers", list[WorkerGroup])


def list_executors() -> Call[list[ExecutorView]]:
    """``GET executors``"""
    return Call("GET", "executors", list[ExecutorView])


def list_schedules() -> Call[list[ScheduleView]]:
    """``GET schedules``"""
    return Call("GET", "schedules", list[ScheduleView])


def get_topology() -> Call[Topology]:
    """``GET topology``"""
    return Call("GET", "topology", Topology)


def run_of_trace(trace_id: str) -> Call[str]:
    """``GET trace/{traceId}``: the id of the run whose trace it is."""

    def read(answer: Answer) -> str:
        return unquote(urlsplit(answer.headers["Location"]).path.rpartition("/runs/")[2])

    return Call("GET", "trace/" + quote(trace_id, safe=""), read, redirects=True)


def get_config() -> Call[ConfigView]:
    """``GET config``"""
    return Call("GET", "config", ConfigView)


def get_health() -> Call[HealthView]:
    """``GET health``"""
    return Call("GET", "health", HealthView)


def get_metrics() -> Call[str]:
    """``GET metrics``"""
    return Call("GET", "metrics", lambda answer: answer.text)


def get_openapi() -> Call[dict[str, Any]]:
    """``GET openapi.json``"""
    return Call("GET", "openapi.json", dict[str, Any])


def audit(*, run: str | None, before: int | None, limit: int) -> Call[list[AuditView]]:
    """``GET audit``"""
    return Call("GET", "audit", list[AuditView], query_of({"run": run, "before": before, "limit": limit}))


def undo(run_id: str) -> Call[UndoView]:
    """``GET runs/{id}/undo``"""
    return Call("GET", run_path(run_id, "undo"), UndoView)


def bulk_status(bulk_id: str) -> Call[BulkStatus]:
    """``GET bulk/{id}``"""
    return Call("GET", "bulk/" + quote(bulk_id, safe="/:"), BulkStatus)


# -- acting -------------------------------------------------------------------------------------------------------


def _post(path: str, read: Any, body: Mapping[str, Any] | None = None, **options: Any) -> Call[Any]:
    kept = None if body is None else {_camel(name): value for name, value in body.items() if value is not None}
    return Call("POST", path, read, body=kept, has_body=body is not None, **options)


def _message(path: str, read: Any, message: Json, idempotency_key: str | None) -> Call[Any]:
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    return Call("POST", path, read, body=message, has_body=True, headers=headers)


def start_run(
    workflow: str, input_: Json, *, run_id: str | None, queue: str | None, attributes: Mapping[str, Json] | None
) -> Call[NewRun]:
    """``POST runs``"""
    body = {"workflow": workflow, "input": input_, "run_id": run_id, "queue": queue, "attributes": attributes}
    return _post("runs", NewRun, body)


def retry(run_id: str, *, queue: str | None) -> Call[ActionAnswer]:
    """``POST runs/{id}/retry``"""
    return _post(run_path(run_id, "retry"), ActionAnswer, {"queue": queue})


def cancel(run_id: str, *, compensate: bool, children: bool) -> Call[ActionAnswer]:
    """``POST runs/{id}/cancel``"""
    query = query_of({"compensate": compensate or None, "children": children or None})
    return _post(run_path(run_id, "cancel"), ActionAnswer, query=query)


def continue_run(run_id: str) -> Call[ActionAnswer]:
    """``POST runs/{id}/continue``"""
    return _post(run_path(run_id, "continue"), ActionAnswer)


def redispatch(run_id: str, *, force: bool) -> Call[RedispatchAnswer]:
    """``POST runs/{id}/redispatch``"""
    return _post(run_path(run_id, "redispatch"), RedispatchAnswer, {"force": force})


def retry_with_input(run_id: str, input_: Json) -> Call[NewRun]:
    """``POST runs/{id}/retry-with-input``"""
    return _message(run_path(run_id, "retry-with-input"), NewRun, {"input": input_}, None)


def fork(run_id: str, from_seq: int) -> Call[NewRun]:
    """``POST runs/{id}/fork``"""
    return _post(run_path(run_id, "fork"), NewRun, {"from_seq": from_seq})


def send_signal(run_id: str, topic: str, message: Json, *, idempotency_key: str | None) -> Call[ActionAnswer]:
    """``POST runs/{id}/signals/{topic}``"""
    path = run_path(run_id, "signals") + "/" + quote(topic, safe="/")
    return _message(path, ActionAnswer, message, idempotency_key)


def send_update(run_id: str, name: str, argument: Json, *, idempotency_key: str | None) -> Call[UpdateAnswer]:
    """``POST runs/{id}/updates/{name}``"""
    path = run_path(run_id, "updates") + "/" + quote(name, safe="/")
    return _message(path, UpdateAnswer, argument, idempotency_key)


def deliver_webhook(token: str, body: Json) -> Call[WebhookAnswer]:
    """``POST webhooks/{token}``"""
    return _message("webhooks/" + quote(token, safe=""), WebhookAnswer, body, None)


def bulk_action(
    action: Literal["retry", "cancel"],
    *,
    dry_run: bool,
    bound_ms: int | None,
    ids: Iterable[str] | None,
    bulk_id: str | None,
    options: Mapping[str, Any],
    filters: RunFilter,
) -> Call[BulkAnswer]:
    """``POST bulk/{retry,cancel}``"""
    query = query_of({**filters, **options, "dry_run": dry_run or None})
    body = {"bound_ms": bound_ms, "ids": None if ids is None else list(ids), "bulk_id": bulk_id}
    return _post(f"bulk/{action}", BulkAnswer, body, query=query)


def switch_schedule(name: str, action: Literal["pause", "resume"]) -> Call[ScheduleAnswer]:
    """``POST schedules/{name}/{pause,resume}``"""
    return _post(f"schedules/{quote(name, safe='/')}/{action}", ScheduleAnswer)


def trigger_schedule(name: str) -> Call[NewRun]:
    """``POST schedules/{name}/trigger``"""
    return _post(f"schedules/{quote(name, safe='/')}/trigger", NewRun)
