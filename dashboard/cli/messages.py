"""``durable send`` and ``update``: messages to runs that wait."""

from __future__ import annotations

import click

from dashboard.cli.actions import answer_text
from dashboard.cli.options import json_argument, run_argument
from dashboard.cli.session import CliSession, connected
from dashboard.cli.text import acted_text
from dashboard.wire.actions import UpdateAnswer
from dashboard.wire.base import Json

once_option = click.option("--idempotency-key", metavar="KEY", help="The same key twice is delivered once.")


@click.command()
@run_argument
@click.argument("topic")
@json_argument("message", required=False)
@once_option
@connected()
def send(session: CliSession, *, run_id: str, topic: str, message: Json, idempotency_key: str | None) -> None:
    """Send a signal to a run: JSON, @FILE, or - for standard input."""
    answer = session.client.send_signal(run_id, topic, message, idempotency_key=idempotency_key)
    session.print(answer, answer_text)


@click.command()
@run_argument
@click.argument("name")
@json_argument("argument", required=False)
@once_option
@connected()
def update(session: CliSession, *, run_id: str, name: str, argument: Json, idempotency_key: str | None) -> None:
    """Send an update to a run that waits for it; its validators may reject it."""
    answer = session.client.send_update(run_id, name, argument, idempotency_key=idempotency_key)
    session.print(answer, update_text)


def update_text(answer: UpdateAnswer) -> str:
    """Return what became of the run."""
    return acted_text(answer.run, ["accepted"])
