"""Actions that begin a new run: start, fork, retry with input. And the schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbos import EnqueueOptions, WorkflowSerializationFormat
from dbos import error as dbos_error

from dashboard.actions.context import Desk, Outcome, format_for
from dashboard.actions.inert import ForeignObjectError
from dashboard.errors import BadRequest, NotFound, Refused
from dashboard.workflow.names import FAST_QUEUE
from otel_bridge.model.runs import Run, RunQuery


def arguments_of(input_: Any) -> tuple[list[Any], dict[str, Any]]:
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
    desk: Desk,
    workflow: str,
    *,
    actor: str,
    input_: Any = None,
    run_id: str | None = None,
    queue: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Outcome:
    """Start a run of a workflow.

    Raises:
        Refused: a run of that id is there already, with another workflow.
        BadRequest: the engine does not take the id, queue or attributes.
    """
    with desk.audited(actor, "start", run_id, workflow=workflow, queue=queue):
        if workflow.startswith("durable."):
            raise BadRequest(f"{workflow!r} is this product's own; it is started by the actions that need it.")
        sample = _sample(desk, workflow)
        namespace = sample.namespace if sample is not None else None
        format_ = format_for(sample) if sample is not None else WorkflowSerializationFormat.PORTABLE
        current = sample.workflow_version if sample is not None else None
        version, note = desk.version_for(workflow, namespace=namespace, current=current)
        options: EnqueueOptions = {
            "workflow_name": workflow,
            "queue_name": queue or FAST_QUEUE,
            "serialization_type": format_,
            "application_name": namespace,
        }
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
        new_id = _enqueue(desk, options, input_)
        return Outcome(desk.run(new_id), (note,) if note else ())


def _sample(desk: Desk, workflow: str) -> Run | None:
    """Return the newest run of a workflow: what its inputs look like, and which application has it."""
    page = desk.store.list_runs(RunQuery(workflow=workflow, limit=1))
    return page.runs[0] if page.runs else None


def _enqueue(desk: Desk, options: EnqueueOptions, input_: Any) -> str:
    args, kwargs = arguments_of(input_)
    with desk.engine.use(fast_queue=True) as client:
        try:
            handle: Any = client.enqueue(options, *args, **kwargs)
        except dbos_error.DBOSConflictingWorkflowError as error:
            raise Refused("A run of that id exists already, of another workflow. Choose another id.") from error
        except (dbos_error.DBOSException, ValueError, TypeError) as error:
            raise BadRequest(f"The engine does not take this run: {error}.") from error
    return str(handle.get_workflow_id())


def retry_with_input(desk: Desk, run_id: str, input_: Any, *, actor: str) -> Outcome:
    """Start a new run of the same workflow with another input, linked to the one it corrects.

    Raises:
        NotFound: there is no such run.
    """
    with desk.audited(actor, "retry-with-input", run_id):
        run = desk.run(run_id)
        version, note = desk.version_for(run.workflow, namespace=run.namespace, current=run.workflow_version)
        queue, partition = desk.queue_for(run, None)
        options: EnqueueOptions = {
            "workflow_name": run.workflow,
            "queue_name": queue,
            "serialization_type": format_for(run),
            "application_name": run.namespace,
            "attributes": {**_public(run), "durable.retryOf": run.id},
        }
        if version is not None:
            options["app_version"] = version
        if partition is not None:
            options["queue_partition_key"] = partition
        if run.class_name:
            options["class_name"] = run.class_name
        if run.config_name:
            options["instance_name"] = run.config_name
        new_id = _enqueue(desk, options, input_)
        return Outcome(desk.run(new_id), (note,) if note else ())


def _public(run: Run) -> dict[str, Any]:
    return {key: value for key, value in run.attributes.items() if not key.startswith(("dbos.", "durable."))}


def fork(desk: Desk, run_id: str, from_seq: int, *, actor: str) -> Outcome:
    """Start a new run that shares the steps before ``from_seq`` and executes the rest anew.

    Raises:
        NotFound: there is no such run.
        BadRequest: it has no such step.
    """
    with desk.audited(actor, "fork", run_id, fromSeq=from_seq):
        run = desk.run(run_id)
        steps = desk.store.get_steps(run_id)
        last = max((number for step in steps for number in (step.seq, *step.folded)), default=0)
        if from_seq < 0 or from_seq > last + 1:
            raise BadRequest(f"The run's last step is {last}: it can be forked from 0 to {last + 1}, not {from_seq}.")
        version, note = desk.version_for(run.workflow, namespace=run.namespace, current=run.workflow_version)
        queue, partition = desk.queue_for(run, None)
        with desk.engine.use(fast_queue=True) as client:
            handle = client.fork_workflow(
                run_id,
                from_seq,
                application_version=version,
                queue_name=queue,
                queue_partition_key=partition,
            )
        return Outcome(desk.run(handle.get_workflow_id()), (note,) if note else ())


# -- schedules ---------------------------------------------------------------------------------------------


def pause_schedule(desk: Desk, name: str, *, actor: str) -> None:
    """Stop a schedule from firing. Idempotent.

    Raises:
        NotFound: there is no such schedule.
    """
    with desk.audited(actor, "schedule.pause", None, schedule=name):
        _known_schedule(desk, name)
        with desk.engine.use() as client:
            client.pause_schedule(name)


def resume_schedule(desk: Desk, name: str, *, actor: str) -> None:
    """Let a paused schedule fire again. Idempotent.

    Raises:
        NotFound: there is no such schedule.
    """
    with desk.audited(actor, "schedule.resume", None, schedule=name):
        _known_schedule(desk, name)
        with desk.engine.use() as client:
            client.resume_schedule(name)


def trigger_schedule(desk: Desk, name: str, *, actor: str) -> Outcome:
    """Start a schedule's run now.

    Raises:
        NotFound: there is no such schedule.
        Refused: its context holds an object of the application, which is not built here.
    """
    with desk.audited(actor, "schedule.trigger", None, schedule=name):
        _known_schedule(desk, name)
        with desk.engine.use() as client:
            try:
                handle = client.trigger_schedule(name)
            except ForeignObjectError as error:
                raise Refused(
                    f"The schedule's context holds a {error.name}, which only the application may build. "
                    "Trigger it there, or give the schedule a context of plain values."
                ) from error
        return Outcome(desk.run(handle.get_workflow_id()))


def _known_schedule(desk: Desk, name: str) -> None:
    if name not in {schedule.name for schedule in desk.store.schedules()}:
        raise NotFound(f"There is no schedule {name[:200]!r}.")
