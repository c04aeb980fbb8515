"""Run lists: keyset pages by index ranges, within a time budget. SQL only, no driver: see ``reader``.

Newest first means by (created_at, run id), descending. A filter without an index of its own is answered by walking
the index on ``created_at`` in chunks until the page is full or the budget is spent; the page then says how far back
it looked. A filter whose index finds few runs (a parent, an id prefix, a queue's backlog) is answered from that.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from otel_bridge.model.names import UNDO_PREFIX
from otel_bridge.model.runs import Run, RunPage, RunQuery
from otel_bridge.model.status import ENGINE_FAILED, ENGINE_OPEN, STATUSES
from otel_bridge.store.sql.conditions import (
    Where,
    attributes_term,
    in_list,
    prefix_range,
    row_filter,
    status_term,
    text_term,
)
from otel_bridge.store.sql.cursor import Key, decode_cursor, encode_cursor
from otel_bridge.store.sql.session import Reader, Row, derive_runs

BUDGET_S = 0.05
BUDGET_WHEN_FOUND_S = 0.015
FEW = 2000
"""Up to so many runs found by an index of their own are sorted; more, and the creation index is walked instead."""
MOST_UNDOS = 2000
FIRST_CHUNK, LAST_CHUNK = 1000, 64_000
CHUNK_BUDGET_S = 0.012
CREATED, RUN_ID = 3, 0
ORDERED_STATUSES = ("PENDING", *ENGINE_FAILED)
"""Statuses whose partial index is ordered by creation time."""


@dataclass
class Found:
    """Rows newest first, and how far the source looked: ``edge`` None means to its end."""

    rows: list[Row] = field(default_factory=list)
    edge: Key | None = None


@dataclass
class Request:
    """One listing at work."""

    reader: Reader
    query: RunQuery
    where: Where
    deadline: float
    text: str | None = None
    attributes_tried: bool = False

    def keyset(self, key: Key | None, *, edge: int | None = None, walked: bool = True) -> Where:
        """Return the filter for runs after ``key``, created within the query's range and later than ``edge``.

        There is one bound at each end: of two, SQLite may take the farther one for the range that it walks.

        Args:
            walked: False where another index finds the rows, so that no planner walks through all runs for them.
        """
        where, query, created = self.where.copy(), self.query, self._created(walked)
        if edge is not None:
            where.add(f"{created} > ?", edge)
        elif query.since_ms is not None:
            where.add(f"{created} >= ?", query.since_ms)
        if query.until_ms is not None and (key is None or key[0] >= query.until_ms):
            where.add(f"{created} < ?", query.until_ms)
        if key is not None:
            where.add(f"{created} <= ? AND ({created} < ? OR {self._run_id} < ?)", key[0], key[0], key[1])
        return where

    def select(self, where: Where, limit: int, *, walked: bool = True) -> list[Row]:
        """Return rows newest first."""
        schema = self.reader.schema()
        return self.reader.rows(
            f"SELECT {schema.run_columns()} FROM {schema.table('workflow_status')} w WHERE {where.sql()} "
            f"ORDER BY {self._created(walked)} DESC, {self._run_id} DESC LIMIT ?",
            [*where.params, limit],
        )

    @property
    def _run_id(self) -> str:
        return "w.workflow_uuid" + (' COLLATE "C"' if self.reader.dialect == "postgres" else "")

    @staticmethod
    def _created(walked: bool) -> str:
        return "w.created_at" if walked else "(w.created_at + 0)"

    @property
    def spent(self) -> bool:
        """True when the time budget is used up."""
        return time.monotonic() > self.deadline


def list_runs(reader: Reader, query: RunQuery) -> RunPage:
    """Return one page of runs."""
    key = decode_cursor(query.cursor) if query.cursor else None
    if query.nothing:
        return RunPage([], None)
    now_ms = reader.now_ms()
    request = Request(
        reader,
        query,
        row_filter(query, reader.schema(), reader.dialect, now_ms=now_ms),
        time.monotonic() + BUDGET_S,
        text=query.text,
    )
    wanted = query.limit + query.offset + 1
    runs: list[Run] = []
    seeds = _by_prefix(request, key)
    if seeds is not None:
        return _searched(request, key, seeds, wanted)
    key, done = _collect(request, key, wanted, runs)
    return _page(query, runs, key, done)


def _page(query: RunQuery, runs: list[Run], key: Key | None, done: bool) -> RunPage:
    wanted = query.limit + query.offset
    shown = runs[query.offset : wanted]
    if len(runs) > wanted:
        last = runs[wanted - 1]
        skip = key.skip_ids if key is not None else False
        return RunPage(shown, encode_cursor(Key(last.created_at_ms, last.id, skip)))
    if done or key is None:
        return RunPage(shown, None)
    return RunPage(shown, encode_cursor(key), scanned_to_ms=key.created_ms)


def _collect(request: Request, key: Key | None, wanted: int, runs: list[Run]) -> tuple[Key | None, bool]:
    """Fill ``runs`` up to ``wanted``; return the key reached and whether there is nothing behind it."""
    statuses, skip = request.query.statuses, key.skip_ids if key is not None else False
    while True:
        lacking = wanted - len(runs)
        derived = statuses and not statuses <= {"pending", "completed"}
        found = _fetch(request, key, max(lacking, 100) if derived else lacking)
        settled = derive_runs(request.reader, found.rows)
        runs.extend(run for run in settled if not statuses or run.status in statuses)
        full = len(found.rows) >= (max(lacking, 100) if derived else lacking)
        if found.edge is None and not full:
            return key, True
        if full or found.edge is None:
            key = Key(found.rows[-1][CREATED], found.rows[-1][RUN_ID], skip)
        else:
            key = Key(found.edge[0], found.edge[1], skip)
        if len(runs) >= wanted or request.spent:
            return key, False


def _fetch(request: Request, key: Key | None, wanted: int) -> Found:
    """Return the next rows after ``key`` from the sources that this query's filters make good."""
    query = request.query
    if query.parent_id and request.reader.schema().has("workflow_status", "parent_workflow_id"):
        few = _few(request, Where().add("w.parent_workflow_id = ?", query.parent_id), key, wanted)
        if few is not None:
            return few
    engine = engine_statuses(query)
    if engine is None:
        return _walk(request, key, wanted, Where())
    sources: list[Found] = []
    left: list[str] = []
    for status in engine:
        term = Where().add(status_term(status))
        if status in ORDERED_STATUSES:
            sources.append(_walk(request, key, wanted, term))
            continue
        few = _few(request, term, key, wanted) if status != "SUCCESS" else None
        if few is None:
            left.append(status)
        else:
            sources.append(few)
    if left:
        # on SQLite "+" keeps the planner from taking an index that is not ordered by creation
        column = "w.status" if request.reader.dialect == "postgres" else "+w.status"
        among, params = in_list(column, left, request.reader.dialect)
        term = Where().add(among, *params)
        sources.append(_walk(request, key, wanted, term, indexed=False))
    if "cancelling" in query.statuses:
        sources.append(_undoing(request, key, wanted, exclude=engine))
    return _merge(sources, wanted)


def engine_statuses(query: RunQuery) -> list[str] | None:
    """Return the engine's statuses that the query's stand for, or None for all of them."""
    if not query.statuses:
        return None
    found = {engine for status in query.statuses for engine in STATUSES[status].engine}
    return sorted(found)


def _merge(sources: Sequence[Found], wanted: int) -> Found:
    """Return the newest rows of all sources, down to where every source has looked."""
    if len(sources) == 1:
        return sources[0]
    rows = sorted((row for found in sources for row in found.rows), key=_order, reverse=True)
    edges = [found.edge for found in sources if found.edge is not None]
    # a source that filled up has looked no further than its own last row
    edges += [Key(*_order(found.rows[-1])) for found in sources if len(found.rows) >= wanted]
    if not edges:
        return Found(rows[:wanted])
    edge = max(edges, key=lambda place: place[:2])
    rows = [row for row in rows if _order(row) >= (edge[0], edge[1])]
    if len(rows) >= wanted:
        return Found(rows[:wanted])
    return Found(rows, edge)


def _order(row: Row) -> tuple[int, str]:
    return row[CREATED], row[RUN_ID]


def _few(request: Request, term: Where, key: Key | None, wanted: int) -> Found | None:
    """Return rows from an index that is not ordered by creation, or None when it finds too many to sort."""
    schema = request.reader.schema()
    ids = request.reader.rows(
        f"SELECT w.workflow_uuid FROM {schema.table('workflow_status')} w WHERE {term.sql()} LIMIT ?",
        [*term.params, FEW + 1],
    )
    if len(ids) > FEW:
        return None
    where = request.keyset(key, walked=False).add(term.sql(), *term.params)
    return Found(request.select(where, wanted, walked=False)) if ids else Found()


def _undoing(request: Request, key: Key | None, wanted: int, *, exclude: Sequence[str]) -> Found:
    """Return runs whose undo is at work and that the other sources do not bring."""
    targets = undo_targets(request.reader)
    if not targets:
        return Found()
    among, params = in_list("w.workflow_uuid", targets, request.reader.dialect)
    where = request.keyset(key, walked=False).add(among, *params)
    if exclude:
        other, params = in_list("w.status", exclude, request.reader.dialect)
        where.add(f"NOT {other}", *params)
    return Found(request.select(where, wanted, walked=False))


def undo_targets(reader: Reader) -> list[str]:
    """Return the runs whose undo is at work, up to a bound that no team reaches."""
    table = reader.schema().table("workflow_status")
    part = f"SELECT * FROM (SELECT w.workflow_uuid FROM {table} w WHERE {{}} AND {{}} LIMIT {MOST_UNDOS}) AS m"
    named = "w.workflow_uuid >= ? AND w.workflow_uuid < ?"
    sql = " UNION ALL ".join(part.format(status_term(status), named) for status in ENGINE_OPEN)
    rows = reader.rows(sql, [UNDO_PREFIX, UNDO_PREFIX[:-1] + ";"] * len(ENGINE_OPEN))
    return [row[0][len(UNDO_PREFIX) :] for row in rows]


def _walk(request: Request, key: Key | None, wanted: int, term: Where, *, indexed: bool = True) -> Found:
    """Walk an index ordered by creation, in chunks, until the page is full, the index ends or time is up.

    Args:
        indexed: whether ``term`` has such an index of its own; else all runs are walked.
    """
    found: list[Row] = []
    filtered = bool(request.where.terms) or not indexed
    walked = term if indexed else Where()
    size = FIRST_CHUNK
    while True:
        began = time.monotonic()
        edge = chunk_edge(request, key, size, walked) if filtered else None
        where = request.keyset(key, edge=edge)
        where.add(term.sql(), *term.params) if term.terms else None
        found.extend(request.select(where, wanted - len(found)))
        if len(found) >= wanted or edge is None:
            return Found(found)
        key = Key(edge + 1, "")
        if time.monotonic() > request.deadline - BUDGET_S / 2:
            rare = _by_attributes(request, key, wanted - len(found), term)
            if rare is not None:
                return Found(found + rare.rows)
        if request.spent:
            return Found(found, key)
        size = next_size(size, time.monotonic() - began)


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
    return _few(request, indexed, key, wanted)


def next_size(size: int, took_s: float, budget_s: float = CHUNK_BUDGET_S) -> int:
    """Return how many runs to look at next, so that a chunk takes about ``budget_s`` wherever the rows are."""
    fitting = int(size * budget_s / max(took_s, 1e-6))
    return max(min(fitting, size * 4, LAST_CHUNK), FIRST_CHUNK // 4)


def chunk_edge(request: Request, key: Key | None, size: int, term: Where) -> int | None:
    """Return the creation time about ``size`` runs behind ``key``, or None when fewer are left.

    Runs of that very millisecond belong to the next chunk, so a chunk is whole.
    """
    query, where = request.query, Where()
    if term.terms:
        where.add(term.sql(), *term.params)
    if key is not None:
        where.add("w.created_at <= ?", key[0])
    if query.until_ms is not None and (key is None or key[0] >= query.until_ms):
        where.add("w.created_at < ?", query.until_ms)
    if query.since_ms is not None:
        where.add("w.created_at >= ?", query.since_ms)
    table = f"{request.reader.schema().table('workflow_status')} w"
    nth = f"(SELECT w.created_at FROM {table} WHERE {where.sql()} ORDER BY w.created_at DESC LIMIT 1 OFFSET ?)"
    ((edge, top),) = request.reader.rows(f"SELECT {nth}, {nth}", [*where.params, size, *where.params, 0])
    if edge is None or edge < top:
        return None if edge is None else int(edge)
    # one creation time fills the whole chunk: end it at the next one
    where.add("w.created_at < ?", edge)
    ((below,),) = request.reader.rows(f"SELECT max(w.created_at) FROM {table} WHERE {where.sql()}", where.params)
    return None if below is None else int(below)


def _by_prefix(request: Request, key: Key | None) -> list[Row] | None:
    """Return the rows whose id begins with the searched text, newest first; None when nothing is searched.

    Adds the rest of the search (a part of the workflow's name) to the request's filter.
    """
    text = request.text
    if not text:
        return None
    term, params = prefix_range(text, request.reader.dialect)
    anywhere, anywhere_params = text_term(text, request.reader.dialect)
    few = None
    if key is None or not key.skip_ids:
        plain = Request(request.reader, request.query, request.where, request.deadline)
        few = _few(plain, Where().add(term, *params), key, FEW)
        if few is None or len(few.rows) > request.query.limit + request.query.offset:
            request.where.add(anywhere, *anywhere_params)
            return []
    request.where.add(f"{anywhere} AND NOT {term}", *anywhere_params, *params)
    return few.rows if few is not None else []


def _searched(request: Request, key: Key | None, seeds: list[Row], wanted: int) -> RunPage:
    """Return a page of search results: runs found by id, whatever their age, among those found by name."""
    statuses = request.query.statuses
    by_id = [run for run in derive_runs(request.reader, seeds) if not statuses or run.status in statuses]
    by_name: list[Run] = []
    if by_id:
        # somebody looks for an id: names are secondary
        request.deadline = min(request.deadline, time.monotonic() + BUDGET_WHEN_FOUND_S)
    reached, done = _collect(request, key, wanted, by_name)
    if not by_id:
        return _page(request.query, by_name, reached, done)
    runs = sorted([*by_id, *by_name], key=lambda run: (run.created_at_ms, run.id), reverse=True)
    if done and len(runs) < wanted:
        return _page(request.query, runs, reached, True)
    # what was found by id is all on this page; the next one goes on by name only
    room = request.query.limit + request.query.offset - len(by_id)
    if len(by_name) > room:
        by_name = by_name[: max(room, 0)]
        last = by_name[-1] if by_name else None
        reached = Key(last.created_at_ms, last.id) if last is not None else key
    runs = sorted([*by_id, *by_name], key=lambda run: (run.created_at_ms, run.id), reverse=True)
    start = Key(2**61, "") if reached is None else reached
    next_key = Key(start.created_ms, start.run_id, True)
    return RunPage(runs[request.query.offset :], encode_cursor(next_key), scanned_to_ms=next_key.created_ms)
