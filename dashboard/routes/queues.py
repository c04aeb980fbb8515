"""Pause and resume queues."""

from __future__ import annotations

from dashboard.actions import queues
from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read.pauses import is_paused
from dashboard.routes.answers import actions_of
from dashboard.wire.actions import PauseQueueBody, QueueAnswer

routes = RouteTable()


@routes.post(
    "queues/<path:name>/pause",
    summary="Pause a queue",
    body=PauseQueueBody,
    answers={200: QueueAnswer},
    problems=(404, 409),
    tag="fleet",
)
def pause_queue(ctx: RequestContext, *, body: PauseQueueBody, name: str) -> QueueAnswer:
    """Runs stop starting from it until it is resumed. Runs in progress continue; runs put on it wait."""
    queues.pause_queue(actions_of(ctx), name, actor=ctx.actor.name, comment=body.comment)
    return _answer(ctx, name, ())


@routes.post(
    "queues/<path:name>/resume", summary="Resume a queue", answers={200: QueueAnswer}, problems=(404,), tag="fleet"
)
def resume_queue(ctx: RequestContext, *, name: str) -> QueueAnswer:
    """It has the rate limit again that it had before the pause."""
    return _answer(ctx, name, queues.resume_queue(actions_of(ctx), name, actor=ctx.actor.name))


def _answer(ctx: RequestContext, name: str, notes: tuple[str, ...]) -> QueueAnswer:
    found = [queue for queue in ctx.store.queues(backlog=False) if queue.name == name]
    return QueueAnswer(name=name, paused=any(map(is_paused, found)), notes=list(notes) or None)
