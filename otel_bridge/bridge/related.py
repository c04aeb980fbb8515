"""What the spans of runs need to know beyond their own rows, loaded for a chunk at once. Reads store and ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otel_bridge.bridge.stacks import KeptStacks
from otel_bridge.ledger.base import ExportedRun, Ledger
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.model.values import ERROR_CAP_BYTES, StoredValue
from otel_bridge.spans import Relatives, SpanSettings, decode_span_error
from otel_bridge.spans.exceptions import with_stack
from otel_bridge.spans.traces import with_ancestors
from otel_bridge.store.base import StateStore


class Related:
    """Loads what runs' spans need to know of other runs, for one chunk at once."""

    def __init__(
        self,
        store: StateStore,
        ledger: Ledger,
        settings: SpanSettings,
        runs: Mapping[str, Run],
        before: Mapping[str, ExportedRun],
    ) -> None:
        self._store, self._settings = store, settings
        self._stacks = KeptStacks(ledger, settings)
        due = (run for run in runs.values() if _is_due(run, before, settings))
        parents = {run.parent_id for run in due if run.parent_id is not None}
        undone = {run.undoes_id for run in runs.values() if run.undoes_id is not None}
        wanted = sorted((parents | undone) - before.keys())
        self._exports = {**before, **(ledger.exported(wanted) if wanted else {})}
        forks = {run.forked_from for run in runs.values() if run.forked_from is not None and not _steps(before, run)}
        self._originals = store.get_steps_of(sorted(forks)) if forks else {}
        self._runs: dict[str, Run] = dict(runs)
        if settings.children == "nest" or settings.parent == "adopt":
            # Their rows decide trace ids.
            self._runs = with_ancestors(self._runs, _other_runs, read=store.get_runs)

    def of(self, run: Run, before: ExportedRun | None, steps: Sequence[Step]) -> Relatives:
        """Return one run's relatives."""
        if run.status != "failed":
            return self.of_past(run, steps)
        failed = before is None or not before.ended or before.status != "failed"
        again = before is not None and before.ended_at_ms != run.finished_at_ms
        stored = self._store.get_payload(run.id, "error", cap_bytes=ERROR_CAP_BYTES) if failed or again else None
        return self.of_past(run, steps, stored)

    def of_past(self, run: Run, steps: Sequence[Step] = (), stored: StoredValue | None = None) -> Relatives:
        """Return the relatives of a run as it once was.

        Args:
            steps: with their errors, where stacks of those are wanted.
            stored: the run's error, where it is wanted.
        """
        originals = self._originals.get(run.forked_from, ()) if run.forked_from is not None else ()
        stacks = self._stacks.of(run, steps, stored) if self._settings.exception_events else {}
        error = with_stack(decode_span_error(stored, self._settings), stacks.get(None))
        return Relatives(runs=self._runs, exports=self._exports, original_steps=originals, error=error, stacks=stacks)


def _other_runs(run: Run) -> list[str]:
    others = (run.parent_id, run.forked_from, run.undoes_id, run.dead_run_id)
    return [other for other in others if other is not None]


def _is_due(run: Run, before: Mapping[str, ExportedRun], settings: SpanSettings) -> bool:
    """Say whether a span of the run itself may be due, which says whose child it is."""
    known = before.get(run.id)
    if known is None:
        return run.is_terminal or settings.root == "anchor"
    anchorless = settings.root == "anchor" and known.anchored != known.generation
    return not known.ended and (run.is_terminal or anchorless)


def _steps(before: Mapping[str, ExportedRun], run: Run) -> bool:
    return run.id in before and bool(before[run.id].steps)
