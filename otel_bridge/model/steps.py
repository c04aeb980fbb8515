"""The steps of a run. Pure data; steps, of which there are many, are tuples."""

from __future__ import annotations

from typing import Literal, NamedTuple

from otel_bridge.model.runs import WaitingOn
from otel_bridge.model.values import StoredValue

StepKind = Literal["local", "remote", "sleep", "signal"]
StepStatus = Literal["pending", "running", "completed", "failed", "cancelled", "dead", "interrupted"]
"""``cancelled`` and ``dead`` are a child's. ``interrupted`` was in flight when its run was cancelled or its worker was
lost: it may have had its effect."""
OPEN_STEP_STATUSES: frozenset[StepStatus] = frozenset({"pending", "running"})
WENT_WRONG: frozenset[StepStatus] = frozenset({"failed", "cancelled", "dead"})
WITHOUT_RESULT: frozenset[StepStatus] = WENT_WRONG | {"interrupted"}
"""What to look at first in a run that went wrong."""


def _between(begin_ms: int | None, end_ms: int | None) -> int | None:
    """Return the time between two stamps, never negative: clocks of two machines may disagree."""
    return None if begin_ms is None or end_ms is None else max(0, end_ms - begin_ms)


class Step(NamedTuple):
    """One step of a run, after folding of the engine's bookkeeping rows.

    Args:
        seq: the engine's step number; a gap is a row that was folded away.
        name: function name; of a wait what it waits on and its topic or label: ``signal:paid``, ``breakpoint:approve``.
        waits_on: for kind ``signal``: what is awaited, where that is known.
        folded: numbers of the bookkeeping rows that this step absorbed.
        recorded_at_ms: when the engine wrote the row that ended the step (database clock).
        finished_at_ms: when the step ended; of a remote one, when its child did, whenever the parent asked for it.
        asked_at_ms: when the run asked for a remote step, however often its child was retried since.
        enqueued_at_ms: when the child of a remote step was put on its queue; None where nobody knows, too.
        collected_at_ms: when the parent took the result of a remote step.
        key: topic of a message received, key of an event set, name of a stream written to.
        attempts: executions, where known (presence tells; the engine does not store it).
        child_forgotten: its child's row is gone, or tells of another life than the one whose result the run has.
        child_put_back: its child was put on its queue once more, as the child's own rows show: see ``runs.children``.
        unreadable: its row holds what the engine's columns do not declare; what could not be read is left out.
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
    collected_at_ms: int | None = None
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
    key: str | None = None
    unreadable: bool = False
    child_put_back: bool = False
    asked_at_ms: int | None = None
    child_forgotten: bool = False

    @property
    def is_open(self) -> bool:
        """True while the store holds no end for the step."""
        return self.finished_at_ms is None

    @property
    def begun_at_ms(self) -> int | None:
        """When the run itself came to the step: a remote one when it asked for it, whenever its child began."""
        return self.started_at_ms if self.asked_at_ms is None else self.asked_at_ms

    @property
    def duration_ms(self) -> int | None:
        """How long the step worked, never negative; None while it is open."""
        return _between(self.started_at_ms, self.finished_at_ms)

    @property
    def queue_ms(self) -> int | None:
        """How long it waited for a worker, never negative; None where it waits still or never did."""
        return _between(self.enqueued_at_ms, self.started_at_ms)

    @property
    def collect_ms(self) -> int | None:
        """How long after a remote step's end its run took the result; None until it did."""
        return _between(self.finished_at_ms, self.collected_at_ms)

    @property
    def error_seq(self) -> int:
        """Number of the row that holds its error and output: of a remote step, that with which its result was taken."""
        return self.folded[0] if self.kind == "remote" and self.folded else self.seq

    @property
    def went_wrong(self) -> bool:
        """True when the step failed, or its child failed, was cancelled or was given up."""
        return self.status in WENT_WRONG


class StepKey(NamedTuple):
    """A step row the engine recorded: enough to notice it, without its payload."""

    run_id: str
    seq: int
    finished_at_ms: int | None
    recorded_at_ms: int


class StepPart(NamedTuple):
    """Some of a run's steps, by ``seq``.

    Args:
        next_seq: the number that the next part begins with; None for the last part.
        is_whole: these are all of the run's steps.
    """

    steps: list[Step]
    next_seq: int | None = None
    is_whole: bool = False


class StepCounts(NamedTuple):
    """How many steps a run has, and in how many of them an error was recorded."""

    total: int
    failed: int


class RecordedOperation(NamedTuple):
    """One row that the engine replays a run from: a step, or its own bookkeeping, as it stands.

    Args:
        name: as the engine compares it: ``charge``, ``DBOS.sleep``, ``DBOS.getResult``.
    """

    seq: int
    name: str
    output: StoredValue | None = None
    error: StoredValue | None = None
    child_run_id: str | None = None
