"""A shift: one bridge's work on an open store and ledger, tick by tick. Reads clocks; the lease has a thread."""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Literal

from otel_bridge.bridge.exporter import Progress, RunExporter
from otel_bridge.bridge.lease import LeaseKeeper
from otel_bridge.bridge.metrics import BridgeMetrics
from otel_bridge.errors import StoreError
from otel_bridge.ledger.base import Cursor, Lease, Ledger
from otel_bridge.ledger.underway import EXPORT_LEASE
from otel_bridge.model.runs import RunQuery
from otel_bridge.model.status import OPEN_STATUSES
from otel_bridge.otlp import Delivery
from otel_bridge.spans import SpanSettings
from otel_bridge.store.base import StateStore
from otel_bridge.tail.scanner import StoreScanner

_logger = logging.getLogger("otel_bridge")

LEASE_NAME = EXPORT_LEASE
STATS_KEY = "bridge.stats"
OPEN_LIMIT = 5_000
MOST_AGAIN = 100_000
PRUNE_EVERY_S = 3_600.0
LOOK_BACK_MS = 60_000
"""More than a scan looks behind its cursor."""
REVIEW_EVERY_S = 30.0
REVIEW_LIMIT = 200
GAUGES_EVERY_S = 10.0
REJECTIONS_KEPT = 20


class Shift:
    """Exports under the lease while it can be had.

    Args:
        start_from: where to begin when the ledger knows no cursor.
        retention_ms: how long the ledger remembers ended runs.
    """

    def __init__(
        self,
        store: StateStore,
        ledger: Ledger,
        delivery: Delivery,
        *,
        settings: SpanSettings,
        owner: str,
        lease_ttl_s: float,
        start_from: Literal["now", "beginning"],
        retention_ms: int,
        metrics: BridgeMetrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self.ledger = store, ledger
        self.keeper = LeaseKeeper(ledger, name=LEASE_NAME, owner=owner, ttl_s=lease_ttl_s, monotonic=monotonic)
        self.lease: Lease | None = None
        self._delivery, self._metrics, self._monotonic = delivery, metrics, monotonic
        self._start_from, self._retention_ms = start_from, retention_ms
        self._exporter = RunExporter(store, ledger, delivery, settings, metrics=metrics, check=self.keeper.check)
        delivery.alive = self.keeper.check
        self._scanner: StoreScanner | None = None
        self._cursor: Cursor | None = None
        self._again: list[tuple[int, str]] = []
        self._again_at: dict[str, int] = {}
        self._reviewed_at = self._pruned_at = self._gauged_at = -float("inf")
        self._caught_up_at = monotonic()
        self._stats_said: object = None

    def tick(self) -> tuple[Progress, bool]:
        """Export what is due now, up to the scanner's bound; say whether more is waiting.

        Raises:
            LeaseLostError, StoreError, LedgerError, DeliveryStoppedError: call ``forget`` and tick again later.
        """
        lease = self.keeper.acquire()
        if lease is None or self.lease is None or lease.token != self.lease.token:
            self.forget()
        self.lease = lease
        if lease is None:
            return Progress(), False
        resent = self._exporter.resend(lease) if self._cursor is None else 0
        cursor = self._begin(lease)
        scanner = self._scanner or self._open_scanner()
        scan = scanner.scan(cursor)
        wanted = {*scan.runs, *self._due_again(), *self._review()}
        progress = self._exporter.export(lease, wanted, known=scan.runs)
        progress.spans += resent
        for run_id, at_ms in progress.again.items():
            if self._again_at.get(run_id) != at_ms and len(self._again) < MOST_AGAIN:
                self._again_at[run_id] = at_ms
                heapq.heappush(self._again, (at_ms, run_id))
        if scan.cursor != cursor:
            self.ledger.record_export(lease, cursor=scan.cursor, runs=())
            self._cursor = scan.cursor
        self._look_after(lease, caught_up=not scan.more)
        return progress, scan.more

    def forget(self) -> None:
        """Forget what the scanner has seen: some of it may not have been exported."""
        self._scanner = None
        self._cursor = None
        self._again.clear()
        self._again_at.clear()
        self._reviewed_at = -float("inf")

    def lag_s(self) -> float:
        """Return how long ago everything in the store had been exported."""
        return max(0.0, self._monotonic() - self._caught_up_at)

    def _begin(self, lease: Lease) -> Cursor:
        if self._cursor is None:
            self._cursor = self.ledger.cursor()
        if self._cursor is None:
            # From the beginning, every run is found by its own stamps, with the steps that it has by now.
            now_ms = self.store.now_ms()
            self._cursor = Cursor(steps_ms=now_ms, runs_ms=now_ms if self._start_from == "now" else 0)
            self.ledger.record_export(lease, cursor=self._cursor, runs=())
        return self._cursor

    def _open_scanner(self) -> StoreScanner:
        self._scanner = StoreScanner(
            self.store, open_every_s=REVIEW_EVERY_S, open_limit=REVIEW_LIMIT, monotonic=self._monotonic
        )
        return self._scanner

    def _due_again(self) -> set[str]:
        """Return runs whose time has come without a change of rows: sleeps that ended, and their like."""
        due: set[str] = set()
        now_ms = self.store.now_ms() if self._again else 0
        while self._again and self._again[0][0] <= now_ms:
            _, run_id = heapq.heappop(self._again)
            self._again_at.pop(run_id, None)
            due.add(run_id)
        return due

    def _review(self) -> list[str]:
        """Return runs that were begun and not ended: at first all, then now and then the oldest.

        At first for those that wait for their time; later for late commits and for runs that were deleted.
        """
        if self._monotonic() - self._reviewed_at < REVIEW_EVERY_S:
            return []
        limit = OPEN_LIMIT if self._reviewed_at < 0 else REVIEW_LIMIT
        self._reviewed_at = self._monotonic()
        return [run.run_id for run in self.ledger.open_exports(limit=limit)]

    def _look_after(self, lease: Lease, *, caught_up: bool) -> None:
        now = self._monotonic()
        if caught_up:
            self._caught_up_at = now
        self._metrics.observe_lag(self.lag_s())
        self._metrics.observe_delivery(self._delivery.stats)
        self._tell()
        if now - self._gauged_at >= GAUGES_EVERY_S:
            self._gauged_at = now
            self._gauge()
        if now - self._pruned_at >= PRUNE_EVERY_S:
            self._pruned_at = now
            self.ledger.prune_exports(lease, ended_before_ms=self._forget_before_ms())

    def _forget_before_ms(self) -> int:
        """Return what the ledger may forget: what is old, and what no scan will look at again."""
        oldest_ms = self.store.now_ms() - self._retention_ms
        if self._cursor is None:
            return oldest_ms
        return min(oldest_ms, min(self._cursor.steps_ms, self._cursor.runs_ms) - LOOK_BACK_MS)

    def _gauge(self) -> None:
        try:
            facets = self.store.facets(RunQuery(statuses=OPEN_STATUSES))
            self._metrics.observe_store(facets, self.store.queues(), self.store.now_ms())
        except StoreError as error:
            _logger.debug("The gauges keep their last values: %s", error)

    def _tell(self) -> None:
        """Leave word of refused spans in the ledger, for ``doctor`` and the dashboard."""
        stats = self._delivery.stats
        refused = (stats.set_aside, stats.partial)
        if refused == self._stats_said or not any(refused):
            return
        self._stats_said = refused
        rejections = [asdict(rejection) for rejection in list(stats.rejections)[-REJECTIONS_KEPT:]]
        self.ledger.put_value(
            STATS_KEY, {"setAside": stats.set_aside, "partial": stats.partial, "rejections": rejections}
        )
