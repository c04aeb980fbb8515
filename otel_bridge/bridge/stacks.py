"""Stacks for what is exported of errors: the engine stores none, workers keep those of attempts. Reads the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from otel_bridge.ledger.base import Ledger, StepAttempt
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.failing import failing_step
from otel_bridge.runs.stacks import stack_of
from otel_bridge.spans import SpanSettings, decode_span_error
from otel_bridge.spans.plan import step_error

MOST_ATTEMPTS = 100
"""Of a run, the newest ones that failed. A step's span is due when the step ends, so its attempts are among them."""


class KeptStacks:
    """The stacks of one chunk's errors. A run in which nothing failed is not asked about.

    A worker tells of an attempt when it is over, by a thread of its own: of one that is exported in the same moment
    there may be no stack yet, and then none is sent.
    """

    def __init__(self, ledger: Ledger, settings: SpanSettings) -> None:
        self._ledger, self._settings = ledger, settings
        self._attempts: dict[str, list[StepAttempt]] = {}

    def of(self, run: Run, steps: Sequence[Step], stored: StoredValue | None) -> Mapping[int | None, str]:
        """Return the stacks of a run's failed steps by number, and of the run's own error under None.

        Args:
            steps: with their stored errors.
            stored: why the run failed; None where it did not.
        """
        failed = [step for step in steps if step.status == "failed" and step.kind == "local"]
        if stored is None and not failed:
            return {}
        kept = {one.seq for one in self._of(run.id, None)}
        found: dict[int | None, str | None] = {}
        for step in failed:
            error = step_error(step, self._settings) if step.seq in kept else None
            if error is not None and error.stack is None:
                attempts = [one for one in self._of(run.id, step.finished_at_ms) if one.seq == step.seq]
                found[step.seq] = stack_of(attempts, kind=error.type, step=step.name)
        error = decode_span_error(stored, self._settings) if kept else None
        if error is not None and error.stack is None:
            cause = failing_step(steps, stored)
            name = None if cause is None else cause.name
            found[None] = stack_of(self._of(run.id, run.finished_at_ms), kind=error.type, step=name)
        return {seq: self._shown(stack) for seq, stack in found.items() if stack is not None}

    def _of(self, run_id: str, until_ms: int | None) -> list[StepAttempt]:
        """Return the attempts that began by then: those of a later life are not of this error."""
        if run_id not in self._attempts:
            attempts = self._ledger.failed_attempts(run_id, limit=MOST_ATTEMPTS)
            self._attempts[run_id] = [replace(one, logs=()) for one in attempts]
        return [one for one in self._attempts[run_id] if until_ms is None or one.started_at_ms <= until_ms]

    def _shown(self, stack: str) -> str:
        """Return a stack as it may leave: the worker's redaction may have been another."""
        shown = self._settings.reader().show_members({"stack": stack}).get("stack")
        return shown if isinstance(shown, str) else "[redacted]"
