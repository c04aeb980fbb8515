"""``durable report`` and ``test``: a run for a bug report, and as a test."""

from __future__ import annotations

import click

from dashboard.cli.details import lines
from dashboard.cli.options import run_argument
from dashboard.cli.session import CliSession, connected


@click.command()
@run_argument
@click.option("--steps", default=20, show_default=True, type=click.IntRange(0, 200), help="How many of its last steps.")
@connected()
def report(session: CliSession, *, run_id: str, steps: int) -> None:
    """Print a run as Markdown, for a bug report: links, versions, error, steps, input, who did what."""
    session.show(lambda: session.client.run_report(run_id, steps=steps), lines)


@click.command()
@run_argument
@click.option("--module", metavar="MODULE", help="The module that registers the workflow.")
@connected()
def test(session: CliSession, *, run_id: str, module: str | None) -> None:
    """Print a pytest file that replays a run's recorded steps through the workflow's code.

    durable test RUN --module shop.workflows > test_run.py
    """
    session.show(lambda: session.client.run_test(run_id, module=module), lines)
