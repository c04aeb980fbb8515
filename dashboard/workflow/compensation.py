"""Compensation: a step declares how its effect is undone.

The engine stores what a step returned but not what it was given, and nothing at all while it runs. So a compensated
step publishes what it was given, under ``durable.undo.<seq>``, in the moment before its body runs:

* it survives ``kill -9``, is read by the undo in whichever process, and changes neither arguments nor output;
* the engine refuses the publication once the run was cancelled or taken over: after a cancel no compensated step
  can begin;
* a publication without a recorded step is a step that began and whose end nobody knows: "maybe done".

It costs one write per compensated step (about a millisecond) and nothing elsewhere.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dashboard.workflow import engine
from dashboard.workflow.names import UNDO_EVENT_PREFIX

StepFunction = TypeVar("StepFunction", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensation:
    """What an undo function receives.

    Args:
        run_id, seq, step: the step to undo.
        args, kwargs: what the step was given.
        output: what it returned; None when it is not known (``maybe``).
        maybe: the step began and its end is unknown, so its effect may or may not be there.
    """

    run_id: str
    seq: int
    step: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    output: Any = None
    maybe: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)
    """What the step was given, by parameter name, defaults included."""

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt to undo this step: hand it to whatever is called."""
        return f"undo:{self.run_id}:{self.seq}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoPolicy:
    """How often a compensation is tried before it is called stuck."""

    max_attempts: int = 3
    interval_s: float = 1.0
    backoff_rate: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredUndo:
    """A compensated step as this process knows it."""

    name: str
    undo: Callable[[Compensation], Any]
    step: Callable[..., Any]
    policy: UndoPolicy
    even_if_failed: bool


class UndeclaredUndoError(LookupError):
    """This process does not know the undo of a step."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"No step {name!r} with an undo is declared in this worker. "
            "Deploy the code that declares it, then retry the undo."
        )


class UnrecordableInputError(TypeError):
    """What a compensated step was given cannot be stored."""

    def __init__(self, name: str, reason: object) -> None:
        self.name, self.reason = name, str(reason)
        super().__init__(
            f"Step {name!r} declares an undo, but what it was given cannot be stored ({reason}). "
            "Give it values that the engine's serializer can store. The step did not run."
        )

    def __reduce__(self) -> tuple[type[UnrecordableInputError], tuple[str, str]]:
        return type(self), (self.name, self.reason)


class _Registry:
    """Declared undos by name, and which compensated steps execute in this process now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._declared: dict[str, DeclaredUndo] = {}
        self._in_flight: dict[tuple[str, int], int] = {}

    def declare(self, declared: DeclaredUndo) -> None:
        with self._lock:
            self._declared[declared.name] = declared

    def find(self, name: str) -> DeclaredUndo:
        with self._lock:
            if name not in self._declared:
                raise UndeclaredUndoError(name)
            return self._declared[name]

    @contextmanager
    def executing(self, run_id: str, seq: int) -> Iterator[None]:
        key = (run_id, seq)
        with self._lock:
            self._in_flight[key] = self._in_flight.get(key, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight[key] -= 1
                if not self._in_flight[key]:
                    del self._in_flight[key]

    def in_flight(self, run_id: str) -> list[int]:
        with self._lock:
            return sorted(seq for run, seq in self._in_flight if run == run_id)


registry = _Registry()
"""Declarations of this process: like the engine's own registry, one per process by nature."""


def compensated_by(
    undo: Callable[[Compensation], Any],
    *,
    max_attempts: int = 3,
    interval_seconds: float = 1.0,
    backoff_rate: float = 2.0,
    even_if_failed: bool = False,
) -> Callable[[StepFunction], StepFunction]:
    """Declare how a step is undone. Goes below the engine's decorator::

        @DBOS.step()
        @compensated_by(refund)
        def charge(order_id: str, cents: int) -> dict: ...

    Args:
        undo: called with a ``Compensation``; synchronous or asynchronous. It runs at least once: a crash in the middle
            calls it again with the same ``idempotency_key``.
        max_attempts, interval_seconds, backoff_rate: of the undo, before it is called stuck.
        even_if_failed: also undo the step when it failed, for steps whose failure may leave a part of their effect.

    Raises:
        TypeError: it stands above ``@DBOS.step()``.
    """

    def declare(step: StepFunction) -> StepFunction:
        if hasattr(step, "__orig_func"):
            raise TypeError(f"Put @compensated_by below @DBOS.step(), next to the function {step.__qualname__!r}.")
        name = f"{step.__module__}.{step.__qualname__}"
        policy = UndoPolicy(max_attempts=max_attempts, interval_s=interval_seconds, backoff_rate=backoff_rate)
        registry.declare(DeclaredUndo(name=name, undo=undo, step=step, policy=policy, even_if_failed=even_if_failed))
        return _recording(step, name)

    return declare


def _recording(step: StepFunction, name: str) -> StepFunction:
    """Wrap a step so that what it is given is published before it runs."""

    @functools.wraps(step)
    def recorded(*args: object, **kwargs: object) -> Any:
        place = engine.current_step()
        if place is None:
            return step(*args, **kwargs)
        with registry.executing(*place):
            _publish(engine.publish_in_step, name, place[1], args, kwargs)
            return step(*args, **kwargs)

    @functools.wraps(step)
    async def recorded_async(*args: object, **kwargs: object) -> Any:
        place = engine.current_step()
        if place is None:
            return await step(*args, **kwargs)
        with registry.executing(*place):
            await asyncio.to_thread(_publish, engine.publish_in_step, name, place[1], args, kwargs)
            return await step(*args, **kwargs)

    return recorded_async if inspect.iscoroutinefunction(step) else recorded  # type: ignore[return-value]


def _publish(
    publish: Callable[[str, Any], None], name: str, seq: int, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    value = {"undo": name, "step": name.rpartition(".")[2], "args": list(args), "kwargs": kwargs}
    try:
        publish(f"{UNDO_EVENT_PREFIX}{seq}", value)
    except Exception as error:
        # The engine's own refusals (not the owner any more, database gone) pass as they are.
        if type(error).__module__.startswith(("dbos.", "sqlalchemy.")):
            raise
        raise UnrecordableInputError(name, error) from error


def given_by_name(step: Callable[..., object], args: tuple[Any, ...], kwargs: Mapping[str, object]) -> dict[str, Any]:
    """Return arguments by parameter name, defaults included; empty when they no longer fit the signature."""
    try:
        bound = inspect.signature(step).bind(*args, **kwargs)
    except TypeError:
        return {}
    bound.apply_defaults()
    return dict(bound.arguments)
