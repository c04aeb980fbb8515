"""What the engine itself made live again, told from what an action of ours did: each action explains one life."""

from __future__ import annotations

from typing import Any

import pytest

from otel_bridge.ledger.base import AuditEntry, KeptAttempt, PastLife
from otel_bridge.runs.attempts import REQUEUES, attempts, overlay_requeue
from otel_bridge.spans import life_to_keep
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run, make_step
from otel_bridge.testing.clock import DEFAULT_TIME_MS as T
from tests.bridge.rows import Bridges


class Story:
    """A run of one step that fails at once, each time that it lives."""

    def __init__(self, store: MemoryStateStore, ledger: MemoryLedger, clock: FakeClock) -> None:
        self.store, self.ledger, self.clock = store, ledger, clock

    def lives(self, started_ms: int, *, status: Any = "failed") -> None:
        """The engine's rows, once this life has ended."""
        ended_ms = started_ms + 20
        self.ended(status, ended_ms, started_at_ms=started_ms)
        self.store.put_step(make_step("run-1", 1, status="failed", started_at_ms=started_ms, finished_at_ms=ended_ms))

    def ended(self, status: Any, at_ms: int, **fields: Any) -> None:
        """The engine's row of the run, which ended just now."""
        self.clock.now_ms = at_ms + 1
        self.store.put_run(
            make_run(
                "run-1", status=status, created_at_ms=T, updated_at_ms=at_ms, finished_at_ms=at_ms, queue="q", **fields
            )
        )

    def retried(self, at_ms: int) -> None:
        """What a retry through the API leaves in the ledger: see ``dashboard.actions.retry``."""
        run, steps = self.store.get_run("run-1"), self.store.get_steps("run-1")
        assert run is not None
        self.ledger.begin_life(
            run.id,
            lambda exported, lives: life_to_keep(run, steps, None, exported, lives),
            attempt=KeptAttempt(at_ms=at_ms, life=PastLife(run=run, generation=0, steps=tuple(steps))),
        )
        ended = {"endedAs": run.status, "endedAtMs": run.finished_at_ms}
        self._log("retry", at_ms, ended)

    def moved(self, at_ms: int) -> None:
        """What a move to another version leaves there."""
        self._log("move", at_ms, {"version": "v2"})

    def _log(self, action: str, at_ms: int, params: dict[str, Any]) -> None:
        self.ledger.add_audit(
            AuditEntry(at_ms=at_ms, actor="ada", action=action, run_id="run-1", outcome="done", params=params)
        )

    def told(self) -> tuple[list[tuple[str, str | None]], int | None]:
        """The causes and ends of the run's attempts, and how long it waited on its queue."""
        run, noted = self.store.get_run("run-1"), self.ledger.audit_of_runs(["run-1"], REQUEUES).get("run-1", [])
        assert run is not None
        run = overlay_requeue(run, noted)
        kept = self.ledger.kept_attempts(["run-1"]).get("run-1", [])
        exported = self.ledger.exported(["run-1"]).get("run-1")
        found = attempts(run, noted, exported=exported, kept=kept)
        return [(one.cause, one.outcome) for one in found], run.queue_ms


@pytest.fixture
def story(store: MemoryStateStore, ledger: MemoryLedger, clock: FakeClock) -> Story:
    return Story(store, ledger, clock)


def test_what_the_engine_resumes_moments_after_a_retry_was_not_resumed_by_that_retry(
    story: Story, bridges: Bridges
) -> None:
    """The retried life failed at once. The retry began that one, and explains no other."""
    bridge = bridges()
    story.lives(T + 100)
    bridge.run_once()
    story.retried(T + 5_000)
    story.lives(T + 5_040)
    bridge.run_once()
    assert story.told() == ([("start", "failed"), ("retry", "failed")], 40)
    for again in range(2):
        story.lives(T + 6_000 + again * 1_000)
        bridge.run_once()
        bridge.run_once()
    resumed = [("resume", "failed")] * 2
    assert story.told() == ([("start", "failed"), ("retry", "failed"), *resumed], None)
    story.retried(T + 7_500)
    story.lives(T + 7_560, status="completed")
    bridge.run_once()
    assert story.told() == ([("start", "failed"), ("retry", "failed"), *resumed, ("retry", "completed")], 60)


@pytest.mark.parametrize("looks", [(1, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_resume_is_noted_whichever_lives_the_bridge_came_in_time_for(
    story: Story, bridges: Bridges, looks: tuple[int, ...]
) -> None:
    """A life that was kept for the bridge tells of what began it too, and stands before the retry that ended it."""
    bridge = bridges()
    story.lives(T + 100)
    if looks[0]:
        bridge.run_once()
    story.retried(T + 5_000)
    story.lives(T + 5_040)
    if looks[1]:
        bridge.run_once()
    story.lives(T + 6_000)
    if looks[2]:
        bridge.run_once()
    story.retried(T + 9_000)
    story.lives(T + 9_050)
    bridge.run_once()
    resumed = ["resume"] if looks[1] else []  # else nobody knows that the life before had ended
    causes, queue_ms = story.told()
    assert ([cause for cause, _ in causes], queue_ms) == (["start", "retry", *resumed, "retry"], 50)


def test_a_move_that_cancelled_the_run_for_a_moment_is_no_resume_by_the_engine(story: Story, bridges: Bridges) -> None:
    """The bridge looked in that moment. A run that was cancelled long after it was moved is another matter."""
    bridge = bridges()
    story.moved(T + 480)
    story.ended("cancelled", T + 500)
    bridge.run_once()
    story.lives(T + 700)
    bridge.run_once()
    assert [cause for cause, _ in story.told()[0]] == ["start", "move"]
    story.lives(T + 1_700)
    bridge.run_once()
    assert [cause for cause, _ in story.told()[0]] == ["start", "move", "resume"]
