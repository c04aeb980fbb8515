"""What workers kept of attempts at steps: errors with tracebacks, and what was logged. Reads the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.read.services import Services
from dashboard.wire.attempts import AttemptLogView, StepAttemptView, StepErrorView, StepLogView
from dashboard.wire.runs import ErrorView
from dashboard.wire.sizes import size_of
from otel_bridge.codec import Codec
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import StepAttempt, StepLog
from otel_bridge.model import moments
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.runs.stacks import stack_of

LOG_BYTES = 120_000
"""Of an answer about a step, for what its attempts logged and their tracebacks."""
NO_LEDGER = "The ledger cannot be read now, so what workers kept of this step is not known."


def attempt_log(services: Services, run: Run, step: Step, *, codec: Codec) -> AttemptLogView:
    """Return what is kept of the attempts at a step: as many records as have room, the last attempts first.

    Args:
        step: as it was recorded, by its own run.
        codec: the viewer's.
    """
    try:
        found = services.ledger.step_attempts(step.run_id, step.seq)
    except LedgerError:
        return AttemptLogView(attempts=[], absent=NO_LEDGER)
    if not found:
        return AttemptLogView(attempts=[], absent=_why_none(services, run, step))
    views = _fitting([_attempt_view(one, _execution(found, one), codec=codec) for one in found])
    return AttemptLogView(attempts=views, left_out=len(found) - len(views) or None)


def stack_for(services: Services, run_id: str, error: ErrorView | None, *, codec: Codec) -> ErrorView | None:
    """Return a run's error with the stack that its worker kept, where the stored error has none."""
    if error is None or error.stack is not None:
        return error
    try:
        failed = services.ledger.failed_attempts(run_id)
    except LedgerError:
        return error
    stack = stack_of(failed, kind=error.type, step=error.step)
    return error if stack is None else error.model_copy(update={"stack": _shown(codec, stack=stack)["stack"]})


def _execution(found: Sequence[StepAttempt], attempt: StepAttempt) -> int:
    return sorted({one.execution_ms for one in found}).index(attempt.execution_ms) + 1


def _attempt_view(attempt: StepAttempt, execution: int, *, codec: Codec) -> StepAttemptView:
    told = {"message": attempt.error_message or "", "stack": attempt.traceback or ""}
    shown = _shown(codec, **told)
    kind = attempt.error_type
    ended_ms = attempt.ended_at_ms
    return StepAttemptView(
        n=attempt.attempt,
        execution=execution,
        executor=attempt.executor,
        started_at=moments.iso(attempt.started_at_ms),
        ended_at=None if ended_ms is None else moments.iso(ended_ms),
        duration_ms=None if ended_ms is None else ended_ms - attempt.started_at_ms,
        error=None if kind is None else StepErrorView(type=kind, message=shown["message"]),
        traceback=shown["stack"] or None,
        logs=[_log_view(log, codec=codec) for log in attempt.logs],
        truncated=attempt.logs_left_out or None,
    )


def _log_view(log: StepLog, *, codec: Codec) -> StepLogView:
    shown = _shown(codec, message=log.message, exception=log.exception or "")
    return StepLogView(
        at=moments.iso(log.at_ms),
        level=log.level,
        logger=log.logger,
        message=shown["message"],
        where=log.where,
        exception=shown["exception"] or None,
        span_id=log.span_id,
        fields=codec.show_members(log.fields) if log.fields else None,
    )


def _shown(codec: Codec, **texts: str) -> dict[str, str]:
    """Return texts as the viewer may see them."""
    shown = codec.show_members(texts)
    return {name: found if isinstance(found := shown.get(name), str) else "[redacted]" for name in texts}


def _fitting(views: Sequence[StepAttemptView]) -> list[StepAttemptView]:
    """Return the last attempts that have room; of the first of those only the last records that have."""
    left, shown = LOG_BYTES, list[StepAttemptView]()
    for view in reversed(views):
        left -= size_of(view.model_copy(update={"logs": []}))
        if left < 0 and shown:
            break
        logs: list[StepLogView] = []
        for log in reversed(view.logs):
            left -= size_of(log) + 1
            if left < 0:
                break
            logs.append(log)
        missing = len(view.logs) - len(logs)
        cut = {"logs": logs[::-1], "truncated": (view.truncated or 0) + missing or None}
        shown.append(view.model_copy(update=cut))
    return shown[::-1]


def _why_none(services: Services, run: Run, step: Step) -> str:
    if step.kind != "local":
        return "Attempts are kept of steps that a worker executes itself. This one waits, or another run does its work."
    executors = services.presence().executors
    if not any(one.executor_id == run.executor for one in executors):
        worker = f"the worker {run.executor!r}" if run.executor else "the worker"
        return (
            f"There is no instrumentor in {worker}, or it has not reported for long. With "
            "DBOSInstrumentor().instrument() before DBOS.launch() it keeps tracebacks, attempts and logs."
        )
    if step.status == "running":
        return (
            "The step is executing. What it logs is kept when it fails, is retried or is slow; while somebody watches "
            "the run, it is shown as it comes, from a few seconds after the page was opened."
        )
    if step.status == "completed":
        return "It succeeded at once and quickly, and nobody watched: then nothing that it logged is kept."
    return (
        "Its worker kept nothing of it: step_logs is off there, the process ended before it could write, or it is "
        "older than what the ledger keeps."
    )


def with_stack(error: ErrorView | None, log: AttemptLogView) -> ErrorView | None:
    """Return a step's error with the traceback of its last failed attempt, where the stored error has no stack."""
    if error is None or error.stack is not None:
        return error
    stack = next((one.traceback for one in reversed(log.attempts) if one.traceback is not None), None)
    return error if stack is None else error.model_copy(update={"stack": stack})
