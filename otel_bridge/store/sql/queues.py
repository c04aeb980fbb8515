"""Queues with their backlog, and schedules."""

from __future__ import annotations

from dataclasses import replace

from otel_bridge.model.fleet import QueueInfo, ScheduleInfo
from otel_bridge.model.status import ENGINE_IN_FLIGHT, ENGINE_QUEUED
from otel_bridge.store.cells import plain
from otel_bridge.store.sql.conditions import sql_list, status_term
from otel_bridge.store.sql.session import Reader, Row
from otel_bridge.store.sql.statement import OPEN_RUNS, Statement

BACKLOG_BY_QUEUE = Statement("backlog_by_queue", "How much waits and runs on each queue, and since when.", OPEN_RUNS)
REGISTERED_QUEUES = Statement("registered_queues", "The queues with their limits: a row for each.", ())
SCHEDULES = Statement("schedules", "The cron schedules: a row for each.", ())


LIMITS = ("concurrency", "worker_concurrency", "rate_limit_max", "rate_limit_period_sec", "polling_interval_sec")
PARTITION_LIMITS = (
    "partition_queue",  # written by engines before 3.3; later ones mean any of the limits per partition
    "partition_concurrency",
    "partition_worker_concurrency",
    "partition_rate_limit_max",
)


def queues(reader: Reader, *, backlog: bool) -> list[QueueInfo]:
    """Return every queue that is registered or, with ``backlog``, that an unfinished run waits on, by name."""
    found = _registered(reader)
    for status in ENGINE_IN_FLIGHT if backlog else ():
        for name, count, oldest in _backlog(reader, status):
            known = found.get(name) or _queue(name, registered=False)
            if status == ENGINE_QUEUED:
                found[name] = replace(known, depth=count, oldest_created_at_ms=oldest)
            else:
                found[name] = replace(known, running=count)
    return [found[name] for name in sorted(found)]


def _queue(name: str, *, registered: bool) -> QueueInfo:
    return QueueInfo(name=name, depth=0, running=0, oldest_created_at_ms=None, registered=registered)


def _backlog(reader: Reader, status: str) -> list[Row]:
    """Return each queue's name, how many of its runs have this status, and when the first of them was created."""
    schema = reader.schema()
    if not schema.has("workflow_status", "queue_name"):
        return []
    return reader.read(
        BACKLOG_BY_QUEUE,
        f"SELECT w.queue_name, count(*), min(w.created_at) FROM {schema.table('workflow_status')} w "
        f"WHERE {status_term(status)} AND w.status IN {sql_list(ENGINE_IN_FLIGHT)} AND w.queue_name IS NOT NULL "
        "GROUP BY w.queue_name",
    )


def _registered(reader: Reader) -> dict[str, QueueInfo]:
    schema = reader.schema()
    if not schema.has("queues", "name"):
        return {}
    columns = ", ".join(schema.column("queues", name, alias="q") for name in (*LIMITS, *PARTITION_LIMITS))
    rows = reader.read(REGISTERED_QUEUES, f"SELECT q.name, {columns} FROM {schema.table('queues')} q")
    return {
        name: replace(
            _queue(name, registered=True),
            concurrency=concurrency,
            worker_concurrency=worker_concurrency,
            rate_limit_max=rate_limit_max,
            rate_limit_period_s=rate_limit_period_s,
            polling_interval_s=polling_interval_s,
            partitioned=bool(partition[0]) or any(limit is not None for limit in partition[1:]),
        )
        for (
            name,
            concurrency,
            worker_concurrency,
            rate_limit_max,
            rate_limit_period_s,
            polling_interval_s,
            *partition,
        ) in map(plain, rows)
    }


def schedules(reader: Reader) -> list[ScheduleInfo]:
    """Return the engine's schedules, by name."""
    schema = reader.schema()
    if not schema.has("workflow_schedules", "schedule_name"):
        return []
    wanted = ("last_fired_at", "cron_timezone", "queue_name")
    optional = ", ".join(schema.column("workflow_schedules", name, alias="s") for name in wanted)
    status = schema.column("workflow_schedules", "status", alias="s", otherwise="'ACTIVE'")
    rows = reader.read(
        SCHEDULES,
        f"SELECT s.schedule_name, s.workflow_name, s.schedule, {status}, {optional} "
        f"FROM {schema.table('workflow_schedules')} s ORDER BY s.schedule_name",
    )
    return [
        ScheduleInfo(
            name=name,
            workflow=workflow,
            schedule=cron,
            active=state == "ACTIVE",
            last_fired_at=fired,
            timezone=zone,
            queue=queue,
        )
        for name, workflow, cron, state, fired, zone, queue in rows
    ]
