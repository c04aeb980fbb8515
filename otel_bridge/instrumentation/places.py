"""Finds where a run's spans belong: its life from the ledger, its trace from the store where that takes looking up."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge import ids
from otel_bridge.instrumentation.current import Placement
from otel_bridge.instrumentation.settings import InstrumentorSettings
from otel_bridge.instrumentation.sources import Sources
from otel_bridge.ledger.base import ExportedRun
from otel_bridge.models import Run
from otel_bridge.spans import Relatives, SpanSettings, Traces

_MAX_ANCESTORS = 100


def generation_of(exported: ExportedRun | None) -> int:
    """Return the generation of a run that executes now: an exported end means that this is its next life."""
    if exported is None:
        return 0
    return exported.generation + (1 if exported.ended else 0)


class RunPlaces:
    """Placements by the same rules as the bridge's."""

    def __init__(self, sources: Sources, settings: InstrumentorSettings) -> None:
        self._sources = sources
        self._settings = SpanSettings(namespace=settings.namespace, children=settings.children, parent=settings.parent)
        self._own_trace = settings.children == "link" and settings.parent == "link"

    def default(self, run_id: str) -> Placement:
        """Return the run's own trace, first life."""
        return Placement(ids.trace_id(run_id, namespace=self._settings.namespace))

    def find(self, run_ids: Sequence[str]) -> dict[str, Placement]:
        """Return the placements of these runs; one that the store does not hold yet is left out."""
        traces = self._traces(run_ids)
        exported = self._sources.ledger.get().exported(run_ids) if self._sources.ledger.available else {}
        return {run_id: Placement(trace_id, generation_of(exported.get(run_id))) for run_id, trace_id in traces.items()}

    def _traces(self, run_ids: Sequence[str]) -> dict[str, bytes]:
        if self._own_trace or not self._sources.store.available:
            return {run_id: ids.trace_id(run_id, namespace=self._settings.namespace) for run_id in run_ids}
        runs = self._with_ancestors(run_ids)
        traces = Traces(self._settings, Relatives(runs=runs))
        return {run_id: traces.trace_id(run_id) for run_id in run_ids if ids.traced_run_id(run_id) in runs}

    def _with_ancestors(self, run_ids: Sequence[str]) -> dict[str, Run]:
        store = self._sources.store.get()
        known: dict[str, Run] = {}
        wanted = {ids.traced_run_id(run_id) for run_id in run_ids}
        for _ in range(_MAX_ANCESTORS):
            found = store.get_runs(sorted(wanted))
            known.update(found)
            if self._settings.children != "nest":
                break
            parents = {ids.traced_run_id(run.parent_id) for run in found.values() if run.parent_id is not None}
            wanted = parents - known.keys()
            if not wanted:
                break
        return known
