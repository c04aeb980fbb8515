"""Dead-letter handlers: what happens to a run that the engine gave up on.

A handler is a workflow of its own, under its function's name, run once per dead run as ``dlq:<run_id>`` in a worker.
The control plane enqueues it; a second registration, whose name says for which workflow, tells it that there is one.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from dashboard.workflow import engine
from dashboard.workflow.names import dead_letter_announcement

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """What a handler receives.

    Args:
        dead_run_id: the run that the engine gave up on; it can be retried.
        input: what it was started with, as JSON for people (a class of the application is a plain object).
        error: why, where the engine recorded it.
    """

    dead_run_id: str
    workflow: str
    input: Any = None
    error: Any = None


_handlers: dict[str | None, Callable[..., Any]] = {}
"""By the workflow that they handle; None: every other."""
_names: dict[Callable[..., Any], str] = {}
"""Under which each runs."""


def dead_letter(workflow: str | None = None) -> Callable[[Handler], Handler]:
    """Declare the dead-letter handler of a workflow; without a name, of every workflow that has none of its own::

        @dead_letter("order")
        def order_died(letter: DeadLetter) -> None: ...

    The handler is workflow code: it may call steps and wait.
    """

    def declare(handler: Handler) -> Handler:
        _handlers[workflow] = handler
        _register(workflow, handler)
        return handler

    return declare


def register_handlers() -> None:
    """Register every declared handler in the engine's current registry."""
    for workflow, handler in _handlers.items():
        _register(workflow, handler)


def _register(workflow: str | None, handler: Callable[..., Any]) -> None:
    @functools.wraps(handler)
    def run(payload: dict[str, Any]) -> Any:
        return handler(_letter(payload))

    @functools.wraps(handler)
    async def run_async(payload: dict[str, Any]) -> Any:
        return await handler(_letter(payload))

    chosen: Callable[..., Any] = run_async if inspect.iscoroutinefunction(handler) else run
    del chosen.__wrapped__  # type: ignore[attr-defined]  # the engine would coerce arguments by its annotations
    name = _names.get(handler)
    if name is None:
        name = handler.__qualname__
        if engine.is_registered(name):  # it is a workflow of the application too, and takes other arguments there
            name = f"{name}.dead_letter"
        _names[handler] = name
    engine.register_workflow(name, chosen)
    engine.register_workflow(dead_letter_announcement(workflow, name), chosen)


def _letter(payload: dict[str, Any]) -> DeadLetter:
    return DeadLetter(
        dead_run_id=str(payload["deadRunId"]),
        workflow=str(payload["workflow"]),
        input=payload.get("input"),
        error=payload.get("error"),
    )
