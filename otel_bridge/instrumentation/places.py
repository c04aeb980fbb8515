"""Finds where a run's spans belong: its life from the ledger, its trace from the store where that takes looking up.

A worker must know which life of a run it executes before anybody else does, for the ids of its spans. It and the bridge
see the same facts: what was exported, what is on its way, the lives that the dashboard kept when it retried, and rows
that are gone although they were exported. Where there is none of these, a run that the engine's own API rewound or
resumed before a bridge had exported it, both take the new life for a continuation of the old one: its spans are sent
once, as the rows are at the end, and the parents of those that user code made in the lost steps are never sent. The
same holds for user code outside of steps in a run that was resumed and cancelled again before any step was recorded.
"""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.instrumentation.current import Placement
from otel_bridge.instrumentation.settings import InstrumentorSettings
from otel_bridge.instrumentation.sources import Sources
from otel_bridge.ledger.pending import exported_or_pending
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.spans import Relatives, Traces, ids, present_generation
from otel_bridge.spans.traces import with_ancestors


class RunPlaces:
    """Placements by the same rules as the bridge's."""

    def __init__(self, sources: Sources, settings: InstrumentorSettings) -> None:
        self._sources = sources
        self._settings = settings.spans
        self._own_trace = settings.children == "link" and settings.parent == "link"

    def default(self, run_id: str) -> Placement:
        """Return the run's own trace, first life."""
        return Placement(ids.trace_id(run_id, namespace=self._settings.namespace))

    def find(self, run_ids: Sequence[str]) -> dict[str, Placement]:
        """Return the placements of these runs; one that the store does not hold yet is left out."""
        traces = self._traces(run_ids)
        generations = self._generations(run_ids) if self._sources.ledger.available else {}
        return {run_id: Placement(trace_id, generations.get(run_id, 0)) for run_id, trace_id in traces.items()}

    def open(self) -> None:
        """Open the ledger."""
        if self._sources.ledger.available:
            self._sources.ledger.get().exported([""])

    def _generations(self, run_ids: Sequence[str]) -> dict[str, int]:
        ledger = self._sources.ledger.get()
        past = ledger.past_lives(run_ids)  # before what was exported: a life that is exported in between is found there
        exported = exported_or_pending(ledger, run_ids)
        begun = [run_id for run_id, record in exported.items() if record.steps and not record.ended]
        steps = self._steps(begun) if begun else {}
        return {
            run_id: present_generation(steps.get(run_id), exported.get(run_id), past.get(run_id, ()))
            for run_id in run_ids
        }

    def _steps(self, run_ids: Sequence[str]) -> dict[str, list[Step]]:
        """Read the steps of runs that continue: after a crash, or rewound before their end was exported: rarely."""
        if not self._sources.store.available:
            return {}
        steps = self._sources.store.get().get_steps_of(run_ids)
        if self._own_trace:
            self._sources.store.close()
        return steps

    def _traces(self, run_ids: Sequence[str]) -> dict[str, bytes]:
        if self._own_trace or not self._sources.store.available:
            return {run_id: ids.trace_id(run_id, namespace=self._settings.namespace) for run_id in run_ids}
        store = self._sources.store.get()
        own = store.get_runs(sorted({ids.traced_run_id(run_id) for run_id in run_ids}))
        nested = self._settings.children == "nest"
        runs = with_ancestors(own, _parent_of, read=store.get_runs) if nested else own
        traces = Traces(self._settings, Relatives(runs=runs))
        return {run_id: traces.trace_id(run_id) for run_id in run_ids if ids.traced_run_id(run_id) in runs}


def _parent_of(run: Run) -> list[str]:
    return [ids.traced_run_id(run.parent_id)] if run.parent_id is not None else []
