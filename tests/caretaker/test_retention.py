"""Which runs retention may delete: never one that the policy promised to keep, and every other one in the end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.caretaker import retention
from dashboard.caretaker.retention import RetentionPolicy, cutoff_ms, deletable, is_due, was_exported
from otel_bridge.ledger.base import Cursor, ExportedRun
from otel_bridge.model.runs import Run
from otel_bridge.model.status import TERMINAL_STATUSES
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
        (make_run(workflow="w", status="completed", finished_at_ms=None, updated_at_ms=NOW_MS - 10_000), True),
        (make_run(workflow="w", status="completed", finished_at_ms=None, updated_at_ms=NOW_MS - 9_999), False),
        (make_run(workflow="w", status="completed", finished_at_ms=NOW_MS, updated_at_ms=NOW_MS - 60_000), False),
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


def put_linked(store: MemoryStateStore, name: str, **fields: Any) -> None:
    store.put_run(make_run(name, **{"status": "running", "created_at_ms": NOW_MS - 40_000, **fields}))


@pytest.mark.parametrize(
    ("relative", "needed"),
    [
        ({"name": "kid", "parent_id": "old"}, True),
        ({"name": "kid", "parent_id": "old", "status": "completed"}, False),
        ({"name": "fork", "forked_from": "old"}, True),
        ({"name": "undo:old"}, True),
        ({"name": "undo:old", "status": "failed"}, False),
        ({"name": "dlq:old"}, True),
        ({"name": "dlq:old", "status": "completed"}, False),
        ({"name": "stranger"}, False),
    ],
)
def test_a_run_stays_while_what_hangs_on_it_is_open(relative: dict[str, Any], needed: bool) -> None:
    """Its child, its fork, its undo and its dead-letter handler may still ask for it."""
    ctx, store, _ = memory_context(store=MemoryStateStore(clock=FakeClock(NOW_MS)))
    store.put_run(make_run("old", status="completed", created_at_ms=NOW_MS - 50_000))
    put_linked(store, **relative)
    old = store.get_runs(["old"])["old"]
    assert [run.id for run in deletable(ctx, [old])] == ([] if needed else ["old"])


def test_a_run_stays_while_the_last_of_very_many_children_is_open() -> None:
    """A thousand that have ended before it hide nothing."""
    ctx, store, _ = memory_context(store=MemoryStateStore(clock=FakeClock(NOW_MS)))
    store.put_run(make_run("old", status="completed", created_at_ms=NOW_MS - 50_000))
    for number in range(1_001):
        store.put_run(
            make_run(
                f"c{number:04}",
                status="running" if number == 1_000 else "completed",
                parent_id="old",
                created_at_ms=NOW_MS - 40_000 + number,
            )
        )
    assert list(deletable(ctx, [store.get_runs(["old"])["old"]])) == []


@pytest.mark.parametrize(
    ("statuses", "needed"),
    [
        ({"parent": "running"}, True),
        ({"parent": "completed"}, False),
        ({"parent": "completed", "grandparent": "running"}, True),
        ({"parent": "completed", "grandparent": "completed"}, False),
        ({}, False),  # deleted before
    ],
)
def test_a_run_stays_while_an_ancestor_is_open(statuses: dict[str, Any], needed: bool) -> None:
    """However far above; a parent that is gone asks for nothing."""
    ctx, store, _ = memory_context(store=MemoryStateStore(clock=FakeClock(NOW_MS)))
    store.put_run(make_run("old", status="completed", created_at_ms=NOW_MS - 50_000, parent_id="parent"))
    for name, status in statuses.items():
        put_linked(store, name, status=status, parent_id="grandparent" if name == "parent" else None)
    old = store.get_runs(["old"])["old"]
    assert [run.id for run in deletable(ctx, [old])] == ([] if needed else ["old"])


MARGIN_MS = 10 * 60 * 1000
CURSOR = Cursor(steps_ms=NOW_MS, runs_ms=NOW_MS)


@pytest.mark.parametrize(
    ("run", "export", "cursor", "exported"),
    [
        (make_run("r", finished_at_ms=NOW_MS), None, None, True),  # no bridge was ever at work
        (make_run("r", finished_at_ms=NOW_MS), ExportedRun(run_id="r", ended=True), CURSOR, True),
        (make_run("r", finished_at_ms=1), ExportedRun(run_id="r", ended=False), CURSOR, False),
        (make_run("r", finished_at_ms=NOW_MS - MARGIN_MS - 1), None, CURSOR, True),  # exported, and forgotten since
        (make_run("r", finished_at_ms=NOW_MS - MARGIN_MS), None, CURSOR, False),
        (make_run("r", finished_at_ms=None, updated_at_ms=NOW_MS - MARGIN_MS - 1), None, CURSOR, True),
        (make_run("r", finished_at_ms=None, updated_at_ms=NOW_MS), None, CURSOR, False),
    ],
)
def test_a_run_stays_until_the_bridge_has_exported_its_end(
    run: Run, export: ExportedRun | None, cursor: Cursor | None, exported: bool
) -> None:
    """What is deleted before is in no trace."""
    assert was_exported(run, export, cursor) is exported


def test_what_the_ledger_says_of_a_run_decides_before_its_age_does() -> None:
    """An old run whose end could not be exported yet stays, however far the bridge has come."""
    ctx, _, _ = memory_context(store=MemoryStateStore(clock=FakeClock(NOW_MS)))
    lease = ctx.ledger.acquire_lease("otel-bridge", "me", ttl_s=60)
    assert lease is not None
    runs = [make_run(name, status="completed", finished_at_ms=1) for name in ("exported", "begun", "forgotten")]
    records = [ExportedRun(run_id="exported", ended=True), ExportedRun(run_id="begun")]
    ctx.ledger.record_export(lease, cursor=CURSOR, runs=records)
    assert [run.id for run in deletable(ctx, runs)] == ["exported", "forgotten"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "needs older_than_s or keep_last"),
        ({"keep_last": 5}, "name it"),
        ({"older_than_s": 1, "statuses": frozenset()}, "takes the statuses"),
        ({"older_than_s": 1, "statuses": frozenset({"running"})}, "takes the statuses"),
    ],
)
def test_a_policy_that_would_delete_too_much_is_refused(fields: dict[str, Any], why: str) -> None:
    """When it is written."""
    with pytest.raises(ValueError, match=why):
        RetentionPolicy(**fields)


def test_a_policy_may_be_for_every_run_that_has_ended() -> None:
    """However it ended."""
    assert RetentionPolicy(older_than_s=1, statuses=TERMINAL_STATUSES).statuses == TERMINAL_STATUSES


def test_fewer_runs_than_are_kept_are_all_kept() -> None:
    """There is no time before which they would go."""
    ctx, store, client = memory_context(store=MemoryStateStore(clock=FakeClock(NOW_MS)))
    store.put_run(make_run("only", workflow="w", status="completed", created_at_ms=NOW_MS - 50_000))
    assert retention.run_batch(ctx, RetentionPolicy(workflow="w", keep_last=1)).deleted == 0
    assert retention.run_batch(ctx, RetentionPolicy(workflow="w", keep_last=0)).deleted == 1
    assert [run_id for _, run_id, _ in client.calls] == ["only"]


def test_parents_that_go_round_in_a_circle_keep_nobody_looking() -> None:
    """Nobody's engine writes such rows; a damaged database may."""
    ctx, store, _ = memory_context(store=MemoryStateStore(clock=FakeClock(NOW_MS)))
    for name, parent in (("a", "b"), ("b", "c"), ("c", "b")):
        store.put_run(make_run(name, status="completed", created_at_ms=NOW_MS - 50_000, parent_id=parent))
    assert [run.id for run in deletable(ctx, [store.get_runs(["a"])["a"]])] == ["a"]
