"""Failures of runs: recorded in the ledger by the first process to see a run's end. Reads the store; writes the ledger.

The engine deletes a run's error when the run is rewound. What was recorded stays, and says of each failed run which
error it is.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from otel_bridge.codec import Codec, DecodedError
from otel_bridge.errors import LedgerError, StoreError
from otel_bridge.ledger.base import ErrorSignature, Failure, Ledger
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.model.values import ERROR_CAP_BYTES, StoredValue
from otel_bridge.runs.failing import failing_step
from otel_bridge.runs.fingerprints import cause_of, first_line, signature_of, template_of
from otel_bridge.store.base import StateStore

_logger = logging.getLogger("otel_bridge")

CHUNK_RUNS = 100
MOST_STEPS = 10_000
LAST_ROWS = 5_000
"""Of a run with more rows its last ones are looked at for the step that it died of."""
MOST_REFUSED = 3
"""Runs of a chunk that are tried alone and cannot be read, before the rest is left for later."""
_NO_ERROR = DecodedError(message="The run failed, and its error was not stored.")
_UNREADABLE = DecodedError(message="The run failed, and its rows cannot be read.")


class FailureLog:
    """Records failures, and what became of them.

    Args:
        codec: reads errors, and hides what nobody may see of them; set alike wherever failures are recorded.

    Example::

        log = FailureLog(store, ledger)
        log.note(store.get_runs(ids).values())[run_id].signature.fingerprint
    """

    def __init__(self, store: StateStore, ledger: Ledger, *, codec: Codec | None = None) -> None:
        self._store, self._ledger = store, ledger
        self._codec = codec or Codec()
        self._plain = replace(self._codec, redact=None)

    def note(self, runs: Collection[Run]) -> dict[str, Failure]:
        """Record those of some runs that have failed, and settle those that were made good.

        Returns:
            The last failure of each run that ever failed, by run id, whatever became of the run since.

        Where the ledger may be read and not written (a viewer's role), nothing is recorded and the answer is the same.

        Raises:
            LedgerError: it cannot be read now.
        """
        if not runs:
            return {}
        undone = {run.undoes_id for run in runs if run.undoes_id is not None and run.status == "completed"}
        known = self._ledger.failures_of(sorted({run.id for run in runs} | undone))
        new = [run for run in runs if run.status == "failed" and _ended_at_ms(run) not in _ends(known.get(run.id, ()))]
        for start in range(0, len(new), CHUNK_RUNS):
            for failure in self._record(new[start : start + CHUNK_RUNS]):
                known[failure.run_id] = sorted(
                    [*known.get(failure.run_id, ()), failure], key=lambda one: one.ended_at_ms
                )
        completed = {run.id for run in runs if run.status == "completed"}
        good = {
            run_id: "completed" if run_id in completed else "undone"
            for run_id in completed | undone
            if any(failure.settled is None for failure in known.get(run_id, ()))
        }
        with suppress(LedgerError):
            self._ledger.settle_failures(good)
        latest = {run_id: failures[-1] for run_id, failures in known.items()}
        return {run_id: _settled(failure, good) for run_id, failure in latest.items()}

    def fingerprints(self, runs: Collection[Run]) -> dict[str, str]:
        """Return the fingerprint of the error that each run died of last; of a run that never failed, nothing.

        Nothing is recorded: a worker does not know what must be hidden of messages, but a fingerprint is made of what
        is stored.

        Raises:
            LedgerError: it cannot be read.
        """
        known = self._ledger.failures_of([run.id for run in runs])
        found = {run_id: failures[-1].signature.fingerprint for run_id, failures in known.items()}
        new = [run for run in runs if run.status == "failed" and _ended_at_ms(run) not in _ends(known.get(run.id, ()))]
        for start in range(0, len(new), CHUNK_RUNS):
            with suppress(StoreError):  # rows that the database does not give out: their error stays unknown
                found |= self._read_fingerprints(new[start : start + CHUNK_RUNS])
        return found

    def _read_fingerprints(self, runs: Sequence[Run]) -> dict[str, str]:
        steps = self._steps_of(runs)
        found = {}
        for run in runs:
            stored = self._store.get_payload(run.id, "error", cap_bytes=ERROR_CAP_BYTES)
            found[run.id] = self.failure_of(run, steps[run.id], stored).signature.fingerprint
        return found

    def _steps_of(self, runs: Sequence[Run]) -> dict[str, list[Step]]:
        steps: dict[str, list[Step]] = {}
        while missing := [run.id for run in runs if run.id not in steps]:
            steps |= self._store.get_steps_of(missing, errors=True, most_rows=MOST_STEPS, last_rows=LAST_ROWS)
        return steps

    def _record(self, runs: Sequence[Run]) -> list[Failure]:
        """Record some failures. One whose rows the database does not give out is left out, and hides no other."""
        try:
            return self._read_and_record(runs)
        except StoreError as error:
            if len(runs) == 1:
                _logger.debug("The failure of run %r cannot be read: %s", runs[0].id[:200], error)
                return []
        found: list[Failure] = []
        refused = 0
        for run in runs:
            alone = self._record([run])
            found += alone
            refused += not alone
            if refused > MOST_REFUSED:  # it is not the rows: the database cannot be read now
                break
        return found

    def _read_and_record(self, runs: Sequence[Run]) -> list[Failure]:
        steps = self._steps_of(runs)
        found = [failure for run in runs if (failure := self._failure(run, steps[run.id])) is not None]
        with suppress(LedgerError):
            self._ledger.record_failures(found)
        return found

    def _failure(self, run: Run, steps: Sequence[Step]) -> Failure | None:
        """Return what is to be recorded; None where the run was retried while it was looked at."""
        stored = self._store.get_payload(run.id, "error", cap_bytes=ERROR_CAP_BYTES)
        if stored is None and self._store.get_runs([run.id]).get(run.id) != run:
            return None
        return self.failure_of(run, steps, stored)

    def failure_of(self, run: Run, steps: Sequence[Step], stored: StoredValue | None) -> Failure:
        """Return what is to be recorded of a failed run; nothing is read or written.

        Args:
            stored: the run's error; None where the engine kept none.
        """
        try:
            step = failing_step(steps, stored)
            name = None if step is None else step.name
            if stored is None:
                signature, message = signature_of(_NO_ERROR, step=name), _NO_ERROR.message
            else:
                signature = signature_of(self._plain.decode_error(stored), step=name)
                message = cause_of(self._codec.decode_error(stored))[1]
                signature = replace(signature, template=self._shown_template(signature, message))
        except Exception as error:  # noqa: BLE001 - one run that cannot be read must not hide the others
            _logger.warning("The failure of run %r cannot be read: %r", run.id[:200], error)
            signature, message = signature_of(_UNREADABLE, step=None), _UNREADABLE.message
        return Failure(
            run_id=run.id,
            ended_at_ms=_ended_at_ms(run),
            created_at_ms=run.created_at_ms,
            signature=signature,
            workflow=run.workflow,
            message=first_line(message),
            version=run.workflow_version,
            queue=run.queue,
            executor=run.executor,
            namespace=run.namespace,
        )

    def _shown_template(self, signature: ErrorSignature, message: str) -> str:
        return signature.template if self._codec.redact is None else template_of(message)


def _ended_at_ms(run: Run) -> int:
    return run.updated_at_ms if run.finished_at_ms is None else run.finished_at_ms


def _ends(failures: Iterable[Failure]) -> set[int]:
    return {failure.ended_at_ms for failure in failures}


def _settled(failure: Failure, good: Mapping[str, str]) -> Failure:
    how = good.get(failure.run_id)
    return replace(failure, settled=how) if how is not None and failure.settled is None else failure
