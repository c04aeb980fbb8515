"""Doctor: is everything in place for traces to arrive?

Reads the store and the ledger, writes one small value to the ledger, and sends one test span.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from otel_bridge.bridge.exporter import RunExporter
from otel_bridge.bridge.session import LEASE_NAME, STATS_KEY
from otel_bridge.bridge.set_aside import read_set_aside
from otel_bridge.bridge.standby import standing_by
from otel_bridge.errors import BridgeError, DeliveryError
from otel_bridge.ledger.base import Ledger
from otel_bridge.ledger.checking import damage_text
from otel_bridge.otlp import Transport
from otel_bridge.spans import SpanData, SpanKind, SpanSettings
from otel_bridge.spans.model import NS_PER_MS
from otel_bridge.store.base import StateStore
from otel_bridge.tail.scanner import StoreScanner

LOOKED_KEY = "doctor.looked_at_ms"
LATE_MS = 30_000
NAMED_RUNS = 5
LOOKED_AT = 500
"""So many ended runs are compared with what was exported of them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at, whether it is well, and what it is or what to do."""

    what: str
    ok: bool
    says: str


def examine(
    open_store: Callable[[], StateStore],
    open_ledger: Callable[[StateStore], Ledger],
    open_transport: Callable[[], Transport | None],
) -> Iterator[Finding]:
    """Yield findings, one after the other; what cannot be looked at without the one before is left out."""
    store = ledger = None
    try:
        try:
            store = open_store()
            info = store.check()
        except BridgeError as error:
            yield Finding("store", False, str(error))
        else:
            yield Finding("store", True, f"{info.target}, schema version {info.schema_version}")
            yield from (Finding("schema", False, warning) for warning in info.warnings)
            try:
                ledger = open_ledger(store)
                # A bridge must write: a full disk and a read-only one can be read very well.
                ledger.put_value(LOOKED_KEY, ledger.now_ms())
                yield _damage(ledger)
                yield from _export_state(store, ledger)
            except BridgeError as error:
                yield Finding("ledger", False, str(error))
        yield from _collector(open_transport)
    finally:
        for opened in (ledger, store):
            if opened is not None:
                opened.close()


def _damage(ledger: Ledger) -> Finding:
    damaged = ledger.look_for_damage()
    if not damaged:
        return Finding("ledger", True, f"{ledger.target}, readable and writable")
    return Finding("ledger", False, f"{ledger.target}: {damage_text(damaged)}")


def _export_state(store: StateStore, ledger: Ledger) -> Iterator[Finding]:
    holder = ledger.lease_holder(LEASE_NAME)
    if holder is None:
        yield Finding("bridge", False, "none is at work. Start one: otel-bridge export, or OTelBridge(...).start()")
    else:
        waiting = standing_by(ledger)
        others = f"; {', '.join(waiting)} stand{'s' if len(waiting) == 1 else ''} by" if waiting else ""
        yield Finding("bridge", True, f"{holder.owner} exports{others}")
    yield _lag(store, ledger)
    stats = ledger.get_value(STATS_KEY)
    if isinstance(stats, dict) and stats:
        kept = stats.get("rejections")
        last = kept[-1] if isinstance(kept, list) and kept and isinstance(kept[-1], dict) else None
        detail = f"; last: span {last.get('span_id')} of run {last.get('run_id')}: {last.get('reason')}" if last else ""
        refused = f"{stats.get('setAside')} set aside, {stats.get('partial')} lost to partial_success{detail}"
        yield Finding("refused", False, f"{refused}. Look at the collector's limits")
    else:
        yield Finding("refused", True, "no span was ever refused")
    yield from _set_aside(ledger)


def _set_aside(ledger: Ledger) -> Iterator[Finding]:
    """Name the runs whose rows are damaged; nothing is said where there are none."""
    count, reasons = read_set_aside(ledger)
    if count:
        named = "; ".join(f"{run_id!r}: {reason}" for run_id, reason in list(reasons.items())[:NAMED_RUNS])
        says = f"{_runs(count)} cannot be exported: {named}. Correct or delete the rows; changed ones are tried again"
        yield Finding("damaged", False, says)


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def _lag(store: StateStore, ledger: Ledger) -> Finding:
    """Say whether something waits: what a bridge would send now, and not what stamps and clocks let one guess."""
    cursor = ledger.cursor()
    if cursor is None:
        return Finding("lag", False, "nothing was exported yet. Start a bridge")
    scan = StoreScanner(store, overlap_ms=0).scan(cursor)
    ended = [run for run in scan.runs.values() if run.is_terminal and not run.unreadable][:LOOKED_AT]
    planner = RunExporter(store, ledger, None, SpanSettings())
    waiting = [run for run in ended if planner.export(None, [run.id], known={run.id: run}).spans]
    if not waiting:
        return Finding("lag", True, "everything is exported")
    behind_ms = max(0, store.now_ms() - min(run.finished_at_ms or run.updated_at_ms for run in waiting))
    more = "+" if scan.more or len(ended) == LOOKED_AT else ""
    says = f"{_runs(len(waiting))}{more} wait, the oldest for {behind_ms / 1000:.0f} s"
    if behind_ms <= LATE_MS:
        return Finding("lag", True, says)
    return Finding("lag", False, says + ". Is a bridge at work, and does the collector accept?")


def _collector(open_transport: Callable[[], Transport | None]) -> Iterator[Finding]:
    try:
        transport = open_transport()
    except BridgeError as error:
        yield Finding("collector", False, str(error))
        return
    if transport is None:
        yield Finding("collector", False, "none is configured. Set OTEL_EXPORTER_OTLP_ENDPOINT")
        return
    try:
        accepted = transport.send([_test_span()])
    except DeliveryError as error:
        yield Finding("collector", False, f"{error} Check OTEL_EXPORTER_OTLP_ENDPOINT, _PROTOCOL and _HEADERS")
    else:
        if accepted.rejected:
            yield Finding("collector", False, f"{transport.target} rejected a test span: {accepted.message}")
        else:
            yield Finding("collector", True, f"{transport.target} accepted a test span")
    finally:
        transport.close()


def _test_span() -> SpanData:
    now_ns = time.time_ns() // NS_PER_MS * NS_PER_MS
    attributes = {"durable.doctor": True}
    return SpanData(
        os.urandom(16), os.urandom(8), None, "otel-bridge doctor", SpanKind.INTERNAL, now_ns, now_ns, attributes
    )
