"""Records that code logs inside a step: kept in memory, bounded, and forgotten unless the attempt is reported.

Every record passes ``logging.Logger.callHandlers`` once, after the logger's own level and filters, whatever handlers
there are and whether it propagates. That is where records are taken. A handler on the root logger would be in the way
of the application: ``basicConfig`` does nothing where the root has a handler, ``dictConfig`` removes it, and a logger
that does not propagate never reaches it. Which step is executing says the current context, so threads and tasks do not
mix; a thread that a step starts has a context of its own, and what it logs is nobody's. Touches no clock, file or
database.
"""

from __future__ import annotations

import logging
import math
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry import trace

from otel_bridge.instrumentation.current import STEP_KEY, DurableSpan
from otel_bridge.instrumentation.guard import Guard

_ENGINE_LOGGER, _OWN_LOGGERS = "dbos", "otel_bridge"
_STANDARD = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message", "websocket"}
)
_MAX_FIELDS, _MAX_FIELD_CHARS, _MAX_NAME_CHARS = 20, 200, 200
_RECORD_OVERHEAD = 100
"""What a record takes beside its message."""
_ERROR_OVERHEAD, _FRAME_BYTES = 700, 300
_LATEST_S = 1e11
"""A record's time beyond this is none."""


class KeptRecord(NamedTuple):
    """A record as it was logged, its message and fields cut; ``created_s`` is None where it bears no time."""

    created_s: float | None
    level: str
    logger: str
    message: str
    where: str
    exception: str | traceback.TracebackException | None
    span_id: int | None
    fields: dict[str, Any]


class LogBuffer:
    """The records of one attempt: the first ones, and the last ones where there are too many.

    Written by the attempt's threads without a lock: a fork inside a step must not inherit a locked one. Appending to
    the lists is atomic; the count of bytes may be a little off where several threads log at once.
    """

    __slots__ = ("_bytes", "_head", "_most", "_most_bytes", "_record_bytes", "_tail", "left_out", "version")

    def __init__(self, *, most: int, most_bytes: int, record_bytes: int) -> None:
        self._most, self._most_bytes, self._record_bytes = most, most_bytes, record_bytes
        self._head: list[KeptRecord] = []
        self._tail: deque[KeptRecord] = deque()
        self._bytes = 0
        self.left_out = 0
        self.version = 0
        """Grows with each record: tells whether there is anything new to show."""

    def add(self, record: logging.LogRecord) -> None:
        """Keep a record; where there is no room, the oldest behind the first half goes."""
        kept = _kept(record, self._record_bytes)
        self._bytes += _size(kept)
        self.version += 1
        if not self._tail and len(self._head) < (self._most + 1) // 2 and self._bytes <= (self._most_bytes + 1) // 2:
            self._head.append(kept)
            return
        self._tail.append(kept)
        while len(self._tail) > 1 and (
            len(self._head) + len(self._tail) > self._most or self._bytes > self._most_bytes
        ):
            self._bytes -= _size(self._tail.popleft())
            self.left_out += 1

    def records(self) -> tuple[KeptRecord, ...]:
        """Return what is kept, in order."""
        return (*self._head, *self._tail)

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return self._bytes


class LogCapture:
    """Hands what is logged inside a step to that step, while installed.

    Args:
        keep: called with what stands under ``STEP_KEY`` in the current context, and the record.
    """

    def __init__(self, keep: Callable[[Any, logging.LogRecord], None], guard: Guard) -> None:
        self._keep, self._guard = keep, guard
        self._active = False
        self._found: Any = None
        self._ours: Any = None

    def install(self) -> None:
        """Stand behind every logger's handlers."""
        found = self._found = logging.Logger.callHandlers

        def callHandlers(logger: logging.Logger, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
            try:
                found(logger, record)
            finally:
                if self._active:
                    self._handle(record)

        self._ours, self._active = callHandlers, True
        setattr(logging.Logger, "callHandlers", callHandlers)  # noqa: B010 - a method of a class that is not ours

    def remove(self) -> None:
        """Step aside; where somebody has stepped in since, what we replaced is called through us."""
        self._active = False
        if self._ours is not None and logging.Logger.callHandlers is self._ours:
            setattr(logging.Logger, "callHandlers", self._found)  # noqa: B010
        self._ours = None

    def _handle(self, record: logging.LogRecord) -> None:
        # a record that was made by hand holds anything, or nothing
        if isinstance(record.name, str) and record.name.startswith(_OWN_LOGGERS):
            return  # the guard logs
        try:
            scope = otel_context.get_value(STEP_KEY)
            if scope is not None:
                self._keep(scope, record)
        except Exception as error:  # noqa: BLE001 - called by user code inside a step
            self._guard.caught("keeping what a step logs", error)


def _kept(record: logging.LogRecord, most_chars: int) -> KeptRecord:
    return KeptRecord(
        _created(record.created),
        str(record.levelname)[:20],
        record.name[:_MAX_NAME_CHARS] if isinstance(record.name, str) else "",
        _message(record, most_chars),
        f"{record.filename}:{record.lineno}"[:_MAX_NAME_CHARS],
        None if record.name == _ENGINE_LOGGER else _exception(record, most_chars),
        _span_id(),
        dict(_fields(record)),
    )


def _created(found: object) -> float | None:
    usable = isinstance(found, (int, float)) and math.isfinite(found) and 0 <= found < _LATEST_S
    return float(found) if usable else None  # type: ignore[arg-type]


def _message(record: logging.LogRecord, most_chars: int) -> str:
    try:
        text = record.getMessage()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - arguments that do not fit, or refuse to be a text
        said = record.msg if isinstance(record.msg, str) else f"({type(record.msg).__qualname__})"
        text = f"{said} [its arguments cannot be formatted: {type(error).__name__}]"
    return text if len(text) <= most_chars else f"{text[:most_chars]}… [cut: {len(text)} characters]"


def _exception(record: logging.LogRecord, most_chars: int) -> str | traceback.TracebackException | None:
    if record.exc_text:
        return record.exc_text[-most_chars:]
    kind, error, trace_ = record.exc_info if isinstance(record.exc_info, tuple) else (None, None, None)
    if kind is None or error is None:
        return None
    return seen(error, trace_, most_frames=20)


def seen(error: BaseException, trace_: TracebackType | None, *, most_frames: int) -> traceback.TracebackException:
    """Return what there is to say of an error, holding on to neither it nor its frames. Never raises."""
    # Source lines are read when it is written, which most are not. str(error) is called here, where it was raised.
    try:
        return traceback.TracebackException(
            type(error), error, trace_, limit=-most_frames, lookup_lines=False, compact=True
        )
    except Exception as refused:  # noqa: BLE001 - its notes, its cause or what it says of itself cannot be read
        instead = Exception(f"{type(error).__qualname__} cannot be looked at: {type(refused).__name__}")
        return traceback.TracebackException(
            Exception, instead, trace_, limit=-most_frames, lookup_lines=False, compact=True
        )


def error_bytes(error: traceback.TracebackException) -> int:
    """Return about how much memory an error takes, with its causes, its notes and the errors of its group."""
    total, todo = 0, [error]
    while todo:
        one = todo.pop()
        notes = getattr(one, "__notes__", None)
        texts = [str(one), *(notes if isinstance(notes, (list, tuple)) else ())]
        total += (
            _ERROR_OVERHEAD + _FRAME_BYTES * len(one.stack) + sum(len(text) for text in texts if isinstance(text, str))
        )
        todo += [
            other
            for other in (one.__cause__, one.__context__, *(getattr(one, "exceptions", None) or ()))
            if other is not None
        ]
    return total


def _span_id() -> int | None:
    span = trace.get_current_span()
    if isinstance(span, DurableSpan):
        return None  # the step's own; its ids may take a moment to come by
    context = span.get_span_context()
    return context.span_id if context.is_valid else None


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    """Yield what was given as ``extra``: plain values as they are, of others only what they are."""
    found = [name for name in record.__dict__ if name not in _STANDARD and not name.startswith(("otel", "durable."))]
    for name in found[:_MAX_FIELDS]:
        value = record.__dict__[name]
        if isinstance(value, str):
            value = value if len(value) <= _MAX_FIELD_CHARS else f"{value[:_MAX_FIELD_CHARS]}…"
        elif type(value) is int:
            value = value if abs(value) < 2**53 else "(int)"
        elif not (value is None or isinstance(value, (bool, float))):
            value = f"({type(value).__qualname__})"
        yield name[:_MAX_NAME_CHARS], value


def _size(kept: KeptRecord) -> int:
    exception = kept.exception
    texts = len(exception) if isinstance(exception, str) else 0 if exception is None else error_bytes(exception)
    return _RECORD_OVERHEAD + len(kept.message) + texts + sum(len(str(value)) for value in kept.fields.values())
