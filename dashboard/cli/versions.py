"""``durable versions`` and ``move``: which versions of the application have open runs, and moving runs between them."""

from __future__ import annotations

import click

from dashboard.cli.options import runs_argument
from dashboard.cli.session import CliSession, connected, now, width
from dashboard.cli.text import coloured, lasted, plain, since, table
from dashboard.client import Rows
from dashboard.wire.actions import MoveAnswer
from dashboard.wire.fleet import VersionView


@click.command()
@connected(watch=True)
def versions(session: CliSession) -> None:
    """List the application's versions: open runs, live workers, how runs fare."""
    session.show(session.client.list_versions, versions_table)


def versions_table(found: Rows[VersionView]) -> str:
    """Return versions, one a line, in the order of the API: the newest first."""
    rows = [
        [
            plain(one.version),
            since(one.first_seen_at, now()),
            str(one.live_executors),
            "drained" if one.drained else str(one.open_runs),
            coloured("blocked", str(one.blocked_runs)) if one.blocked_runs else "",
            "" if one.figures.failure_share is None else f"{one.figures.failure_share:.1%}",
            lasted(one.figures.p50_ms),
            lasted(one.figures.p95_ms),
        ]
        for one in found
    ]
    heads = ["VERSION", "FIRST SEEN", "WORKERS", "OPEN", "BLOCKED", "FAILED", "P50", "P95"]
    return table(heads, rows, width=width()) if rows else "No run has a version yet."


@click.command()
@runs_argument
@click.option("--version", help="A live version. Default: the newest one that has the workflow.")
@click.option("-n", "--dry-run", is_flag=True, help="Only compare the recorded steps with that version's.")
@click.option("--force", is_flag=True, help="Move although the recorded steps differ: the replay may fail.")
@connected()
def move(session: CliSession, *, run_ids: tuple[str, ...], version: str | None, dry_run: bool, force: bool) -> None:
    """Move runs that no worker drives to another version of the application."""
    client = session.client
    session.act(run_ids, lambda run_id: client.move(run_id, version=version, dry_run=dry_run, force=force), moved_text)


def moved_text(answer: MoveAnswer) -> str:
    """Return whether a run was moved, or could be, and what is known of the other version's steps."""
    target = plain(answer.version)
    if answer.moved:
        head = f"moved to {target}, {coloured(answer.run.status)}"
    elif answer.run.workflow_version == answer.version:
        head = f"is on {target} already"
    else:
        head = f"would move to {target}"
    return "\n".join([f"{plain(answer.run_id)}: {head}; {checked_text(answer)}", *(answer.notes or ())])


def checked_text(answer: MoveAnswer) -> str:
    """Return what the comparison of the recorded steps found."""
    if answer.divergence is not None:
        found = answer.divergence
        expected = " or ".join(plain(one) for one in found.expected)
        return f"step {found.seq} is {expected} there, and this run recorded {plain(found.recorded)}"
    if not answer.compared:
        return "no completed run of that version to compare its steps with"
    return f"its steps match ({answer.compared} completed {'run' if answer.compared == 1 else 'runs'} compared)"
