"""Which of the tracebacks that workers kept is that of a run's or a step's error. Pure.

The engine stores errors without their stacks; the instrumentor keeps those of attempts, and of bodies that failed.
"""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.ledger.base import BODY_SEQ, StepAttempt

_RETRIES_EXCEEDED = "dbos._error.DBOSMaxStepRetriesExceeded"


def stack_of(failed: Sequence[StepAttempt], *, kind: str | None, step: str | None) -> str | None:
    """Return the traceback of the error that a run died of; None where no worker kept it.

    That of the step comes first: the body's begins where the engine raised the recorded error, if it was replayed.

    Args:
        failed: the run's failed attempts, newest first.
        kind: the error's type.
        step: the name of the step whose error it is; None where it is the body's own.
    """
    in_step = [one for one in failed if one.seq != BODY_SEQ and one.name == step]
    if kind == _RETRIES_EXCEEDED:  # wraps the last attempt's
        found = in_step
    else:
        found = [one for one in in_step if one.error_type == kind]
        found += [one for one in failed if one.seq == BODY_SEQ and one.error_type == kind]
    return next((one.traceback for one in found if one.traceback), None)
