"""The top frame of each error's last failure, on the errors page: as the worker of that run saw it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from dashboard import create_blueprint
from otel_bridge.codec import redact_keys
from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.ledger.base import BODY_SEQ, StepAttempt
from otel_bridge.model.values import StoredValue
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step

T = 1_700_000_000_000


def stack(line: int, file: str = "/app/shop/pay.py") -> str:
    """Return a traceback that ends in a library."""
    return (
        f'Traceback (most recent call last):\n  File "{file}", line {line}, in charge\n    call()\n'
        '  File "/venv/lib/python3.11/site-packages/http.py", line 3, in call\nGatewayTimeout: no'
    )


def attempt(run_id: str, line: int) -> StepAttempt:
    """Return the failed attempt of ``charge``."""
    return StepAttempt(
        run_id=run_id,
        seq=2,
        name="charge",
        execution_ms=T,
        started_at_ms=T,
        error_type="GatewayTimeout",
        traceback=stack(line),
    )


@pytest.fixture
def store() -> MemoryStateStore:
    """Two runs that failed in the same step, one after the other, and one that died of its body."""
    store = MemoryStateStore(clock=lambda: T + 60_000)
    for number, run_id in enumerate(("first", "last")):
        at = T + number * 1_000
        store.put_run(make_run(run_id, workflow="order", status="failed", created_at_ms=at, finished_at_ms=at + 500))
        error = json.dumps({"name": "GatewayTimeout", "message": "no answer"})
        stored = StoredValue(error, "portable_json", len(error))
        store.put_step(make_step(run_id, 2, name="charge", status="failed", error=stored))
        store.put_row("workflow_output", workflow_uuid=run_id, error=error)
    store.put_run(make_run("body", workflow="other", status="failed", created_at_ms=T, finished_at_ms=T + 9))
    store.put_row("workflow_output", workflow_uuid="body", error=json.dumps({"name": "KeyError", "message": "'x'"}))
    return store


def frames(store: MemoryStateStore, ledger: MemoryLedger, **options: Any) -> dict[str, str | None]:
    """Return each error's frame by type, of the list; the same stands in each error's own answer."""
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(store, ledger=ledger, actions=False, **options), url_prefix="/durable")
    client = app.test_client()
    window = "since=2023-11-01T00:00:00Z"
    answer = client.get(f"/durable/api/errors?{window}")
    assert answer.status_code == 200, answer.text
    found: dict[str, str | None] = {}
    for group in answer.get_json()["groups"]:
        found[group["type"]] = group.get("frame")
        own = client.get(f"/durable/api/errors/{group['fingerprint']}?{window}").get_json()
        assert own["group"].get("frame") == group.get("frame")
    return found


def test_an_error_says_where_its_last_failure_was_raised(store: MemoryStateStore) -> None:
    """In the application's own code, with the line; a body's error from the body; without a worker's word nothing."""
    ledger = MemoryLedger()
    assert frames(store, ledger) == {"GatewayTimeout": None, "KeyError": None}
    body = replace(attempt("body", 5), seq=BODY_SEQ, name="other", error_type="KeyError")
    ledger.put_step_attempts([attempt("first", 12), attempt("last", 14), body])
    assert frames(store, ledger) == {
        "GatewayTimeout": "charge in shop/pay.py:14",
        "KeyError": "charge in shop/pay.py:5",
    }


def test_a_frame_shows_nothing_that_the_viewer_may_not_see(store: MemoryStateStore) -> None:
    """It passes the dashboard's redaction."""
    ledger = MemoryLedger()
    ledger.put_step_attempts([replace(attempt("last", 1), traceback=stack(1, "/srv/token=s3cr3t.py"))])
    shown = frames(store, ledger, redact=redact_keys(["token"]))
    assert "s3cr3t" not in str(shown["GatewayTimeout"])
    assert shown["GatewayTimeout"] is not None


def test_errors_are_shown_where_the_attempts_cannot_be_read(
    store: MemoryStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger of an older release that may only be read has no such table."""
    ledger = MemoryLedger()

    def refuse(*args: object, **kwargs: object) -> None:
        raise LedgerUnavailableError("ledger", "There is no such table.")

    monkeypatch.setattr(ledger, "failed_attempts_of", refuse)
    assert frames(store, ledger) == {"GatewayTimeout": None, "KeyError": None}
