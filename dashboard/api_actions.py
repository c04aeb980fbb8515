"""The routes that act, and those that tell what acting would do or did. What they do is in ``dashboard.actions``."""

from __future__ import annotations

import json
from typing import Any, cast

from pydantic import Field

from dashboard.actions import Actions, Outcome, bulk
from dashboard.errors import BadRequest, NotFound, TooLarge, Unprocessable
from dashboard.http.routing import Reply, RequestContext, RouteTable
from dashboard.read.payloads import show, show_error
from dashboard.read.run import get_run
from dashboard.read.undo import PreviewedUndo, compensations_of, plan_view, read_plan
from dashboard.wire.actions import (
    ActionAnswer,
    AuditQuery,
    AuditView,
    BulkAnswer,
    BulkStatus,
    CancelQuery,
    CompensationView,
    ForkBody,
    InputBody,
    NewRun,
    RedispatchAnswer,
    RedispatchBody,
    RetryBody,
    ScheduleAnswer,
    StartBody,
    UndoView,
    UpdateAnswer,
    UpdateRejected,
    WebhookAnswer,
)
from dashboard.wire.base import Body, iso
from dashboard.wire.convert import run_row
from dashboard.wire.filters import RunFilter
from dashboard.wire.runs import RunRow
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step

routes = RouteTable()

RUN = "runs/<path:run_id>"
IDEMPOTENCY_HEADER = "Idempotency-Key"
MAX_KEY_CHARS = 200


class BulkQuery(RunFilter):
    """The filter of the run list, and how to act on it."""

    dry_run: bool = Field(False, description="Only tell what would be touched.")
    compensate: bool = Field(False, description="cancel: undo too.")
    children: bool = Field(False, description="cancel: the runs that they started too.")
    to_queue: str | None = Field(None, description="retry: move the runs to this queue.")


class BulkBody(Body):
    """What was previewed, so that nothing else is touched."""

    bound_ms: int | None = Field(None, ge=0, le=2**53, description="``boundMs`` of the dry run.")
    ids: list[str] | None = Field(None, max_length=bulk.RUNS_MAX)
    bulk_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_.:-]{1,100}$", description="The same twice is one bulk.")


def _actions(ctx: RequestContext) -> Actions:
    return cast(Actions, ctx.actions)


def _row(ctx: RequestContext, run: Run) -> RunRow:
    return run_row(run, namespace=ctx.settings.namespace)


def _acted(ctx: RequestContext, outcome: Outcome) -> ActionAnswer:
    row = _row(ctx, outcome.run)
    return ActionAnswer(**row.model_dump(), run_id=outcome.run.id, notes=list(outcome.notes) or None)


def _started(ctx: RequestContext, outcome: Outcome) -> Reply:
    answer = NewRun(run_id=outcome.run.id, run=_row(ctx, outcome.run), notes=list(outcome.notes) or None)
    return Reply(answer, status=201)


def _key(ctx: RequestContext) -> str | None:
    key = ctx.request.headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not 0 < len(key) <= MAX_KEY_CHARS:
        raise BadRequest(f"{IDEMPOTENCY_HEADER} has 1 to {MAX_KEY_CHARS} characters; this one has {len(key)}.")
    return key


# -- one run -------------------------------------------------------------------------------------------------


@routes.post(f"{RUN}/retry", summary="Retry a run", body=RetryBody, answers={200: ActionAnswer}, problems=(404, 409))
def retry(ctx: RequestContext, *, body: RetryBody, run_id: str) -> ActionAnswer:
    """A failed run goes on from the step that failed, failed children first; a dead or cancelled one is resumed."""
    return _acted(ctx, _actions(ctx).retry(run_id, actor=ctx.actor, queue=body.queue))


@routes.post(
    f"{RUN}/cancel", summary="Cancel a run", query=CancelQuery, answers={200: ActionAnswer}, problems=(404, 409)
)
def cancel(ctx: RequestContext, *, query: CancelQuery, run_id: str) -> ActionAnswer:
    """A step in flight may still have its effect; its result is dropped."""
    outcome = _actions(ctx).cancel(run_id, actor=ctx.actor, compensate=query.compensate, children=query.children)
    return _acted(ctx, outcome)


@routes.post(f"{RUN}/continue", summary="Release a breakpoint", answers={200: ActionAnswer}, problems=(404, 409))
def continue_run(ctx: RequestContext, *, run_id: str) -> ActionAnswer:
    """The run goes on."""
    return _acted(ctx, _actions(ctx).continue_run(run_id, actor=ctx.actor))


@routes.post(
    f"{RUN}/redispatch",
    summary="Put a run back on its queue that a lost executor held",
    body=RedispatchBody,
    answers={200: RedispatchAnswer},
    problems=(404, 409),
)
def redispatch(ctx: RequestContext, *, body: RedispatchBody, run_id: str) -> RedispatchAnswer:
    """Only the step that was in flight is executed again."""
    outcome, done = _actions(ctx).redispatch(run_id, actor=ctx.actor, forced=body.force)
    return RedispatchAnswer(run_id=run_id, status=outcome.run.status, redispatched=done)


@routes.post(
    f"{RUN}/retry-with-input",
    summary="Start a run anew with another input",
    body=InputBody,
    body_required=True,
    answers={201: NewRun},
    problems=(404, 409),
)
def retry_with_input(ctx: RequestContext, *, body: InputBody, run_id: str) -> Reply:
    """A new run, linked to the one that it corrects by the attribute ``durable.retryOf``."""
    return _started(ctx, _actions(ctx).retry_with_input(run_id, body.input, actor=ctx.actor))


@routes.post(
    f"{RUN}/fork",
    summary="Fork a run from a step",
    body=ForkBody,
    body_required=True,
    answers={201: NewRun},
    problems=(404, 409),
)
def fork(ctx: RequestContext, *, body: ForkBody, run_id: str) -> Reply:
    """A new run that shares the steps before ``fromSeq``."""
    return _started(ctx, _actions(ctx).fork(run_id, body.from_seq, actor=ctx.actor))


@routes.post(
    f"{RUN}/signals/<path:topic>",
    summary="Send a signal to a run",
    body=Any,
    body_required=True,
    answers={200: ActionAnswer},
    problems=(404, 409),
)
def send_signal(ctx: RequestContext, *, body: Any, run_id: str, topic: str) -> ActionAnswer:
    """The body is the message. With an ``Idempotency-Key`` header a repeat is delivered once."""
    return _acted(ctx, _actions(ctx).signal(run_id, topic, body, actor=ctx.actor, key=_key(ctx)))


@routes.post(
    f"{RUN}/updates/<path:name>",
    summary="Send an update to a run that waits for it",
    body=Any,
    body_required=True,
    answers={200: UpdateAnswer, 422: UpdateRejected},
    problems=(404, 409),
)
def send_update(ctx: RequestContext, *, body: Any, run_id: str, name: str) -> Any:
    """The body is the argument; validators run first. With an ``Idempotency-Key`` header a repeat is delivered once."""
    try:
        outcome = _actions(ctx).update(run_id, name, body, actor=ctx.actor, key=_key(ctx))
    except Unprocessable as rejected:
        return Reply(UpdateRejected(reason=rejected.detail), status=422)
    return UpdateAnswer(run=_row(ctx, outcome.run))


@routes.get(f"{RUN}/undo", summary="What an undo would do, does or did", answers={200: UndoView}, problems=(404,))
def undo(ctx: RequestContext, *, run_id: str) -> UndoView:
    """Compensations in order, with what each one receives."""
    run = get_run(ctx.services, run_id)
    undo_run = ctx.store.get_run(run.undo_id) if run.undo_id is not None else None
    if undo_run is not None:
        steps = ctx.store.get_steps(undo_run.id, errors=True)
        plan = read_plan(ctx.store, undo_run.id, steps)
        if plan is not None:
            return UndoView(
                run_id=run.id,
                undo_id=undo_run.id,
                status=undo_run.status,
                possible=False,
                compensations=[
                    CompensationView(
                        **plan_view(planned),
                        status=step.status,
                        attempts=step.attempts,
                        error=_message(ctx, step),
                    )
                    for planned, step in zip(plan, compensations_of(ctx.store, undo_run.id, steps), strict=True)
                ],
            )
    return UndoView(
        run_id=run.id,
        undo_id=undo_run.id if undo_run is not None else None,
        status=undo_run.status if undo_run is not None else None,
        possible=undo_run is None and run.status != "completed",
        compensations=[_previewed(ctx, seen) for seen in _actions(ctx).undo_preview(run.id)],
    )


def _message(ctx: RequestContext, step: Step) -> str | None:
    if step.error is None:
        return None
    shown = show_error(step.error, redact=ctx.settings.redact, stack=False)
    return shown.message


def _previewed(ctx: RequestContext, seen: PreviewedUndo) -> CompensationView:
    redact = ctx.settings.redact
    given = show(seen.given, what="event", redact=redact).value if seen.given is not None else None
    shown = {key: given.get(key) for key in ("args", "kwargs")} if isinstance(given, dict) else None
    output = show(seen.output, what="step", redact=redact).value if seen.output is not None else None
    return CompensationView(**plan_view(seen.planned), executing=seen.executing, input=shown, output=output)


@routes.post("runs", summary="Start a run", body=StartBody, body_required=True, answers={201: NewRun}, problems=(409,))
def start_run(ctx: RequestContext, *, body: StartBody) -> Reply:
    """A worker that has the workflow runs it."""
    outcome = _actions(ctx).start(
        body.workflow,
        actor=ctx.actor,
        input_=body.input,
        run_id=body.run_id,
        queue=body.queue,
        attributes=body.attributes,
    )
    return _started(ctx, outcome)


# -- webhooks ------------------------------------------------------------------------------------------------


@routes.post(
    "webhooks/<token>",
    summary="Deliver a callback to the run that waits for it",
    role="public",
    answers={202: WebhookAnswer},
    problems=(404, 409, 413),
    tag="webhooks",
)
def deliver_webhook(ctx: RequestContext, *, token: str) -> Reply:
    """Any content type: JSON and forms arrive as objects, text as a string. Only the signed token says who may."""
    actions = _actions(ctx)
    limit = actions.desk.max_webhook_bytes
    if (ctx.request.content_length or 0) > limit:
        raise TooLarge(f"A webhook takes at most {limit} bytes.")
    ctx.request.max_content_length = limit
    raw = ctx.request.get_data(cache=True)
    actions.deliver_webhook(token, _callback_body(ctx, raw), size_bytes=len(raw), request=ctx.request)
    return Reply(WebhookAnswer(), status=202)


def _callback_body(ctx: RequestContext, raw: bytes) -> Any:
    kind = ctx.request.mimetype
    if kind == "application/x-www-form-urlencoded":
        fields = ctx.request.form.to_dict(flat=False)
        return {key: values[0] if len(values) == 1 else values for key, values in fields.items()}
    text = raw.decode("utf-8", "replace")
    if kind == "application/json" or kind.endswith("+json") or not kind:
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError) as error:
            raise BadRequest("The body is not JSON.") from error
    return text


# -- many runs -----------------------------------------------------------------------------------------------


@routes.post(
    "bulk/<any(retry, cancel):action>",
    summary="Retry or cancel every run of a filter",
    query=BulkQuery,
    body=BulkBody,
    answers={200: BulkAnswer, 202: BulkAnswer},
    problems=(404, 405, 409, 422),
    tag="bulk",
)
def bulk_action(ctx: RequestContext, *, query: BulkQuery, body: BulkBody, action: bulk.BulkAction) -> Reply:
    """``dryRun=true`` tells what would be touched; the real one takes its ``boundMs`` so that nothing newer is."""
    actions = _actions(ctx)
    if query.matches_nothing:
        return Reply(BulkAnswer(matched=0, applied=None if query.dry_run else 0))
    wanted = query.to_query()
    if query.dry_run:
        seen = actions.bulk_preview(action, wanted, bound_ms=body.bound_ms)
        return Reply(
            BulkAnswer(
                matched=len(seen.ids),
                skipped=seen.skipped,
                by_status=seen.by_status,
                sample=[_row(ctx, run) for run in seen.sample],
                bound_ms=seen.bound_ms,
            )
        )
    params: dict[str, Any] = {"queue": query.to_queue} if action == "retry" else {}
    if action == "cancel":
        params = {"compensate": query.compensate, "children": query.children}
    done = actions.bulk_apply(
        action,
        wanted,
        actor=ctx.actor,
        params={key: value for key, value in params.items() if value},
        bound_ms=body.bound_ms,
        ids=body.ids,
        bulk_id=body.bulk_id,
    )
    answer = BulkAnswer(
        matched=done.matched,
        applied=done.applied,
        bulk_id=done.bulk_id,
        results=done.results if not done.bulk_id else None,
    )
    return Reply(answer, status=202 if done.bulk_id else 200)


@routes.get(
    "bulk/<path:bulk_id>",
    summary="A bulk action's progress and results",
    answers={200: BulkStatus},
    problems=(404,),
    tag="bulk",
)
def bulk_status(ctx: RequestContext, *, bulk_id: str) -> BulkStatus:
    """A result per run, as far as it got."""
    return BulkStatus.model_validate(_actions(ctx).bulk_status(bulk_id))


# -- schedules, audit ----------------------------------------------------------------------------------------


@routes.post(
    "schedules/<path:name>/<any(pause, resume):action>",
    summary="Pause or resume a schedule",
    answers={200: ScheduleAnswer},
    problems=(404,),
    tag="schedules",
)
def switch_schedule(ctx: RequestContext, *, name: str, action: str) -> ScheduleAnswer:
    """A paused schedule fires no more until it is resumed."""
    actions = _actions(ctx)
    (actions.pause_schedule if action == "pause" else actions.resume_schedule)(name, actor=ctx.actor)
    active = next((s.active for s in ctx.store.schedules() if s.name == name), None)
    if active is None:
        raise NotFound(f"There is no schedule {name[:200]!r}.")
    return ScheduleAnswer(name=name, active=active)


@routes.post(
    "schedules/<path:name>/trigger",
    summary="Start a schedule's run now",
    answers={201: NewRun},
    problems=(404, 409),
    tag="schedules",
)
def trigger_schedule(ctx: RequestContext, *, name: str) -> Reply:
    """Also while it is paused."""
    return _started(ctx, _actions(ctx).trigger_schedule(name, actor=ctx.actor))


@routes.get(
    "audit", summary="Who did what", query=AuditQuery, answers={200: list[AuditView]}, role="operator", tag="audit"
)
def audit(ctx: RequestContext, *, query: AuditQuery) -> list[AuditView]:
    """Newest first, refusals included."""
    entries = ctx.ledger.audit(run_id=query.run, before_id=query.before, limit=query.limit)
    return [
        AuditView(
            id=entry.id or 0,
            at=iso(entry.at_ms) or "",
            actor=entry.actor,
            action=entry.action,
            run_id=entry.run_id,
            outcome=entry.outcome,
            detail=entry.detail,
            params=dict(entry.params),
        )
        for entry in entries
    ]
