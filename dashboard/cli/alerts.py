"""``durable alerts``: what is wrong, and what is done about it."""

from __future__ import annotations

from typing import Any, cast, get_args

import click

from dashboard.cli.session import CliSession, connected, now, width
from dashboard.cli.text import plain, since, table
from dashboard.wire.alerts import AlertState, AlertsView, AlertView

alert_argument = click.argument("alert_id", metavar="ALERT")
note_option = click.option("--note", default="", help="What was done, or why.")


@click.command("list")
@connected(watch=True)
@click.option("--state", type=click.Choice(get_args(AlertState)), help="Only those that stand so.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500), help="Incidents at most.")
def list_(session: CliSession, *, state: str | None, limit: int) -> None:
    """List incidents: open ones first, then those that ended lately."""
    chosen = cast("AlertState | None", state)
    session.show(lambda: session.client.list_alerts(state=chosen, limit=limit), alerts_table)


@click.group(invoke_without_command=True, params=list_.params)
@click.pass_context
def alerts(ctx: click.Context, /, **options: Any) -> None:
    """List what alert rules found; put an incident off, say that it is dealt with, test the way."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, **options)


@click.command("snooze")
@alert_argument
@click.option("--minutes", default=60, show_default=True, type=click.IntRange(1, 43_200), help="For how long.")
@note_option
@connected()
def snooze(session: CliSession, *, alert_id: str, minutes: int, note: str) -> None:
    """Put an incident off: no message is sent about it until then."""
    session.print(session.client.snooze_alert(alert_id, minutes=minutes, note=note), alert_text)


@click.command("resolve")
@alert_argument
@note_option
@connected()
def resolve(session: CliSession, *, alert_id: str, note: str) -> None:
    """Say that an incident is dealt with."""
    session.print(session.client.resolve_alert(alert_id, note=note), alert_text)


@click.command("test")
@connected()
def test(session: CliSession) -> None:
    """Open an incident whose message shows that messages arrive; it ends by itself."""
    session.print(session.client.test_alerts(), alert_text)


for _command in (list_, snooze, resolve, test):
    alerts.add_command(_command)


def alerts_table(found: AlertsView) -> str:
    """Return incidents, one a line, and what is looked at."""
    rows = [
        [one.id, one.state, plain(one.rule), plain(one.summary), since(one.opened_at, now()), _who(one)]
        for one in found.alerts
    ]
    if not found.rules:
        looked = "No rules are looked at here: give the caretaker alerts."
    else:
        where = ", ".join(map(plain, found.targets)) or "the page alone, or a worker that declares a sender"
        looked = f"Rules: {', '.join(map(plain, found.rules))}. Messages go to {where}."
    heads = ["ALERT", "STATE", "RULE", "WHAT", "SINCE", "BY"]
    return f"{table(heads, rows, width=width()) if rows else 'Nothing is wrong.'}\n\n{looked}"


def _who(one: AlertView) -> str:
    return plain(one.ended_by or one.acknowledged_by or "")


def alert_text(one: AlertView) -> str:
    """Return how an incident stands."""
    until = f" until {one.snoozed_until}" if one.snoozed_until else ""
    return f"{one.id} is {one.state}{until}: {plain(one.summary)}"
