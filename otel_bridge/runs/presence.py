"""What live executors add to what the store shows. Pure: executors and the time are arguments.

The store cannot know which step is executing now, nor whether anybody is there to run a run; executors that
report presence to the ledger can. What follows for a run is in ``blocked`` and ``overlay``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from otel_bridge.ledger.base import Executor, InFlightStep, UpdateValidator
from otel_bridge.model.runs import ROUNDING_MS, Run


@dataclass(frozen=True, slots=True)
class Presence:
    """The executors at one moment, indexed for overlays."""

    live: tuple[Executor, ...]
    lost: tuple[Executor, ...]
    now_ms: int
    _in_flight: dict[str, tuple[tuple[Executor, InFlightStep], ...]]
    _drivers: dict[str, tuple[Executor, ...]] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """True when any executor ever reported: only then does silence mean anything."""
        return bool(self.live or self.lost)

    @property
    def executors(self) -> tuple[Executor, ...]:
        """Every executor that ever reported and is not pruned: the live ones first."""
        return (*self.live, *self.lost)

    def in_flight(self, run_id: str) -> tuple[tuple[Executor, InFlightStep], ...]:
        """Return what live executors execute of a run now."""
        return self._in_flight.get(run_id, ())

    def executing(self, run_id: str) -> set[InFlightStep]:
        """Return the steps of a run that live executors execute now."""
        return {step for _, step in self.in_flight(run_id)}

    @property
    def capabilities(self) -> object:
        """Who is alive and what they can run. While it is equal, the same runs are blocked because no worker fits."""
        able = {(e.executor_id, e.app_version, e.app_name, e.queues, e.workflows) for e in self.live}
        return able, {executor.executor_id for executor in self.lost}

    def executing_run_ids(self) -> Iterable[str]:
        """Return the runs of which a live executor executes something now."""
        return self._in_flight.keys()

    def drivers(self, run_id: str) -> tuple[Executor, ...]:
        """Return the live executors that report driving a run, executing or waiting in it."""
        return self._drivers.get(run_id, ())

    def is_driven(self, run: Run) -> bool | None:
        """Say whether a live executor drives the run; None where that cannot be known (yet).

        Only silence of every live executor of the run's id means that nobody does: each must report its runs, all of
        them, and have done so since the run's row last changed. An executor that is new to the run reports it within
        one heartbeat, so ``not_driven`` is known within two.
        """
        if run.id in self._drivers or run.id in self._in_flight:
            return True
        holders = [executor for executor in self.live if run.executor in (None, executor.executor_id)]
        if not holders and run.executor is None:
            return None
        complete = all(
            executor.runs is not None
            and executor.runs_total <= len(executor.runs)
            and executor.beat_at_ms >= run.updated_at_ms + ROUNDING_MS
            for executor in holders
        )
        return False if complete and self.known else None

    def validators(self, workflow: str) -> tuple[UpdateValidator, ...]:
        """Return the validators of updates of a workflow that live executors report, each once."""
        found = [one for executor in self.live for one in executor.validators if one.workflow in (workflow, "*")]
        return tuple(one for number, one in enumerate(found) if one not in found[:number])

    def is_lost(self, run: Run) -> bool:
        """Say whether the run is held by an executor that reported once and has stopped."""
        return (
            run.executor is not None
            and any(executor.executor_id == run.executor for executor in self.lost)
            and not any(executor.executor_id == run.executor for executor in self.live)
        )


def presence(executors: Sequence[Executor], now_ms: int) -> Presence:
    """Sort executors into live and lost. One that signed off is lost too: nobody runs what it held."""
    live = tuple(executor for executor in executors if executor.is_live(now_ms))
    lost = tuple(executor for executor in executors if not executor.is_live(now_ms))
    in_flight: dict[str, tuple[tuple[Executor, InFlightStep], ...]] = {}
    drivers: dict[str, tuple[Executor, ...]] = {}
    for executor in live:
        for run_id in executor.runs or ():
            drivers[run_id] = (*drivers.get(run_id, ()), executor)
        for step in executor.in_flight:
            in_flight[step.run_id] = (*in_flight.get(step.run_id, ()), (executor, step))
    return Presence(live, lost, now_ms, in_flight, drivers)
