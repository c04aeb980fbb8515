"""Settings of one blueprint and the services its routes share. Opens the store, ledger and actions on first use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from dashboard.actor import Actor
from dashboard.config import Settings
from dashboard.read.decisions import FailureFacts, failure_facts_of
from dashboard.read.links import trace_template
from dashboard.read.listing import RunReader
from dashboard.read.outlines import Outlines
from dashboard.wire.convert import run_row
from dashboard.wire.runs import RunRow
from otel_bridge.codec import Codec
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import AuditEntry, Failure, Ledger
from otel_bridge.model.runs import Run
from otel_bridge.model.status import TERMINAL_STATUSES
from otel_bridge.model.steps import Step
from otel_bridge.outages import Outages
from otel_bridge.runs.attempts import REQUEUES, overlay_requeue
from otel_bridge.runs.children import ChildRequeues
from otel_bridge.runs.failures import FailureLog
from otel_bridge.runs.overlay import overlay_bulks, overlay_error, overlay_run
from otel_bridge.runs.presence import Presence
from otel_bridge.runs.presence_reader import PresenceReader
from otel_bridge.runs.starts import overlay_start, starts_of
from otel_bridge.store.base import StateStore


class Closable(Protocol):
    """What is closed with the services."""

    def close(self) -> None:
        """Release what it holds. Idempotent."""


class Viewers(Protocol):
    """Who follows runs live: the ``LiveHub`` of the streams, which this layer does not know."""

    @property
    def viewers(self) -> int:
        """How many streams are open."""


class Services:
    """The store, ledger and actions of one blueprint, each opened by the first request that needs it.

    A database that is not there yet is no reason not to register: the error is raised by the routes that read it,
    and the next request tries again.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        open_store: Callable[[], StateStore],
        open_ledger: Callable[[StateStore], Ledger],
        open_actions: Callable[[Services], Closable],
    ) -> None:
        self.settings = settings
        self.trace_template = trace_template(settings.trace_url)
        self.workers = PresenceReader(lambda: self.ledger)
        """Who is alive: what is shown within a second of an action shows what the action decided by."""
        self.outlines = Outlines()
        """Of long runs that somebody looks at."""
        self._open_store, self._open_ledger, self._open_actions = open_store, open_ledger, open_actions
        self.acts = True
        """False when this blueprint offers no actions."""
        self.cursor_key: str | None = None
        """Seals page cursors where the host gave a policy; made when the first is: see ``read.cursors``."""
        self.hub: Viewers | None = None
        """Set by the blueprint."""
        self.outages = Outages()
        """What of the database's failures has been logged, by whichever request or watcher met it first."""
        self._lock = threading.RLock()
        self._store: StateStore | None = None
        self._ledger: Ledger | None = None
        self._actions: Closable | None = None

    @property
    def store(self) -> StateStore:
        """The state store.

        Raises:
            StoreError: it cannot be opened now.
        """
        with self._lock:
            if self._store is None:
                self._store = self._open_store()
            return self._store

    @property
    def ledger(self) -> Ledger:
        """The ledger.

        Raises:
            StoreError, LedgerError: it cannot be opened now.
        """
        with self._lock:
            if self._ledger is None:
                self._ledger = self._open_ledger(self.store)
            return self._ledger

    @property
    def failures(self) -> FailureLog:
        """What records failures.

        Raises:
            StoreError, LedgerError: they cannot be opened now.
        """
        return FailureLog(self.store, self.ledger, codec=self.settings.codec)

    @property
    def actions(self) -> Closable:
        """What actions work with: a ``dashboard.actions.ActionContext``, which this layer does not know.

        Raises:
            Problem: this dashboard is read-only.
        """
        with self._lock:
            if self._actions is None:
                self._actions = self._open_actions(self)
            return self._actions

    def codec_for(self, actor: Actor) -> Codec:
        """Return how payloads are shown to someone: webhook tokens are legible to operators alone."""
        codec = self.settings.codec
        return replace(codec, shows_tokens=True) if actor.may("operator") else codec

    @property
    def runs(self) -> RunReader:
        """The reader of runs, with presence laid over them.

        Raises:
            StoreError: the store cannot be opened now.
        """
        return RunReader(self.store, self.presence, lambda: self.ledger, with_errors=self.with_errors)

    def row(self, run: Run, *, requeue: AuditEntry | None = None, failure: Failure | None = None) -> RunRow:
        """Return a run as listed, as presence shows it.

        Args:
            requeue: what just put it on a queue again; None: the audit log tells.
            failure: the one that it was just retried from; None: the ledger tells. It does too where the run has
                ended again already.
        """
        known = None if failure is None or run.status in TERMINAL_STATUSES else {run.id: failure}
        return self._rows([run], None if requeue is None else {run.id: [requeue]}, known, {})[0]

    def with_errors(self, runs: Sequence[Run]) -> list[Run]:
        """Return runs, each with the error that it died of last; without, where the ledger cannot be used."""
        facts = self.failure_facts(runs)
        return [overlay_error(run, facts.failures.get(run.id)) for run in runs]

    def with_bulks(self, runs: Sequence[Run]) -> list[Run]:
        """Return runs, which have their errors, each with the bulk actions that came to it; likewise."""
        try:
            members = self.ledger.bulks_of_runs([run.id for run in runs]) if runs else {}
        except LedgerError:
            members = {}
        return [overlay_bulks(run, members.get(run.id, ())) for run in runs]

    def failure_facts(self, runs: Sequence[Run], known: Mapping[str, Failure] | None = None) -> FailureFacts:
        """Return what is known about these runs' failures, recorded now where nobody has."""
        return failure_facts_of(runs, log=lambda: self.failures, ledger=lambda: self.ledger, known=known)

    def rows(self, runs: Sequence[Run], *, just_now: bool = False) -> list[RunRow]:
        """Return runs as listed, as presence shows them, each with when it was last put on a queue, and its error.

        Args:
            just_now: the runs have just changed: a worker may have taken one before the action that put it back
                has written the audit log, so when that action began is asked for too.
        """
        return self._rows(runs, None, None, self._requeue_begun_at(runs) if just_now else {})

    def _rows(
        self,
        runs: Sequence[Run],
        requeued: Mapping[str, Sequence[AuditEntry]] | None,
        failures: Mapping[str, Failure] | None,
        begun: Mapping[str, int],
    ) -> list[RunRow]:
        seen, settings = self.presence(), self.settings
        facts = self.failure_facts(runs, failures)
        requeues = self.requeues([run.id for run in runs]) if requeued is None else requeued
        starts = starts_of(self.ledger_or_none(), runs)

        def shown(run: Run) -> Run:
            run = overlay_requeue(overlay_run(run, seen), requeues.get(run.id, ()), begun_ms=begun.get(run.id))
            return overlay_error(overlay_start(run, starts.get(run.id)), facts.failures.get(run.id))

        return [
            run_row(
                shown(run),
                seen=seen,
                codec=settings.codec,
                namespace=settings.namespace,
                dealt_with=facts.dealt_with(run),
            )
            for run in runs
        ]

    @property
    def whole(self) -> Services:
        """The services without anybody's limits, for what is kept for everybody."""
        return self

    def allows(self, action: str, run: Run) -> bool:
        """Say whether the host's policy lets the actor do this to this run: ``read.seen`` asks it."""
        return True

    def visible_ids(self, run_ids: Sequence[str]) -> set[str]:
        """Return those of the runs that the actor may see: without a policy, all."""
        return set(run_ids)

    def requeues(self, run_ids: Sequence[str]) -> dict[str, list[AuditEntry]]:
        """Return what put these runs on a queue again; nothing, where the ledger cannot be read."""
        try:
            return self.ledger.audit_of_runs(run_ids, REQUEUES) if run_ids else {}
        except LedgerError:
            return {}

    def with_requeued_children(self, run: Run, steps: Sequence[Step]) -> list[Step]:
        """Return a run's steps, each with when its child was last put on its queue; as they are without a ledger."""
        try:
            return ChildRequeues(self.ledger, steps).over(steps, since_ms=run.created_at_ms)
        except LedgerError:
            return list(steps)

    def _requeue_begun_at(self, runs: Sequence[Run]) -> Mapping[str, int]:
        try:
            return self.ledger.requeue_begun_at([run.id for run in runs]) if runs else {}
        except LedgerError:
            return {}

    def ledger_or_none(self) -> Ledger | None:
        """Return the ledger, or None where it cannot be opened now."""
        try:
            return self.ledger
        except LedgerError:
            return None

    def presence(self) -> Presence:
        """Return who is alive, at most a second old; nobody, where the ledger cannot be read."""
        return self.workers.read()

    def viewers(self) -> int:
        """Return how many streams are open."""
        return 0 if self.hub is None else self.hub.viewers

    def close(self) -> None:
        """Close what was opened. Idempotent; a later request opens it again."""
        with self._lock:
            for service in (self._actions, self._ledger, self._store):
                if service is not None:
                    service.close()
            self._store = self._ledger = self._actions = None
