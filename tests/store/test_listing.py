"""Pages and counts over many runs: budgets, ties and random filters, against a plain filter in Python."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from otel_bridge.model.runs import AttributeFilter, Run, RunQuery
from otel_bridge.model.status import RunStatus
from otel_bridge.store.sql import counts, runs
from otel_bridge.testing import FakeClock, MemoryStateStore, make_run

STATUSES: list[RunStatus] = [
    *["completed"] * 6, "failed", "cancelled", "dead", "pending", "running", "suspended", "cancelling"
]  # type: ignore[list-item]  # fmt: skip


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


@pytest.fixture(params=["with time", "without time"])
def pressed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Small chunks always; with no time, every one is the last of its page."""
    monkeypatch.setattr(runs, "FIRST_CHUNK", 20)
    monkeypatch.setattr(runs, "LAST_CHUNK", 40)
    monkeypatch.setattr(counts, "FIRST_CHUNK", 20)
    monkeypatch.setattr(runs, "FEW", 15)
    if request.param == "without time":
        monkeypatch.setattr(runs, "BUDGET_S", -1.0)
        monkeypatch.setattr(runs, "BUDGET_WHEN_FOUND_S", -1.0)
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
        query = replace(query, cursor=page.next_cursor)
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
def test_whatever_is_asked_facets_count_the_matches(
    store: MemoryStateStore, pressed: bool, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exact where they say so; never more than there are."""
    monkeypatch.setattr(counts, "BUDGET_S", -1.0 if pressed else 10.0)
    monkeypatch.setattr(counts, "SUSPENDED_BUDGET_S", 10.0)
    query = replace(random_query(random.Random(seed)), statuses=frozenset())
    expected = Counter((run.status, run.workflow) for run in everything(store) if matches(run, query))
    found = store.facets(query, by_workflow=True)
    for facet in found:
        count = expected[(facet.status, facet.workflow)]  # type: ignore[index]
        assert (facet.count == count) if facet.exact else (facet.count <= count)
    assert pressed or len(found) == len(expected)


def test_a_rare_filter_says_how_far_it_looked(store: MemoryStateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty page with a next one: the client goes on, and can tell its user how far back it is."""
    monkeypatch.setattr(runs, "FIRST_CHUNK", 20)
    monkeypatch.setattr(runs, "BUDGET_S", -1.0)
    page = store.list_runs(RunQuery(workflow="none"))
    assert page.runs == []
    assert page.next_cursor is not None
    assert page.scanned_to_ms is not None
    following = store.list_runs(RunQuery(workflow="none", cursor=page.next_cursor))
    assert following.scanned_to_ms is not None
    assert following.scanned_to_ms < page.scanned_to_ms


def test_very_many_executing_runs_are_told_apart_by_the_newest(
    store: MemoryStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When time is up the newest stand for the rest, and both counts say that they are not exact."""
    monkeypatch.setattr(counts, "DERIVED_AT_ONCE", 30)
    monkeypatch.setattr(counts, "SUSPENDED_BUDGET_S", -1.0)
    found = {facet.status: facet for facet in store.facets(RunQuery())}
    executing = Counter(run.status for run in everything(store))
    assert found["running"].count + found["suspended"].count == executing["running"] + executing["suspended"]
    assert not found["running"].exact
    assert not found["suspended"].exact
    assert found["failed"].exact


def test_when_time_is_short_every_status_gets_its_part_of_it(
    store: MemoryStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest chunk of each is counted whatever happens; what was not counted to its end says so, even of none."""
    monkeypatch.setattr(counts, "FIRST_CHUNK", 5)
    monkeypatch.setattr(counts, "BUDGET_S", -1.0)
    found = {facet.status: facet for facet in store.facets(RunQuery(executor="e1"))}
    expected = Counter(run.status for run in everything(store) if run.executor == "e1")
    for status in ("failed", "cancelled", "dead", "completed"):
        assert not found[status].exact  # type: ignore[index]
        assert found[status].count < expected[status]  # type: ignore[index]
    assert sum(facet.count for facet in found.values() if not facet.exact) > 0


def test_dear_facets_are_kept_for_a_while(store: MemoryStateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What took long is not counted again at once; what was cheap always is."""
    monkeypatch.setattr(counts, "CHEAP_S", -1.0)
    monkeypatch.setattr(counts, "KEEP_FACTOR", 10**9)
    counter, counted = counts.FacetCounter(), []
    count = counts.FacetCounter._count
    monkeypatch.setattr(counts.FacetCounter, "_count", lambda *a: counted.append(1) or count(*a))
    first = counter.facets(store, RunQuery(), by_workflow=False)
    assert counter.facets(store, RunQuery(limit=3, statuses=frozenset({"failed"})), by_workflow=False) == first
    assert len(counted) == 1
    counter.facets(store, RunQuery(workflow="alpha"), by_workflow=False)
    assert len(counted) == 2
