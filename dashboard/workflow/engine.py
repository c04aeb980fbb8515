"""The few things about a running DBOS that its public interface does not tell. All private access is here.

Touches the engine's in-process registry and context; no database of its own.
"""

from __future__ import annotations

import copy
import functools
import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from dbos import DBOS, WorkflowSerializationFormat
from dbos import _context as dbos_context
from dbos import _dbos as dbos_module

from dashboard.workflow.names import FAST_POLLING_S, WORK_QUEUE
from otel_bridge.errors import ConfigurationError
from otel_bridge.instrumentation import engine as instrumented_engine
from otel_bridge.instrumentation.shared import process_ledger
from otel_bridge.ledger import Ledger

log = logging.getLogger(__name__)


class NotInWorkflowError(RuntimeError):
    """A function for workflow code was called elsewhere."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(
            f"{what} was called outside a workflow, or inside a step. Call it from the workflow's own code."
        )


def next_step_number(what: str) -> int:
    """Return the number that the next step of the current workflow gets; the same under every replay.

    Raises:
        NotInWorkflowError: there is no current workflow, or a step is running.
    """
    context = dbos_context.get_local_dbos_context()
    if context is None or not context.is_workflow():
        raise NotInWorkflowError(what)
    return context.function_id + 1


@contextmanager
def reserved_steps(count: int) -> Iterator[None]:
    """Give the steps that begin in this block the next ``count`` numbers, one behind the other.

    Without it the engine numbers a step when it begins: of two coroutines side by side, each with two steps, whichever
    thread is quicker would have its second step numbered first, and under a replay it might be the other.
    """
    context = dbos_context.get_local_dbos_context()
    assert context is not None  # callers asked next_step_number()
    own = copy.copy(context)
    context.function_id += count
    dbos_context._set_local_dbos_context(own)
    try:
        yield
    finally:
        dbos_context._set_local_dbos_context(context)


def current_step() -> tuple[str, int] | None:
    """Return (run id, step number) when a step of a workflow is executing here, else None."""
    context = dbos_context.get_local_dbos_context()
    if context is None or not context.is_step() or not context.workflow_id:
        return None
    return context.workflow_id, context.curr_step_function_id


def in_workflow_body() -> bool:
    """Say whether a workflow is executing here and no step of it."""
    context = dbos_context.get_local_dbos_context()
    return context is not None and context.is_workflow()


def publish_in_step(key: str, value: object) -> None:
    """Publish an event from inside a step, fenced: it fails when the run was cancelled or taken over.

    It blocks: asynchronous callers send it to a thread.
    """
    dbos = dbos_module._get_dbos_instance()
    context = dbos_context.get_local_dbos_context()
    assert context is not None  # callers checked current_step()
    dbos._sys_db.set_event_from_step(
        context.workflow_id,
        context.curr_step_function_id,
        key,
        value,
        serialization_type=WorkflowSerializationFormat.DEFAULT,
    )


def system_database() -> tuple[str, str]:
    """Return the URL and the schema of the process's engine.

    Raises:
        dbos.error.DBOSException: DBOS is not initialised.
        ConfigurationError: no other connection could open its database.
    """
    url, schema = instrumented_engine.system_database(dbos_module._get_dbos_instance())
    if url is None:
        raise ConfigurationError("This process's DBOS has no system database URL. Give its configuration one.")
    return url, schema


def ledger() -> AbstractContextManager[Ledger]:
    """Return the ledger that this process reports to, to be used in a ``with`` block.

    Raises:
        dbos.error.DBOSException: DBOS is not initialised.
    """
    return process_ledger(dbos_module._get_dbos_instance())


def is_registered(name: str) -> bool:
    """Say whether a workflow of that name is registered in this process."""
    return name in dbos_module._get_or_create_dbos_registry().workflow_info_map


def registered_workflow(name: str) -> Callable[..., Any]:
    """Return a workflow of this process by name."""
    return dbos_module._get_or_create_dbos_registry().workflow_info_map[name]


def last_recorded_step() -> int:
    """Return the highest step number recorded for the current workflow; 0 for none. Not recorded itself."""
    run_id = DBOS.workflow_id
    assert run_id is not None  # called from workflow code
    steps = dbos_module._get_dbos_instance()._sys_db.list_workflow_steps(run_id, load_output=False)
    return max((int(step["function_id"]) for step in steps), default=0)


def workflow_name() -> str:
    """Return the name of the current workflow, as the database has it; not recorded itself."""
    run_id = DBOS.workflow_id
    assert run_id is not None  # called from workflow code
    status = dbos_module._get_dbos_instance()._sys_db.get_workflow_status(run_id)
    return str(status["name"]) if status is not None else ""


def own_event(key: str) -> Any:
    """Return what the current workflow published last under ``key``; None for nothing. Not recorded itself."""
    run_id = DBOS.workflow_id
    assert run_id is not None  # called from workflow code
    return dbos_module._get_dbos_instance()._sys_db.get_all_events(run_id).get(key)


def register_workflow(name: str, function: Callable[..., Any], **options: Any) -> None:
    """Register a workflow under ``name`` unless it is there already."""
    if not is_registered(name):
        # Each registry gets its own function object: the engine writes its bookkeeping onto it.
        DBOS.workflow(name=name, **options)(_fresh(function))


def _fresh(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def workflow(*args: object, **kwargs: object) -> Any:
        return function(*args, **kwargs)

    @functools.wraps(function)
    async def workflow_async(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return workflow_async if inspect.iscoroutinefunction(function) else workflow


_QUEUE_LOCK = threading.Lock()


def listen_to_work_queue() -> bool:
    """Make this process poll ``durable.work``; return False when this engine version offers no way to.

    The engine polls the queues of its own registry in every process that declared them, and in no other, whatever
    ``listen_queues`` says. That is exactly the guarantee that this queue needs.
    """
    registry = dbos_module._get_or_create_dbos_registry()
    declare = getattr(registry, "_register_internal_queue", None)
    if declare is None:
        log.warning("This DBOS has no process-local queues: undo, bulk and dead-letter runs stay pending.")
        return False
    with _QUEUE_LOCK:
        declare(WORK_QUEUE, polling_interval_sec=FAST_POLLING_S)
    return True
