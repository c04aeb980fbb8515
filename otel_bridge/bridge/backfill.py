"""Backfill: runs that ended in a span of time, exported oldest first. Reads the store; writes the ledger; delivers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otel_bridge.bridge.exporter import CHUNK_RUNS, Progress, RunExporter
from otel_bridge.bridge.lease import LeaseKeeper
from otel_bridge.errors import BridgeError
from otel_bridge.ledger.base import Lease, Ledger, owner_name
from otel_bridge.ledger.pending import BACKFILL_LEASE
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.otlp import Delivery
from otel_bridge.spans import SpanSettings
from otel_bridge.store.base import StateStore


class BackfillRunningError(BridgeError):
    """Another backfill works on the same ledger."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        super().__init__(f"A backfill is already running ({owner}). Wait for it, or stop it.")


@dataclass(slots=True)
class BackfillProgress:
    """How far a backfill got. ``skipped`` are runs that are still open: the bridge exports those."""

    total: int | None = None
    seen: int = 0
    skipped: int = 0
    spans: int = 0
    exported: int = 0
    reached_ms: int | None = None

    def words(self, elapsed_s: float) -> str:
        """Return how far it is, how fast it goes, and how long it will take, after so many seconds.

        >>> BackfillProgress(total=5_000, seen=1_000, spans=8_000).words(10.0)
        '1,000 of 5,000 runs, 8,000 spans, 100 runs/s, 800 spans/s, about 40 s left'
        """
        rate = self.seen / elapsed_s if elapsed_s > 0 else 0.0
        of = "" if self.total is None else f" of {self.total:,}"
        parts = [f"{self.seen:,}{of} runs", f"{self.spans:,} spans"]
        if rate:
            parts += [f"{rate:,.0f} runs/s", f"{self.spans / elapsed_s:,.0f} spans/s"]
            if self.total is not None and self.total > self.seen:
                parts.append(f"about {_lasting((self.total - self.seen) / rate)} left")
        return ", ".join(parts)


def _lasting(seconds: float) -> str:
    """Return a time as one reads it: seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"


def backfill(
    store: StateStore,
    ledger: Ledger,
    delivery: Delivery | None,
    *,
    settings: SpanSettings,
    since_ms: int | None = None,
    until_ms: int | None = None,
    on_progress: Callable[[BackfillProgress], None] = lambda progress: None,
    lease_ttl_s: float = 10.0,
) -> BackfillProgress:
    """Export every ended run that was created in ``[since_ms, until_ms)`` and was not exported before.

    It may run beside a bridge, be stopped, and be started again: what was exported is not sent twice.

    Args:
        delivery: None counts what would be sent, and sends and writes nothing.

    Raises:
        BackfillRunningError: another one holds the lease.
        SharedLedgerError: the ledger keeps the progress of another application or namespace.
    """
    if delivery is not None:
        ledger.claim(engine_schema=store.engine_schema, namespace=settings.namespace)
    keeper = LeaseKeeper(ledger, name=BACKFILL_LEASE, owner=owner_name(), ttl_s=lease_ttl_s)
    lease = keeper.acquire() if delivery is not None else None
    if delivery is not None and lease is None:
        holder = ledger.lease_holder(BACKFILL_LEASE)
        raise BackfillRunningError(holder.owner if holder is not None else "unknown")
    exporter = RunExporter(store, ledger, delivery, settings, check=keeper.check)
    if delivery is not None:
        delivery.alive = keeper.check
    progress = BackfillProgress(total=_total(store, since_ms, until_ms))
    try:
        if lease is not None:
            progress.spans += exporter.resend(lease)
        chunk: dict[str, Run] = {}
        for run in store.iter_runs(since_ms=since_ms, until_ms=until_ms):
            progress.seen += 1
            progress.reached_ms = run.created_at_ms
            if not run.is_terminal:
                progress.skipped += 1
                continue
            chunk[run.id] = run
            if len(chunk) >= CHUNK_RUNS:
                _export(exporter, lease, chunk, progress)
                on_progress(progress)
                chunk = {}
        _export(exporter, lease, chunk, progress)
        on_progress(progress)
    finally:
        keeper.release()
    return progress


def _export(exporter: RunExporter, lease: Lease | None, chunk: dict[str, Run], progress: BackfillProgress) -> None:
    done: Progress = exporter.export(lease, list(chunk), known=chunk)
    progress.spans += done.spans
    progress.exported += done.ended


def _total(store: StateStore, since_ms: int | None, until_ms: int | None) -> int | None:
    facets = store.facets(RunQuery(since_ms=since_ms, until_ms=until_ms))
    return sum(facet.count for facet in facets) if all(facet.exact for facet in facets) else None
