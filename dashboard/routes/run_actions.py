"""What one can do to one run, and what an undo of it would do. The actions are in ``dashboard.actions``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from dashboard.actions import cancel as cancelling
from dashboard.actions import messages, starting
from dashboard.actions import move as moving
from dashboard.actions import redispatch as redispatching
from dashboard.actions import retry as retrying
from dashboard.errors import Unprocessable
from dashboard.http.routing import Reply, RequestContext, RouteTable
from dashboard.read.loading import get_run
from dashboard.read.payloads import show, show_error
from dashboard.read.undo import PlannedUndo, PreviewedUndo, compensation_steps, plan_view, preview, read_plan
from dashboard.routes.answers import RUN, acted, actions_of, idempotency_key, started
from dashboard.wire.actions import (
    ActionAnswer,
    CancelQuery,
    CompensationView,
    DivergenceView,
    ForkBody,
    InputBody,
    MoveAnswer,
    MoveBody,
    MoveQuery,
    NewRun,
    RedispatchAnswer,
    RedispatchBody,
    RetryBody,
    StartBody,
    UndoView,
    UpdateAnswer,
    UpdateRejected,
)
from dashboard.wire.base import Json
from dashboard.wire.inbox import ContinueBody, WakeBody
from dashboard.wire.json import to_json
from dashboard.wire.sizes import ANSWER_BYTES, within
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step

routes = RouteTable()


# -- one run -------------------------------------------------------------------------------------------------


@routes.post(f"{RUN}/retry", summary="Retry a run", body=RetryBody, answers={200: ActionAnswer}, problems=(404, 409))
def retry(ctx: RequestContext, *, body: RetryBody, run_id: str) -> ActionAnswer:
    """A failed run continues from the step that failed, failed children first; a dead or cancelled one is resumed."""
    return acted(ctx, retrying.retry(actions_of(ctx), run_id, actor=ctx.actor.name, queue=body.queue))


@routes.post(
    f"{RUN}/cancel", summary="Cancel a run", query=CancelQuery, answers={200: ActionAnswer}, problems=(404, 409)
)
def cancel(ctx: RequestContext, *, query: CancelQuery, run_id: str) -> ActionAnswer:
    """A step in flight may still have its effect; its result is dropped."""
    outcome = cancelling.cancel(
        actions_of(ctx), run_id, actor=ctx.actor.name, compensate=query.compensate, children=query.children
    )
    return acted(ctx, outcome)


@routes.post(
    f"{RUN}/continue",
    summary="Release a breakpoint",
    body=ContinueBody,
    answers={200: ActionAnswer},
    problems=(404, 409, 422),
)
def continue_run(ctx: RequestContext, *, body: ContinueBody, run_id: str) -> ActionAnswer:
    """The run continues. It is handed ``comment`` and ``payload``, and the audit log keeps them.

    422 where the breakpoint declared a type that the payload is not of.
    """
    outcome = messages.continue_run(
        actions_of(ctx),
        run_id,
        actor=ctx.actor.name,
        comment=body.comment,
        payload=body.payload,
        seq=body.seq,
        kept=_kept(ctx, body.payload),
    )
    return acted(ctx, outcome)


@routes.post(f"{RUN}/wake", summary="End a sleep", body=WakeBody, answers={200: ActionAnswer}, problems=(404, 409))
def wake_run(ctx: RequestContext, *, body: WakeBody, run_id: str) -> ActionAnswer:
    """The run continues before its time; it is handed ``comment``, and the audit log keeps it.

    Only sleeps of ``dashboard.workflow`` can be woken: the engine's own last to their end.
    """
    return acted(ctx, messages.wake(actions_of(ctx), run_id, actor=ctx.actor.name, comment=body.comment, seq=body.seq))


MOST_KEPT_CHARS = 2_000


def _kept(ctx: RequestContext, payload: Json) -> Json:
    """Return a payload as the audit log keeps it: redacted, and of a large one the size alone."""
    redact = ctx.settings.codec.redact
    shown: Json = payload if redact is None or payload is None else redact(payload)
    size = len(to_json(shown))
    return shown if size <= MOST_KEPT_CHARS else f"{size} characters of JSON"


@routes.post(
    f"{RUN}/redispatch",
    summary="Put a run back on its queue that a lost executor held",
    body=RedispatchBody,
    answers={200: RedispatchAnswer},
    problems=(404, 409),
)
def redispatch(ctx: RequestContext, *, body: RedispatchBody, run_id: str) -> RedispatchAnswer:
    """Only the step that was in flight is executed again."""
    outcome, done = redispatching.redispatch(actions_of(ctx), run_id, actor=ctx.actor.name, forced=body.force)
    return RedispatchAnswer(run_id=run_id, status=outcome.run.status, redispatched=done)


@routes.post(
    f"{RUN}/move",
    summary="Move a run to another version",
    query=MoveQuery,
    body=MoveBody,
    answers={200: MoveAnswer},
    problems=(404, 409),
)
def move(ctx: RequestContext, *, query: MoveQuery, body: MoveBody, run_id: str) -> MoveAnswer:
    """For a run that nobody drives. ``dryRun`` only compares its recorded steps with that version's completed runs.

    It may stand in the query, as for bulk actions, or in the body.
    """
    done = moving.move(
        actions_of(ctx),
        run_id,
        actor=ctx.actor.name,
        version=body.version,
        dry_run=body.dry_run or query.dry_run,
        forced=body.force,
    )
    found = done.check.divergence
    return MoveAnswer(
        run_id=run_id,
        run=ctx.services.row(done.outcome.run),
        version=done.version,
        moved=done.moved,
        compared=done.check.compared,
        matches=done.check.matches,
        divergence=None if found is None else DivergenceView(**asdict(found)),
        notes=list(done.outcome.notes) or None,
    )


@routes.post(
    f"{RUN}/retry-with-input",
    summary="Start the workflow again with another input",
    body=InputBody,
    body_required=True,
    answers={201: NewRun},
    problems=(404, 409, 422),
)
def retry_with_input(ctx: RequestContext, *, body: InputBody, run_id: str) -> Reply:
    """A new run, linked to the one that it corrects by the attribute ``durable.retryOf``.

    Where payloads are redacted, an input that still holds a placeholder, such as ``[redacted]``, is refused.
    """
    outcome = starting.retry_with_input(
        actions_of(ctx), run_id, body.input, actor=ctx.actor.name, key=idempotency_key(ctx), codec=ctx.codec
    )
    return started(ctx, outcome)


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
    outcome = starting.fork(actions_of(ctx), run_id, body.from_seq, actor=ctx.actor.name, key=idempotency_key(ctx))
    return started(ctx, outcome)


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
    outcome = messages.signal(actions_of(ctx), run_id, topic, body, actor=ctx.actor.name, key=idempotency_key(ctx))
    return acted(ctx, outcome)


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
        outcome = messages.update(actions_of(ctx), run_id, name, body, actor=ctx.actor.name, key=idempotency_key(ctx))
    except Unprocessable as rejected:
        return Reply(UpdateRejected(reason=rejected.detail), status=422)
    return UpdateAnswer(run=ctx.services.row(outcome.run), notes=list(outcome.notes) or None)


@routes.get(f"{RUN}/undo", summary="What an undo would do, does or did", answers={200: UndoView}, problems=(404,))
def undo(ctx: RequestContext, *, run_id: str) -> UndoView:
    """Compensations in order, with what each one receives."""
    run = get_run(ctx.services, run_id)
    undo_run = ctx.store.get_run(run.undo_id) if run.undo_id is not None else None
    if undo_run is not None:
        steps = ctx.store.get_steps(undo_run.id, errors=True)
        plan = read_plan(ctx.store, undo_run.id, steps)
        if plan is not None:
            undone = zip(plan, compensation_steps(steps, plan, undo_id=undo_run.id), strict=True)
            return _undo_view(run, undo_run, False, len(plan), (_undone(ctx, *each) for each in undone))
    seen = preview(ctx.store, run, ctx.services.presence())
    possible = undo_run is None and run.status != "completed"
    views = (_previewed(ctx, each) for each in seen.compensations)
    return _undo_view(run, undo_run, possible, seen.total, views, notes=seen.left_out)


def _undo_view(
    run: Run,
    undo_run: Run | None,
    possible: bool,
    total: int,
    views: Iterable[CompensationView],
    *,
    notes: Sequence[str] = (),
) -> UndoView:
    """Return as many compensations as an answer has room for, the first ones."""
    shown = within(views, ANSWER_BYTES, least=1)
    return UndoView(
        run_id=run.id,
        undo_id=None if undo_run is None else undo_run.id,
        status=None if undo_run is None else undo_run.status,
        possible=possible,
        compensations=shown,
        total=total if len(shown) < total else None,
        notes=list(notes) or None,
    )


def _undone(ctx: RequestContext, planned: PlannedUndo, step: Step) -> CompensationView:
    return CompensationView(**plan_view(planned), status=step.status, attempts=step.attempts, error=_message(ctx, step))


def _message(ctx: RequestContext, step: Step) -> str | None:
    if step.error is None:
        return None
    return show_error(step.error, codec=ctx.codec, stack=False).message


def _previewed(ctx: RequestContext, seen: PreviewedUndo) -> CompensationView:
    given = show(seen.given, what="step", codec=ctx.codec).value if seen.given is not None else None
    shown = {key: given.get(key) for key in ("args", "kwargs")} if isinstance(given, dict) else None
    output = show(seen.output, what="step", codec=ctx.codec).value if seen.output is not None else None
    return CompensationView(**plan_view(seen.planned), executing=seen.executing, input=shown, output=output)


@routes.post("runs", summary="Start a run", body=StartBody, body_required=True, answers={201: NewRun}, problems=(409,))
def start_run(ctx: RequestContext, *, body: StartBody) -> Reply:
    """A worker that has the workflow runs it."""
    outcome = starting.start(
        actions_of(ctx),
        body.workflow,
        actor=ctx.actor.name,
        input_=body.input,
        run_id=body.run_id,
        queue=body.queue,
        attributes=body.attributes,
        format_=body.format,
        key=idempotency_key(ctx),
    )
    return started(ctx, outcome)
