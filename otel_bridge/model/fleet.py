"""Queues, schedules and the store itself. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInfo:
    """A queue: its limits, and how much waits on it. ``registered`` is False when only runs mention it; a
    ``partitioned`` one gives out only runs that have a partition key."""

    name: str
    depth: int
    running: int
    oldest_created_at_ms: int | None
    concurrency: int | None = None
    worker_concurrency: int | None = None
    rate_limit_max: int | None = None
    rate_limit_period_s: float | None = None
    polling_interval_s: float | None = None
    registered: bool = True
    partitioned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """A cron schedule that the engine fires."""

    name: str
    workflow: str
    schedule: str
    active: bool
    last_fired_at: str | None = None
    timezone: str | None = None
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What ``StateStore.check`` found. ``warnings`` are sentences for people."""

    target: str
    dialect: Literal["sqlite", "postgres", "memory"]
    schema_version: int | None
    warnings: tuple[str, ...] = ()
