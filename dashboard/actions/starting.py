"""Actions that begin a new run: start, fork, retry with input. And the schedules."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from dbos import EnqueueOptions, SetWorkflowID, WorkflowSerializationFormat
from dbos import error as dbos_error

from dashboard.actions.checks import queue_problem
from dashboard.actions.context import ActionContext, Outcome
from dashboard.actions.formats import format_for
from dashboard.actions.inert import ForeignObjectError
from dashboard.actions.placeholders import refuse_placeholders
from dashboard.errors import BadRequest, NotFound, Refused
from dashboard.workflow.names import FAST_QUEUE
from otel_bridge.codec import Codec
from otel_bridge.model.names import BULK_PREFIX, DEAD_LETTER_PREFIX, INTERNAL_QUEUE, UNDO_PREFIX
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.runs.placement import Need, place, polls
from otel_bridge.runs.presence import Presence

InputFormat = Literal["python", "portable"]

OWN_PREFIXES = (UNDO_PREFIX, DEAD_LETTER_PREFIX, BULK_PREFIX)
"""A run of such an id would stand in the way of the undo, the dead letter or the bulk action that has it."""
_KEYED = uuid.UUID("8f0c4b0e-6d4f-5c1e-9a55-0b7d0f3c2a91")
"""Namespace of ids made from idempotency keys."""


def arguments_of(input_: object) -> tuple[list[Any], dict[str, Any]]:
    """Return positional and named arguments of what a client gives as a run's input.

    ``{"args": [...], "kwargs": {...}}`` (how inputs are shown) is taken apart; a list is the positional arguments; any
    other object the named ones; anything else the only argument.
    """
    if isinstance(input_, dict):
        if input_ and set(input_) <= {"args", "kwargs"}:
            args, kwargs = input_.get("args") or [], input_.get("kwargs") or {}
            if isinstance(args, list) and isinstance(kwargs, dict):
                return args, kwargs
        if input_ and set(input_) <= {"positionalArgs", "namedArgs"}:
            args, kwargs = input_.get("positionalArgs") or [], input_.get("namedArgs") or {}
            if isinstance(args, list) and isinstance(kwargs, dict):
                return args, kwargs
        return [], input_
    if isinstance(input_, list):
        return input_, {}
    return ([] if input_ is None else [input_]), {}


def start(
    ctx: ActionContext,
    workflow: str,
    *,
    actor: str,
    input_: object = None,
    run_id: str | None = None,
    queue: str | None = None,
    attributes: Mapping[str, object] | None = None,
    key: str | None = None,
    format_: InputFormat | None = None,
) -> Outcome:
    """Start a run of a workflow.

    Args:
        format_: in which the input is written; None: as the workflow's, or the application's, other values are.
        key: idempotency key of the client; a repeat with the same key starts one run.

    Raises:
        Refused: a run of that id is there already, with another workflow; nobody would take it from that queue; or
            nothing tells in which format its input is to be written.
        BadRequest: the engine does not take the id, queue or attributes.
    """
    with ctx.audited(actor, "start", run_id, workflow=workflow, queue=queue):
        if workflow.startswith("durable."):
            raise BadRequest(f"{workflow!r} is this product's own; it is started by the actions that need it.")
        if run_id is not None and run_id.startswith(OWN_PREFIXES):
            raise BadRequest(f"{run_id[:200]!r} is an id that this product gives its own runs. Choose another id.")
        sample = _sample(ctx, workflow)
        namespace = sample.namespace if sample is not None else None
        ctx.permission.require_new(
            "start", workflow=workflow, queue=queue, attributes=attributes, namespace=namespace, run_id=run_id
        )
        written = _format_for_new(ctx, workflow, sample, format_)
        current = sample.workflow_version if sample is not None else None
        chosen = _queue_for_new(ctx, workflow, namespace, queue)
        version, note = ctx.version_for(workflow, namespace=namespace, current=current)
        options: EnqueueOptions = {
            "workflow_name": workflow,
            "queue_name": chosen,
            "serialization_type": written,
            "application_name": namespace,
        }
        if run_id is None and key is not None:
            # Under a policy a key is its sender's own: another's may have started what this one may not see.
            whose = workflow if ctx.permission.policy is None else f"{workflow}\0{actor}"
            run_id = keyed_id("start", whose, key)
        if run_id is not None and ctx.permission.is_anothers(run_id, ctx.store):
            # The engine would take it for a repeat, and change that run's row.
            raise Refused("A run of that id exists already. Choose another id.")
        if run_id is not None:
            options["workflow_id"] = run_id
        if version is not None:
            options["app_version"] = version
        if attributes:
            options["attributes"] = dict(attributes)
        if sample is not None and sample.class_name:
            options["class_name"] = sample.class_name
        if sample is not None and sample.config_name:
            options["instance_name"] = sample.config_name
        new_id = _enqueue(ctx, options, input_)
        return Outcome(ctx.run(new_id), (note,) if note else ())


def _format_for_new(
    ctx: ActionContext, workflow: str, sample: Run | None, chosen: InputFormat | None
) -> WorkflowSerializationFormat:
    if chosen is not None:
        return WorkflowSerializationFormat.NATIVE if chosen == "python" else WorkflowSerializationFormat.PORTABLE
    newest = None if sample is not None else next(iter(ctx.store.list_runs(RunQuery(limit=1)).runs), None)
    return format_for(known_serialization(workflow, sample, ctx.presence(), newest))


def known_serialization(workflow: str, sample: Run | None, seen: Presence, newest: Run | None) -> str | None:
    """Return in which format a workflow's input is to be written. Never guessed. Pure.

    A run in the wrong format does its work and fails at its end, when its result does not fit.

    Args:
        sample: a run of the workflow; tells for sure.
        newest: any run of the application; tells where no live worker that has the workflow does.

    Raises:
        Refused: nothing tells.
    """
    if sample is not None:
        return sample.serialization
    able = place(Need(workflow=workflow), seen.live).takers
    for worker in able:
        if worker.serializer is not None:
            return worker.serializer
    if newest is not None and not newest.workflow.startswith("durable."):
        return newest.serialization
    raise Refused(
        f"No run of {workflow!r} and no live worker tells in which format its input is to be written. Say so: "
        'format "python" for an application in Python, "portable" for one in another language.'
    )


def keyed_id(action: str, of: str, key: str) -> str:
    """Return the id of the run that a request with this ``Idempotency-Key`` starts: the same for each repeat. Pure.

    Example:
        >>> keyed_id("fork", "run-1", "a") == keyed_id("fork", "run-1", "a") != keyed_id("fork", "run-2", "a")
        True
    """
    return str(uuid.uuid5(_KEYED, f"{action}\0{of}\0{key}"))


def _queue_for_new(ctx: ActionContext, workflow: str, namespace: str | None, chosen: str | None) -> str:
    """Return the queue for a run that is to start; refuse one from which nobody would take it."""
    need = Need(workflow=workflow, namespace=namespace)
    seen = ctx.presence()
    if chosen is not None:
        why = queue_problem(chosen, {known.name: known for known in ctx.store.queues(backlog=False)}, seen, need)
        if why is not None:
            raise Refused(why)
        return chosen
    able = place(need, seen.live).takers
    # The engine's own queue is polled by every worker, ours by those that do not choose what they listen to.
    polled = not able or any(polls(executor, FAST_QUEUE) for executor in able)
    return FAST_QUEUE if polled else INTERNAL_QUEUE


def _sample(ctx: ActionContext, workflow: str) -> Run | None:
    """Return the newest run of a workflow: what its inputs look like, and which application has it."""
    page = ctx.store.list_runs(RunQuery(workflow=workflow, limit=1))
    return page.runs[0] if page.runs else None


def _enqueue(ctx: ActionContext, options: EnqueueOptions, input_: object) -> str:
    args, kwargs = arguments_of(input_)
    with ctx.engine.use(fast_queue=True) as client:
        try:
            handle: Any = client.enqueue(options, *args, **kwargs)
        except dbos_error.DBOSConflictingWorkflowError as error:
            raise Refused("A run of that id exists already, of another workflow. Choose another id.") from error
        except (dbos_error.DBOSException, ValueError, TypeError) as error:
            raise BadRequest(f"The engine does not take this run: {error}.") from error
    return str(handle.get_workflow_id())


def retry_with_input(
    ctx: ActionContext,
    run_id: str,
    input_: object,
    *,
    actor: str,
    key: str | None = None,
    codec: Codec | None = None,
) -> Outcome:
    """Start a new run of the same workflow with another input, linked to the one it corrects.

    Args:
        key: idempotency key of the client; a repeat with the same key starts one run.
        codec: how the caller was shown the run's input; what stands in it for hidden values is not accepted back.

    Raises:
        NotFound: there is no such run.
        Unprocessable: the input holds a placeholder of redaction.
    """
    with ctx.audited(actor, "retry-with-input", run_id):
        run = ctx.run(run_id)
        ctx.permission.require("retry_with_input", run)
        if codec is not None and codec.redact is not None:
            refuse_placeholders(input_, ctx.store.get_payload(run_id, "input", cap_bytes=None), codec=codec)
        where = ctx.destination(run, None)
        options: EnqueueOptions = {
            "workflow_name": run.workflow,
            "queue_name": where.queue,
            "serialization_type": format_for(run.serialization),
            "application_name": run.namespace,
            "attributes": {**_public(run), "durable.retryOf": run.id},
        }
        if key is not None:
            options["workflow_id"] = keyed_id("retry-with-input", run.id, key)
        if where.version is not None:
            options["app_version"] = where.version
        if where.partition is not None:
            options["queue_partition_key"] = where.partition
        if run.class_name:
            options["class_name"] = run.class_name
        if run.config_name:
            options["instance_name"] = run.config_name
        new_id = _enqueue(ctx, options, input_)
        return Outcome(ctx.run(new_id), where.notes)


def _public(run: Run) -> dict[str, Any]:
    return {key: value for key, value in run.attributes.items() if not key.startswith(("dbos.", "durable."))}


def fork(ctx: ActionContext, run_id: str, from_seq: int, *, actor: str, key: str | None = None) -> Outcome:
    """Start a new run that shares the steps before ``from_seq`` and executes the rest again.

    Args:
        key: idempotency key of the client; a repeat with the same key starts one run.

    Raises:
        NotFound: there is no such run.
        BadRequest: it has no such step.
    """
    with ctx.audited(actor, "fork", run_id, fromSeq=from_seq):
        run = ctx.run(run_id)
        ctx.permission.require("fork", run)
        last = ctx.store.last_step_number(run_id) or 0
        if from_seq < 0 or from_seq > last + 1:
            raise BadRequest(f"The run's last step is {last}: it can be forked from 0 to {last + 1}, not {from_seq}.")
        new_id = None if key is None else keyed_id("fork", f"{run_id}\0{from_seq}", key)
        where = ctx.destination(run, None)
        # Under the run's lock, because the engine refuses a fork of an id that is taken, instead of answering with it.
        with nullcontext() if new_id is None else ctx.alone(run_id):
            if new_id is not None and (made := ctx.store.get_run(new_id)) is not None:
                return Outcome(made)
            with ctx.engine.use(fast_queue=True) as client, _named(new_id):
                handle = client.fork_workflow(
                    run_id,
                    from_seq,
                    application_version=where.version,
                    queue_name=where.queue,
                    queue_partition_key=where.partition,
                )
        return Outcome(ctx.run(handle.get_workflow_id()), (*where.notes, *_undone_before(run, from_seq)))


def _undone_before(run: Run, from_seq: int) -> list[str]:
    """Return what to know of a fork that takes over steps of an undone run."""
    if run.undo_id is None or from_seq <= 1:
        return []
    return [
        f"The fork takes over the steps before {from_seq} as done, and {run.undo_id} undoes them. "
        "Fork from step 1 to do them again."
    ]


def _named(run_id: str | None) -> AbstractContextManager[object]:
    """Give the run that is forked within an id of our choice."""
    return nullcontext() if run_id is None else SetWorkflowID(run_id)


# -- schedules ---------------------------------------------------------------------------------------------


def pause_schedule(ctx: ActionContext, name: str, *, actor: str) -> None:
    """Stop a schedule from firing. Idempotent.

    Raises:
        NotFound: there is no such schedule.
    """
    with ctx.audited(actor, "schedule.pause", None, schedule=name):
        _permit_schedule(ctx, "pause_schedule", name)
        with ctx.engine.use() as client:
            client.pause_schedule(name)


def resume_schedule(ctx: ActionContext, name: str, *, actor: str) -> None:
    """Let a paused schedule fire again. Idempotent.

    Raises:
        NotFound: there is no such schedule.
    """
    with ctx.audited(actor, "schedule.resume", None, schedule=name):
        _permit_schedule(ctx, "resume_schedule", name)
        with ctx.engine.use() as client:
            client.resume_schedule(name)


def trigger_schedule(ctx: ActionContext, name: str, *, actor: str, key: str | None = None) -> Outcome:
    """Start a schedule's run now.

    Args:
        key: idempotency key of the client; a repeat with the same key starts one run.

    Raises:
        NotFound: there is no such schedule.
        Refused: its context holds an object of the application, which is not built here.
    """
    with ctx.audited(actor, "schedule.trigger", None, schedule=name):
        _permit_schedule(ctx, "start", name)
        if key is None:
            return Outcome(ctx.run(_trigger(ctx, name)))
        # The engine names the run itself, so the ledger remembers what a key has started.
        remembered = f"started.{keyed_id('trigger', name, key)}"
        with ctx.alone(remembered):
            made = ctx.ledger.get_value(remembered)
            if made is None:
                made = ctx.ledger.put_value(remembered, _trigger(ctx, name))
        return Outcome(ctx.run(str(made)))


def _trigger(ctx: ActionContext, name: str) -> str:
    with ctx.engine.use() as client:
        try:
            return str(client.trigger_schedule(name).get_workflow_id())
        except ForeignObjectError as error:
            raise Refused(
                f"The schedule's context holds a {error.name}, which only the application may build. "
                "Trigger it there, or give the schedule a context of plain values."
            ) from error


def _permit_schedule(ctx: ActionContext, action: str, name: str) -> None:
    """Raises:
    NotFound: there is no such schedule.
    Forbidden: the host's policy does not allow this for runs of its workflow.
    """
    found = next((schedule for schedule in ctx.store.schedules() if schedule.name == name), None)
    if found is None:
        raise NotFound(f"There is no schedule {name[:200]!r}.")
    ctx.permission.require_new(action, workflow=found.workflow, queue=found.queue)
