"""Attempts of steps to report: collected where they end, described and written by presence's thread.

Reported are attempts that failed, those that came after one, those that took long and those of runs that are watched.
A step that succeeds at once and quickly costs nothing but the memory of what it logged. Reads the clock.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from otel_bridge.codec.errors import cut
from otel_bridge.codec.redaction import Redact
from otel_bridge.instrumentation import engine
from otel_bridge.instrumentation.settings import InstrumentorSettings
from otel_bridge.instrumentation.step_logs import KeptRecord, LogBuffer, error_bytes, seen
from otel_bridge.ledger.base import BODY_SEQ, Ledger, StepAttempt, StepLog

MAX_PENDING, MAX_PENDING_BYTES = 1_500, 16 * 1024 * 1024
"""What waits to be written; where no ledger takes it, the oldest is forgotten."""
BATCH = 100
"""So many are described and written at once, so that a heartbeat is not held up."""
WATCH_GAP_S = 1.0
"""An attempt that is watched is written again this often at most."""
MAX_MESSAGE_CHARS, MAX_TRACEBACK_CHARS = 4_096, 24_576
_MAX_FRAMES = 60
"""Of one traceback, the innermost ones: a recursion has a thousand."""
_LEAST_SHARE = 1_024
_UNSHOWN = "[it cannot be shown"
_WITHHELD = "[withheld: the redact hook failed]"


class Attempted(Protocol):
    """What this knows of a scope: see ``heartbeat.Scope``."""

    run_id: str
    seq: int | None
    name: str
    started_s: float
    attempt: int
    began_s: float | None
    tries: int
    reported: bool
    log: LogBuffer | None


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """One attempt, as it was met: nothing of it is turned into text yet."""

    run_id: str
    seq: int
    name: str
    attempt: int
    execution_s: float
    began_s: float
    ended_s: float | None
    error: traceback.TracebackException | None
    log: LogBuffer | None
    error_bytes: int

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return (0 if self.log is None else self.log.size_bytes) + self.error_bytes + 500


class _Snapshot(NamedTuple):
    scope: Attempted
    version: int


class StepReports:
    """Collects reports of one process. Methods are called by steps' threads, ``work_off`` by one other.

    Args:
        wake: called when there is something to write.
    """

    def __init__(self, settings: InstrumentorSettings, *, wake: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self.wake = wake
        self._pending: deque[Report] = deque()
        self._pending_bytes = 0
        self.watched: frozenset[str] = frozenset()
        self._shown: dict[Attempted, int] = {}
        self._next_snapshot_s = 0.0

    # -- where steps are executed -----------------------------------------------------------------------------------

    def keep(self, scope: Attempted, record: Any) -> None:
        """Keep what a step logs."""
        if scope.began_s is None:
            return  # it is over: a task outlived its step
        if scope.log is None:
            share = self._settings.step_log_bytes // max(1, scope.tries)
            scope.log = LogBuffer(
                most=self._settings.step_log_records,
                most_bytes=max(_LEAST_SHARE, share),
                record_bytes=self._settings.step_log_record_bytes,
            )
        scope.log.add(record)

    def begun(self, scope: Attempted, number: int, tries: int) -> None:
        """Note that an attempt of a step begins that may be retried."""
        scope.began_s, scope.attempt, scope.tries = time.time(), number, tries

    def attempted(self, scope: Attempted, number: int, error: BaseException | None) -> None:
        """Report an attempt that is over, where it failed or came after one that had."""
        if error is not None or number > 1:
            scope.attempt, scope.reported = number, True
            self._add(scope, error)
            scope.began_s = scope.log = None

    def left(self, scope: Attempted, error: BaseException | None) -> None:
        """Report a step that is over, unless its last attempt was reported already, or a body that failed."""
        if scope.seq is None:
            if isinstance(error, Exception):
                self._add(scope, error)
        elif scope.reported or engine.is_own_step(scope.name):
            pass
        elif error is not None:
            if engine.was_executed(error):
                self._add(scope, error)
        elif time.time() - scope.started_s >= self._settings.slow_step_s or (
            scope.run_id in self.watched and scope.log is not None
        ):
            self._add(scope, None)
        scope.began_s = scope.log = None

    def _add(self, scope: Attempted, error: BaseException | None) -> None:
        report = self._report(scope, time.time(), error)
        self._pending.append(report)
        self._pending_bytes += report.size_bytes
        self._forget_beyond()
        self.wake()

    def _forget_beyond(self) -> None:
        while len(self._pending) > MAX_PENDING or (len(self._pending) > 1 and self._pending_bytes > MAX_PENDING_BYTES):
            self._pending_bytes -= self._pending.popleft().size_bytes

    def _report(self, scope: Attempted, ended_s: float | None, error: BaseException | None) -> Report:
        began_s = scope.began_s if scope.began_s is not None else scope.started_s
        found = None if error is None else seen(error, error.__traceback__, most_frames=_MAX_FRAMES)
        return Report(
            scope.run_id,
            BODY_SEQ if scope.seq is None else scope.seq,
            scope.name,
            scope.attempt,
            scope.started_s,
            began_s,
            ended_s,
            found,
            scope.log,
            0 if found is None else error_bytes(found),
        )

    # -- presence's thread ------------------------------------------------------------------------------------------

    @property
    def is_due(self) -> bool:
        """True when something waits to be written."""
        return bool(self._pending)

    def work_off(self, ledger: Callable[[], Ledger], executor: Callable[[], str | None]) -> None:
        """Write what waits. May raise whatever the ledger raises; then it is still there."""
        taken = [self._pending.popleft() for _ in range(min(BATCH, len(self._pending)))]
        self._pending_bytes = sum(report.size_bytes for report in list(self._pending))
        try:
            name = executor()
            ledger().put_step_attempts([safely_described(report, name, self._settings.redact) for report in taken])
        except Exception:
            self._pending.extendleft(reversed(taken))
            self._pending_bytes += sum(report.size_bytes for report in taken)
            self._forget_beyond()
            raise

    def show_watched(
        self, in_flight: Iterable[Attempted], ledger: Callable[[], Ledger], executor: Callable[[], str | None]
    ) -> None:
        """Write what attempts that are under way and watched have logged since the last time."""
        now_s = time.monotonic()
        if not self.watched or now_s < self._next_snapshot_s:
            return
        self._next_snapshot_s = now_s + WATCH_GAP_S
        found = list(self._unshown(in_flight))
        if found:
            name = executor()
            reports = [self._report(one.scope, None, None) for one in found]
            ledger().put_step_attempts([safely_described(report, name, self._settings.redact) for report in reports])
        self._shown = {one.scope: one.version for one in found} | {
            scope: version for scope, version in self._shown.items() if scope.began_s is not None
        }

    def _unshown(self, in_flight: Iterable[Attempted]) -> Iterator[_Snapshot]:
        for scope in in_flight:
            log = scope.log
            if scope.run_id in self.watched and scope.began_s is not None and log is not None:
                version = log.version
                if self._shown.get(scope) != version:
                    yield _Snapshot(scope, version)

    def forget(self) -> None:
        """In a forked child: what waits is the parent's."""
        self._pending.clear()
        self._pending_bytes = 0
        self._shown = {}


def safely_described(report: Report, executor: str | None, redact: Redact | None) -> StepAttempt:
    """Return what the ledger keeps of an attempt, whatever it raised or logged. Never raises.

    One that cannot be described must not keep back the others, nor itself.
    """
    try:
        return described(report, executor, redact)
    except Exception as error:  # noqa: BLE001 - the error's and the records' parts are the application's
        bare = described(replace(report, error=None, log=None), executor, redact)
        return replace(bare, error_message=f"{_UNSHOWN}: {type(error).__name__}]")


def described(report: Report, executor: str | None, redact: Redact | None) -> StepAttempt:
    """Return what the ledger keeps of an attempt, with nothing in it that ``redact`` hides."""
    began_ms = int(report.began_s * 1000)
    kind, message, text = (None, None, None) if report.error is None else _texts(report.error)
    records = () if report.log is None else report.log.records()
    return StepAttempt(
        run_id=report.run_id,
        seq=report.seq,
        name=report.name,
        attempt=report.attempt,
        execution_ms=int(report.execution_s * 1000),
        started_at_ms=began_ms,
        ended_at_ms=None if report.ended_s is None else max(began_ms, int(report.ended_s * 1000)),
        executor=executor,
        error_type=kind,
        error_message=_hidden(message, redact),
        traceback=_hidden(text, redact),
        logs=tuple(_log(record, redact, began_ms) for record in records),
        logs_left_out=0 if report.log is None else report.log.left_out,
    )


def _texts(error: traceback.TracebackException) -> tuple[str, str, str]:
    kind = error.exc_type
    name = (
        "Error"
        if kind is None
        else kind.__qualname__
        if kind.__module__ == "builtins"
        else (f"{kind.__module__}.{kind.__qualname__}")
    )
    return name, cut(str(error), MAX_MESSAGE_CHARS), _text(error)


def _text(error: traceback.TracebackException) -> str:
    """Return a traceback; of a long one its beginning and, more of it, its end."""
    try:
        text = "".join(error.format()).rstrip()
    except Exception as refused:  # noqa: BLE001 - a parser's SyntaxError may hold anything for its line and offset
        return f"{_UNSHOWN}: {type(refused).__name__}]"
    if len(text) <= MAX_TRACEBACK_CHARS:
        return text
    head, tail = MAX_TRACEBACK_CHARS // 4, MAX_TRACEBACK_CHARS - MAX_TRACEBACK_CHARS // 4
    return f"{text[:head]}\n… [cut: {len(text)} characters]\n{text[-tail:]}"


def _log(record: KeptRecord, redact: Redact | None, began_ms: int) -> StepLog:
    exception = record.exception
    fields = record.fields
    if fields and redact is not None:
        shown = _redacted(fields, redact)
        fields = shown if isinstance(shown, dict) else dict.fromkeys(fields, _WITHHELD)
    return StepLog(
        at_ms=began_ms if record.created_s is None else int(record.created_s * 1000),
        level=record.level,
        logger=record.logger,
        message=_hidden(record.message, redact) or "",
        where=record.where,
        exception=_hidden(exception if exception is None or isinstance(exception, str) else _text(exception), redact),
        span_id=None if record.span_id is None else f"{record.span_id:016x}",
        fields=fields,
    )


def _hidden(text: str | None, redact: Redact | None) -> str | None:
    if text is None or redact is None:
        return text
    shown = _redacted(text, redact)
    return shown if isinstance(shown, str) else _WITHHELD


def _redacted(value: object, redact: Redact) -> object:
    try:
        return redact(value)
    except Exception:  # noqa: BLE001 - what cannot be looked through is not written
        return _WITHHELD
