"""Workers, executors, schedules and topology."""

from __future__ import annotations

from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read import fleet, topology
from dashboard.read import versions as reading
from dashboard.wire.fleet import (
    ExecutorView,
    ScheduleView,
    Topology,
    VersionView,
    WorkerGroup,
)

routes = RouteTable()


@routes.get("workers", summary="Worker groups and their backlog", answers={200: list[WorkerGroup]}, tag="fleet")
def list_workers(ctx: RequestContext) -> list[WorkerGroup]:
    """One group per queue."""
    return fleet.worker_groups(ctx.services)


@routes.get("executors", summary="Worker processes", answers={200: list[ExecutorView]}, tag="fleet")
def list_executors(ctx: RequestContext) -> list[ExecutorView]:
    """Live ones first. Only processes that report presence are known."""
    return fleet.executor_views(ctx.services)


@routes.get("schedules", summary="Cron schedules", answers={200: list[ScheduleView]}, tag="fleet")
def list_schedules(ctx: RequestContext) -> list[ScheduleView]:
    """By name."""
    return fleet.schedule_views(ctx.services)


@routes.get("topology", summary="Which workflows run where", answers={200: Topology}, tag="fleet")
def get_topology(ctx: RequestContext) -> Topology:
    """Of recent runs."""
    return topology.topology(ctx.services)


@routes.get("versions", summary="Versions of the application", answers={200: list[VersionView]}, tag="fleet")
def list_versions(ctx: RequestContext) -> list[VersionView]:
    """Newest first, each with the figures of the one before it."""
    return reading.versions(ctx.services)
