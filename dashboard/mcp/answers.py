"""Small answers: what an agent needs of a run first, and how to ask for the rest. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dashboard.wire.attempts import StepAttemptView
from dashboard.wire.base import Json
from dashboard.wire.errors import ErrorGroupView
from dashboard.wire.fleet import WorkerGroup
from dashboard.wire.runs import RunDetail, RunRow, StepView
from otel_bridge.model.steps import WITHOUT_RESULT

Answer = dict[str, Any]

MAX_TEXT_CHARS = 4_000
LAST_STEPS, LAST_ATTEMPTS, LAST_LOGS = 10, 5, 20
_OF_RUN = ("id", "workflow", "status", "waiting", "blocked", "queue", "createdAt", "durationMs", "parentId", "allowed")
_OF_ERROR = ("fingerprint", "type", "step", "frame", "count", "total", "firstSeenAt", "lastSeenAt", "share", "state")
_OF_QUEUE = (
    *("depth", "running", "oldestMs", "noWorker", "concurrency", "workerConcurrency", "rateLimitMax"),
    *("rateLimitPeriodS", "registered", "paused", "pausedBy", "pausedAt", "pauseComment"),
)
_OF_STEP = ("seq", "name", "kind", "status", "attempts", "durationMs", "childRunId", "waitsOn", "compensates")


def run_line(run: RunRow) -> Answer:
    """Return what a list shows of a run."""
    wire = run.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {name: wire[name] for name in _OF_RUN if name in wire}


def step_line(step: StepView) -> Answer:
    """Return what a run shows of a step: no payload, and an error's first line."""
    wire = step.model_dump(mode="json", by_alias=True, exclude_none=True)
    line = {name: wire[name] for name in _OF_STEP if name in wire}
    if step.error is not None:
        line["error"] = text_of(step.error.message, 500)
    return line


def run_answer(detail: RunDetail, *, last: int = LAST_STEPS) -> Answer:
    """Return a run: why it failed first, then its last steps. Payloads have a tool of their own."""
    run, steps = detail.run, detail.timeline
    answer = run_line(run)
    if run.error is not None:
        answer["error"] = {"type": run.error.type, "message": text_of(run.error.message, 1_000)}
    shown = steps[-last:] if last else []
    failed = [step for step in steps if step.status in WITHOUT_RESULT and step not in shown]
    answer["failedSteps"] = [step_line(step) for step in failed[-last:]]
    answer["lastSteps"] = [step_line(step) for step in shown]
    answer["stepsInAll"] = max(detail.steps_total, len(steps))
    answer["startedRuns"] = detail.children[:20]
    return answer


def step_answer(step: StepView) -> Answer:
    """Return a step with its payloads, cut."""
    answer = step_line(step)
    for name, value in (("input", step.input), ("output", step.output)):
        if value is not None:
            answer[name] = cut(value)
    if step.error is not None:
        answer["error"] = {"type": step.error.type, "message": text_of(step.error.message, MAX_TEXT_CHARS)}
        if step.error.stack:
            answer["error"]["stack"] = text_of(step.error.stack, MAX_TEXT_CHARS)
    if step.attempt_log is not None and step.attempt_log.attempts:
        answer["attemptLogs"] = [_attempt_line(one) for one in step.attempt_log.attempts[-LAST_ATTEMPTS:]]
    return answer


def _attempt_line(attempt: StepAttemptView) -> Answer:
    """Return one attempt: why it failed, and its last log records."""
    said = [f"{log.level} {log.logger}: {text_of(log.message, 500)}" for log in attempt.logs[-LAST_LOGS:]]
    line: Answer = {"n": attempt.n, "startedAt": attempt.started_at, "logs": said}
    if attempt.error is not None:
        line["error"] = text_of(f"{attempt.error.type}: {attempt.error.message}", 500)
    return line


def error_line(group: ErrorGroupView) -> Answer:
    """Return what a list shows of one kind of failure."""
    wire = group.model_dump(mode="json", by_alias=True, exclude_none=True)
    line = {name: wire[name] for name in _OF_ERROR if name in wire}
    return {**line, "template": text_of(group.template, 500), "workflows": [one.value for one in group.workflows]}


def queue_line(group: WorkerGroup) -> Answer:
    """Return what a list shows of a queue."""
    wire = group.model_dump(mode="json", by_alias=True, exclude_none=True)
    line = {name: wire[name] for name in _OF_QUEUE if name in wire}
    if group.presence_known:
        line["liveWorkers"] = len(group.live_workers)
    return {"queue": group.group, **line}


def cut(value: Json) -> Json:
    """Return a value as it is where it is small, else the beginning of its JSON, and how long that is."""
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= MAX_TEXT_CHARS else {"beginning": text[:MAX_TEXT_CHARS], "chars": len(text)}


def text_of(text: str, most: int) -> str:
    """Return a text, cut with a word about it.

    >>> text_of("abcdef", 3)
    'abc… (3 more characters)'
    """
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"


def several(lines: Sequence[Answer], *, cursor: str | None) -> Answer:
    """Return a page of a list."""
    return {"runs": list(lines), **({"nextCursor": cursor} if cursor is not None else {})}
