"""Lives of a run: which one it is in, which steps ran in it, and what is due. Pure: no clock, database or network.

A run lives once, unless it is retried or resumed after it had ended: then it begins a new life, its *generation*.
Rows do not say which life they belong to; they say so when compared with what was exported before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from otel_bridge.ledger.base import COPIED, GONE, ExportedRun
from otel_bridge.model.names import GET_RESULT
from otel_bridge.model.runs import ROUNDING_MS, Run
from otel_bridge.model.status import TERMINAL_STATUSES
from otel_bridge.model.steps import OPEN_STEP_STATUSES, Step

DEAD_GRACE_MS = 5_000
"""How long the root of a dead run waits for its dead-letter handler to appear, so that it can link to it."""
CASCADE_MS = 2_000
"""Children cancelled with their run are so a moment later: how long its root waits for them, and how much later."""
LOOK_AGAIN_MS = 500
INTERNAL_QUEUE_PREFIX = "_dbos_"


class DueStep(NamedTuple):
    """A step to send: its span is final.

    Args:
        again: the life in which it had run before, if it had.
        unfinished: it had not ended when its run did.
        copied: the original of this fork began it; the fork brought it to its end.
        folded: the steps after it that are exported with it: similar bookkeeping, such as the tokens of one stream.
    """

    step: Step
    end_ms: int
    again: int | None = None
    unfinished: bool = False
    copied: bool = False
    folded: tuple[DueStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One run, compared with what was exported.

    Args:
        facts: what the ledger says, brought up to this life, before anything of ``due`` is sent.
        due: steps to send, by number.
        present: True while this life continues, or was not sent whole: the rows tell of it, and not of the one before.
        ends: True when the span of this life is to be sent too.
        end_ms: when the run ended; None while it is open.
        unseen_end: a life that ended before it was seen to end: its span is made from the ledger's facts.
        again_at_ms: when to look again although no row will have changed; None: not before one does.
    """

    facts: ExportedRun
    due: tuple[DueStep, ...]
    ends: bool
    end_ms: int | None
    present: bool = True
    unseen_end: ExportedRun | None = None
    again_at_ms: int | None = None


def compare(
    run: Run,
    steps: Sequence[Step],
    before: ExportedRun | None,
    *,
    original_steps: Sequence[Step],
    now_ms: int,
    fold: bool = False,
) -> Life:
    """Say what is due of a run; with ``fold`` like bookkeeping steps in a row are due as one, once the row is over."""
    final = is_final(run, now_ms) and not _cascades(run, steps, now_ms)
    end_ms = run_end_ms(run, steps) if run.is_terminal else None
    facts, unseen_end = _facts(run, steps, before, final=final)
    facts = replace(facts, started_at_ms=_started_ms(run, facts, before))
    if run.forked_from is not None and not facts.steps:
        copied = copied_steps(run, steps, original_steps)
        facts = replace(facts, steps={step.seq: (step.finished_at_ms or 0, COPIED) for step in copied})
    awaiting_retry = _awaits_retry(run, steps, facts)
    due = [] if awaiting_retry else _due_steps(run, steps, facts, end_ms if final else None)
    if fold:
        due = _fold(due, steps, over=final)
    return Life(
        facts=facts,
        due=tuple(due),
        present=not facts.ended and not awaiting_retry,
        ends=final and not facts.ended and not awaiting_retry,
        end_ms=end_ms,
        unseen_end=unseen_end,
        again_at_ms=_again_at_ms(run, steps, final=final, now_ms=now_ms),
    )


def is_final(run: Run, now_ms: int) -> bool:
    """True once nothing that belongs to the run's end is outstanding.

    A run being undone ends with its undo. A dead run waits a little for its handler.
    """
    if run.status not in TERMINAL_STATUSES:
        return False
    if run.status == "dead" and run.dead_letter_id is None:
        return now_ms - (run.finished_at_ms or run.updated_at_ms) >= DEAD_GRACE_MS
    return True


def _cascades(run: Run, steps: Sequence[Step], now_ms: int) -> bool:
    """Say whether a run was cancelled just now and children of it are not: they may be at any moment."""
    if run.status != "cancelled" or now_ms - ended_at_ms(run) >= CASCADE_MS:
        return False
    return any(step.kind == "remote" and step.is_open for step in steps)


def _again_at_ms(run: Run, steps: Sequence[Step], *, final: bool, now_ms: int) -> int | None:
    """A sleep ends, a grace runs out, an undo comes to its end, and no row of the run tells."""
    if run.is_terminal:
        return None if final else now_ms + LOOK_AGAIN_MS
    wakes = [step.wake_at_ms for step in steps if step.kind == "sleep" and step.is_open and step.wake_at_ms is not None]
    return max(now_ms, min(wakes)) + 1 if wakes else None


def ended_at_ms(run: Run) -> int:
    """Return when an ended run ended, as its own row says."""
    return run.finished_at_ms if run.finished_at_ms is not None else run.updated_at_ms


def run_end_ms(run: Run, steps: Sequence[Step]) -> int:
    """Return when an ended run ended, widened to its steps: clocks differ and run times may be whole seconds."""
    latest = ended_at_ms(run)
    for step in steps:
        begun_ms = step.begun_at_ms  # the child of a remote one may begin when nobody waits for it any more
        if begun_ms is not None and begun_ms > latest:
            latest = begun_ms
        if step.kind != "sleep":
            end_ms, _ = step_end_ms(step, None)
            if end_ms is not None and end_ms > latest:
                latest = end_ms
    return latest


def copied_steps(run: Run, steps: Sequence[Step], original_steps: Sequence[Step]) -> list[Step]:
    """Return the steps that a fork took over from its original: a beginning of the list, with original times.

    Where the original is gone, what ended before the fork was made was copied.
    """
    originals = {(step.seq, step.name, step.started_at_ms, step.finished_at_ms) for step in original_steps}
    last = -1
    for step in steps:
        same = (step.seq, step.name, step.started_at_ms, step.finished_at_ms) in originals
        older = not originals and step.finished_at_ms is not None and step.finished_at_ms < run.created_at_ms
        if (same and step.finished_at_ms is not None) or older:
            last = max(last, step.seq)
    return [step for step in steps if step.seq <= last]


def step_end_ms(step: Step, run_end: int | None) -> tuple[int | None, bool]:
    """Return when a step ended for good, and whether that is only because its run did.

    A remote step ends for good when its result was taken, which the run's own row says; its child's row may still
    change. One whose result nobody takes ends with the run. How long its span lasts: ``times.shown_end_ms``.
    """
    finished = step.finished_at_ms
    if step.kind == "remote" and step.name != GET_RESULT:
        if not step.folded:
            # a child that ended before its parent did had this end whenever one looks; one that went on is cut there
            later_ms = CASCADE_MS if step.status == "cancelled" else 0
            return run_end, run_end is not None and (finished is None or finished > run_end + later_ms)
        finished = step.collected_at_ms if step.collected_at_ms is not None else finished
    if step.kind == "sleep" and finished is not None and run_end is not None and finished > run_end + ROUNDING_MS:
        finished = None
    if finished is not None:
        return finished, False
    return run_end, run_end is not None


def _facts(
    run: Run, steps: Sequence[Step], before: ExportedRun | None, *, final: bool
) -> tuple[ExportedRun, ExportedRun | None]:
    """Return the ledger's facts brought up to the run's present life, and a life whose end nobody saw."""
    if before is not None and before.created_at_ms not in (None, run.created_at_ms):
        return _another_run(run, before)
    facts = _first_sight(run, before or ExportedRun(run_id=run.id))
    if facts.ended:
        if _revived(run, steps, facts, final=final):
            facts = replace(facts, generation=facts.generation + 1, ended=False)
        return facts, None
    if is_over(steps, facts):
        # Somebody retried past us, by the engine's own API: no row says so but the steps that changed. When the life
        # ended nobody knows either; it lasted at least to the end of its last step that was sent.
        seen_until = max(end_ms for end_ms, _ in facts.steps.values())
        lived = replace(facts, generation=facts.generation + 1, ended=False, ended_at_ms=seen_until, status=None)
        return lived, facts
    return facts, None


def _started_ms(run: Run, facts: ExportedRun, before: ExportedRun | None) -> int | None:
    """Return when the present life started: as the row says, or as it was seen before the engine forgot it."""
    if run.started_at_ms is not None or run.is_queued or before is None or facts.generation != before.generation:
        return run.started_at_ms
    return facts.started_at_ms


def _another_run(run: Run, before: ExportedRun) -> tuple[ExportedRun, ExportedRun | None]:
    """Return the facts of a run that was started under the id of one that is gone: nothing of that one is its own.

    Neither a retry nor a resume changes when a run was created.
    """
    facts = ExportedRun(run_id=run.id, created_at_ms=run.created_at_ms, workflow=run.workflow)
    begun = bool(before.steps) or before.anchored == before.generation
    if not begun and not before.ended:
        return _first_sight(run, replace(facts, generation=before.generation)), None
    facts = replace(facts, generation=before.generation + 1, status=GONE, ended_at_ms=before.ended_at_ms)
    return facts, None if before.ended else before


def is_another_run(facts: ExportedRun) -> bool:
    """True of the first life of a run that was started under the id of one that is gone."""
    return facts.generation > 0 and not facts.ended and facts.status == GONE


def first_enqueued_ms(run: Run) -> int:
    """Return when the run was first put on its queue: a delayed one when its delay was over."""
    return max(run.created_at_ms, run.delayed_until_ms or 0)


def queue_wait_ms(run: Run, facts: ExportedRun) -> int | None:
    """Return how long the run first waited on its queue; None for a retry, and where nobody saw when it began."""
    started_ms = facts.first_started_at_ms
    if is_another_run(facts):
        started_ms = run.started_at_ms if run.recovery_attempts <= 1 and not run.was_put_back else None
    elif facts.generation:
        return None
    return None if started_ms is None else max(0, started_ms - first_enqueued_ms(run))


def _first_sight(run: Run, facts: ExportedRun) -> ExportedRun:
    """Note what the engine will overwrite on recovery and retry."""
    queue, started = facts.first_queue, facts.first_started_at_ms
    untouched = facts.generation == 0 and run.recovery_attempts <= 1
    if queue is None and untouched and run.queue is not None and not run.queue.startswith(INTERNAL_QUEUE_PREFIX):
        queue = run.queue
    if started is None and untouched and not facts.ended and not run.was_put_back:
        started = run.started_at_ms
    created = facts.created_at_ms if facts.created_at_ms is not None else run.created_at_ms
    workflow = facts.workflow or run.workflow
    return replace(facts, first_queue=queue, first_started_at_ms=started, created_at_ms=created, workflow=workflow)


def _revived(run: Run, steps: Sequence[Step], facts: ExportedRun, *, final: bool) -> bool:
    """True when a run whose end was sent lives again, or has lived and ended again.

    A cancel of a run that had ended stamps it once more without a new life: only what was executed counts then.
    """
    if not run.is_terminal:
        return True
    if run.status == "cancelling" or run.undo_id is not None:
        return False
    if run.status == "cancelled":
        return _ran_again(steps, facts) or _ran_on(run, steps, facts)
    if facts.ended_at_ms is not None and ended_at_ms(run) != facts.ended_at_ms:
        return True
    return (final and facts.status is not None and run.status != facts.status) or _ran_again(steps, facts)


def _ran_again(steps: Sequence[Step], facts: ExportedRun) -> bool:
    """True when a step that was sent has another end now: it was executed once more, since the end that was sent."""
    return any(_differs(step, facts) and not _is_late_report(step, facts) for step in steps)


def _is_late_report(step: Step, facts: ExportedRun) -> bool:
    """Say whether a worker reported after its run's end that a step of it was interrupted by that end.

    An earlier execution of the same step may have been sent: of the life before, or of a worker that was lost.
    """
    if step.status != "interrupted" or facts.ended_at_ms is None or step.begun_at_ms is None:
        return False
    return step.begun_at_ms <= facts.ended_at_ms + _rounded_ms(facts.ended_at_ms)


def _rounded_ms(at_ms: int) -> int:
    """Return by how much a stamp may have been rounded down: one of a whole second."""
    return ROUNDING_MS - 1 if at_ms % ROUNDING_MS == 0 else 0


def _ran_on(run: Run, steps: Sequence[Step], facts: ExportedRun) -> bool:
    """True when the run was stamped once more, and a step that was not sent began after all that was.

    The engine starts no step of a cancelled run, so the run was resumed in between. A row that was committed late
    began earlier. A stamp of a whole second may have been rounded down: then only later seconds count.
    """
    if facts.ended_at_ms is None or ended_at_ms(run) == facts.ended_at_ms:
        return False
    ended_ms = facts.ended_at_ms + _rounded_ms(facts.ended_at_ms)
    sent_until_ms = max([ended_ms, *(end_ms for end_ms, _ in facts.steps.values())])
    return any(step.seq not in facts.steps and (step.begun_at_ms or 0) > sent_until_ms for step in steps)


def _differs(step: Step, facts: ExportedRun) -> bool:
    known = facts.steps.get(step.seq)
    end_ms, _ = step_end_ms(step, None)
    return known is not None and step.kind != "sleep" and end_ms is not None and end_ms != known[0]


def is_over(steps: Sequence[Step], facts: ExportedRun) -> bool:
    """True when a step that was sent of the present life is gone, open or another now: that life has ended, unseen."""
    if not any(generation == facts.generation for _, generation in facts.steps.values()):
        return False
    now = {step.seq: step for step in steps}
    folded = {seq for step in steps for seq in step.folded}
    for seq, (known_ms, generation) in facts.steps.items():
        step = now.get(seq)
        if generation != facts.generation or (step is None and seq in folded):
            continue
        if step is None or _recorded_end_ms(step) != known_ms:
            return True
    return False


def _recorded_end_ms(step: Step) -> int | None:
    return step.wake_at_ms if step.kind == "sleep" and step.is_open else step_end_ms(step, None)[0]


def _awaits_retry(run: Run, steps: Sequence[Step], facts: ExportedRun) -> bool:
    """True between the announcement of a retry and its beginning: the rows still tell of the life before."""
    if facts.generation == 0 or facts.ended or facts.ended_at_ms is None or not run.is_terminal:
        return False
    if ended_at_ms(run) != facts.ended_at_ms or run.status != (facts.status or run.status):
        return False
    begun = any(generation == facts.generation for _, generation in facts.steps.values())
    return not begun and not _ran_again(steps, facts)


def _due_steps(run: Run, steps: Sequence[Step], facts: ExportedRun, run_end: int | None) -> list[DueStep]:
    due = []
    for step in steps:
        end_ms, unfinished = step_end_ms(step, run_end)
        if end_ms is None or (step.status in OPEN_STEP_STATUSES and not unfinished):
            continue
        known = facts.steps.get(step.seq)
        if known is None:
            due.append(DueStep(step, end_ms, None, unfinished))
        elif known[1] == COPIED:
            # A fork begins with its origin's steps, which were sent there. One is its own once it was executed here.
            if known[0] != end_ms and not unfinished:
                due.append(DueStep(step, end_ms, None, unfinished, copied=True))
        elif known[0] != end_ms and known[1] != facts.generation:
            due.append(DueStep(step, end_ms, known[1], unfinished))
    return due


def _fold(due: Sequence[DueStep], steps: Sequence[Step], *, over: bool) -> list[DueStep]:
    """Return the due steps with each group of like bookkeeping as one.

    A group that may still grow is not due yet: what was sent is final. So a group is over when another step follows it,
    or its run has ended. Steps that were sent before stay apart: a group continues with those that are due.
    """
    place = {step.seq: at for at, step in enumerate(steps)}
    folded: list[DueStep] = []
    group: list[DueStep] = []
    for item in due:
        if group and not (_alike(group[-1].step, item.step) and place[item.step.seq] == place[group[-1].step.seq] + 1):
            folded.append(_one_of(group))
            group = []
        group.append(item)
    if not group:
        return folded
    last = group[-1].step
    at_the_end = place[last.seq] == len(steps) - 1
    if not (last.housekeeping and at_the_end and not over):
        folded.append(_one_of(group))
    return folded


def _alike(one: Step, other: Step) -> bool:
    both = one.housekeeping and other.housekeeping and not (one.went_wrong or other.went_wrong)
    return both and (one.name, one.key) == (other.name, other.key)


def _one_of(group: Sequence[DueStep]) -> DueStep:
    first, *others = group
    return first._replace(folded=tuple(others)) if others else first
