"""Filters by how long runs lasted, of runs whose rows forgot when they started.

The engine clears the start of what it cancels or gives up. The store takes such a run as having started when it was
created, so it finds all that may have lasted so long; here those are left out that did not, as the ledger and their
first steps tell, so that a filter finds what ``durationMs`` shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Ledger
from otel_bridge.model.runs import Run, RunPage, RunQuery
from otel_bridge.model.status import FORGETFUL_STATUSES
from otel_bridge.runs.starts import with_starts

MOST_LOOKS = 20
"""Pages that one page may take, where most runs are left out."""
PAGE = 500


def asks_start(query: RunQuery) -> bool:
    """Say whether a filter depends on starts that rows forget. Pure."""
    return query.min_duration_ms is not None and (not query.statuses or bool(query.statuses & FORGETFUL_STATUSES))


def lasting(ledger: Callable[[], Ledger], runs: Sequence[Run], query: RunQuery) -> list[Run]:
    """Return those of the runs that a filter found without knowing when they started, and that lasted as long."""
    stopped = [run for run in runs if run.start_is_forgotten or run.never_started]
    if query.min_duration_ms is None or not stopped:
        return list(runs)
    try:
        known = with_starts(ledger(), stopped)
    except LedgerError:
        known = with_starts(None, stopped)
    short = {run.id for run in known if run.duration_ms is None or run.duration_ms < query.min_duration_ms}
    return [run for run in runs if run.id not in short]


def trimmed(page: Callable[[RunQuery], RunPage], ledger: Callable[[], Ledger], query: RunQuery) -> RunPage:
    """Return a page of the runs that lasted as long, given how the store's are paged; its offset counts these."""
    runs: list[Run] = []
    wanted, cursor = query.offset + query.limit, query.cursor
    for _ in range(MOST_LOOKS + query.offset // PAGE):
        found = page(replace(query, offset=0, limit=min(PAGE, wanted - len(runs)), cursor=cursor))
        runs += lasting(ledger, found.runs, query)
        cursor = found.next_cursor
        if cursor is None or len(runs) >= wanted or found.scanned_to_ms is not None:
            break
    return RunPage(runs[query.offset :], cursor, found.scanned_to_ms)


def stopped(
    page: Callable[[RunQuery], RunPage], ledger: Callable[[], Ledger], query: RunQuery
) -> Iterator[tuple[list[Run], Run | None]]:
    """Yield the filter's runs that may have no start, page by page, and the last one looked at where more follow."""
    query = replace(query, statuses=FORGETFUL_STATUSES, limit=PAGE, cursor=None, offset=0)
    while True:
        found = page(query)
        more = found.next_cursor is not None and bool(found.runs)
        yield lasting(ledger, found.runs, query), found.runs[-1] if more else None
        if found.next_cursor is None:
            return
        query = replace(query, cursor=found.next_cursor)
