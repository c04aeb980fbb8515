"""Lives whose end nobody exported before they were retried. Pure: no clock, database or network.

A retry deletes rows. What asks for it notes in the ledger what they showed, if nobody has exported it yet; the bridge
exports that life first. Everybody who has to know which life a run is in asks here, so all give the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from otel_bridge.ledger.base import ExportedRun, PastLife
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue
from otel_bridge.spans.exceptions import with_stack
from otel_bridge.spans.lives import compare, is_over
from otel_bridge.spans.model import SpanSettings
from otel_bridge.spans.plan import Plan, decode_span_error, plan_run
from otel_bridge.spans.traces import Relatives

_LONG_AFTER_MS = 2**53
"""Nothing more will be added to a past life: whatever waits for something to appear has waited long enough."""


def present_generation(
    steps: Sequence[Step] | None, exported: ExportedRun | None, past: Sequence[PastLife] = ()
) -> int:
    """Return the generation of a run that executes now.

    Args:
        steps: its steps as they are now; None where they cannot be read. Of use only while an open life was exported.
        past: its kept lives.
    """
    generation = 0
    if exported is not None:
        lost = not exported.ended and steps is not None and is_over(steps, exported)
        generation = exported.generation + (1 if exported.ended or lost else 0)
    return max([generation, *(life.generation + 1 for life in past)])


def life_to_keep(
    run: Run, steps: Sequence[Step], error: StoredValue | None, exported: ExportedRun | None, past: Sequence[PastLife]
) -> PastLife | None:
    """Return what must be kept of an ended run that is about to be retried; None when it was exported already.

    Args:
        steps: with their stored errors.
        error: why the run failed.
    """
    for life in past:
        exported = plan_past(life, exported, settings=SpanSettings()).record
    now = compare(run, steps, exported, original_steps=(), now_ms=_LONG_AFTER_MS)
    if not now.ends:
        return None
    return PastLife(run=run, generation=now.facts.generation, steps=tuple(steps), error=error)


def plan_past(
    life: PastLife, before: ExportedRun | None, *, settings: SpanSettings, relatives: Relatives | None = None
) -> Plan:
    """Return what is due of a kept life; nothing when it was exported after all."""
    if before is not None and before.generation + before.ended > life.generation:
        return Plan(spans=(), record=before, changed=False)
    relatives = relatives or Relatives()
    error = with_stack(decode_span_error(life.error, settings), relatives.stacks.get(None))
    relatives = replace(relatives, error=error)
    return plan_run(life.run, life.steps, before, settings=settings, now_ms=_LONG_AFTER_MS, relatives=relatives)
