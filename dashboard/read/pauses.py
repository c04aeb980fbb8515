"""Queues that are paused: what their limits say, and what the ledger keeps of who paused them. Reads the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from otel_bridge.ledger.base import Ledger
from otel_bridge.model.fleet import QueueInfo

PAUSES_KEY = "paused_queues"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A queue's pause: by whom, since when, why, and the rate limit that it had before (None: none)."""

    by: str
    at_ms: int
    comment: str | None = None
    limit: int | None = None
    period_s: float | None = None


def pauses(ledger: Ledger) -> dict[str, Pause]:
    """Return the pauses that were asked for and not ended, by queue."""
    kept = ledger.get_value(PAUSES_KEY)
    return {name: Pause(**fields) for name, fields in kept.items()} if isinstance(kept, dict) else {}


def is_paused(queue: QueueInfo) -> bool:
    """Say whether a limit of the queue lets nothing start, whoever set it. Pure."""
    limits = (queue.rate_limit_max, queue.concurrency, queue.worker_concurrency)
    return any(limit is not None and limit <= 0 for limit in limits)
