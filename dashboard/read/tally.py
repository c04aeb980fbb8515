"""Counts of runs by status, and by workflow where asked. Pure."""

from __future__ import annotations

from collections import Counter

from otel_bridge.model.runs import Facet, Run
from otel_bridge.model.status import RunStatus


class Tally:
    """Counts of runs that are looked at one by one, as people see them."""

    def __init__(self, by_workflow: bool) -> None:
        self._by_workflow = by_workflow
        self._counts: Counter[tuple[RunStatus, str | None]] = Counter()
        self.bounded: set[RunStatus] = set()
        """Statuses of which there are as many as counted, or more."""

    def add(self, run: Run, count: int = 1) -> None:
        self._counts[run.status, run.workflow if self._by_workflow else None] += count

    def facets(self) -> list[Facet]:
        found = [
            Facet(status, count, workflow, status not in self.bounded)
            for (status, workflow), count in self._counts.items()
        ]
        known = {facet.status for facet in found}
        return [*found, *(Facet(status, 0, None, False) for status in self.bounded - known)]
