"""What workflow code can wait for and publish, and how it is shown."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from dbos import DBOS, SetWorkflowID
from pydantic import BaseModel

from dashboard.workflow import (
    NotInWorkflowError,
    WaitTimeoutError,
    breakpoint,
    breakpoint_async,
    engine,
    on_update,
    register,
    set_event,
    set_event_async,
    wait_for_signal,
    wait_for_signal_async,
    waits,
    webhook,
    webhook_async,
    webhooks,
)
from dashboard.workflow.names import wait_topic
from otel_bridge.codec import decode
from otel_bridge.model.names import UNDO_WORKFLOW
from otel_bridge.store.base import StateStore
from tests.waiting import until


def run(name: str, function: Callable[..., Any], run_id: str, *args: Any) -> Any:
    """Register a workflow and start it."""
    workflow = DBOS.workflow(name=name)(function)
    with SetWorkflowID(run_id):
        return DBOS.start_workflow(workflow, *args)


def test_importing_it_loads_no_web_framework() -> None:
    """Workers need none."""
    code = "import sys, dashboard.workflow; sys.exit(bool({'flask', 'werkzeug'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_registering_again_changes_nothing(engine_url: str) -> None:
    """And is what a process does after it destroyed its registry."""
    register()
    undo = engine.registered_workflow(UNDO_WORKFLOW)
    register()
    assert engine.registered_workflow(UNDO_WORKFLOW) is undo


def test_waits_are_for_workflow_code_only() -> None:
    """Elsewhere there is no run that could wait."""
    for call in (
        lambda: breakpoint("x"),
        lambda: wait_for_signal("x"),
        lambda: on_update("x"),
        lambda: webhook("x"),
    ):
        with pytest.raises(NotInWorkflowError, match="outside a workflow"):
            call()


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: wait_for_signal(""), "needs a name"),
        (lambda: wait_for_signal("x" * 300), "needs a name"),
        (lambda: wait_for_signal("durable.update:x#1"), "is taken"),
        (lambda: breakpoint("x", timeout=-1), "lies in the past"),
        (lambda: set_event("durable.wait", 1), "is taken"),
    ],
)
def test_names_and_timeouts_that_cannot_be_are_refused(call: Callable[[], Any], why: str) -> None:
    """Before anything is recorded."""
    with pytest.raises(ValueError, match=why):
        call()


def test_a_timeout_raises_what_was_awaited_and_for_how_long(engine_url: str) -> None:
    """So that the workflow can go another way."""

    def impatient() -> Any:
        try:
            return breakpoint("nobody", timeout=0.05).by
        except WaitTimeoutError as error:
            return (error.on, error.name, error.timeout_s, str(error))

    expected = ("breakpoint", "nobody", 0.05, "No breakpoint 'nobody' came within 0.05 s.")
    assert tuple(run("impatient", impatient, "t1").get_result()) == expected


def test_a_run_that_fails_of_a_timeout_keeps_its_words(engine_url: str) -> None:
    """The error survives the engine's serializer."""
    handle = run("gives_up", lambda: wait_for_signal("never", timeout=0.01), "t2")
    with pytest.raises(WaitTimeoutError, match="No signal 'never' came"):
        handle.get_result()


class Order(BaseModel):
    """A typed message."""

    id: int


def test_a_signal_is_read_as_the_type_that_was_asked_for(engine_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A message that is not of that type is dropped with a warning, and the wait continues."""
    good = run("typed", lambda: wait_for_signal("order", type=Order).id, "t3")
    DBOS.send("t3", {"id": "7"}, "order")
    assert good.get_result() == 7
    patient = run("typed_too", lambda: wait_for_signal("order", type=Order).id, "t4")
    for id_ in ("many", "more", 8):
        DBOS.send("t4", {"id": id_}, "order")
    assert patient.get_result() == 8
    dropped = [record.getMessage() for record in caplog.records if "was dropped" in record.getMessage()]
    assert len(dropped) == 2
    assert "run t4 waits on for its signal 'order'" in dropped[0]


def test_what_does_not_fit_gives_a_wait_no_more_time(engine_url: str) -> None:
    """Its timeout continues, whatever was dropped."""

    def impatient() -> str:
        try:
            return str(wait_for_signal("order", timeout=0.3, type=Order))
        except WaitTimeoutError as error:
            return str(error)

    handle = run("typed_impatient", impatient, "t4-timeout")
    DBOS.send("t4-timeout", {"id": "many"}, "order")
    assert handle.get_result() == "No signal 'order' came within 0.3 s."


def test_asynchronous_workflows_wait_and_publish_alike(engine_url: str, store: StateStore) -> None:
    """Each function has a twin."""

    async def patient() -> list[Any]:
        hook = await webhook_async("callback", base_url="https://ops.example.com/durable/")
        await set_event_async("url", hook.url)
        first = await wait_for_signal_async("one")
        label = await breakpoint_async("two")
        return [first, label.by, await hook.wait_async()]

    handle = run("patient", patient, "t5")
    DBOS.send("t5", 1, "one")
    waiting = until(
        lambda: (found := store.get_run("t5")) and found.waiting and found.waiting.on == "breakpoint" and found.waiting
    )
    DBOS.send("t5", {"id": "x", "body": {"by": "ann"}}, wait_topic("breakpoint", "two", waiting.seq))  # type: ignore[arg-type]
    waiting = until(
        lambda: (found := store.get_run("t5")) and found.waiting and found.waiting.on == "webhook" and found.waiting
    )
    assert waiting.name == "callback"
    DBOS.send("t5", {"id": "y", "body": None}, "durable.webhook:callback#1")
    assert handle.get_result() == [1, "ann", None]
    url = store.published_event("t5", "url")
    assert url is not None
    assert str(decode(url.value).json).startswith("https://ops.example.com/durable/api/webhooks/")


def test_a_webhook_of_a_worker_that_knows_no_address_is_warned_of_once(
    engine_url: str, store: StateStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Its URL is a path, which no third party can call."""
    webhooks._warn_of_relative_url.cache_clear()

    def handing_out() -> list[str]:
        return [webhook("one").url, webhook("two").url]

    urls = run("handing_out", handing_out, "t-relative").get_result()
    assert [url.partition("/api/")[0] for url in urls] == ["/durable", "/durable"]
    assert len([record for record in caplog.records if "public_url=" in record.message]) == 1


def test_what_is_published_is_readable_by_every_language_where_it_can_be(engine_url: str, store: StateStore) -> None:
    """Models as JSON; what JSON does not know, in the application's own format."""

    def publishing() -> None:
        set_event("model", Order(id=3))
        set_event("plain", {"deep": [1, None, "x", 1.5, True]})
        set_event("own", {1, 2})
        set_event("infinite", float("inf"))

    run("publishing", publishing, "t6").get_result()
    shown = {event.key: event.value for event in store.published_events("t6")}
    formats = {key: value.serialization for key, value in shown.items()}
    assert formats == {"model": "portable_json", "plain": "portable_json", "own": "py_pickle", "infinite": "py_pickle"}
    assert decode(shown["model"]).json == {"id": 3}


def test_what_comes_too_late_for_one_wait_does_not_release_the_next(engine_url: str, store: StateStore) -> None:
    """Every wait but a plain signal listens on a topic of its own."""

    def twice() -> list[Any]:
        heard: list[Any] = []
        for timeout in (0.05, None):
            try:
                heard.append(breakpoint("again", timeout=timeout).by)
            except WaitTimeoutError:
                heard.append("timeout")
        return heard

    handle = run("twice", twice, "t7")
    second = until(
        lambda: (found := store.get_run("t7")) and found.waiting and found.waiting.seq == 5 and found.waiting
    )
    DBOS.send("t7", {"id": "late", "body": {"by": "late"}}, wait_topic("breakpoint", "again", 2))
    DBOS.send("t7", {"id": "now", "body": {"by": "now"}}, wait_topic("breakpoint", "again", second.seq))  # type: ignore[arg-type]
    assert handle.get_result() == ["timeout", "now"]


def test_waits_side_by_side_are_each_told_apart(engine_url: str, store: StateStore) -> None:
    """Three waits of one asynchronous run, answered out of order."""

    async def three() -> list[Any]:
        import asyncio

        return list(await asyncio.gather(*[wait_for_signal_async(name) for name in ("a", "b", "c")]))

    handle = run("three", three, "t8")
    waiting = until(lambda: store.open_waits("t8"), lambda found: len(found) == 3, what="three waits")
    assert [(wait.seq, wait.topic) for wait in waiting] == [(2, "a"), (5, "b"), (8, "c")]
    assert [step.name for step in store.get_steps("t8")] == ["signal:a", "signal:b", "signal:c"]
    for name in ("c", "a", "b"):
        DBOS.send("t8", name.upper(), name)
    assert handle.get_result() == ["A", "B", "C"]
    assert store.open_waits("t8") == []


@pytest.mark.parametrize(
    ("announced", "left"),
    [
        ({"on": "update", "name": "address", "until": 1_007_500}, 7.5),
        ({"on": "update", "name": "address", "until": 999_000}, 0.0),
        ({"on": "signal", "name": "address", "until": 1_007_500}, 40.0),
        ({"on": "update", "name": "other", "until": 1_007_500}, 40.0),
        (None, 40.0),
    ],
)
def test_what_is_left_of_a_wait_counts_from_its_announcement(
    monkeypatch: pytest.MonkeyPatch, announced: dict[str, Any] | None, left: float
) -> None:
    """The announcement outlives the process; its own clock is asked only where the announcement is another wait's."""
    monkeypatch.setattr(waits.engine, "own_event", lambda key: announced)  # type: ignore[attr-defined]
    monkeypatch.setattr(waits.time, "time", lambda: 1000.0)  # type: ignore[attr-defined]
    monkeypatch.setattr(waits.time, "monotonic", lambda: 120.0)  # type: ignore[attr-defined]
    assert waits.left_s("update", "address", 60.0, 100.0) == left
    assert waits.left_s("update", "address", None, 100.0) is None
