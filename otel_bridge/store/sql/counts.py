"""Counts by status and workflow, within a time budget. SQL only, no driver: see ``reader``. Keeps a small cache.

What has an index is counted exactly: open and failed runs by their partial indexes, completed ones as the rest of the
whole. What has none is counted from the newest back until the budget is spent, and ``Facet.exact`` says so.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from otel_bridge.model.runs import Backlog, Facet, Run, RunQuery, Waiting
from otel_bridge.model.status import ENGINE_FAILED, ENGINE_OPEN, RUN_STATUSES, STATUSES, RunStatus, status_of
from otel_bridge.store.sql import runs
from otel_bridge.store.sql.conditions import Where, in_list, prefix_range, row_filter, status_term, text_term
from otel_bridge.store.sql.cursor import Key
from otel_bridge.store.sql.runs import CREATED, RUN_ID, Request, undo_targets
from otel_bridge.store.sql.session import Reader, derive_runs, run_rows_by_id

BUDGET_S = 0.014
CHUNK_BUDGET_S = 0.004
FIRST_CHUNK = 500
SUSPENDED_BUDGET_S = 0.012
CHEAP_S = 0.004
"""What took no longer is counted anew every time."""
KEEP_FACTOR = 20
"""What took longer is kept for so many times the time that it took: counting takes a twentieth of a core at most."""
KEEP_TOTAL_S = 30.0
DERIVED_AT_ONCE = 100

Counts = Counter[tuple[RunStatus, "str | None"]]


@dataclass
class Tally:
    """Counts, and which of them stopped at the budget."""

    counts: Counts = field(default_factory=Counter)
    bounded: set[RunStatus] = field(default_factory=set)

    def add(self, engine_status: str, workflow: str | None, count: int) -> None:
        """Count runs by the engine's status."""
        self.counts[(status_of(engine_status), workflow)] += count

    def move(self, from_: RunStatus, to: RunStatus, workflow: str | None, count: int = 1) -> None:
        """Count runs as something else, now that more is known of them."""
        self.counts[(from_, workflow)] -= count
        self.counts[(to, workflow)] += count

    def facets(self) -> list[Facet]:
        """Return what is not known to be zero, in the order of the statuses, then by workflow."""
        known = {status for status, _ in self.counts if self.counts[status, _] > 0}
        found = [item for item in self.counts.items() if item[1] > 0]
        found += [((status, None), 0) for status in self.bounded - known]
        found.sort(key=lambda item: (RUN_STATUSES.index(item[0][0]), item[0][1] or ""))
        return [Facet(status, count, workflow, status not in self.bounded) for (status, workflow), count in found]


class FacetCounter:
    """Counts facets for one store. Keeps recent answers that were dear, and the size of the table."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[RunQuery, bool], tuple[float, list[Facet]]] = {}
        self._total: tuple[float, int, int] | None = None

    def facets(self, reader: Reader, query: RunQuery, *, by_workflow: bool) -> list[Facet]:
        """Return how many runs have each status (and workflow) over the query less its statuses and page."""
        if query.nothing:
            return []
        query = replace(query, statuses=frozenset(), cursor=None, offset=0, limit=50)
        began = time.monotonic()
        with self._lock:
            kept = self._kept.get((query, by_workflow))
        if kept is not None and kept[0] > began:
            return list(kept[1])
        found = self._count(reader, query, by_workflow, began + BUDGET_S).facets()
        cost = time.monotonic() - began
        if cost > CHEAP_S:
            with self._lock:
                self._kept = {key: value for key, value in self._kept.items() if value[0] > began}
                self._kept[(query, by_workflow)] = (began + cost * (KEEP_FACTOR + 1), found)
        return list(found)

    def _count(self, reader: Reader, query: RunQuery, by_workflow: bool, deadline: float) -> Tally:
        tally = Tally()
        where = row_filter(query, reader.schema(), reader.dialect, now_ms=reader.now_ms())
        request = Request(reader, query, where, deadline)
        everything = Request(reader, query, request.where.copy(), deadline)
        if query.text:
            term, params = text_term(query.text, reader.dialect)
            everything.where.add(term, *params)
        if query.parent_id:
            _grouped(everything, tally, [""], by_workflow)
        else:
            if query.text:
                _count_search(request, tally, query.text, by_workflow)
            ranged = query.since_ms is not None or query.until_ms is not None
            if request.where.terms or by_workflow or ranged:
                few, many = _by_size(request, ENGINE_OPEN)
                _grouped(request, tally, [status_term(status) for status in few], by_workflow)
                _walk(request, tally, [*many, *ENGINE_FAILED, "SUCCESS"], by_workflow)
            else:
                _grouped(
                    request, tally, [status_term(status) for status in (*ENGINE_OPEN, *ENGINE_FAILED)], by_workflow
                )
                known = sum(tally.counts.values())
                tally.add("SUCCESS", None, max(self._table_size(reader) - known, 0))
        everything.deadline = max(deadline, time.monotonic()) + SUSPENDED_BUDGET_S
        _tell_suspended(everything, tally, by_workflow)
        _tell_cancelling(everything, tally, by_workflow)
        return tally

    def _table_size(self, reader: Reader) -> int:
        """Return the number of runs: counted now and then, and from there on by what was created since.

        Runs that the engine deleted in the meantime are missed for half a minute.
        """
        table = reader.schema().table("workflow_status")
        now = time.monotonic()
        with self._lock:
            known = self._total
        if known is None or known[0] < now:
            newest = reader.rows(f"SELECT max(w.created_at) FROM {table} w")[0][0]
            if newest is None:
                return 0
            # what is being created this very moment is counted as new, each time
            before = int(newest) - 2000
            size = int(reader.rows(f"SELECT count(*) FROM {table} w WHERE w.created_at < ?", [before])[0][0])
            cost = time.monotonic() - now
            keep = 0.0 if cost < CHEAP_S else max(KEEP_TOTAL_S, 100 * cost)
            known = (now + keep, before, size)
            with self._lock:
                self._total = known
        recent = reader.rows(f"SELECT count(*) FROM {table} w WHERE w.created_at >= ?", [known[1]])
        return known[2] + int(recent[0][0])


def _name(by_workflow: bool) -> str:
    return "COALESCE(w.name, '')" if by_workflow else "NULL"


def _grouped(request: Request, tally: Tally, terms: Sequence[str], by_workflow: bool, *params: Any) -> None:
    """Count everything that matches each of some terms, at once."""
    table, group = request.reader.schema().table("workflow_status"), "w.status, w.name" if by_workflow else "w.status"
    where = request.keyset(None, walked=False)
    parts = (
        f"SELECT w.status, {_name(by_workflow)} AS name, count(*) FROM {table} w "
        f"WHERE {where.sql()}{' AND ' if term else ''}{term} GROUP BY {group}"
        for term in terms
    )
    for status, workflow, count in (
        request.reader.rows(" UNION ALL ".join(parts), [*where.params, *params] * len(terms)) if terms else ()
    ):
        tally.add(status, workflow, count)


def _by_size(request: Request, statuses: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the statuses that few runs have, whatever else is asked of them, and those that many have."""
    table = request.reader.schema().table("workflow_status")
    sizes = ", ".join(
        f"(SELECT count(*) FROM (SELECT 1 FROM {table} w WHERE {status_term(status)} LIMIT {runs.FEW + 1}) AS m)"
        for status in statuses
    )
    (row,) = request.reader.rows(f"SELECT {sizes}")
    sized = list(zip(statuses, row, strict=True))
    return [s for s, size in sized if 0 < size <= runs.FEW], [s for s, size in sized if size > runs.FEW]


@dataclass
class _Walker:
    """Counts one status from the newest back, in chunks."""

    request: Request
    status: str
    by_workflow: bool
    key: Key | None = None
    size: int = field(default_factory=lambda: FIRST_CHUNK)
    s_per_run: float = 0.0
    ended: bool = False

    def fits(self) -> bool:
        """Say whether there is time for a chunk, cutting it to what there is; for the first there always is."""
        if self.key is None:
            return True
        left_s = self.request.deadline - time.monotonic()
        self.size = min(self.size, int(left_s / max(self.s_per_run, 1e-9)))
        return self.size >= FIRST_CHUNK // 4

    def step(self, tally: Tally) -> None:
        """Count one chunk."""
        began, reader = time.monotonic(), self.request.reader
        ordered = self.status in runs.ORDERED_STATUSES
        term = status_term(self.status) if ordered else f"w.status = '{self.status}'"
        edge = runs.chunk_edge(self.request, self.key, self.size, Where([term]) if ordered else Where())
        where = self.request.keyset(self.key, edge=edge).add(term)
        group = " GROUP BY w.name" if self.by_workflow else ""
        sql = f"SELECT {_name(self.by_workflow)}, count(*) FROM {reader.schema().table('workflow_status')} w"
        for workflow, count in reader.rows(f"{sql} WHERE {where.sql()}{group}", where.params):
            tally.add(self.status, workflow, count)
        took_s = time.monotonic() - began
        self.ended = edge is None
        self.key = Key((edge or 0) + 1, "")
        self.s_per_run = took_s / self.size
        self.size = runs.next_size(self.size, took_s, CHUNK_BUDGET_S)


def _walk(request: Request, tally: Tally, statuses: Sequence[str], by_workflow: bool) -> None:
    """Count runs of these statuses in turns, each as far back as the time allows."""
    walkers = deque(_Walker(request, status, by_workflow) for status in statuses)
    while walkers:
        walker = walkers.popleft()
        if not walker.fits():
            tally.bounded.add(status_of(walker.status))
            continue
        walker.step(tally)
        if not walker.ended:
            walkers.append(walker)


def _count_search(request: Request, tally: Tally, text: str, by_workflow: bool) -> None:
    """Count the few runs whose id begins with the text, and leave the search by name to the rest of the counting."""
    term, params = prefix_range(text, request.reader.dialect)
    table = request.reader.schema().table("workflow_status")
    ids = request.reader.rows(f"SELECT w.workflow_uuid FROM {table} w WHERE {term} LIMIT ?", [*params, runs.FEW + 1])
    anywhere, anywhere_params = text_term(text, request.reader.dialect)
    if len(ids) > runs.FEW:
        request.where.add(anywhere, *anywhere_params)
        return
    if ids:
        _grouped(request, tally, [term], by_workflow, *params)
    request.where.add(f"{anywhere} AND NOT {term}", *anywhere_params, *params)


def _tell_suspended(request: Request, tally: Tally, by_workflow: bool) -> None:
    """Part the executing runs into running and suspended; of very many, the newest stand for all."""
    executing = sum(count for (status, _), count in tally.counts.items() if status == "running")
    if not executing:
        return
    key: Key | None = None
    seen: Counter[str | None] = Counter()
    parked: Counter[str | None] = Counter()
    while True:
        began = time.monotonic()
        term = request.keyset(key).add(status_term("PENDING"))
        rows = request.select(term, DERIVED_AT_ONCE)
        for run in derive_runs(request.reader, rows):
            workflow = run.workflow if by_workflow else None
            seen[workflow] += 1
            parked[workflow] += run.waiting is not None or run.status == "suspended"
        if len(rows) < DERIVED_AT_ONCE:
            break
        key = Key(rows[-1][CREATED], rows[-1][RUN_ID])
        now = time.monotonic()
        if now + (now - began) > request.deadline:
            tally.bounded |= {"running", "suspended"}
            break
    for workflow, count in seen.items():
        total = tally.counts[("running", workflow)]
        suspended = parked[workflow] if count >= total else round(parked[workflow] * total / count)
        tally.move("running", "suspended", workflow, min(suspended, total))


def _tell_cancelling(request: Request, tally: Tally, by_workflow: bool) -> None:
    """Count runs whose undo is at work as that, not as what they were."""
    targets = undo_targets(request.reader)
    if not targets:
        return
    rows = run_rows_by_id(request.reader, targets)
    matching = {row[0] for row in _matching(request, targets)} if request.keyset(None).terms else None
    for row, run in zip(rows, derive_runs(request.reader, rows), strict=True):
        if run.status != "cancelling" or (matching is not None and run.id not in matching):
            continue
        tally.move(status_of(row[1]), "cancelling", run.workflow if by_workflow else None)


BACKLOG_COLUMNS = ("application_version", "queue_name", "application_name")


def backlog(reader: Reader, query: RunQuery, *, old_ms: int) -> list[Backlog]:
    """Return the queued runs of a query in groups; see ``StateStore.backlog``."""
    if query.nothing:
        return []
    schema = reader.schema()
    request = Request(reader, query, row_filter(query, schema, reader.dialect, now_ms=reader.now_ms()), 0.0)
    where = request.keyset(None, walked=False)
    if query.text:
        term, params = text_term(query.text, reader.dialect)
        where.add(term, *params)
    undone = undo_targets(reader)
    if undone:
        among, params = in_list("w.workflow_uuid", undone, reader.dialect)
        where.add(f"NOT {among}", *params)
    columns = ", ".join(schema.column("workflow_status", name, alias="w") for name in BACKLOG_COLUMNS)
    parts = (
        f"SELECT w.status, w.name, {columns}, CASE WHEN w.created_at <= ? THEN 1 ELSE 0 END AS old, "
        f"min(w.created_at) AS created, count(*) AS runs FROM {schema.table('workflow_status')} w "
        f"WHERE {where.sql()} AND {status_term(status)} GROUP BY 1, 2, 3, 4, 5, 6"
        for status in QUEUED
    )
    rows = reader.rows(" UNION ALL ".join(parts), [old_ms, *where.params] * len(QUEUED))
    return [_backlog(*row) for row in rows]


QUEUED = STATUSES["pending"].engine


def _backlog(
    word: str,
    workflow: str | None,
    version: str | None,
    queue: str | None,
    namespace: str | None,
    old: int,
    created_ms: int,
    count: int,
) -> Backlog:
    return Backlog(
        Run(
            id="",
            workflow=workflow or "",
            status="pending",
            created_at_ms=created_ms,
            updated_at_ms=created_ms,
            workflow_version=version,
            queue=queue,
            namespace=namespace,
            waiting=Waiting("delay" if word == "DELAYED" else "queue", queue, created_ms),
        ),
        count,
    )


def _matching(request: Request, run_ids: list[str]) -> list[tuple[object, ...]]:
    among, params = in_list("w.workflow_uuid", run_ids, request.reader.dialect)
    where = request.keyset(None, walked=False).add(among, *params)
    table = request.reader.schema().table("workflow_status")
    return request.reader.rows(f"SELECT w.workflow_uuid FROM {table} w WHERE {where.sql()}", where.params)
