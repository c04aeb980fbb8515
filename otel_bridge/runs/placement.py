"""Which live executor may take a run. Pure: executors are an argument.

The one decision on it: retry, redispatch, recovery, start, undo, bulk and the word ``blocked`` all ask here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from otel_bridge.ledger.base import Executor

OWN_PREFIX = "durable."
"""Workflows of this product's own: only executors that name them have them."""

Shortage = Literal["no_worker", "workflow_unregistered", "version_gone", "queue_unpolled"]
"""What no live executor offers, the first of what a run needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a run asks of the executor that takes it. None asks nothing."""

    workflow: str
    namespace: str | None = None
    version: str | None = None
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a run can be executed: by ``takers`` (newest first), or not, because ``shortage`` is missing."""

    takers: tuple[Executor, ...]
    shortage: Shortage | None

    @property
    def version(self) -> str | None:
        """The version of the newest taker that names one."""
        return next((taker.app_version for taker in self.takers if taker.app_version is not None), None)


def place(need: Need, live: Iterable[Executor]) -> Placement:
    """Return who can take a run.

    The needs are looked at one after the other, so that the answer names the one that is missing: an executor of the
    application, the workflow, the version, the queue.

    Example:
        >>> place(Need(workflow="order", version="v1"), []).shortage
        'no_worker'
    """
    left = tuple(sorted(live, key=lambda executor: executor.started_at_ms, reverse=True))
    filters: tuple[tuple[Shortage, Callable[[Executor], bool]], ...] = (
        ("no_worker", lambda executor: need.namespace is None or executor.app_name in (None, need.namespace)),
        ("workflow_unregistered", lambda executor: knows(executor, need.workflow)),
        ("version_gone", lambda executor: need.version is None or executor.app_version in (None, need.version)),
        ("queue_unpolled", lambda executor: polls(executor, need.queue)),
    )
    for shortage, fits in filters:
        left = tuple(executor for executor in left if fits(executor))
        if not left:
            return Placement((), shortage)
    return Placement(left, None)


def knows(executor: Executor, workflow: str) -> bool:
    """Say whether an executor has a workflow. One that names none may have any, except this product's own."""
    if executor.workflows:
        return workflow in executor.workflows
    return not workflow.startswith(OWN_PREFIX)


def polls(executor: Executor, queue: str | None) -> bool:
    """Say whether an executor takes runs from a queue. One that names no queues polls every registered one."""
    return queue is None or not executor.queues or queue in executor.queues
