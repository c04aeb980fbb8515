"""Dead-letter handlers: what happens to a run that the engine gave up on.

A handler is a workflow of its own, run once per dead run as ``dlq:<run_id>`` in a worker. The control plane
enqueues it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from dashboard.workflow import engine
from dashboard.workflow.names import dead_letter_workflow

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


_handlers: dict[str, Callable[..., Any]] = {}


def dead_letter(workflow: str | None = None) -> Callable[[Handler], Handler]:
    """Declare the dead-letter handler of a workflow; without a name, of every workflow that has none of its own::

        @dead_letter("order")
        def order_died(letter: DeadLetter) -> None: ...

    The handler is workflow code: it may call steps and wait.
    """

    def declare(handler: Handler) -> Handler:
        _handlers[dead_letter_workflow(workflow)] = handler
        _register(dead_letter_workflow(workflow), handler)
        return handler

    return declare


def register_handlers() -> None:
    """Register every declared handler in the engine's current registry."""
    for name, handler in _handlers.items():
        _register(name, handler)


def _register(name: str, handler: Callable[..., Any]) -> None:
    @functools.wraps(handler)
    def run(payload: dict[str, Any]) -> Any:
        return handler(_letter(payload))

    @functools.wraps(handler)
    async def run_async(payload: dict[str, Any]) -> Any:
        return await handler(_letter(payload))

    chosen: Callable[..., Any] = run_async if inspect.iscoroutinefunction(handler) else run
    del chosen.__wrapped__  # type: ignore[attr-defined]  # the engine would coerce arguments by its annotations
    engine.register_workflow(name, chosen)


def _letter(payload: dict[str, Any]) -> DeadLetter:
    return DeadLetter(
        dead_run_id=str(payload["deadRunId"]),
        workflow=str(payload["workflow"]),
        input=payload.get("input"),
        error=payload.get("error"),
    )
