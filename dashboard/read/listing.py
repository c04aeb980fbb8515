"""The one reader of runs: pages, counts and whole sets of a filter, with presence laid over them.

The list, its facets, bulk actions and the streams' snapshots read runs through ``RunReader``, so that all of
them speak of the same runs. The store knows nothing of ``blocked``, nor that a run which started a child executes
something itself: such runs are looked for among those that the store calls otherwise.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from dashboard.errors import BadRequest
from otel_bridge.ledger.base import BulkMember, Ledger
from otel_bridge.ledger.tables.core import BEGINNING_OF_TIME, END_OF_TIME
from otel_bridge.ledger.tables.failures import RunKey
from otel_bridge.model.matching import matches
from otel_bridge.model.runs import Activity, BulkPart, Facet, Grid, Run, RunPage, RunQuery
from otel_bridge.model.status import BLOCKABLE_STATUSES, HELD_STATUSES, RUN_STATUSES, TAKEN_STATUSES, RunStatus
from otel_bridge.runs.blocked import BLOCKED_AFTER_MS
from otel_bridge.runs.overlay import bulk_part, overlay_bulks, overlay_error, overlay_run
from otel_bridge.runs.presence import Presence
from otel_bridge.store.base import StateStore, skips_at_once
from otel_bridge.store.sql.cursor import Cursor, Key, decode_cursor, encode_cursor

MOST_LOOKS = 20
"""Pages of the store that one page of the reader may take, where presence hides most of what the store finds."""
HELD = BLOCKABLE_STATUSES & HELD_STATUSES
OVERLAID = BLOCKABLE_STATUSES | {"blocked"}
"""What presence may show a run as that the store calls otherwise, and what the store may call it."""
HELD_COUNTED = 1_000
"""Executing runs that are looked at, one by one, to tell how presence shows them."""
PAGE = 500
EVERY_PAGE = 5_000
"""Runs in a page where very many are wanted: of those with one creation time, each page sorts all again."""
OFFSET_BUDGET_S = 10.0
"""So long may a request walk towards a large offset."""
LEDGER_COUNTED = 10_000
"""Runs of one error, or of one bulk action, that are looked at to count them."""

_STORED_AS: Mapping[RunStatus, frozenset[RunStatus]] = {
    "blocked": BLOCKABLE_STATUSES,
    "running": TAKEN_STATUSES,
}
"""What the store may call a run that presence shows under a status; any other it calls so itself."""


def not_reached(offset: int) -> BadRequest:
    """Return the refusal of an offset that takes longer to walk to than a request may."""
    return BadRequest(
        f"Query parameter 'offset': {offset} was not reached in {OFFSET_BUDGET_S:g} seconds. "
        "Follow the Link header from page to page, or narrow the filter.",
        parameter="offset",
    )


class RunReader:
    """Reads runs as people see them.

    Args:
        presence: who is alive now.
        ledger: knows which runs died of which error, and what bulk actions came to. Asked only for filters by these.
        with_errors: lays over runs the error that each died of last; None: as the ledger remembers them.
    """

    def __init__(
        self,
        store: StateStore,
        presence: Callable[[], Presence],
        ledger: Callable[[], Ledger],
        *,
        with_errors: Callable[[Sequence[Run]], Sequence[Run]] | None = None,
    ) -> None:
        self.store, self.presence, self.ledger = store, presence, ledger
        self._with_errors = with_errors or self._remembered_errors

    def _remembered_errors(self, runs: Sequence[Run]) -> list[Run]:
        known = self.ledger().failures_of([run.id for run in runs])
        return [overlay_error(run, known[run.id][-1] if run.id in known else None) for run in runs]

    def page(self, query: RunQuery) -> RunPage:
        """Return one page, newest first. It may hold fewer runs than asked and still have a next one.

        Raises:
            InvalidCursorError: the cursor is not the store's.
            LedgerError: the query names an error or a bulk action, and the ledger cannot be read.
        """
        if query.offset > PAGE and (asks_ledger(query) or not skips_at_once(query)):
            behind = self._behind(query)
            return RunPage([], None) if behind is None else self.page(behind)
        if asks_ledger(query):
            return self._page_by_ledger(query)
        if query.statuses and not query.statuses & OVERLAID:
            return self.store.list_runs(query)  # presence changes none of these
        seen = self.presence()
        asked = stored_statuses(query.statuses, seen)
        if asked is None:
            return RunPage([], None)
        if not seen.known:
            return self.store.list_runs(replace(query, statuses=asked))
        if not query.statuses:
            # presence hides none, so that the store's own offset and page are right
            page = self.store.list_runs(query)
            return replace(page, runs=[overlay_run(run, seen) for run in page.runs])
        left, cursor = query.offset, query.cursor
        while left > 0:
            skipped = self._shown(replace(query, cursor=cursor, limit=min(left, PAGE)), asked, seen)
            left, cursor = left - len(skipped.runs), skipped.next_cursor
            if cursor is None:
                return RunPage([], None)
        return self._shown(replace(query, cursor=cursor), asked, seen)

    def _shown(self, query: RunQuery, asked: frozenset[RunStatus], seen: Presence) -> RunPage:
        """Return a page of the runs that presence shows under the query's statuses, its offset aside."""
        runs: list[Run] = []
        cursor = query.cursor
        for _ in range(MOST_LOOKS):
            left = query.limit - len(runs)
            page = self.store.list_runs(replace(query, statuses=asked, limit=left, offset=0, cursor=cursor))
            shown = (overlay_run(run, seen) for run in page.runs)
            runs += (run for run in shown if run.status in query.statuses)
            cursor = page.next_cursor
            if cursor is None or len(runs) >= query.limit or page.scanned_to_ms is not None:
                break
        return RunPage(runs, cursor, page.scanned_to_ms)

    def _behind(self, query: RunQuery) -> RunQuery | None:
        """Return the query with a large offset turned into a cursor, page by page; None where the list ends before.

        Raises:
            BadRequest: that takes too long.
        """
        deadline_s = time.monotonic() + OFFSET_BUDGET_S
        left, cursor = query.offset, query.cursor
        while left > PAGE:
            page = self.page(replace(query, limit=PAGE, offset=0, cursor=cursor))
            left, cursor = left - len(page.runs), page.next_cursor
            if cursor is None:
                return None
            if time.monotonic() > deadline_s:
                raise not_reached(query.offset)
        return replace(query, offset=left, cursor=cursor)

    def _page_by_ledger(self, query: RunQuery) -> RunPage:
        runs: list[Run] = []
        place = None if query.cursor is None else decode_cursor(query.cursor).walk
        key = place if isinstance(place, Key) else None
        wanted = query.offset + query.limit
        for looks, (runs_read, after) in enumerate(self._by_ledger(query, key), start=1):
            for run in runs_read:
                if len(runs) == wanted:
                    last = runs[-1]
                    return RunPage(runs[query.offset :], encode_cursor(Cursor(walk=Key(last.created_at_ms, last.id))))
                runs.append(run)
            if looks >= MOST_LOOKS and after is not None:
                return RunPage(runs[query.offset :], encode_cursor(Cursor(walk=after)), scanned_to_ms=after.created_ms)
        return RunPage(runs[query.offset :], None)

    def _by_ledger(
        self, query: RunQuery, key: Key | None, *, any_status: bool = False
    ) -> Iterator[tuple[list[Run], Key | None]]:
        """Yield, newest first, the runs of an error or a bulk action that pass the rest of a filter, and how far."""
        seen, now_ms = self.presence(), self.store.now_ms()
        while True:
            before = None if key is None else RunKey(key.created_ms, key.run_id)
            found, rest, shown = self._looked_up(query, before)
            there = self.store.get_runs([one.run_id for one in found])
            runs = [overlay_run(there[one.run_id], seen) for one in found if one.run_id in there]
            key = Key(found[-1].created_at_ms, found[-1].run_id) if len(found) == PAGE else None
            passing = (matches(run, rest, now_ms=now_ms, any_status=any_status) for run in shown(runs))
            yield [run for run, passes in zip(runs, passing, strict=True) if passes], key
            if key is None:
                return

    def _looked_up(
        self, query: RunQuery, before: RunKey | None
    ) -> tuple[Sequence[RunKey | BulkMember], RunQuery, Callable[[Sequence[Run]], Sequence[Run]]]:
        """Return a page of the ledger's index, what it leaves of the filter to ask, and how runs are shown to that."""
        since_ms = BEGINNING_OF_TIME if query.since_ms is None else query.since_ms
        until_ms = END_OF_TIME if query.until_ms is None else query.until_ms
        if query.bulk is None:
            keys = self.ledger().runs_of_error(
                query.error or "", before=before, since_ms=since_ms, until_ms=until_ms, limit=PAGE
            )
            return keys, replace(query, error=None), lambda runs: runs
        members = self.ledger().bulk_members(
            query.bulk, before=before, since_ms=since_ms, until_ms=until_ms, limit=PAGE
        )
        by_run = {member.run_id: member for member in members}

        def shown(runs: Sequence[Run]) -> list[Run]:
            return [overlay_bulks(run, [by_run[run.id]]) for run in self._with_errors(runs)]

        return members, query, shown

    def _facets_by_ledger(self, query: RunQuery, *, by_workflow: bool, exact: bool) -> list[Facet]:
        counts: Counter[tuple[RunStatus, str | None]] = Counter()
        most = None if exact else LEDGER_COUNTED // PAGE
        after: Key | None = None
        for runs, behind in itertools.islice(self._by_ledger(query, None, any_status=True), most):
            after = behind
            counts.update((run.status, run.workflow if by_workflow else None) for run in runs)
        return by_status(
            [Facet(status, count, workflow, after is None) for (status, workflow), count in counts.items()]
        )

    def bulk_counts(self, bulk_id: str) -> tuple[Counter[BulkPart], bool]:
        """Return how the runs that a bulk action came to stand now, and whether that is all of them.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        counts: Counter[BulkPart] = Counter()
        seen, before = self.presence(), None
        for _ in range(LEDGER_COUNTED // PAGE):
            members = self.ledger().bulk_members(bulk_id, before=before, limit=PAGE)
            there = self.store.get_runs([member.run_id for member in members])
            shown = {run.id: run for run in self._with_errors([overlay_run(run, seen) for run in there.values()])}
            parts = (bulk_part(shown[member.run_id], member) for member in members if member.run_id in shown)
            counts.update(part for part in parts if part is not None)
            if len(members) < PAGE:
                return counts, True
            before = RunKey(members[-1].created_at_ms, members[-1].run_id)
        return counts, False

    def every(self, query: RunQuery) -> Iterator[Run]:
        """Yield every run of a filter, newest first, a page at a time. No transaction is held between pages."""
        query = replace(query, limit=PAGE, offset=0)  # some callers want the newest only
        while True:
            page = self.page(query)
            yield from page.runs
            if page.next_cursor is None:
                return
            query = replace(query, cursor=page.next_cursor, limit=EVERY_PAGE)

    def named(self, ids: Iterable[str], query: RunQuery) -> Iterator[Run]:
        """Yield, newest first, those of these runs that pass a filter; the rest of the store is not read.

        Raises:
            LedgerError: the query names an error or a bulk action, and the ledger cannot be read.
        """
        wanted = set(ids)
        if asks_ledger(query):
            yield from (run for run in self.every(query) if run.id in wanted)
            return
        seen, now_ms = self.presence(), self.store.now_ms()
        shown = [overlay_run(run, seen) for run in self.store.get_runs(sorted(wanted)).values()]
        for run in sorted(shown, key=lambda run: (-run.created_at_ms, run.id)):
            if matches(run, query, now_ms=now_ms):
                yield run

    def facets(self, query: RunQuery, *, by_workflow: bool = False, exact: bool = False) -> list[Facet]:
        """Return counts by status (and workflow) over the query less its statuses and page.

        A count that is not ``exact`` is a lower bound: there are as many or more.

        Args:
            exact: count to the last run, however long it takes.
        """
        if asks_ledger(query):
            return self._facets_by_ledger(query, by_workflow=by_workflow, exact=exact)
        found = self.store.facets(query, by_workflow=by_workflow, exact=exact)
        seen = self.presence()
        if not seen.known or not any(facet.status in BLOCKABLE_STATUSES for facet in found):
            return found
        tally = _Tally(by_workflow)
        for run, count in self._queued(query, seen):
            tally.add(run, count)
        looked_at = 0
        for page in self._held(query):
            for run in page.runs:
                tally.add(overlay_run(run, seen))
            looked_at += len(page.runs)
            if page.next_cursor is not None and looked_at >= HELD_COUNTED and not exact:
                tally.bounded |= {*HELD, "blocked"}
                break
        return by_status([*(facet for facet in found if facet.status not in BLOCKABLE_STATUSES), *tally.facets()])

    def open_groups(self, query: RunQuery) -> Iterator[tuple[Run, int]]:
        """Yield every open run of the filter less its statuses, with how many are like it: queued ones come in groups.

        Runs whose undo is at work are none of them. What all of a group share is right in its run: see ``Backlog``.
        """
        seen = self.presence()
        yield from self._queued(query, seen)
        for page in self._held(query):
            for run in page.runs:
                yield overlay_run(run, seen), 1

    def activity(self, query: RunQuery, grid: Grid) -> Activity:
        """Return how many runs of the filter were created in each part of a time, by status.

        Of very many executing runs the newest are looked at; earlier parts may hold more, and say so.
        """
        query = replace(query, since_ms=grid.since_ms, until_ms=grid.until_ms)
        if asks_ledger(query):
            return self._activity_by_ledger(query, grid)
        found = self.store.activity(query, grid)
        if not query.statuses or query.statuses & OVERLAID:
            self._add_open(query, found)
        if query.statuses:
            found.keep(query.statuses)
        return found

    def _activity_by_ledger(self, query: RunQuery, grid: Grid) -> Activity:
        found = Activity(grid)
        for runs, after in itertools.islice(self._by_ledger(query, None), LEDGER_COUNTED // PAGE):
            for run in runs:
                found.add(grid.part_of(run.created_at_ms), run.status, 1)
            found.exact_from_ms = None if after is None else after.created_ms + 1
        return found

    def _add_open(self, query: RunQuery, found: Activity) -> None:
        grid, seen = found.grid, self.presence()
        for run, count in self._queued(query, seen, grid):
            found.add(grid.part_of(run.created_at_ms), run.status, count)
        looked_at = 0
        for page in self._held(query):
            for run in page.runs:
                found.add(grid.part_of(run.created_at_ms), overlay_run(run, seen).status, 1)
            looked_at += len(page.runs)
            if page.next_cursor is not None and looked_at >= HELD_COUNTED:
                found.exact_from_ms = max(found.exact_from_ms or 0, page.runs[-1].created_at_ms + 1)
                return

    def _queued(self, query: RunQuery, seen: Presence, grid: Grid | None = None) -> Iterator[tuple[Run, int]]:
        for group in self.store.backlog(query, old_ms=seen.now_ms - BLOCKED_AFTER_MS, grid=grid):
            yield overlay_run(group.like, seen), group.count

    def _held(self, query: RunQuery) -> Iterator[RunPage]:
        """Yield pages of the runs that an executor may have taken, as the store calls them, newest first."""
        query = replace(query, statuses=HELD, limit=PAGE, cursor=None, offset=0)
        while True:
            page = self.store.list_runs(query)
            yield page
            if page.next_cursor is None:
                return
            query = replace(query, cursor=page.next_cursor)


class _Tally:
    """Counts of open runs as presence shows them."""

    def __init__(self, by_workflow: bool) -> None:
        self._by_workflow = by_workflow
        self._counts: Counter[tuple[RunStatus, str | None]] = Counter()
        self.bounded: set[RunStatus] = set()
        """Statuses of which there are as many as counted, or more."""

    def add(self, run: Run, count: int = 1) -> None:
        self._counts[run.status, run.workflow if self._by_workflow else None] += count

    def facets(self) -> list[Facet]:
        found = [
            Facet(status, count, workflow, status not in self.bounded)
            for (status, workflow), count in self._counts.items()
        ]
        known = {facet.status for facet in found}
        return [*found, *(Facet(status, 0, None, False) for status in self.bounded - known)]


def asks_ledger(query: RunQuery) -> bool:
    """Say whether a filter is by what the ledger knows of runs, and no store. Pure."""
    return query.error is not None or query.bulk is not None


def by_status(facets: Iterable[Facet]) -> list[Facet]:
    """Return counts in the order of the statuses, then by workflow."""
    return sorted(facets, key=lambda facet: (RUN_STATUSES.index(facet.status), facet.workflow or ""))


def stored_statuses(wanted: frozenset[RunStatus], seen: Presence) -> frozenset[RunStatus] | None:
    """Return the statuses to ask the store for (empty: any), or None where nothing can be found."""
    if not seen.known:
        asked = wanted - {"blocked"}
        return None if wanted and not asked else asked
    return frozenset().union(*(_STORED_AS.get(status, {status}) for status in wanted))
