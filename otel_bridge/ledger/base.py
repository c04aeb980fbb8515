"""The ``Ledger`` protocol: the little this product remembers. Declares; touches nothing.

Ours alone: a sidecar file beside a SQLite system database, a schema of our own on Postgres. It may be deleted;
nothing of the engine's is in it. Times are Unix milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue

COPIED = -1
"""Generation of a step that a fork copied from its original."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A held lease. ``token`` grows with every hand-over: a write with an old one is refused (fencing)."""

    name: str
    owner: str
    token: int
    expires_at_ms: int


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
        steps: ``seq`` of every exported step -> (its ``finished_at_ms``, the generation it ran in).
        first_queue, first_started_at_ms: as first seen; the engine overwrites them on recovery.
        ended_at_ms: when the run last ended, for pruning and for the next generation's span.
        status: the status in which it last ended.
        workflow: the workflow's name, for the root of a run that was deleted before it was seen to end.
        failed_step: (``seq``, generation) of the step whose failure ended it last, for the link from its retry.

    A step that a fork copied from its original is in ``steps`` with generation ``COPIED``: it is never sent.
    """

    run_id: str
    generation: int = 0
    ended: bool = False
    steps: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    first_queue: str | None = None
    first_started_at_ms: int | None = None
    created_at_ms: int | None = None
    ended_at_ms: int | None = None
    status: str | None = None
    workflow: str | None = None
    failed_step: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastLife:
    """A life of a run as its rows told it when it was about to be retried, and nobody had exported its end.

    Args:
        steps: with their stored errors.
        error: why the run failed.
    """

    run: Run
    generation: int
    steps: tuple[Step, ...] = ()
    error: StoredValue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlightStep:
    """A step that an executor is executing now. ``seq`` is None for the workflow body itself."""

    run_id: str
    seq: int | None
    name: str
    started_at_ms: int
    attempt: int = 1


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


class Ledger(Protocol):
    """All methods may raise ``LedgerUnavailableError``. Safe to share between threads."""

    def now_ms(self) -> int:
        """The clock that leases and beats are compared by (the database's, where it has one)."""

    # -- lease ----------------------------------------------------------------------------------------------

    def acquire_lease(self, name: str, owner: str, *, ttl_s: float) -> Lease | None:
        """Take or renew the lease; None while another owner holds it. Renewal keeps the token."""

    def release_lease(self, lease: Lease) -> None:
        """Give the lease up, so that another takes over at once. A lease no longer ours is left alone."""

    def lease_holder(self, name: str) -> Lease | None:
        """Return who holds the lease now, if anybody."""

    # -- export ---------------------------------------------------------------------------------------------

    def cursor(self) -> Cursor | None:
        """Return the export cursor; None when nothing was exported yet, or the ledger is new."""

    def exported(self, run_ids: Sequence[str]) -> dict[str, ExportedRun]:
        """Return what was exported for these runs; a run never seen is absent."""

    def record_export(self, lease: Lease, *, cursor: Cursor | None, runs: Sequence[ExportedRun]) -> None:
        """Write progress in one transaction.

        Raises:
            LeaseLostError: ``lease`` is not the current one. Nothing was written.
        """

    def open_exports(self, *, limit: int) -> list[ExportedRun]:
        """Return runs of which something was exported but not the end, oldest first."""

    def prune_exports(self, lease: Lease, *, ended_before_ms: int) -> int:
        """Forget runs that ended before; return how many."""

    # -- generations ------------------------------------------------------------------------------------------

    def bump_generation(self, run_id: str) -> int:
        """Note that an ended run is about to live again (before it is retried); return its new generation.

        A run whose end was not exported keeps its generation: see ``keep_life``.
        """

    def generation(self, run_id: str) -> int:
        """Return the run's current generation, 0 for a run never seen. Cheap: for workers, when a run starts."""

    def keep_life(self, life: PastLife) -> None:
        """Keep what the engine is about to overwrite, until it was exported; the first answer stays."""

    def past_lives(self, run_ids: Sequence[str]) -> dict[str, list[PastLife]]:
        """Return the kept lives of these runs, oldest first; a run without any is absent."""

    def forget_lives(self, through: Mapping[str, int]) -> None:
        """Forget kept lives that were exported: run id -> the last generation."""

    # -- facts about runs which the engine overwrites -----------------------------------------------------------

    def remember_queues(self, queues: Mapping[str, str]) -> None:
        """Remember runs' original queues (run id -> queue); the first answer stays."""

    def original_queue(self, run_id: str) -> str | None:
        """Return the queue that the run was first put on, if anybody saw it."""

    def count(self, run_id: str, what: str) -> int:
        """Return a counter of a run, 0 if never bumped (``redispatch``, ...)."""

    def bump_count(self, run_id: str, what: str) -> int:
        """Add one to a counter of a run; return the new value."""

    # -- presence ---------------------------------------------------------------------------------------------

    def heartbeat(self, executor: Executor) -> None:
        """Upsert one executor's row; ``beat_at_ms`` is set to the ledger's own clock."""

    def executors(self) -> list[Executor]:
        """Return every executor row, live or not; the oldest lost ones are pruned by ``prune_executors``."""

    def prune_executors(self, *, beat_before_ms: int, keep: Collection[str] = ()) -> int:
        """Forget executors whose last beat is older; return how many.

        Args:
            keep: instance ids that stay, such as those of lost executors that still hold runs.
        """

    # -- traces -----------------------------------------------------------------------------------------------

    def add_traces(self, traces: Mapping[str, str]) -> None:
        """Remember trace ids (32 hex digits -> run id)."""

    def run_of_trace(self, trace_id: str) -> str | None:
        """Return the run of a trace id, if it was remembered."""

    # -- audit ------------------------------------------------------------------------------------------------

    def add_audit(self, entry: AuditEntry) -> int:
        """Append to the audit log; return the entry's id."""

    def audit(self, *, run_id: str | None = None, before_id: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """Return audit entries, newest first."""

    def audit_of_runs(self, run_ids: Sequence[str], actions: Sequence[str]) -> dict[str, list[AuditEntry]]:
        """Return what was done to these runs by these actions, oldest first; a run without any is absent."""

    # -- small shared facts -------------------------------------------------------------------------------------

    def get_value(self, key: str) -> Any | None:
        """Return a small JSON value (settings, webhook secret, retention state), or None."""

    def put_value(self, key: str, value: Any, *, only_if_absent: bool = False) -> Any:
        """Store a small JSON value; return what is stored now (the earlier one, with ``only_if_absent``)."""

    def put_values(self, values: Mapping[str, Any]) -> None:
        """Store small JSON values in one transaction."""

    def close(self) -> None:
        """Release connections. Idempotent."""
