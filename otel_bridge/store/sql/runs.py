"""Pages of the run list: what its sources find, with what the runs wait for. SQL only, no driver: see ``session``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from otel_bridge.model.runs import Run, RunPage, RunQuery
from otel_bridge.model.status import BY_ROW_STATUSES
from otel_bridge.store.base import skips_at_once
from otel_bridge.store.sql.conditions import Where, in_list, prefix_range, text_term
from otel_bridge.store.sql.cursor import DONE, TOGETHER, Cursor, Key, Place, decode_cursor, encode_cursor
from otel_bridge.store.sql.session import Reader, derive_runs
from otel_bridge.store.sql.sources import Budget, Found, Request, engine_statuses, fetch, is_few, order, some
from otel_bridge.store.sql.statement import BY_CREATION, BY_PARENT, Statement

DERIVED = 1_000
"""Executing runs of which a page asks what they wait for, where its statuses depend on that."""
DERIVED_AT_ONCE = 100
PREFIXED = 10_000
"""Up to so many runs whose id begins with a searched text are found by their ids; more, and they are met on the way."""
LOOKED_AT_BESIDE = 5_000
"""Rows that are looked at for workflows' names where ids were found already: somebody looks for an id."""
SKIPPED_AT_ONCE = 500

NTH_RUN = Statement("nth_run", "The run before a page that was asked for by its offset.", (BY_CREATION, BY_PARENT))

Fetch = Callable[[Key | None, int, Budget], Found]


@dataclass
class Stream:
    """One source of a page, and what it has given so far."""

    fetch: Fetch
    began: Place
    at: Place = None
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.at = self.began

    def after(self, taken: int) -> Place:
        """Return the cursor of the next page, given how many of the runs this one shows."""
        if taken == len(self.runs):
            return self.at
        return _key(self.runs[taken - 1]) if taken else self.began


def list_runs(reader: Reader, query: RunQuery) -> RunPage:
    """Return one page of runs."""
    if query.nothing:
        return RunPage([], None)
    cursor: Cursor | None = decode_cursor(query.cursor) if query.cursor else Cursor()
    left = query.offset
    if left > SKIPPED_AT_ONCE and skips_at_once(query):
        cursor, left = _behind(reader, query, cursor, left), 0
    while left > 0 and cursor is not None:
        skipped, cursor, _ = _page(reader, query, cursor, min(left, SKIPPED_AT_ONCE))
        left -= len(skipped)
    if cursor is None:
        return RunPage([], None)
    runs, following, scanned_to_ms = _page(reader, query, cursor, query.limit)
    return RunPage(runs, None if following is None else encode_cursor(following), scanned_to_ms)


def _behind(reader: Reader, query: RunQuery, cursor: Cursor | None, offset: int) -> Cursor | None:
    """Return the place behind so many runs, whose statuses their own rows tell; None where there are fewer."""
    request = Request.of(reader, query)
    where = request.keyset(_key_of(cursor.walk if cursor is not None else None))
    if query.statuses:
        among, params = in_list("w.status", engine_statuses(query) or (), reader.dialect)
        where.add(among, *params)
    last = request.select(where, 1, statement=NTH_RUN, offset=offset - 1)
    return Cursor(order(last[0])) if last else None


def _page(reader: Reader, query: RunQuery, cursor: Cursor, wanted: int) -> tuple[list[Run], Cursor | None, int | None]:
    """Return the runs of one page, where the next one begins, and how far back a page that is not full was searched."""
    walk, by_id = _streams(Request.of(reader, query), cursor)
    streams = [stream for stream in (by_id, walk) if stream is not None]
    # Ids first: a text that is the beginning of an id is mostly meant as one, and its runs may lie a million rows back.
    # Once they gave something, the walk through the rest may stop sooner.
    beside = False
    for stream in streams:
        _collect(reader, query, stream, wanted + 1, LOOKED_AT_BESIDE if beside else None)
        beside = bool(stream.runs)
    found = sorted((run for stream in streams for run in stream.runs), key=_key, reverse=True)
    runs = found[:wanted]
    if len(found) <= wanted and all(stream.at == DONE for stream in streams):
        return runs, None, None
    shown = {run.id for run in runs}
    places = [stream.after(sum(run.id in shown for run in stream.runs)) for stream in streams]
    following = Cursor(places[-1], places[0] if by_id is not None else cursor.by_id)
    if by_id is None and query.text:
        following = following._replace(by_id=TOGETHER)
    scanned_to = places[-1] if len(runs) < wanted else None
    return runs, following, scanned_to.created_ms if isinstance(scanned_to, Key) else None


def _streams(request: Request, cursor: Cursor) -> tuple[Stream, Stream | None]:
    """Return the walk through all runs, and what finds those whose id begins with a searched text by their ids."""

    def walking(walked: Request) -> Stream:
        return Stream(lambda key, wanted, budget: fetch(walked, key, wanted, budget), cursor.walk)

    text = request.query.text
    if not text:
        return walking(request), None
    anywhere, anywhere_params = text_term(text, request.reader.dialect)
    by_name_or_id = request.narrowed(anywhere, anywhere_params)
    if cursor.by_id == TOGETHER:
        return walking(by_name_or_id), None
    term, params = prefix_range(text, request.reader.dialect)
    prefixed = Where().add(term, *params)
    if cursor.by_id is None and not is_few(request, prefixed, most=PREFIXED):
        return walking(by_name_or_id), None
    engine = engine_statuses(request.query)
    if engine is not None and "cancelling" not in request.query.statuses:
        among, among_params = in_list("w.status", engine, request.reader.dialect)
        prefixed.add(among, *among_params)
    by_id = Stream(lambda key, wanted, _: some(request, prefixed, key, wanted), cursor.by_id)
    return walking(by_name_or_id.narrowed(f"NOT {term}", params)), by_id


def _collect(reader: Reader, query: RunQuery, stream: Stream, wanted: int, look_at: int | None) -> None:
    """Take ``wanted`` runs from a stream, or as many as it has or its budget lets it find; note where it got to."""
    statuses, derived = query.statuses, 0
    budget = Budget.of(query, look_at)
    # of runs whose status their own row tells, no more are read than are shown
    at_least = DERIVED_AT_ONCE if statuses and not statuses <= BY_ROW_STATUSES else 1
    while stream.at != DONE and len(stream.runs) < wanted:
        batch = max(wanted - len(stream.runs), at_least)
        found = stream.fetch(_key_of(stream.at), batch, budget)
        settled = derive_runs(reader, found.rows)
        stream.runs += (run for run in settled if not statuses or run.status in statuses)
        derived += len(found.rows)
        if len(found.rows) >= batch:
            stream.at = order(found.rows[-1])
        else:
            stream.at = DONE if found.edge is None else found.edge
        if budget.spent or derived >= DERIVED:
            return  # short of what was wanted: the page says how far it got


def _key(run: Run) -> Key:
    return Key(run.created_at_ms, run.id)


def _key_of(place: Place) -> Key | None:
    return place if isinstance(place, Key) else None
