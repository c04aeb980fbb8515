"""A run's history as attempts: queued, ran, ended how, why it began again and by whom. Pure.

The engine overwrites a run's row whenever the run is put on a queue again. What it forgets is pieced together from
what others kept: the audit log knows when and by whom, a kept life is the row as it was before a retry, and the
record of exported steps knows when each life's steps ended.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from otel_bridge.ledger.base import AuditEntry, ExportedRun, InterruptedStep, KeptAttempt, PastLife
from otel_bridge.model.runs import Run
from otel_bridge.model.status import STATUSES, RunStatus
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.overlay import CLOCKS_MS, interrupted_step

RESUME = "resume"
"""What the bridge writes into the audit log when the engine itself made an ended run live again."""
ENGINE_ACTOR = "the engine"
REQUEUES = ("retry", "redispatch", "move", RESUME)
"""Actions, by their names in the audit log, that put a run on a queue again."""
ENDED_AS, ENDED_AT = "endedAs", "endedAtMs"
"""Parameters of a retry and of such a resume: how the run had ended before, and when, as its row said."""
LIFE = "life"
"""Parameter of such a resume: which life it began, as the bridge counts them: 1 for the first after the start's."""
UNSEEN = "unseen"
"""Parameter of such a resume: it was noticed when the run had begun, so the entry's time is the latest possible."""
PUT_BACK = "putBack"
"""Parameter of a retry in the audit log: the run had not ended, so it was put back with all its steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One execution of a run, from when it was put on a queue.

    Args:
        n: 1 for the first.
        enqueued_at_ms: None where the engine put it back, and nobody saw when. Of a first one that was over within the
            delay that was asked for, so that it was on no queue, when the run was created.
        outcome: how it ended, ``lost`` with its worker; None where nobody kept that, or while it continues.
        cause: what began it: ``start``, ``retry``, ``redispatch``, ``move``, or ``resume`` by the engine.
        by: who did that, as the audit log names them; None for the start.
        error: why it failed, where that was kept.
        steps: what the run came to in it, as it was at its end; none of the last one, whose steps are the run's.
    """

    n: int
    enqueued_at_ms: int | None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    outcome: RunStatus | str | None = None
    executor: str | None = None
    cause: str = "start"
    by: str | None = None
    error: StoredValue | None = None
    steps: tuple[Step, ...] = ()
    steps_total: int = 0
    """How many they are, where not all are in ``steps``."""


def overlay_requeue(run: Run, requeues: Sequence[AuditEntry], *, begun_ms: int | None = None) -> Run:
    """Return the run with when it was last put on a queue, so that it has not waited there since its creation.

    Args:
        requeues: the run's ``REQUEUES`` in the audit log, oldest first.
        begun_ms: when an action last began to put it back: it may have taken effect, and not be in the log yet.
    """
    requeues = of_this_run(run, requeues)
    last = requeues[-1] if requeues else None
    at_ms, by_engine = (0, False) if last is None else (last.at_ms, last.action == RESUME)
    if begun_ms is not None and begun_ms > at_ms and _took_effect(run, begun_ms):
        last, at_ms, by_engine = None, begun_ms, False
    seen_ms = run.requeued_at_ms  # a follower of the run saw it end then, and live again since
    if not at_ms or (seen_ms is not None and not _came_after(seen_ms, last, at_ms)):
        return run
    at_ms = max(run.created_at_ms, at_ms)
    waiting = run.waiting
    if waiting is not None and waiting.on == "queue":
        waiting = replace(waiting, since_ms=max(waiting.since_ms, at_ms))
    return replace(run, requeued_at_ms=at_ms, resumed_by_engine=by_engine, waiting=waiting)


def _came_after(end_ms: int, entry: AuditEntry | None, at_ms: int) -> bool:
    """Say whether an action came after an end of the run, and not between that and the end before.

    The end that it came upon is in the audit log, by the same clock. That of a run that had not ended is not: a move
    cancels it for a moment.
    """
    found_ms = None if entry is None else entry.params.get(ENDED_AT)
    return at_ms >= end_ms - CLOCKS_MS if found_ms is None else bool(found_ms >= end_ms)


def _took_effect(run: Run, begun_ms: int) -> bool:
    """Say whether the row is younger than the action: what was put back has neither an end nor a start before."""
    return (run.updated_at_ms if run.started_at_ms is None else run.started_at_ms) >= begun_ms - CLOCKS_MS


def of_this_run(run: Run, requeues: Sequence[AuditEntry]) -> Sequence[AuditEntry]:
    """Return them in time, without what was done to a run that had the same id before and is gone.

    The bridge may have noticed a resume after the next action was logged.
    """
    own = (entry for entry in requeues if entry.at_ms >= run.created_at_ms - CLOCKS_MS)
    return sorted(own, key=lambda entry: entry.at_ms)


def attempts(
    run: Run,
    requeues: Sequence[AuditEntry],
    *,
    exported: ExportedRun | None = None,
    kept: Sequence[KeptAttempt] = (),
    reported: Sequence[InterruptedStep] = (),
    steps: Iterable[Step] = (),
    most_steps: int | None = None,
) -> list[Attempt]:
    """Return the run's attempts, the first one first; the last is the run as it is now.

    Args:
        requeues: the run's ``REQUEUES`` in the audit log, oldest first.
        exported: what was exported of the run, where a bridge is at work.
        kept: how it stood when it was put on a queue again.
        reported: its interrupted steps, as workers reported them.
        steps: as they are now; those of earlier attempts that were not executed again are among them.
        most_steps: so many of each attempt at most, the first ones; what was interrupted is there all the same.
    """
    requeues = of_this_run(run, requeues) or _not_logged(run)
    again = [entry.at_ms for entry in requeues]
    first_ms = _first_enqueued_ms(run, requeues[0] if requeues else None)
    starts = [min([first_ms, *again[:1]]), *again]
    causes = [None, *requeues]
    found = []
    life = 0
    were = (step for one in kept for step in one.life.steps)
    begun_in = _begun_in(starts, were, chain(steps, map(interrupted_step, reported)), most_steps)
    for n, (enqueued_ms, cause) in enumerate(zip(starts, causes, strict=True), start=1):
        if cause is not None and _begins_a_life(cause):
            life += 1
        unseen = cause is not None and bool(cause.params.get(UNSEEN))
        begun = Attempt(
            n=n,
            enqueued_at_ms=None if unseen else enqueued_ms,
            cause="start" if cause is None else cause.action,
            by=None if cause is None else cause.actor,
        )
        if n == len(starts):
            found.append(_present(begun, run))
        else:
            past = _past(begun, requeues[n - 1], life, exported, _kept_at(kept, starts[n:]))
            began, total = begun_in[n - 1]
            found.append(replace(past, steps=began, steps_total=total))
    return found


def _first_enqueued_ms(run: Run, again: AuditEntry | None) -> int:
    """Return when the run was first on its queue; where that was over within its delay, when it was created.

    Args:
        again: what first put it back: from then on it waits for no delay.
    """
    over_ms = None
    if again is not None:
        over_ms = again.params.get(ENDED_AT, again.at_ms)
    elif run.started_at_ms is None and STATUSES[run.status].ended:
        over_ms = run.finished_at_ms if run.finished_at_ms is not None else run.updated_at_ms
    until_ms = max(run.created_at_ms, run.delayed_until_ms or 0)
    return run.created_at_ms if over_ms is not None and over_ms < until_ms else until_ms


def _not_logged(run: Run) -> list[AuditEntry]:
    """Return the engine's own resume or rewind that only the run's row shows; a recovery is not one."""
    executions = 0 if run.is_queued else 1
    if not run.was_put_back or run.requeued_at_ms is not None or run.recovery_attempts != executions:
        return []
    params = {} if run.is_queued else {UNSEEN: True}
    return [
        AuditEntry(
            at_ms=run.enqueued_at_ms, actor=ENGINE_ACTOR, action=RESUME, run_id=run.id, outcome="done", params=params
        )
    ]


def _kept_at(kept: Sequence[KeptAttempt], following_ms: Sequence[int]) -> PastLife | None:
    """Return what was kept when the attempt was ended by the first of the following starts, before the next one."""
    end_ms, *later = following_ms
    return next((one.life for one in kept if end_ms <= one.at_ms and all(one.at_ms < ms for ms in later[:1])), None)


def _begun_in(
    starts: Sequence[int], were: Iterable[Step], known: Iterable[Step], most: int | None
) -> list[tuple[tuple[Step, ...], int]]:
    """Return which steps the run came to within each attempt, each execution once, and how many they are.

    What was kept goes first: the row of a remote step may have got another result since, in a later attempt, and that
    is no part of this one. What was seen in flight, and what its worker reported of it in the end, or its row tells,
    are the same execution: the latter is whole.

    Args:
        were: as they were kept at the ends of attempts, the first one first.
        known: others; each only once.
    """
    found: list[dict[tuple[int, int], Step]] = [{} for _ in starts]
    left_out: list[set[tuple[int, int]]] = [set() for _ in starts]
    more = [0] * len(starts)

    def put(step: Step) -> tuple[int, tuple[int, int]] | None:
        """Put it where it belongs; return where that is, where there is no room."""
        begun_ms = step.begun_at_ms
        at = -1 if begun_ms is None else bisect_right(starts, begun_ms) - 1
        if begun_ms is None or at < 0 or at == len(starts) - 1:
            return None
        if step.folded and step.collected_at_ms is not None and step.collected_at_ms >= starts[at + 1]:
            return None  # how it stood at the end of this attempt nobody kept
        key, within = (step.seq, begun_ms), found[at]
        if key not in within and most is not None and len(within) >= most and step.status != "interrupted":
            return at, key
        if key not in within or within[key].status == "interrupted":
            within[key] = step
        return None

    for step in were:
        if (full := put(step)) is not None:
            left_out[full[0]].add(full[1])
    for step in known:
        if (full := put(step)) is not None:
            more[full[0]] += full[1] not in left_out[full[0]]
    return [
        (tuple(within[key] for key in sorted(within)), len(within) + len(some) + others)
        for within, some, others in zip(found, left_out, more, strict=True)
    ]


def _begins_a_life(cause: AuditEntry) -> bool:
    """Say whether the run had ended before; else it continues with the steps that it has."""
    return cause.action == RESUME or (cause.action == "retry" and not cause.params.get(PUT_BACK))


def _present(begun: Attempt, run: Run) -> Attempt:
    ended = STATUSES[run.status].ended
    return replace(
        begun,
        started_at_ms=run.started_at_ms,
        ended_at_ms=run.finished_at_ms if ended else None,
        outcome=run.status if ended else None,
        executor=run.executor,
    )


def _past(
    begun: Attempt, ended_by: AuditEntry, life: int, exported: ExportedRun | None, kept: PastLife | None
) -> Attempt:
    """Return an attempt that another one followed, as far as anybody kept how it went."""
    if not _begins_a_life(ended_by):
        # it had not ended: its worker was lost, or it waited where nobody took it
        outcome = None if ended_by.action == "move" else "lost"
        return replace(begun, ended_at_ms=ended_by.at_ms, outcome=outcome)
    if kept is not None:
        was = kept.run
        return replace(
            begun,
            started_at_ms=was.started_at_ms,
            ended_at_ms=was.finished_at_ms,
            outcome=was.status,
            executor=was.executor,
            error=kept.error,
        )
    if ENDED_AS in ended_by.params:
        first_ms = exported.first_started_at_ms if exported is not None and life == 0 else None
        ended = ended_by.params[ENDED_AS], ended_by.params[ENDED_AT]
        return replace(begun, started_at_ms=first_ms, outcome=ended[0], ended_at_ms=ended[1])
    if exported is None:
        return replace(begun, ended_at_ms=None if ended_by.action == RESUME else ended_by.at_ms)
    ends = [end_ms for end_ms, generation in exported.steps.values() if generation == life]
    if exported.generation == life and exported.ended:
        return replace(begun, ended_at_ms=exported.ended_at_ms, outcome=exported.status)
    failed = exported.failed_step is not None and exported.failed_step[1] == life
    first_start = exported.first_started_at_ms if life == 0 else None
    return replace(
        begun,
        started_at_ms=first_start,
        ended_at_ms=max(ends, default=ended_by.at_ms),
        outcome="failed" if failed else None,
    )
