"""Which runs retention may delete: never one that the policy promised to keep, and every other one in the end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.caretaker import retention
from dashboard.caretaker.retention import RetentionPolicy, cutoff_ms, is_due
from otel_bridge.model.runs import Run
from otel_bridge.testing import FakeClock, MemoryStateStore, make_run
from tests.actions.memory import memory_context

NOW_MS = 1_700_000_100_000


@pytest.mark.parametrize(
    ("created", "keep", "expected"),
    [
        ([30, 20, 10], 2, 20),
        ([30, 20, 10], 3, None),
        ([30, 20, 10], 4, None),
        ([30, 20, 10], 0, 31),
        ([], 0, None),
        ([20, 20, 20], 1, 20),
        ([30, 20, 20, 20, 10], 2, 20),
        ([30, 30, 20, 10], 2, 30),
    ],
)
def test_runs_are_over_the_count_from_behind_the_oldest_that_stays(
    created: list[int], keep: int, expected: int | None
) -> None:
    """What was created before that time may go; runs of the very same moment stay."""
    assert cutoff_ms(created, keep) == expected


@pytest.mark.parametrize(
    ("run", "due"),
    [
        (make_run(workflow="w", status="completed", finished_at_ms=NOW_MS - 10_000), True),
        (make_run(workflow="w", status="completed", finished_at_ms=NOW_MS - 9_999), False),
        (make_run(workflow="other", status="completed", finished_at_ms=NOW_MS - 60_000), False),
        (make_run(workflow="w", status="failed", finished_at_ms=NOW_MS - 60_000), False),
        (make_run(workflow="w", status="running", updated_at_ms=NOW_MS - 60_000), False),
    ],
)
def test_a_run_is_due_by_workflow_status_and_age(run: Run, due: bool) -> None:
    """An age counts from the run's end, and a run exactly as old as the policy says is due."""
    assert is_due(run, RetentionPolicy(workflow="w", older_than_s=10), NOW_MS) is due


@pytest.mark.parametrize(("keep", "runs"), [(500, 1000), (499, 1000), (10, 20), (1, 1200)])
def test_runs_of_one_moment_are_not_deleted_below_the_count(keep: int, runs: int) -> None:
    """Where the engine stamps whole seconds, a thousand runs share one; a page boundary changes nothing."""
    ctx, store, client = memory_context(store=MemoryStateStore(clock=FakeClock(NOW_MS)))
    for number in range(runs):
        store.put_run(make_run(f"r{number:04}", workflow="w", status="completed", created_at_ms=NOW_MS - 50_000))
    policy = RetentionPolicy(workflow="w", keep_last=keep)
    assert retention.preview(ctx, policy).count == 0
    assert retention.run_batch(ctx, policy).deleted == 0
    assert client.calls == []


def test_runs_of_one_moment_beyond_a_batch_are_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next batch continues behind the last run, not at its creation time."""
    monkeypatch.setattr(retention, "SCAN", 10)
    ctx, store, _ = memory_context(store=MemoryStateStore(clock=FakeClock(NOW_MS)))
    for number in range(25):
        kept = number < 15  # these have an open child, so a batch may not delete them and must walk past
        store.put_run(make_run(f"r{number:02}", status="completed", created_at_ms=NOW_MS - 50_000))
        if kept:
            store.put_run(make_run(f"r{number:02}-1", status="running", parent_id=f"r{number:02}"))
    policy, after, deleted = RetentionPolicy(older_than_s=1), None, 0
    for _ in range(4):
        batch = retention.run_batch(ctx, policy, after=after)
        after, deleted = batch.after, deleted + batch.deleted
        if after is None:
            break
    assert deleted == 10
    assert [store.get_run(f"r{number:02}") for number in range(15, 25)] == [None] * 10


def test_a_run_that_was_retried_after_the_walk_is_not_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleting is decided on the run as it is then, not as it was when it was listed."""
    ctx, store, client = memory_context(store=MemoryStateStore(clock=FakeClock(NOW_MS)))
    store.put_run(make_run("old", status="failed", created_at_ms=NOW_MS - 50_000))
    walk = retention._due

    def and_meanwhile(*args: object) -> object:
        yield from list(walk(*args))  # type: ignore[arg-type]
        store.set_columns("old", {"status": "ENQUEUED", "completed_at": None})

    monkeypatch.setattr(retention, "_due", and_meanwhile)
    policy = RetentionPolicy(older_than_s=1, statuses=frozenset({"failed"}))
    assert retention.run_batch(ctx, policy).deleted == 0
    assert client.calls == []


runs_of_two_workflows = st.lists(
    st.tuples(
        st.sampled_from(["w", "other"]),
        st.sampled_from(["completed", "failed", "running"]),
        st.integers(0, 4),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(rows=runs_of_two_workflows, keep=st.integers(0, 8), older=st.one_of(st.none(), st.integers(0, 4)))
def test_what_is_deleted_is_never_among_what_is_promised_to_stay(
    rows: list[tuple[str, str, int]], keep: int, older: int | None
) -> None:
    """At least ``keep_last`` of the workflow stay, the newest; so do other workflows, other statuses and young runs."""
    ctx, store, _ = memory_context(store=MemoryStateStore(clock=FakeClock(NOW_MS)))
    made = []
    for number, (workflow, status, age_s) in enumerate(rows):
        run = make_run(
            f"r{number:02}",
            workflow=workflow,
            status=status,  # type: ignore[arg-type]
            created_at_ms=NOW_MS - age_s * 1000,
        )
        store.put_run(run)
        made.append(run)
    policy = RetentionPolicy(workflow="w", keep_last=keep, older_than_s=older)
    seen = retention.preview(ctx, policy)
    deleted = retention.run_batch(ctx, policy).deleted
    left = {run.id for run in store.iter_runs()}
    gone = [run for run in made if run.id not in left]
    counted = [run for run in made if (run.workflow, run.status) == ("w", "completed")]
    assert seen.count == deleted == len(gone)
    assert {run.id for run in gone} <= {run.id for run in counted}
    assert len([run for run in counted if run.id in left]) >= min(keep, len(counted))
    oldest_left = min((run.created_at_ms for run in counted if run.id in left), default=None)
    if oldest_left is not None and older is None:
        assert all(run.created_at_ms <= oldest_left for run in gone)
    assert all(older is None or NOW_MS - run.created_at_ms >= older * 1000 for run in gone)


@pytest.mark.parametrize("keep", [-1, -500])
def test_a_negative_count_is_refused(keep: int) -> None:
    """When the policy is written, not when it runs."""
    with pytest.raises(ValueError, match="cannot be"):
        RetentionPolicy(workflow="w", keep_last=keep)
