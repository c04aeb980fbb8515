"""Wire models of all that is not a run: workers, executors, schedules, topology, published values, health. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dashboard.wire.base import Json, Timestamp, Wire


class WorkerConcurrency(Wire):
    """How many runs of a queue a worker takes at once, at most; ``limit`` 0: as many as there are."""

    mode: Literal["fixed"] = "fixed"
    limit: int


class WorkerStatus(Wire):
    """How a worker does on one queue; ``inFlight`` is how many of its runs it executes now."""

    state: Literal["live"] = "live"
    concurrency: WorkerConcurrency
    in_flight: int


class WorkerInstance(Wire):
    """One live worker process of a group. ``lastBeatAt`` is in Unix milliseconds here, and only here."""

    group: str
    instance_id: str
    last_beat_at: int
    status: WorkerStatus


class WorkerGroup(Wire):
    """A queue, its backlog, and who works on it. ``presenceKnown`` is false where no executor reports presence.

    ``paused``: a limit lets nothing start; by whom, since when and why is known where it was paused here.
    """

    group: str
    depth: int
    running: int
    oldest_ms: int | None = None
    live_workers: list[WorkerInstance]
    presence_known: bool
    no_worker: bool
    concurrency: int | None = None
    worker_concurrency: int | None = None
    rate_limit_max: int | None = None
    rate_limit_period_s: float | None = None
    registered: bool
    paused: bool = False
    paused_by: str | None = None
    paused_at: Timestamp | None = None
    pause_comment: str | None = None


class InFlightView(Wire):
    """A step that an executor is executing now; without ``seq`` it is the workflow's own body."""

    run_id: str
    seq: int | None = None
    name: str
    started_at: Timestamp
    attempt: int


class ExecutorView(Wire):
    """One worker process, from presence."""

    instance_id: str
    executor_id: str
    status: Literal["live", "lost", "stopped"]
    last_beat_at: Timestamp
    started_at: Timestamp
    app_name: str | None = None
    app_version: str | None = None
    host: str | None = None
    pid: int | None = None
    sdk: str | None = None
    queues: list[str]
    workflows: list[str]
    in_flight: list[InFlightView]
    in_flight_total: int
    held_total: int = Field(
        description="What of it is of runs that the executor holds: not ended, nor put back or taken since."
    )


class VersionFigures(Wire):
    """How recent ended runs of a version did.

    ``failureShare`` is the share of failed and dead ones among those that nobody cancelled; times are of
    completed ones.
    """

    ended: int
    failure_share: float | None = None
    p50_ms: int | None = None
    p95_ms: int | None = None


class VersionView(Wire):
    """A version of the application. ``drained``: nothing is open under it, so its workers may go."""

    version: str
    first_seen_at: Timestamp
    live_executors: int
    open_runs: int
    blocked_runs: int
    drained: bool
    figures: VersionFigures
    previous: str | None = None
    previous_figures: VersionFigures | None = None


class ScheduleView(Wire):
    """A cron schedule. ``overdueMs``: one that is active and fired before should have fired again so long ago."""

    name: str
    workflow: str
    schedule: str
    active: bool
    last_fired_at: str | None = None
    next_at: Timestamp | None = None
    overdue_ms: int | None = None
    timezone: str | None = None
    queue: str | None = None


TopologyRole = Literal["workflow", "queue", "worker"]


class TopologyNode(Wire):
    """A workflow, a queue or an executor; ``role`` says the same in the words of other control planes."""

    id: str
    type: Literal["workflow", "queue", "executor"]
    role: TopologyRole
    label: str
    counts: dict[str, int]


class TopologyEdge(Wire):
    """Runs of ``source`` go through ``target``; a child's parent is its source."""

    source: str
    target: str
    count: int


class Topology(Wire):
    """Which workflows start which, through which queues, on which executors: of recent runs. ``role`` is ours."""

    role: Literal["control-plane"] = "control-plane"
    nodes: list[TopologyNode]
    edges: list[TopologyEdge]
    sampled_runs: int


class PublishedView(Wire):
    """A value that the run published."""

    key: str
    value: Json = None
    truncated: bool | None = Field(None, description="True where this is its beginning: its own route has all of it.")


class StreamView(Wire):
    """A stream that the run writes to: how many values it holds, and whether the run closed it."""

    key: str
    count: int
    closed: bool


class StreamEntryView(Wire):
    """One value of a stream, written by step ``seq``; ``closes`` is true of the entry with which the run ended it."""

    offset: int
    seq: int | None = None
    closes: bool
    value: Json = None
    truncated: bool | None = Field(None, description="True where this is the value's beginning.")


class HealthView(Wire):
    """``ok``, or ``degraded`` with sentences that say what is wrong and what to do."""

    status: Literal["ok", "degraded"]
    version: str
    store: str | None = None
    schema_version: int | None = None
    problems: list[str]
    warnings: list[str]
    viewers: int
    live_workers: int | None = None
    lost_workers: int | None = None


class PublicHealthView(Wire):
    """What a caller who is not signed in learns of the service's health, where ``public_health`` is set: no detail."""

    status: Literal["ok", "degraded"]


class ConfigView(Wire):
    """What the page needs to start: also in ``index.html`` as ``<script id="durable-config">``."""

    base: str
    api: str
    role: Literal["viewer", "operator"]
    actor: str
    trace_url: str | None = None
    version: str
    namespace: str
    title: str
    capabilities: list[str] = Field(default_factory=list)
