"""Where a run goes back to: which version, which queue. Runs and what tells which queues there are are arguments."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from dashboard.workflow.names import FAST_QUEUE, WORK_QUEUE
from otel_bridge.model.names import INTERNAL_QUEUE
from otel_bridge.model.runs import Run

OUR_QUEUES = frozenset({INTERNAL_QUEUE, FAST_QUEUE, WORK_QUEUE})


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a run continues: version, queue and partition key; ``notes`` say what a person should know of it."""

    version: str | None
    queue: str
    partition: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Queues:
    """The queue onto which a run goes back: the one that is certain; else the one that the run was first put on.

    So its limits hold for a retry too. One that is not registered any more gives way to ours.

    Args:
        registered: the queues that are, asked for only where the run was on one of the application's.
    """

    run: Run
    certain: str | None
    registered: Callable[[], Collection[str]] = frozenset
    ours: str = FAST_QUEUE

    def of(self, remembered: str | None) -> tuple[str, str | None]:
        """Return the queue, and the run's partition key there. Pure.

        Args:
            remembered: the queue that the run was first put on, as the ledger knows it.
        """
        if self.certain is not None:
            return self.certain, None
        known = (queue for queue in (remembered, self.run.queue) if queue is not None and queue not in OUR_QUEUES)
        original = next(known, None)
        if original is not None and original in self.registered():
            return original, self.run.queue_partition
        return self.ours, None


@dataclass(frozen=True, slots=True)
class Aim:
    """A destination, but for the queue that only the ledger remembers."""

    version: str | None
    queues: Queues
    notes: tuple[str, ...] = ()

    def at(self, remembered: str | None) -> Destination:
        """Return the destination. Pure."""
        return Destination(self.version, *self.queues.of(remembered), self.notes)


def queue_to_remember(run: Run) -> str | None:
    """Return the run's queue, which an action may make the engine forget; None where it is on none or on ours. Pure."""
    return None if run.queue in OUR_QUEUES else run.queue
