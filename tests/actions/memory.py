"""An action context over the shipped in-memory store and ledger, with an engine client that moves the store's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from dashboard.actions.context import ActionContext
from dashboard.actions.engine_client import EngineClient
from otel_bridge.ledger.base import Ledger
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run


class Handle:
    """What the engine's client returns of a run that was enqueued."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id

    def get_workflow_id(self) -> str:
        return self.run_id


MOST_AT_ONCE = 1_000
"""Runs of one call: the engine names them all in one statement, and Postgres takes no more than 65,535 values."""


class RecordingClient:
    """Does to the store's rows what the engine's client does, and notes every call.

    Args:
        before: called with the method's name and the run's id before each call, to let something happen or to fail.
    """

    def __init__(self, store: MemoryStateStore, before: Callable[[str, str], None] | None = None) -> None:
        self.store = store
        self.before = before or (lambda name, run_id: None)
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    def _note(self, name: str, run_id: str, **options: Any) -> None:
        self.before(name, run_id)
        self.calls.append((name, run_id, options))

    def rewind_workflow(self, run_id: str, **options: Any) -> None:
        self._note("rewind", run_id, **options)
        self.store.delete_steps(run_id, from_seq=options["start_step"])
        columns = {"status": "ENQUEUED", "queue_name": options.get("queue_name"), "completed_at": None}
        if options.get("application_version") is not None:
            columns["application_version"] = options["application_version"]
        self.store.set_columns(run_id, columns)

    def resume_workflow(self, run_id: str, **options: Any) -> None:
        self._note("resume", run_id, **options)
        self.store.set_columns(run_id, {"status": "ENQUEUED", "queue_name": options.get("queue_name")})

    def cancel_workflow(self, run_id: str, **options: Any) -> None:
        self._note("cancel", run_id, **options)
        self.store.set_columns(run_id, {"status": "CANCELLED"})

    def cancel_workflows(self, run_ids: Sequence[str], **options: Any) -> None:
        assert len(run_ids) <= MOST_AT_ONCE
        for run_id in run_ids:
            self.cancel_workflow(run_id, **options)

    def delete_workflows(self, run_ids: Sequence[str]) -> None:
        for run_id in run_ids:
            self._note("delete", run_id)
            self.store.delete_run(run_id)

    def enqueue(self, options: dict[str, Any], *args: Any, **kwargs: Any) -> Handle:
        run_id = str(options.get("workflow_id", f"made-{len(self.calls)}"))
        self._note("enqueue", run_id, options=options, args=args, kwargs=kwargs)
        attributes = options.get("attributes") or {}
        self.store.put_run(make_run(run_id, workflow=options["workflow_name"], status="pending", attributes=attributes))
        return Handle(run_id)

    def send(self, run_id: str, message: Any, topic: str, **options: Any) -> None:
        self._note("send", run_id, message=message, topic=topic, **options)

    def list_application_versions(self) -> list[dict[str, Any]]:
        return []

    def register_queue(self, name: str, **options: Any) -> None:
        pass


class RecordingEngine:
    """Lends the recording client as ``EngineClient`` lends the real one."""

    def __init__(self, client: RecordingClient) -> None:
        self.client = client

    @contextmanager
    def use(self, *, fast_queue: bool = False) -> Iterator[RecordingClient]:
        yield self.client


def memory_context(
    *,
    store: MemoryStateStore | None = None,
    ledger: Ledger | None = None,
    before: Callable[[str, str], None] | None = None,
    **options: Any,
) -> tuple[ActionContext, MemoryStateStore, RecordingClient]:
    """Return a context over memory, its store and its client."""
    store = store or MemoryStateStore(clock=FakeClock())
    client = RecordingClient(store, before)
    return (
        ActionContext(
            store=store,
            ledger=ledger or MemoryLedger(),
            engine=cast(EngineClient, RecordingEngine(client)),
            **options,
        ),
        store,
        client,
    )
