"""``durable timing``: where a run's time went."""

from __future__ import annotations

import click

from dashboard.cli.options import run_argument
from dashboard.cli.session import Session, connected, width
from dashboard.cli.text import facts, lasted, plain, table
from dashboard.wire.timing import TimingView, UsualView


@click.command()
@run_argument
@connected(watch=True)
def timing(session: Session, *, run_id: str) -> None:
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
