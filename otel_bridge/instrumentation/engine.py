"""What the instrumentor knows of DBOS: where to hook in, and what to say of the process. Imports dbos.

The only place that names DBOS's internals. Hooked are ``DBOSContext._start_span`` and ``_end_span``, which DBOS
calls around every run body and every step whether or not its own tracing is on, ``DBOS._launch`` and ``_destroy``,
``SystemDatabase.create``, and what DBOS enters for each attempt of a step that it retries. Source: dbos/_context.py,
dbos/_dbos.py and dbos/_sys_db.py, 3.4.0.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from otel_bridge.instrumentation.capabilities import declared_validators
from otel_bridge.instrumentation.guard import untraced
from otel_bridge.ledger.base import Executor

_STORED_NAMES = {
    "asyncio_wait": "DBOS.asyncio_wait",
    "close_stream": "DBOS.closeStream",
    "get_event": "DBOS.getEvent",
    "recv": "DBOS.recv",
    "send": "DBOS.send",
    "send_bulk": "DBOS.send_bulk",
    "set_event": "DBOS.setEvent",
    "sleep": "DBOS.sleep",
    "write_stream": "DBOS.writeStream",
}
"""DBOS's span names of its own steps -> the names that it stores them under."""


_LOOK_UP = "_check_operation_execution_txn"
"""DBOS's function that looks for a step's earlier outcome."""
_REPLAY, _CORE = "check_existing_result", "_core.py"
"""DBOS's function that answers a step with its recorded outcome, and the file that it is in."""


def hooks() -> list[tuple[type, str]]:
    """Return the classes and methods that are hooked.

    Raises:
        ImportError, AttributeError: this DBOS is unlike those that we know.
    """
    from dbos import DBOS
    from dbos._context import DBOSContext
    from dbos._sys_db import SystemDatabase

    points: list[tuple[type, str]] = [
        (DBOSContext, "_start_span"),
        (DBOSContext, "_end_span"),
        (DBOS, "_launch"),
        (DBOS, "_destroy"),
        (SystemDatabase, "create"),
    ]
    for owner, name in points:
        getattr(owner, name)
    return points + _attempts()


def _attempts() -> list[tuple[type, str]]:
    """Return where attempts of a step begin and end; nothing in an engine that keeps them elsewhere."""
    from dbos import _context

    owner = getattr(_context, "EnterDBOSStepRetry", None)
    if owner is None or not {"__enter__", "__exit__"} <= vars(owner).keys():
        return []
    return [(owner, "__enter__"), (owner, "__exit__")]


def launched_instance() -> Any | None:
    """Return the process's DBOS instance when it is launched already."""
    from dbos import _dbos

    instance = getattr(_dbos, "_dbos_global_instance", None)
    return instance if instance is not None and getattr(instance, "_launched", False) else None


def step_name(attributes: Any) -> str:
    """Return the name under which the store will hold what DBOS starts now."""
    name = str(attributes.get("name", ""))
    return name if attributes.get("operationType") else _STORED_NAMES.get(name, name)


@functools.cache
def _local_context() -> Callable[[], Any]:
    from dbos._context import get_local_dbos_context

    return get_local_dbos_context


def position() -> tuple[str, int | None, int | None] | None:
    """Return the run that the calling code belongs to, its step and the attempt at it; None outside of workflows."""
    context = _local_context()()
    run_id = None if context is None else context.workflow_id
    if not run_id:
        return None
    seq = int(context.curr_step_function_id)
    attempt = getattr(getattr(context, "step_status", None), "current_attempt", None)
    return str(run_id), seq if seq >= 0 else None, None if attempt is None else int(attempt) + 1


def entered(name: str) -> list[Any]:
    """Return what we keep under a name on the engine's current context; nothing outside of workflows."""
    context = _local_context()()
    found: list[Any] = [] if context is None else context.__dict__.get(name, [])
    return found


def body_position(run_id: str) -> int | None:
    """Return the last step that this run's body has begun, 0 before its first; None where no body of it executes."""
    context = _local_context()()
    if context is None or context.workflow_id != run_id or context.curr_step_function_id >= 0:
        return None
    return max(0, int(context.function_id))


def recorded_history(run_id: str) -> tuple[int, int]:
    """Return the last step that the engine has recorded of a run, 0 for none, and how often it was executed.

    Read by the primary keys, on the engine's own pool: a worker gets no further connection for it.

    Raises:
        anything that the engine's database raises.
    """
    from sqlalchemy import text

    database = launched_database()
    prefix = f'"{database.schema}".' if database.schema else ""
    statement = (
        f"SELECT (SELECT max(function_id) FROM {prefix}operation_outputs WHERE workflow_uuid = :run_id), "
        f"recovery_attempts FROM {prefix}workflow_status WHERE workflow_uuid = :run_id"
    )
    with database.engine.connect() as connection:
        row = connection.execute(text(statement), {"run_id": run_id}).first()
    last_step, attempts = (None, None) if row is None else row
    return (last_step or 0, attempts or 1)


def launched_database() -> Any:
    """Return the system database of the process's DBOS instance.

    Raises:
        RuntimeError: no instance is there.
    """
    from dbos import _dbos

    instance = getattr(_dbos, "_dbos_global_instance", None)
    if instance is None:
        raise RuntimeError("This process has no DBOS instance.")
    return instance._sys_db


def system_database(instance: Any) -> tuple[str | None, str]:
    """Return the URL (with credentials) and the schema of an instance's system database; no URL: not known."""
    config = instance._config
    schema = config.get("dbos_system_schema") or "dbos"
    engine = config.get("system_database_engine")
    url = engine.url.render_as_string(hide_password=False) if engine is not None else config["system_database_url"]
    if not isinstance(url, str) or url in ("sqlite://", "sqlite:///:memory:"):
        return None, schema
    scheme, colon, rest = url.partition("://")
    return scheme.partition("+")[0] + colon + rest, schema


def keep_out_of_traces(database: Any, *, while_true: Callable[[], bool]) -> None:
    """Make the connections of the engine's own bookkeeping no spans under the step that is kept book of."""
    engine = database.engine
    connect = engine.connect

    @functools.wraps(connect)
    def quietly(*args: object, **kwargs: object) -> Any:
        with untraced() if while_true() else nullcontext():
            return connect(*args, **kwargs)

    engine.connect = quietly


@functools.cache
def _own_version() -> str:
    try:
        return importlib.metadata.version("durable-dashboard")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that nobody installed
        return "unknown"


def is_unrecorded(name: str, error: BaseException) -> bool:
    """Say whether a step that ended with this was executed, and nothing of it was recorded.

    DBOS records what a step returns or raises, unless the run was cancelled or taken by another executor meanwhile:
    then recording raises a conflict. Whatever is no ``Exception`` it never records: a step was stopped, or the process
    is. A run that finds itself cancelled before it executes a step raises in the look for the step's earlier outcome.
    """
    from dbos._error import DBOSWorkflowConflictIDError

    if is_own_step(name):
        return False
    if isinstance(error, DBOSWorkflowConflictIDError):
        return True
    return not isinstance(error, Exception) and not _raised_in(error, _LOOK_UP)


def is_own_step(name: str) -> bool:
    """Say whether a step is one of the engine's own, such as a sleep."""
    return name.startswith("DBOS.") or name in _STORED_NAMES.values()


def was_executed(error: BaseException) -> bool:
    """Say whether a step that ended with this was executed: a recorded outcome is raised again at every replay."""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name == _REPLAY and code.co_filename.endswith(_CORE):
            return False
        trace = trace.tb_next
    return True


def _raised_in(error: BaseException, function: str) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_name == function


def describe(instance: Any, *, instance_id: str, started_at_ms: int, interval_s: float) -> Executor:
    """Return this process's executor row, less what it executes."""
    from dbos._utils import INTERNAL_QUEUE_NAME, GlobalParams

    listening = instance._listening_queues
    names = list(instance._registry.workflow_info_map)
    active = _active_runs(instance)
    always = {INTERNAL_QUEUE_NAME, *(queue.name for queue in instance._registry.internal_queues())}
    return Executor(
        instance_id=instance_id,
        executor_id=GlobalParams.executor_id,
        beat_at_ms=int(time.time() * 1000),
        started_at_ms=started_at_ms,
        interval_ms=int(interval_s * 1000),
        app_name=instance._config.get("name"),
        app_version=GlobalParams.app_version or None,
        host=socket.gethostname(),
        pid=os.getpid(),
        sdk=f"dbos-python/{GlobalParams.dbos_version} durable-dashboard/{_own_version()}",
        queues=() if listening is None else tuple(sorted({*listening, *always})),
        workflows=tuple(sorted(names)),
        runs=None if active is None else tuple(active),
        busy=dict(Counter(queue for queues in (active or {}).values() for queue in queues)),
        serializer=_serializer_name(instance),
        validators=declared_validators(),
    )


def _active_runs(instance: object) -> dict[str, tuple[str, ...]] | None:
    """Return the runs that the engine drives in the background, oldest first, each with the queues it came from.

    A run that is called directly, in its caller's thread, is not among them. None where this engine keeps no such list.
    """
    known = getattr(getattr(instance, "_active_workflows_set", None), "_m", None)
    if not isinstance(known, dict):
        return None
    # A run that was resumed while it still ran is there twice. Copied at once: the engine's threads keep writing.
    buckets = {run_id: list(entries) for run_id, entries in known.copy().items()}
    return {run_id: tuple(entry[0] for entry in entries if entry is not None) for run_id, entries in buckets.items()}


def _serializer_name(instance: object) -> str | None:
    serializer = getattr(instance, "_serializer", None)
    name = getattr(serializer, "name", None)
    return str(name()) if callable(name) else None
