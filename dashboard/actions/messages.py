"""Messages to waiting runs: continue, signal, update, webhook. Each delivered exactly once.

Exactly once by the engine's idempotency keys: the same key on the same run inserts nothing again. Messages are written
in the portable format, which runs of every language read.
"""

from __future__ import annotations

import json
import pickle
import time
import uuid
from collections.abc import Sequence
from typing import Any

from dbos import WorkflowSerializationFormat

from dashboard.actions.context import Desk, Outcome
from dashboard.actions.inert import InertSerializer
from dashboard.errors import BadRequest, NotFound, Problem, Refused, TooLarge, Unprocessable
from dashboard.workflow.names import MAX_TOPIC_CHARS, WAIT_EVENT_KEY, WAKE, wait_topic
from dashboard.workflow.tokens import InvalidTokenError, WebhookToken, unseal
from dashboard.workflow.validators import UpdateRejectedError
from dashboard.workflow.webhooks import webhook_secret, webhook_topic
from otel_bridge.codec import decode
from otel_bridge.model.runs import Run, Waiting
from otel_bridge.model.values import UnreadMessage

_SERIALIZER = InertSerializer()
_NATIVE = WorkflowSerializationFormat.NATIVE
_UNREADABLE = (ValueError, TypeError, LookupError, EOFError, AttributeError, ImportError, pickle.PickleError)


def send(desk: Desk, run_id: str, topic: str, message: Any, *, key: str) -> None:
    """Put a message into a run's mailbox, once per ``key``."""
    with desk.engine.use() as client:
        client.send(
            run_id,
            message,
            topic,
            idempotency_key=key,
            serialization_type=WorkflowSerializationFormat.PORTABLE,
        )


def continue_run(desk: Desk, run_id: str, *, actor: str) -> Outcome:
    """Release the breakpoint at which a run is paused.

    Raises:
        NotFound: there is no such run.
        Refused: it is not paused at a breakpoint.
    """
    with desk.audited(actor, "continue", run_id):
        run = desk.run(run_id)
        waiting = _waiting(run)
        if waiting is None or waiting.on != "breakpoint":
            raise Refused(
                f"The run is {_state(run)}: it is not paused at a breakpoint, so there is nothing to continue."
            )
        assert waiting.seq is not None  # _waiting says so
        assert waiting.name is not None
        topic = wait_topic("breakpoint", waiting.name, waiting.seq)
        send(desk, run_id, topic, {"id": topic, "body": {"by": actor}}, key=f"continue:{_life(desk, run)}:{topic}")
        return Outcome(desk.run(run_id))


def signal(desk: Desk, run_id: str, topic: str, message: Any, *, actor: str, key: str | None = None) -> Outcome:
    """Send a message to a run, which may wait for it now or later.

    Args:
        key: idempotency key of the client; a repeat with the same key is delivered once.

    Raises:
        NotFound: there is no such run.
        BadRequest: null, which the engine cannot tell from no message; or a topic that is not for signals.
        Refused: the run has ended.
    """
    with desk.audited(actor, "signal", run_id, topic=topic[:MAX_TOPIC_CHARS]):
        if message is None:
            raise BadRequest("A signal needs a body: null cannot be told from no message. Send {} or a string.")
        if topic.startswith("durable.") or not 0 < len(topic) <= MAX_TOPIC_CHARS:
            raise BadRequest(
                f"{topic[:80]!r} is no topic for signals: 1 to {MAX_TOPIC_CHARS} characters, not 'durable.…'."
            )
        run = desk.run(run_id)
        if run.is_terminal:
            raise Refused(f"The run is {run.status}: it waits for no signal any more.")
        send(desk, run_id, topic, message, key=f"signal:{topic}:{key or uuid.uuid4().hex}")
        return Outcome(desk.run(run_id))


def update(desk: Desk, run_id: str, name: str, value: Any, *, actor: str, key: str | None = None) -> Outcome:
    """Send an update to the run that waits for it, after its validators accepted it.

    Raises:
        NotFound: there is no such run.
        Unprocessable: a validator rejected it; ``extra`` holds ``accepted`` and ``reason``. The run is untouched.
        Refused: the run does not wait for this update, or its wait ended before the update came.
    """
    with desk.audited(actor, "update", run_id, name=name[:MAX_TOPIC_CHARS]):
        run = desk.run(run_id)
        delivery = f"update:{name}:{key or uuid.uuid4().hex}"
        waiting = _waiting(run)
        if waiting is None or waiting.on != "update" or waiting.name != name:
            if key is not None and desk.ledger.count(run_id, delivery):
                return Outcome(run)  # a repeat of what was delivered
            raise Refused(f"The run is {_state(run)}: it does not wait for an update {name!r} now.")
        try:
            desk.validators.check(run.workflow, name, value)
        except UpdateRejectedError as error:
            raise Unprocessable(str(error), accepted=False, reason=str(error)) from error
        assert waiting.seq is not None  # _waiting says so
        topic = wait_topic("update", name, waiting.seq)
        send(desk, run_id, topic, {"id": delivery, "body": value}, key=f"{_life(desk, run)}:{delivery}")
        _confirm(desk, run_id, waiting.seq, delivery)
        desk.ledger.bump_count(run_id, delivery)
        return Outcome(desk.run(run_id))


def _confirm(desk: Desk, run_id: str, seq: int, delivery: str) -> None:
    """Make sure that an update reached the wait it was meant for.

    The engine looks into the mailbox in the very transaction that ends a wait. So a wait that is still open after our
    message was committed will receive it. A wait that has ended holds what it received: ours, or not.

    Raises:
        Refused: the wait ended without our update.
    """
    step = desk.store.get_step(run_id, seq)
    if step is None or step.is_open:
        return
    received = decode(step.output).json if step.output is not None else None
    if not isinstance(received, dict) or received.get("id") != delivery:
        raise Refused("The run stopped waiting before the update came: it did not receive it.")


def wake(desk: Desk, run: Run) -> None:
    """Wake the wait of a run that was just cancelled, so that the worker's thread which waits there notices.

    Only waits of ``dashboard.workflow`` are woken: they know what to make of it, should the run be resumed.
    """
    if run.waiting is None or run.waiting.on not in ("breakpoint", "signal", "update", "webhook"):
        return
    announced = desk.store.published_event(run.id, WAIT_EVENT_KEY)
    value = decode(announced.value).json if announced is not None else None
    if isinstance(value, dict) and value.get("seq") == run.waiting.seq and isinstance(value.get("topic"), str):
        send(desk, run.id, value["topic"], WAKE, key=f"wake:{uuid.uuid4().hex}")


def keep_mail(desk: Desk, run_id: str, unread: Sequence[UnreadMessage]) -> list[str]:
    """Send what a rewind deleted unread: a callback that came early is not lost because its run failed meanwhile.

    Returns:
        A note when a message could not be kept, for it holds an object that only the application may build.
    """
    lost = 0
    for message in unread:
        try:
            native = message.value.serialization != "portable_json"
            value = _SERIALIZER.deserialize(message.value.text) if native else json.loads(message.value.text)
        except _UNREADABLE:  # somebody else's format: nothing is executed to read it
            lost += 1
            continue
        if value == WAKE:
            continue
        with desk.engine.use() as client:
            client.send(
                run_id,
                value,
                message.topic,
                idempotency_key=message.key,
                serialization_type=_NATIVE if native else WorkflowSerializationFormat.PORTABLE,
            )
    if not lost:
        return []
    return [f"{lost} unread message{'s' if lost > 1 else ''} could not be kept: only the application can read them."]


# -- webhooks ----------------------------------------------------------------------------------------------

_GONE = "There is no such webhook."


def deliver_webhook(desk: Desk, token: str, body: Any, *, size_bytes: int, request: Any = None) -> None:
    """Deliver a third party's callback to the wait that its token is bound to.

    A callback before the wait is kept until the wait comes. Nothing that is answered tells of the run.

    Raises:
        TooLarge: the body is.
        NotFound: the token is not ours, or has expired, or the host's ``verify_webhook`` did not accept the request.
        Refused: it was delivered already, or the run has ended.
    """
    if size_bytes > desk.max_webhook_bytes:
        raise TooLarge(f"A webhook takes at most {desk.max_webhook_bytes} bytes.")
    try:
        bound = unseal(token, webhook_secret(desk.ledger, desk.webhook_secret))
    except InvalidTokenError as error:
        raise NotFound(_GONE) from error
    if bound.expires_ms is not None and bound.expires_ms < time.time() * 1000:
        raise NotFound(_GONE)
    if desk.verify_webhook is not None and not _verified(desk, bound, request):
        raise NotFound(_GONE)
    with desk.audited("webhook", "webhook", bound.run_id, name=bound.name):
        _deliver(desk, bound, body)


def _verified(desk: Desk, bound: WebhookToken, request: Any) -> bool:
    """Ask the host's hook whether the third party's signature is good: ``hook(request, name, run_id) -> bool``."""
    assert desk.verify_webhook is not None  # the caller checked
    try:
        return bool(desk.verify_webhook(request, bound.name, bound.run_id))
    except Problem:
        raise
    except Exception as error:  # a broken hook lets nobody in
        raise NotFound(_GONE) from error


def _deliver(desk: Desk, bound: WebhookToken, body: Any) -> None:
    run = desk.store.get_run(bound.run_id)
    if run is None:
        raise NotFound(_GONE)
    if run.is_terminal:
        raise Refused("This webhook is not waited for any more.")
    topic = webhook_topic(bound.name, bound.seq)
    once = f"{topic}:{_life(desk, run)}"
    send(desk, run.id, topic, {"id": once, "body": body}, key=once)
    if desk.ledger.bump_count(run.id, once) > 1:
        raise Refused("This webhook was delivered already.")


def _life(desk: Desk, run: Run) -> int:
    """Return how often actions made the run live again: what was delivered to an earlier life may come again."""
    return desk.ledger.count(run.id, "revived")


def _waiting(run: Run) -> Waiting | None:
    waiting = run.waiting
    return waiting if waiting is not None and waiting.seq is not None and waiting.name is not None else None


def _state(run: Run) -> str:
    if run.waiting is None:
        return run.status
    return f"{run.status}, waiting for {run.waiting.on}" + (f" {run.waiting.name!r}" if run.waiting.name else "")
