"""Telemetry never breaks a workflow: failures are logged once per kind and ignored. Touches the log only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from opentelemetry.instrumentation.utils import suppress_instrumentation

_log = logging.getLogger("otel_bridge.instrumentation")


class Guard:
    """Counts failures by kind; the first of each kind is a warning with its traceback, the rest are debug lines."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def caught(self, kind: str, error: BaseException) -> None:
        """Note a failure that the caller is about to ignore. Never raises."""
        with self._lock:
            seen = self._counts.get(kind, 0)
            self._counts[kind] = seen + 1
        if seen:
            _log.debug("DBOS instrumentation: %s failed again: %s", kind, error)
        else:
            _log.warning(
                "DBOS instrumentation: %s failed: %s. Workflows continue without it; logged once.",
                kind,
                error,
                exc_info=error,
            )

    def count(self, kind: str) -> int:
        """Return how often ``kind`` failed."""
        with self._lock:
            return self._counts.get(kind, 0)

    def forget(self) -> None:
        """In a forked child: the lock may be held by a thread that is not there."""
        self._lock = threading.Lock()


@contextmanager
def untraced() -> Iterator[None]:
    """What libraries do in here makes no spans. Where that cannot be said, they do it all the same."""
    suppressing = suppress_instrumentation()
    with suppress(Exception):
        suppressing.__enter__()
    try:
        yield
    finally:
        with suppress(Exception):
            suppressing.__exit__(None, None, None)
