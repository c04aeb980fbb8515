"""When runs were created, by time and status. SQL only, no driver: see ``session``.

Ended runs are counted in ranges of the index on creation, or of the one on failed runs. What a filter asks of completed
runs beside their time is looked for among a bounded number of rows, from the newest back; ``exact_from_ms`` then says
how far it got. Open runs are the caller's: what they are shown as depends on who is alive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from otel_bridge.model.runs import Activity, Grid, RunQuery
from otel_bridge.model.status import ENGINE_FAILED, ENGINE_OPEN, STATUSES, RunStatus, status_of
from otel_bridge.store.sql.conditions import Where, status_term, text_term
from otel_bridge.store.sql.counts import being_undone
from otel_bridge.store.sql.cursor import Key
from otel_bridge.store.sql.session import Reader, chunks
from otel_bridge.store.sql.sources import FIRST_CHUNK, LAST_CHUNK, Budget, Request, chunk_edge
from otel_bridge.store.sql.statement import ATTRIBUTES, BY_CREATION, BY_PARENT, FAILED, OPEN_RUNS, Statement

LOOKED_AT = 50_000
"""Rows among which completed runs are counted, where other things than their time are asked of them."""
AT_ONCE = 50
"""Ranges of time that one statement counts."""

ACTIVITY_CREATED = Statement("activity_created", "How many runs were created in each range of time.", (BY_CREATION,))
ACTIVITY_BY_STATUS = Statement(
    "activity_by_status",
    "How many runs of a filter have a status that has an index, by time.",
    (FAILED, *OPEN_RUNS, BY_PARENT, ATTRIBUTES),
)
ACTIVITY_CHUNK = Statement(
    "activity_chunk", "How many runs of a chunk completed, by time.", (BY_CREATION, BY_PARENT, ATTRIBUTES)
)


def activity(reader: Reader, query: RunQuery, grid: Grid) -> Activity:
    """Return how many ended runs of a filter were created in each part of a time, by status; see ``StateStore``."""
    found = Activity(grid)
    if query.nothing:
        return found
    query = replace(query, statuses=frozenset(), since_ms=grid.since_ms, until_ms=grid.until_ms)
    return _Counting(reader, query, found).done()


@dataclass
class _Counting:
    """One count at work."""

    reader: Reader
    query: RunQuery
    found: Activity

    def done(self) -> Activity:
        """Count."""
        request = Request.of(self.reader, self.query)
        if self.query.text:
            request = request.narrowed(*text_term(self.query.text, self.reader.dialect))
        for word, part, count in self.by_status(request, ENGINE_FAILED):
            self.found.add(part, status_of(word), count)
        if request.where.terms:
            self.walk(request)
        else:
            self.the_rest(request)
        self.part_cancelling(request)
        return self.found

    def part(self) -> tuple[str, list[object]]:
        """Return the expression for the number of the range in which a run was created, and its parameters."""
        grid = self.found.grid
        return "(w.created_at - CAST(? AS BIGINT)) / CAST(? AS BIGINT)", [grid.since_ms, grid.width_ms]

    def by_status(self, request: Request, words: Sequence[str]) -> Iterator[tuple[str, int, int]]:
        """Yield the engine's status, the number of a range and how many: of statuses that have indexes."""
        part, part_params = self.part()
        for word in words:
            where = request.keyset(None, walked=word in ENGINE_FAILED)
            sql = (
                f"SELECT {part} AS part, count(*) FROM {request.table} "
                f"WHERE {where.sql()} AND {status_term(word)} GROUP BY 1"
            )
            for number, count in self.reader.read(ACTIVITY_BY_STATUS, sql, [*part_params, *where.params]):
                yield word, number, count

    def the_rest(self, request: Request) -> None:
        """Count completed runs as those created less all others."""
        grid = self.found.grid
        bounds = [(n, *grid.bounds(n)) for n in range(grid.parts)]
        for some in chunks(bounds, AT_ONCE):
            sql = " UNION ALL ".join(
                f"SELECT {n}, count(*) FROM {request.table} WHERE w.created_at >= ? AND w.created_at < ?"
                for n, _, _ in some
            )
            params = [bound for _, *both in some for bound in both]
            for number, count in self.reader.read(ACTIVITY_CREATED, sql, params):
                self.found.add(number, "completed", count - sum(self.found.counts[number].values()))
        for _, number, count in self.by_status(request, ENGINE_OPEN):
            self.found.add(number, "completed", -count)

    def walk(self, request: Request) -> None:
        """Count completed runs from the newest back, in chunks, as far as the budget goes."""
        part, part_params = self.part()
        completed = request.narrowed(status_term("SUCCESS"), ())
        budget, key, size = Budget.of(request.query, LOOKED_AT), None, FIRST_CHUNK  # type: Budget, Key | None, int
        while True:
            edge = None if self.query.parent_id else chunk_edge(completed, key, size, Where())
            where = completed.keyset(key, edge=edge)
            sql = f"SELECT {part} AS part, count(*) FROM {completed.table} WHERE {where.sql()} GROUP BY 1"
            for number, count in self.reader.read(ACTIVITY_CHUNK, sql, [*part_params, *where.params]):
                self.found.add(number, "completed", count)
            if edge is None:
                return
            key = Key(edge + 1, "")
            budget.looked_at += size
            if budget.spent:
                self.found.exact_from_ms = edge + 1
                return
            size = min(size * 4, LAST_CHUNK, budget.rows - budget.looked_at)

    def part_cancelling(self, request: Request) -> None:
        """Count runs whose undo is at work as that, not as what they were."""
        for row, run in being_undone(request):
            number, was = self.found.grid.part_of(run.created_at_ms), status_of(row.status)
            if was in ENDED_BY_ROW:
                self.found.add(number, was, -1)
            self.found.add(number, "cancelling", 1)


ENDED_BY_ROW: frozenset[RunStatus] = frozenset(
    status for status, facts in STATUSES.items() if facts.ended and facts.engine
)
"""Ended statuses that a run's own row tells."""
