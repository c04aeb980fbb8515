"""Failures that nobody has recorded: those from before, and those while neither bridge nor dashboard was there.

Reads the store; writes the ledger. Works in small bounded parts, for a page that is about to show errors: forwards from
where the last look ended, and backwards, the newest first, from where the first look began.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from otel_bridge.errors import InvalidCursorError
from otel_bridge.ledger.base import Cursor, Ledger
from otel_bridge.model.runs import RunQuery
from otel_bridge.runs.failures import FailureLog
from otel_bridge.store.base import StateStore
from otel_bridge.tail.scanner import StoreScanner

STATE_KEY = "failures.recorded"
BACKFILL_MS = 30 * 86_400_000
"""How old the runs are, at most, of which failures are recorded backwards."""
KEPT_MS = 90 * 86_400_000
"""How long failures are remembered where no bridge forgets them earlier."""
PRUNE_EVERY_MS = 3_600_000
PAGE = 100
PART_S = 0.5


def catch_up(
    store: StateStore,
    ledger: Ledger,
    log: FailureLog,
    *,
    part_s: float = PART_S,
    monotonic: Callable[[], float] = time.monotonic,
) -> int | None:
    """Record a part of what nobody has; return when the oldest run was created that was looked at, None when all were.

    Raises:
        StoreError, LedgerError: they cannot be used now; the next call continues.

    Example::

        while catch_up(store, ledger, log) is not None:
            pass
    """
    ends_at = monotonic() + part_s
    now_ms = store.now_ms()
    state = ledger.get_value(STATE_KEY)
    if not isinstance(state, dict) or {type(state.get("throughMs")), type(state.get("fromMs"))} != {int}:
        state = {"throughMs": now_ms, "back": None, "done": False, "fromMs": now_ms}
    reached = _forwards(store, log, min(state["throughMs"], now_ms), lambda: monotonic() >= ends_at)
    begun = {**state, "throughMs": reached}
    if reached // PRUNE_EVERY_MS != state["throughMs"] // PRUNE_EVERY_MS:
        ledger.prune_failures(ended_before_ms=now_ms - KEPT_MS)
        ledger.prune_bulks(begun_before_ms=now_ms - KEPT_MS)
        ledger.prune_assignments(made_before_ms=now_ms - KEPT_MS)
    if not begun.get("done"):
        begun = _backwards(store, log, begun, now_ms - BACKFILL_MS, lambda: monotonic() >= ends_at)
    if begun != state:
        ledger.put_value(STATE_KEY, begun)
    return None if begun.get("done") else int(begun["fromMs"])


def _forwards(store: StateStore, log: FailureLog, since_ms: int, is_over: Callable[[], bool]) -> int:
    """Record what ended since; return how far that is known."""
    scanner, cursor = StoreScanner(store), Cursor(steps_ms=store.now_ms(), runs_ms=since_ms)
    while True:
        scan = scanner.scan(cursor)
        ended = [run for run in scan.runs.values() if run.is_terminal]
        for start in range(0, len(ended), PAGE):
            log.note(ended[start : start + PAGE])
        cursor = scan.cursor
        if not scan.more or is_over():
            return cursor.runs_ms


def _backwards(
    store: StateStore, log: FailureLog, state: dict[str, Any], oldest_ms: int, is_over: Callable[[], bool]
) -> dict[str, Any]:
    """Record older failures, at least a page of them; return how far that is."""
    back = state.get("back")
    query = RunQuery(statuses=frozenset({"failed"}), limit=PAGE, cursor=back if isinstance(back, str) else None)
    while True:
        try:
            page = store.list_runs(query)
        except InvalidCursorError:  # damaged: begin again, which records nothing twice
            return {**state, "back": None}
        log.note(page.runs)
        reached_ms = min([run.created_at_ms for run in page.runs] + [state["fromMs"]])
        reached_ms = reached_ms if page.scanned_to_ms is None else min(reached_ms, page.scanned_to_ms)
        done = page.next_cursor is None or reached_ms < oldest_ms
        state = {**state, "back": page.next_cursor, "done": done, "fromMs": reached_ms}
        if done or is_over():
            return state
        query = RunQuery(statuses=frozenset({"failed"}), limit=PAGE, cursor=page.next_cursor)
