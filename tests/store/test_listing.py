"""Pages and counts over many runs: budgets, ties and random filters, against a plain filter in Python."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest

from otel_bridge.model.runs import AttributeFilter, Run, RunQuery
from otel_bridge.model.status import RunStatus
from otel_bridge.store.sql import counts, runs, sources
from otel_bridge.testing import FakeClock, MemoryStateStore, make_run

STATUSES: list[RunStatus] = [
    *cast("list[RunStatus]", ["completed"]) * 6,
    *("failed", "cancelled", "dead", "pending", "running", "suspended", "cancelling"),
]


def crowd(count: int = 300) -> list[Run]:
    """Return runs of every kind, many of them created in the same millisecond."""
    rng, clock = random.Random(7), FakeClock()
    runs = []
    for n in range(count):
        created = clock.now_ms + rng.randrange(count // 5) * 10
        status = rng.choice(STATUSES)
        runs.append(
            make_run(
                f"{rng.choice('abc')}{rng.randrange(10**6):06d}-{n}",
                workflow=rng.choice(["alpha", "beta", "gamma_ray"]),
                status=status,
                created_at_ms=created,
                updated_at_ms=created + rng.randrange(5000),
                queue=rng.choice([None, "q1", "q2"]),
                executor=rng.choice(["e1", "e2"]),
                parent_id=rng.choice([None, None, "p1"]),
                attributes=rng.choice([{}, {"tags": ["vip"], "n": n}, {"n": n % 7, "flag": True}]),
            )
        )
    return runs


@pytest.fixture(scope="module")
def store() -> Iterator[MemoryStateStore]:
    """A store that holds the crowd."""
    opened = MemoryStateStore(clock=FakeClock())
    for run in crowd():
        opened.put_run(run)
        if run.status == "suspended":
            opened._put_sleep(run.id, 1, run.created_at_ms, opened.now_ms() + 10**6, opened.now_ms() + 10**6)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count again each time, however long it takes."""
    monkeypatch.setattr(counts, "CHEAP_S", 1e9)


@pytest.fixture(params=["many rows a page", "few rows a page"])
def pressed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Small chunks always; where few rows may be looked at, every one is the last of its page."""
    monkeypatch.setattr(sources, "FIRST_CHUNK", 20)
    monkeypatch.setattr(sources, "LAST_CHUNK", 40)
    monkeypatch.setattr(sources, "TRY_ATTRIBUTES_AFTER", 30)
    monkeypatch.setattr(counts, "FIRST_CHUNK", 20)
    monkeypatch.setattr(counts, "AT_ONCE", 15)
    monkeypatch.setattr(sources, "FEW", 15)
    monkeypatch.setattr(runs, "PREFIXED", 60)
    monkeypatch.setattr(runs, "DERIVED", 150)
    monkeypatch.setattr(runs, "SKIPPED_AT_ONCE", 30)
    if request.param == "few rows a page":
        monkeypatch.setattr(sources, "LOOKED_AT", 20)
        monkeypatch.setattr(runs, "LOOKED_AT_BESIDE", 1)
        return True
    return False


def everything(store: MemoryStateStore) -> list[Run]:
    """Return all runs, undo runs included, newest first."""
    return sorted(store.iter_runs(), key=lambda run: (run.created_at_ms, run.id), reverse=True)


def matches(run: Run, query: RunQuery) -> bool:
    """Say in plain Python what the SQL must find."""
    tags = run.attributes.get("tags", [])
    number = run.attributes.get("n")
    return (
        (not query.statuses or run.status in query.statuses)
        and query.workflow in (None, run.workflow)
        and query.run_id in (None, run.id)
        and query.queue in (None, run.queue)
        and query.executor in (None, run.executor)
        and query.parent_id in (None, run.parent_id)
        and all(tag in tags for tag in query.tags)
        and all(number is not None and number < float(wanted.value) for wanted in query.attributes)
        and (query.since_ms is None or run.created_at_ms >= query.since_ms)
        and (query.until_ms is None or run.created_at_ms < query.until_ms)
        and (query.text is None or run.id.startswith(query.text) or query.text.lower() in run.workflow)
    )


def random_query(rng: random.Random) -> RunQuery:
    """Return a query with about two filters."""

    def maybe(*values: object) -> object:
        return rng.choice(values) if rng.random() < 0.25 else None

    since = maybe(FakeClock().now_ms + 100)
    return RunQuery(
        statuses=frozenset(rng.sample(STATUSES, rng.randrange(1, 4))) if rng.random() < 0.6 else frozenset(),
        workflow=maybe("alpha", "gamma_ray", "none"),  # type: ignore[arg-type]
        run_id=maybe("a1", "run-9") if rng.random() < 0.2 else None,  # type: ignore[arg-type]
        queue=maybe("q1", "none"),  # type: ignore[arg-type]
        executor=maybe("e1"),  # type: ignore[arg-type]
        parent_id=maybe("p1", "none"),  # type: ignore[arg-type]
        tags=("vip",) if rng.random() < 0.2 else (),
        attributes=(AttributeFilter("n", "lt", "5"),) if rng.random() < 0.2 else (),
        since_ms=since,  # type: ignore[arg-type]
        until_ms=maybe(FakeClock().now_ms + 400),  # type: ignore[arg-type]
        text=maybe("a", "a1", "MMA_", "beta", "zzz"),  # type: ignore[arg-type]
        limit=rng.choice([1, 7, 50]),
    )


def walk(store: MemoryStateStore, query: RunQuery) -> list[str]:
    """Return the ids on all pages; a cursor always leads on."""
    found: list[str] = []
    for _ in range(2000):
        page = store.list_runs(query)
        assert len(page.runs) <= query.limit
        found += [run.id for run in page.runs]
        if page.next_cursor is None:
            return found
        assert page.next_cursor != query.cursor
        query = replace(query, cursor=page.next_cursor, offset=0)
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_asked_the_pages_hold_each_match_once(store: MemoryStateStore, pressed: bool, seed: int) -> None:
    """Every combination of filters, page sizes and budgets; in order, but for a search that found ids first."""
    query = random_query(random.Random(seed))
    expected = [run.id for run in everything(store) if matches(run, query)]
    found = walk(store, query)
    if query.text is None:
        assert found == expected
    else:
        assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("seed", range(40))
def test_any_offset_works(store: MemoryStateStore, pressed: bool, seed: int) -> None:
    """For clients that know no cursors: a slice of what the pages hold, however far back."""
    rng = random.Random(seed)
    query = replace(random_query(rng), text=None)
    expected = [run.id for run in everything(store) if matches(run, query)]
    offset = rng.choice([0, 1, 29, 30, 31, 60, len(expected) - 1, len(expected), 10**6, 2**53])
    found = walk(store, replace(query, offset=max(0, offset)))
    assert found == expected[max(0, offset) :]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_asked_facets_count_the_matches(store: MemoryStateStore, pressed: bool, seed: int) -> None:
    """Exact where they say so; never more than there are; to the last run when that is asked for."""
    query = replace(random_query(random.Random(seed)), statuses=frozenset())
    expected = Counter((run.status, run.workflow) for run in everything(store) if matches(run, query))
    found = store.facets(query, by_workflow=True)
    for facet in found:
        count = expected[(facet.status, facet.workflow)]
        assert (facet.count == count) if facet.exact else (facet.count <= count)
        assert facet.exact or facet.status == "completed"
    assert pressed or len(found) == len(expected)
    whole = store.facets(query, by_workflow=True, exact=True)
    assert {(facet.status, facet.workflow): facet.count for facet in whole} == expected
    assert all(facet.exact for facet in whole)


def test_a_rare_filter_says_how_far_it_looked(store: MemoryStateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty page with a next one: the client continues, and can tell its user how far back it is."""
    monkeypatch.setattr(sources, "FIRST_CHUNK", 20)
    monkeypatch.setattr(sources, "LOOKED_AT", 20)
    page = store.list_runs(RunQuery(workflow="none"))
    assert page.runs == []
    assert page.next_cursor is not None
    assert page.scanned_to_ms is not None
    following = store.list_runs(RunQuery(workflow="none", cursor=page.next_cursor))
    assert following.scanned_to_ms is not None
    assert following.scanned_to_ms < page.scanned_to_ms


@pytest.mark.parametrize("seed", range(20))
def test_a_busy_machine_answers_as_an_idle_one(
    store: MemoryStateStore, pressed: bool, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Budgets are rows, not time: the same request has the same pages whatever else continues."""
    query = random_query(random.Random(seed))
    calm = [store.list_runs(query), store.facets(query)]
    now = itertools.count(step=0.02)
    monkeypatch.setattr(sources.time, "monotonic", lambda: next(now))  # type: ignore[attr-defined]
    assert [store.list_runs(query), store.facets(query)] == calm


def test_an_id_prefix_finds_old_runs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a page of them, far behind where one page looks for names; in order, among newer runs found by name."""
    monkeypatch.setattr(sources, "FIRST_CHUNK", 10)
    monkeypatch.setattr(runs, "LOOKED_AT_BESIDE", 10)
    store = MemoryStateStore(clock=FakeClock())
    for n in range(400):
        name = "syn" if n == 395 else "order"
        store.put_run(make_run(f"{'syn' if n < 120 else 'run'}-{n:03d}", workflow=name, created_at_ms=n))
    page = store.list_runs(RunQuery(text="syn"))
    assert [run.id for run in page.runs] == ["run-395", *(f"syn-{n:03d}" for n in range(119, 70, -1))]
    assert walk(store, RunQuery(text="syn")) == ["run-395", *(f"syn-{n:03d}" for n in range(119, -1, -1))]
    assert walk(store, RunQuery(text="syn-07", limit=3)) == [f"syn-{n:03d}" for n in range(79, 69, -1)]


def test_of_very_many_executing_runs_as_many_as_were_looked_at_are_certain(
    store: MemoryStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lower bounds, which say so: not an estimate, which may be too high."""
    executing = Counter(run.status for run in everything(store))
    monkeypatch.setattr(counts, "DERIVED_AT_ONCE", 10)
    monkeypatch.setattr(counts, "DERIVED", 20)
    found = {facet.status: facet for facet in store.facets(RunQuery())}
    assert found["running"].count + found["suspended"].count <= 20
    for status in ("running", "suspended"):
        assert not found[status].exact
        assert found[status].count <= executing[status]
    assert found["failed"].exact


def test_failed_and_dead_runs_are_counted_to_the_last(store: MemoryStateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are what an operator counts; only completed ones are counted among so many rows, and say so."""
    monkeypatch.setattr(counts, "FIRST_CHUNK", 40)
    monkeypatch.setattr(sources, "LOOKED_AT", 40)
    found = {facet.status: facet for facet in store.facets(RunQuery(executor="e1"))}
    expected = Counter(run.status for run in everything(store) if run.executor == "e1")
    for status in ("failed", "cancelled", "dead", "pending", "cancelling"):
        assert (found[status].exact, found[status].count) == (True, expected[status])
    assert not found["completed"].exact
    assert 0 < found["completed"].count < expected["completed"]


def test_dear_answers_are_kept_for_a_while(store: MemoryStateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What took long is not counted again at once; what was cheap always is."""
    monkeypatch.setattr(counts, "CHEAP_S", -1.0)
    monkeypatch.setattr(counts, "KEEP_FACTOR", 10**9)
    kept, made = counts.CachedCounts(), []
    assert kept.get("a", lambda: made.append("first") or "first") == "first"
    assert kept.get("a", lambda: made.append("second") or "second") == "first"
    assert kept.get("b", lambda: made.append("other") or "other") == "other"
    monkeypatch.setattr(counts, "CHEAP_S", 10.0)
    assert kept.get("c", lambda: "one") == "one"
    assert kept.get("c", lambda: "another") == "another"
    assert made == ["first", "other"]


def test_a_new_run_is_counted_at_once_however_long_the_whole_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the table's size only what is settled is kept."""
    monkeypatch.setattr(counts, "CHEAP_S", -1.0)
    monkeypatch.setattr(counts, "KEEP_FACTOR", -1)  # facets themselves are not kept
    store = MemoryStateStore(clock=FakeClock())
    for n in range(10):
        store.put_run(make_run(f"r{n}", status="completed", created_at_ms=n * 1_000))
    assert [facet.count for facet in store.facets(RunQuery())] == [10]
    store.put_run(make_run("new", status="completed", created_at_ms=9_500))
    assert [facet.count for facet in store.facets(RunQuery())] == [11]
    assert [facet.count for facet in store.facets(RunQuery(since_ms=9_000))] == [2]
    assert [facet.count for facet in store.facets(RunQuery(since_ms=2_000, until_ms=4_000))] == [2]
