"""Waits for workflow code, on the engine's own primitives. Deterministic under replay.

Every wait first publishes ``durable.wait`` (what, name, until), so that any process can say what the run waits for,
and then receives. Both are recorded by the engine: a replay does neither again. Each has an ``_async`` twin, and those
may be awaited side by side.

A message that does not fit the type which its wait declared is dropped with a warning, and the wait continues: one that
came before its wait, or around the control plane, which refuses it otherwise, cannot break the workflow.

A wait times out with ``WaitTimeoutError``, except a sleep, which ends so; a timeout of None waits for as long as it
takes. What is left of a timeout when a wait begins again (after a wake, or an update that was not acceptable) is
counted from the announcement that the engine recorded, so a crash in between gives nobody more time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar, overload

from dbos import DBOS, WorkflowSerializationFormat
from pydantic import TypeAdapter, ValidationError

from dashboard.workflow import engine
from dashboard.workflow.names import MAX_ASK_CHARS, MAX_TOPIC_CHARS, WAIT_EVENT_KEY, WAKE, wait_topic
from dashboard.workflow.validators import UpdateRejectedError, type_schema
from dashboard.workflow.validators import registry as validators
from otel_bridge.model.runs import WaitingOn

log = logging.getLogger(__name__)

T = TypeVar("T")

FOREVER_S = 10 * 365 * 24 * 3600.0
"""The engine wants a timeout: ten years."""


class WaitTimeoutError(TimeoutError):
    """Nothing came in time. Catch it in the workflow to go another way."""

    def __init__(self, on: WaitingOn, name: str, timeout_s: float) -> None:
        self.on, self.name, self.timeout_s = on, name, timeout_s
        super().__init__(f"No {on} {name!r} came within {timeout_s:g} s.")

    def __reduce__(self) -> tuple[type[WaitTimeoutError], tuple[WaitingOn, str, float]]:
        return type(self), (self.on, self.name, self.timeout_s)


@dataclass(frozen=True, slots=True)
class Continued:
    """How a breakpoint was released: by whom (as the control plane knows them), with what comment and payload."""

    by: str | None = None
    comment: str | None = None
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Woken:
    """Who ended a sleep before its time (as the control plane knows them), and with what comment."""

    by: str | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait of one run, before it begins.

    Args:
        seq: number of the receiving step.
        type: what the message is to be read as, if that was declared.
        ask: what a person is asked; None: a program answers.
        dropped: how many messages it dropped because they did not fit.
        topic_seq: the number in its topic, where that is not ``seq``: of the step that made its address, or at which it
            began before its run was cancelled and resumed.
    """

    on: WaitingOn
    name: str
    seq: int
    timeout_s: float | None
    type: Any = field(default=None, kw_only=True)
    ask: str | None = field(default=None, kw_only=True)
    dropped: int = field(default=0, kw_only=True)
    topic_seq: int | None = field(default=None, kw_only=True)

    @property
    def topic(self) -> str:
        """Where the wait listens."""
        return wait_topic(self.on, self.name, self.seq if self.topic_seq is None else self.topic_seq)

    def announcement(self) -> dict[str, Any]:
        """Return the value of ``durable.wait``."""
        value: dict[str, Any] = {"on": self.on, "name": self.name, "topic": self.topic, "seq": self.seq}
        if self.timeout_s is not None:
            value["until"] = int((time.time() + self.timeout_s) * 1000)
        schema = None if self.type is None else type_schema(self.type)
        if schema is not None:  # so that a sender learns that a message does not fit before it is sent
            value["schema"] = schema
        if self.ask is not None:  # so that it is in the inbox of those who answer
            value["ask"] = self.ask
        if self.dropped:  # a webhook takes one delivery, and one more for each that it dropped
            value["dropped"] = self.dropped
        return value


def plan_wait(on: WaitingOn, name: str, timeout_s: float | None, *, type: Any = None, ask: str | None = None) -> Wait:
    """Return the wait that begins with the workflow's next step.

    Raises:
        NotInWorkflowError: not called from workflow code.
        ValueError: an empty or overlong name or question, or a negative timeout.
    """
    if ask is not None and not 0 < len(ask) <= MAX_ASK_CHARS:
        raise ValueError(f"What a person is asked has 1 to {MAX_ASK_CHARS} characters, not {len(ask)}.")
    if not name or len(name) > MAX_TOPIC_CHARS:
        raise ValueError(f"A {on} needs a name of 1 to {MAX_TOPIC_CHARS} characters, not {name[:80]!r}.")
    if on == "signal" and name.startswith("durable."):
        raise ValueError(f"Topic {name!r} is taken: names that begin with 'durable.' belong to the control plane.")
    if timeout_s is not None and timeout_s < 0:
        raise ValueError(f"A timeout of {timeout_s:g} s lies in the past.")
    return Wait(on, name, engine.next_step_number(on) + 1, timeout_s, type=type, ask=ask)


Reader = Callable[[Any], T]
"""Makes the workflow's value of a message. Raises ``UpdateRejectedError`` or ``ValidationError`` for one to drop."""

_STEPS = 3
"""Numbers that one wait takes: the announcement, what it receives, its timeout."""


def receive(wait: Wait, read: Reader[T]) -> T:
    """Announce the wait, wait, and return what came, as ``read`` makes it.

    Raises:
        WaitTimeoutError: nothing that fits came in time.
    """
    current = wait
    while True:
        value, began_s = current.announcement(), time.monotonic()
        DBOS.set_event(WAIT_EVENT_KEY, value, serialization_type=WorkflowSerializationFormat.PORTABLE)
        read_value, dropped = _heard(wait, read, DBOS.recv(current.topic, timeout_seconds=_seconds(current)))
        if dropped is None:
            return read_value
        current = _again(current, left_s(wait.on, wait.name, current.timeout_s, began_s), dropped)


async def receive_async(wait: Wait, read: Reader[T]) -> T:
    """``receive`` for asynchronous workflows."""
    current = wait
    while True:
        value, began_s = current.announcement(), time.monotonic()
        with engine.reserved_steps(_STEPS):
            await DBOS.set_event_async(WAIT_EVENT_KEY, value, serialization_type=WorkflowSerializationFormat.PORTABLE)
            message = await DBOS.recv_async(current.topic, timeout_seconds=_seconds(current))
        read_value, dropped = _heard(wait, read, message)
        if dropped is None:
            return read_value
        left = await asyncio.to_thread(left_s, wait.on, wait.name, current.timeout_s, began_s)
        current = _again(current, left, dropped)


def left_s(on: WaitingOn, name: str, timeout_s: float | None, began_s: float) -> float | None:
    """Return how many seconds are left of the wait that was announced last; None where it has no end.

    Not recorded: in a replay the engine takes the end that it recorded for the wait that begins, whatever is given.

    Args:
        began_s: when it began in this process, by the monotonic clock: used where another wait, side by side with this
            one, has announced itself since.
    """
    if timeout_s is None:
        return None
    announced = engine.own_event(WAIT_EVENT_KEY)
    known = announced if isinstance(announced, dict) else {}
    until_ms = known.get("until") if (known.get("on"), known.get("name")) == (on, name) else None
    left = timeout_s - (time.monotonic() - began_s) if until_ms is None else until_ms / 1000 - time.time()
    return max(0.0, left)


def _again(wait: Wait, timeout_s: float | None, dropped: int) -> Wait:
    """Return the same wait, to begin again for what is left of its time.

    After a wake it listens where it did: what an operator answers between the resume and the new announcement is for
    it. After a message that did not fit it listens elsewhere, so that a sender of another one meanwhile is notified.
    """
    seq, topic_seq = engine.next_step_number(wait.on) + 1, wait.topic_seq
    if wait.on != "webhook":  # its address has been handed out
        topic_seq = None if dropped else topic_seq or wait.seq
    return replace(wait, seq=seq, timeout_s=timeout_s, dropped=wait.dropped + dropped, topic_seq=topic_seq)


def _seconds(wait: Wait) -> float:
    return FOREVER_S if wait.timeout_s is None else wait.timeout_s


def _heard(wait: Wait, read: Reader[T], message: Any) -> tuple[T, None] | tuple[Any, int]:
    """Return what a message is read as and None; or nothing, and how many messages were dropped: the wait continues.

    Raises:
        WaitTimeoutError: there is no message, for nothing came in time.
    """
    if message is None:
        raise WaitTimeoutError(wait.on, wait.name, _seconds(wait))
    if message == WAKE:
        return None, 0
    try:
        return read(message), None
    except (UpdateRejectedError, ValidationError) as error:
        log.warning(
            "A message was dropped, and run %s waits on for its %s %r: %s", DBOS.workflow_id, wait.on, wait.name, error
        )
        return None, 1


def body_of(message: Any) -> Any:
    """Return what a delivery carries: the control plane wraps it as ``{"id", "body"}``."""
    return message.get("body") if isinstance(message, dict) and "body" in message else message


def typed(type_: Any, value: Any) -> Any:
    """Return ``value`` as ``type_`` (a pydantic model, dataclass or any annotation); unchanged when it is None.

    Raises:
        pydantic.ValidationError: it is not of that type.
    """
    return value if type_ is None else TypeAdapter(type_).validate_python(value)


# -- breakpoint --------------------------------------------------------------------------------------------


def breakpoint(
    label: str = "breakpoint", *, timeout: float | None = None, ask: str | None = None, type: Any = None
) -> Continued:
    """Pause until an operator continues the run. It is in the inbox of those who do.

    Args:
        ask: what the operator is asked, for the inbox.
        type: what the payload is read as that comes with the answer; None leaves it as it came. The control plane
            refuses to continue with a payload that does not fit its JSON schema.

    Raises:
        WaitTimeoutError: nobody continued it within ``timeout`` seconds.

    Example::

        answer = breakpoint("refund", ask="Refund 100 EUR?", type=Approval)
        if answer.payload.approved: ...
    """
    return receive(plan_wait("breakpoint", label, timeout, type=type, ask=ask), partial(_continued, type))


async def breakpoint_async(
    label: str = "breakpoint", *, timeout: float | None = None, ask: str | None = None, type: Any = None
) -> Continued:
    """``breakpoint`` for asynchronous workflows."""
    wait = plan_wait("breakpoint", label, timeout, type=type, ask=ask)
    return await receive_async(wait, partial(_continued, type))


def _continued(type_: Any, message: Any) -> Continued:
    body = body_of(message)
    given = body if isinstance(body, dict) else {}
    payload = typed(type_, given.get("payload")) if type_ is not None else given.get("payload")
    return Continued(by=given.get("by"), comment=given.get("comment"), payload=payload)


# -- sleep -------------------------------------------------------------------------------------------------


def sleep(seconds: float, *, name: str = "sleep") -> Woken | None:
    """Sleep, unless an operator wakes the run before. ``DBOS.sleep`` is the same for a sleep that nobody may end.

    The end is recorded when the sleep begins: no crash, restart, or cancel that is followed by a resume moves it.

    Args:
        name: shown with the run, so that who wakes it knows what it sleeps for.

    Returns:
        None after the whole time; else who ended it.

    Raises:
        NotInWorkflowError: not called from workflow code.
        ValueError: an empty or overlong name, or a negative time.

    Example::

        if sleep(7 * 86_400, name="reminder") is None:
            remind(customer)
    """
    try:
        return receive(plan_wait("sleep", name, seconds), _woken)
    except WaitTimeoutError:
        return None


async def sleep_async(seconds: float, *, name: str = "sleep") -> Woken | None:
    """``sleep`` for asynchronous workflows."""
    try:
        return await receive_async(plan_wait("sleep", name, seconds), _woken)
    except WaitTimeoutError:
        return None


def _woken(message: Any) -> Woken:
    body = body_of(message)
    given = body if isinstance(body, dict) else {}
    return Woken(by=given.get("by"), comment=given.get("comment"))


# -- signal ------------------------------------------------------------------------------------------------


@overload
def wait_for_signal(topic: str, *, timeout: float | None = ..., ask: str | None = ..., type: type[T]) -> T: ...
@overload
def wait_for_signal(topic: str, *, timeout: float | None = ..., ask: str | None = ..., type: None = ...) -> Any: ...
def wait_for_signal(topic: str, *, timeout: float | None = None, ask: str | None = None, type: Any = None) -> Any:
    """Wait for a message on ``topic``, from the control plane or from ``DBOS.send``.

    Args:
        timeout: seconds; None waits for as long as it takes.
        ask: what a person is asked: the wait is in the inbox of those who answer. None: a program sends it.
        type: what the message is read as: a pydantic model, a dataclass, any annotation. None leaves it as it came.
            The control plane refuses a message that does not fit its JSON schema, while the run waits for it. One that
            is not of that type and came all the same is dropped, with a warning, and the run keeps waiting.

    Raises:
        WaitTimeoutError: nothing of that type came in time.
    """
    return receive(plan_wait("signal", topic, timeout, type=type, ask=ask), partial(typed, type))


@overload
async def wait_for_signal_async(
    topic: str, *, timeout: float | None = ..., ask: str | None = ..., type: type[T]
) -> T: ...
@overload
async def wait_for_signal_async(
    topic: str, *, timeout: float | None = ..., ask: str | None = ..., type: None = ...
) -> Any: ...
async def wait_for_signal_async(
    topic: str, *, timeout: float | None = None, ask: str | None = None, type: Any = None
) -> Any:
    """``wait_for_signal`` for asynchronous workflows."""
    return await receive_async(plan_wait("signal", topic, timeout, type=type, ask=ask), partial(typed, type))


# -- update ------------------------------------------------------------------------------------------------


@overload
def on_update(name: str, *, timeout: float | None = ..., ask: str | None = ..., type: type[T]) -> T: ...
@overload
def on_update(name: str, *, timeout: float | None = ..., ask: str | None = ..., type: None = ...) -> Any: ...
def on_update(name: str, *, timeout: float | None = None, ask: str | None = None, type: Any = None) -> Any:
    """Wait for an update: a message that validators accepted in the caller's own request (see ``validator``).

    The control plane refuses an update that does not fit the JSON schema of ``type``. One that a validator of this
    process rejects, or that is not of ``type``, is dropped here too, with a warning, and the run keeps waiting: no way
    around the validators can break the workflow. With ``ask`` it is in the inbox of those who answer.

    Raises:
        WaitTimeoutError: no acceptable update came in time.
    """
    return receive(plan_wait("update", name, timeout, type=type, ask=ask), partial(_accepted, name, type))


@overload
async def on_update_async(name: str, *, timeout: float | None = ..., ask: str | None = ..., type: type[T]) -> T: ...
@overload
async def on_update_async(
    name: str, *, timeout: float | None = ..., ask: str | None = ..., type: None = ...
) -> Any: ...
async def on_update_async(name: str, *, timeout: float | None = None, ask: str | None = None, type: Any = None) -> Any:
    """``on_update`` for asynchronous workflows."""
    return await receive_async(plan_wait("update", name, timeout, type=type, ask=ask), partial(_accepted, name, type))


def _accepted(name: str, type_: Any, message: Any) -> Any:
    """Read an update, no matter who accepted it.

    Raises:
        UpdateRejectedError: a validator does not accept it.
        pydantic.ValidationError: it is not of the declared type.
    """
    body = body_of(message)
    if validators.names(name):  # else there is no need to ask what the workflow is called
        validators.check(engine.workflow_name(), name, body)
    return typed(type_, body)
