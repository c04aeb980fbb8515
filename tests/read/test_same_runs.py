"""List, facets, bulk and stream speak of the same runs, in memory, on SQLite and on Postgres.

The rule is ``otel_bridge.model.matching`` over runs as presence shows them. Nothing is left out of the comparison but
what the engine's own schema refuses (NUL in a jsonb, NaN on Postgres: see the test of the latter for SQLite).
"""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from dbos import run_dbos_database_migrations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from dashboard.actions import bulk
from dashboard.actions.bulk_work import BulkAction
from dashboard.actions.context import ActionContext
from dashboard.actions.engine_client import EngineClient
from dashboard.http.pipeline import parse_query
from dashboard.live.subscription import Message, Subscription
from dashboard.read import listing
from dashboard.read.listing import RunReader
from dashboard.wire.filters import RunsQuery
from otel_bridge.model.matching import matches
from otel_bridge.model.runs import Grid, Run, RunQuery
from otel_bridge.runs.allowed import allowed_actions
from otel_bridge.runs.overlay import overlay_bulks, overlay_error, overlay_run
from otel_bridge.runs.presence import presence
from otel_bridge.store.adapter import SqlStateStore
from otel_bridge.store.sql import counts
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run
from tests.read.crowd import NOW_MS, Crowd, Stores, crowds, filters, opened


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count again each time, however long it takes: the stores are refilled."""
    monkeypatch.setattr(counts, "CHEAP_S", 1e9)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, postgres_server_url: str) -> Iterator[Stores]:
    """The three stores, with tables as DBOS makes them."""
    path = tmp_path_factory.mktemp("crowd") / "app.sqlite"
    run_dbos_database_migrations(f"sqlite:///{path}")
    name = f"crowd_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
    base, _, query = postgres_server_url.partition("?")
    url = base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
    run_dbos_database_migrations(url)
    yield from opened(path, url)
    shutil.rmtree(path.parent)


class Asked:
    """One store with one crowd's presence, asked in every way."""

    def __init__(self, store: SqlStateStore, crowd: Crowd) -> None:
        self.store = store
        self.seen = presence(crowd.executors, NOW_MS)
        self.reader = RunReader(store, lambda: self.seen, lambda: self.ledger)  # type: ignore[arg-type]
        self.ledger = MemoryLedger(clock=lambda: NOW_MS)
        for executor in crowd.executors:
            self.ledger.heartbeat(executor)
        self.ledger.record_failures(crowd.failures)
        self.ledger.put_bulk_members(crowd.members)
        self.members = {member.run_id: [member] for member in crowd.members}
        self.failures = {failure.run_id: failure for failure in crowd.failures}

    def everyone(self) -> list[Run]:
        """Every run as people see it, read without any filter."""
        ids = [
            row[0]
            for row in self.store.rows(f"SELECT workflow_uuid FROM {self.store.schema().table('workflow_status')}")
        ]
        runs = self.store.get_runs(ids).values()
        shown = [overlay_error(overlay_run(run, self.seen), self.failures.get(run.id)) for run in runs]
        return [overlay_bulks(run, self.members.get(run.id, ())) for run in shown]

    def listed(self, query: RunQuery, limit: int) -> list[Run]:
        """The runs of all pages."""
        found: list[Run] = []
        query = replace(query, limit=limit)
        while True:
            page = self.reader.page(query)
            assert len(page.runs) <= limit
            found += page.runs
            if page.next_cursor is None:
                return found
            query = replace(query, cursor=page.next_cursor)

    def streamed(self, query: RunQuery, runs: list[Run]) -> set[str]:
        """The runs whose change a viewer of this filter is sent."""
        viewer = Subscription(None, query, capacity=100)
        messages = [Message(1, "changed", "{}", run, run.id, NOW_MS) for run in runs]
        # Runs that may only have left its list are reported as such, and do not count as found.
        return {message.run.id for message in messages if viewer.for_viewer(message) is message}

    def previewed(self, action: BulkAction, query: RunQuery) -> bulk.BulkPreview:
        """What a bulk action over the filter would touch."""
        ctx = ActionContext(store=self.store, ledger=self.ledger, engine=EngineClient(self.store))  # type: ignore[arg-type]
        return bulk.preview(ctx, action, query, bound_ms=NOW_MS + 3_600_000)


@pytest.mark.timeout(900)  # hundreds of reads an example, on a machine that may be busy
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(crowd=crowds(), asked=st.lists(filters(), min_size=1, max_size=8), limit=st.sampled_from([1, 2, 3, 50]))
def test_every_reader_finds_the_runs_that_match(
    stores: Stores, crowd: Crowd, asked: list[dict[str, list[str]]], limit: int
) -> None:
    """One filter, one set of runs: whoever asks, and wherever the runs are kept."""
    stores.fill(crowd)
    answers: dict[str, list[set[str]]] = {}
    for name, store in stores.all.items():
        reads = Asked(store, crowd)
        everyone = reads.everyone()
        answers[name] = []
        for given_ in asked:
            query = parse_query(MultiDict(given_), RunsQuery).to_query()
            expected = {run.id for run in everyone if matches(run, query, now_ms=NOW_MS)}
            compare(reads, query, everyone, expected, limit)
            answers[name].append(expected)
    assert answers["memory"] == answers["sqlite"] == answers["postgres"]


def compare(reads: Asked, query: RunQuery, everyone: list[Run], expected: set[str], limit: int) -> None:
    """Ask a store in every way for the runs of a filter."""
    listed = reads.listed(query, limit)
    assert sorted(run.id for run in listed) == sorted(expected), "the list"
    whole = {run.id: replace(run, error=None, bulk_parts=frozenset()) for run in everyone}  # read with a page's rows
    assert {run.id: run for run in listed} == {run_id: run for run_id, run in whole.items() if run_id in expected}
    if query.text is None:
        order = [(run.created_at_ms, run.id) for run in listed]
        assert order == sorted(order, reverse=True), "newest first"
        for offset in (1, 2, 500):
            page = reads.reader.page(replace(query, offset=offset, limit=limit))
            assert [run.id for run in page.runs] == [run.id for run in listed[offset : offset + limit]], "an offset"
    assert reads.streamed(query, everyone) == expected, "the stream"
    counted = [run for run in everyone if matches(run, query, now_ms=NOW_MS, any_status=True)]
    by_status = {facet.status: facet.count for facet in reads.reader.facets(query)}
    assert by_status == Counter(run.status for run in counted), "the facets"
    by_workflow = {
        (facet.status, facet.workflow): facet.count for facet in reads.reader.facets(query, by_workflow=True)
    }
    assert by_workflow == Counter((run.status, run.workflow) for run in counted), "the facets by workflow"
    first_ms, last_ms = (edge((run.created_at_ms for run in everyone), default=0) for edge in (min, max))
    grid = Grid.of(first_ms, last_ms + 1, 7)
    in_time = replace(query, since_ms=None, until_ms=None)
    active = Counter(
        (grid.part_of(run.created_at_ms), run.status) for run in everyone if matches(run, in_time, now_ms=NOW_MS)
    )
    counts_by_part = enumerate(reads.reader.activity(query, grid).counts)
    found = {(part, status): n for part, counts in counts_by_part for status, n in counts.items() if n}
    assert found == active, "the activity"
    for action in ("retry", "cancel"):
        preview = reads.previewed(action, query)
        touched = {run.id for run in everyone if run.id in expected and action in allowed_actions(run, reads.seen)}
        assert set(preview.ids) == touched, f"bulk {action}"
        assert len(preview.ids) + preview.skipped == len(expected)


@pytest.mark.parametrize("text", ['{"k": NaN, "tags": ["vip"]}', '{"k": [Infinity], "tags": ["vip"]}', "{", "[NaN]"])
@pytest.mark.parametrize("asked", [{"tag": "vip"}, {"attr": "tags:ne:x"}, {"attr": "k:ne:x"}, {}], ids=str)
def test_attributes_that_are_not_json_match_no_filter_on_attributes(text: str, asked: dict[str, str]) -> None:
    """Python writes NaN into JSON, and SQLite keeps it: the run is listed, and no filter looks into it."""
    store = MemoryStateStore(clock=lambda: NOW_MS)
    store.put_row("workflow_status", workflow_uuid="a", status="SUCCESS", created_at=1, updated_at=2, attributes=text)
    query = parse_query(MultiDict(asked), RunsQuery).to_query()
    (run,) = store.list_runs(RunQuery()).runs
    assert [run.id for run in store.list_runs(query).runs] == ([] if asked else ["a"])
    assert matches(run, query, now_ms=NOW_MS) == (not asked)


def test_a_whole_filter_is_walked_in_pages_that_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page sorts all the runs of its creation time again: 50,000 of one moment must not take a hundred pages."""
    monkeypatch.setattr(listing, "PAGE", 5)
    monkeypatch.setattr(listing, "EVERY_PAGE", 50)
    store, limits = MemoryStateStore(), list[int]()
    for number in range(100):
        store.put_run(make_run(f"run-{number:03}", status="completed", created_at_ms=store.now_ms() // 10_000 * 10_000))
    list_runs = store.list_runs
    monkeypatch.setattr(store, "list_runs", lambda query: limits.append(query.limit) or list_runs(query))
    reader = RunReader(store, lambda: presence((), 0), MemoryLedger)
    assert len({run.id for run in reader.every(RunQuery())}) == 100
    assert limits == [5, 50, 50]
