"""The steps of a run. Pure data; steps, of which there are many, are tuples."""

from __future__ import annotations

from typing import Literal, NamedTuple

from otel_bridge.model.runs import WaitingOn
from otel_bridge.model.values import StoredValue

StepKind = Literal["local", "remote", "sleep", "signal"]
StepStatus = Literal["pending", "running", "completed", "failed"]


class Step(NamedTuple):
    """One step of a run, after folding of the engine's bookkeeping rows.

    Args:
        seq: the engine's step number; a gap is a row that was folded away.
        name: function name; for a wait made by ``dashboard.workflow`` its topic or label.
        waits_on: for kind ``signal``: what is awaited, where that is known.
        folded: numbers of the bookkeeping rows that this step absorbed.
        recorded_at_ms: when the engine wrote the row that ended the step (database clock).
        attempts: executions, where known (presence tells; the engine does not store it).
    """

    run_id: str
    seq: int
    name: str
    kind: StepKind
    status: StepStatus
    started_at_ms: int | None = None
    finished_at_ms: int | None = None
    enqueued_at_ms: int | None = None
    recorded_at_ms: int | None = None
    child_run_id: str | None = None
    worker_group: str | None = None
    executor: str | None = None
    attempts: int = 1
    wake_at_ms: int | None = None
    waits_on: WaitingOn | None = None
    housekeeping: bool = False
    folded: tuple[int, ...] = ()
    has_output: bool = False
    has_error: bool = False
    output: StoredValue | None = None
    error: StoredValue | None = None
    compensates: int | None = None

    @property
    def is_open(self) -> bool:
        """True while the store holds no end for the step."""
        return self.finished_at_ms is None


class StepKey(NamedTuple):
    """A step row the engine recorded: enough to notice it, without its payload."""

    run_id: str
    seq: int
    finished_at_ms: int | None
    recorded_at_ms: int
