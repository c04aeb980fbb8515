"""Pytest plugin that switches ``DBOSInstrumentor`` on for a whole test run: ``-p plugin``.

Presence and generations go to a real ledger beside each test's database. What happened inside is written as JSON to
the file that ``DURABLE_SUITE_REPORT`` names: how many runs and steps were entered, and what failed and was ignored.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.instrumentation import DBOSInstrumentor
from otel_bridge.instrumentation.guard import Guard
from otel_bridge.instrumentation.session import Session

_lock = threading.Lock()
_entered = 0
_beats = 0
_ignored: dict[str, list[str]] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Count, then instrument, before any test constructs DBOS."""
    enter, caught = Session.enter, Guard.caught

    def counted_enter(self: Session, context: Any, attributes: Any) -> Any:
        global _entered
        with _lock:
            _entered += 1
        return enter(self, context, attributes)

    def counted_caught(self: Guard, kind: str, error: BaseException) -> None:
        with _lock:
            _ignored.setdefault(kind, []).append(repr(error)[:300])
        caught(self, kind, error)

    Session.enter = counted_enter  # type: ignore[method-assign]
    Guard.caught = counted_caught  # type: ignore[method-assign]
    DBOSInstrumentor().instrument()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Write the report."""
    still_on = DBOSInstrumentor().is_instrumented_by_opentelemetry
    DBOSInstrumentor().uninstrument()
    path = os.environ.get("DURABLE_SUITE_REPORT")
    if path:
        report = {"instrumented_to_the_end": still_on, "entered": _entered, "ignored": _ignored}
        Path(path).write_text(json.dumps(report, indent=1))
