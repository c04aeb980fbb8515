"""What every action works with: store, ledger, engine client; who is there to run things; the audit log."""

from __future__ import annotations

import logging
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from dbos import WorkflowSerializationFormat

from dashboard.actions.engine_client import EngineClient
from dashboard.errors import NotFound, Problem, Unavailable
from dashboard.workflow.names import FAST_QUEUE, WORK_QUEUE
from dashboard.workflow.validators import ValidatorRegistry
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import AuditEntry, Executor, Ledger
from otel_bridge.model.runs import Run
from otel_bridge.runs.presence import Presence, presence
from otel_bridge.store.base import StateStore

log = logging.getLogger(__name__)

INTERNAL_QUEUE = "_dbos_internal_queue"
OUR_QUEUES = frozenset({INTERNAL_QUEUE, FAST_QUEUE, WORK_QUEUE})
_LOCKS = 64
_LOCK_TTL_S = 5.0
"""An action decides in milliseconds; one whose process was killed must not keep others out for long."""
_LOCK_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action did: the run as it is now, and sentences worth telling."""

    run: Run
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Shared by the actions of one blueprint. Safe to share between threads."""

    store: StateStore
    ledger: Ledger
    engine: EngineClient
    validators: ValidatorRegistry
    webhook_secret: str | None = None
    verify_webhook: Callable[..., Any] | None = None
    on_dead: Callable[[Mapping[str, Any]], Any] | None = None
    grace_s: float = 5.0
    max_webhook_bytes: int = 1024 * 1024
    locks: Mapping[int, threading.Lock] = field(
        default_factory=lambda: {number: threading.Lock() for number in range(_LOCKS)}
    )

    def with_on_dead(self, hook: Callable[[Mapping[str, Any]], Any]) -> Desk:
        """Return the same desk with a hook for dead runs."""
        return replace(self, on_dead=hook)

    def run(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            NotFound: there is none.
        """
        run = self.store.get_run(run_id)
        if run is None:
            raise NotFound(f"There is no run {run_id[:200]!r} in this store. It may have been deleted by retention.")
        return run

    def presence(self) -> Presence:
        """Return who is there; nobody known where the ledger cannot be read."""
        try:
            return presence(self.ledger.executors(), self.ledger.now_ms())
        except LedgerError:
            return presence((), 0)

    # -- one action at a time per run -----------------------------------------------------------------------

    @contextmanager
    def alone(self, run_id: str) -> Iterator[None]:
        """Keep other actions of this product, in any process, from deciding about the same run meanwhile.

        Raises:
            Unavailable: another one is at work for longer than it should be.
        """
        number = zlib.crc32(run_id.encode("utf-8", "surrogatepass")) % _LOCKS
        with self.locks[number]:
            owner, name = uuid.uuid4().hex, f"action.{number}"
            deadline = time.monotonic() + _LOCK_WAIT_S
            while (lease := self.ledger.acquire_lease(name, owner, ttl_s=_LOCK_TTL_S)) is None:
                if time.monotonic() > deadline:
                    raise Unavailable("Another action is at work on this run. Try again in a moment.")
                time.sleep(0.02)
            try:
                yield
            finally:
                self.ledger.release_lease(lease)

    # -- where a run can go on ------------------------------------------------------------------------------

    def capable(self, workflow: str, namespace: str | None, seen: Presence) -> list[Executor]:
        """Return the live executors that have a workflow, newest first."""
        able = [
            executor
            for executor in seen.live
            if workflow in executor.workflows or (not executor.workflows and not workflow.startswith("durable."))
            if namespace is None or executor.app_name in (None, namespace)
        ]
        return sorted(able, key=lambda executor: executor.started_at_ms, reverse=True)

    def version_for(
        self, workflow: str, *, namespace: str | None, current: str | None
    ) -> tuple[str | None, str | None]:
        """Return the application version under which a worker will pick a run up, and a note when none is there.

        Where executors report presence: ``current`` while a live one has it, else the newest live one that has the
        workflow. Where none report: the version that the engine calls the latest.
        """
        seen = self.presence()
        if not seen.known:
            return self._latest_version(namespace) or current, None
        able = self.capable(workflow, namespace, seen)
        versions = [executor.app_version for executor in able if executor.app_version is not None]
        if current is not None and current in versions:
            return current, None
        if versions:
            return versions[0], None
        alive = f"{len(seen.live)} live worker{'s' if len(seen.live) != 1 else ''}"
        return current, f"None of {alive} has workflow {workflow!r}: it stays pending until one comes."

    def version_for_ours(self, workflow: str, run: Run) -> tuple[str | None, str | None]:
        """``version_for`` one of this product's own workflows: any version will do, best the run's own.

        Without presence none is named: the engine then hands it to a worker of the latest version that listens.
        """
        if not self.presence().known:
            return None, None
        version, note = self.version_for(workflow, namespace=run.namespace, current=run.workflow_version)
        if note is None:
            return version, None
        return (
            None,
            f"No live worker imports dashboard.workflow, which {workflow!r} needs: it stays pending until one comes.",
        )

    def _latest_version(self, namespace: str | None) -> str | None:
        with self.engine.use() as client:
            versions = [
                version
                for version in client.list_application_versions()
                if version.get("application_name") in (None, namespace) or namespace is None
            ]
        newest = max(versions, key=lambda version: version["version_timestamp"], default=None)
        return newest["version_name"] if newest is not None else None

    def queue_for(self, run: Run, chosen: str | None) -> tuple[str, str | None]:
        """Return the queue onto which a run goes back, and its partition key there.

        The one that was chosen; else the one it was first put on, so that its limits hold for a retry too; else ours.
        """
        if run.workflow.startswith("durable."):
            return WORK_QUEUE, None  # only workers that have our workflows poll it
        if chosen is not None:
            return chosen, None
        original = self._original_queue(run)
        registered = {queue.name for queue in self.store.queues() if queue.registered}
        if original is not None and original in registered:
            return original, run.queue_partition
        restricted = any(
            executor.queues and FAST_QUEUE not in executor.queues
            for executor in self.capable(run.workflow, run.namespace, self.presence())
        )
        return (INTERNAL_QUEUE if restricted else FAST_QUEUE), None

    def _original_queue(self, run: Run) -> str | None:
        try:
            remembered = self.ledger.original_queue(run.id)
        except LedgerError:
            remembered = None
        for queue in (remembered, run.queue):
            if queue is not None and queue not in OUR_QUEUES:
                return queue
        return None

    def remember_queue(self, run: Run) -> None:
        """Keep the run's queue before an action makes the engine forget it."""
        if run.queue is not None and run.queue not in OUR_QUEUES:
            try:
                self.ledger.remember_queues({run.id: run.queue})
            except LedgerError:
                log.warning("The queue of run %s could not be remembered; a retry will use another.", run.id)

    # -- the audit log --------------------------------------------------------------------------------------

    @contextmanager
    def audited(self, actor: str, action: str, run_id: str | None, **params: Any) -> Iterator[None]:
        """Write what was asked and how it ended, also when it was refused. A ledger that fails stops no action."""
        try:
            yield
        except Problem as problem:
            self._write(actor, action, run_id, "refused", problem.detail, params)
            raise
        except Exception as error:
            self._write(actor, action, run_id, "failed", f"{type(error).__name__}: {error}"[:500], params)
            raise
        self._write(actor, action, run_id, "done", "", params)

    def _write(
        self, actor: str, action: str, run_id: str | None, outcome: str, detail: str, params: Mapping[str, Any]
    ) -> None:
        entry = AuditEntry(
            at_ms=int(time.time() * 1000),
            actor=actor,
            action=action,
            run_id=run_id,
            outcome=outcome,
            detail=detail,
            params={key: value for key, value in params.items() if value is not None},
        )
        try:
            self.ledger.add_audit(entry)
        except LedgerError:
            log.exception("The audit log could not be written: %s %s %s %s", actor, action, run_id, outcome)


def format_for(run: Run) -> WorkflowSerializationFormat:
    """Return the format in which a run's kind of input is written: Python's own for Python's own, else portable."""
    native = run.serialization in (None, "py_pickle")
    return WorkflowSerializationFormat.NATIVE if native else WorkflowSerializationFormat.PORTABLE


def actor_name(actor: Any) -> str:
    """Return the name for the audit log of an ``auth.Actor`` or a plain string."""
    return str(getattr(actor, "name", actor))
