"""In which format an input is written, and what a key starts: decided by what is known, never guessed."""

from __future__ import annotations

import pytest
from dbos import WorkflowSerializationFormat

from dashboard.actions import messages, starting
from dashboard.actions.formats import format_for
from dashboard.actions.messages import validated_by_workers
from dashboard.actions.starting import keyed_id, known_serialization
from dashboard.errors import Refused
from otel_bridge.ledger.base import Executor, UpdateValidator
from otel_bridge.model.runs import Run, Waiting
from otel_bridge.runs.presence import presence
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run
from tests.actions.memory import memory_context

NOW = 1_700_000_000_000


def worker(**fields: object) -> Executor:
    """A live worker."""
    known = {"workflows": ("order",), "serializer": "py_pickle", **fields}
    return Executor(instance_id="i", executor_id="e", beat_at_ms=NOW, started_at_ms=NOW, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sample", "workers", "newest", "expected"),
    [
        (make_run(serialization="portable_json"), [worker()], None, "portable_json"),
        (None, [worker()], make_run(serialization="js_superjson"), "py_pickle"),
        (None, [worker(workflows=("other",))], make_run(serialization="js_superjson"), "js_superjson"),
        (None, [worker(serializer=None)], make_run(serialization="py_pickle"), "py_pickle"),
        (None, [], make_run(workflow="durable.undo", serialization="portable_json"), Refused),
        (None, [], None, Refused),
    ],
    ids=["a run of it", "a worker that has it", "any run", "a worker that does not say", "only ours", "nothing"],
)
def test_the_format_of_an_input_is_told_by_what_is_there(
    sample: Run | None, workers: list[Executor], newest: Run | None, expected: object
) -> None:
    """Else it is asked for: a run in the wrong format does its work and fails at its end."""
    seen = presence(workers, NOW)
    if expected is Refused:
        with pytest.raises(Refused, match='"python"'):
            known_serialization("order", sample, seen, newest)
    else:
        assert known_serialization("order", sample, seen, newest) == expected


def test_a_serializer_of_the_applications_own_is_refused_in_words() -> None:
    """The dashboard reads it and does not write it."""
    assert format_for("py_pickle") is WorkflowSerializationFormat.NATIVE
    assert format_for("portable_json") is WorkflowSerializationFormat.PORTABLE
    with pytest.raises(Refused, match=r"\(msgpack\)"):
        format_for("msgpack")


def test_a_first_run_takes_the_format_that_was_asked_for() -> None:
    """Nothing is known of the application yet."""
    store = MemoryStateStore(clock=FakeClock())
    ctx, _, client = memory_context(store=store)
    with pytest.raises(Refused, match="Say so"):
        starting.start(ctx, "order", actor="ann")
    starting.start(ctx, "refund", actor="ann", format_="portable")
    starting.start(ctx, "refund", actor="ann", format_="python", key="k")
    starting.start(ctx, "refund", actor="ann", format_="python", key="k")
    made = [options["options"] for _, _, options in client.calls]
    assert [options["serialization_type"] for options in made] == [
        WorkflowSerializationFormat.PORTABLE,
        WorkflowSerializationFormat.NATIVE,
        WorkflowSerializationFormat.NATIVE,
    ]
    assert made[1]["workflow_id"] == made[2]["workflow_id"] == keyed_id("start", "refund", "k")


def test_an_update_whose_validator_only_workers_know_is_refused() -> None:
    """A process that cannot check it does not say that it is accepted."""
    ledger = MemoryLedger(clock=FakeClock())
    ledger.heartbeat(worker(validators=(UpdateValidator(workflow="order", name="address"),)))
    store = MemoryStateStore(clock=FakeClock())
    waiting = Waiting("update", "address", store.now_ms(), seq=2)
    store.put_run(make_run("r", status="suspended", waiting=waiting))
    ctx, _, client = memory_context(store=store, ledger=ledger)
    assert validated_by_workers("order", "address", ctx.presence())
    assert not validated_by_workers("order", "size", ctx.presence())
    with pytest.raises(Refused, match="does not know how"):
        messages.update(ctx, "r", "address", {}, actor="ann")
    assert client.calls == []
