"""What to send of a run, and what to remember once it was accepted. Pure: no clock, database or network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from otel_bridge.errors import OpenRunError, OpenStepError
from otel_bridge.ledger.base import GONE, ExportedRun
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue
from otel_bridge.spans import semconv
from otel_bridge.spans.build import RunSpans
from otel_bridge.spans.exceptions import with_stack
from otel_bridge.spans.lives import DueStep, Life, compare, ended_at_ms, run_end_ms, step_end_ms
from otel_bridge.spans.model import SpanData, SpanError, SpanSettings
from otel_bridge.spans.traces import Relatives
from otel_bridge.spans.unseen import unseen_life


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Spans that are due, in order, and the ledger's entry once they were accepted.

    Args:
        due: the steps behind the spans, for metrics.
        ended: this plan sends the end of the run's present life.
        again_at_ms: when to look at the run again although none of its rows will have changed.
        trace_id: trace id (32 hex digits) to remember, when the run is new to the ledger.
        more: other steps are due too: plan again with ``record`` once these were accepted.
    """

    spans: tuple[SpanData, ...]
    record: ExportedRun
    changed: bool
    due: tuple[DueStep, ...] = ()
    ended: bool = False
    again_at_ms: int | None = None
    trace_id: str | None = None
    more: bool = False


def plan_run(
    run: Run,
    steps: Sequence[Step],
    before: ExportedRun | None,
    *,
    settings: SpanSettings,
    now_ms: int,
    relatives: Relatives | None = None,
    most_due: int | None = None,
) -> Plan:
    """Compare a run with what was exported of it and return what is due.

    Args:
        steps: all of the run's steps, stored errors included.
        before: the ledger's entry; None for a run never seen.
        now_ms: the store's clock; decides when a dead run's root is due, never what is in it.
        most_due: so many steps at once; the end of the run comes with the last of them.
    """
    relatives = relatives or Relatives()
    fold = settings.housekeeping == "fold"
    life = compare(run, steps, before, original_steps=relatives.original_steps, now_ms=now_ms, fold=fold)
    more = most_due is not None and len(life.due) > most_due
    if more:
        life = replace(life, due=life.due[:most_due], ends=False)
    builder = RunSpans(run, life, relatives, settings)
    shown = [due for due in life.due if settings.housekeeping != "none" or not due.step.housekeeping]
    spans = [] if life.unseen_end is None else [unseen_life(life.unseen_end, settings, relatives, run)]
    anchored = life.facts.anchored == life.facts.generation
    if settings.root == "anchor" and life.present and not anchored:
        spans.append(builder.anchor())
        life, anchored = replace(life, facts=replace(life.facts, anchored=life.facts.generation)), True
    stacks = relatives.stacks
    step_spans = [
        builder.step(
            due, None if due.unfinished else with_stack(step_error(due.step, settings), stacks.get(due.step.seq))
        )
        for due in shown
    ]
    spans += step_spans
    if life.ends:
        wait = builder.queue_wait() if settings.queue_spans else None
        spans += [span for span in (wait,) if span is not None]
        queued = [] if wait is None else [(wait.start_ns, wait.end_ns)]
        within = chain((builder.step_bounds(due) for due in shown), queued, _earlier_bounds(builder, steps, life))
        spans.append(builder.outcome(within) if anchored else builder.life(within))
    record = _record(run, steps, life)
    return Plan(
        spans=tuple(spans),
        record=record,
        changed=record != before,
        due=life.due,
        ended=life.ends,
        again_at_ms=life.again_at_ms,
        trace_id=builder.own_trace() if before is None else None,
        more=more,
    )


def plan_deleted(before: ExportedRun, *, settings: SpanSettings) -> Plan:
    """Return what is due of a run that was deleted before its end was sent: a root, out of the ledger's facts."""
    record = replace(before, ended=True, status=GONE, ended_at_ms=before.ended_at_ms or before.created_at_ms)
    if before.ended:
        return Plan(spans=(), record=before, changed=False)
    begun = bool(before.steps) or before.anchored == before.generation
    spans = (unseen_life(before, settings, Relatives(), None),) if begun else ()
    return Plan(spans=spans, record=record, changed=True, ended=True)


def step_span(run: Run, step: Step, *, generation: int = 0, settings: SpanSettings | None = None) -> SpanData:
    """Return the span of one finished step by itself.

    Raises:
        OpenStepError: the engine has not recorded the step's end yet.
    """
    end_ms, _ = step_end_ms(step, None)
    if end_ms is None:
        raise OpenStepError(step.run_id, step.seq)
    facts = ExportedRun(run_id=run.id, generation=generation)
    life = Life(facts=facts, due=(), ends=False, end_ms=None)
    settings = settings or SpanSettings()
    return RunSpans(run, life, Relatives(), settings).step(DueStep(step, end_ms), step_error(step, settings))


def root_span(run: Run, steps: Sequence[Step], *, settings: SpanSettings | None = None) -> SpanData:
    """Return the root span of an ended run by itself.

    Raises:
        OpenRunError: the run has not ended.
    """
    if not run.is_terminal:
        raise OpenRunError(run.id, run.status)
    life = Life(facts=ExportedRun(run_id=run.id), due=(), ends=True, end_ms=run_end_ms(run, steps))
    builder = RunSpans(run, life, Relatives(), settings or SpanSettings())
    return builder.life(_earlier_bounds(builder, steps, life))


def step_error(step: Step, settings: SpanSettings) -> SpanError | None:
    """Return why a step failed; None when it did not. A cancelled child is not an error."""
    if step.status == "dead":
        return SpanError(semconv.DEAD_ERROR_TYPE, "The engine gave the child run up.")
    if step.status != "failed":
        return None
    return decode_span_error(step.error, settings) or SpanError(semconv.UNKNOWN_ERROR_TYPE, "The step failed.")


def decode_span_error(value: StoredValue | None, settings: SpanSettings) -> SpanError | None:
    """Return a stored error as type, message and stack, as they may be shown; None when there is none."""
    if value is None:
        return None
    error = settings.reader().decode_error(value)
    return SpanError(error.type or semconv.UNKNOWN_ERROR_TYPE, error.message, error.stack)


def _earlier_bounds(builder: RunSpans, steps: Sequence[Step], life: Life) -> Iterator[tuple[int, int]]:
    """Yield the times of this life's steps that were sent before: its root is as wide."""
    facts = life.facts
    due = {item.step.seq for first in life.due for item in (first, *first.folded)}
    for step in steps:
        known = facts.steps.get(step.seq)
        if step.seq not in due and known is not None and known[1] == facts.generation:
            yield builder.step_bounds(DueStep(step, known[0]))


def _record(run: Run, steps: Sequence[Step], life: Life) -> ExportedRun:
    facts = life.facts
    if not life.due and not life.ends:
        return facts
    due = [item for first in life.due for item in (first, *first.folded)]
    sent = {**facts.steps, **{item.step.seq: (item.end_ms, facts.generation) for item in due}}
    if not life.ends:
        return replace(facts, steps=sent)
    failed = [step.seq for step in steps if step.went_wrong and sent[step.seq][1] == facts.generation]
    return replace(
        facts,
        steps=sent,
        ended=True,
        ended_at_ms=ended_at_ms(run),
        status=run.status,
        failed_step=(max(failed), facts.generation) if failed and run.status == "failed" else None,
    )
