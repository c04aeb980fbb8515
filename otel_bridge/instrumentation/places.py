"""Finds where a run's spans belong, from the ledger (its generation) and the store (its ancestors). Reads both."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge import ids
from otel_bridge.instrumentation.current import Placement
from otel_bridge.instrumentation.sources import LedgerSource
from otel_bridge.ledger.base import ExportedRun


def generation_of(exported: ExportedRun | None) -> int:
    """Return the generation of a run that executes now: an exported end means that this is its next life."""
    if exported is None:
        return 0
    return exported.generation + (1 if exported.ended else 0)


class LedgerPlaces:
    """Placements of runs that each have a trace of their own."""

    def __init__(self, source: LedgerSource, *, namespace: str) -> None:
        self._source, self._namespace = source, namespace

    def default(self, run_id: str) -> Placement:
        """Return the run's own trace, first generation."""
        return Placement(ids.trace_id(run_id, namespace=self._namespace))

    def find(self, run_ids: Sequence[str]) -> dict[str, Placement]:
        """Return each run's own trace and its generation, in one read."""
        if not self._source.available:
            return {}
        exported = self._source.get().exported(run_ids)
        return {
            run_id: Placement(ids.trace_id(run_id, namespace=self._namespace), generation_of(exported.get(run_id)))
            for run_id in run_ids
        }
