"""Runs, timelines and events as lines for a terminal. Pure, but for the clock that ``ago`` is given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dashboard.client.times import ago, duration, run_duration
from dashboard.wire.actions import UndoView
from dashboard.wire.runs import RunDetail, RunRow, StepView
from dashboard.wire.stream import Changed, EventView, Heartbeat, ListSnapshot, RunSnapshot

COLOURS = {
    "pending": 90,
    "running": 34,
    "suspended": 35,
    "cancelling": 33,
    "completed": 32,
    "failed": 31,
    "cancelled": 90,
    "dead": 31,
    "blocked": 33,
}


def coloured(status: str, *, colour: bool) -> str:
    """Return a status in its colour."""
    return f"\x1b[{COLOURS.get(status, 0)}m{status}\x1b[0m" if colour else status


def since(time: str, now: datetime) -> str:
    """Return how long ago an ISO 8601 time was."""
    then = datetime.fromisoformat(time.replace("Z", "+00:00"))
    return ago((now - then).total_seconds() * 1000)


def took(ms: int | None) -> str:
    """Return how long a run took; nothing when nobody knows."""
    return "" if ms is None else run_duration(ms)


def lasted(ms: int | None) -> str:
    """Return a duration; nothing when nobody knows."""
    return "" if ms is None else duration(ms)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, colour: bool = False) -> str:
    """Return rows as aligned columns; the column headed STATUS is coloured."""
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    lines = []
    for row in (heads, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if colour and row is not heads and "STATUS" in heads:
            at = heads.index("STATUS")
            cells[at] = coloured(row[at], colour=True) + " " * (widths[at] - len(row[at]))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def waits_for(run: RunRow) -> str:
    """Return what a run waits for: ``signal courier``."""
    return " ".join(filter(None, (run.waiting.on, run.waiting.name))) if run.waiting else ""


def runs_table(runs: Sequence[RunRow], now: datetime, *, colour: bool) -> str:
    """Return runs, one a line."""
    if not runs:
        return "No runs match."
    rows = [
        [run.id, run.workflow, run.status, since(run.created_at, now), took(run.duration_ms), waits_for(run)]
        for run in runs
    ]
    return table(["RUN", "WORKFLOW", "STATUS", "CREATED", "TOOK", "WAITS FOR"], rows, colour=colour)


def brief(value: Any, limit: int = 60) -> str:
    """Return a payload on one line, cut."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _result(step: StepView) -> str:
    if step.error is not None:
        return brief(f"{step.error.type or 'error'}: {step.error.message}")
    if step.child_run_id:
        return f"run {step.child_run_id}"
    return "" if step.output is None else brief(step.output)


def detail_text(detail: RunDetail, *, url: str, now: datetime, colour: bool) -> str:
    """Return a run with its timeline."""
    run = detail.run
    facts = [
        ("Run", run.id),
        ("Workflow", run.workflow + (f" (version {run.workflow_version})" if run.workflow_version else "")),
        ("Status", coloured(run.status, colour=colour) + (f", waits for {waits_for(run)}" if run.waiting else "")),
        ("Created", f"{run.created_at} ({since(run.created_at, now)})"),
        ("Took", took(run.duration_ms)),
        ("Queue", run.queue or ""),
        ("Executor", run.executor or ""),
        ("Tags", ", ".join(run.tags)),
        ("Parent", run.parent_id or ""),
        ("Forked from", run.forked_from or ""),
        ("Undo", run.undo_id or ""),
        ("Dead letter", run.dead_letter_id or ""),
        ("Input", "" if run.input is None else brief(run.input, 100)),
        ("Output", "" if run.output is None else brief(run.output, 100)),
        ("Error", brief(f"{run.error.type or 'error'}: {run.error.message}", 200) if run.error else ""),
        ("Trace", run.trace_id),
        ("Page", url),
    ]
    head = "\n".join(f"{name + ':':<13}{value}" for name, value in facts if value)
    steps = [
        [str(s.seq), s.name, s.kind, s.status, lasted(s.queue_ms), lasted(s.duration_ms), _result(s)]
        for s in detail.timeline
        if not s.housekeeping
    ]
    if not steps:
        return f"{head}\n\nNo steps yet."
    heads = ["SEQ", "STEP", "KIND", "STATUS", "QUEUED", "TOOK", "RESULT"]
    return f"{head}\n\n{table(heads, steps, colour=colour)}"


def undo_text(plan: UndoView) -> str:
    """Return what an undo would do, does or did."""
    if not plan.compensations:
        return f"{plan.run_id}: nothing to undo: no step that ran declares a compensation."
    head = f"{plan.run_id}: " + (
        f"undo {plan.status}" if plan.undo_id else "would undo, in this order" if plan.possible else "cannot be undone"
    )
    rows = [
        [str(c.seq), c.step, c.undo or "", c.status or ("maybe done" if c.maybe else ""), brief(c.output)]
        for c in plan.compensations
    ]
    return f"{head}\n{table(['SEQ', 'STEP', 'UNDO', 'STATE', 'STEP RETURNED'], rows)}"


def message_text(message: RunSnapshot | ListSnapshot | EventView | Changed | Heartbeat, *, colour: bool) -> str | None:
    """Return a stream's message as a line; None for what a person needs not see."""
    if isinstance(message, RunSnapshot):
        run = message.detail.run
        return f"{run.id}  {run.workflow}  {coloured(run.status, colour=colour)}  {len(message.detail.timeline)} steps"
    if isinstance(message, ListSnapshot):
        return f"{len(message.runs)} newest runs; following."
    if not isinstance(message, EventView):
        return None
    what = message.type if message.name is None else f"{message.type}  {message.name}"
    length = lasted(message.duration_ms)
    error = brief(message.error.message, 100) if message.error else ""
    return "  ".join(filter(None, (message.at, message.run_id, what, length, error)))
