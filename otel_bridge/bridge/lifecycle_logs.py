"""The life of runs as log records: begun, suspended, ended, blocked, and who did what. Reads the store and the ledger.

A root span is sent when its run ends; until then a backend knows of a run by its steps alone. These records say at once
what happens. At least once: the moment up to which they were accepted is kept in the ledger, and what is exported again
after a restart has the same ``log.record.uid``. Exceptions come the same way, where they are wanted as records.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from otel_bridge.bridge.related import Related
from otel_bridge.bridge.stacks import KeptStacks
from otel_bridge.errors import LedgerError, RejectedBatchError, RetryableDeliveryError
from otel_bridge.ledger.base import AuditEntry, Ledger
from otel_bridge.model.events import LifecycleEvent
from otel_bridge.model.runs import Run
from otel_bridge.model.status import FAILED_STATUSES
from otel_bridge.model.values import ERROR_CAP_BYTES
from otel_bridge.otlp.logs import ERROR, INFO, MAX_RECORDS, WARN, LogData, LogSender, record_uid
from otel_bridge.spans import SpanError, SpanSettings, Traces, decode_span_error, semconv
from otel_bridge.spans.exceptions import MAX_MESSAGE_CHARS, exception_attributes, with_stack
from otel_bridge.spans.plan import step_error
from otel_bridge.store.base import StateStore
from otel_bridge.tail.changes import OVERLAP_MS, ChangeTail, RunChange

_logger = logging.getLogger("otel_bridge")

PROGRESS_KEY = "lifecycle-logs"
LONGEST_PAUSE_S = 30.0
_FAILURES = frozenset({"step.failed", "run.failed", "run.dead"})
MAX_WAITING = 10_000
"""So many records wait for a collector that does not answer; nothing more is read until it does."""
_NAMES = {
    "run.pending": "created",
    "run.started": "started",
    "run.suspended": "suspended",
    "run.resumed": "resumed",
    "run.cancelling": "cancelling",
    "run.completed": "ended",
    "run.failed": "ended",
    "run.cancelled": "ended",
    "run.dead": "ended",
}


class LifecycleLogs:
    """Sends what happened since the last poll. Under the lease, like spans; never in their way.

    Args:
        lifecycle: tell what happens to runs, and who did what.
        exceptions: tell why steps and runs failed, with type and stack.
    """

    def __init__(
        self,
        store: StateStore,
        ledger: Ledger,
        sender: LogSender,
        settings: SpanSettings,
        *,
        lifecycle: bool = True,
        exceptions: bool = False,
        from_beginning: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._ledger, self._sender, self._settings = store, ledger, sender, settings
        self._lifecycle, self._exceptions = lifecycle, exceptions
        self._from_beginning, self._monotonic = from_beginning, monotonic
        self._tail: ChangeTail | None = None
        self._waiting: deque[LogData] = deque()
        self._read_to_ms = self._audited = 0
        self._blocked: dict[str, str] = {}
        self._failures, self._next_try_at = 0, -float("inf")
        self._failed_as: str | None = None

    def poll(self) -> None:
        """Read what happened, and send it; what cannot be sent waits for the next time.

        Raises:
            StoreUnavailableError, LedgerUnavailableError: they cannot be read now.
        """
        if len(self._waiting) < MAX_WAITING:
            self._read()
        self._send()

    def forget(self) -> None:
        """Forget what was read: another process may have exported it meanwhile."""
        self._tail = None
        self._waiting.clear()

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()

    def _read(self) -> None:
        tail = self._tail or self._begin()
        now_ms = self._store.now_ms()
        changes = tail.poll()
        self._waiting.extend(self._records(changes))
        if self._lifecycle:
            self._waiting.extend(self._actions())
        self._read_to_ms = now_ms - OVERLAP_MS

    def _begin(self) -> ChangeTail:
        value = self._ledger.get_value(PROGRESS_KEY)
        known: Mapping[str, Any] = value if isinstance(value, dict) else {}
        newest = self._ledger.audit(limit=1)
        start_ms = 0 if self._from_beginning else self._store.now_ms()
        since_ms = int(known.get("sinceMs", start_ms))
        self._audited = int(known.get("auditId", 0 if self._from_beginning or not newest else newest[0].id or 0))
        self._blocked = {}
        self._tail = ChangeTail(
            self._store,
            ledger=self._ledger,
            codec=self._settings.reader(),
            since_ms=since_ms,
            monotonic=self._monotonic,
        )
        return self._tail

    def _records(self, changes: Sequence[RunChange]) -> Iterator[LogData]:
        runs = {change.run.id: change.run for change in changes}
        if not runs:
            return
        exports = self._ledger.exported(list(runs))
        related = Related(self._store, self._ledger, self._settings, runs, exports)
        stacks = KeptStacks(self._ledger, self._settings)
        for change in changes:
            run, known = change.run, exports.get(change.run.id)
            traces = Traces(self._settings, related.of_past(run), run)
            life = 0 if known is None else known.generation + (known.ended and not run.is_terminal)
            for event in change.events:
                if self._exceptions and event.type in _FAILURES:
                    yield from self._of_exception(change, event, traces, life, stacks)
                if not self._lifecycle:
                    continue
                if event.type in _NAMES:
                    yield self._of_run(run, event, traces, life)
                elif event.type == "step.failed" and event.seq is not None:
                    yield self._of_step(run, event, event.seq, traces, life)
            if self._lifecycle:
                yield from self._of_blocked(run, traces, life)

    def _of_exception(
        self, change: RunChange, event: LifecycleEvent, traces: Traces, life: int, stacks: KeptStacks
    ) -> Iterator[LogData]:
        """Yield why a step or a run failed; nothing where it did not fail by an exception, as when it was cut off."""
        run, seq = change.run, event.seq
        attributes: dict[str, str | int] = self._common(run, traces)
        if seq is not None:
            failed = next((step for step in change.steps if step.seq == seq), None)
            error = step_error(failed, self._settings) if failed is not None else None
            if failed is not None:
                error = with_stack(error, stacks.of(run, [failed], None).get(seq))
            attributes |= {semconv.STEP_SEQ: seq, semconv.STEP_NAME: event.name or ""}
        elif event.type == "run.failed":
            stored = self._store.get_payload(run.id, "error", cap_bytes=ERROR_CAP_BYTES)
            error = decode_span_error(stored, self._settings)
            error = with_stack(error, stacks.of(run, change.steps, stored).get(None))
        else:
            error = SpanError(semconv.DEAD_ERROR_TYPE, "The engine gave the run up.")
        if error is None:
            return
        yield LogData(
            uid=record_uid(self._settings.namespace, run.id, "exception", "" if seq is None else seq, event.at_ms),
            name=semconv.LOG_RUN_EXCEPTION if seq is None else semconv.LOG_STEP_EXCEPTION,
            at_ms=event.at_ms,
            body=f"{error.type}: {error.message[:MAX_MESSAGE_CHARS]}",
            attributes=attributes | exception_attributes(error),
            severity=ERROR,
            trace_id=traces.trace_id(run.id),
            span_id=traces.life_id(run.id, life) if seq is None else traces.step_id(run.id, seq, life),
            service=run.namespace,
            instance=self._instance(run),
        )

    def _instance(self, run: Run) -> str | None:
        return run.executor if self._settings.service_instances else None

    def _of_run(self, run: Run, event: LifecycleEvent, traces: Traces, life: int) -> LogData:
        name = semconv.LOG_RUN_PREFIX + _NAMES[event.type]
        status = event.type.removeprefix("run.")
        words = _NAMES[event.type] if status != "failed" else f"failed: {event.error or 'the run failed'}"
        attributes = self._common(run, traces) | {
            semconv.RUN_STATUS: "running" if status in ("started", "resumed") else status
        }
        if event.name is not None:
            attributes[semconv.WAITS_FOR] = event.name
        if event.error is not None:
            attributes[semconv.EXCEPTION_MESSAGE] = event.error
        return LogData(
            uid=record_uid(self._settings.namespace, run.id, event.type, event.at_ms),
            name=name,
            at_ms=event.at_ms,
            body=f"{run.workflow} {run.id} {words if words != 'ended' else f'ended: {status}'}",
            attributes=attributes,
            severity=ERROR if status in FAILED_STATUSES else INFO,
            trace_id=traces.trace_id(run.id),
            span_id=traces.life_id(run.id, life),
            service=run.namespace,
            instance=self._instance(run),
        )

    def _of_step(self, run: Run, event: LifecycleEvent, seq: int, traces: Traces, life: int) -> LogData:
        attributes: dict[str, str | int] = {
            **self._common(run, traces),
            semconv.STEP_SEQ: seq,
            semconv.STEP_NAME: event.name or "",
            semconv.STEP_STATUS: event.status or "failed",
        }
        if event.error is not None:
            attributes[semconv.EXCEPTION_MESSAGE] = event.error
        return LogData(
            uid=record_uid(self._settings.namespace, run.id, event.type, seq, event.at_ms),
            name=semconv.LOG_STEP_FAILED,
            at_ms=event.at_ms,
            body=f"Step {seq} ({event.name}) of {run.id} {event.status}: {event.error or 'no message'}",
            attributes=attributes,
            severity=ERROR,
            trace_id=traces.trace_id(run.id),
            span_id=traces.step_id(run.id, seq, life),
            service=run.namespace,
            instance=self._instance(run),
        )

    def _of_blocked(self, run: Run, traces: Traces, life: int) -> Iterator[LogData]:
        """Yield a record where a run has become blocked, or is so for another reason than before."""
        code = run.blocked.code if run.blocked is not None else None
        before = self._blocked.pop(run.id, None)
        if code is None or run.blocked is None:
            return
        self._blocked[run.id] = code
        if code == before:
            return
        yield LogData(
            uid=record_uid(self._settings.namespace, run.id, "run.blocked", code, run.updated_at_ms),
            name=semconv.LOG_RUN_PREFIX + "blocked",
            at_ms=self._store.now_ms(),
            body=f"{run.workflow} {run.id} is blocked: {run.blocked.reason}",
            attributes=self._common(run, traces) | {semconv.RUN_STATUS: "blocked", semconv.BLOCKED_CODE: code},
            severity=WARN,
            trace_id=traces.trace_id(run.id),
            span_id=traces.life_id(run.id, life),
            service=run.namespace,
            instance=self._instance(run),
        )

    def _common(self, run: Run, traces: Traces) -> dict[str, str | int]:
        url = traces.url(run.id)
        attributes: dict[str, str | int] = {semconv.RUN_ID: run.id, semconv.WORKFLOW_NAME: run.workflow}
        return attributes | ({semconv.RUN_URL: url} if url is not None else {})

    def _actions(self) -> Iterator[LogData]:
        """Yield what people did since the last look, oldest first."""
        new: list[AuditEntry] = []
        before: int | None = None
        while page := self._ledger.audit(before_id=before, limit=MAX_RECORDS):
            new += [entry for entry in page if (entry.id or 0) > self._audited]
            before = page[-1].id
            if (page[-1].id or 0) <= self._audited:
                break
        for entry in reversed(new):
            self._audited = max(self._audited, entry.id or 0)
            yield self._of_action(entry)

    def _of_action(self, entry: AuditEntry) -> LogData:
        attributes: dict[str, str | int] = {
            semconv.ACTION_NAME: entry.action,
            semconv.ACTION_ACTOR: entry.actor,
            semconv.ACTION_OUTCOME: entry.outcome,
        }
        trace_id = b""
        if entry.run_id is not None:
            attributes[semconv.RUN_ID] = entry.run_id
            runs = self._store.get_runs([entry.run_id])
            if entry.run_id in runs:
                related = Related(self._store, self._ledger, self._settings, runs, {})
                trace_id = Traces(self._settings, related.of_past(runs[entry.run_id])).trace_id(entry.run_id)
        return LogData(
            uid=record_uid(self._settings.namespace, "action", entry.id, entry.at_ms),
            name=semconv.LOG_ACTION,
            at_ms=entry.at_ms,
            body=f"{entry.actor}: {entry.action} {entry.run_id or ''} {entry.outcome}".replace("  ", " "),
            attributes=attributes,
            trace_id=trace_id,
        )

    def _send(self) -> None:
        if self._monotonic() < self._next_try_at:
            return
        sent = False
        while self._waiting:
            batch = [self._waiting[at] for at in range(min(MAX_RECORDS, len(self._waiting)))]
            try:
                accepted = self._sender.send(batch, observed_ns=time.time_ns())
                if accepted.rejected:
                    _logger.warning(
                        "%s refused %d log records: %s", self._sender.target, accepted.rejected, accepted.message
                    )
            except RetryableDeliveryError as error:
                self._failures += 1
                pause_s = min(LONGEST_PAUSE_S, 0.5 * 2.0 ** min(self._failures, 10))
                self._next_try_at = self._monotonic() + (error.retry_after_s or pause_s)
                self._say(f"{error} Log records wait; spans do not.")
                return
            except RejectedBatchError as error:
                self._say(f"{error} {len(batch)} log records are given up.")
            for _ in batch:
                self._waiting.popleft()
            self._failures, sent = 0, True
        self._remember(sent)

    def _say(self, message: str) -> None:
        if message != self._failed_as:
            self._failed_as = message
            _logger.warning("%s", message)

    def _remember(self, sent: bool) -> None:
        """Keep how far everything was accepted; without anything new, no more than what a restart reads again."""
        if not sent:
            return
        try:
            self._ledger.put_value(PROGRESS_KEY, {"sinceMs": self._read_to_ms, "auditId": self._audited})
        except LedgerError as error:
            self._say(f"{error} Log records may come again.")
