"""Pause and resume a queue: its workers stop starting runs from it; runs in progress continue.

The engine has no pause, but its workers read a queue's limits at every poll, and a rate limit of 0 lets nothing start,
whatever other limits there are. The limit that the queue had before is kept in the ledger, with who paused it and why,
under one key that is changed by one process at a time.

An application that declares the queue again as it starts writes its own limits over ours: ``hold_pauses`` puts the
pause back, and remembers what the application wrote.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, replace

from dbos import DBOSClient, Queue
from dbos._queue import QueueRateLimit

from dashboard.actions.context import ActionContext
from dashboard.errors import NotFound, Refused
from dashboard.read.pauses import PAUSES_KEY, Pause, is_paused, pauses
from otel_bridge.ledger.base import Ledger
from otel_bridge.model.fleet import QueueInfo
from otel_bridge.model.names import INTERNAL_QUEUE

log = logging.getLogger(__name__)

_LOCK = "paused queues"
_NOTHING: QueueRateLimit = {"limit": 0, "period": 1.0}
_OURS = "durable."


def pause_queue(ctx: ActionContext, name: str, *, actor: str, comment: str | None = None) -> None:
    """Stop starting runs from a queue; runs in progress continue. Idempotent: the first pause and its comment stay.

    Raises:
        NotFound: the engine's table has no such queue.
        Refused: it is the engine's own or the dashboard's own.
        Forbidden: the host's policy does not allow it.
    """
    with ctx.audited(actor, "queue.pause", None, queue=name, comment=comment or None):
        if name == INTERNAL_QUEUE or name.startswith(_OURS):
            raise Refused(f"Queue {name!r} is not the application's: retries, undos and bulk actions go through it.")
        _registered(ctx, name, "pause_queue")
        with ctx.alone(_LOCK), ctx.engine.use() as client:
            queue, known = _queue(client, name), pauses(ctx.ledger)
            if name not in known:
                pause = Pause(by=actor, at_ms=ctx.store.now_ms(), comment=comment or None)
                known[name] = _with_limiter(pause, queue.limiter)
                _keep(ctx.ledger, known)
            queue.set_limiter(_NOTHING)


def resume_queue(ctx: ActionContext, name: str, *, actor: str) -> tuple[str, ...]:
    """Give a queue back the rate limit that it had before. Idempotent.

    Returns:
        Notes: what it had before is not known, or another limit still lets nothing start.

    Raises:
        NotFound: the engine's table has no such queue.
        Forbidden: the host's policy does not allow it.
    """
    with ctx.audited(actor, "queue.resume", None, queue=name):
        _registered(ctx, name, "resume_queue")
        notes: list[str] = []
        with ctx.alone(_LOCK), ctx.engine.use() as client:
            queue, known = _queue(client, name), pauses(ctx.ledger)
            pause = known.pop(name, None)
            limiter = queue.limiter
            if limiter is not None and limiter["limit"] <= 0:
                if pause is None:
                    notes.append("Nobody recorded which rate limit the queue had before: it has none now.")
                queue.set_limiter(None if pause is None else _limiter_before(pause))
            _keep(ctx.ledger, known)
        after = _registered(ctx, name, "resume_queue")
        if is_paused(after):
            notes.append("A concurrency of 0 that the application set lets nothing start all the same.")
        return tuple(notes)


def hold_pauses(ctx: ActionContext) -> list[str]:
    """Pause again what an application declared again meanwhile; return the queues' names."""
    known = pauses(ctx.ledger)
    lifted = [queue.name for queue in ctx.store.queues(backlog=False) if queue.name in known and _is_lifted(queue)]
    if not lifted:
        return []
    with ctx.alone(_LOCK), ctx.engine.use() as client:
        known = pauses(ctx.ledger)
        for name in [name for name in lifted if name in known]:
            queue = _queue(client, name)
            known[name] = _with_limiter(known[name], queue.limiter)
            _keep(ctx.ledger, known)
            queue.set_limiter(_NOTHING)
            log.warning("Queue %s is paused, and was declared again with its own limits: it is paused again.", name)
    return lifted


def _is_lifted(queue: QueueInfo) -> bool:
    return queue.rate_limit_max is None or queue.rate_limit_max > 0


def _with_limiter(pause: Pause, limiter: QueueRateLimit | None) -> Pause:
    if limiter is None:
        return replace(pause, limit=None, period_s=None)
    return replace(pause, limit=limiter["limit"], period_s=limiter["period"])


def _limiter_before(pause: Pause) -> QueueRateLimit | None:
    if pause.limit is None or pause.period_s is None:
        return None
    return {"limit": pause.limit, "period": pause.period_s}


def _registered(ctx: ActionContext, name: str, action: str) -> QueueInfo:
    """Return a queue that the engine's table holds, where the caller may do this to it.

    Raises:
        NotFound: there is none.
        Forbidden: the host's policy does not allow it.
    """
    found = next((queue for queue in ctx.store.queues(backlog=False) if queue.name == name and queue.registered), None)
    if found is None:
        raise NotFound(f"The engine's table of queues holds no {name[:200]!r}. DBOS.register_queue(name) makes one.")
    ctx.permission.require_queue(action, name)
    return found


def _queue(client: DBOSClient, name: str) -> Queue:
    queue = client.retrieve_queue(name)
    if queue is None:
        raise NotFound(f"Queue {name[:200]!r} was deleted meanwhile.")
    return queue


def _keep(ledger: Ledger, known: Mapping[str, Pause]) -> None:
    ledger.put_value(PAUSES_KEY, {name: asdict(pause) for name, pause in known.items()})
