"""Wire models: the one source of shapes, validation and OpenAPI. Pure: no clock, file, socket or database.

JSON is camelCase, times are ISO 8601 UTC with milliseconds, durations end in ``Ms``. A field that is None is
left out of the answer; inside payloads (``Json``) nulls are kept. See ``dashboard.views`` for who fills them.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, WithJsonSchema
from pydantic.alias_generators import to_camel

from otel_bridge.model.events import EventType
from otel_bridge.model.runs import WaitingOn
from otel_bridge.model.status import RunStatus
from otel_bridge.model.steps import StepKind, StepStatus

Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""ISO 8601 UTC with milliseconds, ``2026-01-31T12:00:00.000Z``; made by ``iso``."""

Json = Any
"""A payload: any JSON value."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def iso(ms: int | None) -> str | None:
    """Return Unix milliseconds as the wire's timestamp; None stays None. Out of range is clamped to year 9999."""
    if ms is None:
        return None
    try:
        return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"
    except OverflowError:
        return "9999-12-31T23:59:59.999Z" if ms > 0 else "0001-01-01T00:00:00.000Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """Return a second as ISO 8601. Kept, for the times of a page lie close together."""
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").zfill(19)


def parse_time(text: str) -> int:
    """Return a query's time in Unix milliseconds: ISO 8601 (UTC when it names no zone) or Unix milliseconds.

    Raises:
        ValueError: it is neither.
    """
    if text.isascii() and text.isdigit():
        return int(text)
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace("z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


class Wire(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, serialize_by_alias=True)


class Body(BaseModel):
    """Base of every request body: unknown members are refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Query(BaseModel):
    """Base of every query string: unknown parameters are refused. List fields take repeats."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class NoQuery(Query):
    """A route that takes no query parameter."""


class ProblemDocument(Wire):
    """RFC 9457. ``detail`` says what was wrong and what to do."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str


# -- parts ----------------------------------------------------------------------------------------------------


class WaitingView(Wire):
    """What a suspended or pending run waits for."""

    on: WaitingOn
    name: str | None = None
    since: Timestamp
    until: Timestamp | None = None
    seq: int | None = None


class ErrorView(Wire):
    """An error as people read it."""

    message: str
    type: str | None = None
    code: str | None = None
    stack: str | None = None


class Truncated(Wire):
    """Some payloads were cut. ``bytes`` is the whole size of the largest; ``fields`` names the cut ones."""

    bytes: int
    fields: list[str]


# -- runs -----------------------------------------------------------------------------------------------------


class RunRow(Wire):
    """One run, as listed."""

    id: str
    workflow: str
    workflow_version: str | None = None
    status: RunStatus
    waiting: WaitingView | None = None
    wake_at: Timestamp | None = None
    queue: str | None = None
    executor: str | None = None
    recovery_attempts: int
    tags: list[str]
    search_attributes: dict[str, Json]
    namespace: str | None = None
    parent_id: str | None = None
    forked_from: str | None = None
    schedule: str | None = None
    dead_letter_id: str | None = None
    dead_run_id: str | None = None
    undo_id: str | None = None
    undoes_id: str | None = None
    created_at: Timestamp
    started_at: Timestamp | None = None
    updated_at: Timestamp
    finished_at: Timestamp | None = None
    duration_ms: int | None = None
    queue_ms: int | None = None
    trace_id: str


class RunView(RunRow):
    """A run with its payloads, which may be cut (``truncated``)."""

    input: Json = None
    output: Json = None
    error: ErrorView | None = None
    truncated: Truncated | None = None
    trace_url: str | None = None
    payload_formats: dict[str, str] | None = None
    payload_problems: dict[str, str] | None = None


class StepView(Wire):
    """A step of a timeline. A compensation has a negative ``seq`` (-1 is undone first) and ``compensates``."""

    run_id: str
    seq: int
    name: str
    kind: StepKind
    status: StepStatus
    step_id: str
    worker_group: str | None = None
    executor: str | None = None
    attempts: int
    enqueued_at: Timestamp | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    duration_ms: int | None = None
    queue_ms: int | None = None
    child_run_id: str | None = None
    parallel_group: int | None = None
    housekeeping: bool
    wake_at: Timestamp | None = None
    waits_on: WaitingOn | None = None
    compensates: int | None = None
    input: Json = None
    output: Json = None
    error: ErrorView | None = None
    truncated: Truncated | None = None
    payload_formats: dict[str, str] | None = None
    payload_problems: dict[str, str] | None = None
    span_id: str


class Lineage(Wire):
    """Where a run came from and what became of it."""

    parent: RunRow | None = None
    forked_from: RunRow | None = None
    forks: list[RunRow]
    dead_run: RunRow | None = None
    dead_letter: RunRow | None = None
    undo: RunRow | None = None
    undoes: RunRow | None = None


class RunDetail(Wire):
    """A run, its steps by ``seq`` (compensations last), the runs it started, and its relatives."""

    run: RunView
    timeline: list[StepView]
    children: list[RunRow]
    lineage: Lineage


class FacetView(Wire):
    """How many runs of the filter have this status (and workflow). ``exact`` is false when counting was cut short."""

    status: RunStatus
    workflow: str | None = None
    count: int
    exact: bool


# -- graph ----------------------------------------------------------------------------------------------------


class GraphNode(Wire):
    """A box of the graph, placed by the server (pixels from the top left corner; time grows with ``x``).

    ``join`` is a dot where branches meet. A ``group`` stands for the ``count`` like steps ``seqs``; expanded
    (``?expand=<id>``) it is a frame, and its steps are nodes in it that have its id as ``groupId``.
    """

    id: str
    type: Literal["start", "end", "step", "group", "join"]
    label: str
    x: float
    y: float
    width: float
    height: float
    seq: int | None = None
    kind: StepKind | None = None
    status: str
    worker_group: str | None = None
    child_run_id: str | None = None
    duration_ms: int | None = None
    queue_ms: int | None = None
    started_at: Timestamp | None = None
    wake_at: Timestamp | None = None
    waits_on: WaitingOn | None = None
    housekeeping: bool = False
    compensates: int | None = None
    parallel_group: int | None = None
    count: int | None = None
    by_status: dict[str, int] | None = None
    seqs: list[int] | None = None
    expanded: bool | None = None
    group_id: str | None = None


class GraphEdge(Wire):
    """An arrow: ``source`` happened before ``target``."""

    id: str
    source: str
    target: str
    kind: Literal["next", "fan-out", "fan-in", "undo"] = "next"


class Graph(Wire):
    """A run as nodes and edges, laid out left to right; ``width`` and ``height`` bound it."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]
    width: float
    height: float


# -- the live tail ----------------------------------------------------------------------------------------------


class EventView(Wire):
    """One lifecycle event. ``run`` is the run's row after it; ``step`` the step it is about."""

    id: int
    type: EventType
    run_id: str
    workflow: str
    seq: int | None = None
    name: str | None = None
    kind: StepKind | None = None
    duration_ms: int | None = None
    queue_ms: int | None = None
    error: ErrorView | None = None
    at: Timestamp
    run: RunRow | None = None
    step: StepView | None = None


class RunSnapshot(Wire):
    """First message of a run's stream."""

    type: Literal["snapshot"] = "snapshot"
    id: int
    detail: RunDetail


class ListSnapshot(Wire):
    """First message of the list's stream: the newest runs of its filter."""

    type: Literal["snapshot"] = "snapshot"
    id: int
    runs: list[RunRow]


class Changed(Wire):
    """A run changed in a way that no lifecycle event names (a child was enqueued, nobody is there to run it)."""

    type: Literal["changed"] = "changed"
    id: int
    run_id: str
    run: RunRow


class Heartbeat(Wire):
    """Sent when nothing else was. ``problem`` says why nothing can be known now."""

    type: Literal["heartbeat"] = "heartbeat"
    id: int
    problem: str | None = None
