"""The engine's own replay, fed from memory: what the public interface of DBOS does not offer. For tests alone.

Launches an engine on a database of its own, without the application's schedules and consumers. Whatever the engine
would read of a run's history comes from the recording; what was not recorded ends the replay before it is executed.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dbos import DBOS, SetWorkflowID
from dbos import _context as dbos_context
from dbos import _dbos as dbos_module
from dbos._registrations import DBOSFuncType, get_func_info
from dbos._serialization import Serializer

from otel_bridge.model.names import GET_RESULT

SLEEP = "DBOS.sleep"


class ReplayStopped(BaseException):
    """The workflow asked for something that was not recorded. Not an ``Exception``: no workflow may handle it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStep:
    """What was recorded under one number: see ``replay.Step``."""

    name: str
    output: Any = None
    error: Exception | None = None
    child: str | None = None


@dataclass(slots=True)
class Tape:
    """The recording of one run, and what a replay asked of it. Shared by the threads of the replayed steps."""

    run_id: str
    recorded: Mapping[int, RecordedStep]
    asked: dict[int, str] = field(default_factory=dict)
    stopped_at: str | None = None
    diverged: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, seq: int, name: str) -> RecordedStep:
        """Return what was recorded for a step.

        Raises:
            ReplayStopped: nothing was, or another step.
        """
        found = self.recorded.get(seq)
        with self._lock:
            if found is not None and found.name == name:
                self.asked[seq] = name
                return found
            if found is None:
                self.stopped_at = self.stopped_at or f"step {seq}, {name}"
            else:
                self.diverged = self.diverged or f"step {seq} is {name} now and was {found.name} when it was recorded"
        raise ReplayStopped

    def result_of(self, run_id: str) -> Any:
        """Return what a child answered, or raise its error.

        Raises:
            ReplayStopped: its result was not recorded.
        """
        for found in self.recorded.values():
            if found.name == GET_RESULT and found.child == run_id:
                if found.error is not None:
                    raise found.error
                return found.output
        with self._lock:
            self.stopped_at = self.stopped_at or f"the result of run {run_id}"
        raise ReplayStopped


class _Shelf(Serializer):
    """Stands for a serializer: what was recorded need not be picklable, as a class made for a test is not."""

    def __init__(self) -> None:
        self._held: list[Any] = []

    def name(self) -> str:
        return "replay"

    def serialize(self, data: Any) -> str:
        self._held.append(data)
        return str(len(self._held) - 1)

    def deserialize(self, serialized_data: str) -> Any:
        return self._held[int(serialized_data)]


@contextmanager
def launched(database_url: str) -> Iterator[DBOS]:
    """Launch an engine on a database of its own, and end it. It polls no queue, and nothing scheduled runs."""
    DBOS.destroy()
    dbos = DBOS(
        config={
            "name": "replay",
            "system_database_url": database_url,
            "serializer": _Shelf(),
            "notification_listener_polling_interval_sec": 0.05,
        }
    )
    registry = dbos_module._get_or_create_dbos_registry()
    deferred, registry.pollers = registry.pollers, []  # schedules and consumers of messages would start for real
    engine = vars(dbos_module)
    polls, engine["queue_thread"] = engine["queue_thread"], lambda stop_event, dbos: None
    try:
        DBOS.launch()
    finally:
        registry.pollers, engine["queue_thread"] = deferred, polls
    try:
        yield dbos
    finally:
        DBOS.destroy()


def feed(dbos: DBOS, tape: Tape) -> None:
    """Have the engine read one run's history from a tape, and write none of it."""
    system, serializer = dbos._sys_db, dbos._serializer
    check, record = system._check_operation_execution_txn, system.record_get_result
    result = system.check_workflow_result

    def recorded_of(found: RecordedStep) -> dict[str, Any]:
        output = 0.0 if found.name == SLEEP else found.output  # it says when a sleep ends: long ago
        return {
            "output": None if found.error is not None else serializer.serialize(output),
            "error": None if found.error is None else serializer.serialize(found.error),
            "serialization": serializer.name(),
            "child_workflow_id": found.child,
            "child_shard_key": None,
        }

    def checked(workflow_id: str, function_id: int, function_name: str, *args: Any, **options: Any) -> Any:
        if workflow_id != tape.run_id:
            return check(workflow_id, function_id, function_name, *args, **options)
        return recorded_of(tape.answer(function_id, function_name))

    def result_of(workflow_id: str, **options: Any) -> Any:
        return result(workflow_id, **options) if workflow_id == tape.run_id else tape.result_of(workflow_id)

    def recorded(result_workflow_id: str, *args: Any, **options: Any) -> None:
        context = next((one for one in args if hasattr(one, "function_id")), options.get("ctx"))
        if context is None:
            context = dbos_context.get_local_dbos_context()
            if context is None or not context.is_workflow():
                return record(result_workflow_id, *args, **options)
            context.function_id += 1
        tape.answer(context.function_id, GET_RESULT)
        return None

    system._check_operation_execution_txn = checked  # type: ignore[method-assign]
    system.check_workflow_result = result_of  # type: ignore[method-assign]
    system.record_get_result = recorded  # type: ignore[method-assign]


def bound(workflow: str, class_name: str | None, config_name: str | None) -> Callable[..., Any]:
    """Return a registered workflow, with its class or its configured instance as the first argument where it has one.

    Raises:
        KeyError: nothing of that name is registered.
    """
    registry = dbos_module._get_or_create_dbos_registry()
    function = registry.workflow_info_map[workflow]
    if class_name is None:
        return function
    if config_name is not None:
        owner: object = registry.instance_info_map[f"{class_name}/{config_name}"]
    else:
        info = get_func_info(function)
        if info is not None and info.func_type == DBOSFuncType.Static:
            return function
        owner = registry.class_info_map[class_name]
    return lambda *args, **kwargs: function(owner, *args, **kwargs)


def call(function: Callable[..., Any], run_id: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a workflow under a run's id, whether it is asynchronous or not."""
    with SetWorkflowID(run_id):
        answer = function(*args, **kwargs)
        return asyncio.run(_awaited(answer)) if inspect.isawaitable(answer) else answer


async def _awaited(answer: Any) -> Any:
    return await answer
