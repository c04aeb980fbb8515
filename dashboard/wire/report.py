"""A run as Markdown, for a bug report: what it is, how it failed, its steps, its input, who did what. Pure.

What was stored cannot leave its place: a text in a table holds no line's end, one in a block no fence that ends it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dashboard.wire.base import Json
from dashboard.wire.runs import ErrorView, RunDetail, RunRow, RunView, StepView
from otel_bridge.ledger.base import AuditEntry
from otel_bridge.model import moments
from otel_bridge.model.steps import WITHOUT_RESULT

MOST_BYTES = 300_000
"""Of a whole report."""
MOST_STEPS = 200
_MOST_CELL, _MOST_STACK, _MOST_INPUT = 200, 24_000, 48_000
_MARKUP = re.compile(r"[\\`*\[\]<>|~#&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""An underscore within a word is none."""
_FENCE = re.compile("`{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """What a report says besides the run itself.

    Args:
        page_url: of the run's page.
        version: of this dashboard.
        steps: the run's last steps, those that failed before them first.
        audit: who did what to the run, newest first; None: not for the reader to see.
    """

    page_url: str
    version: str
    steps: Sequence[StepView]
    audit: Sequence[AuditEntry] | None


def report(detail: RunDetail, facts: ReportFacts) -> str:
    """Return the report, at most ``MOST_BYTES`` long.

    Example:
        ``report(detail, facts)`` begins with ``# order failed: GatewayTimeout``.
    """
    run = detail.run
    parts = [_head(run), _facts(run, facts), *_relatives(detail), *_error(run), *_attempts(detail)]
    parts += [_steps(detail, facts.steps), *_payload("Input", run.input, run), *_payload("Output", run.output, run)]
    if facts.audit:
        parts.append(_audit(facts.audit))
    return "\n\n".join(_within(parts)) + "\n"


def _head(run: RunView) -> str:
    kind = None if run.error is None else run.error.type or run.error.message
    return f"# {_words(run.workflow)} {run.status}{'' if kind is None else ': ' + _words(kind)}"


def _facts(run: RunView, facts: ReportFacts) -> str:
    waiting = None if run.waiting is None else f"{run.waiting.on} {run.waiting.name or ''}".strip()
    pairs: list[tuple[str, str | None]] = [
        ("Run", f"[{_words(run.id)}]({facts.page_url})"),
        ("Trace", f"[{run.trace_id}]({run.trace_url})" if run.trace_url else run.trace_id),
        ("Version", _code(run.workflow_version)),
        ("Application", _code(run.namespace)),
        ("Queue", _code(run.queue)),
        ("Executor", _code(run.executor)),
        ("Created", run.created_at),
        ("Started", run.started_at),
        ("Finished", run.finished_at),
        ("Took", _took(run.duration_ms)),
        ("Queued", _took(run.queue_ms)),
        ("Waits for", _code(waiting)),
        ("Blocked", None if run.blocked is None else _words(f"{run.blocked.reason} {run.blocked.remedy}")),
        ("Fingerprint", None if run.error is None else _code(run.error.fingerprint)),
        ("Recoveries", str(run.recovery_attempts) if run.recovery_attempts > 1 else None),
        ("Dealt with", None if run.dealt_with is None else _words(run.dealt_with.note or run.dealt_with.how)),
        ("Attributes", _code(json.dumps(run.search_attributes, ensure_ascii=False)) if run.search_attributes else None),
        ("Durable", facts.version),
    ]
    return "\n".join(f"- {name}: {value}" for name, value in pairs if value)


def _relatives(detail: RunDetail) -> Iterator[str]:
    lineage = detail.lineage
    named: list[tuple[str, RunRow | None]] = [
        ("Started by", lineage.parent),
        ("Forked from", lineage.forked_from),
        ("Handles the death of", lineage.dead_run),
        ("Dead letter", lineage.dead_letter),
        ("Undo", lineage.undo),
        ("Undoes", lineage.undoes),
        *(("Fork", fork) for fork in lineage.forks[:20]),
    ]
    lines = [f"- {what}: {_row(row)}" for what, row in named if row is not None]
    failed = [child for child in detail.child_runs if child.status in WITHOUT_RESULT]
    lines += [f"- Child: {_row(child)}" for child in failed[:20]]
    if detail.children_total:
        lines.append(f"- Children: {detail.children_total:,}")
    if lines:
        yield "## Related runs\n\n" + "\n".join(lines)


def _row(row: RunRow) -> str:
    return f"{_code(row.id)} ({_words(row.workflow)}, {row.status})"


def _error(run: RunView) -> Iterator[str]:
    if run.error is None:
        return
    where = "" if run.error.step is None else f"In step {_code(run.error.step)}.\n\n"
    yield f"## Error\n\n{where}{_fenced(_error_text(run.error))}"


def _error_text(error: ErrorView) -> str:
    head = f"{error.type}: {error.message}" if error.type else error.message
    code = "" if error.code is None else f"\ncode: {error.code}"
    return _cut(f"{head}{code}" + (f"\n\n{error.stack}" if error.stack else ""), _MOST_STACK)


def _attempts(detail: RunDetail) -> Iterator[str]:
    if len(detail.attempts) < 2:
        return
    rows = [
        [
            str(one.n),
            one.cause,
            _cell(one.by),
            one.enqueued_at or "",
            one.ended_at or "",
            one.outcome or "",
            _cell(None if one.error is None else one.error.message),
        ]
        for one in detail.attempts[-50:]
    ]
    yield "## Attempts\n\n" + _table(["#", "Began by", "Who", "Queued", "Ended", "Outcome", "Error"], rows)


def _steps(detail: RunDetail, steps: Sequence[StepView]) -> str:
    if not detail.steps_total:
        return "## Steps\n\nNone was recorded."
    rows = [
        [
            str(step.seq),
            _cell(step.name),
            step.kind,
            f"**{step.status}**" if step.status in WITHOUT_RESULT else step.status,
            step.started_at or "",
            _took(step.duration_ms) or "",
            str(step.attempts) if step.attempts > 1 else "",
            _note(step),
        ]
        for step in steps
    ]
    shown = f"{len(rows):,} of {detail.steps_total:,}"
    heads = ["#", "Step", "Kind", "Status", "Started", "Took", "Attempts", "Error or run"]
    return f"## Steps\n\n{shown}: those that went wrong, and the last.\n\n{_table(heads, rows)}"


def _note(step: StepView) -> str:
    if step.error is not None:
        return _cell(f"{step.error.type or 'Error'}: {step.error.message}")
    return _code(step.child_run_id) or ""


def _payload(title: str, value: Json, run: RunView) -> Iterator[str]:
    name = title.lower()
    if value is None and name not in (run.payload_formats or {}):
        return
    text = json.dumps(value, ensure_ascii=False, indent=2)
    cut = run.truncated is not None and name in run.truncated.fields
    note = "\n\nIt is longer than this." if cut or len(text) > _MOST_INPUT else ""
    yield f"## {title}\n\n{_fenced(_cut(text, _MOST_INPUT), 'json')}{note}"


def _audit(entries: Sequence[AuditEntry]) -> str:
    rows = [
        [moments.iso(entry.at_ms), _cell(entry.actor), _cell(entry.action), _cell(entry.outcome), _cell(entry.detail)]
        for entry in entries
    ]
    return "## Who did what\n\n" + _table(["When", "Who", "What", "Outcome", "Detail"], rows)


# -- Markdown -------------------------------------------------------------------------------------------------------


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _took(ms: int | None) -> str | None:
    return None if ms is None else f"{ms:,} ms"


def _words(text: str) -> str:
    """Return a text on one line, in which nothing is markup."""
    line = " ".join(_cut(text, _MOST_CELL).split())
    return _MARKUP.sub(r"\\\g<0>", "".join(c if c.isprintable() else "�" for c in line))


def _cell(text: str | None) -> str:
    return "" if text is None else _words(text)


def _code(text: str | None) -> str | None:
    """Return a text as code on one line: between more backticks than it holds, and without what ends a table's cell."""
    if not text:
        return None
    line = "".join(c if c.isprintable() else "�" for c in _cut(text, _MOST_CELL)).replace("|", "\\|")
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{ticks} {line} {ticks}" if "`" in line else f"`{line}`"


def _fenced(text: str, language: str = "text") -> str:
    """Return a block between more backticks than any line of it holds."""
    ticks = "`" * (1 + max((len(run) for run in _FENCE.findall(text)), default=2))
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} more characters)"


def _within(parts: Iterable[str]) -> Iterator[str]:
    """Yield the parts that fit; one that does not is named, for half a table or an open block would be no Markdown."""
    left = MOST_BYTES - 10_000
    for part in parts:
        text = part.encode(errors="backslashreplace").decode()
        size = len(text.encode()) + 2
        if size <= left:
            left -= size
            yield text
        else:
            yield f"{text.partition(chr(10))[0]}\n\nLeft out: it does not fit into {MOST_BYTES:,} bytes."
