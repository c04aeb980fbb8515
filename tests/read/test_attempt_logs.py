"""What workers kept of attempts, as it is shown: on the step's route, as the error's stack, in the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_blueprint
from dashboard.cli.details import step_text
from dashboard.live.marks import MARK_S, WatchMarks
from dashboard.mcp.answers import step_answer
from dashboard.read.attempt_logs import LOG_BYTES
from dashboard.wire.runs import StepView
from otel_bridge.codec import redact_keys
from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.ledger.base import BODY_SEQ, Executor, StepAttempt, StepLog
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.stacks import stack_of
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step

T = 1_700_000_000_000
STACK = 'Traceback (most recent call last):\n  File "/app/pay.py", line 12, in charge\n    call()\nGatewayTimeout: no'
FIRST = StepAttempt(
    run_id="r",
    seq=2,
    name="charge",
    execution_ms=T,
    started_at_ms=T,
    ended_at_ms=T + 40,
    executor="e1",
    error_type="GatewayTimeout",
    error_message="no answer, token=s3cr3t",
    traceback=STACK,
    logs=(StepLog(at_ms=T + 1, level="INFO", logger="shop", message="try token=s3cr3t", fields={"token": "s3cr3t"}),),
)
LAST = replace(FIRST, attempt=2, started_at_ms=T + 100, ended_at_ms=T + 150, traceback=f"{STACK} 2")


@pytest.fixture
def store() -> MemoryStateStore:
    """An order that failed in its second step."""
    store = MemoryStateStore()
    store.put_run(make_run("r", workflow="order", status="failed", created_at_ms=T, executor="e1"))
    store.put_step(make_step("r", 1, name="book", status="completed"))
    error = json.dumps({"name": "GatewayTimeout", "message": "no answer"})
    store.put_step(
        make_step("r", 2, name="charge", status="failed", error=StoredValue(error, "portable_json", len(error)))
    )
    store.put_row("workflow_output", workflow_uuid="r", error=error)
    return store


def client_of(store: MemoryStateStore, ledger: MemoryLedger, **options: Any) -> FlaskClient:
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(store, ledger=ledger, actions=False, **options), url_prefix="/durable")
    return app.test_client()


def step_of(client: FlaskClient, seq: int = 2) -> dict[str, Any]:
    answer = client.get(f"/durable/api/runs/r/steps/{seq}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def test_a_steps_attempts_are_on_its_own_route(store: MemoryStateStore) -> None:
    """Oldest first, with error, traceback and logs; another execution is numbered; lists have none of it."""
    ledger = MemoryLedger()
    again = replace(FIRST, execution_ms=T + 9_000, started_at_ms=T + 9_000, ended_at_ms=None, error_type=None, logs=())
    ledger.put_step_attempts([FIRST, LAST, again])
    client = client_of(store, ledger)
    attempts = step_of(client)["attemptLog"]["attempts"]
    assert [(one["n"], one["execution"], one.get("durationMs")) for one in attempts] == [
        (1, 1, 40),
        (2, 1, 50),
        (1, 2, None),
    ]
    assert attempts[0]["error"] == {"type": "GatewayTimeout", "message": "no answer, token=s3cr3t"}
    assert attempts[0]["traceback"] == STACK
    assert attempts[0]["logs"] == [
        {
            "at": "2023-11-14T22:13:20.001Z",
            "level": "INFO",
            "logger": "shop",
            "message": "try token=s3cr3t",
            "fields": {"token": "s3cr3t"},
        }
    ]
    assert "endedAt" not in attempts[2]
    assert "error" not in attempts[2]
    assert all("attemptLog" not in step for step in client.get("/durable/api/runs/r").get_json()["timeline"])


def test_what_a_viewer_may_not_see_is_hidden_in_it(store: MemoryStateStore) -> None:
    """By the dashboard's redaction, whatever the worker's was."""
    ledger = MemoryLedger()
    ledger.put_step_attempts([replace(FIRST, traceback=f"{STACK}\ntoken=s3cr3t")])
    client = client_of(store, ledger, redact=redact_keys(["token"]))
    assert "s3cr3t" not in json.dumps(step_of(client))
    assert "s3cr3t" not in client.get("/durable/api/runs/r").text
    assert "s3cr3t" not in client.get("/durable/api/runs/r/report").text


def test_the_errors_stack_is_the_last_attempts(store: MemoryStateStore) -> None:
    """Of the step, of the run, in the report, for agents and on the command line: where the engine stored none."""
    ledger = MemoryLedger()
    ledger.put_step_attempts([FIRST, LAST])
    client = client_of(store, ledger)
    assert step_of(client)["error"]["stack"] == LAST.traceback
    assert client.get("/durable/api/runs/r").get_json()["run"]["error"]["stack"] == LAST.traceback
    assert f"\n\n{LAST.traceback}" in client.get("/durable/api/runs/r/report").text
    view = StepView.model_validate(step_of(client))
    assert step_answer(view)["error"]["stack"] == LAST.traceback
    assert step_answer(view)["attemptLogs"][0]["logs"] == ["INFO shop: try token=s3cr3t"]
    said = step_text(view)
    assert 'File "/app/pay.py", line 12, in charge' in said
    assert "Attempt 1" in said
    assert "try token=s3cr3t" in said


WRAPPED = "dbos._error.DBOSMaxStepRetriesExceeded"
BODY = replace(FIRST, seq=BODY_SEQ, name="order", traceback="of the body")


@pytest.mark.parametrize(
    ("failed", "kind", "step", "stack"),
    [
        ([], "GatewayTimeout", "charge", None),
        ([BODY, LAST, FIRST], "GatewayTimeout", "charge", LAST.traceback),
        ([LAST, FIRST, replace(BODY, error_type=WRAPPED)], WRAPPED, "charge", LAST.traceback),
        ([BODY, LAST], "GatewayTimeout", None, "of the body"),
        ([BODY, LAST], "KeyError", "charge", None),
        ([replace(LAST, name="book"), BODY], "GatewayTimeout", "charge", "of the body"),
    ],
)
def test_which_stack_is_the_errors(failed: list[StepAttempt], kind: str, step: str | None, stack: str | None) -> None:
    """The step's before the body's, which may begin at a replay; of retries that are used up the last attempt's."""
    assert stack_of(failed, kind=kind, step=step) == stack


@pytest.mark.parametrize(
    ("change", "seq", "beats", "said"),
    [
        (lambda step: step, 2, False, "There is no instrumentor in the worker 'e1'"),
        (lambda step: step, 2, True, "Its worker kept nothing of it"),
        (lambda step: step, 1, True, "It succeeded at once and quickly"),
        (lambda step: step._replace(kind="remote"), 1, True, "This one waits, or another run does its work"),
    ],
)
def test_where_there_is_nothing_it_says_why(
    store: MemoryStateStore, change: Callable[[Step], Step], seq: int, beats: bool, said: str
) -> None:
    """No instrumentor, a quiet success, a step that no worker executes itself: each has its sentence."""
    ledger = MemoryLedger()
    if beats:
        ledger.heartbeat(Executor(instance_id="i", executor_id="e1", beat_at_ms=0, started_at_ms=0))
    (step,) = [step for step in store.get_steps("r", errors=True) if step.seq == seq]
    if change(step) != step:
        store.put_run(make_run("child", parent_id="r"))
        store.put_step(make_step("r", seq, name="book", kind="remote", child_run_id="child"))
    log = step_of(client_of(store, ledger), seq)["attemptLog"]
    assert log["attempts"] == []
    assert said in log["absent"]


def test_without_a_ledger_the_step_is_shown_and_says_so(
    store: MemoryStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optional, as everything that the ledger adds."""
    ledger = MemoryLedger()

    def refuse(*args: object, **kwargs: object) -> None:
        raise LedgerUnavailableError("ledger", "It is away.")

    monkeypatch.setattr(ledger, "step_attempts", refuse)
    monkeypatch.setattr(ledger, "failed_attempts_of", refuse)
    client = client_of(store, ledger)
    assert step_of(client)["attemptLog"] == {
        "attempts": [],
        "absent": "The ledger cannot be read now, so what workers kept of this step is not known.",
    }
    assert client.get("/durable/api/runs/r").get_json()["run"]["error"]["message"] == "no answer"


def test_an_answer_has_room_for_so_much_and_says_what_is_left_out(store: MemoryStateStore) -> None:
    """The last attempt's last records first."""
    ledger = MemoryLedger()
    logs = tuple(
        StepLog(at_ms=T, level="INFO", logger="shop", message=f"{number:03} {'x' * 2_000}") for number in range(40)
    )
    many = [
        replace(FIRST, attempt=n, started_at_ms=T + n, logs=logs, logs_left_out=5, traceback="x" * 20_000)
        for n in range(1, 11)
    ]
    ledger.put_step_attempts(many)
    answer = client_of(store, ledger).get("/durable/api/runs/r/steps/2")
    assert len(answer.data) < LOG_BYTES + 30_000
    log = answer.get_json()["attemptLog"]
    assert log["leftOut"] == 10 - len(log["attempts"])
    last = log["attempts"][-1]
    assert (last["n"], len(last["logs"]), last["truncated"]) == (10, 40, 5)
    assert [one.get("truncated", 0) + len(one["logs"]) for one in log["attempts"]] == [45] * len(log["attempts"])


# -- who watches --------------------------------------------------------------------------------------------------


class Given:
    """Services of which only the ledger is asked for."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self.ledger = ledger


def test_runs_are_marked_while_somebody_watches_and_no_oftener_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once where one is new, again in time before the mark ends; a ledger that is away stops nothing."""
    ledger = MemoryLedger()
    calls: list[list[str]] = []
    watch = ledger.watch_runs

    def counted(run_ids: list[str], *, for_ms: int) -> None:
        calls.append(run_ids)
        watch(run_ids, for_ms=for_ms)

    monkeypatch.setattr(ledger, "watch_runs", counted)
    marks = WatchMarks(Given(ledger))  # type: ignore[arg-type]
    for watched, now_s in (
        ([], 0.0),
        (["a"], 1.0),
        (["a"], 2.0),
        (["a", "b"], 3.0),
        (["b"], 4.0),
        (["b"], 3.1 + MARK_S),
    ):
        marks.mark(watched, now_s)
    assert calls == [["a"], ["a", "b"], ["b"]]
    assert ledger.watched_runs() == {"a", "b"}

    def refuse(*args: object, **kwargs: object) -> None:
        raise LedgerUnavailableError("ledger", "It is away.")

    monkeypatch.setattr(ledger, "watch_runs", refuse)
    marks.mark(["c"], 100.0)
