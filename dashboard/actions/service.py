"""``Actions``: every action of the control plane, over one store, ledger and engine client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dbos import DBOSClient

from dashboard.actions import bulk, cancel, messages, retry, starting
from dashboard.actions.context import Desk, Outcome, actor_name
from dashboard.actions.engine_client import EngineClient
from dashboard.read import undo
from dashboard.workflow.validators import ValidatorRegistry
from dashboard.workflow.validators import registry as declared_validators
from otel_bridge.ledger.base import AuditEntry, Ledger
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.store.base import StateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSettings:
    """What actions can be told.

    Args:
        webhook_secret: shared with the workers; else ``DURABLE_WEBHOOK_SECRET``, else one kept in the ledger.
        verify_webhook: ``hook(request, name, run_id) -> bool``: the third party's own signature.
        validators: (workflow, update name) -> pydantic model, type or callable, besides those that ``validator``
            declared in this process.
        undo_grace_s: how long an undo waits for a step in flight where no executor reports presence.
        schema: of the engine's tables, on Postgres.
    """

    webhook_secret: str | None = None
    verify_webhook: Callable[..., Any] | None = None
    validators: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    undo_grace_s: float = 5.0
    max_webhook_bytes: int = 1024 * 1024
    schema: str = "dbos"


class Actions:
    """What the buttons do. Safe to share between threads; opens its connections when first used.

    Every method raises a ``dashboard.errors.Problem`` where it refuses; ``actor`` is an ``auth.Actor`` or a name.

    Args:
        client: a ``DBOSClient`` of the caller's own, or a callable that makes one.
    """

    def __init__(
        self,
        store: StateStore,
        ledger: Ledger,
        client: DBOSClient | Callable[[], DBOSClient] | None = None,
        settings: ActionSettings | None = None,
    ) -> None:
        chosen = settings or ActionSettings()
        self.desk = Desk(
            store=store,
            ledger=ledger,
            engine=EngineClient(store, client=client, schema=chosen.schema),
            validators=_Both(chosen.validators),
            webhook_secret=chosen.webhook_secret,
            verify_webhook=chosen.verify_webhook,
            grace_s=chosen.undo_grace_s,
            max_webhook_bytes=chosen.max_webhook_bytes,
        )

    def close(self) -> None:
        """Release the engine's client; store and ledger are the caller's. Idempotent."""
        self.desk.engine.close()

    # -- one run --------------------------------------------------------------------------------------------

    def retry(self, run_id: str, *, actor: Any, queue: str | None = None) -> Outcome:
        """See ``dashboard.actions.retry.retry``."""
        return retry.retry(self.desk, run_id, actor=actor_name(actor), queue=queue)

    def redispatch(self, run_id: str, *, actor: Any, forced: bool = False) -> tuple[Outcome, bool]:
        """See ``dashboard.actions.retry.redispatch``."""
        return retry.redispatch(self.desk, run_id, actor=actor_name(actor), forced=forced)

    def cancel(self, run_id: str, *, actor: Any, compensate: bool = False, children: bool = False) -> Outcome:
        """See ``dashboard.actions.cancel.cancel``."""
        return cancel.cancel(self.desk, run_id, actor=actor_name(actor), compensate=compensate, children=children)

    def undo_preview(self, run_id: str) -> list[undo.PreviewedUndo]:
        """Return what undoing the run would do. Raises ``NotFound``."""
        return undo.preview(self.desk.store, self.desk.run(run_id), self.desk.presence())

    def continue_run(self, run_id: str, *, actor: Any) -> Outcome:
        """See ``dashboard.actions.messages.continue_run``."""
        return messages.continue_run(self.desk, run_id, actor=actor_name(actor))

    def signal(self, run_id: str, topic: str, message: Any, *, actor: Any, key: str | None = None) -> Outcome:
        """See ``dashboard.actions.messages.signal``."""
        return messages.signal(self.desk, run_id, topic, message, actor=actor_name(actor), key=key)

    def update(self, run_id: str, name: str, value: Any, *, actor: Any, key: str | None = None) -> Outcome:
        """See ``dashboard.actions.messages.update``."""
        return messages.update(self.desk, run_id, name, value, actor=actor_name(actor), key=key)

    def deliver_webhook(self, token: str, body: Any, *, size_bytes: int, request: Any = None) -> None:
        """See ``dashboard.actions.messages.deliver_webhook``."""
        messages.deliver_webhook(self.desk, token, body, size_bytes=size_bytes, request=request)

    # -- new runs -------------------------------------------------------------------------------------------

    def start(
        self,
        workflow: str,
        *,
        actor: Any,
        input_: Any = None,
        run_id: str | None = None,
        queue: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """See ``dashboard.actions.starting.start``."""
        return starting.start(
            self.desk,
            workflow,
            actor=actor_name(actor),
            input_=input_,
            run_id=run_id,
            queue=queue,
            attributes=attributes,
        )

    def retry_with_input(self, run_id: str, input_: Any, *, actor: Any) -> Outcome:
        """See ``dashboard.actions.starting.retry_with_input``."""
        return starting.retry_with_input(self.desk, run_id, input_, actor=actor_name(actor))

    def fork(self, run_id: str, from_seq: int, *, actor: Any) -> Outcome:
        """See ``dashboard.actions.starting.fork``."""
        return starting.fork(self.desk, run_id, from_seq, actor=actor_name(actor))

    # -- schedules ------------------------------------------------------------------------------------------

    def pause_schedule(self, name: str, *, actor: Any) -> None:
        """See ``dashboard.actions.starting.pause_schedule``."""
        starting.pause_schedule(self.desk, name, actor=actor_name(actor))

    def resume_schedule(self, name: str, *, actor: Any) -> None:
        """See ``dashboard.actions.starting.resume_schedule``."""
        starting.resume_schedule(self.desk, name, actor=actor_name(actor))

    def trigger_schedule(self, name: str, *, actor: Any) -> Outcome:
        """See ``dashboard.actions.starting.trigger_schedule``."""
        return starting.trigger_schedule(self.desk, name, actor=actor_name(actor))

    # -- many runs ------------------------------------------------------------------------------------------

    def bulk_preview(self, action: bulk.BulkAction, query: RunQuery, *, bound_ms: int | None = None) -> bulk.Preview:
        """See ``dashboard.actions.bulk.preview``."""
        return bulk.preview(self.desk, action, query, bound_ms=bound_ms)

    def bulk_apply(
        self,
        action: bulk.BulkAction,
        query: RunQuery,
        *,
        actor: Any,
        params: Mapping[str, Any] | None = None,
        bound_ms: int | None = None,
        ids: Sequence[str] | None = None,
        bulk_id: str | None = None,
    ) -> bulk.Applied:
        """See ``dashboard.actions.bulk.apply``."""
        return bulk.apply(
            self.desk,
            action,
            query,
            actor=actor_name(actor),
            params=params,
            bound_ms=bound_ms,
            ids=ids,
            bulk_id=bulk_id,
        )

    def bulk_status(self, bulk_id: str) -> dict[str, Any]:
        """See ``dashboard.actions.bulk.status``."""
        return bulk.status(self.desk, bulk_id)

    # -- the audit log --------------------------------------------------------------------------------------

    def audit(self, *, run_id: str | None = None, before_id: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """Return audit entries, newest first."""
        return self.desk.ledger.audit(run_id=run_id, before_id=before_id, limit=limit)

    def run(self, run_id: str) -> Run:
        """Return a run as the store has it. Raises ``NotFound``."""
        return self.desk.run(run_id)


class _Both(ValidatorRegistry):
    """The blueprint's own validators, and those that this process declared."""

    def check(self, workflow: str, name: str, value: Any) -> None:
        super().check(workflow, name, value)
        declared_validators.check(workflow, name, value)
