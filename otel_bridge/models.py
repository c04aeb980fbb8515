"""What the state store holds, in our vocabulary. Pure data: no clock, file, socket or database.

Times are Unix milliseconds in fields that end in ``_ms``. Every type is frozen; steps, of which there are many, are
tuples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

RunStatus = Literal[
    "pending", "running", "suspended", "cancelling", "completed", "failed", "cancelled", "dead", "blocked"
]
StepKind = Literal["local", "remote", "sleep", "signal"]
StepStatus = Literal["pending", "running", "completed", "failed"]
WaitingOn = Literal["signal", "webhook", "update", "breakpoint", "child", "sleep", "queue", "delay"]
PayloadName = Literal["input", "output", "error"]

RUN_STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)
TERMINAL_STATUSES: frozenset[RunStatus] = frozenset({"completed", "failed", "cancelled", "dead"})

UNDO_PREFIX = "undo:"
"""Run id of the undo of a run: ``undo:<run_id>``."""
DEAD_LETTER_PREFIX = "dlq:"
"""Run id of the dead-letter handler of a run: ``dlq:<run_id>``."""
BULK_PREFIX = "bulk:"
"""Run id of a bulk action: ``bulk:<random>``."""
UNDO_WORKFLOW = "durable.undo"
PLAN_STEP, STUCK_STEP, COMPENSATE_PREFIX = "durable.plan", "durable.stuck", "compensate:"
"""Steps of an undo: its plan, a compensation of one entry, and what is said when some are stuck."""
WAIT_EVENT_KEY = "durable.wait"
"""Event that ``dashboard.workflow`` publishes in the step before a wait: ``{"on", "name", "until"?}``."""


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A serialized value as the engine stored it, maybe cut. ``codec`` turns it into JSON.

    Args:
        text: the stored text, cut to the reader's cap when ``truncated``.
        serialization: the engine's name of the format (``py_pickle``, ``portable_json``, ``js_superjson``, ...).
        size_bytes: length of the whole stored text.
    """

    text: str
    serialization: str | None
    size_bytes: int

    @property
    def truncated(self) -> bool:
        """True when ``text`` is only the beginning."""
        return len(self.text.encode("utf-8", "surrogatepass")) < self.size_bytes


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a run waits for. ``name`` is the topic, label, child or queue where that is known."""

    on: WaitingOn
    name: str | None
    since_ms: int
    until_ms: int | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One workflow execution. Payloads are not part of it: see ``StateStore.get_payload``.

    ``started_at_ms`` is when the engine last picked the run up: recovery and retry overwrite it.
    ``queue`` is likewise the queue it was last put on; the ledger remembers the first.
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
    deadline_at_ms: int | None = None
    authenticated_user: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    waiting: Waiting | None = None
    undo_id: str | None = None
    dead_letter_id: str | None = None

    @property
    def is_terminal(self) -> bool:
        """True when the run has ended and only an action could make it move again.

        A run whose undo is at work (``cancelling``) has itself ended too.
        """
        return self.status in TERMINAL_STATUSES or self.status == "cancelling"

    @property
    def dead_run_id(self) -> str | None:
        """The dead run that this run handles, if it is a dead-letter handler."""
        return self.id[len(DEAD_LETTER_PREFIX) :] if self.id.startswith(DEAD_LETTER_PREFIX) else None

    @property
    def undoes_id(self) -> str | None:
        """The run that this run undoes, if it is an undo."""
        return self.id[len(UNDO_PREFIX) :] if self.id.startswith(UNDO_PREFIX) else None


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


@dataclass(frozen=True, slots=True)
class AttributeFilter:
    """``key op value`` over a run's attributes; ``op`` is one of eq ne gt gte lt lte."""

    key: str
    op: Literal["eq", "ne", "gt", "gte", "lt", "lte"]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Filter and page of a run listing. Unset fields do not filter.

    Args:
        text: prefix of the run id, or a part of the workflow's name.
        cursor: opaque; from ``RunPage.next_cursor``.
        offset: small offsets only (``<= 1000``), for clients that cannot follow cursors.
    """

    statuses: frozenset[RunStatus] = frozenset()
    workflow: str | None = None
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
class Facet:
    """How many runs have this status (and workflow). ``exact`` is False when counting stopped at its budget."""

    status: RunStatus
    count: int
    workflow: str | None = None
    exact: bool = True


class StepKey(NamedTuple):
    """A step row the engine recorded: enough to notice it, without its payload."""

    run_id: str
    seq: int
    finished_at_ms: int | None
    recorded_at_ms: int


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """A value that a run published by ``set_event``."""

    run_id: str
    key: str
    value: StoredValue


@dataclass(frozen=True, slots=True)
class UnreadMessage:
    """A message in a run's mailbox that the run has not received yet. ``key`` is the sender's idempotency key."""

    run_id: str
    topic: str | None
    key: str
    value: StoredValue


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInfo:
    """A queue: its limits, and how much waits on it. ``registered`` is False when only runs mention it."""

    name: str
    depth: int
    running: int
    oldest_created_at_ms: int | None
    concurrency: int | None = None
    worker_concurrency: int | None = None
    rate_limit_max: int | None = None
    rate_limit_period_s: float | None = None
    polling_interval_s: float | None = None
    registered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """A cron schedule that the engine fires."""

    name: str
    workflow: str
    schedule: str
    active: bool
    last_fired_at: str | None = None
    timezone: str | None = None
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What ``StateStore.check`` found. ``warnings`` are sentences for people."""

    target: str
    dialect: Literal["sqlite", "postgres", "memory"]
    schema_version: int | None
    warnings: tuple[str, ...] = ()
