"""What live executors add to what the store shows. Pure: executors and the time are arguments.

The store cannot know which step is executing now, nor whether anybody is there to run a run; executors that
report presence to the ledger can. Without presence nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from otel_bridge.ledger.base import Executor, InFlightStep, UpdateValidator
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step

ENGINE_PREFIX = "DBOS."
ROUNDED_MS = 1000
"""Run rows on SQLite are stamped in whole seconds."""
BLOCKED_AFTER_MS = 10_000
"""A run waits at least this long before it is called blocked: a deploy's restart is no alarm."""


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

    def in_flight(self, run_id: str) -> tuple[tuple[Executor, InFlightStep], ...]:
        """Return what live executors execute of a run now."""
        return self._in_flight.get(run_id, ())

    def executing(self, run_id: str) -> set[InFlightStep]:
        """Return the steps of a run that live executors execute now, whoever does."""
        return {step for _, step in self.in_flight(run_id)}

    @property
    def capabilities(self) -> object:
        """Who is there and what they can run: equal as long as ``serves`` and ``is_lost`` answer the same."""
        skills = {(e.executor_id, e.app_version, e.app_name, e.queues, e.workflows) for e in self.live}
        return skills, {executor.executor_id for executor in self.lost}

    def executing_run_ids(self) -> Iterable[str]:
        """Return the runs of which a live executor executes something now."""
        return self._in_flight.keys()

    def serves(self, run: Run) -> bool:
        """Say whether a live executor could pick the run up: same version, listens to its queue, knows its workflow."""
        return any(_can_run(executor, run) for executor in self.live)

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
            and executor.beat_at_ms >= run.updated_at_ms + ROUNDED_MS
            for executor in holders
        )
        return False if complete and self.known else None

    def validators(self, workflow: str) -> tuple[UpdateValidator, ...]:
        """Return the validators of updates of a workflow that live executors report, each once."""
        found = [one for executor in self.live for one in executor.validators if one.workflow in (workflow, "*")]
        return tuple(one for number, one in enumerate(found) if one not in found[:number])

    def is_lost(self, run: Run) -> bool:
        """Say whether the run is held by an executor that reported once and beats no more."""
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


def _can_run(executor: Executor, run: Run) -> bool:
    return (
        (run.workflow_version is None or executor.app_version in (None, run.workflow_version))
        and (run.queue is None or not executor.queues or run.queue in executor.queues)
        and (not executor.workflows or run.workflow in executor.workflows)
        and (run.namespace is None or executor.app_name in (None, run.namespace))
    )


def may_be_blocked_from_ms(run: Run) -> int:
    """Return when a run that waits or executes begins to look blocked, if nobody is there for it."""
    return (run.created_at_ms if run.status == "pending" else run.updated_at_ms) + BLOCKED_AFTER_MS


def overlay_run(run: Run, seen: Presence) -> Run:
    """Return the run as presence shows it: ``blocked`` where nobody can run it, ``running`` where a step executes.

    A waiting backlog with live workers is ``pending``; a delayed run waits for its time, not for a worker. The store
    takes a run that started a child and wrote nothing since for one that waits for it; an executor knows better.
    """
    if not seen.known:
        return run
    if run.status == "suspended" and run.waiting is not None and run.waiting.on == "child":
        works = any(
            step.seq is not None and not step.name.startswith(ENGINE_PREFIX) for _, step in seen.in_flight(run.id)
        )
        return replace(run, status="running", waiting=None) if works else run
    if seen.now_ms < may_be_blocked_from_ms(run):
        return run
    if run.status == "pending":
        if run.waiting is not None and run.waiting.on == "delay":
            return run
        return run if seen.serves(run) else replace(run, status="blocked")
    if run.status == "running" and seen.is_lost(run):
        return replace(run, status="blocked")
    return run


def overlay_steps(run: Run, steps: Sequence[Step], seen: Presence) -> list[Step]:
    """Return the steps with those among them that no row tells of, by ``seq``: executing now, or interrupted.

    A step that a lost executor was executing leaves no row, though it may have had its effect: it stays in sight as
    ``interrupted``, until it is executed again or its run completes without it.
    """
    known = {seq for step in steps for seq in (step.seq, *step.folded)}
    unrecorded: dict[int, Step] = {}
    if run.status != "completed":
        for executor in seen.lost:
            for step in executor.in_flight:
                if step.run_id == run.id and step.seq is not None and step.seq not in known:
                    unrecorded[step.seq] = interrupted_step(step, ended_ms=executor.beat_at_ms, by=executor.executor_id)
    if not run.is_terminal:
        for executor, step in seen.in_flight(run.id):
            if step.seq is not None and step.seq not in known:
                unrecorded[step.seq] = Step(
                    run_id=run.id,
                    seq=step.seq,
                    name=step.name,
                    kind="local",
                    status="running",
                    started_at_ms=step.started_at_ms,
                    executor=executor.executor_id,
                    attempts=step.attempt,
                )
    return sorted([*steps, *unrecorded.values()], key=lambda step: step.seq) if unrecorded else list(steps)


def interrupted_step(step: InFlightStep, *, ended_ms: int, by: str | None) -> Step:
    """Return a step that was in flight when its run was cancelled or its worker was lost.

    Args:
        ended_ms: until when it is known to have been executing.
        by: the executor that did.
    """
    return Step(
        run_id=step.run_id,
        seq=step.seq if step.seq is not None else 0,
        name=step.name,
        kind="local",
        status="interrupted",
        started_at_ms=step.started_at_ms,
        finished_at_ms=max(step.started_at_ms, ended_ms),
        executor=by,
        attempts=step.attempt,
    )
