"""Messages to waiting runs: continue, wake, signal, update, webhook. Each delivered exactly once.

Exactly once by the engine's idempotency keys: the same key on the same run inserts nothing again. Messages are written
in the portable format, which runs of every language read.
"""

from __future__ import annotations

import json
import logging
import pickle
import time
import uuid
from collections.abc import Sequence
from typing import Any

from dbos import WorkflowSerializationFormat

from dashboard.actions.context import ActionContext, Outcome
from dashboard.actions.inert import InertSerializer
from dashboard.actions.json_schema import misfit
from dashboard.errors import BadRequest, NotFound, Problem, Refused, TooLarge, Unprocessable
from dashboard.workflow.names import MAX_TOPIC_CHARS, WAKE
from dashboard.workflow.tokens import InvalidTokenError, WebhookToken, unseal
from dashboard.workflow.validators import UpdateRejectedError
from dashboard.workflow.webhooks import webhook_secret, webhook_topic
from otel_bridge.codec import decode
from otel_bridge.ledger.base import REVIVED
from otel_bridge.model.runs import OpenWait, Run
from otel_bridge.model.values import UnreadMessage
from otel_bridge.runs.blocked import blocked_reason
from otel_bridge.runs.presence import Presence

log = logging.getLogger(__name__)

_SERIALIZER = InertSerializer()
_NATIVE = WorkflowSerializationFormat.NATIVE
_UNREADABLE = (ValueError, TypeError, LookupError, EOFError, AttributeError, ImportError, pickle.PickleError)


def send(ctx: ActionContext, run_id: str, topic: str, message: Any, *, key: str) -> None:
    """Put a message into a run's mailbox, once per ``key``."""
    with ctx.engine.use() as client:
        client.send(
            run_id,
            message,
            topic,
            idempotency_key=key,
            serialization_type=WorkflowSerializationFormat.PORTABLE,
        )


def continue_run(
    ctx: ActionContext,
    run_id: str,
    *,
    actor: str,
    comment: str | None = None,
    payload: Any = None,
    seq: int | None = None,
    kept: Any = None,
) -> Outcome:
    """Release the breakpoint at which a run is paused; of several side by side, the one that it shows.

    Args:
        comment, payload: handed to the workflow.
        seq: the breakpoint that is meant, by the number of its step.
        kept: the payload as the audit log may show it; the comment is kept there, too.

    Raises:
        NotFound: there is no such run.
        Unprocessable: the breakpoint declared a type that the payload is not of.
        Refused: it is not paused at a breakpoint, or not at the one that is meant.
    """
    with ctx.audited(actor, "continue", run_id, comment=comment or None, payload=kept, seq=seq):
        run = ctx.run(run_id)
        ctx.permission.require("continue", run)
        wait = _meant(run, [wait for wait in _open_waits(ctx, run) if wait.on == "breakpoint"], seq)
        if wait is None:
            what = "a breakpoint" if seq is None else f"breakpoint {seq}"
            raise Refused(f"The run is {_state(run)}: it is not paused at {what}, so there is nothing to continue.")
        _require_fit([wait], payload)
        body = {"by": actor, **({} if not comment else {"comment": comment}), "payload": payload}
        again = f":{wait.dropped}" if wait.dropped else ""  # one that it dropped does not count as the answer
        key = f"continue:{_life(ctx, run)}:{wait.topic}{again}"
        send(ctx, run_id, wait.topic, {"id": wait.topic, "body": body}, key=key)
        return _sent(ctx, run_id)


def wake(ctx: ActionContext, run_id: str, *, actor: str, comment: str | None = None, seq: int | None = None) -> Outcome:
    """End the sleep of a run before its time; of several side by side, the one that it shows.

    Args:
        comment: handed to the workflow.
        seq: the sleep that is meant, by the number of its step.

    Raises:
        NotFound: there is no such run.
        Refused: it is in no sleep of ``dashboard.workflow``, or not in the one that is meant; or it woke by itself
            meanwhile.
    """
    with ctx.audited(actor, "wake", run_id, comment=comment or None, seq=seq):
        run = ctx.run(run_id)
        ctx.permission.require("wake", run)
        wait = _meant(run, [wait for wait in _open_waits(ctx, run) if wait.on == "sleep"], seq)
        if wait is None:
            asleep = run.waiting is not None and run.waiting.on == "sleep"
            engines = " The engine's own sleep cannot be woken: dashboard.workflow.sleep() can." if asleep else ""
            which = "in no sleep that can be woken" if seq is None else f"not in sleep {seq}"
            raise Refused(f"The run is {_state(run)}: it is {which}.{engines}")
        key = f"wake:{_life(ctx, run)}:{wait.topic}"
        body = {"by": actor, **({} if not comment else {"comment": comment})}
        send(ctx, run_id, wait.topic, {"id": key, "body": body}, key=key)
        _confirm(ctx, run_id, wait.seq, key)
        return _sent(ctx, run_id)


def _meant(run: Run, waits: Sequence[OpenWait], seq: int | None) -> OpenWait | None:
    """Return the wait with this number; without one the wait that the run shows, else the last; None: none is open."""
    meant = [wait for wait in waits if seq in (None, wait.seq)]
    shown = None if run.waiting is None else run.waiting.seq
    return next((wait for wait in meant if wait.seq == shown), meant[-1] if meant else None)


def signal(ctx: ActionContext, run_id: str, topic: str, message: Any, *, actor: str, key: str | None = None) -> Outcome:
    """Send a message to a run, which may wait for it now or later.

    Args:
        key: idempotency key of the client; a repeat with the same key is delivered once.

    Raises:
        NotFound: there is no such run.
        BadRequest: null, which the engine cannot tell from no message; or a topic that is not for signals.
        Unprocessable: the run waits for it, and declared a type that it is not of. One that comes before its wait is
            kept, and dropped by the wait if it does not fit.
        Refused: the run has ended.
    """
    with ctx.audited(actor, "signal", run_id, topic=topic[:MAX_TOPIC_CHARS]):
        if message is None:
            raise BadRequest(
                "A signal needs a body: null cannot be distinguished from a missing message. Send {} or a string."
            )
        if topic.startswith("durable.") or not 0 < len(topic) <= MAX_TOPIC_CHARS:
            raise BadRequest(
                f"{topic[:80]!r} is not a topic for signals: 1 to {MAX_TOPIC_CHARS} characters, not 'durable.…'."
            )
        run = ctx.run(run_id)
        ctx.permission.require("signal", run)
        if run.is_terminal:
            raise Refused(f"The run is {run.status}: it waits for no signal any more.")
        _require_fit([wait for wait in _open_waits(ctx, run) if wait.topic == topic], message)
        send(ctx, run_id, topic, message, key=f"signal:{topic}:{key or uuid.uuid4().hex}")
        return _sent(ctx, run_id)


def update(ctx: ActionContext, run_id: str, name: str, value: Any, *, actor: str, key: str | None = None) -> Outcome:
    """Send an update to the run that waits for it, after its validators accepted it.

    Raises:
        NotFound: there is no such run.
        Unprocessable: a validator rejected it, or it is not of the type that the run declared; ``extra`` holds
            ``accepted`` and ``reason``. The run is untouched.
        Refused: the run does not wait for this update, its wait ended before the update came, or its validator is
            known to workers only.
    """
    with ctx.audited(actor, "update", run_id, name=name[:MAX_TOPIC_CHARS]):
        run = ctx.run(run_id)
        ctx.permission.require("update", run)
        delivery = f"update:{name}:{key or uuid.uuid4().hex}"
        waits = [wait for wait in _open_waits(ctx, run) if (wait.on, wait.name) == ("update", name)]
        if not waits:
            if key is not None and ctx.ledger.count(run_id, delivery):
                return Outcome(run)  # a repeat of what was delivered
            raise Refused(f"The run is {_state(run)}: it does not wait for an update {name!r} now.")
        if not ctx.validators.knows(run.workflow, name) and validated_by_workers(run.workflow, name, ctx.presence()):
            raise Refused(
                f"Workers validate update {name!r} of {run.workflow!r}, but this process does not know how. "
                "Import the module that declares it here, or give it as ActionSettings(validators=...)."
            )
        try:
            ctx.validators.check(run.workflow, name, value)
        except UpdateRejectedError as error:
            raise Unprocessable(str(error), accepted=False, reason=str(error)) from error
        wait = _require_fit(waits, value) or waits[0]
        send(ctx, run_id, wait.topic, {"id": delivery, "body": value}, key=f"{_life(ctx, run)}:{delivery}")
        _confirm(ctx, run_id, wait.seq, delivery)
        ctx.ledger.bump_count(run_id, delivery)
        return _sent(ctx, run_id)


def validated_by_workers(workflow: str, name: str, seen: Presence) -> bool:
    """Say whether a live worker reports a validator of this update. Pure."""
    return any(one.name == name for one in seen.validators(workflow))


def _sent(ctx: ActionContext, run_id: str) -> Outcome:
    """Return the run after a message to it, and say so where nobody is there to read the message."""
    run = ctx.run(run_id)
    blocked = None if run.is_terminal else blocked_reason(run, ctx.presence())
    if blocked is None:
        return Outcome(run)
    return Outcome(
        run,
        (f"Nobody reads the message yet: it is kept until the run is taken up. {blocked.reason} {blocked.remedy}",),
    )


def _confirm(ctx: ActionContext, run_id: str, seq: int, delivery: str) -> None:
    """Make sure that a message reached the wait it was meant for.

    The engine looks into the mailbox in the very transaction that ends a wait. So a wait that is still open after our
    message was committed will receive it. A wait that has ended holds what it received: ours, or not.

    Raises:
        Refused: the wait ended without our message.
    """
    step = ctx.store.get_step(run_id, seq)
    if step is None or step.is_open:
        return
    received = decode(step.output).json if step.output is not None else None
    if received == WAKE:  # the run was resumed: the wait begins again, and listens where it did
        return
    if not isinstance(received, dict) or received.get("id") != delivery:
        raise Refused("The run stopped waiting before the message came: it did not receive it.")


def end_waits(ctx: ActionContext, run: Run) -> None:
    """Wake the waits of a run that was just cancelled, so that the worker's thread which waits there notices.

    Only waits of ``dashboard.workflow`` are woken: they know what to make of it, should the run be resumed.
    """
    for wait in ctx.store.open_waits(run.id):
        send(ctx, run.id, wait.topic, WAKE, key=f"wake:{uuid.uuid4().hex}")


def _open_waits(ctx: ActionContext, run: Run) -> list[OpenWait]:
    """Return the waits that a message may be for: none of a run that has ended."""
    return [] if run.is_terminal else ctx.store.open_waits(run.id)


def _require_fit(waits: Sequence[OpenWait], value: Any) -> OpenWait | None:
    """Return the first of these waits whose declared type a message fits; None where there is no wait.

    Raises:
        Unprocessable: it fits none of them; ``extra`` holds ``accepted`` and ``reason``.
    """
    reason = None
    for wait in waits:
        misfitting = misfit(wait.schema, value) if wait.schema is not None else None
        if misfitting is None:
            return wait
        reason = reason or misfitting
    if reason is not None:
        raise Unprocessable(reason, accepted=False, reason=reason)
    return None


def resend_unread_messages(ctx: ActionContext, run_id: str, unread: Sequence[UnreadMessage]) -> list[str]:
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
        with ctx.engine.use() as client:
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

_GONE = "No webhook has this address. It was used up, has ended, or was mistyped."
_DELIVERED = "This webhook was delivered already."


def unseal_webhook(ctx: ActionContext, token: str) -> WebhookToken:
    """Return what a third party's token is bound to.

    Raises:
        NotFound: the token is not ours, or has expired.
    """
    try:
        bound = unseal(token, webhook_secret(ctx.ledger, ctx.webhook_secret))
    except InvalidTokenError as error:
        raise NotFound(_GONE) from error
    if not webhook_is_good(bound, time.time() * 1000):
        raise NotFound(_GONE)
    return bound


def deliver_webhook(ctx: ActionContext, token: str, body: Any, *, size_bytes: int, request: Any = None) -> None:
    """Deliver a third party's callback to the wait that its token is bound to.

    A callback before the wait is kept until the wait comes. Nothing that is answered tells of the run.

    Raises:
        TooLarge: the body is.
        NotFound: the token is not ours, or has expired, or the host's ``verify_webhook`` did not accept the request.
        Unprocessable: the run waits, and declared a type that the body is not of. It waits on.
        Refused: it was delivered already, or the run has ended.
    """
    if size_bytes > ctx.settings.max_webhook_bytes:
        raise TooLarge(f"A webhook takes at most {ctx.settings.max_webhook_bytes} bytes.")
    bound = unseal_webhook(ctx, token)
    if ctx.settings.verify_webhook is not None and not _verified(ctx, bound, request):
        raise NotFound(_GONE)
    _deliver(ctx, bound, body)


def _verified(ctx: ActionContext, bound: WebhookToken, request: Any) -> bool:
    """Ask the host's hook whether the third party's signature is good: ``hook(request, name, run_id) -> bool``."""
    assert ctx.settings.verify_webhook is not None  # the caller checked
    try:
        return bool(ctx.settings.verify_webhook(request, bound.name, bound.run_id))
    except Problem:
        raise
    except Exception as error:  # a broken hook lets nobody in
        raise NotFound(_GONE) from error


def _deliver(ctx: ActionContext, bound: WebhookToken, body: Any) -> None:
    """Deliver what a good token brought. A refusal is not audited: anyone with a token could fill the audit log."""
    run = ctx.store.get_run(bound.run_id)
    if run is None:
        raise NotFound(_GONE)
    topic = webhook_topic(bound.name, bound.seq)
    waits = [wait for wait in _open_waits(ctx, run) if wait.topic == topic]
    again = sum(wait.dropped for wait in waits)
    once = f"{topic}:{_life(ctx, run)}" + (f":{again}" if again else "")
    refused = webhook_refusal(run, ctx.ledger.count(run.id, once))
    if refused is not None:
        log.info("A webhook for run %s was refused: %s", run.id, refused)
        raise Refused(refused)
    try:
        _require_fit(waits, body)
    except Unprocessable as error:
        log.info("A webhook for run %s was refused: %s", run.id, error)
        raise
    with ctx.audited("webhook", "webhook", run.id, name=bound.name):
        send(ctx, run.id, topic, {"id": once, "body": body}, key=once)
        if ctx.ledger.bump_count(run.id, once) > 1:
            raise Refused(_DELIVERED)  # two at once: the engine keeps the first


def webhook_refusal(run: Run, delivered: int) -> str | None:
    """Return why a callback with a good token is not delivered; None when it is. Pure.

    Args:
        delivered: how often the present life of the run received it.
    """
    if run.is_terminal:
        return "This webhook is not waited for any more."
    return _DELIVERED if delivered else None


def webhook_is_good(bound: WebhookToken, now_ms: float) -> bool:
    """Say whether a token, that was found to be ours, has not expired. Pure."""
    return bound.expires_ms is None or bound.expires_ms >= now_ms


def _life(ctx: ActionContext, run: Run) -> int:
    """Return how often actions made the run live again: what was delivered to an earlier life may come again."""
    return ctx.ledger.count(run.id, REVIVED)


def _state(run: Run) -> str:
    if run.waiting is None:
        return run.status
    return f"{run.status}, waiting for {run.waiting.on}" + (f" {run.waiting.name!r}" if run.waiting.name else "")
