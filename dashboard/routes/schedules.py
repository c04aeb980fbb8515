"""Pause, resume and trigger schedules."""

from __future__ import annotations

from dashboard.actions import starting
from dashboard.errors import NotFound
from dashboard.http.routing import Reply, RequestContext, RouteTable
from dashboard.routes.answers import actions_of, idempotency_key, started
from dashboard.wire.actions import (
    NewRun,
    ScheduleAnswer,
)

routes = RouteTable()


@routes.post(
    "schedules/<path:name>/<any(pause, resume):action>",
    summary="Pause or resume a schedule",
    answers={200: ScheduleAnswer},
    problems=(404,),
    tag="schedules",
)
def switch_schedule(ctx: RequestContext, *, name: str, action: str) -> ScheduleAnswer:
    """A paused schedule fires no more until it is resumed."""
    switch = starting.pause_schedule if action == "pause" else starting.resume_schedule
    switch(actions_of(ctx), name, actor=ctx.actor.name)
    active = next((s.active for s in ctx.store.schedules() if s.name == name), None)
    if active is None:
        raise NotFound(f"There is no schedule {name[:200]!r}.")
    return ScheduleAnswer(name=name, active=active)


@routes.post(
    "schedules/<path:name>/trigger",
    summary="Start a schedule's run now",
    answers={201: NewRun},
    problems=(404, 409),
    tag="schedules",
)
def trigger_schedule(ctx: RequestContext, *, name: str) -> Reply:
    """Also while it is paused. With an ``Idempotency-Key`` header a repeat starts one run."""
    outcome = starting.trigger_schedule(actions_of(ctx), name, actor=ctx.actor.name, key=idempotency_key(ctx))
    return started(ctx, outcome)
