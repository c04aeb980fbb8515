"""The routes that act. One method per route, named like its operation in OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from dashboard.client.call import Call, members, once, path_of, query_of
from dashboard.client.sync.connection import Connection
from dashboard.wire.actions import (
    ActionAnswer,
    MoveAnswer,
    NewRun,
    QueueAnswer,
    RedispatchAnswer,
    ScheduleAnswer,
    UpdateAnswer,
    WebhookAnswer,
)
from dashboard.wire.base import Json


class ActionRoutes(Connection):
    """Actions on one run, on schedules and queues."""

    def retry(self, run_id: str, *, queue: str | None = None) -> ActionAnswer:
        """Retry a run from the step that failed, under the same id; ``queue`` moves it.

        Raises:
            RefusedError: it completed, was undone, or no live worker can run it.
        """
        return self._send(Call("POST", path_of("runs", run_id, "retry"), ActionAnswer, body=members(queue=queue)))

    def cancel(self, run_id: str, *, compensate: bool = False, children: bool = False) -> ActionAnswer:
        """Cancel a run; ``compensate`` undoes what it did, ``children`` cancels the runs it started."""
        query = query_of(compensate=compensate or None, children=children or None)
        return self._send(Call("POST", path_of("runs", run_id, "cancel"), ActionAnswer, query))

    def continue_run(
        self, run_id: str, *, comment: str = "", payload: Json = None, seq: int | None = None
    ) -> ActionAnswer:
        """Release a run from its breakpoint; the workflow is handed ``comment`` and ``payload``.

        Args:
            seq: the breakpoint that is meant, where it is in several.

        Raises:
            RejectedError: the payload is not of the type that the breakpoint declared.
        """
        body = members(comment=comment or None, payload=payload, seq=seq)
        return self._send(Call("POST", path_of("runs", run_id, "continue"), ActionAnswer, body=body))

    def wake_run(self, run_id: str, *, comment: str = "", seq: int | None = None) -> ActionAnswer:
        """Wake a run from ``dashboard.workflow.sleep()``; the workflow is handed ``comment``.

        Args:
            seq: the sleep that is meant, where it is in several.

        Raises:
            RefusedError: it is in no sleep that can be woken.
        """
        body = members(comment=comment or None, seq=seq)
        return self._send(Call("POST", path_of("runs", run_id, "wake"), ActionAnswer, body=body))

    def redispatch(self, run_id: str, *, force: bool = False) -> RedispatchAnswer:
        """Put a run back on its queue that a lost executor held; ``force`` where presence does not say so."""
        return self._send(
            Call("POST", path_of("runs", run_id, "redispatch"), RedispatchAnswer, body=members(force=force))
        )

    def move(
        self, run_id: str, *, version: str | None = None, dry_run: bool = False, force: bool = False
    ) -> MoveAnswer:
        """Move a run to a live version, the newest where none is named; ``dry_run`` only compares the steps."""
        body = members(version=version, dry_run=dry_run, force=force)
        return self._send(Call("POST", path_of("runs", run_id, "move"), MoveAnswer, body=body))

    def fork(self, run_id: str, from_seq: int) -> NewRun:
        """Start a run that shares the steps before ``from_seq``."""
        return self._send(Call("POST", path_of("runs", run_id, "fork"), NewRun, body=members(from_seq=from_seq)))

    def retry_with_input(self, run_id: str, input_: Json) -> NewRun:
        """Start a new run of the same workflow with another input, linked to this one."""
        return self._send(Call("POST", path_of("runs", run_id, "retry-with-input"), NewRun, body={"input": input_}))

    def send_signal(
        self, run_id: str, topic: str, message: Json, *, idempotency_key: str | None = None
    ) -> ActionAnswer:
        """Send a message to a run. The same ``idempotency_key`` twice delivers once."""
        path = path_of("runs", run_id, "signals", topic)
        return self._send(Call("POST", path, ActionAnswer, body=message, headers=once(idempotency_key)))

    def send_update(
        self, run_id: str, name: str, argument: Json = None, *, idempotency_key: str | None = None
    ) -> UpdateAnswer:
        """Send an update to a run that waits for it.

        Raises:
            RejectedError: a validator said no; the run is untouched.
            RefusedError: the run does not wait for it.
        """
        path = path_of("runs", run_id, "updates", name)
        return self._send(Call("POST", path, UpdateAnswer, body=argument, headers=once(idempotency_key)))

    def deliver_webhook(self, token: str, body: Json = None) -> WebhookAnswer:
        """Call a webhook of a run, as a third party would."""
        return self._send(Call("POST", path_of("webhooks", token), WebhookAnswer, body=body))

    # -- new runs, schedules ---------------------------------------------------------------------------

    def start_run(
        self,
        workflow: str,
        input_: Json = None,
        *,
        run_id: str | None = None,
        queue: str | None = None,
        attributes: Mapping[str, Json] | None = None,
        format_: Literal["python", "portable"] | None = None,
    ) -> NewRun:
        """Start a run of a workflow; the same ``run_id`` twice starts one.

        Args:
            format_: in which the input is written, where neither a run of the application nor a live worker tells.
        """
        body = members(workflow=workflow, input=input_, run_id=run_id, queue=queue, attributes=attributes)
        return self._send(Call("POST", "runs", NewRun, body={**body, **members(format=format_)}))

    def switch_schedule(self, name: str, action: Literal["pause", "resume"]) -> ScheduleAnswer:
        """Pause or resume a schedule."""
        return self._send(Call("POST", path_of("schedules", name, action), ScheduleAnswer))

    def pause_queue(self, name: str, *, comment: str = "") -> QueueAnswer:
        """Stop starting runs from a queue until it is resumed; runs in progress continue.

        Raises:
            RefusedError: the queue is the engine's own or the dashboard's own.
        """
        body = members(comment=comment or None)
        return self._send(Call("POST", path_of("queues", name, "pause"), QueueAnswer, body=body))

    def resume_queue(self, name: str) -> QueueAnswer:
        """Give a queue back the rate limit that it had before its pause."""
        return self._send(Call("POST", path_of("queues", name, "resume"), QueueAnswer))

    def trigger_schedule(self, name: str) -> NewRun:
        """Start a schedule's run now."""
        return self._send(Call("POST", path_of("schedules", name, "trigger"), NewRun))
