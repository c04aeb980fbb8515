"""A cancel of a run with all that it started, by a real engine."""

from __future__ import annotations

import pytest
from dbos import DBOS, SetWorkflowID

from dashboard.workflow import family
from otel_bridge.store.base import StateStore
from tests.waiting import until


@DBOS.workflow(name="family.member")
def member(name: str, children: int, below: int) -> None:
    """Start children, which start theirs, and wait for a message that never comes; one without children ends."""
    for number in range(children):
        with SetWorkflowID(f"{name}.{number}"):
            DBOS.start_workflow(member, f"{name}.{number}", below if number == 0 else 0, 0)
    if children:
        DBOS.recv("never", timeout_seconds=600)


@pytest.mark.parametrize("at_once", [2, 5_000])
def test_a_run_is_cancelled_with_all_below_it_in_statements_of_some_at_a_time(
    engine_url: str, store: StateStore, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """The engine's own is one statement for a level, which Postgres refuses above 65,535 children."""
    monkeypatch.setattr(family, "AT_ONCE", at_once)
    asked: list[int] = []
    cancel = DBOS.cancel_workflows
    monkeypatch.setattr(DBOS, "cancel_workflows", lambda ids: (asked.append(len(ids)), cancel(ids))[1])
    name = f"f{at_once}"
    with SetWorkflowID(name):
        DBOS.start_workflow(member, name, 5, 1)

    def statuses() -> dict[str, str]:
        found = store.get_runs([name, *(f"{name}.{number}" for number in range(5)), f"{name}.0.0"])
        return {run_id: run.status for run_id, run in found.items()}

    until(statuses, lambda found: len(found) == 7 and list(found.values()).count("completed") == 5, what="all to begin")
    family.cancel_family(name)
    assert {run_id for run_id, status in statuses().items() if status == "cancelled"} == {name, f"{name}.0"}
    assert max(asked) <= at_once
    ended = store.get_runs([name])[name].finished_at_ms
    family.cancel_family(name)
    assert (store.get_runs([name])[name].finished_at_ms, len(asked)) == (ended, 2)
    for waiting in (name, f"{name}.0"):
        DBOS.send(waiting, None, "never")  # frees their threads
