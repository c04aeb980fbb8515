"""When a run has ended for good, and when it lives again: the decisions of ``spans.lives``, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from otel_bridge.ledger.base import ExportedRun
from otel_bridge.model.status import RunStatus
from otel_bridge.model.steps import Step
from otel_bridge.spans.lives import CASCADE_MS, DEAD_GRACE_MS, LOOK_AGAIN_MS, compare, is_final
from otel_bridge.testing import make_run, make_step
from otel_bridge.testing.clock import DEFAULT_TIME_MS as T

OPEN_CHILD = make_step(seq=1, kind="remote", name="child", child_run_id="c", status="running", finished_at_ms=None)
OPEN_SLEEP = make_step(seq=1, kind="sleep", name="DBOS.sleep", status="running", wake_at_ms=T + 10**6)
DONE_CHILD = make_step(seq=1, kind="remote", name="child", child_run_id="c", finished_at_ms=T)


@pytest.mark.parametrize(
    ("status", "steps", "after_ms", "ends"),
    [
        ("cancelled", [OPEN_CHILD], 0, False),
        ("cancelled", [OPEN_CHILD], CASCADE_MS - 1, False),
        ("cancelled", [OPEN_CHILD], CASCADE_MS, True),
        ("cancelled", [OPEN_SLEEP], 0, True),
        ("cancelled", [DONE_CHILD], 0, True),
        ("cancelled", [], 0, True),
        ("failed", [OPEN_CHILD], 0, True),
        ("completed", [OPEN_CHILD], 0, True),
    ],
)
def test_a_cancelled_run_waits_a_moment_for_its_children_to_be_cancelled(
    status: RunStatus, steps: list[Step], after_ms: int, ends: bool
) -> None:
    """No other run does, and no step but a child that is open."""
    run = make_run(status=status, finished_at_ms=T + 500)
    now_ms = T + 500 + after_ms
    life = compare(run, steps, None, original_steps=(), now_ms=now_ms)
    assert life.ends is ends
    assert life.again_at_ms == (None if ends else now_ms + LOOK_AGAIN_MS)
    assert life.end_ms == T + 500


@pytest.mark.parametrize(
    ("status", "fields", "after_ms", "final"),
    [
        ("dead", {}, DEAD_GRACE_MS - 1, False),
        ("dead", {}, DEAD_GRACE_MS, True),
        ("dead", {"dead_letter_id": "h"}, 0, True),
        ("failed", {}, 0, True),
        ("running", {}, 10**9, False),
        ("cancelling", {}, 10**9, False),
    ],
)
def test_a_run_is_final_once_nothing_of_its_end_is_outstanding(
    status: RunStatus, fields: dict[str, Any], after_ms: int, final: bool
) -> None:
    """A dead one waits for its handler."""
    run = make_run(status=status, finished_at_ms=T + 500, updated_at_ms=T + 600, **fields)
    assert is_final(run, T + 500 + after_ms) is final


def recorded(status: str | None = "failed", ended_at_ms: int | None = T + 500) -> ExportedRun:
    """The record of a run whose end was exported, with its one step."""
    return ExportedRun(
        run_id="run-1", ended=True, ended_at_ms=ended_at_ms, status=status, steps={1: (T + 100, 0)}, created_at_ms=T
    )


SAME = make_step(seq=1, started_at_ms=T, finished_at_ms=T + 100)
AGAIN = make_step(seq=1, started_at_ms=T, finished_at_ms=T + 300)


@pytest.mark.parametrize(
    ("status", "fields", "steps", "record", "lives_again"),
    [
        ("failed", {}, [SAME], recorded(), False),
        ("failed", {}, [AGAIN], recorded(), True),
        ("failed", {"finished_at_ms": T + 900}, [SAME], recorded(), True),
        ("failed", {"finished_at_ms": T + 900}, [SAME], recorded(ended_at_ms=None), False),
        ("completed", {}, [SAME], recorded(), True),
        ("completed", {}, [SAME], recorded(status=None), False),
        ("completed", {}, [AGAIN], recorded(status=None), True),
        ("dead", {}, [SAME], recorded(), False),
        ("dead", {"dead_letter_id": "h"}, [SAME], recorded(), True),
        ("cancelled", {}, [SAME], recorded("cancelled"), False),
        ("cancelled", {"finished_at_ms": T + 900}, [SAME], recorded("cancelled"), False),
        ("cancelled", {}, [SAME], recorded("completed"), False),
        ("cancelled", {}, [AGAIN], recorded("cancelled"), True),
        ("cancelling", {"finished_at_ms": T + 900}, [AGAIN], recorded("cancelled"), False),
        ("cancelled", {"undo_id": "undo:run-1"}, [AGAIN], recorded("cancelled"), False),
        ("failed", {"undo_id": "undo:run-1", "finished_at_ms": T + 900}, [AGAIN], recorded(), False),
        ("running", {"finished_at_ms": None}, [SAME], recorded(), True),
        ("pending", {"finished_at_ms": None}, [], recorded(), True),
    ],
    ids=[
        "as it was", "a step ran again", "ended later", "ended when nobody knows", "another status",
        "a status nobody knows", "a step ran again, status unknown", "dead, within its grace", "dead for good",
        "cancelled as it was", "cancelled twice", "cancelled after its end", "cancelled and a step ran again",
        "being undone", "undone", "undone after a failure", "open again", "on its queue again",
    ],
)  # fmt: skip
def test_a_run_whose_end_was_exported_lives_again_when_something_ran(
    status: RunStatus, fields: dict[str, Any], steps: list[Step], record: ExportedRun, lives_again: bool
) -> None:
    """Or when it is open, ended at another time, or otherwise; a cancel of an ended run alone is not a life."""
    run = make_run(status=status, **{"finished_at_ms": T + 500, **fields})
    life = compare(run, steps, record, original_steps=(), now_ms=T + 1_000)
    assert life.facts.generation == int(lives_again)
    assert life.facts.ended is not lives_again
