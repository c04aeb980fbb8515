"""Workers, executors and schedules: read from the store, ledger and presence."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from typing import Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from dashboard.read.pauses import Pause, is_paused, pauses
from dashboard.read.services import Services
from dashboard.wire.base import iso, parse_time
from dashboard.wire.fleet import (
    ExecutorView,
    InFlightView,
    ScheduleView,
    WorkerConcurrency,
    WorkerGroup,
    WorkerInstance,
    WorkerStatus,
)
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Executor
from otel_bridge.model.fleet import QueueInfo, ScheduleInfo
from otel_bridge.model.runs import ROUNDING_MS, Run
from otel_bridge.runs.presence import Presence, presence

ExecutorStatus = Literal["live", "lost", "stopped"]
STEP_AS_WORKFLOW = "<temp>."
"""How DBOS registers a step that may be called outside of a workflow: nothing that an operator would start."""
_ORDER = {"live": 0, "lost": 1, "stopped": 2}


def quoted(run_id: str) -> str:
    """Return a run id as one segment of a path."""
    return quote(run_id, safe="")


def executor_status(executor: Executor, now_ms: int) -> ExecutorStatus:
    """Say whether an executor beats, signed off, or went silent."""
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
    queues = services.store.queues()
    paused = _pauses(services) if any(map(is_paused, queues)) else {}
    return [_group(queue, seen, now_ms, paused.get(queue.name)) for queue in queues]


def _pauses(services: Services) -> dict[str, Pause]:
    """Return who paused which queue; nothing, where the ledger cannot be read."""
    ledger = services.ledger_or_none()
    try:
        return {} if ledger is None else pauses(ledger)
    except LedgerError:
        return {}


def _group(queue: QueueInfo, seen: Presence, now_ms: int, pause: Pause | None) -> WorkerGroup:
    workers = [
        WorkerInstance(
            group=queue.name,
            instance_id=e.instance_id,
            last_beat_at=e.beat_at_ms,
            status=WorkerStatus(
                concurrency=WorkerConcurrency(limit=queue.worker_concurrency or queue.concurrency or 0),
                in_flight=e.busy.get(queue.name, 0),
            ),
        )
        for e in seen.live
        if works_on(e, queue.name)
    ]
    paused = is_paused(queue)
    told = pause if paused else None  # one that an application lifted, until the caretaker puts it back
    oldest_ms = None if queue.oldest_created_at_ms is None else max(0, now_ms - queue.oldest_created_at_ms)
    return WorkerGroup(
        group=queue.name,
        depth=queue.depth,
        running=queue.running,
        oldest_ms=oldest_ms,
        live_workers=workers,
        presence_known=seen.known,
        no_worker=seen.known and queue.depth > 0 and not workers,
        concurrency=queue.concurrency,
        worker_concurrency=queue.worker_concurrency,
        rate_limit_max=queue.rate_limit_max,
        rate_limit_period_s=queue.rate_limit_period_s,
        registered=queue.registered,
        paused=paused,
        paused_by=told.by if told is not None else None,
        paused_at=iso(told.at_ms) if told is not None else None,
        pause_comment=told.comment if told is not None else None,
    )


def executor_views(services: Services) -> list[ExecutorView]:
    """Return worker processes: live, then lost, then those that signed off; the last beat first."""
    seen = presence(*services.ledger.executors_now())  # a ledger that cannot be read is said, not shown as nobody
    visible = services.visible_ids(list({step.run_id for executor in seen.executors for step in executor.in_flight}))
    left = services.store.get_runs(list({step.run_id for executor in seen.lost for step in executor.in_flight}))
    views = [
        _executor_view(executor, executor_status(executor, seen.now_ms), visible, held=_held(executor, left, seen))
        for executor in seen.executors
    ]
    views.sort(key=lambda view: view.last_beat_at, reverse=True)
    views.sort(key=lambda view: _ORDER[view.status])
    return views


def _held(executor: Executor, left: Mapping[str, Run], seen: Presence) -> int:
    """Return how much of what was in flight is of runs that the executor holds; all of it, while it is alive."""
    if executor in seen.live:
        return executor.in_flight_total
    gone = sum(not is_held(left.get(step.run_id), executor) for step in executor.in_flight)
    return max(0, executor.in_flight_total - gone)


def is_held(run: Run | None, executor: Executor) -> bool:
    """Say whether a lost executor still holds a run that it executed: it has not ended, nor been put back or taken."""
    if run is None or run.is_terminal or run.is_queued or run.executor != executor.executor_id:
        return False
    return run.started_at_ms is None or run.started_at_ms <= executor.beat_at_ms + ROUNDING_MS


def _executor_view(executor: Executor, status: ExecutorStatus, visible: Collection[str], *, held: int) -> ExecutorView:
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
            if step.run_id in visible
        ],
        in_flight_total=executor.in_flight_total,
        held_total=held,
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
            overdue_ms=overdue_ms(item, now_ms) if item.active else None,
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


def overdue_ms(schedule: ScheduleInfo, now_ms: int) -> int | None:
    """Return how long ago a schedule that fired before should have fired again; None where it need not have."""
    if schedule.last_fired_at is None:
        return None
    try:
        following = next_time(schedule, parse_time(schedule.last_fired_at))
    except ValueError:
        return None
    if following is None:
        return None
    late = now_ms - parse_time(following)
    return late if late > 0 else None
