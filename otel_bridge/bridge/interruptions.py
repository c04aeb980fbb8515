"""Which steps of ended runs were interrupted, for their spans. Reads the ledger, for a chunk of runs at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from otel_bridge.ledger.base import Ledger, PastLife
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.runs.overlay import ENGINE_PREFIX, interrupted, may_be_cut_off
from otel_bridge.runs.presence import presence


class Interruptions:
    """The interrupted steps of a chunk of runs.

    A span is final, so a step that a live worker keeps executing, although its run was cancelled, is not among them
    yet: the worker reports it when it ends.

    Args:
        runs: of the chunk, by id; those that went on or completed cost nothing.
        past: kept lives of runs of the chunk.
    """

    def __init__(self, ledger: Ledger, runs: Mapping[str, Run], past: Mapping[str, Sequence[PastLife]]) -> None:
        ids = sorted({*past, *(run.id for run in runs.values() if may_be_cut_off(run))})
        self._reported = ledger.interrupted(ids) if ids else {}
        self._seen = presence(*ledger.executors_now()) if ids else presence((), 0)

    def goes_on(self, run_id: str) -> bool:
        """Say whether a live worker keeps executing a step of an ended run."""
        under_way = (step for _, step in self._seen.in_flight(run_id))
        return any(step.seq is not None and not step.name.startswith(ENGINE_PREFIX) for step in under_way)

    def of(self, run: Run, steps: Sequence[Step]) -> Sequence[Step]:
        """Return a run's steps with the interrupted ones among them."""
        return _with(steps, interrupted(run, self._seen, self._reported.get(run.id, ()), still=False))

    def of_life(self, life: PastLife) -> PastLife:
        """Return a kept life with the steps that were interrupted in it."""
        before_ms = life.run.finished_at_ms or life.run.updated_at_ms
        reported = [one for one in self._reported.get(life.run.id, ()) if one.started_at_ms <= before_ms]
        found = interrupted(life.run, presence((), 0), reported)
        return replace(life, steps=tuple(_with(life.steps, found))) if found else life


def _with(steps: Sequence[Step], found: Sequence[Step]) -> Sequence[Step]:
    known = {seq for step in steps for seq in (step.seq, *step.folded)}
    new = [step for step in found if step.seq not in known]
    return sorted([*steps, *new], key=lambda step: step.seq) if new else steps
