"""What the ledger remembers, as frozen records. Declares; touches nothing. Times are Unix milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from otel_bridge.model.runs import DecisionState, Run
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue

COPIED = -1
"""Generation of a step that a fork copied from its original."""
GONE = "deleted"
"""How a run ended that the engine holds no more."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A held lease. ``token`` grows with every hand-over: a write with an old one is refused (fencing)."""

    name: str
    owner: str
    token: int
    expires_at_ms: int
    since_ms: int

    @property
    def holder(self) -> str:
        """The process that holds it, for people: ``host:pid``."""
        return self.owner.rpartition(":")[0] or self.owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far an exporter has read, by the database's clock."""

    steps_ms: int
    runs_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedRun:
    """What was exported for one run.

    Args:
        generation: 0 for the first life of the run; counts retries and resumes after it had ended.
        ended: True once the root (generation 0) or the ``retry N`` span of ``generation`` was exported.
        steps: ``seq`` of every exported step -> (its ``finished_at_ms``, its generation; ``COPIED``: never sent).
        first_queue, first_started_at_ms: as first seen; the engine overwrites them on recovery. ``started_at_ms``: when
            this life was last seen to have started, which the engine forgets at a cancel.
        ended_at_ms: when the run last ended, for pruning and for the next generation's span.
        status: the status in which it last ended; ``GONE`` where the run before it had the same id and was deleted.
        workflow: the workflow's name, for the root of a run that was deleted before it was seen to end.
        failed_step: (``seq``, generation) of the step whose failure ended it last, for the link from its retry.
        anchored: the last generation whose root, or ``retry N`` span, was sent when it began (``root="anchor"``).
    """

    run_id: str
    generation: int = 0
    ended: bool = False
    steps: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    first_queue: str | None = None
    first_started_at_ms: int | None = None
    started_at_ms: int | None = None
    created_at_ms: int | None = None
    ended_at_ms: int | None = None
    status: str | None = None
    workflow: str | None = None
    failed_step: tuple[int, int] | None = None
    anchored: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastLife:
    """A life of a run as its rows showed it when it was about to be retried, and nobody had exported its end.

    Args:
        steps: with their stored errors.
        error: why the run failed.
    """

    run: Run
    generation: int
    steps: tuple[Step, ...] = ()
    error: StoredValue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAttempt:
    """How a run stood when an action was about to put it on a queue again.

    Args:
        at_ms: when that action began, as the audit log will say.
        life: the row, its steps, those in flight as ``interrupted``, and why it had failed.
    """

    at_ms: int
    life: PastLife


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlightStep:
    """A step that an executor is executing now. ``seq`` is None for the workflow body itself."""

    run_id: str
    seq: int | None
    name: str
    started_at_ms: int
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptedStep:
    """An execution of a step of which the engine kept nothing: it may have had its effect.

    Its run was cancelled meanwhile, by whomever, or taken by another worker.

    Args:
        ended_at_ms: when it was over, or until when it is known to have gone on.
        executor: the engine's id of the process that executed it.
    """

    run_id: str
    seq: int
    name: str
    started_at_ms: int
    ended_at_ms: int
    attempt: int = 1
    executor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateValidator:
    """A check that a worker makes of an update before it takes it.

    Args:
        workflow: the workflow's name; ``*`` for every workflow.
        schema: what it accepts, as JSON schema; None where code decides, or where it is too large to report.
    """

    workflow: str
    name: str
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """One live worker process.

    Args:
        instance_id: unique to the process; ``executor_id`` is the engine's and may be shared or reused.
        stopped: True when the process signed off.
        queues: queues it listens to; empty means all.
        workflows: names registered in it.
        in_flight: steps, and bodies without a step, that have been executing for a while; at most ``MAX_IN_FLIGHT``.
        runs: the runs that it drives, executing or waiting; the newest ``MAX_RUNS`` of ``runs_total``. None from a
            process that does not report them.
        busy: runs it executes now, by the queue that they came from.
        serializer: of the engine, by its name (``py_pickle``).
        validators: of updates, declared in it.
    """

    instance_id: str
    executor_id: str
    beat_at_ms: int
    started_at_ms: int
    interval_ms: int = 2000
    app_name: str | None = None
    app_version: str | None = None
    host: str | None = None
    pid: int | None = None
    sdk: str | None = None
    stopped: bool = False
    queues: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    in_flight: tuple[InFlightStep, ...] = ()
    in_flight_total: int = 0
    runs: tuple[str, ...] | None = None
    runs_total: int = 0
    busy: Mapping[str, int] = field(default_factory=dict)
    serializer: str | None = None
    validators: tuple[UpdateValidator, ...] = ()

    def is_live(self, now_ms: int) -> bool:
        """True while it beats: three intervals and a second of grace."""
        return not self.stopped and now_ms - self.beat_at_ms <= 3 * self.interval_ms + 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to which run, when, with what outcome. ``id`` is given by the ledger."""

    at_ms: int
    actor: str
    action: str
    run_id: str | None
    outcome: str
    detail: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    id: int | None = None


# -- API tokens -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An API token, less its secret, of which only a hash is kept.

    Args:
        scopes: what it may be used for; empty means all that its role may.
        expires_at_ms: None for one that does not expire.
    """

    id: str
    name: str
    role: str
    scopes: tuple[str, ...] = ()
    created_by: str = ""
    created_at_ms: int = 0
    expires_at_ms: int | None = None
    last_used_at_ms: int | None = None
    revoked_at_ms: int | None = None

    def is_good(self, now_ms: int) -> bool:
        """True while it was neither revoked nor has expired."""
        return self.revoked_at_ms is None and (self.expires_at_ms is None or now_ms < self.expires_at_ms)


# -- failures ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSignature:
    """What failures of one kind have in common; ``fingerprint`` is a hash over the rest.

    Args:
        template: the message with its numbers and ids left out.
        frame: the innermost frame of the application's own code, where a stack is known.
    """

    fingerprint: str
    type: str
    step: str | None = None
    template: str = ""
    frame: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One end of a run in failure. A run that was retried and failed again has two.

    Args:
        message: the first line, bounded.
        settled: how it was made good without anybody's word: ``completed``, ``undone``; None while it was not.
    """

    run_id: str
    ended_at_ms: int
    created_at_ms: int
    signature: ErrorSignature
    workflow: str
    message: str = ""
    version: str | None = None
    queue: str | None = None
    executor: str | None = None
    namespace: str | None = None
    settled: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """Failures of one signature: how often within the window asked for, and when ever.

    Args:
        count: within the window; ``total`` ever.
        last_at_ms: the last within the window; None where there is none.
    """

    signature: ErrorSignature
    count: int
    last_at_ms: int | None
    total: int
    first_seen_ms: int
    last_seen_ms: int


FailureAxis = Literal["version", "workflow"]
"""What failures can be counted by."""

DispositionKind = Literal["run", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """What a person decided about a run, or an error (by fingerprint).

    It covers what was there at ``at_ms``: a failure that comes after it is open again.
    """

    kind: DispositionKind
    subject: str
    state: DecisionState
    actor: str
    at_ms: int
    note: str = ""

    def state_at(self, last_seen_ms: int) -> DecisionState:
        """Return the state of something that was last seen then."""
        return self.state if last_seen_ms <= self.at_ms else "open"


BulkOutcome = Literal["trying", "applied", "refused", "changed", "gone"]
"""What a bulk action did with a run: ``changed`` was left alone, for it stood otherwise than when it was previewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """A bulk action as it was asked for.

    Args:
        matched: runs that it was to touch; ``skipped`` matched the filter, but their state did not allow it.
        filter: as query parameters of the run list.
        ended_at_ms: when it had come to all of them or was stopped, if a request did it; a durable run tells itself.
    """

    bulk_id: str
    action: str
    actor: str
    at_ms: int = 0
    matched: int = 0
    skipped: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)
    filter: Mapping[str, Any] = field(default_factory=dict)
    ended_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkMember:
    """A run that a bulk action came to. ``fingerprint`` is the error that it had died of before."""

    bulk_id: str
    run_id: str
    created_at_ms: int
    outcome: BulkOutcome
    detail: str = ""
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One call of a model by a step, as the step's recorded result tells.

    Args:
        ended_at_ms: when the step ended.
        model: the model that answered; empty where the result does not name it.
    """

    run_id: str
    seq: int
    ended_at_ms: int
    workflow: str
    version: str | None
    model: str
    input_tokens: int
    output_tokens: int


UsageAxis = Literal["run", "workflow", "version", "day"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotal:
    """Sums over model calls that have these values; None if they were not grouped by it, or have none.

    Args:
        day_ms: the day's beginning, in UTC.
    """

    run_id: str | None = None
    workflow: str | None = None
    version: str | None = None
    day_ms: int | None = None
    model: str
    calls: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Who is to answer the wait at step ``seq`` of a run, and who said so."""

    run_id: str
    seq: int
    assignee: str
    actor: str
    at_ms: int = 0
