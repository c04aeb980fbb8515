"""Messages that do not fit the type which their wait declared: refused, or dropped by the wait. None ends the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboard.actions import cancel, messages, retry
from dashboard.errors import Refused, Unprocessable
from tests.actions.world import World
from tests.waiting import until

YORK = {"street": "Long Lane", "city": "York"}
NOWHERE = {"street": "Long Lane"}


def call(world: World, token: str, body: object) -> None:
    """Deliver a callback."""
    messages.deliver_webhook(world.ctx, token, body, size_bytes=10)


def test_a_signal_that_came_before_its_wait_and_does_not_fit_is_dropped(world: World) -> None:
    """Nobody knew its type yet. The run waits on, and takes the next one."""
    world.touch("hold-early-signal")
    world.start("typed_signal", "early-signal", run_id="ty1")
    until(lambda: world.log("work early-signal"), what="the step before the wait")
    messages.signal(world.ctx, "ty1", "address", NOWHERE, actor="ann")
    world.touch("go-early-signal")
    until(lambda: not world.store.unread_messages("ty1"), what="the early message to be read")
    assert world.waits("ty1", "signal", "address").status == "suspended"
    with pytest.raises(Unprocessable, match="'city' is missing"):
        messages.signal(world.ctx, "ty1", "address", NOWHERE, actor="ann")
    messages.signal(world.ctx, "ty1", "address", YORK, actor="ann")
    world.reaches("ty1", "completed")
    assert world.output("ty1") == "York"


def test_a_callback_of_another_type_than_declared_is_refused_and_may_be_sent_again(world: World) -> None:
    """The sender gets to know what is wrong; the run waits on."""
    world.start("typed_hook", run_id="ty2")
    world.waits("ty2", "webhook", "payment")
    token = world.webhook_token("ty2")
    for body, reason in ((NOWHERE, "'city' is missing"), ("York", "not an object"), (None, "not an object")):
        with pytest.raises(Unprocessable, match=reason):
            call(world, token, body)
    assert world.run("ty2").status == "suspended"
    call(world, token, YORK)
    world.reaches("ty2", "completed")
    assert world.output("ty2") == "York"


def test_a_callback_that_came_before_its_wait_and_does_not_fit_leaves_the_url_good(world: World) -> None:
    """It was answered with 202 and is dropped by the wait, so the same address takes another: one."""
    world.touch("hold-early-call")
    world.start("typed_hook", "early-call", run_id="ty3")
    token = world.webhook_token("ty3")
    call(world, token, NOWHERE)
    with pytest.raises(Refused, match="delivered already"):
        call(world, token, YORK)
    world.touch("go-early-call")
    until(lambda: [wait.dropped for wait in world.store.open_waits("ty3")] == [1], what="the wait to begin again")
    call(world, token, YORK)
    with pytest.raises(Refused):
        call(world, token, YORK)
    world.reaches("ty3", "completed")
    assert world.output("ty3") == "York"


def test_of_waits_side_by_side_each_takes_what_fits_it(world: World) -> None:
    """Whichever was announced last: each is known by its own topic and type."""
    world.start("side_by_side", run_id="ty4")
    until(lambda: len(world.store.open_waits("ty4")) == 4, what="four waits")
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: messages.update(world.ctx, "ty4", "quantity", "many", actor="ann"), "'many' is not an integer"),
        (lambda: messages.update(world.ctx, "ty4", "name", 3, actor="ann"), "3 is not a string"),
        (lambda: messages.signal(world.ctx, "ty4", "address", NOWHERE, actor="ann"), "'city' is missing"),
    ]
    for send, reason in refused:
        with pytest.raises(Unprocessable, match=reason):
            send()
    messages.continue_run(world.ctx, "ty4", actor="ann")
    until(lambda: len(world.store.open_waits("ty4")) == 3, what="the breakpoint to be released")
    with pytest.raises(Refused, match="nothing to continue"):
        messages.continue_run(world.ctx, "ty4", actor="ann")
    messages.update(world.ctx, "ty4", "name", "Ann", actor="ann")
    messages.update(world.ctx, "ty4", "quantity", 4, actor="ann")
    messages.signal(world.ctx, "ty4", "address", YORK, actor="ann")
    world.reaches("ty4", "completed")
    assert world.output("ty4") == [4, "ann", "York", "Ann"]
    assert world.step_names("ty4") == ["update:quantity", "breakpoint:look", "signal:address", "update:name"]


def test_a_cancel_wakes_every_wait(world: World) -> None:
    """Whichever was announced last: each holds something of the worker."""
    world.start("side_by_side", run_id="ty5")
    until(lambda: len(world.store.open_waits("ty5")) == 4, what="four waits")
    cancel.cancel(world.ctx, "ty5", actor="ann")
    woken = {message.topic for message in world.store.unread_messages("ty5")}
    assert woken == {wait.topic for wait in world.store.open_waits("ty5")}
    until(lambda: not world.ctx.presence().in_flight("ty5"), what="the worker to be free of it")
    retry.retry(world.ctx, "ty5", actor="ann")
    until(lambda: not world.store.unread_messages("ty5"), what="every wake to be read")
    until(lambda: len(world.store.open_waits("ty5")) == 4, what="four waits again")
