"""Filters by how long runs lasted find what ``durationMs`` shows, over our shipped fakes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.read.listing import RunReader
from otel_bridge.ledger.base import ExportedRun
from otel_bridge.model.runs import Grid, RunQuery
from otel_bridge.runs.presence_reader import NOBODY
from otel_bridge.runs.starts import with_starts
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run

T = 1_700_000_000_000


@pytest.fixture
def reader() -> RunReader:
    """Runs that were cancelled: after 5 s of queue and 1 s of work, on the queue, and one that nobody saw."""
    store, ledger = MemoryStateStore(), MemoryLedger()
    stopped = make_run("ran", status="cancelled", created_at_ms=T, started_at_ms=None, finished_at_ms=T + 6_000)
    stopped = replace(stopped, recovery_attempts=1)
    for run in (
        stopped,
        replace(stopped, id="queued", recovery_attempts=0),
        replace(stopped, id="unknown"),
        make_run("done", status="completed", created_at_ms=T, started_at_ms=T, finished_at_ms=T + 3_000),
    ):
        store.put_run(run)
    lease = ledger.acquire_lease("export", "a", ttl_s=60)
    assert lease is not None
    ledger.record_export(lease, cursor=None, runs=[ExportedRun(run_id="ran", created_at_ms=T, started_at_ms=T + 5_000)])
    return RunReader(store, lambda: NOBODY, lambda: ledger)


@pytest.mark.parametrize(
    ("least_ms", "ids"), [(0, {"ran", "done"}), (1_000, {"ran", "done"}), (1_001, {"done"}), (3_001, set())]
)
@pytest.mark.parametrize("page", [1, 50])
def test_a_filter_by_duration_finds_what_the_duration_says(
    reader: RunReader, least_ms: int, ids: set[str], page: int
) -> None:
    """List, counts, activity, and runs named one by one; none where nobody knows, or it never started."""
    query = RunQuery(min_duration_ms=least_ms, limit=page)
    assert {run.id for run in reader.every(query)} == ids
    assert {run.id for run in reader.named(["ran", "queued", "unknown", "done"], query)} == ids
    assert {(one.status, one.count) for one in reader.facets(query) if one.count} == {
        ({"ran": "cancelled", "done": "completed"}[one], 1) for one in ids
    }
    activity = reader.activity(query, Grid.of(T - 10, T + 10, 1))
    assert sum(activity.counts[0].values()) == len(ids)
    shown = with_starts(reader.ledger(), list(reader.store.get_runs(["ran", "queued", "unknown", "done"]).values()))
    assert {run.id for run in shown if run.duration_ms is not None and run.duration_ms >= least_ms} == ids


def test_an_offset_counts_the_runs_that_lasted(reader: RunReader) -> None:
    """Not those that the store had to offer."""
    query = RunQuery(min_duration_ms=0, limit=1)
    first, second = (reader.page(replace(query, offset=offset)).runs[0].id for offset in (0, 1))
    assert {first, second} == {"ran", "done"}
    assert reader.page(replace(query, offset=2)).runs == []
