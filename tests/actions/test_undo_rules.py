"""A second cancel with undo: the same answer where the undo is at work or done, a refusal where the run went on."""

from __future__ import annotations

import pytest

from dashboard.actions import cancel
from dashboard.errors import Refused
from otel_bridge.model.status import RunStatus
from otel_bridge.testing import FakeClock, MemoryStateStore, make_run
from tests.actions.memory import memory_context

CLOCK = FakeClock()
T = CLOCK.now_ms


def store_with(status: RunStatus, undo: RunStatus, *, ended_ms: int | None) -> MemoryStateStore:
    """Return a store with a run, and with an undo of it that began at ``T + 100`` and ends at ``T + 200``."""
    store = MemoryStateStore(clock=CLOCK)
    store.put_run(make_run("r", status=status, created_at_ms=T, finished_at_ms=ended_ms))
    undo_ended_ms = None if undo == "running" else T + 200
    store.put_run(make_run("undo:r", status=undo, created_at_ms=T + 100, finished_at_ms=undo_ended_ms))
    return store


@pytest.mark.parametrize("undo", ["running", "completed", "failed"])
def test_a_repeated_undo_changes_nothing_while_the_first_is_at_work_or_done(undo: RunStatus) -> None:
    """One undo per run."""
    ctx, _, client = memory_context(store=store_with("cancelled", undo, ended_ms=T + 90))
    assert cancel.cancel(ctx, "r", actor="ann", compensate=True).run.undo_id == "undo:r"
    assert client.calls == []


@pytest.mark.parametrize(
    ("status", "undo", "ended_ms", "advice"),
    [
        ("running", "completed", None, "Cancel it without undo."),
        ("pending", "completed", None, "Cancel it without undo."),
        ("running", "failed", None, "Cancel it without undo, then retry undo:r, which has not undone all."),
        ("failed", "completed", T + 900, "Undo by hand what it did since."),
    ],
)
def test_an_undone_run_that_went_on_is_not_said_to_be_undone_again(
    status: RunStatus, undo: RunStatus, ended_ms: int | None, advice: str
) -> None:
    """The engine's own resume makes it go on; an answer that nothing follows would leave it at work in silence."""
    ctx, _, client = memory_context(store=store_with(status, undo, ended_ms=ended_ms))
    with pytest.raises(Refused, match="a run is undone once") as refused:
        cancel.cancel(ctx, "r", actor="ann", compensate=True)
    assert str(refused.value).endswith(advice)
    assert client.calls == []
