"""Parts of a run's steps: whatever its rows are, they are the steps that all rows together make, each once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random

import pytest

from otel_bridge.model.names import WAIT_EVENT_KEY
from otel_bridge.model.steps import Step, StepCounts, StepPart
from otel_bridge.store.adapter import SqlStateStore
from otel_bridge.testing import FakeClock, MemoryStateStore, make_run

NOW_MS = FakeClock().now_ms
CHILDREN = ("kid-1", "kid-2", "gone")
NAMES = (
    "charge", "charge", "getStatus", "DBOS.now", "DBOS.recv", "DBOS.recv", "DBOS.getEvent", "DBOS.sleep", "DBOS.sleep",
    "DBOS.setEvent", "DBOS.setEvent", "DBOS.getResult", "DBOS.getResult", "start", "start",
)  # fmt: skip
MADE = 40
Row = tuple[str, str, int, bool, int]
"""Name; child; how much later than recorded a sleep wakes, a timeout or none; whether it failed, or its event announces
a wait; how many numbers after the row before."""


def rows_of(random: Random) -> list[Row]:
    """Return rows of a run as no engine would write them, and as every engine might."""
    return [
        (
            random.choice(NAMES),
            random.choice(CHILDREN),
            random.choice((0, 1, 5_000)),
            random.random() < 0.5,
            random.choice((1, 1, 1, 1, 2)),
        )
        for _ in range(random.randrange(15))
    ]


def filled(rows: Sequence[Row], status: str) -> MemoryStateStore:
    """Return a store with a run of these rows."""
    store = MemoryStateStore(clock=FakeClock())
    store.put_run(make_run("r", status="completed"))
    store.put_row(
        "workflow_status",
        workflow_uuid="r",
        status=status,
        name="w",
        created_at=NOW_MS - 90_000,
        updated_at=NOW_MS,
        completed_at=None if status == "PENDING" else NOW_MS,
        priority=0,
    )
    for child in CHILDREN[:2]:
        store.put_run(make_run(child, status="completed" if child == "kid-1" else "running", parent_id="r"))
    seq = 0
    for number, (name, child, later_ms, marked, step) in enumerate(rows):
        seq += step
        at_ms = NOW_MS - 60_000 + 100 * number
        output = str((at_ms + later_ms) / 1000) if name == "DBOS.sleep" else "1"
        store.put_row(
            "operation_outputs",
            workflow_uuid="r",
            function_id=seq,
            function_name=name,
            started_at_epoch_ms=at_ms,
            completed_at_epoch_ms=at_ms,
            output=None if marked and name != "DBOS.sleep" else output,
            error='{"name": "E", "message": "m"}' if marked and name in ("charge", "DBOS.getResult") else None,
            child_workflow_id=child if name in ("start", "DBOS.getResult") else None,
            serialization="portable_json",
        )
        if name == "DBOS.setEvent":
            key, value = (WAIT_EVENT_KEY, {"on": "breakpoint", "name": "check"}) if marked else ("k", {"on": "x"})
            event = {"key": key, "value": json.dumps(value), "serialization": "portable_json"}
            store.put_row("workflow_events_history", workflow_uuid="r", function_id=seq, **event)
        if name == "DBOS.recv" and marked:
            store.put_row(
                "notifications",
                message_uuid=f"m{seq}",
                destination_uuid="r",
                topic=f"t{seq}",
                message="1",
                created_at_epoch_ms=at_ms,
                consumed_by_function_id=seq,
            )
    return store


def in_parts(store: SqlStateStore, run_id: str, limit: int) -> list[Step]:
    """Return a run's steps, read a part at a time."""
    part: StepPart = store.get_step_part(run_id, limit=limit, errors=True)
    steps = list(part.steps)
    while part.next_seq is not None:
        part = store.get_step_part(run_id, start=part.next_seq, limit=limit, errors=True)
        steps += part.steps
    return steps


@pytest.mark.parametrize("seed", range(MADE))
def test_parts_of_any_rows_are_the_whole(seed: int) -> None:
    """Waits, their timeouts and announcements, children's starts and results may fall into different parts."""
    random = Random(seed)
    rows, status, limit = rows_of(random), random.choice(("PENDING", "SUCCESS", "ERROR")), random.randint(1, 4)
    store = filled(rows, status)
    whole = store.get_steps("r", errors=True)
    assert in_parts(store, "r", limit) == whole
    assert store.get_step_part("r", limit=limit, whole_rows=len(rows), errors=True) == StepPart(whole, None, True)
    assert store.count_steps("r") == StepCounts(len(whole), sum(row[3] and row[0] in ERRING for row in rows))
    for step in whole:
        alone = store.get_step("r", step.seq)
        assert alone is not None
        assert alone._replace(output=None, error=None) == step._replace(error=None)
    last = store.get_steps_of(["r", "nobody"], errors=True, last_rows=limit)
    assert last == {"r": whole[len(whole) - len(last["r"]) :], "nobody": []}
    store.close()


ERRING = ("charge", "DBOS.getResult")


def test_the_last_steps_of_many_runs_come_in_bounded_reads() -> None:
    """Of a long run the last ones; with a bound some of the runs, until all were asked for."""
    store = filled([("charge", "", 0, False, 1)] * 9, "SUCCESS")
    store.put_run(make_run("short", status="completed"))
    found: dict[str, list[Step]] = {}
    while missing := [run_id for run_id in ("r", "short") if run_id not in found]:
        found |= store.get_steps_of(missing, most_rows=4, last_rows=4)
    assert [step.seq for step in found["r"]] == [6, 7, 8, 9]
    assert found["short"] == []
