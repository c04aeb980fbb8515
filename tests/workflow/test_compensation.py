"""How a step declares its undo, and what is recorded of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from dbos import DBOS, SetWorkflowID

from dashboard.workflow import (
    Compensation,
    UndeclaredUndoError,
    UnrecordableInputError,
    compensated_by,
    dead_letter,
    undo_on_failure,
)
from dashboard.workflow.compensation import given_by_name, registry
from dashboard.workflow.undo import UndoStuckError, make_plan
from otel_bridge.codec import decode
from otel_bridge.store.base import StateStore


def refund(compensation: Compensation) -> None:
    """An undo that does nothing."""


def test_decorators_in_the_wrong_order_are_refused(engine_url: str) -> None:
    """Above the engine's decorator they would run outside the step, or not at all."""
    step = DBOS.step()(lambda: None)
    workflow = DBOS.workflow(name="wrong_order")(lambda: None)
    with pytest.raises(TypeError, match=r"below @DBOS\.step"):
        compensated_by(refund)(step)
    with pytest.raises(TypeError, match=r"below @DBOS\.workflow"):
        undo_on_failure(workflow)


def test_a_compensated_step_called_outside_a_workflow_is_a_plain_function(engine_url: str) -> None:
    """As the engine's own steps are."""

    @DBOS.step()
    @compensated_by(refund)
    def charge(cents: int) -> int:
        return cents

    assert charge(3) == 3


def test_what_a_step_is_given_is_recorded_before_it_runs_and_changes_nothing(
    engine_url: str, store: StateStore
) -> None:
    """Neither its arguments, nor its output, nor its number."""
    seen: list[Any] = []

    @DBOS.step()
    @compensated_by(refund)
    def charge(order: dict[str, Any], *, cents: int = 5) -> dict[str, Any]:
        event = store.published_event("c1", "durable.undo.1")
        assert event is not None
        seen.append(decode(event.value).json)
        return {"charged": order["id"]}

    @DBOS.workflow(name="charging")
    def charging() -> Any:
        return charge({"id": 9}, cents=6)

    with SetWorkflowID("c1"):
        assert charging() == {"charged": 9}
    assert seen[0]["args"] == [{"id": 9}]
    assert seen[0]["kwargs"] == {"cents": 6}
    assert [(step.seq, step.name) for step in store.get_steps("c1")] == [(1, charge.__qualname__)]
    assert store.published_events("c1") == []  # our own keys are not the user's


def test_input_that_cannot_be_stored_fails_the_step_before_it_runs(engine_url: str) -> None:
    """Better no effect than an effect that cannot be undone."""
    ran: list[int] = []

    @DBOS.step()
    @compensated_by(refund)
    def charge(callback: Any) -> None:
        ran.append(1)

    @DBOS.workflow(name="unstorable")
    def unstorable() -> None:
        charge(lambda: None)

    with SetWorkflowID("c2"), pytest.raises(UnrecordableInputError, match="The step did not run"):
        unstorable()
    assert ran == []


def test_a_plan_leaves_failed_steps_out_unless_their_declaration_wants_them(engine_url: str) -> None:
    """A failure may leave a part of its effect."""

    @DBOS.step(name="partly")
    @compensated_by(refund, even_if_failed=True)
    def partly() -> None:
        raise ValueError("half way")

    @DBOS.step(name="wholly")
    @compensated_by(refund)
    def wholly() -> None:
        raise ValueError("nothing done")

    @DBOS.workflow(name="failing_steps")
    def failing_steps() -> None:
        for step in (partly, wholly):
            with pytest.raises(ValueError, match=r"half way|nothing done"):
                step()

    with SetWorkflowID("c3"):
        failing_steps()
    assert [(entry["step"], entry["maybe"]) for entry in make_plan("c3")] == [("partly", False)]


def test_arguments_are_given_by_name_defaults_included() -> None:
    """And not at all, where the signature has changed meanwhile."""

    def step(order: str, cents: int = 5, **more: Any) -> None: ...

    assert given_by_name(step, ("a",), {"tip": 1}) == {"order": "a", "cents": 5, "more": {"tip": 1}}
    assert given_by_name(step, (), {}) == {}


def test_an_undo_that_this_worker_does_not_declare_is_named() -> None:
    """And what to do about it."""
    with pytest.raises(UndeclaredUndoError, match="Deploy the code"):
        registry.find("gone.step")


def test_errors_survive_the_engines_serializer() -> None:
    """They are recorded with the run, and read again."""
    import pickle

    stuck = pickle.loads(pickle.dumps(UndoStuckError(["book"], 3)))
    assert (stuck.stuck, stuck.total) == (["book"], 3)
    unrecordable = pickle.loads(pickle.dumps(UnrecordableInputError("step", "why")))
    assert (unrecordable.name, unrecordable.reason) == ("step", "why")


def test_asynchronous_dead_letter_handlers_are_workflows_too(engine_url: str) -> None:
    """The default handler, for every workflow that has none of its own."""
    heard: list[str] = []

    @dead_letter()
    async def bury(letter: Any) -> str:
        heard.append(letter.dead_run_id)
        return letter.workflow  # type: ignore[no-any-return]

    from dashboard.workflow.engine import registered_workflow

    workflow = registered_workflow(bury.__qualname__)
    payload = {"deadRunId": "x", "workflow": "order", "input": None, "error": None}

    async def start() -> Any:
        return await (await DBOS.start_workflow_async(workflow, payload)).get_result()

    assert asyncio.run(start()) == "order"
    assert heard == ["x"]


def test_undo_on_failure_lets_cancelled_runs_be(engine_url: str) -> None:
    """Outside a workflow the function is a plain one, and fails as it would."""

    @undo_on_failure
    def plain() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        plain()
