"""Workers, executors, schedules, topology, traces, health and metrics: read from the store, ledger and presence."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from dashboard.actor import Actor
from dashboard.errors import BadRequest, NotFound
from dashboard.read.services import Services
from dashboard.wire.base import iso
from dashboard.wire.fleet import (
    ConfigView,
    ExecutorView,
    HealthView,
    InFlightView,
    ScheduleView,
    Topology,
    TopologyEdge,
    TopologyNode,
    WorkerGroup,
    WorkerInstance,
)
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Executor
from otel_bridge.model.fleet import QueueInfo, ScheduleInfo
from otel_bridge.model.runs import RunQuery
from otel_bridge.spans import ids

ExecutorStatus = Literal["live", "lost", "stopped"]
TOPOLOGY_RUNS = 500
STEP_AS_WORKFLOW = "<temp>."
"""How DBOS registers a step that may be called outside of a workflow: nothing that an operator would start."""
TRACE_SEARCH_PAGES = 8
_ORDER = {"live": 0, "lost": 1, "stopped": 2}


def package_version() -> str:
    """Return this distribution's version."""
    try:
        return version("durable-dashboard")
    except PackageNotFoundError:
        return "0"


def quoted(run_id: str) -> str:
    """Return a run id as one segment of a path."""
    return quote(run_id, safe="")


def executor_status(executor: Executor, now_ms: int) -> ExecutorStatus:
    """Say whether an executor beats, said goodbye, or went silent."""
    if executor.is_live(now_ms):
        return "live"
    return "stopped" if executor.stopped else "lost"


def works_on(executor: Executor, queue: str) -> bool:
    """Say whether an executor takes runs from a queue: all of them, where it names none."""
    return not executor.queues or queue in executor.queues


def worker_groups(services: Services) -> list[WorkerGroup]:
    """Return every queue with its backlog and workers. No worker is an alarm only where something waits."""
    now_ms = services.store.now_ms()
    seen = services.presence()
    executors = services.executors()
    return [_group(queue, executors, seen.now_ms, now_ms, known=seen.known) for queue in services.store.queues()]


def _group(queue: QueueInfo, executors: list[Executor], beat_now_ms: int, now_ms: int, *, known: bool) -> WorkerGroup:
    workers = [
        WorkerInstance(instance_id=e.instance_id, last_beat_at=iso(e.beat_at_ms) or "", status="live")
        for e in executors
        if e.is_live(beat_now_ms) and works_on(e, queue.name)
    ]
    oldest_ms = None if queue.oldest_created_at_ms is None else max(0, now_ms - queue.oldest_created_at_ms)
    return WorkerGroup(
        group=queue.name,
        depth=queue.depth,
        running=queue.running,
        oldest_ms=oldest_ms,
        live_workers=workers,
        presence_known=known,
        no_worker=known and queue.depth > 0 and not workers,
        concurrency=queue.concurrency,
        worker_concurrency=queue.worker_concurrency,
        rate_limit_max=queue.rate_limit_max,
        rate_limit_period_s=queue.rate_limit_period_s,
        registered=queue.registered,
    )


def executor_views(services: Services) -> list[ExecutorView]:
    """Return worker processes: live, then lost, then those that said goodbye; the last beat first."""
    now_ms = services.presence().now_ms
    views = [_executor_view(executor, executor_status(executor, now_ms)) for executor in services.ledger.executors()]
    views.sort(key=lambda view: view.last_beat_at, reverse=True)
    views.sort(key=lambda view: _ORDER[view.status])
    return views


def _executor_view(executor: Executor, status: ExecutorStatus) -> ExecutorView:
    return ExecutorView(
        instance_id=executor.instance_id,
        executor_id=executor.executor_id,
        status=status,
        last_beat_at=iso(executor.beat_at_ms) or "",
        started_at=iso(executor.started_at_ms) or "",
        app_name=executor.app_name,
        app_version=executor.app_version,
        host=executor.host,
        pid=executor.pid,
        sdk=executor.sdk,
        queues=list(executor.queues),
        workflows=[name for name in executor.workflows if not name.startswith(STEP_AS_WORKFLOW)],
        in_flight=[
            InFlightView(
                run_id=step.run_id,
                seq=step.seq,
                name=step.name,
                started_at=iso(step.started_at_ms) or "",
                attempt=step.attempt,
            )
            for step in executor.in_flight
        ],
        in_flight_total=executor.in_flight_total,
    )


def schedule_views(services: Services) -> list[ScheduleView]:
    """Return the cron schedules, each with its next time while it is active."""
    now_ms = services.store.now_ms()
    return [
        ScheduleView(
            name=item.name,
            workflow=item.workflow,
            schedule=item.schedule,
            active=item.active,
            last_fired_at=item.last_fired_at,
            next_at=next_time(item, now_ms) if item.active else None,
            timezone=item.timezone,
            queue=item.queue,
        )
        for item in services.store.schedules()
    ]


def next_time(schedule: ScheduleInfo, now_ms: int) -> str | None:
    """Return when a schedule fires next, read as the engine reads it; None where the engine could not either."""
    try:
        zone = ZoneInfo(schedule.timezone) if schedule.timezone else timezone.utc
        now = datetime.fromtimestamp(now_ms / 1000, zone)
        following = croniter(schedule.schedule, now, second_at_beginning=True).get_next(datetime)
    except (ValueError, ZoneInfoNotFoundError):
        return None
    return iso(int(following.timestamp() * 1000))


def topology(services: Services) -> Topology:
    """Return which workflows start which, through which queues, on which executors, among the newest runs."""
    runs = services.store.list_runs(RunQuery(limit=TOPOLOGY_RUNS)).runs
    workflow_of = {run.id: run.workflow for run in runs}
    counts: dict[tuple[Literal["workflow", "queue", "executor"], str], Counter[str]] = {}
    edges: Counter[tuple[str, str]] = Counter()
    for run in runs:
        counts.setdefault(("workflow", run.workflow), Counter())[run.status] += 1
        through = f"workflow:{run.workflow}"
        if run.queue is not None:
            counts.setdefault(("queue", run.queue), Counter())[run.status] += 1
            edges[through, f"queue:{run.queue}"] += 1
            through = f"queue:{run.queue}"
        if run.executor:
            counts.setdefault(("executor", run.executor), Counter())[run.status] += 1
            edges[through, f"executor:{run.executor}"] += 1
        if run.parent_id in workflow_of:
            edges[f"workflow:{workflow_of[run.parent_id]}", f"workflow:{run.workflow}"] += 1
    return Topology(
        nodes=[
            TopologyNode(id=f"{kind}:{name}", type=kind, label=name, counts=dict(by_status))
            for (kind, name), by_status in sorted(counts.items())
        ],
        edges=[TopologyEdge(source=a, target=b, count=count) for (a, b), count in sorted(edges.items())],
        sampled_runs=len(runs),
    )


def run_of_trace(services: Services, trace_id: str) -> str:
    """Return the run whose trace this is: as the ledger remembers, else by hashing the ids of recent runs.

    Raises:
        BadRequest: not a trace id.
        NotFound: no such run among those remembered and the newest few thousand.
    """
    wanted = trace_id.lower()
    if not re.fullmatch(r"[0-9a-f]{32}", wanted):
        raise BadRequest(f"{trace_id[:80]!r} is not a trace id: 32 hexadecimal digits are.")
    try:
        remembered = services.ledger.run_of_trace(wanted)
    except LedgerError:
        remembered = None
    if remembered is not None:
        return remembered
    namespace, cursor = services.settings.namespace, None
    for _ in range(TRACE_SEARCH_PAGES):
        page = services.store.list_runs(RunQuery(limit=500, cursor=cursor))
        for run in page.runs:
            if ids.trace_id(run.id, namespace=namespace).hex() == wanted:
                return ids.traced_run_id(run.id)
        cursor = page.next_cursor
        if cursor is None:
            break
    raise NotFound(
        f"No run of trace {wanted} is remembered, nor among the newest runs. "
        "Does the bridge use the same namespace setting as this dashboard?"
    )


def config(services: Services, actor: Actor, base: str) -> ConfigView:
    """Return what the page needs to start."""
    settings = services.settings
    capabilities = ["runs", "graph", "stream", "workers", "executors", "schedules", "topology"]
    if services.acts:
        capabilities += ["undo", "bulk", "audit"]
        capabilities += ["actions"] if actor.role == "operator" else []
    return ConfigView(
        base=base,
        api=f"{base}/api",
        role=actor.role,
        actor=actor.name,
        trace_url=services.trace_template,
        version=package_version(),
        namespace=settings.namespace,
        title=settings.title,
        capabilities=capabilities,
    )


def health(services: Services) -> HealthView:
    """Look at the store, the ledger and the workers.

    Raises:
        StoreError: the store cannot be read; routing answers 503.
    """
    info = services.store.check()
    problems: list[str] = []
    live = lost = None
    try:
        now_ms = services.ledger.now_ms()
        statuses = Counter(executor_status(executor, now_ms) for executor in services.ledger.executors())
        live, lost = statuses["live"], statuses["lost"]
    except LedgerError as error:
        problems.append(f"The ledger cannot be read, so presence, retry counts and the audit log are missing: {error}")
    return HealthView(
        status="degraded" if problems else "ok",
        version=package_version(),
        store=info.target,
        schema_version=info.schema_version,
        problems=problems,
        warnings=list(info.warnings),
        viewers=services.viewers(),
        live_workers=live,
        lost_workers=lost,
    )
