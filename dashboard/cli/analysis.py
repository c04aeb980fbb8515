"""``durable timing`` and ``compare``: where a run's time went, how it differs from another."""

from __future__ import annotations

import click

from dashboard.cli.options import complete_runs, run_argument
from dashboard.cli.session import CliSession, connected, width
from dashboard.cli.text import brief, coloured, facts, lasted, plain, table
from dashboard.wire.compare import ComparedRun, ComparedStep, CompareView, ValueDiff
from dashboard.wire.timing import TimingView, UsualView


@click.command()
@run_argument
@connected(watch=True)
def timing(session: CliSession, *, run_id: str) -> None:
    """Show where a run's time went, beside how long its like usually take."""
    session.show(lambda: session.client.run_timing(run_id), timing_text)


def timing_text(found: TimingView) -> str:
    """Return the parts of a run's time and its longest steps."""
    pairs = (
        ("Time", lasted(found.total_ms)),
        ("In queue", _part(found.queue_ms, found.total_ms)),
        ("At work", _part(found.work_ms, found.total_ms)),
        ("Waiting", _part(found.waiting_ms, found.total_ms)),
        ("Between steps", _part(found.between_ms, found.total_ms)),
        ("Usually", usually(found.usual)),
        ("Expected to end", found.expected_at or ""),
    )
    rows = [[str(step.seq), plain(step.name), lasted(step.duration_ms), usually(step.usual)] for step in found.longest]
    text = facts(pairs, width=width())
    return f"{text}\n\n{table(['STEP', 'LONGEST', 'TOOK', 'USUALLY'], rows, width=width())}" if rows else text


def usually(usual: UsualView | None) -> str:
    """Return what is usual, in words; nothing where nobody knows."""
    if usual is None:
        return ""
    return f"{lasted(usual.median_ms)}, 95 % within {lasted(usual.p95_ms)}, of {usual.count}"


def _part(ms: int, of_ms: int) -> str:
    return f"{lasted(ms)} ({round(100 * ms / of_ms)} %)" if ms and of_ms else ""


@click.command()
@run_argument
@click.argument("other", metavar="[OTHER]", required=False, shell_complete=complete_runs)
@click.option("--attempt", type=click.IntRange(min=1), help="An earlier attempt of OTHER; without OTHER, of RUN.")
@connected()
def compare(session: CliSession, *, run_id: str, other: str | None, attempt: int | None) -> None:
    """Show a run beside another: by default beside the last success of its workflow."""
    session.show(lambda: session.client.compare_runs(run_id, other, attempt=attempt), compare_text)


def compare_text(found: CompareView) -> str:
    """Return two runs side by side, the first difference marked."""
    pairs = (("Run", _side(found.run)), ("Compared with", _side(found.other)))
    rows = [
        [">" if at == found.first_difference else "!" if row.differs else "", *_step(row.run), *_step(row.other)]
        for at, row in enumerate(found.rows)
    ]
    heads = ["", "STEP", "STATUS", "TOOK", "STEP", "STATUS", "TOOK"]
    parts = [facts(pairs, width=width()), table(heads, rows, width=width()) if rows else "No steps."]
    for name, diff in (("Input", found.input), ("Output", found.output)):
        parts.append(f"{name}: the same" if diff.same else f"{name}:\n{_changes(diff)}")
    return "\n\n".join(parts)


def _side(run: ComparedRun) -> str:
    attempt = "" if run.attempt is None else f"attempt {run.attempt}"
    parts = (plain(run.id), attempt, coloured(run.status), lasted(run.took_ms), plain(run.workflow_version or ""))
    return "  ".join(filter(None, parts))


def _step(step: ComparedStep | None) -> list[str]:
    return ["-", "", ""] if step is None else [plain(step.name), coloured(step.status), lasted(step.duration_ms)]


def _changes(diff: ValueDiff) -> str:
    lines = [
        f"  {plain(change.path) or '(all)'}: {brief(change.other)} -> {brief(change.run)}" for change in diff.changes
    ]
    return "\n".join([*lines, "  (more was not compared)"] if diff.cut else lines)
