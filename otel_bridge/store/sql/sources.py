"""Where the runs of a list come from: index ranges, walked newest first. SQL only, no driver: see ``session``.

Newest first means by (created_at, run id), descending. A filter without an index of its own is answered by walking the
index on ``created_at`` in chunks until the page is full or as many rows were looked at as one page may; it then says
how far it got. The bound is a number of rows, so that the same request finds the same runs whatever else the machine
does. A filter whose index finds few runs (a parent, an id prefix, a queue's backlog) is answered from that.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from otel_bridge.model.names import UNDO_PREFIX
from otel_bridge.model.runs import RunQuery
from otel_bridge.model.status import ENGINE_FAILED, ENGINE_OPEN, STATUSES
from otel_bridge.store.rows import RunRecord
from otel_bridge.store.sql.conditions import Where, attributes_term, in_list, row_filter, status_term
from otel_bridge.store.sql.cursor import Key
from otel_bridge.store.sql.session import Reader, run_records
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

LOOKED_AT = 50_000
"""Rows that one source looks at for one page, by walking."""
LOOKED_INTO = 20_000
"""The same where each row's attributes are parsed."""
MOST_S = 2.0
"""A page that takes longer (a cold disk) ends after the current chunk."""
TRY_ATTRIBUTES_AFTER = 5_000
FEW = 2_000
"""Up to so many runs found by an index of their own are sorted; more, and the creation index is walked instead."""
MOST_UNDOS = 2_000
FIRST_CHUNK, LAST_CHUNK = 1_000, 64_000
ORDERED_STATUSES = ("PENDING", *ENGINE_FAILED)
"""Statuses whose partial index is ordered by creation time."""

NEWEST_RUNS = Statement(
    "newest_runs", "A page of runs, newest first, and each chunk of a walk.", (BY_CREATION, PENDING, FAILED, ATTRIBUTES)
)
CHUNK_EDGE = Statement(
    "chunk_edge", "When the last run of the next chunk of a walk was created.", (BY_CREATION, PENDING, FAILED)
)
CHUNK_END = Statement(
    "chunk_end", "Where a chunk ends of which all runs were created at once.", (BY_CREATION, PENDING, FAILED)
)
FEW_COUNTED = Statement(
    "few_counted",
    "Whether an index of its own finds few runs for a filter.",
    (BY_PARENT, ATTRIBUTES, PRIMARY_KEY, FAILED, *OPEN_RUNS),
)
_ALWAYS = "w.created_at >= -9e999"
"""True of every row. SQLite 3.51 (3.40 does not) would rather sort the whole table than walk the index on creation
where nothing bounds it: 55 ms for a page of 20,000 runs, and 0.3 ms with it."""
FEW_RUNS = Statement(
    "few_runs",
    "The runs that an index of its own finds for a filter, when they are few.",
    (BY_PARENT, ATTRIBUTES, PRIMARY_KEY, *OPEN_RUNS),
)
UNDOS = Statement(
    "undos", "The undos that are at work: their runs are shown as being cancelled.", (PRIMARY_KEY, *OPEN_RUNS)
)


class Budget:
    """How much of the store may be looked at for one page: so many rows by each source at once, and so many in all."""

    def __init__(self, rows: int) -> None:
        self.rows, self.looked_at = rows, 0
        self._until_s = time.monotonic() + MOST_S

    @classmethod
    def of(cls, query: RunQuery, rows: int | None = None) -> Budget:
        """Return the budget of a page; less where attributes must be parsed."""
        return cls(min(rows or LOOKED_AT, LOOKED_INTO if query.tags or query.attributes else LOOKED_AT))

    @property
    def late(self) -> bool:
        """True when the page takes too long, whatever it looked at."""
        return time.monotonic() > self._until_s

    @property
    def spent(self) -> bool:
        """True when the page must do with what was found."""
        return self.looked_at >= self.rows or self.late


@dataclass
class Found:
    """Rows newest first, and how far the source looked: ``edge`` None means to its end."""

    rows: list[RunRecord] = field(default_factory=list)
    edge: Key | None = None


@dataclass
class Request:
    """One listing or count at work: the filter on rows, which statuses and page are no part of."""

    reader: Reader
    query: RunQuery
    where: Where
    attributes_tried: bool = False

    @classmethod
    def of(cls, reader: Reader, query: RunQuery) -> Request:
        """Begin to answer a query."""
        where = row_filter(query, reader.schema(), reader.dialect, now_ms=reader.now_ms())
        return cls(reader, query, where)

    def narrowed(self, term: str, params: Sequence[object]) -> Request:
        """Return a request for those of its runs of which a condition holds as well."""
        return Request(self.reader, self.query, self.where.copy().add(term, *params))

    @property
    def table(self) -> str:
        """The table of runs, as ``w``."""
        return f"{self.reader.schema().table('workflow_status')} w"

    def keyset(self, key: Key | None, *, edge: int | None = None, walked: bool = True) -> Where:
        """Return the filter for runs after ``key``, created within the query's range and later than ``edge``.

        There is one bound at each end: of two, SQLite may take the farther one for the range that it walks.

        Args:
            walked: False where another index finds the rows, so that no planner walks through all runs for them.
        """
        where, query, created = self.where.copy(), self.query, self._created(walked)
        others = len(where.terms)
        if edge is not None:
            where.add(f"{created} > ?", edge)
        elif query.since_ms is not None:
            where.add(f"{created} >= ?", query.since_ms)
        if query.until_ms is not None and (key is None or key.created_ms >= query.until_ms):
            where.add(f"{created} < ?", query.until_ms)
        if key is not None:
            after = f"{created} <= ? AND ({created} < ? OR {self._run_id} < ?)"
            where.add(after, key.created_ms, key.created_ms, key.run_id)
        if walked and self.reader.dialect == "sqlite" and len(where.terms) == others:
            where.add(_ALWAYS)
        return where

    def select(
        self, where: Where, limit: int, *, statement: Statement = NEWEST_RUNS, walked: bool = True, offset: int = 0
    ) -> list[RunRecord]:
        """Return rows newest first."""
        sql = (
            f"SELECT {self.reader.schema().run_columns()} FROM {self.table} WHERE {where.sql()} "
            f"ORDER BY {self._created(walked)} DESC, {self._run_id} DESC LIMIT ?"
        )
        params = [*where.params, limit]
        if offset:
            sql, params = f"{sql} OFFSET ?", [*params, offset]
        return run_records(self.reader, statement, sql, params)

    @property
    def _run_id(self) -> str:
        return "w.workflow_uuid" + (' COLLATE "C"' if self.reader.dialect == "postgres" else "")

    @staticmethod
    def _created(walked: bool) -> str:
        return "w.created_at" if walked else "(w.created_at + 0)"


def order(row: RunRecord) -> Key:
    """Return a row's place in the order of lists."""
    return Key(row.created_at, row.workflow_uuid)


def engine_statuses(query: RunQuery) -> list[str] | None:
    """Return the engine's statuses that the query's stand for, or None for all of them."""
    if not query.statuses:
        return None
    return sorted({word for status in query.statuses for word in STATUSES[status].engine})


def fetch(request: Request, key: Key | None, wanted: int, budget: Budget) -> Found:
    """Return the next rows after ``key`` from the sources that this query's filters make good."""
    query = request.query
    if query.run_id:
        return some(request, Where().add("w.workflow_uuid = ?", query.run_id), key, wanted)
    if query.parent_id and request.reader.schema().has("workflow_status", "parent_workflow_id"):
        children = few(request, Where().add("w.parent_workflow_id = ?", query.parent_id), key, wanted)
        if children is not None:
            return children
    engine = engine_statuses(query)
    if engine is None:
        return walk(request, key, wanted, budget, Where())
    sources: list[Found] = []
    left: list[str] = []
    for status in engine:
        term = Where().add(status_term(status))
        if status in ORDERED_STATUSES:
            sources.append(walk(request, key, wanted, budget, term))
            continue
        queued = few(request, term, key, wanted) if status != "SUCCESS" else None
        if queued is None:
            left.append(status)
        else:
            sources.append(queued)
    if left:
        # on SQLite "+" keeps the planner from taking an index that is not ordered by creation
        column = "w.status" if request.reader.dialect == "postgres" else "+w.status"
        among, params = in_list(column, left, request.reader.dialect)
        sources.append(walk(request, key, wanted, budget, Where().add(among, *params), indexed=False))
    if "cancelling" in query.statuses:
        sources.append(_undoing(request, key, wanted, exclude=engine))
    return _merge(sources, wanted)


def _merge(sources: Sequence[Found], wanted: int) -> Found:
    """Return the newest rows of all sources, down to where every source has looked."""
    if len(sources) == 1:
        return sources[0]
    rows = sorted((row for found in sources for row in found.rows), key=order, reverse=True)
    edges = [found.edge for found in sources if found.edge is not None]
    # a source that filled up has looked no further than its own last row
    edges += [order(found.rows[-1]) for found in sources if len(found.rows) >= wanted]
    if not edges:
        return Found(rows[:wanted])
    edge = max(edges)
    rows = [row for row in rows if order(row) >= edge]
    if len(rows) >= wanted:
        return Found(rows[:wanted])
    return Found(rows, edge)


def few(request: Request, term: Where, key: Key | None, wanted: int) -> Found | None:
    """Return rows from an index that is not ordered by creation, or None when it finds too many to sort."""
    return some(request, term, key, wanted) if is_few(request, term) else None


def is_few(request: Request, term: Where, *, most: int = FEW) -> bool:
    """Say whether an index finds no more rows than can be sorted."""
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {request.table} WHERE {term.sql()} LIMIT ?) AS m"
    ((count,),) = request.reader.read(FEW_COUNTED, sql, [*term.params, most + 1])
    return int(count) <= most


def some(request: Request, term: Where, key: Key | None, wanted: int) -> Found:
    """Return rows from an index that is known to find few."""
    where = request.keyset(key, walked=False).add(term.sql(), *term.params)
    return Found(request.select(where, wanted, statement=FEW_RUNS, walked=False))


def _undoing(request: Request, key: Key | None, wanted: int, *, exclude: Sequence[str]) -> Found:
    """Return runs whose undo is at work and that the other sources do not bring."""
    targets = undo_targets(request.reader)
    if not targets:
        return Found()
    among, params = in_list("w.workflow_uuid", targets, request.reader.dialect)
    term = Where().add(among, *params)
    if exclude:
        other, params = in_list("w.status", exclude, request.reader.dialect)
        term.add(f"NOT {other}", *params)
    return some(request, term, key, wanted)


def undo_targets(reader: Reader) -> list[str]:
    """Return the runs whose undo is at work, up to a bound that no team reaches."""
    table = reader.schema().table("workflow_status")
    part = f"SELECT * FROM (SELECT w.workflow_uuid FROM {table} w WHERE {{}} AND {{}} LIMIT {MOST_UNDOS}) AS m"
    named = "w.workflow_uuid >= ? AND w.workflow_uuid < ?"
    sql = " UNION ALL ".join(part.format(status_term(status), named) for status in ENGINE_OPEN)
    rows = reader.read(UNDOS, sql, [UNDO_PREFIX, UNDO_PREFIX[:-1] + ";"] * len(ENGINE_OPEN))
    return [run_id[len(UNDO_PREFIX) :] for (run_id,) in rows]


def walk(request: Request, key: Key | None, wanted: int, budget: Budget, term: Where, *, indexed: bool = True) -> Found:
    """Walk an index ordered by creation, in chunks, until the page is full, the index ends or the budget is spent.

    One chunk at least, so that every page gets on.

    Args:
        indexed: whether ``term`` has such an index of its own; else all runs are walked.
    """
    found: list[RunRecord] = []
    looked_at = 0
    filtered = bool(request.where.terms) or not indexed
    walked = term if indexed else Where()
    size = FIRST_CHUNK
    while True:
        edge = chunk_edge(request, key, size, walked) if filtered else None
        where = request.keyset(key, edge=edge)
        if term.terms:
            where.add(term.sql(), *term.params)
        found.extend(request.select(where, wanted - len(found)))
        if len(found) >= wanted or edge is None:
            return Found(found)
        key = Key(edge + 1, "")
        looked_at += size
        budget.looked_at += size
        if looked_at >= TRY_ATTRIBUTES_AFTER:
            rare = _by_attributes(request, key, wanted - len(found), term)
            if rare is not None:
                return Found(found + rare.rows)
        if looked_at >= budget.rows or budget.late:
            return Found(found, key)
        size = min(size * 4, LAST_CHUNK, budget.rows - looked_at)


def _by_attributes(request: Request, key: Key, wanted: int, term: Where) -> Found | None:
    """Return what the index on attributes finds, when that is little; tried once, after a walk found too little."""
    if request.attributes_tried:
        return None
    request.attributes_tried = True
    indexed = attributes_term(request.query, request.reader.schema())
    if indexed is None:
        return None
    if term.terms:
        indexed.add(term.sql(), *term.params)
    return few(request, indexed, key, wanted)


def chunk_edge(request: Request, key: Key | None, size: int, term: Where) -> int | None:
    """Return the creation time about ``size`` runs behind ``key``, or None when fewer are left.

    Runs of that very millisecond belong to the next chunk, so a chunk is whole.
    """
    query, where = request.query, Where()
    if term.terms:
        where.add(term.sql(), *term.params)
    if key is not None:
        where.add("w.created_at <= ?", key.created_ms)
    if query.until_ms is not None and (key is None or key.created_ms >= query.until_ms):
        where.add("w.created_at < ?", query.until_ms)
    if query.since_ms is not None:
        where.add("w.created_at >= ?", query.since_ms)
    nth = f"(SELECT w.created_at FROM {request.table} WHERE {where.sql()} ORDER BY w.created_at DESC LIMIT 1 OFFSET ?)"
    params = [*where.params, size, *where.params, 0]
    ((edge, top),) = request.reader.read(CHUNK_EDGE, f"SELECT {nth}, {nth}", params)
    if edge is None or edge < top:
        return None if edge is None else int(edge)
    # one creation time fills the whole chunk: end it at the next one
    where.add("w.created_at < ?", edge)
    ((below,),) = request.reader.read(
        CHUNK_END, f"SELECT max(w.created_at) FROM {request.table} WHERE {where.sql()}", where.params
    )
    return None if below is None else int(below)
