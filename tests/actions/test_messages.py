"""Continue, signals, updates, webhooks: each message reaches the wait it was meant for, once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from pydantic import BaseModel

from dashboard.actions import cancel, messages, retry
from dashboard.errors import BadRequest, NotFound, Refused, TooLarge, Unprocessable
from dashboard.workflow import validator
from dashboard.workflow.address import kept_address
from dashboard.workflow.names import wait_topic
from dashboard.workflow.tokens import InvalidTokenError, WebhookToken, seal, unseal
from dashboard.workflow.webhooks import webhook_secret
from tests.actions.world import World
from tests.story import mounted
from tests.waiting import until


def test_a_run_that_waits_says_on_what_and_hears_each_message_once(world: World) -> None:
    """A breakpoint, a signal, an update, each in turn."""
    world.start("waits", run_id="m1")
    world.waits("m1", "breakpoint", "look")
    messages.continue_run(world.ctx, "m1", actor="ann")
    world.waits("m1", "signal", "news")
    messages.signal(world.ctx, "m1", "news", {"good": True}, actor="ann")
    world.waits("m1", "update", "quantity")
    messages.update(world.ctx, "m1", "quantity", 3, actor="ann")
    world.reaches("m1", "completed")
    assert world.output("m1") == ["ann", {"good": True}, 3]


def test_continue_is_refused_where_there_is_no_breakpoint(world: World) -> None:
    """It says what the run waits for instead."""
    world.start("saga", run_id="m2")
    world.waits("m2", "signal", "go")
    with pytest.raises(Refused, match="waiting for signal 'go'"):
        messages.continue_run(world.ctx, "m2", actor="ann")


def test_a_webhooks_url_is_where_the_dashboard_is_reached(world: World) -> None:
    """Whole, with the prefix of the mount: the worker that makes it reads what the dashboard keeps."""
    with mounted(world.url, prefix="/ops/flows") as app:
        assert app.test_client().get("/ops/flows/api/runs", base_url="http://localhost:5000").status_code == 200
        until(lambda: kept_address(world.ledger), what="the address to be kept")
    world.start("hooked", run_id="m-url")
    url = str(world.event("m-url", "url"))
    assert url.startswith("http://localhost:5000/ops/flows/api/webhooks/")
    assert world.waits("m-url", "webhook", "payment").status == "suspended"


def test_two_continues_release_one_breakpoint(world: World) -> None:
    """The second finds the same message there, and releases nothing more."""
    world.start("waits", run_id="m3")
    world.waits("m3", "breakpoint")
    messages.continue_run(world.ctx, "m3", actor="ann")
    with suppress(Refused):  # it may have gone on already
        messages.continue_run(world.ctx, "m3", actor="bob")
    assert world.waits("m3", "signal", "news").status == "suspended"


def test_a_signal_before_its_wait_is_kept(world: World) -> None:
    """The engine's mailbox holds it."""
    world.start("waits", run_id="m4")
    world.waits("m4", "breakpoint")
    messages.signal(world.ctx, "m4", "news", "early", actor="ann")
    messages.continue_run(world.ctx, "m4", actor="ann")
    world.waits("m4", "update", "quantity")


def test_signals_that_cannot_be_delivered_are_refused(world: World) -> None:
    """Null, reserved topics, ended runs, runs that do not exist."""
    world.start("plain", run_id="m5")
    world.reaches("m5", "completed")
    with pytest.raises(Refused, match="completed"):
        messages.signal(world.ctx, "m5", "news", 1, actor="ann")
    with pytest.raises(BadRequest, match="null"):
        messages.signal(world.ctx, "m5", "news", None, actor="ann")
    with pytest.raises(BadRequest, match="not a topic"):
        messages.signal(world.ctx, "m5", "durable.update:quantity#3", 1, actor="ann")
    with pytest.raises(NotFound):
        messages.signal(world.ctx, "nobody", "news", 1, actor="ann")


class Quantity(BaseModel):
    """What an update must look like."""

    amount: int


def at_most_ten(value: object) -> object:
    """A validator that gives its reason."""
    if isinstance(value, dict) and value["amount"] > 10:
        return "At most ten."
    return True


def test_validators_reject_with_a_reason_and_leave_the_run_untouched(new_world: Callable[..., World]) -> None:
    """A pydantic model, a callable that returns a reason, a callable that breaks: none lets a bad update through."""
    validator("short_update", "quantity", Quantity)
    validator("short_update", "quantity")(at_most_ten)
    world = new_world()
    world.worker()
    world.start("short_update", 60.0, run_id="v1")
    world.waits("v1", "update")
    for value, reason in (({"amount": "many"}, "amount"), ({"amount": 11}, "At most ten"), ("x", "valid dictionary")):
        with pytest.raises(Unprocessable, match=reason) as rejected:
            messages.update(world.ctx, "v1", "quantity", value, actor="ann")
        assert rejected.value.extra["accepted"] is False
    assert world.run("v1").waiting is not None
    messages.update(world.ctx, "v1", "quantity", {"amount": 7}, actor="ann")
    world.reaches("v1", "completed")
    assert world.output("v1") == {"amount": 7}


@pytest.mark.parametrize("workflow", ["waits_async", "typed_update"])
def test_an_update_of_another_type_than_declared_is_refused(world: World, workflow: str) -> None:
    """The type is known from the run's own wait: no validator is declared, here or there."""
    run_id = f"m6-{workflow}"
    world.start(workflow, run_id=run_id)
    world.waits(run_id, "update")
    with pytest.raises(Unprocessable, match="'many' is not an integer") as rejected:
        messages.update(world.ctx, run_id, "quantity", "many", actor="ann")
    assert rejected.value.extra == {"accepted": False, "reason": "'many' is not an integer."}
    messages.update(world.ctx, run_id, "quantity", 4, actor="ann")
    world.reaches(run_id, "completed")
    assert world.output(run_id) == 4


def test_an_update_of_the_wrong_type_cannot_break_a_typed_wait(world: World) -> None:
    """One that went round the control plane is dropped by the worker, which says so and waits on."""
    world.start("waits_async", run_id="m6")
    first = world.waits("m6", "update").waiting
    assert first is not None
    assert first.seq is not None
    messages.send(world.ctx, "m6", wait_topic("update", "quantity", first.seq), {"body": "not a number"}, key="round")
    until(lambda: world.run("m6").waiting, lambda w: w is not None and w.seq != first.seq, what="the next wait")
    messages.update(world.ctx, "m6", "quantity", 4, actor="ann")
    world.reaches("m6", "completed")
    assert world.output("m6") == 4


def test_a_signal_of_another_type_than_declared_is_refused_while_it_is_waited_for(world: World) -> None:
    """It would have failed the run."""
    world.start("typed_signal", run_id="m6-signal")
    world.waits("m6-signal", "signal", "address")
    with pytest.raises(Unprocessable, match="'city' is missing"):
        messages.signal(world.ctx, "m6-signal", "address", {"street": "Long Lane"}, actor="ann")
    messages.signal(world.ctx, "m6-signal", "address", {"street": "Long Lane", "city": "York"}, actor="ann")
    world.reaches("m6-signal", "completed")
    assert world.output("m6-signal") == "York"


def test_an_update_to_a_run_that_does_not_wait_says_so(world: World) -> None:
    """And which wait it is in."""
    world.start("waits", run_id="m7")
    world.waits("m7", "breakpoint")
    with pytest.raises(Refused, match="does not wait for an update 'quantity'"):
        messages.update(world.ctx, "m7", "quantity", 1, actor="ann")


def test_an_update_that_a_client_repeats_is_applied_once(world: World) -> None:
    """By its idempotency key; the repeat is answered like the first."""
    world.start("waits_async", run_id="m8")
    world.waits("m8", "update")
    messages.update(world.ctx, "m8", "quantity", 5, actor="ann", key="k")
    world.reaches("m8", "completed")
    assert messages.update(world.ctx, "m8", "quantity", 5, actor="ann", key="k").run.status == "completed"
    with pytest.raises(Refused):
        messages.update(world.ctx, "m8", "quantity", 6, actor="ann", key="other")


def test_update_against_timeout_is_received_or_refused_never_both(world: World) -> None:
    """An accepted update is in the run's output; a refused one is not."""
    outcomes = []
    for number, timeout_s in enumerate((60.0, 0.3, 0.2, 0.1, 0.05)):  # the update comes as the last ones run out
        run_id = f"m9-{number}"
        world.start("short_update", timeout_s, run_id=run_id)
        until(
            partial(world.run, run_id),
            lambda run: run.status == "completed" or (run.waiting is not None and run.waiting.on == "update"),
            what=f"{run_id} to wait, or to be over",
        )
        try:
            messages.update(world.ctx, run_id, "quantity", {"amount": number}, actor="ann")
            accepted = True
        except Refused:
            accepted = False
        world.reaches(run_id, "completed")
        received = world.output(run_id) == {"amount": number}
        assert received == accepted, (number, world.output(run_id))
        outcomes.append(accepted)
    assert outcomes[0] is True


# -- webhooks ------------------------------------------------------------------------------------------------


def deliver(world: World, token: str, body: object, size_bytes: int = 10) -> None:
    """Deliver a callback."""
    messages.deliver_webhook(world.ctx, token, body, size_bytes=size_bytes)


def test_a_callback_resumes_the_run_that_handed_the_url_out(world: World) -> None:
    """Its body is what the wait returns; a repeat is told that it came before."""
    world.start("hooked", run_id="w1")
    world.waits("w1", "webhook", "payment")
    token = world.webhook_token("w1")
    deliver(world, token, {"paid": 12})
    with pytest.raises(Refused, match=r"already|not waited"):
        deliver(world, token, {"paid": 13})
    world.reaches("w1", "completed")
    assert world.output("w1") == {"paid": 12}


def test_a_callback_before_the_wait_is_kept_until_the_wait_comes(world: World) -> None:
    """The peer's trap: lost or delayed."""
    world.touch("hold-busy")
    world.start("hooked", "busy", run_id="w2")
    token = world.webhook_token("w2")
    assert world.run("w2").waiting is None
    deliver(world, token, "early")
    world.touch("go-busy")
    world.reaches("w2", "completed")
    assert world.output("w2") == "early"


def test_a_late_callback_is_told_that_nobody_waits(world: World) -> None:
    """And nothing else of the run."""
    world.start("hooked", run_id="w3")
    world.waits("w3", "webhook")
    token = world.webhook_token("w3")
    cancel.cancel(world.ctx, "w3", actor="ann")
    with pytest.raises(Refused) as refused:
        deliver(world, token, {})
    assert "w3" not in refused.value.detail
    assert "cancel" not in refused.value.detail


def test_many_callbacks_at_once_deliver_one(world: World) -> None:
    """Exactly once, whoever comes first."""
    world.start("hooked", run_id="w4")
    world.waits("w4", "webhook")
    token = world.webhook_token("w4")
    reported: list[str] = []

    def call(number: int) -> None:
        try:
            deliver(world, token, number)
            reported.append("delivered")
        except Refused:
            reported.append("refused")

    threads = [threading.Thread(target=call, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reported) == ["delivered"] + ["refused"] * 4
    world.reaches("w4", "completed")


def test_forged_damaged_expired_and_oversized_callbacks_reach_nobody(world: World) -> None:
    """404 tells nothing; 413 comes before the token is even looked at."""
    secret = webhook_secret(world.ledger)
    world.start("hooked", run_id="w5")
    world.waits("w5", "webhook")
    token = world.webhook_token("w5")
    expired = seal(WebhookToken("w5", "payment", 1, expires_ms=1), secret)
    forged = seal(WebhookToken("w5", "payment", 1), "another secret")
    nobody = seal(WebhookToken("no-such-run", "payment", 1), secret)
    for bad in (expired, forged, nobody, token[:-3] + "abc", token + "x", "x", ""):
        with pytest.raises(NotFound, match=r"^No webhook has this address\. It was used up, has ended, or was .*\.$"):
            deliver(world, bad, {})
    with pytest.raises(TooLarge):
        deliver(world, token, {}, size_bytes=10**9)
    assert world.run("w5").status == "suspended"


def test_the_host_can_check_the_third_partys_signature(new_world: Callable[..., World]) -> None:
    """A hook that says no, or breaks, lets nobody in."""
    asked: list[tuple[object, str, str]] = []

    def hook(request: object, name: str, run_id: str) -> bool:
        asked.append((request, name, run_id))
        if request == "broken":
            raise ZeroDivisionError
        return request == "signed"

    world = new_world(verify_webhook=hook)
    world.worker()
    world.start("hooked", run_id="w6")
    token = world.webhook_token("w6")
    for request in ("unsigned", "broken"):
        with pytest.raises(NotFound):
            messages.deliver_webhook(world.ctx, token, {}, size_bytes=2, request=request)
    messages.deliver_webhook(world.ctx, token, {"ok": 1}, size_bytes=2, request="signed")
    world.reaches("w6", "completed")
    assert asked[-1] == ("signed", "payment", "w6")


def test_a_token_reads_as_noise() -> None:
    """Neither run nor name can be read from it, and two tokens of one wait differ."""
    bound = WebhookToken("order-1234", "payment", 3)
    one, other = seal(bound, "s"), seal(bound, "s")
    assert one != other
    assert unseal(one, "s") == unseal(other, "s") == bound
    assert "order" not in one
    with pytest.raises(InvalidTokenError):
        unseal(one, "t")


# -- what cancel and retry make of waits and mail ------------------------------------------------------------------


def test_a_cancelled_wait_gives_its_workers_thread_back_and_a_resumed_one_waits_on(world: World) -> None:
    """The engine notices a cancellation between steps only: the wait is woken, and nobody takes that for a message."""
    world.start("waits", run_id="k1")
    world.waits("k1", "breakpoint")
    until(lambda: world.ctx.presence().in_flight("k1"), what="presence to show the wait")
    cancel.cancel(world.ctx, "k1", actor="ann")
    until(lambda: not world.ctx.presence().in_flight("k1"), what="the thread to be given back")
    retry.retry(world.ctx, "k1", actor="ann")
    until(lambda: not world.store.unread_messages("k1"), what="the wake to be read")
    world.waits("k1", "breakpoint", "look")
    messages.continue_run(world.ctx, "k1", actor="ann")
    world.waits("k1", "signal", "news")


def test_a_callback_that_came_early_survives_a_failure_and_its_retry(world: World) -> None:
    """The engine's rewind deletes unread messages; a retry sends them again."""
    world.touch("hold-busy-k2")
    world.touch("break-busy-k2")
    world.start("hooked", "busy-k2", run_id="k2")
    token = world.webhook_token("k2")
    deliver(world, token, "early")
    world.touch("go-busy-k2")
    world.reaches("k2", "failed")
    world.remove("break-busy-k2")
    retry.retry(world.ctx, "k2", actor="ann")
    world.reaches("k2", "completed")
    assert world.output("k2") == "early"
