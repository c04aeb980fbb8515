"""Counts by status and workflow. SQL only, no driver: see ``session``. Caches expensive answers for a moment.

Open and failed runs have indexes of their own: they are counted exactly, however many there are. So are completed ones
where nothing but their time is asked of them, as the rest of the whole. What else is asked of completed runs is counted
from the newest back among a bounded number of rows; ``Facet.exact`` then says that there may be more. A caller that
wants them all says so, and waits.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from otel_bridge.model.runs import Facet, Run, RunQuery
from otel_bridge.model.status import ENGINE_OPEN, RUN_STATUSES, TAKEN_STATUSES, RunStatus, status_of
from otel_bridge.store.cells import LAST
from otel_bridge.store.rows import RunRecord
from otel_bridge.store.sql.conditions import Where, attributes_term, in_list, prefix_range, status_term, text_term
from otel_bridge.store.sql.cursor import Key
from otel_bridge.store.sql.runs import PREFIXED
from otel_bridge.store.sql.session import Reader, derive_runs, records_by_id
from otel_bridge.store.sql.sources import (
    FIRST_CHUNK,
    LAST_CHUNK,
    ORDERED_STATUSES,
    Budget,
    Request,
    chunk_edge,
    is_few,
    order,
    undo_targets,
)
from otel_bridge.store.sql.statement import (
    ATTRIBUTES,
    BY_CREATION,
    BY_PARENT,
    FAILED,
    OPEN_RUNS,
    PENDING,
    PRIMARY_KEY,
    Statement,
)

CHEAP_S = 0.004
"""What took no longer is counted every time."""
KEEP_FACTOR = 20
"""What took longer is kept for so many times the time that it took: counting takes a twentieth of a core at most."""
KEEP_TOTAL_S = 30.0
TOTAL_PARTS = 16
"""Ranges of time in which the table is counted: a part is so small that an index answers it."""
AT_ONCE = 64_000
"""Up to so many runs of a status that has an index are counted in one statement."""
COUNTED_AT = 5_000
"""Rows among which completed runs are counted, where other things than their time are asked of them."""
DERIVED = 500
"""Executing runs that are asked what they wait for."""
DERIVED_AT_ONCE = 100

COUNTED = Statement(
    "counted_by_status",
    "How many runs of a filter have a status that has an index.",
    (FAILED, *OPEN_RUNS, BY_PARENT, ATTRIBUTES),
)
COUNTED_FEW = Statement(
    "counted_few", "How many of the few runs that an index finds there are.", (PRIMARY_KEY, ATTRIBUTES)
)
COUNTED_CHUNK = Statement(
    "counted_chunk", "How many runs of a chunk have a status, by workflow.", (BY_CREATION, PENDING, FAILED, ATTRIBUTES)
)
CREATED_RANGE = Statement("created_range", "When the first and the last run were created.", (BY_CREATION,))
CREATED_COUNT = Statement("created_count", "How many runs were created within a time.", (BY_CREATION,))
MATCHING_IDS = Statement("matching_ids", "Which of some runs, named one by one, pass a filter.", (PRIMARY_KEY,))

T = TypeVar("T")
Counts = Counter[tuple[RunStatus, "str | None"]]


@dataclass
class Tally:
    """Counts, and of which statuses there may be more."""

    counts: Counts = field(default_factory=Counter)
    bounded: set[RunStatus] = field(default_factory=set)

    def add(self, status: RunStatus, workflow: str | None, count: int) -> None:
        """Count runs."""
        name = None if workflow is None else str(workflow)  # a damaged row may hold bytes, which do not sort with texts
        self.counts[status, name] += count

    def facets(self) -> list[Facet]:
        """Return what is not known to be zero, in the order of the statuses, then by workflow."""
        known = {status for (status, _), count in self.counts.items() if count > 0}
        found = [(key, count) for key, count in self.counts.items() if count > 0]
        found += [((status, None), 0) for status in self.bounded - known]
        facets = [Facet(status, count, workflow, status not in self.bounded) for (status, workflow), count in found]
        return sorted(facets, key=lambda facet: (RUN_STATUSES.index(facet.status), facet.workflow or ""))


class CachedCounts:
    """Caches answers that were expensive, for a time that grows with their cost. Shared between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, make: Callable[[], T], *, at_least_s: float = 0.0) -> T:
        """Return the kept answer, or make it."""
        began = time.monotonic()
        with self._lock:
            kept = self._answers.get(key)
        if kept is not None and kept[0] > began:
            answer: T = kept[1]
            return answer
        answer = make()
        cost = time.monotonic() - began
        if cost > CHEAP_S:
            with self._lock:
                self._answers = {known: value for known, value in self._answers.items() if value[0] > began}
                self._answers[key] = (began + max(cost * (KEEP_FACTOR + 1), at_least_s), answer)
        return answer


class FacetCounter:
    """Counts facets for one store."""

    def __init__(self) -> None:
        self.kept = CachedCounts()

    def facets(self, reader: Reader, query: RunQuery, *, by_workflow: bool, exact: bool = False) -> list[Facet]:
        """Return how many runs have each status (and workflow) over the query less its statuses and page.

        Args:
            exact: count completed runs to the last, however long it takes.
        """
        if query.nothing:
            return []
        query = replace(query, statuses=frozenset(), cursor=None, offset=0, limit=50)
        counting = _Counting(Request.of(reader, query), self.kept, by_workflow, exact)
        return list(self.kept.get((query, by_workflow, exact), counting.facets))


@dataclass
class _Counting:
    """One count at work."""

    request: Request
    kept: CachedCounts
    by_workflow: bool
    exact: bool
    tally: Tally = field(default_factory=Tally)

    def facets(self) -> list[Facet]:
        """Count."""
        query, reader = self.request.query, self.request.reader
        matching = self.request
        if query.text:
            matching = matching.narrowed(*text_term(query.text, reader.dialect))
        if query.run_id or (query.parent_id and reader.schema().has("workflow_status", "parent_workflow_id")):
            self.add(matching, COUNTED, [""])
        else:
            unordered = [word for word in ENGINE_OPEN if word not in ORDERED_STATUSES]
            self.ordered(matching)
            self.add(matching, COUNTED, [status_term(word) for word in unordered])
            if self.request.where.terms or query.text or self.by_workflow:
                self.completed(matching)
            else:
                known = sum(self.tally.counts.values())
                self.tally.add("completed", None, max(self.created() - known, 0))
        self.part_executing(matching)
        self.part_cancelling(matching)
        return self.tally.facets()

    @property
    def name(self) -> str:
        """What to count by besides the status."""
        return "COALESCE(w.name, '')" if self.by_workflow else "NULL"

    def add(
        self,
        request: Request,
        statement: Statement,
        terms: Sequence[str],
        params: Sequence[object] = (),
        *,
        walked: bool = False,
    ) -> None:
        """Count everything that matches each of some terms, at once.

        Args:
            walked: the terms' indexes are ordered by creation, so that a range of time narrows them.
        """
        where = request.keyset(None, walked=walked)
        group = "w.status, w.name" if self.by_workflow else "w.status"
        parts = (
            f"SELECT w.status, {self.name} AS name, count(*) FROM {request.table} "
            f"WHERE {where.sql()}{' AND ' if term else ''}{term} GROUP BY {group}"
            for term in terms
        )
        sql = " UNION ALL ".join(parts)
        for word, workflow, count in request.reader.read(statement, sql, [*where.params, *params] * len(terms)):
            self.tally.add(status_of(word), workflow, count)

    def ordered(self, matching: Request) -> None:
        """Count executing, failed, cancelled and dead runs to the last: at once, or in chunks where they are many.

        A statement that reads millions of rows would meet the database's time limit, and with it all counts be lost.
        """
        many: list[str] = []
        if matching.where.terms or self.by_workflow:
            unfiltered = Request(matching.reader, matching.query, Where())
            terms = ((word, Where().add(status_term(word))) for word in ORDERED_STATUSES)
            many = [word for word, term in terms if not is_few(unfiltered, term, most=AT_ONCE)]
        few = [word for word in ORDERED_STATUSES if word not in many]
        self.add(matching, COUNTED, [status_term(word) for word in few], walked=True)
        for word in many:
            self.walk(matching, word, bounded=False)

    # -- completed ones -------------------------------------------------------------------------------------------

    def completed(self, matching: Request) -> None:
        """Count completed runs of a filter: those that an index finds when they are few, and the rest by walking."""
        query, reader = self.request.query, self.request.reader
        success = status_term("SUCCESS")
        indexed = attributes_term(query, reader.schema())
        if indexed is not None and is_few(self.request, indexed, most=PREFIXED):
            self.add(matching, COUNTED_FEW, [f"{indexed.sql()} AND {success}"], indexed.params)
            return
        if query.text:
            term, params = prefix_range(query.text, reader.dialect)
            if is_few(self.request, Where().add(term, *params), most=PREFIXED):
                self.add(self.request, COUNTED_FEW, [f"{term} AND {success}"], params)
                matching = matching.narrowed(f"NOT {term}", params)
        self.walk(matching, "SUCCESS", bounded=not self.exact)

    def walk(self, matching: Request, word: str, *, bounded: bool) -> None:
        """Count runs of a status from the newest back, in chunks, as far as the budget goes or to the last."""
        status, request = status_of(word), matching.narrowed(status_term(word), ())
        budget, key, size = Budget.of(request.query, COUNTED_AT), None, FIRST_CHUNK  # type: Budget, Key | None, int
        term = Where().add(status_term(word)) if word in ORDERED_STATUSES else Where()
        group = " GROUP BY w.name" if self.by_workflow else ""
        while not bounded or budget.looked_at < budget.rows:
            edge = chunk_edge(request, key, size, term)
            where = request.keyset(key, edge=edge)
            sql = f"SELECT {self.name}, count(*) FROM {request.table} WHERE {where.sql()}{group}"
            for workflow, count in request.reader.read(COUNTED_CHUNK, sql, where.params):
                self.tally.add(status, workflow, count)
            if edge is None:
                return
            key = Key(edge + 1, "")
            budget.looked_at += size
            left = max(budget.rows - budget.looked_at, FIRST_CHUNK) if bounded else LAST_CHUNK
            size = min(size * 4, left, LAST_CHUNK)
        self.tally.bounded.add(status)

    def created(self) -> int:
        """Return how many runs were created in the query's time.

        All are counted now and then, and from there on what was created since. Runs that the engine deletes in the
        meantime are counted for half a minute more.
        """
        query = self.request.query
        table = self.request.table
        # named after their column: see ``store.cells``
        sql = f"SELECT (SELECT min(w.created_at) FROM {table}) AS created_at, max(w.created_at) FROM {table}"
        ((first, last),) = self.request.reader.read(CREATED_RANGE, sql)
        if first is None:
            return 0
        first, last = max(first, -LAST), min(last, LAST)  # a stamp at the end of SQLite's numbers has none after it
        begin = max(first, first if query.since_ms is None else query.since_ms)
        end = min(last + 1, last + 1 if query.until_ms is None else query.until_ms)
        # what is being created this very moment is counted each time
        settled = max(begin, min(end, last - 2_000))
        key = (query.since_ms, query.until_ms)
        until, count = self.kept.get(key, lambda: (settled, self._created(begin, settled)), at_least_s=KEEP_TOTAL_S)
        return count + self._created(until, end)

    def _created(self, begin: int, end: int) -> int:
        step, count = max(1, -((begin - end) // TOTAL_PARTS)), 0
        sql = f"SELECT count(*) FROM {self.request.table} WHERE w.created_at >= ? AND w.created_at < ?"
        for part in range(begin, end, step):
            ((found,),) = self.request.reader.read(CREATED_COUNT, sql, [part, min(part + step, end)])
            count += found
        return count

    # -- what rows alone do not tell ------------------------------------------------------------------------------

    def part_executing(self, matching: Request) -> None:
        """Part the executing runs into running and suspended; of very many, as many as were looked at are certain."""
        counts = self.tally.counts
        if not any(status == "running" for status, _ in counts):
            return
        # The engine says PENDING of runs that wait as well. So what the index counted as running is taken back, and the
        # last steps of each run tell which it is.
        for status, workflow in list(counts):
            if status == "running":
                del counts[status, workflow]
        key: Key | None = None
        looked_at = 0
        while self.exact or looked_at < DERIVED:
            rows = matching.select(matching.keyset(key).add(status_term("PENDING")), DERIVED_AT_ONCE)
            for run in derive_runs(matching.reader, rows):
                if run.status != "cancelling":  # counted among the undos' runs
                    self.tally.add(run.status, run.workflow if self.by_workflow else None, 1)
            if len(rows) < DERIVED_AT_ONCE:
                return
            key, looked_at = order(rows[-1]), looked_at + len(rows)
        self.tally.bounded |= TAKEN_STATUSES

    def part_cancelling(self, matching: Request) -> None:
        """Count runs whose undo is at work as that, not as what they were."""
        for row, run in being_undone(matching):
            workflow, was = run.workflow if self.by_workflow else None, status_of(row.status)
            if was != "running":
                self.tally.add(was, workflow, -1)
            self.tally.add("cancelling", workflow, 1)


def being_undone(matching: Request) -> list[tuple[RunRecord, Run]]:
    """Return the runs of a filter whose undo is at work, with their rows: they are shown as ``cancelling``."""
    reader = matching.reader
    targets = undo_targets(reader)
    if not targets:
        return []
    among, params = in_list("w.workflow_uuid", targets, reader.dialect)
    where = matching.keyset(None, walked=False).add(among, *params)
    sql = f"SELECT w.workflow_uuid FROM {matching.table} WHERE {where.sql()}"
    rows = records_by_id(reader, [run_id for (run_id,) in reader.read(MATCHING_IDS, sql, where.params)])
    found = zip(rows, derive_runs(reader, rows), strict=True)
    return [(row, run) for row, run in found if run.status == "cancelling"]
