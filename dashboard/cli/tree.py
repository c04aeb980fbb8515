"""A run as a tree for ``durable show``: facts, then steps, with the runs that they started below them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from dashboard.cli.text import brief, coloured, error_text, facts, lasted, plain, since, table, took, waits_for
from dashboard.wire.runs import AttemptStep, AttemptView, RunDetail, RunRow, RunView, StepView

FOLD_FROM = 12
"""So many like steps in a row become one line; ``--all`` shows each."""

MAYBE = "may have had its effect"
"""Of an interrupted step."""

Children = Mapping[str, RunDetail]
"""The runs below that were read too, by id."""


@dataclass
class Branch:
    """A line of the tree, and the lines below it."""

    label: str
    cells: list[str]
    below: list[Branch] = field(default_factory=list)


def run_text(
    detail: RunDetail, *, url: str | None, now: datetime, width: int | None, children: Children, whole: bool
) -> str:
    """Return a run: what is known of it, and its steps as a tree.

    Args:
        url: of the run's page; None where no page is served.
        children: runs to unfold where a step started them.
        whole: show every step and the engine's own bookkeeping, fold nothing.
    """
    head = facts(_facts(detail.run, url=url, now=now), width=width)
    attempts = _attempts(detail.attempts, width=width) if len(detail.attempts) > 1 else None
    branches = [
        *(_attempt(attempt, whole=whole) for attempt in detail.attempts if attempt.steps),
        *_branches(detail, children=children, whole=whole),
    ]
    rows = [[prefix + branch.label, *branch.cells] for prefix, branch in _lines(branches)]
    heads = ["STEP", "KIND", "STATUS", "QUEUED", "TOOK", "RESULT"]
    steps = table(heads, rows, width=width) if rows else "No steps yet."
    more = None
    if detail.next_step is not None:
        more = f"These are the first {len(detail.timeline):,} of {detail.steps_total:,} steps."
    return "\n\n".join(filter(None, (head, attempts, steps, more)))


def _attempts(attempts: Sequence[AttemptView], *, width: int | None) -> str:
    """Return a run's executions, one a line: why it began again, and how each ended."""
    rows = [
        [
            str(attempt.n),
            plain(attempt.cause + (f" by {attempt.by}" if attempt.by else "")),
            attempt.started_at or "",
            attempt.ended_at or "",
            coloured(attempt.outcome) if attempt.outcome else "",
            plain(attempt.executor or ""),
        ]
        for attempt in attempts
    ]
    return table(["ATTEMPT", "BECAUSE OF", "STARTED", "ENDED", "OUTCOME", "EXECUTOR"], rows, width=width)


def _facts(run: RunView, *, url: str | None, now: datetime) -> Iterator[tuple[str, str]]:
    waiting = f", waits for {waits_for(run, now)}" if run.waiting else ""
    yield "Run", plain(run.id)
    yield "Workflow", plain(run.workflow + (f" (version {run.workflow_version})" if run.workflow_version else ""))
    yield "Status", coloured(run.status) + waiting
    if run.blocked is not None:
        yield "Blocked", plain(f"{run.blocked.reason} {run.blocked.remedy}")
    if run.deadline_at is not None:
        yield "Deadline", run.deadline_at + (" (the run was cancelled by its timeout)" if run.timed_out else "")
    yield "Created", f"{run.created_at} ({since(run.created_at, now)})"
    yield "Took", took(run.duration_ms) + _rounding(run)
    yield "Queue", plain(run.queue or "")
    yield "Executor", plain(run.executor or "")
    yield "Tags", plain(", ".join(run.tags))
    yield "Parent", plain(run.parent_id or "")
    yield "Forked from", plain(run.forked_from or "")
    yield "Undo", plain(run.undo_id or "")
    yield "Dead letter", plain(run.dead_letter_id or "")
    yield "Input", "" if run.input is None else brief(run.input, 100)
    yield "Output", "" if run.output is None else brief(run.output, 100)
    yield "Error", error_text(run.error)
    yield "Allowed", ", ".join(action.replace("cancel_", "").replace("_", "-") for action in run.allowed)
    yield "Trace", run.trace_url or run.trace_id
    yield "Page", url or ""


def _rounding(run: RunView) -> str:
    """Return how far off the time is that a run took, where its store keeps whole seconds; "< 1 s" says it already."""
    return f" ±{took(run.rounded_ms)}" if run.duration_ms and run.rounded_ms else ""


def _lines(branches: Sequence[Branch], before: str = "") -> Iterator[tuple[str, Branch]]:
    """Yield each branch with the lines that lead to it, depth first."""
    for number, branch in enumerate(branches):
        last = number == len(branches) - 1
        yield before + ("└─ " if last else "├─ "), branch
        yield from _lines(branch.below, before + ("   " if last else "│  "))


# -- steps -> branches --------------------------------------------------------------------------------------------


def _branches(detail: RunDetail, *, children: Children, whole: bool) -> list[Branch]:
    shown = [step for step in detail.timeline if whole or not step.housekeeping]
    steps = [step for step in shown if step.compensates is None]
    rows = {row.id: row for row in detail.child_runs}
    branches: list[Branch] = []
    for group, members in groupby(steps, key=lambda step: step.parallel_group):
        inside = _folded(list(members), rows, children=children, whole=whole)
        if group is None or len(inside) == 1:
            branches += inside
        else:
            branches.append(Branch("in parallel", [""] * 5, inside))
    if undone := [step for step in shown if step.compensates is not None]:
        branches.append(
            Branch("undo", [""] * 5, [_branch(step, rows, children=children, whole=whole) for step in undone])
        )
    return branches


def _attempt(attempt: AttemptView, *, whole: bool) -> Branch:
    """Return an earlier attempt: how it ended, and what began in it."""
    cells = ["attempt", coloured(attempt.outcome) if attempt.outcome else "", "", "", error_text(attempt.error, 100)]
    below: list[Branch] = []
    shown = [step for step in attempt.steps or () if whole or not step.housekeeping]
    for _, members in groupby(shown, key=lambda step: step.name):
        alike = list(members)
        if whole or len(alike) < FOLD_FROM:
            below += [_began(step) for step in alike]
        else:
            below.append(Branch(_range(alike), _summary(alike)))
    return Branch(f"attempt {attempt.n}", cells, below)


def _began(step: AttemptStep) -> Branch:
    cells = [step.kind, coloured(step.status), "", lasted(step.duration_ms), _outcome(step)]
    return Branch(f"{step.seq} {plain(step.name)}", cells)


def _range(alike: Sequence[StepView | AttemptStep]) -> str:
    return f"{alike[0].seq}…{alike[-1].seq} {plain(alike[0].name)} × {len(alike)}"


def _folded(steps: list[StepView], rows: Mapping[str, RunRow], *, children: Children, whole: bool) -> list[Branch]:
    """Return a branch per step; many of one name in a row become one."""
    branches: list[Branch] = []
    for _, members in groupby(steps, key=lambda step: step.name):
        alike = list(members)
        if whole or len(alike) < FOLD_FROM:
            branches += [_branch(step, rows, children=children, whole=whole) for step in alike]
        else:
            branches.append(Branch(_range(alike), _summary(alike)))
    return branches


def _summary(steps: Sequence[StepView | AttemptStep]) -> list[str]:
    statuses: dict[str, int] = {}
    for step in steps:
        statuses[step.status] = statuses.get(step.status, 0) + 1
    counts = ", ".join(coloured(status, f"{count} {status}") for status, count in statuses.items())
    return [steps[0].kind, counts, "", "", "see each with --all"]


def _branch(step: StepView, rows: Mapping[str, RunRow], *, children: Children, whole: bool) -> Branch:
    cells = [step.kind, coloured(step.status), lasted(step.queue_ms), lasted(step.duration_ms), _result(step)]
    branch = Branch(f"{step.seq} {plain(step.name)}", cells)
    if step.child_run_id is None:
        return branch
    child = children.get(step.child_run_id)
    row = child.run if child is not None else rows.get(step.child_run_id)
    if row is not None:
        below = _branches(child, children=children, whole=whole) if child is not None else []
        cells = ["run", coloured(row.status), _queued(row), took(row.duration_ms), waits_for(row)]
        branch.below.append(Branch(f"{plain(row.id)} {plain(row.workflow)}", cells, below))
    return branch


def _queued(run: RunRow) -> str:
    """Return how long a run was queued. Between two whole seconds that differ by one nobody measured it."""
    if run.rounded_ms is None:
        return lasted(run.queue_ms)
    return "" if (run.queue_ms or 0) <= run.rounded_ms else took(run.queue_ms)


def _outcome(step: StepView | AttemptStep) -> str:
    if step.error is not None:
        return error_text(step.error, 100)
    return MAYBE if step.status == "interrupted" else ""


def _result(step: StepView) -> str:
    if outcome := _outcome(step):
        return outcome
    if step.output is not None:
        return brief(step.output, 100)
    return f"run {plain(step.child_run_id)}" if step.child_run_id else ""
