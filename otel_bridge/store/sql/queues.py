"""Queues with their backlog, and schedules."""

from __future__ import annotations

from otel_bridge.model.fleet import QueueInfo, ScheduleInfo
from otel_bridge.store.sql.conditions import status_term
from otel_bridge.store.sql.session import Reader


def queues(reader: Reader) -> list[QueueInfo]:
    """Return every queue that is registered or that an unfinished run waits on, by name."""
    schema = reader.schema()
    table = schema.table("workflow_status")
    loads: dict[str, dict[str, tuple[int, int]]] = {}
    if schema.has("workflow_status", "queue_name"):
        for status in ("ENQUEUED", "PENDING"):
            for name, count, oldest in reader.rows(
                f"SELECT w.queue_name, count(*), min(w.created_at) FROM {table} w "
                f"WHERE {status_term(status)} AND w.status IN ('ENQUEUED', 'PENDING') AND w.queue_name IS NOT NULL "
                "GROUP BY w.queue_name"
            ):
                loads.setdefault(name, {})[status] = (count, oldest)
    registered = {}
    if schema.has("queues", "name"):
        wanted = (
            "concurrency",
            "worker_concurrency",
            "rate_limit_max",
            "rate_limit_period_sec",
            "polling_interval_sec",
            "partition_queue",  # written by engines before 3.3; later ones mean any of the limits per partition
            "partition_concurrency",
            "partition_worker_concurrency",
            "partition_rate_limit_max",
        )
        columns = ", ".join(schema.column("queues", name, alias="q") for name in wanted)
        registered = {
            row[0]: row[1:] for row in reader.rows(f"SELECT q.name, {columns} FROM {schema.table('queues')} q")
        }
    found = []
    for name in sorted({*loads, *registered}):
        load = loads.get(name, {})
        limits = registered.get(name, (None,) * 9)
        found.append(
            QueueInfo(
                name=name,
                depth=load.get("ENQUEUED", (0, 0))[0],
                running=load.get("PENDING", (0, 0))[0],
                oldest_created_at_ms=load["ENQUEUED"][1] if "ENQUEUED" in load else None,
                concurrency=limits[0],
                worker_concurrency=limits[1],
                rate_limit_max=limits[2],
                rate_limit_period_s=limits[3],
                polling_interval_s=limits[4],
                registered=name in registered,
                partitioned=bool(limits[5]) or any(limit is not None for limit in limits[6:]),
            )
        )
    return found


def schedules(reader: Reader) -> list[ScheduleInfo]:
    """Return the engine's schedules, by name."""
    schema = reader.schema()
    if not schema.has("workflow_schedules", "schedule_name"):
        return []
    wanted = ("last_fired_at", "cron_timezone", "queue_name")
    optional = ", ".join(schema.column("workflow_schedules", name, alias="s") for name in wanted)
    status = schema.column("workflow_schedules", "status", alias="s", otherwise="'ACTIVE'")
    rows = reader.rows(
        f"SELECT s.schedule_name, s.workflow_name, s.schedule, {status}, {optional} "
        f"FROM {schema.table('workflow_schedules')} s ORDER BY s.schedule_name"
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
