"""Stacks in what is exported of errors: the engine stores none, so they are those that workers kept of attempts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from examples.fake_collector import FakeCollector, attributes, event_name
from otel_bridge.codec import redact_keys
from otel_bridge.ledger.base import BODY_SEQ, StepAttempt
from otel_bridge.model.values import StoredValue
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step
from tests.bridge.test_lifecycle_logs import logging_bridge

STACK = 'Traceback (most recent call last):\n  File "/app/pay.py", line 12, in charge\nKeyError: token=s3cr3t'


def put_failed(store: MemoryStateStore, run_id: str = "r") -> int:
    """Store a run that died of its second step, as the engine does: without a stack; return when it began."""
    at = store.now_ms()
    text = '{"name": "KeyError", "message": "card"}'
    error = StoredValue(text, "portable_json", len(text))
    store.put_run(make_run(run_id, status="failed", created_at_ms=at, started_at_ms=at, finished_at_ms=at + 50))
    store.put_payload(run_id, "error", text)
    store.put_step(make_step(run_id, 1, name="book", started_at_ms=at + 1, finished_at_ms=at + 5))
    step = make_step(run_id, 2, name="charge", status="failed", started_at_ms=at + 10, finished_at_ms=at + 40)
    store.put_step(step._replace(error=error))
    return at


def attempt(at_ms: int, **fields: Any) -> StepAttempt:
    """Return the failed attempt of that step."""
    whole = StepAttempt(
        run_id="r",
        seq=2,
        name="charge",
        execution_ms=at_ms,
        started_at_ms=at_ms,
        error_type="KeyError",
        traceback=STACK,
    )
    return replace(whole, **fields)


def stacks(collector: FakeCollector) -> dict[str, str | None]:
    """Return the stack of each exception event, by the name of its span."""
    return {
        span.name: {entry.key: entry.value.string_value for entry in event.attributes}.get("exception.stacktrace")
        for span in collector.spans.values()
        for event in span.events
    }


def export(store: MemoryStateStore, ledger: MemoryLedger, collector: FakeCollector, **options: Any) -> None:
    bridge = logging_bridge(store, collector, ledger=ledger, lifecycle_logs=False, **options)
    bridge.run_once()
    bridge.stop()


def test_the_spans_of_a_failed_step_and_of_its_run_carry_the_workers_stack(
    store: MemoryStateStore, ledger: MemoryLedger, collector: FakeCollector
) -> None:
    """Of the attempt that the recorded error is of: not of another step, another error, or one that began later."""
    at = put_failed(store)
    ledger.put_step_attempts([
        attempt(at + 10),
        attempt(at + 11, attempt=2, error_type="TimeoutError", traceback="another error"),
        attempt(at + 9_000, traceback="of a later life"),
        attempt(at + 12, seq=1, name="book", traceback="another step"),
        attempt(at, seq=BODY_SEQ, name="order", traceback="the body's"),
    ])  # fmt: skip
    export(store, ledger, collector)
    assert set(stacks(collector).values()) == {STACK}
    assert len(stacks(collector)) == 2


def test_a_stack_leaves_as_the_bridge_redacts_it(
    store: MemoryStateStore, ledger: MemoryLedger, collector: FakeCollector
) -> None:
    """Whatever the worker's redaction was."""
    ledger.put_step_attempts([attempt(put_failed(store) + 10)])
    export(store, ledger, collector, redact=redact_keys(["token"]))
    assert set(stacks(collector).values()) == {STACK.replace("s3cr3t", "[redacted]")}


def test_an_error_record_carries_the_workers_stack(
    store: MemoryStateStore, ledger: MemoryLedger, collector: FakeCollector
) -> None:
    """Where exceptions are told as log records."""
    ledger.put_step_attempts([attempt(put_failed(store) + 10)])
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url, "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN": "logs"}
    export(store, ledger, collector, environ=environ)
    told = {event_name(record): attributes(record)["exception.stacktrace"] for record in collector.logs}
    assert told == {"durable.step.exception": STACK, "durable.run.exception": STACK}
    assert stacks(collector) == {}


def test_nothing_is_asked_about_runs_in_which_nothing_failed(
    store: MemoryStateStore, ledger: MemoryLedger, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only errors have stacks."""
    asked: list[str] = []

    def failed_attempts(run_id: str, **options: object) -> list[StepAttempt]:
        asked.append(run_id)
        return []

    monkeypatch.setattr(ledger, "failed_attempts", failed_attempts)
    put_failed(store)
    store.put_run(make_run("well", status="completed"))
    store.put_step(make_step("well", 1))
    export(store, ledger, collector)
    assert asked == ["r"]
    assert set(stacks(collector).values()) == {None}
