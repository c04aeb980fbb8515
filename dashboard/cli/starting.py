"""``durable start``, ``fork`` and ``retry-with-input``: new runs."""

from __future__ import annotations

import click

from dashboard.cli.options import as_json, json_argument, run_argument
from dashboard.cli.runs import follow, messages_of
from dashboard.cli.session import NOT_COMPLETED, CliSession, connected
from dashboard.cli.text import acted_text
from dashboard.wire.actions import NewRun
from dashboard.wire.base import Json

follow_option = click.option("-f", "--follow", "followed", is_flag=True, help="Follow it to its end, as tail does.")


def started(session: CliSession, answer: NewRun, *, followed: bool) -> None:
    """Print a new run; follow it where that was asked for."""
    session.print(answer, lambda new: acted_text(new.run, new.notes))
    if followed and follow(session, messages_of(session.client, answer.run_id)) != "completed":
        raise click.exceptions.Exit(NOT_COMPLETED)


@click.command()
@click.argument("workflow")
@json_argument("input", required=False)
@click.option("--run-id", metavar="RUN", help="Its id; the same twice starts one run. Default: generated.")
@click.option("--queue", help="Put it on this queue.")
@click.option("--attributes", metavar="JSON", callback=as_json, help="Search attributes, as an object.")
@follow_option
@connected()
def start(
    session: CliSession,
    *,
    workflow: str,
    input: Json,
    run_id: str | None,
    queue: str | None,
    attributes: Json,
    followed: bool,
) -> None:
    """Start a run. INPUT is a JSON list of arguments, or an object of named ones; @FILE or - reads it."""
    if attributes is not None and not isinstance(attributes, dict):
        raise click.BadParameter("Attributes are a JSON object.", param_hint="--attributes")
    answer = session.client.start_run(workflow, input, run_id=run_id, queue=queue, attributes=attributes)
    started(session, answer, followed=followed)


@click.command()
@run_argument
@click.argument("from_seq", metavar="SEQ", type=click.IntRange(min=0))
@follow_option
@connected()
def fork(session: CliSession, *, run_id: str, from_seq: int, followed: bool) -> None:
    """Start a run that shares the steps of RUN before SEQ."""
    started(session, session.client.fork(run_id, from_seq), followed=followed)


@click.command("retry-with-input")
@run_argument
@json_argument("input")
@follow_option
@connected()
def retry_with_input(session: CliSession, *, run_id: str, input: Json, followed: bool) -> None:
    """Start a new run of the same workflow with corrected input."""
    started(session, session.client.retry_with_input(run_id, input), followed=followed)
