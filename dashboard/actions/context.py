"""What every action works with: store, ledger, engine client; who is there to run things; the audit log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from dbos import DBOSClient

from dashboard.actions.destination import Aim, Destination, Queues, queue_to_remember
from dashboard.actions.engine_client import EngineClient
from dashboard.actions.kept import attempt_of
from dashboard.actions.locks import RunLock, RunLocks
from dashboard.actions.permission import Permission
from dashboard.actions.settings import ActionSettings
from dashboard.errors import Problem, no_such_run
from dashboard.workflow.names import FAST_QUEUE, WORK_QUEUE
from dashboard.workflow.validators import ValidatorRegistry
from dashboard.workflow.validators import registry as declared_validators
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import AuditEntry, Failure, Ledger
from otel_bridge.model.names import INTERNAL_QUEUE
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.runs.failures import FailureLog
from otel_bridge.runs.placement import Need, place
from otel_bridge.runs.presence import Presence
from otel_bridge.runs.presence_reader import PresenceReader
from otel_bridge.store.base import StateStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action did: the run as it is now, and notes for the person who asked."""

    run: Run
    notes: tuple[str, ...] = ()
    audited: AuditEntry | None = None
    """What was written of it, where the caller needs that; None where nothing was done, or the ledger failed."""
    failure: Failure | None = None
    """The failure that the run was retried from, as it was recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionContext:
    """Shared by the actions of one blueprint. Safe to share between threads.

    Args:
        webhook_secret: shared with the workers; None: ``DURABLE_WEBHOOK_SECRET``, else one kept in the ledger.
        permission: what the caller may do by the host's policy.
        failures: records why a run failed before a retry has the engine delete it; None: nobody does here.
        workers: reads who is alive, for a caller that keeps what was read; None: one of its own.
        via: by what the actor acts, for the audit log: ``by ada via mcp``.
    """

    store: StateStore
    ledger: Ledger
    engine: EngineClient
    validators: ValidatorRegistry = field(default_factory=ValidatorRegistry)
    settings: ActionSettings = field(default_factory=ActionSettings)
    webhook_secret: str | None = field(default=None, repr=False)
    permission: Permission = field(default_factory=Permission)
    failures: FailureLog | None = None
    workers: PresenceReader | None = None
    via: str | None = None
    locks: RunLocks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "locks", RunLocks(self.ledger))

    def close(self) -> None:
        """Close the engine's client. Idempotent; the next action opens it again."""
        self.engine.close()

    def run(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            NotFound: there is none.
        """
        run = self.store.get_run(run_id)
        if run is None:
            raise no_such_run(run_id)
        return run

    def presence(self) -> Presence:
        """Return who is there; nobody known where the ledger cannot be read."""
        return (self.workers or PresenceReader(lambda: self.ledger)).read(fresh=True)

    def alone(self, run_id: str) -> AbstractContextManager[RunLock]:
        """Keep other actions, in any process, from deciding about the same run meanwhile. See ``RunLocks.hold``."""
        return self.locks.hold(run_id)

    # -- where a run can continue ----------------------------------------------------------------------------

    def version_for(
        self, workflow: str, *, namespace: str | None, current: str | None, seen: Presence | None = None
    ) -> tuple[str | None, str | None]:
        """Return the application version under which a worker will pick a run up, and a note when none is there.

        Where executors report presence: ``current`` while a live one has it, else the newest live one that has the
        workflow. Where none report: the version that the engine calls the latest.
        """
        seen = seen or self.presence()
        if not seen.known:
            return self._latest_version(namespace) or current, None
        same = place(Need(workflow=workflow, namespace=namespace, version=current), seen.live)
        if same.takers:
            return current or same.version, None
        other = place(Need(workflow=workflow, namespace=namespace), seen.live)
        if other.takers:
            return other.version, None
        alive = f"{len(seen.live)} live worker{'s' if len(seen.live) != 1 else ''}"
        return current, f"None of {alive} has workflow {workflow!r}: it stays pending until one comes."

    def version_for_ours(self, workflow: str, run: Run) -> tuple[str | None, str | None]:
        """``version_for`` one of this product's own workflows: any version will do, best the run's own.

        Without presence none is named: the engine then hands it to a worker of the latest version that listens.
        """
        seen = self.presence()
        if not seen.known:
            return None, None
        version, note = self.version_for(workflow, namespace=run.namespace, current=run.workflow_version, seen=seen)
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

    def destination(self, run: Run, chosen: str | None, seen: Presence | None = None) -> Destination:
        """Return where a run goes back to: a live version that has its workflow, and a queue that somebody polls.

        Args:
            chosen: a queue of the caller's choice; None: the one it was first put on.
        """
        return self.aim(run, chosen, seen).at(self._remembered_queue(run))

    def aim(self, run: Run, chosen: str | None, seen: Presence | None = None) -> Aim:
        """Return ``destination`` but for the queue that the run was first put on, which the ledger remembers."""
        seen = seen or self.presence()
        version, note = self.version_for(run.workflow, namespace=run.namespace, current=run.workflow_version, seen=seen)
        notes = [note] if note is not None else []
        if note is None and version != run.workflow_version and run.workflow_version is not None and seen.known:
            notes.append(f"No live worker has version {run.workflow_version}: the run continues under {version}.")
        return Aim(version, self._queues_for(run, chosen, seen), tuple(notes))

    def queue_for(self, run: Run, chosen: str | None, seen: Presence | None = None) -> tuple[str, str | None]:
        """Return the queue onto which a run goes back, and its partition key there. See ``Queues``."""
        return self._queues_for(run, chosen, seen or self.presence()).of(self._remembered_queue(run))

    def _queues_for(self, run: Run, chosen: str | None, seen: Presence) -> Queues:
        if run.workflow.startswith("durable.") or run.queue == WORK_QUEUE:
            return Queues(run, WORK_QUEUE)  # only workers that have our workflows poll it
        if chosen is not None:
            return Queues(run, chosen)
        able = place(Need(workflow=run.workflow, namespace=run.namespace), seen.live).takers
        restricted = any(executor.queues and FAST_QUEUE not in executor.queues for executor in able)
        return Queues(run, None, self._registered_queues, INTERNAL_QUEUE if restricted else FAST_QUEUE)

    def _registered_queues(self) -> set[str]:
        return {queue.name for queue in self.store.queues(backlog=False) if queue.registered}

    def _remembered_queue(self, run: Run) -> str | None:
        try:
            return self.ledger.original_queue(run.id)
        except LedgerError:
            return None

    def remember_queues(self, runs: Iterable[Run]) -> None:
        """Keep the runs' queues before an action makes the engine forget them."""
        found = {run.id: queue for run in runs if (queue := queue_to_remember(run)) is not None}
        if found:
            try:
                self.ledger.remember_queues(found)
            except LedgerError:
                names = ", ".join(sorted(found)[:3])
                log.warning(
                    "The queues of %d runs (%s) could not be remembered; a retry will use another.", len(found), names
                )

    def keep_attempt(self, run: Run, steps: Sequence[Step], *, at_ms: int) -> None:
        """Keep how an open run stands, for its history, before an action that began at ``at_ms`` puts it back."""
        try:
            self.ledger.keep_attempt(attempt_of(run, steps, None, at_ms=at_ms))
        except LedgerError:
            log.warning("The present attempt of run %s could not be kept; its history will lack the steps.", run.id)

    # -- the audit log --------------------------------------------------------------------------------------

    @contextmanager
    def audited(self, actor: str, action: str, run_id: str | None, **params: object) -> Iterator[Audited]:
        """Write what was asked, when, and how it ended, also when it was refused. A ledger that fails stops no action.

        An action is stamped when it begins: a worker may take the run before it has ended.
        """
        audited = Audited(int(time.time() * 1000), params=dict(params))

        def write(outcome: str, detail: str = "") -> None:
            self._write(actor, action, run_id, outcome, detail, audited)

        try:
            yield audited
        except Problem as problem:
            write("refused", problem.detail)
            raise
        except Exception as error:
            write("failed", f"{type(error).__name__}: {error}"[:500])
            raise
        write(audited.outcome)

    def _write(self, actor: str, action: str, run_id: str | None, outcome: str, detail: str, audited: Audited) -> None:
        entry = AuditEntry(
            at_ms=audited.at_ms,
            actor=actor if self.via is None else f"{actor} via {self.via}",
            action=action,
            run_id=run_id,
            outcome=outcome,
            detail=detail,
            params={key: value for key, value in audited.params.items() if value is not None},
        )
        try:
            self.ledger.add_audit(entry)
        except LedgerError:
            log.exception("The audit log could not be written: %s %s %s %s", actor, action, run_id, outcome)
        else:
            audited.entry = entry if outcome == "done" else None


@dataclass(slots=True)
class Audited:
    """How the audit log will say that an action ended, unless it was refused or failed.

    ``unchanged`` is for one that found nothing to do, or was only asked what it would do: nobody may count it as a
    move or a retry of the run. ``entry`` is what was written, of an action that was done.
    """

    at_ms: int
    outcome: Literal["done", "unchanged"] = "done"
    params: dict[str, Any] = field(default_factory=dict)
    entry: AuditEntry | None = None


class _WithDeclared(ValidatorRegistry):
    """The blueprint's own validators, and those that this process declared."""

    def knows(self, workflow: str, name: str) -> bool:
        return super().knows(workflow, name) or declared_validators.knows(workflow, name)

    def check(self, workflow: str, name: str, value: object) -> None:
        super().check(workflow, name, value)
        declared_validators.check(workflow, name, value)


def open_context(
    store: StateStore,
    ledger: Ledger,
    *,
    client: DBOSClient | Callable[[], DBOSClient] | None = None,
    settings: ActionSettings | None = None,
    webhook_secret: str | None = None,
    failures: FailureLog | None = None,
    workers: PresenceReader | None = None,
) -> ActionContext:
    """Return the context of a store's actions; it connects when the first action needs it.

    Args:
        client: a ``DBOSClient`` of the caller's own, or a callable that makes one.
        failures: see ``ActionContext``.
        workers: see ``ActionContext``.

    Example:
        >>> from otel_bridge.testing import MemoryLedger, MemoryStateStore
        >>> open_context(MemoryStateStore(), MemoryLedger()).settings.undo_grace_s
        5.0
    """
    chosen = settings or ActionSettings()
    return ActionContext(
        store=store,
        ledger=ledger,
        engine=EngineClient(store, client=client),
        validators=_WithDeclared(chosen.validators),
        settings=chosen,
        webhook_secret=webhook_secret,
        failures=failures,
        workers=workers,
    )
