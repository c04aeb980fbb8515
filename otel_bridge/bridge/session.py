"""An export session: one bridge's work on an open store and ledger, tick by tick. Reads clocks; has a lease."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from typing import Literal

from otel_bridge.bridge import standby
from otel_bridge.bridge.exporter import Progress, RunExporter
from otel_bridge.bridge.lease import LeaseKeeper
from otel_bridge.bridge.lifecycle_logs import LifecycleLogs
from otel_bridge.bridge.metrics import BridgeMetrics
from otel_bridge.errors import LedgerError, StoreError
from otel_bridge.ledger.base import Cursor, Lease, Ledger
from otel_bridge.ledger.pending import EXPORT_LEASE
from otel_bridge.model.runs import RunQuery
from otel_bridge.model.status import OPEN_STATUSES
from otel_bridge.otlp import Delivery
from otel_bridge.spans import SpanSettings
from otel_bridge.store.base import StateStore
from otel_bridge.tail.agenda import Agenda
from otel_bridge.tail.clock import ClockWatch
from otel_bridge.tail.scanner import Scan, StoreScanner

_logger = logging.getLogger("otel_bridge")

LEASE_NAME = EXPORT_LEASE
STATS_KEY = "bridge.stats"
BEGINNING_MS = -(2**62)
"""Before every stamp: somebody may have stamped a run before 1970, and its spans are due."""
OPEN_LIMIT = 5_000
PRUNE_EVERY_S = 3_600.0
LOOK_BACK_MS = 60_000
"""More than a scan looks behind its cursor."""
REVIEW_EVERY_S = 60.0
REVIEW_LIMIT = 200
GAUGES_EVERY_S, IDLE_GAUGES_EVERY_S = 10.0, 60.0
"""Counting what is open costs more than all else that an idle bridge does: done rarely while nothing moves."""
REJECTIONS_KEPT = 20
INTERRUPTED_EVERY_S = 1.0
LATE_MS = 5_000
"""What workers report of interrupted steps may be committed so much later than it is stamped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How a session works.

    Args:
        start_from: where to begin when the ledger knows no cursor.
        retention_ms: how long the ledger remembers ended runs.
        lease_ttl_s: how long a bridge that died keeps others waiting.
    """

    start_from: Literal["now", "beginning"] = "now"
    retention_ms: int = 30 * 86_400_000
    lease_ttl_s: float = 6.0


class ExportSession:
    """Exports under the lease while it can be had.

    Args:
        owner: who holds the lease, for people.
        logs: tells what happens to runs as log records; closed with ``resources``.
        resources: what to close with the session.
    """

    def __init__(
        self,
        store: StateStore,
        ledger: Ledger,
        delivery: Delivery,
        *,
        spans: SpanSettings,
        settings: SessionSettings,
        owner: str,
        metrics: BridgeMetrics,
        logs: LifecycleLogs | None = None,
        resources: ExitStack | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self.ledger = store, ledger
        self._resources = resources or ExitStack()
        self.keeper = LeaseKeeper(ledger, name=LEASE_NAME, owner=owner, ttl_s=settings.lease_ttl_s, monotonic=monotonic)
        self.lease: Lease | None = None
        self._settings, self._delivery, self._metrics, self._monotonic = settings, delivery, metrics, monotonic
        self._exporter = RunExporter(store, ledger, delivery, spans, metrics=metrics, check=self.keeper.check)
        delivery.alive = self.keeper.check
        self._logs = logs
        self._scanner: StoreScanner | None = None
        self._cursor: Cursor | None = None
        self._clock = ClockWatch(monotonic=monotonic)
        self._agenda = Agenda()
        self._reviewed_at = self._pruned_at = self._gauged_at = self._interrupted_at = -float("inf")
        self._interrupted_before: dict[str, int] = {}
        self._interrupted_since_ms = BEGINNING_MS
        self._caught_up_at = monotonic()
        self._reported: object = None
        self._standing_by = self._ahead = self._moved = False
        self._owner, self._noted_standby_at = owner, -float("inf")

    @property
    def exporting(self) -> bool:
        """True while the lease is held."""
        return self.lease is not None and self.keeper.is_held

    def tick(self) -> tuple[Progress, bool]:
        """Export what is due now, up to the scanner's bound; say whether more is waiting.

        Raises:
            LeaseLostError, StoreError, LedgerError, DeliveryStoppedError: call ``forget`` and tick again later.
        """
        lease = self.keeper.current()
        if lease is None or self.lease is None or lease.token != self.lease.token:
            self.forget()
        self.lease = lease
        if lease is None:
            self._stand_by()
            return Progress(), False
        self._end_standby()
        resent = self._exporter.resend(lease) if self._cursor is None else 0
        cursor = self._settle(lease, self._begin(lease))
        scanner = self._scanner or self._open_scanner()
        scan = scanner.scan(cursor)
        self._report_ahead(scan)
        wanted = {*scan.runs, *self._due_again(), *self._review(), *self._interrupted()}
        self._moved |= bool(scan.runs)
        progress = self._exporter.export(lease, wanted, known=scan.runs)
        progress.spans += resent
        for run_id, at_ms in progress.again.items():
            self._agenda.put(run_id, at_ms)
        if scan.cursor != cursor:
            self.ledger.record_export(lease, cursor=scan.cursor, runs=())
            self._cursor = scan.cursor
        self._look_after(lease, caught_up=not scan.more)
        if self._logs is not None and self.keeper.is_held:
            self._logs.poll()
        return progress, scan.more

    def forget(self) -> None:
        """Forget what the scanner has seen: some of it may not have been exported."""
        self._scanner = None
        self._cursor = None
        if self._logs is not None:
            self._logs.forget()
        self._agenda.clear()
        self._reviewed_at = self._interrupted_at = -float("inf")
        self._interrupted_before, self._interrupted_since_ms = {}, BEGINNING_MS

    def close(self) -> None:
        """Give the lease up and close what was opened for this session. Idempotent."""
        with suppress(LedgerError):
            self._end_standby()
        self.keeper.release()
        self._resources.close()

    def lag_s(self) -> float:
        """Return how long ago everything in the store had been exported."""
        return max(0.0, self._monotonic() - self._caught_up_at)

    def _stand_by(self) -> None:
        """Log once who exports instead; leave word now and then, for the doctor."""
        if self._monotonic() - self._noted_standby_at >= standby.EVERY_S:
            self._noted_standby_at = self._monotonic()
            standby.note_standby(self.ledger, self._owner, stands_by=True)
        if self._standing_by:
            return
        holder = self.ledger.lease_holder(LEASE_NAME)
        if holder is not None:  # else it is free again: the next tick takes it
            self._standing_by = True
            _logger.info("Standing by: %s exports. This bridge takes over when that one stops.", holder.owner)

    def _end_standby(self) -> None:
        self._standing_by = False
        if self._noted_standby_at > -float("inf"):
            self._noted_standby_at = -float("inf")
            standby.note_standby(self.ledger, self._owner, stands_by=False)

    def _begin(self, lease: Lease) -> Cursor:
        if self._cursor is None:
            self._cursor = self.ledger.cursor()
        if self._cursor is None:
            # From the beginning, every run is found by its own stamps, with the steps that it has by now.
            now_ms = self.store.now_ms()
            self._cursor = Cursor(
                steps_ms=now_ms, runs_ms=now_ms if self._settings.start_from == "now" else BEGINNING_MS
            )
            self.ledger.record_export(lease, cursor=self._cursor, runs=())
        return self._cursor

    def _settle(self, lease: Lease, cursor: Cursor) -> Cursor:
        """Return the cursor, brought back where the store's clock was set back.

        Written down before anything is read from there: if that fails, nothing would tell that the clock had jumped.
        """
        settled = self._clock.settle(cursor, now_ms=self.store.now_ms())
        if settled != cursor:
            self.ledger.record_export(lease, cursor=settled, runs=())
            self._scanner, self._cursor = None, settled
            _logger.warning(
                "The state store's clock was set back. Reading again what it has stamped since; nothing is sent twice."
            )
        return settled

    def _report_ahead(self, scan: Scan) -> None:
        if scan.ahead_ms and not self._ahead:
            _logger.warning(
                "Rows of the state store are stamped up to %.0f s ahead of its clock. They are exported like all "
                "others. Check the clocks of the machines that run workflows.",
                scan.ahead_ms / 1000,
            )
        self._ahead = self._ahead or scan.ahead_ms > 0

    def _open_scanner(self) -> StoreScanner:
        self._scanner = StoreScanner(
            self.store, open_every_s=REVIEW_EVERY_S, open_limit=REVIEW_LIMIT, monotonic=self._monotonic
        )
        return self._scanner

    def _due_again(self) -> set[str]:
        """Return runs whose time has come without a change of rows: sleeps that ended, and their like."""
        return self._agenda.due(self.store.now_ms()) if self._agenda else set()

    def _review(self) -> list[str]:
        """Return runs that were begun and not ended: at first all, then now and then the oldest.

        At first for those that wait for their time; later for late commits and for runs that were deleted.
        """
        if self._monotonic() - self._reviewed_at < REVIEW_EVERY_S:
            return []
        first = self._reviewed_at < 0
        self._reviewed_at = self._monotonic()
        begun = [run.run_id for run in self.ledger.open_exports(limit=OPEN_LIMIT if first else REVIEW_LIMIT)]
        if not first:
            return begun
        self._exporter.set_aside.load(self.ledger)
        return [*begun, *self._exporter.set_aside]

    def _interrupted(self) -> set[str]:
        """Return runs whose workers reported interrupted steps since: perhaps after their end was sent."""
        if self._monotonic() - self._interrupted_at < INTERRUPTED_EVERY_S:
            return set()
        self._interrupted_at = self._monotonic()
        found = self.ledger.interrupted_since(self._interrupted_since_ms, limit=OPEN_LIMIT)
        new = {run_id for run_id, at_ms in found.items() if self._interrupted_before.get(run_id) != at_ms}
        self._interrupted_before = found
        self._interrupted_since_ms = max([self._interrupted_since_ms, *(at_ms - LATE_MS for at_ms in found.values())])
        return new

    def _look_after(self, lease: Lease, *, caught_up: bool) -> None:
        now = self._monotonic()
        if caught_up:
            self._caught_up_at = now
        self._metrics.observe_lag(self.lag_s())
        self._metrics.observe_delivery(self._delivery.stats)
        self._report()
        self._exporter.set_aside.save(self.ledger)
        self._metrics.observe_set_aside(len(self._exporter.set_aside))
        if now - self._gauged_at >= (GAUGES_EVERY_S if self._moved else IDLE_GAUGES_EVERY_S):
            self._gauged_at, self._moved = now, False
            self._gauge()
        if now - self._pruned_at >= PRUNE_EVERY_S:
            self._pruned_at = now
            oldest_ms = self.store.now_ms() - self._settings.retention_ms
            self.ledger.prune_failures(ended_before_ms=oldest_ms)
            self.ledger.prune_bulks(begun_before_ms=oldest_ms)
            self.ledger.prune_usage(ended_before_ms=oldest_ms)
            self.ledger.prune_assignments(made_before_ms=oldest_ms)
            self.ledger.prune_exports(lease, ended_before_ms=self._forget_before_ms())

    def _forget_before_ms(self) -> int:
        """Return what the ledger may forget: what is old, and what no scan will look at again."""
        oldest_ms = self.store.now_ms() - self._settings.retention_ms
        if self._cursor is None:
            return oldest_ms
        return min(oldest_ms, min(self._cursor.steps_ms, self._cursor.runs_ms) - LOOK_BACK_MS)

    def _gauge(self) -> None:
        try:
            facets = self.store.facets(RunQuery(statuses=OPEN_STATUSES))
            self._metrics.observe_store(facets, self.store.queues(), self.store.now_ms())
        except StoreError as error:
            _logger.debug("The gauges keep their last values: %s", error)

    def _report(self) -> None:
        """Leave word of refused spans in the ledger, for ``doctor`` and the dashboard."""
        stats = self._delivery.stats
        refused = (stats.set_aside, stats.partial)
        if refused == self._reported or not any(refused):
            return
        self._reported = refused
        rejections = [asdict(rejection) for rejection in list(stats.rejections)[-REJECTIONS_KEPT:]]
        self.ledger.put_value(
            STATS_KEY, {"setAside": stats.set_aside, "partial": stats.partial, "rejections": rejections}
        )
