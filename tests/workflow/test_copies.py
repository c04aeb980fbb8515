"""What runs share by a fork is undone once, whichever of them is undone first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from dashboard.read.undo import preview
from dashboard.workflow.copies import fork_family
from otel_bridge.runs.presence_reader import NOBODY
from otel_bridge.testing import FakeClock, MemoryStateStore, make_run, make_step

CLOCK = FakeClock()
T = CLOCK.now_ms
ORIGINALS = {"b": "a", "c": "b", "d": "a", "x": "y"}


def forks_of(run_ids: Sequence[str]) -> list[str]:
    """Return the runs forked from any of these."""
    return [fork for fork, original in ORIGINALS.items() if original in run_ids]


@pytest.mark.parametrize(
    ("run_id", "family"),
    [("a", ["b", "d", "c"]), ("b", ["a", "c", "d"]), ("c", ["b", "a", "d"]), ("x", ["y"]), ("z", [])],
)
def test_originals_and_forks_of_a_run_are_found_whichever_of_them_one_asks_for(run_id: str, family: list[str]) -> None:
    """``y`` is gone, which the run that was forked from it still says."""
    assert fork_family(run_id, original_of=ORIGINALS.get, forks_of=forks_of) == family


def test_originals_in_a_circle_end_the_search() -> None:
    """Nobody should write such rows, and no reader may hang on them."""
    circle: Mapping[str, str] = {"a": "b", "b": "a"}
    assert fork_family("a", original_of=circle.get, forks_of=lambda ids: [circle[one] for one in ids]) == ["b"]


@pytest.mark.parametrize("undone", ["original", "fork"])
def test_the_preview_leaves_out_what_the_other_runs_undo_undoes(undone: str) -> None:
    """Of steps 1 and 2 the fork took over the first, and executed the second itself."""
    other = {"original": "fork", "fork": "original"}[undone]
    store = MemoryStateStore(clock=CLOCK)
    store.put_run(make_run("original", status="failed", created_at_ms=T, finished_at_ms=T + 50))
    store.put_run(
        make_run("fork", status="failed", created_at_ms=T + 60, finished_at_ms=T + 90, forked_from="original")
    )
    for run_id, second_ms in (("original", T + 20), ("fork", T + 70)):
        for seq, started_ms in ((1, T + 10), (2, second_ms)):
            store.put_step(make_step(run_id, seq, name="book", started_at_ms=started_ms))
            store.put_event(run_id, f"durable.undo.{seq}", '{"undo": "release", "step": "book"}')
    assert [one.planned.seq for one in preview(store, store.get_runs([other])[other], NOBODY).compensations] == [2, 1]
    undo_id = f"undo:{undone}"
    store.put_run(make_run(undo_id, status="completed", created_at_ms=T + 100, finished_at_ms=T + 130))
    plan = '[{"seq": 1, "step": "book", "undo": "release", "maybe": false}]'
    store.put_row(
        "operation_outputs",
        workflow_uuid=undo_id,
        function_id=2,
        function_name="durable.plan",
        output=plan,
        serialization="portable_json",
        started_at_epoch_ms=T + 110,
        completed_at_epoch_ms=T + 111,
        retention_timestamp=T + 111,
    )
    seen = preview(store, store.get_runs([other])[other], NOBODY)
    assert [one.planned.seq for one in seen.compensations] == [2]
    assert seen.total == 1
    assert seen.left_out == (
        f"Step 1 (book) is left out: {undo_id} undoes it, of the run that shares it with this one by a fork.",
    )
