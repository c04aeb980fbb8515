"""Runs, and queries over them. Pure data; times are Unix milliseconds in fields that end in ``_ms``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from otel_bridge.model.names import DEAD_LETTER_PREFIX, INTERNAL_QUEUE, UNDO_PREFIX
from otel_bridge.model.status import FORGETFUL_STATUSES, STATUSES, RunStatus

ROUNDING_MS = 1_000
"""On SQLite with Python before 3.12, times of run rows are rounded down to whole seconds."""
_BEGIN_ON_ENGINES = "sched-"
"""Ids of scheduled runs: older schemas have no column for the schedule."""
_ENGINES_OWN = "_dbos_"
"""Workflows of the engine itself, such as its debouncer."""
WaitingOn = Literal["signal", "webhook", "update", "breakpoint", "child", "sleep", "queue", "delay"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a run waits for. ``name`` is the topic, label, child or queue where that is known."""

    on: WaitingOn
    name: str | None
    since_ms: int
    until_ms: int | None = None
    seq: int | None = None


class StartedRun(NamedTuple):
    """A run that another one started: by which of its steps, where a step says so."""

    run_id: str
    child_id: str
    seq: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class OpenWait:
    """A wait of ``dashboard.workflow`` that a run is in, or is about to be in; a run may be in several side by side.

    Args:
        seq: number of the receiving step.
        topic: where it listens.
        schema: JSON schema of what it takes; None where it did not say.
        dropped: how many messages it dropped because they did not fit.
        ask: what a person is asked; None where it did not say.
    """

    seq: int
    on: WaitingOn
    name: str
    topic: str
    schema: Mapping[str, object] | None = None
    dropped: int = 0
    ask: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A wait that a person is to answer: at a breakpoint, or at one that says what it asks.

    Args:
        since_ms: when it was announced.
        until_ms: when it gives up; None: never.
    """

    run_id: str
    wait: OpenWait
    since_ms: int
    until_ms: int | None = None


BlockedCode = Literal["version_gone", "executor_lost", "not_driven", "queue_unpolled", "workflow_unregistered"]


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why nobody runs a run: a code for programs, a reason with its values, and what to do."""

    code: BlockedCode
    reason: str
    remedy: str


DecisionState = Literal["open", "dealt_with", "ignored"]
"""What somebody decided about a failure, or about an error."""


BulkPart = Literal["applied", "left_alone", "succeeded", "same_error", "new_error", "cancelled", "open"]
"""What a bulk action did with a run, and how it stands since: ``applied`` is all but ``left_alone``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """The error that a run died of last: ``fingerprint`` is that of all failures of its kind.

    Args:
        message: its first line.
        step: the name of the step whose error it was; None where it was the workflow's own.
    """

    type: str
    message: str
    fingerprint: str
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One workflow execution. Payloads are not part of it: see ``StateStore.get_payload``.

    ``started_at_ms`` is when the engine last picked the run up: recovery and retry overwrite it.
    ``queue`` is likewise the queue it was last put on; the ledger remembers the first. ``requeued_at_ms`` is when an
    action last put it on a queue again: no row says so, the audit log does (see ``runs.attempts``);
    ``resumed_by_engine`` where it was the engine's own resume or rewind, which nobody timed; ``ran_before``: a step was
    recorded before the row's own start, so something put the run back. ``first_step_at_ms`` is when its first step
    began, looked at where the row forgot the start (see ``start_is_forgotten``); ``began_at_ms`` when such a run began
    that was on no queue, or on none that is known. ``error`` is the last that
    the run died of, also after it was retried: the ledger remembers it (see ``runs.failures``), as it does
    ``bulk_parts``: the bulk actions that came to the run, each with the parts of its aftermath (None: any).
    ``undo_stuck``: the undo ended without undoing all of it.
    ``unreadable`` names the engine's columns that hold what they do not declare: the other fields are right.
    """

    id: str
    workflow: str
    status: RunStatus
    created_at_ms: int
    updated_at_ms: int
    started_at_ms: int | None = None
    finished_at_ms: int | None = None
    workflow_version: str | None = None
    class_name: str | None = None
    config_name: str | None = None
    queue: str | None = None
    queue_partition: str | None = None
    executor: str | None = None
    recovery_attempts: int = 0
    namespace: str | None = None
    parent_id: str | None = None
    forked_from: str | None = None
    schedule: str | None = None
    serialization: str | None = None
    deduplication_id: str | None = None
    priority: int = 0
    wake_at_ms: int | None = None
    delayed_until_ms: int | None = None
    deadline_at_ms: int | None = None
    requeued_at_ms: int | None = None
    resumed_by_engine: bool = False
    ran_before: bool = False
    first_step_at_ms: int | None = None
    began_at_ms: int | None = None
    authenticated_user: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    waiting: Waiting | None = None
    blocked: Blocked | None = None
    undo_id: str | None = None
    undo_stuck: bool = False
    dead_letter_id: str | None = None
    error: RunError | None = None
    bulk_parts: frozenset[tuple[str, BulkPart | None]] = frozenset()
    unreadable: tuple[str, ...] = ()

    @property
    def is_terminal(self) -> bool:
        """True when the run has ended and only an action could make it move again.

        A run whose undo is at work (``cancelling``) has itself ended too.
        """
        return STATUSES[self.status].ended

    @property
    def is_queued(self) -> bool:
        """True while the run waits to be picked up, be it ``blocked`` there or about to be undone."""
        return self.status == "pending" or (self.waiting is not None and self.waiting.on in ("queue", "delay"))

    @property
    def queue_ms(self) -> int | None:
        """How long the run waited since it was last put on a queue.

        None where nobody knows: recovery overwrote its start, or the engine put it back at a time that no row keeps.
        """
        if self.started_at_ms is None or self.recovery_attempts > 1 or self.was_put_back:
            return None
        return max(0, self.started_at_ms - self.enqueued_at_ms)

    @property
    def enqueued_at_ms(self) -> int:
        """When the run was last put on its queue: at its creation, after its delay, or by an action.

        Where the engine put it back it was then, at the latest: the row's last change while it is queued, else its
        start.
        """
        if self.requeued_at_ms is not None:  # before the end of its delay too: what is put back waits for no delay
            return max(self.created_at_ms, self.requeued_at_ms)
        if not self.was_put_back:
            return max(self.created_at_ms, self.delayed_until_ms or 0)
        return max(self.created_at_ms, (self.updated_at_ms if self.is_queued else self.started_at_ms) or 0)

    @property
    def was_put_back(self) -> bool:
        """True where the engine put the run on a queue again, by a resume, a rewind or a recovery.

        Its rows show that: it is on the engine's own queue, where nothing else begins but what is scheduled or forked;
        or it is queued and was executed before; or a step is older than its start. An engine that was given another
        queue before the run had recorded a step leaves no trace.
        """
        if self.requeued_at_ms is not None:
            return self.resumed_by_engine
        if self.ran_before:
            return True
        begins_there = (
            self.schedule is not None or self.forked_from is not None or self.id.startswith(_BEGIN_ON_ENGINES)
        )
        engines = self.queue == INTERNAL_QUEUE and not begins_there and not self.workflow.startswith(_ENGINES_OWN)
        return engines or (self.is_queued and self.recovery_attempts > 0)

    @property
    def duration_ms(self) -> int | None:
        """The time from the run's (last) start to its end; None where it never started, or nobody knows when.

        Its wait in the queue is no part of it. A run that was on no queue began as it was created.
        """
        began_ms = self.began_at_ms if self.started_at_ms is None else self.started_at_ms
        if began_ms is None and self.status not in FORGETFUL_STATUSES:
            began_ms = self.created_at_ms
        return None if self.finished_at_ms is None or began_ms is None else max(0, self.finished_at_ms - began_ms)

    @property
    def start_is_forgotten(self) -> bool:
        """True of a stopped run that was executed: the engine clears when that began. See ``runs.starts``."""
        return self.status in FORGETFUL_STATUSES and self.started_at_ms is None and self.recovery_attempts > 0

    @property
    def never_started(self) -> bool:
        """True of a run that was stopped on its queue."""
        stopped = self.status in FORGETFUL_STATUSES and self.finished_at_ms is not None
        return stopped and self.started_at_ms is None and self.recovery_attempts == 0

    @property
    def timed_out(self) -> bool:
        """True when the engine cancelled the run because its deadline had passed."""
        return (
            self.status == "cancelled"
            and self.deadline_at_ms is not None
            and self.finished_at_ms is not None
            and self.finished_at_ms + ROUNDING_MS > self.deadline_at_ms
        )

    @property
    def dead_run_id(self) -> str | None:
        """The dead run that this run handles, if it is a dead-letter handler."""
        return self.id[len(DEAD_LETTER_PREFIX) :] if self.id.startswith(DEAD_LETTER_PREFIX) else None

    @property
    def undoes_id(self) -> str | None:
        """The run that this run undoes, if it is an undo."""
        return self.id[len(UNDO_PREFIX) :] if self.id.startswith(UNDO_PREFIX) else None


@dataclass(frozen=True, slots=True)
class AttributeFilter:
    """``key op value`` over a run's attributes; ``op`` is one of eq ne gt gte lt lte."""

    key: str
    op: Literal["eq", "ne", "gt", "gte", "lt", "lte"]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Filter and page of a run listing. Unset fields do not filter; ``model.matching`` says what each means.

    Args:
        nothing: the filter asks for what no run has.
        error: a fingerprint; what the ledger knows of runs, not the store: ``RunReader`` looks there.
        bulk: the id of a bulk action, ``bulk_part`` a part of its aftermath; likewise.
        run_id: this run alone.
        text: prefix of the run id, or a part of the workflow's name.
        cursor: opaque; from ``RunPage.next_cursor``.
        offset: small offsets only (``<= 1000``), for clients that cannot follow cursors.
    """

    statuses: frozenset[RunStatus] = frozenset()
    workflow: str | None = None
    run_id: str | None = None
    text: str | None = None
    queue: str | None = None
    executor: str | None = None
    version: str | None = None
    tags: tuple[str, ...] = ()
    attributes: tuple[AttributeFilter, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    parent_id: str | None = None
    namespace: str | None = None
    min_duration_ms: int | None = None
    error: str | None = None
    bulk: str | None = None
    bulk_part: BulkPart | None = None
    nothing: bool = False
    limit: int = 50
    cursor: str | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of runs, newest first.

    ``next_cursor`` is None on the last page. A page may hold fewer runs than asked and still have a next one:
    a filter that matches rarely is scanned within a time budget, and ``scanned_to_ms`` says how far back it got.
    """

    runs: list[Run]
    next_cursor: str | None
    scanned_to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Queued runs that differ in nothing that decides who may pick them up. ``like`` stands for all of them.

    ``like`` has no id, and was created when the first of them was.
    """

    like: Run
    count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """How many runs have this status (and workflow). Where ``exact`` is False there are as many or more."""

    status: RunStatus
    count: int
    workflow: str | None = None
    exact: bool = True


class Grid(NamedTuple):
    """A time cut into parts of one width; the last may be shorter. Created in a part: from its begin, before its end.

    Example:
        >>> grid = Grid.of(0, 100, 3)
        >>> grid.parts, grid.bounds(2), grid.part_of(99)
        (3, (68, 100), 2)
    """

    since_ms: int
    until_ms: int
    width_ms: int

    @classmethod
    def of(cls, since_ms: int, until_ms: int, parts: int) -> Grid:
        """Return the grid of so many parts, or of as many as there are milliseconds."""
        return cls(since_ms, until_ms, max(1, -((since_ms - until_ms) // parts)))

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -((self.since_ms - self.until_ms) // self.width_ms)

    def bounds(self, number: int) -> tuple[int, int]:
        """Return when a part begins and ends."""
        begin = self.since_ms + number * self.width_ms
        return begin, min(begin + self.width_ms, self.until_ms)

    def part_of(self, created_ms: int) -> int:
        """Return the number of the part that holds a time of the grid."""
        return (created_ms - self.since_ms) // self.width_ms


@dataclass
class Activity:
    """How many runs were created in each part of a time, by status.

    ``exact_from_ms``: in parts that begin earlier there may be more; None: in none.
    """

    grid: Grid
    exact_from_ms: int | None = None
    counts: list[Counter[RunStatus]] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [Counter() for _ in range(self.grid.parts)]

    def add(self, number: int, status: RunStatus, count: int) -> None:
        """Count runs of a part."""
        self.counts[number][status] += count

    def keep(self, statuses: frozenset[RunStatus]) -> None:
        """Leave out runs of any other status."""
        self.counts = [Counter({s: n for s, n in part.items() if s in statuses}) for part in self.counts]
