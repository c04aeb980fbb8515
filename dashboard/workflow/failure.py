"""A workflow option: when the run fails, its undo starts by itself."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from dbos import DBOS, WorkflowSerializationFormat
from dbos import EnqueueOptions as DbosEnqueueOptions

from dashboard.workflow import engine
from dashboard.workflow.names import UNDO_WORKFLOW, WORK_QUEUE
from otel_bridge.model.names import UNDO_PREFIX

WorkflowFunction = TypeVar("WorkflowFunction", bound=Callable[..., Any])


def undo_on_failure(workflow: WorkflowFunction) -> WorkflowFunction:
    """Undo the run's compensated steps when the workflow raises. Goes below the engine's decorator::

        @DBOS.workflow()
        @undo_on_failure
        def order(...): ...

    The run itself fails as it would without; ``undo:<run_id>`` then runs on its own and waits for the run's end.

    Raises:
        TypeError: it stands above ``@DBOS.workflow()``.
    """
    if hasattr(workflow, "__orig_func"):
        raise TypeError(f"Put @undo_on_failure below @DBOS.workflow(), next to the function {workflow.__qualname__!r}.")

    @functools.wraps(workflow)
    def guarded(*args: object, **kwargs: object) -> Any:
        try:
            return workflow(*args, **kwargs)
        except Exception:
            if engine.in_workflow_body():
                DBOS.enqueue_workflow_with_options(_options(), DBOS.workflow_id)
            raise

    @functools.wraps(workflow)
    async def guarded_async(*args: object, **kwargs: object) -> Any:
        try:
            return await workflow(*args, **kwargs)
        except Exception:
            if engine.in_workflow_body():
                await DBOS.enqueue_workflow_with_options_async(_options(), DBOS.workflow_id)
            raise

    return guarded_async if inspect.iscoroutinefunction(workflow) else guarded  # type: ignore[return-value]


def _options() -> DbosEnqueueOptions:
    options: DbosEnqueueOptions = {
        "workflow_name": UNDO_WORKFLOW,
        "queue_name": WORK_QUEUE,
        "workflow_id": f"{UNDO_PREFIX}{DBOS.workflow_id}",
        "serialization_type": WorkflowSerializationFormat.PORTABLE,
    }
    if DBOS.application_version:
        options["app_version"] = DBOS.application_version
    return options
